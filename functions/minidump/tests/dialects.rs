//! What some clients send beside or instead of what Crashpad sends.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use epitaph_crash_model::{NoteReason, Report, Role};
use epitaph_test_dumps::{linux, windows};
use serde_json::{Value, json};
use support::{Answer, House, dump_part, field_part, file_part, form, note, post};

const FORM: &str =
    "Content-Type: multipart/form-data; boundary=---MultipartBoundary-0123456789abcdefghijklmnopqrstuv---";

/// The names and values that a report was annotated with.
fn annotations(report: &Report) -> Vec<(&str, &str)> {
    report.annotations.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// The events of a report, as text.
async fn events(house: &House, report: &Report) -> Vec<String> {
    let mut events = Vec::new();
    for (index, payload) in report.payloads.iter().enumerate() {
        if payload.role == Role::Event {
            events.push(String::from_utf8(house.bytes(report, index).await).unwrap());
        }
    }
    events
}

async fn submit(house: &House, parts: &[Vec<u8>]) -> Answer {
    let target = format!("/submit?sentry_key={}", house.key);
    house.send(&post(&target, &[FORM], &form(parts))).await
}

#[tokio::test]
async fn socorros_annotations_come_in_one_part_of_json() {
    let mut house = House::new();
    let extra =
        br#"{"ProductName":"MyGame","Notes":"a\nb","TelemetryEnvironment":"{\"a\":1}","Odd":{"b": 2}}"#;
    let parts = [
        file_part("extra", "extra.json", "application/json", extra),
        file_part("upload_file_minidump", "a.dmp", "application/octet-stream", &linux()),
    ];
    assert_eq!(submit(&house, &parts).await.status, 200);
    let report = house.accepted().await;
    let expected = [
        ("Notes", "a\nb"),
        ("Odd", r#"{"b": 2}"#),
        ("ProductName", "MyGame"),
        ("TelemetryEnvironment", r#"{"a":1}"#),
    ];
    assert_eq!(annotations(&report), expected);
    assert_eq!(house.dump(&report).await, linux());
    assert_eq!(report.payloads.len(), 1);
}

#[tokio::test]
async fn annotations_that_are_no_json_are_kept_as_they_came_and_the_dump_too() {
    let mut house = House::new();
    let broken = file_part("extra", "extra.json", "application/json; charset=utf-8", br#"{"a":"1","b"#);
    assert_eq!(submit(&house, &[broken, dump_part(&linux())]).await.status, 200);
    let report = house.accepted().await;
    assert_eq!(annotations(&report), [("a", "1")]);
    assert_eq!(house.bytes(&report, 0).await, br#"{"a":"1","b"#);
    assert_eq!(report.notes, [note(Some("extra.json"), NoteReason::NotReadable)]);
    assert_eq!(house.dump(&report).await, linux());
}

#[tokio::test]
async fn annotations_as_json_keep_the_limits_of_all_annotations() {
    let mut house = House::with(|limits| {
        (limits.annotations, limits.annotation_value, limits.annotation_total) = (2, 1000, 2000);
    });
    let extra = json!({"a": "1", "long": "x".repeat(1001), "n": "2", "one too many": "3"}).to_string();
    let part = |json: &str| file_part("extra", "extra.json", "application/json", json.as_bytes());
    let far_too_long = json!({"a": "x".repeat(12_001)}).to_string();
    assert_eq!(submit(&house, &[part(&extra), part(&far_too_long), dump_part(&linux())]).await.status, 200);
    let report = house.accepted().await;
    assert_eq!(annotations(&report), [("a", "1"), ("n", "2")]);
    let too_large = |name| note(Some(name), NoteReason::AnnotationTooLarge);
    assert_eq!(report.notes, [too_large("long"), too_large("one too many"), too_large("extra")]);
}

#[tokio::test]
async fn a_form_inside_the_minidumps_part_is_read_like_the_outer_one() {
    let mut house = House::new();
    let inner = |end: &str| {
        let mut inner = b"--inner\r\nContent-Disposition: form-data; name=\"_productName\"\r\n\r\nMyGame\r\n\
            --inner\r\nContent-Disposition: form-data; name=\"upload_file_minidump\"; filename=\"in.dmp\"\r\n\r\n"
            .to_vec();
        inner.extend(linux());
        inner.extend(end.bytes());
        inner
    };
    for end in ["\r\n--inner--\r\n", "\r\n--inner--", ""] {
        let outer = file_part("upload_file_minidump", "out.dmp", "application/octet-stream", &inner(end));
        let typed = file_part("form", "form", "multipart/form-data; boundary=inner", &inner(end));
        for part in [outer, typed] {
            let answer = house.send_form(&form(&[part, field_part("ver", "1.2")])).await;
            let report = house.report_of(&answer).await;
            assert_eq!(annotations(&report), [("_productName", "MyGame"), ("ver", "1.2")], "{end:?}");
            assert_eq!(report.payloads[0].name, "in.dmp");
            assert_eq!(house.dump(&report).await, linux(), "{end:?}");
            assert_eq!(report.notes, []);
        }
    }
}

#[tokio::test]
async fn a_form_in_a_form_in_a_form_is_not_a_minidump() {
    let house = House::new();
    let nest = |boundary: &str, inside: &[u8]| {
        let head =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"upload_file_minidump\"\r\n\r\n");
        [head.as_bytes(), inside, format!("\r\n--{boundary}--\r\n").as_bytes()].concat()
    };
    let body = form(&[dump_part(&nest("a", &nest("b", &linux())))]);
    house.send_form(&body).await.is_refused(400, "not_a_minidump");
    for no_form in [&b"--"[..], b"-", b"", b"--\r\nMDMP", &b"-".repeat(500)] {
        house.send_form(&form(&[dump_part(no_form)])).await.is_refused(400, "not_a_minidump");
    }
}

#[tokio::test]
async fn sentrys_fields_become_one_event() {
    let mut house = House::new();
    let parts = [
        field_part("sentry__2", r#"","dist":"7"}"#),
        field_part("sentry__1", r#"{"release":"game@1.2"#),
        field_part("sentry[user][id]", "player"),
        field_part("sentry[tags][map]", "e1m1"),
        field_part("sentry", r#"{"environment":"live","tags":{"map":"e2","mode":"hard"}}"#),
        field_part("prod", "MyGame"),
        dump_part(&linux()),
    ];
    let answer = house.send_form(&form(&parts)).await;
    let report = house.report_of(&answer).await;
    let events = events(&house, &report).await;
    assert_eq!(events.len(), 1);
    let event: Value = serde_json::from_str(&events[0]).unwrap();
    let expected = json!({"release": "game@1.2", "dist": "7", "environment": "live", "user": {"id": "player"},
        "tags": {"map": "e1m1", "mode": "hard"}});
    assert_eq!(event, expected);
    assert_eq!(annotations(&report), [("prod", "MyGame")]);
    assert_eq!(house.dump(&report).await, linux());
}

#[tokio::test]
async fn an_event_in_one_field_is_kept_to_the_letter_even_behind_a_form_that_breaks_off() {
    let mut house = House::new();
    let parts = [dump_part(&linux()), field_part("sentry", r#"{ "release" : 1.0 }"#)].concat();
    let answer = house.send_form(&[parts, field_part("late", "x")[..60].to_vec()].concat()).await;
    let report = house.report_of(&answer).await;
    assert_eq!(events(&house, &report).await, [r#"{ "release" : 1.0 }"#]);
    assert_eq!(report.notes.len(), 1);
}

#[tokio::test]
async fn fields_beyond_the_size_of_an_event_are_noted_and_the_dump_is_kept() {
    let mut house = House::with(|limits| limits.event = 1024);
    let mut parts = vec![field_part("sentry[a]", "1"), field_part("sentry[long]", &"x".repeat(1025))];
    parts.extend((0..200).map(|index| field_part(&format!("sentry[{index}]"), "")));
    parts.push(dump_part(&windows()));
    let answer = house.send_form(&form(&parts)).await;
    let report = house.report_of(&answer).await;
    let event: Value = serde_json::from_str(&events(&house, &report).await[0]).unwrap();
    assert_eq!(event["a"], "1");
    assert!(event.as_object().unwrap().len() < 100);
    assert_eq!(report.notes[0], note(Some("sentry[long]"), NoteReason::AnnotationTooLarge));
    assert_eq!(house.dump(&report).await, windows());
}

#[tokio::test]
async fn sentrys_files_of_msgpack_are_known_by_their_names() {
    let mut house = House::new();
    let bytes = "application/octet-stream";
    let parts = [
        file_part("__sentry-event", "__sentry-event", bytes, b"\x81\xa1a\x01"),
        file_part("attachment", "__sentry-breadcrumb1", bytes, b"\x90"),
        file_part("__sentry-breadcrumb2", "other", bytes, b"\x90"),
        file_part("attachment", "game.log", bytes, b"the last line"),
        dump_part(&linux()),
    ];
    let answer = house.send_form(&form(&parts)).await;
    let report = house.report_of(&answer).await;
    let roles: Vec<_> = report.payloads.iter().map(|payload| payload.role).collect();
    let expected = [
        Role::EventMsgpack,
        Role::BreadcrumbsMsgpack,
        Role::BreadcrumbsMsgpack,
        Role::Attachment,
        Role::Minidump,
    ];
    assert_eq!(roles, expected);
    assert_eq!(house.bytes(&report, 0).await, b"\x81\xa1a\x01");
}
