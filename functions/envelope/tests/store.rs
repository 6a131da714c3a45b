//! Single events, as older SDKs post them to `store`.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use epitaph_crash_model::{Protocol, Role};
use support::{EVENT, EVENT_ID, House, Packing, pack};

#[tokio::test]
async fn an_event_is_accepted_and_answered_with_its_id() {
    let mut house = House::new();
    let event = format!("\n {{\"event_id\":\"{EVENT_ID}\",\"message\":\"it broke\"}}");
    let answer = house.send_store(event.as_bytes()).await;
    assert_eq!(answer.body, format!("{{\"id\":\"{EVENT_ID}\"}}"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let report = house.report_of(&answer).await;
    assert_eq!((report.protocol, report.client_id.as_deref()), (Protocol::Store, Some(EVENT_ID)));
    assert_eq!(house.payloads(&report).await, [("event.json".into(), Role::Event, event.into_bytes())]);
}

#[tokio::test]
async fn an_event_without_an_id_is_answered_with_the_one_that_was_made() {
    let mut house = House::new();
    let answer = house.send_store(EVENT).await;
    let report = house.report_of(&answer).await;
    assert_eq!(report.client_id, None);
    assert_eq!(answer.body, format!("{{\"id\":\"{}\"}}", report.id.simple()));
}

#[tokio::test]
async fn an_event_may_be_base64_of_zlib_and_is_kept_unpacked() {
    let mut house = House::new();
    let long = format!("{{\"message\":\"{}\"}}", "it broke ".repeat(50_000)).into_bytes();
    for event in [EVENT, &long] {
        for packed in [pack(Packing::Zlib, event), event.to_vec()] {
            let body = STANDARD.encode(packed);
            for body in [body.clone(), body.replace('=', ""), format!("{body}\r\n")] {
                let answer = house.send_store(body.as_bytes()).await;
                let report = house.report_of(&answer).await;
                assert_eq!(house.bytes(&report, 0).await, event);
            }
        }
    }
}

#[tokio::test]
async fn an_event_over_the_limit_is_413_also_when_it_is_small_on_the_wire() {
    let mut house = House::with(|settings| settings.limits.event = 100_000);
    let event = format!("{{\"message\":\"{}\"}}", "x".repeat(100_000)).into_bytes();
    house.send_store(&event).await.is_refused(413, "too_large");
    house
        .send_store(STANDARD.encode(pack(Packing::Zlib, &event)).as_bytes())
        .await
        .is_refused(413, "too_large");
    let bomb = STANDARD.encode(pack(Packing::Zlib, &vec![b' '; 50_000_000]));
    house.send_store(bomb.as_bytes()).await.is_refused(413, "too_large");
    house.nothing_was_kept().await;
}

#[tokio::test]
async fn what_is_no_event_is_400_and_leaves_nothing() {
    let mut house = House::new();
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"hello, I am a log file",
        b"MDMP",
        STANDARD.encode("not packed").as_bytes(),
        STANDARD.encode(pack(Packing::Zlib, b"no json")).as_bytes(),
        STANDARD.encode(&pack(Packing::Zlib, EVENT)[..20]).as_bytes(),
        STANDARD.encode(&EVENT[..20]).as_bytes(),
    ] {
        let answer = house.send_store(body).await;
        let detail = answer.is_refused(400, "malformed");
        assert!(detail.contains("the event cannot be read"), "{detail}");
    }
    house.nothing_was_kept().await;
}
