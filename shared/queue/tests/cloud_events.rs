//! CloudEvents as brokers post them: both modes, and everything that is not taken.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use bytes::Bytes;
use epitaph_crash_model::{Message, MessageKind, ProjectId, Timestamp};
use epitaph_queue::cloud_events::{Event, EventError, receive};
use epitaph_secrets::{Purpose, RootSecret, Secret};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::Full;
use proptest::prelude::*;

fn secret() -> Secret {
    RootSecret::new("an example of a root secret").unwrap().derive(Purpose::Message)
}

fn message() -> Message {
    let data = serde_json::json!({"name": "<the last & only> é", "number": 1.0});
    let time = "2026-01-31T23:59:59.120Z".parse().unwrap();
    let mut message =
        Message::new(MessageKind::Report, ProjectId::FIRST, "an id".to_owned(), time, &data).unwrap();
    secret().sign_message(&mut message);
    message
}

fn headers(of: &[(&str, &str)]) -> HeaderMap {
    let pairs = of.iter();
    pairs
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect()
}

fn binary(message: &Message) -> HeaderMap {
    headers(&[
        ("ce-specversion", "1.0"),
        ("ce-id", "an%20id"),
        ("ce-source", &message.source),
        ("ce-type", "report"),
        // A broker may write the same moment in other letters.
        ("ce-time", "2026-02-01T08:59:59.12+09:00"),
        ("ce-epitaphmac", &message.epitaphmac),
        ("ce-knativearrivaltime", "2026-02-01T00:00:00Z"),
        ("content-type", "application/json; charset=UTF-8"),
        ("host", "process.games.svc"),
    ])
}

fn structured() -> HeaderMap {
    headers(&[("content-type", "application/cloudevents+json; charset=utf-8")])
}

fn body(text: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(text.as_ref())
}

fn is_ours(event: &Event) {
    let read = event.message().unwrap();
    assert!(secret().is_signed(&read), "{read:?}");
    assert_eq!(serde_json::to_string(&read).unwrap(), serde_json::to_string(&message()).unwrap());
}

#[test]
fn a_message_reads_back_from_both_modes() {
    let message = message();
    is_ours(&Event::read(&binary(&message), body(message.data.get())).unwrap());
    let json = serde_json::to_string(&message).unwrap();
    is_ours(&Event::read(&structured(), body(&json)).unwrap());
    let base64 = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(message.data.get())
    };
    let mut object: serde_json::Value = serde_json::from_str(&json).unwrap();
    object["data_base64"] = base64.into();
    object.as_object_mut().unwrap().remove("data");
    is_ours(&Event::read(&structured(), body(object.to_string())).unwrap());
}

#[test]
fn what_brokers_add_is_read_and_changes_nothing() {
    let event = Event::read(&binary(&message()), body("{}")).unwrap();
    assert_eq!(event.attribute("knativearrivaltime"), Some("2026-02-01T00:00:00Z"));
    assert_eq!(event.attribute("host"), None);
    let json =
        r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","flag":true,"count":-3,"gone":null}"#;
    let event = Event::read(&structured(), body(json)).unwrap();
    assert_eq!((event.attribute("flag"), event.attribute("count")), (Some("true"), Some("-3")));
    assert_eq!(event.attribute("gone"), None);
    assert!(matches!(event.message(), Err(EventError::Foreign(kind)) if kind == "t"));
}

#[test]
fn a_changed_message_carries_no_signature_of_ours() {
    let message = message();
    for (name, value) in [
        ("ce-id", "another"),
        ("ce-source", "/projects/2"),
        ("ce-time", "2026-02-01T00:00:00Z"),
        ("ce-epitaphmac", ""),
    ] {
        let mut headers = binary(&message);
        headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        let read = Event::read(&headers, body(message.data.get())).unwrap().message().unwrap();
        assert!(!secret().is_signed(&read), "{name}");
    }
    let read = Event::read(&binary(&message), body("{}")).unwrap().message().unwrap();
    assert!(!secret().is_signed(&read));
    let mut headers = binary(&message);
    headers.remove("ce-epitaphmac");
    let read = Event::read(&headers, body(message.data.get())).unwrap().message().unwrap();
    assert!(!secret().is_signed(&read));
}

