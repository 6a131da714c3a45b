//! Who may post: keys wherever SDKs put them, pages of any origin, and what is answered to everybody else.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use support::{EVENT, House, envelope, event_item, post, request};

/// Both endpoints, and a body for each.
fn endpoints() -> [(&'static str, Vec<u8>); 2] {
    [("/api/1/envelope/", envelope(&[event_item()])), ("/api/1/store/", EVENT.to_vec())]
}

/// An envelope with a DSN in its header.
fn with_dsn(dsn: &str) -> Vec<u8> {
    [format!("{{\"dsn\":\"{dsn}\"}}\n").into_bytes(), event_item()].concat()
}

#[tokio::test]
async fn the_key_is_taken_wherever_sdks_put_it() {
    let mut house = House::new();
    let key = house.key.clone();
    let basic = STANDARD.encode(format!("{key}:"));
    for (query, header) in [
        (format!("?sentry_key={key}&sentry_version=7"), String::new()),
        (
            String::new(),
            format!("X-Sentry-Auth: Sentry sentry_key={key}, sentry_version=7, sentry_client=x/1.0"),
        ),
        (String::new(), format!("Authorization: Sentry sentry_version=7,sentry_key={key}")),
        (String::new(), format!("Authorization: Basic {basic}")),
        (format!("?sentry_key={key}"), format!("X-Sentry-Auth: Sentry sentry_key={key}")),
    ] {
        let header = if header.is_empty() { "X-Nothing: here".to_owned() } else { header };
        for (path, body) in endpoints() {
            let answer = house.send(&post(&format!("{path}{query}"), &[&header], &body)).await;
            house.report_of(&answer).await;
        }
    }
}

#[tokio::test]
async fn the_key_may_stand_in_the_envelope_alone() {
    let mut house = House::new();
    let dsn = format!("https://{}@crashes.example.com/1", house.key);
    let answer = house.send(&post("/api/1/envelope/", &[], &with_dsn(&dsn))).await;
    house.report_of(&answer).await;
    let project_7 = format!("http://{}@localhost:8080/7", house.key_of(7));
    let answer = house.send(&post("/api/7/envelope/", &[], &with_dsn(&project_7))).await;
    assert_eq!(house.report_of(&answer).await.project.get(), 7);
    // A key outside has the word: a tunnel hands on envelopes whose DSN is its own.
    let answer =
        house.send(&post(&house.path("envelope"), &[], &with_dsn("https://nobody@elsewhere/3"))).await;
    house.report_of(&answer).await;
}

#[tokio::test]
async fn a_dsn_in_the_envelope_is_checked_as_any_key_is() {
    let mut house = House::new();
    let (own, other) = (house.key.clone(), house.key_of(2));
    for (dsn, status, cause) in [
        ("nonsense".to_owned(), 401, "unauthorized"),
        ("https://crashes.example.com/1".to_owned(), 401, "unauthorized"),
        ("https://abc@crashes.example.com/1".to_owned(), 401, "unauthorized"),
        (format!("https://{own}@crashes.example.com/2"), 401, "unauthorized"),
        (format!("https://{own}@crashes.example.com"), 401, "unauthorized"),
        (format!("https://{other}@crashes.example.com/1"), 403, "forbidden"),
    ] {
        let answer = house.send(&post("/api/1/envelope/", &[], &with_dsn(&dsn))).await;
        answer.is_refused(status, cause);
    }
    house.nothing_was_kept().await;
}

#[tokio::test]
async fn a_missing_malformed_or_second_key_is_401_and_says_so() {
    let mut house = House::new();
    let (own, other) = (house.key.clone(), house.key_of(2));
    for (query, header) in [
        (String::new(), "X-Nothing: here".to_owned()),
        ("?sentry_key=".to_owned(), "X-Nothing: here".to_owned()),
        ("?sentry_key=abc".to_owned(), "X-Nothing: here".to_owned()),
        (format!("?sentry_key={own}&sentry_key={other}"), "X-Nothing: here".to_owned()),
        (format!("?sentry_key={own}"), format!("X-Sentry-Auth: Sentry sentry_key={other}")),
        (format!("?sentry_key={own}"), format!("Authorization: Basic {}", STANDARD.encode(&other))),
        (String::new(), "X-Sentry-Auth: Sentry sentry_version=7".to_owned()),
        (String::new(), "Authorization: Basic ???".to_owned()),
    ] {
        for (path, body) in endpoints() {
            let answer = house.send(&post(&format!("{path}{query}"), &[&header], &body)).await;
            answer.is_refused(401, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), Some("Sentry"));
        }
    }
    house.nothing_was_kept().await;
}

