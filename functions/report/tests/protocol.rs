//! What clients send, byte for byte, and what the collector makes of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use epitaph_crash_model::{Note, NoteReason, ProjectId, Protocol, Role};
use support::{BOUNDARY, House, field, file, form_type, gzip, head, post};

const REPORT: &str =
    r#"{"version":1,"type":"NullReferenceException","stack":"Player.Update () (at Assets/Player.cs:12)"}"#;
const ID: &str = "9ec79c33ec9942ab8353589fcb2e04dc";

fn note(name: &str, reason: NoteReason) -> Note {
    Note { name: Some(name.to_owned()), reason }
}

#[tokio::test]
async fn a_report_is_kept_to_the_letter_and_answered_with_an_id_that_finds_it() {
    let mut house = House::new();
    let headers = ["Content-Type: application/json", "User-Agent: UnityPlayer/2022.3"];
    let answer = house.send(&post(&house.path(), &headers, REPORT.as_bytes())).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let report = house.report_of(&answer).await;
    assert_eq!((report.project, report.protocol), (ProjectId::FIRST, Protocol::Report));
    assert_eq!(report.client.as_deref(), Some("UnityPlayer/2022.3"));
    let payload = &report.payloads[0];
    assert_eq!(
        (payload.role, payload.name.as_str(), report.payloads.len()),
        (Role::Report, "report.json", 1)
    );
    assert_eq!(payload.content_type.as_deref(), Some("application/json"));
    assert_eq!(house.bytes(&report, "report.json").await, REPORT.as_bytes());
}