#[test]
fn what_is_no_event_is_refused_and_said_to_be_so() {
    let whole = binary(&message());
    let without = |name: &str| {
        let mut headers = whole.clone();
        headers.remove(name);
        headers
    };
    let with = |name: &'static str, value: &'static str| {
        let mut headers = whole.clone();
        headers.append(name, HeaderValue::from_static(value));
        headers
    };
    let instead = |name: &'static str, value: &'static str| {
        let mut headers = whole.clone();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    };
    let long: &'static str = "x".repeat(9000).leak();
    let json = |text: &str| (structured(), body(text));
    let cases = [
        ((without("ce-specversion"), body("{}")), 400, "no CloudEvent"),
        ((instead("ce-specversion", "0.3"), body("{}")), 400, "version \"0.3\""),
        ((without("ce-id"), body("{}")), 400, "attribute id is missing"),
        ((instead("ce-source", ""), body("{}")), 400, "attribute source is missing"),
        ((without("ce-type"), body("{}")), 400, "attribute type is missing"),
        ((with("ce-id", "another"), body("{}")), 400, "attribute id comes twice"),
        ((with("content-type", "application/json"), body("{}")), 400, "content-type comes twice"),
        ((with("ce-under_score", "x"), body("{}")), 400, "small letters and digits"),
        ((with("ce-long", long), body("{}")), 400, "is too long"),
        ((with("ce-line", "a%0Ab"), body("{}")), 400, "control character"),
        ((with("ce-bytes", "%FF"), body("{}")), 400, "is no text"),
        ((instead("content-type", "application/cloudevents-batch+json"), body("[]")), 415, "a batch"),
        ((instead("content-type", "application/cloudevents+avro"), body("")), 415, "content type"),
        (
            (instead("content-type", "application/cloudevents+json; charset=utf-16"), body("{}")),
            415,
            "content type",
        ),
        (json("[]"), 400, "cannot be read"),
        (json("{"), 400, "cannot be read"),
        (json(r#"{"specversion":"1.0","id":"1","id":"2"}"#), 400, "a member comes twice"),
        (json(r#"{"specversion":"1.0","id":1.5}"#), 400, "attribute id"),
        (json(r#"{"specversion":"1.0","id":"1","source":"s","type":["t"]}"#), 400, "attribute type"),
        (json(r#"{"data":1,"data_base64":"MQ=="}"#), 400, "both data"),
        (json(r#"{"data_base64":"%"}"#), 400, "not base64"),
    ];
    for ((headers, body), status, said) in cases {
        let error = Event::read(&headers, body).unwrap_err();
        assert_eq!(error.status().as_u16(), status, "{error}");
        assert!(error.to_string().contains(said), "{error} does not say {said:?}");
    }
    let many: HeaderMap = (0..100)
        .map(|number| (format!("ce-x{number}").parse::<HeaderName>().unwrap(), HeaderValue::from_static("x")))
        .collect();
    assert!(Event::read(&many, Bytes::new()).unwrap_err().to_string().contains("one too many"));
    let members: String = (0..100).map(|number| format!("\"x{number}\":1,")).collect();
    assert!(Event::read(&structured(), body(format!("{{{members}\"y\":1}}"))).is_err());
}

#[test]
fn a_message_is_json_with_a_time_and_of_a_known_type() {
    let message = message();
    let cases = [
        ("ce-type", "dev.knative.sources.ping", "none of Epitaph's"),
        ("ce-time", "yesterday", "is no time"),
        ("content-type", "text/plain", "not application/json"),
    ];
    for (name, value, said) in cases {
        let mut headers = binary(&message);
        headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        let error = Event::read(&headers, body(message.data.get())).unwrap().message().unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(error.status().as_u16(), 400);
    }
    for data in ["", "{", "{} {}", "\u{feff}{}"] {
        assert!(Event::read(&binary(&message), body(data)).unwrap().message().is_err(), "{data}");
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit() {
    let message = message();
    let request = |length: usize| {
        let mut request = Request::post("/").body(Full::new(body("1".repeat(length)))).unwrap();
        *request.headers_mut() = binary(&message);
        request
    };
    assert!(receive(request(100), 100).await.is_ok());
    let error = receive(request(101), 100).await.unwrap_err();
    assert_eq!(error.status().as_u16(), 413);
}

proptest! {
    #[test]
    fn every_message_reads_back(
        id in "\\PC{1,40}",
        millis in 0_i64..4_102_444_800_000,
        project in 1_u64..u64::from(u32::MAX),
        data in "\\PC{0,200}",
    ) {
        let project = ProjectId::try_from(project).unwrap();
        let time = Timestamp::from_millis(millis);
        let mut message = Message::new(MessageKind::Report, project, id, time, &data).unwrap();
        secret().sign_message(&mut message);
        let json = serde_json::to_string(&message).unwrap();
        let read = Event::read(&structured(), body(&json)).unwrap().message().unwrap();
        prop_assert!(secret().is_signed(&read));
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), json);
    }

    #[test]
    fn no_body_breaks_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Event::read(&structured(), body(&bytes));
        if let Ok(event) = Event::read(&binary(&message()), body(&bytes)) {
            let _ = event.message();
        }
    }

    #[test]
    fn no_json_breaks_the_reader(text in "[{}\\[\\]\":,a-c0-9. \\\\]{0,60}") {
        let _ = Event::read(&structured(), body(&text));
        let _ = Event::read(&structured(), body(format!("{{\"specversion\":\"1.0\",{text}}}")));
    }

    #[test]
    fn no_header_breaks_the_reader(value in prop::collection::vec(any::<u8>(), 0..60), at in 0_usize..9) {
        let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
        let mut headers = binary(&message());
        let name = headers.keys().nth(at).unwrap().clone();
        headers.insert(name, value);
        if let Ok(event) = Event::read(&headers, body("{}")) {
            let _ = event.message();
        }
    }
}