#[tokio::test]
async fn a_key_of_another_project_is_403() {
    let mut house = House::new();
    for key in [house.key_of(2), "0".repeat(32)] {
        for (path, body) in endpoints() {
            let answer = house.send(&post(&format!("{path}?sentry_key={key}"), &[], &body)).await;
            let detail = answer.is_refused(403, "forbidden");
            assert!(!detail.contains(&key), "a key is not repeated: {detail}");
        }
    }
    house.nothing_was_kept().await;
}

#[tokio::test]
async fn a_project_that_is_none_is_401() {
    let mut house = House::new();
    for project in ["0", "01", "-1", "x", "99999999999999999999", "%ff", "%0d%0aX-Evil:%201"] {
        for endpoint in ["envelope", "store"] {
            let target = format!("/api/{project}/{endpoint}/?sentry_key={}", house.key);
            house.send(&post(&target, &[], EVENT)).await.is_refused(401, "unauthorized");
        }
    }
    house.nothing_was_kept().await;
}

#[tokio::test]
async fn an_encoding_that_is_not_taken_is_415() {
    let mut house = House::new();
    for endpoint in ["envelope", "store"] {
        let answer = house.send(&post(&house.path(endpoint), &["Content-Encoding: compress"], b"x")).await;
        let detail = answer.is_refused(415, "unsupported");
        assert!(detail.contains("gzip, deflate, br, zstd"), "{detail}");
    }
    house.nothing_was_kept().await;
}

#[tokio::test]
async fn a_request_over_the_limit_is_413_before_it_is_read() {
    let mut house = House::with(|settings| settings.limits.request = 10_000);
    for endpoint in ["envelope", "store"] {
        let answer = house.send(&post(&house.path(endpoint), &[], &[b'x'; 10_001])).await;
        answer.is_refused(413, "too_large");
    }
    house.nothing_was_kept().await;
}

#[tokio::test]
async fn what_cannot_be_made_durable_is_503_and_says_when_to_come_again() {
    let house = House::with(|settings| settings.min_free_disk = u64::MAX);
    for endpoint in ["envelope", "store"] {
        let body = if endpoint == "store" { EVENT.to_vec() } else { envelope(&[event_item()]) };
        let answer = house.send(&post(&house.path(endpoint), &[], &body)).await;
        answer.is_refused(503, "unavailable");
        assert_eq!(answer.header("retry-after"), Some("30"));
    }
}

/// That answers and refusals can be read by any page is asserted wherever one is read.
#[tokio::test]
async fn a_browser_is_told_before_it_posts_what_it_may_send() {
    let house = House::new();
    for path in ["/api/1/envelope/", "/api/1/envelope", "/api/1/store/", "/api/1/store"] {
        let headers = [
            "Origin: https://game.example.com",
            "Access-Control-Request-Method: POST",
            "Access-Control-Request-Headers: content-encoding,x-sentry-auth",
        ];
        let answer = house.send(&request("OPTIONS", path, &headers, b"")).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{answer:?}");
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "POST, OPTIONS"),
            ("access-control-allow-headers", "X-Sentry-Auth, Content-Type, Content-Encoding, Authorization"),
            ("access-control-max-age", "3600"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
    }
}

#[tokio::test]
async fn another_method_is_405() {
    let house = House::new();
    for method in ["GET", "PUT", "DELETE"] {
        for endpoint in ["envelope", "store"] {
            let answer = house.send(&request(method, &house.path(endpoint), &[], b"")).await;
            assert_eq!(answer.status, 405, "{answer:?}");
            assert!(answer.body.contains("expected POST"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn refusals_are_counted_by_their_causes() {
    let house = House::new();
    house.send(&post("/api/1/envelope/", &[], b"{}")).await.is_refused(401, "unauthorized");
    house.send(&post("/api/1/store/", &[], b"{}")).await.is_refused(401, "unauthorized");
    house.send_envelope(b"x").await.is_refused(400, "malformed");
    let metrics = house.metrics.text();
    for line in [
        r#"epitaph_outcomes_total{function="envelope",outcome="refused",reason="unauthorized"} 2"#,
        r#"epitaph_outcomes_total{function="envelope",outcome="refused",reason="malformed"} 1"#,
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}