#[tokio::test]
async fn the_clients_own_id_is_the_one_that_is_answered() {
    let mut house = House::new();
    for given in [ID.to_owned(), "9EC79C33-EC99-42AB-8353-589FCB2E04DC".to_owned()] {
        let answer = house.post(&format!(r#"{{"version":1,"message":"x","id":"{given}"}}"#)).await;
        let report = house.report_of(&answer).await;
        assert_eq!(report.client_id.as_deref(), Some(ID));
        assert_eq!(answer.body, format!("{{\"id\":\"{ID}\"}}"));
    }
}

#[tokio::test]
async fn the_path_is_the_same_with_and_without_its_trailing_slash() {
    let mut house = House::new();
    for path in ["/api/1/report/", "/api/1/report"] {
        let answer =
            house.send(&post(&format!("{path}?sentry_key={}", house.key), &[], REPORT.as_bytes())).await;
        assert_eq!(house.report_of(&answer).await.project, ProjectId::FIRST);
    }
}

#[tokio::test]
async fn the_key_may_come_from_any_source() {
    let mut house = House::new();
    let basic = format!("Authorization: Basic {}", STANDARD.encode(format!("{}:", house.key)));
    let sentry = format!("X-Sentry-Auth: Sentry sentry_version=7, sentry_key={}", house.key);
    let authorization = format!("Authorization: Sentry sentry_key={}", house.key);
    for header in [basic, sentry, authorization] {
        let answer = house.send(&post("/api/1/report/", &[&header], REPORT.as_bytes())).await;
        house.report_of(&answer).await;
    }
}

#[tokio::test]
async fn a_key_that_is_missing_malformed_doubled_or_anothers_is_refused() {
    let house = House::new();
    let send =
        async |target: &str, headers: &[&str]| house.send(&post(target, headers, REPORT.as_bytes())).await;
    send("/api/1/report/", &[]).await.is_refused(401, "unauthorized");
    send("/api/1/report/?sentry_key=abc", &[]).await.is_refused(401, "unauthorized");
    let other = format!("X-Sentry-Auth: Sentry sentry_key={}", house.key_of(2));
    send(&house.path(), &[&other]).await.is_refused(401, "unauthorized");
    send(&format!("/api/0/report/?sentry_key={}", house.key), &[]).await.is_refused(401, "unauthorized");
    send(&format!("/api/%ff/report/?sentry_key={}", house.key), &[]).await.is_refused(401, "unauthorized");
    let answer = send(&format!("/api/2/report/?sentry_key={}", house.key), &[]).await;
    answer.is_refused(403, "forbidden");
}

#[tokio::test]
async fn a_page_of_any_origin_may_ask_post_and_read_the_answer() {
    let mut house = House::new();
    let asks = [
        "Origin: https://play.example.com",
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Headers: content-type",
    ];
    for path in ["/api/1/report/", "/api/1/report"] {
        let answer = house.send(&head("OPTIONS", path, &asks)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-methods"), Some("POST, OPTIONS"));
        assert_eq!(
            answer.header("access-control-allow-headers"),
            Some("X-Sentry-Auth, Content-Type, Content-Encoding, Authorization")
        );
    }
    // Sent as text, it needs no leave: what a page sends as it is closed cannot wait for one.
    let headers = ["Origin: https://play.example.com", "Content-Type: text/plain;charset=UTF-8"];
    let answer = house.send(&post(&house.path(), &headers, REPORT.as_bytes())).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    house.report_of(&answer).await;
}

#[tokio::test]
async fn another_method_is_told_what_is_expected() {
    let answer = House::new().send(&head("GET", "/api/1/report/", &[])).await;
    assert_eq!(answer.status, 405);
    assert!(answer.body.contains("expected POST"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn a_body_may_be_packed_and_one_that_is_not_as_it_says_is_refused() {
    let mut house = House::new();
    let send = async |house: &House, encoding: &str, body: &[u8]| {
        house.send(&post(&house.path(), &[&format!("Content-Encoding: {encoding}")], body)).await
    };
    let answer = send(&house, "gzip", &gzip(REPORT.as_bytes())).await;
    let report = house.report_of(&answer).await;
    assert_eq!(house.bytes(&report, "report.json").await, REPORT.as_bytes());
    send(&house, "gzip", REPORT.as_bytes()).await.is_refused(400, "malformed");
    send(&house, "gzip", &gzip(REPORT.as_bytes())[..30]).await.is_refused(400, "broke_off");
    send(&house, "compress", REPORT.as_bytes()).await.is_refused(415, "unsupported");
}

#[tokio::test]
async fn a_field_of_the_wrong_type_is_named() {
    let house = House::new();
    for (json, detail) in [
        (r#"{"message":"x"}"#, "the report cannot be taken: `version`: it is missing; expected 1"),
        (
            r#"{"version":2,"message":"x"}"#,
            "the report cannot be taken: `version`: expected the number 1, found the number 2",
        ),
        (
            r#"{"version":1,"exceptions":[{"frames":[{"line":"twelve"}]}]}"#,
            "the report cannot be taken: `exceptions[0].frames[0].line`: expected a number from 0, found the text \"twelve\"",
        ),
        ("[]", "the report cannot be taken: expected an object, found a list"),
    ] {
        assert_eq!(house.post(json).await.is_refused(400, "malformed"), detail);
    }
    for json in ["", "{", "{\"version\":1,}", "version=1", "\u{0}"] {
        let detail = house.post(json).await.is_refused(400, "malformed");
        assert!(detail.starts_with("the report cannot be taken: it is not JSON: "), "{detail}");
    }
    let nothing = house.post(r#"{"version":1,"release":"2"}"#).await.is_refused(400, "malformed");
    assert!(nothing.contains("expected at least one of type, message, stack"), "{nothing}");
}

#[tokio::test]
async fn half_a_character_does_not_cost_the_report() {
    let mut house = House::new();
    let answer = house.post(r#"{"version":1,"message":"cut here \ud83d"}"#).await;
    let report = house.report_of(&answer).await;
    assert_eq!(house.bytes(&report, "report.json").await, br#"{"version":1,"message":"cut here \ufffd"}"#);
}

#[tokio::test]
async fn a_report_over_its_limit_is_refused_however_it_comes() {
    let mut house = House::with(|limits| {
        limits.event = 10_000;
        limits.request = 20_000;
    });
    let report = |length: usize| {
        let head = r#"{"version":1,"message":"#;
        format!("{head}\"{}\"}}", "x".repeat(length - head.len() - 3))
    };
    let answer = house.post(&report(10_000)).await;
    house.report_of(&answer).await;
    house.post(&report(10_001)).await.is_refused(413, "too_large");
    house.post_form(&[field("report", &report(10_001))]).await.is_refused(413, "too_large");
    let packed = gzip(report(10_001).as_bytes());
    assert!(packed.len() < 1000);
    house.send(&post(&house.path(), &["Content-Encoding: gzip"], &packed)).await.is_refused(413, "too_large");
    house.post(&report(20_001)).await.is_refused(413, "too_large");
}

#[tokio::test]
async fn a_large_report_is_kept_whole() {
    let mut house = House::new();
    let json = format!(r#"{{"version":1,"message":"{}"}}"#, "x".repeat(900_000));
    let answer = house.post(&json).await;
    let report = house.report_of(&answer).await;
    assert_eq!(house.bytes(&report, "report.json").await, json.as_bytes());
}

#[tokio::test]
async fn a_form_brings_a_log_and_a_screenshot_before_or_after_the_report() {
    let mut house = House::new();
    let log = file("log", r"C:\game\player.log", "text/plain", b"the last line");
    let shot = file("screenshot", "shot.png", "image/png", &[7; 600_000]);
    for report_part in
        [field("report", REPORT), file("report", "crash.json", "application/json", REPORT.as_bytes())]
    {
        for parts in [
            [report_part.clone(), log.clone(), shot.clone(), field("seed", "7")],
            [field("seed", "7"), log.clone(), shot.clone(), report_part.clone()],
        ] {
            let answer = house.post_form(&parts).await;
            let report = house.report_of(&answer).await;
            assert_eq!(house.bytes(&report, "report.json").await, REPORT.as_bytes());
            assert_eq!(house.bytes(&report, "player.log").await, b"the last line");
            assert_eq!(house.bytes(&report, "shot.png").await, [7; 600_000]);
            let roles = report.payloads.iter().filter(|payload| payload.role == Role::Attachment).count();
            assert_eq!((roles, report.annotations["seed"].as_str(), report.notes), (2, "7", vec![]));
        }
    }
}

#[tokio::test]
async fn a_form_without_a_report_or_with_a_broken_one_is_refused() {
    let house = House::new();
    let detail = house.post_form(&[field("seed", "7")]).await.is_refused(400, "malformed");
    assert!(detail.contains("expected its JSON in the field report"), "{detail}");
    let detail = house.post_form(&[field("report", "{\"version\":1}")]).await.is_refused(400, "malformed");
    assert!(detail.contains("it says nothing"), "{detail}");
    let no_boundary = post(&house.path(), &["Content-Type: multipart/form-data"], REPORT.as_bytes());
    house.send(&no_boundary).await.is_refused(400, "malformed");
    house
        .send(&post(&house.path(), &[&form_type()], &field("report", REPORT)[..60]))
        .await
        .is_refused(400, "malformed");
}

#[tokio::test]
async fn what_is_too_large_or_too_many_in_a_form_costs_itself_alone() {
    let mut house = House::with(|limits| {
        limits.file = 5_000;
        limits.event = 5_000;
        limits.files = 3;
        limits.inline = 5_000;
    });
    let parts = [
        file("log", "large.log", "text/plain", &[b'x'; 5_001]),
        file("log", "a.log", "text/plain", b"a"),
        file("log", "b.log", "text/plain", b"b"),
        field("report", REPORT),
    ];
    let answer = house.post_form(&parts).await;
    let report = house.report_of(&answer).await;
    assert_eq!(
        report.notes,
        [note("large.log", NoteReason::FileTooLarge), note("b.log", NoteReason::TooManyFiles)]
    );
    let names: Vec<_> = report.payloads.iter().map(|payload| payload.name.as_str()).collect();
    assert_eq!(names, ["a.log", "report.json"]);
}

#[tokio::test]
async fn what_breaks_off_behind_the_report_is_noted() {
    let mut house = House::new();
    let log = file("log", "player.log", "text/plain", b"the last line");
    let body = [field("report", REPORT), log[..log.len() - 10].to_vec()].concat();
    let answer = house.send(&post(&house.path(), &[&form_type()], &body)).await;
    let report = house.report_of(&answer).await;
    assert_eq!(report.notes, [note("player.log", NoteReason::RequestBrokeOff)]);
    assert_eq!(house.bytes(&report, "report.json").await, REPORT.as_bytes());
    assert!(!body.ends_with(BOUNDARY.as_bytes()));
}

#[tokio::test]
async fn a_second_report_in_a_form_does_not_take_the_place_of_the_first() {
    let mut house = House::new();
    let answer = house.post_form(&[field("report", REPORT), field("report", "{}")]).await;
    let report = house.report_of(&answer).await;
    assert_eq!(house.bytes(&report, "report.json").await, REPORT.as_bytes());
}

#[tokio::test]
async fn a_report_that_finds_no_memory_is_asked_to_come_again() {
    let house = House::with(|limits| {
        limits.buffers = 16 << 10;
        limits.inline = 1 << 10;
    });
    let answer = house.post(REPORT).await;
    answer.is_refused(503, "busy");
    assert_eq!(answer.header("retry-after"), Some("30"));
}
