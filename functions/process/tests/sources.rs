//! Reports that tell of a crash in other ways than by a minidump.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use bytes::Bytes;
use common::house::{House, payload, report};
use epitaph_bucket::Key;
use epitaph_crash_model::{Content, Encoding, Kind, Protocol, Report, Role};
use epitaph_queue::Outcome;
use epitaph_test_dumps::linux;

const EVENT: &[u8] = include_bytes!("events/python.json");

/// An envelope with these payloads.
fn envelope(payloads: &[(Role, &[u8])]) -> Report {
    let payloads = payloads.iter().map(|(role, bytes)| payload(*role, "item", bytes)).collect();
    Report { protocol: Protocol::Envelope, annotations: Default::default(), payloads, ..report(b"") }
}

#[tokio::test]
async fn an_event_without_a_minidump_is_a_crash_with_its_users_and_its_payload() {
    let house = House::new().await;
    let report = envelope(&[(Role::Event, EVENT)]);
    assert_eq!(house.handle(&report).await, Outcome::Done);
    let crash = house.crash(&report).await;
    assert_eq!((crash.unreadable, crash.kind), (None, Kind::Crash));
    assert_eq!(crash.client_id.as_deref(), Some("9c0d1f8a4b7e4d1f8a4b7e4d1f8a4b7e"));
    let row = house.row(&report).await.unwrap();
    assert_eq!(row.signature_text, "LevelError | server.world.load_level | __main__.<module>");
    assert!(row.fact.user.is_some() && !row.fact.unreadable);
    let key: Key = crash.payloads[0].key.parse().unwrap();
    let kept = zstd::decode_all(&house.bucket.get(&key, 1 << 20).await.unwrap()[..]).unwrap();
    assert!(String::from_utf8(kept).unwrap().contains("level e1m1 has no spawn point"));
}

#[tokio::test]
async fn an_event_is_read_from_the_bucket_however_it_is_packed_and_only_up_to_its_limit() {
    let house = House::new().await;
    // Without an id of the client's: two of one id would be one crash.
    let event = br#"{"message":"the lift froze"}"#.as_slice();
    let large = [event, &vec![b' '; 1 << 20]].concat();
    let packed = zstd::encode_all(event, 1).unwrap();
    let packed_large = zstd::encode_all(large.as_slice(), 1).unwrap();
    for (stored, encoding, unreadable) in [
        (Some(event.to_vec()), Encoding::Identity, None),
        (Some(packed), Encoding::Zstd, None),
        (Some(event.to_vec()), Encoding::Zstd, Some("cannot be unpacked")),
        (Some(large), Encoding::Identity, Some("larger than is read (1 MiB)")),
        (Some(packed_large), Encoding::Zstd, Some("larger than is read (1 MiB)")),
        (None, Encoding::Identity, Some("no longer in the bucket")),
    ] {
        let mut report = envelope(&[(Role::Event, b"")]);
        let key = Key::payload(report.project, report.id, 0);
        if let Some(bytes) = stored {
            house.bucket.put(&key, Bytes::from(bytes)).await.unwrap();
        }
        report.payloads[0].content = Content::Stored { key: key.to_string(), encoding };
        assert_eq!(house.handle(&report).await, Outcome::Done);
        let said = house.crash(&report).await.unreadable;
        match unreadable {
            Some(why) => assert!(said.as_deref().is_some_and(|said| said.contains(why)), "{said:?}"),
            None => assert_eq!(said, None),
        }
    }
}

#[tokio::test]
async fn a_minidump_in_an_events_envelope_tells_the_threads_and_the_event_the_rest() {
    let house = House::new().await;
    let report = envelope(&[(Role::Event, EVENT), (Role::Minidump, &linux())]);
    assert_eq!(house.handle(&report).await, Outcome::Done);
    let crash = house.crash(&report).await;
    assert_eq!(crash.reason.as_deref(), Some("SIGSEGV / SEGV_MAPERR"));
    assert_eq!(crash.threads[crash.crashing_thread.unwrap()].frames[0].module.as_deref(), Some("game"));
    assert_eq!(crash.release.as_deref(), Some("1.2.3"), "the dump's own word");
    assert_eq!((crash.build.as_deref(), crash.breadcrumbs.len()), (Some("1188"), 2));
}

#[tokio::test]
async fn feedback_alone_is_no_crash_and_is_found_by_the_crash_that_it_names() {
    let house = House::new().await;
    let crash = envelope(&[(Role::Event, EVENT)]);
    let said = br#"{"event_id":"9c0d1f8a4b7e4d1f8a4b7e4d1f8a4b7e","name":"Ann","email":"a@b.c","comments":"It froze."}"#;
    let feedback = envelope(&[(Role::Feedback, said)]);
    // It may come before its crash, and more than once.
    for report in [&feedback, &crash, &feedback] {
        assert_eq!(house.handle(report).await, Outcome::Done);
    }
    assert_eq!(house.row(&feedback).await, None);
    let found = house.catalog.feedback(crash.project, crash.id, 10).await.unwrap();
    let told: Vec<_> = found.iter().map(|one| (one.name.as_deref(), one.comments.as_str())).collect();
    assert_eq!(told, [(Some("Ann"), "It froze.")]);

    // It may also come with its crash, and what is private in it goes.
    let with = br#"{"comments":"In the lift. Write to ann@example.com!"}"#;
    let with = envelope(&[(Role::Event, b"{}"), (Role::Feedback, with)]);
    assert_eq!(house.handle(&with).await, Outcome::Done);
    let found = house.catalog.feedback(with.project, with.id, 10).await.unwrap();
    let told: Vec<_> = found.iter().map(|one| one.comments.as_str()).collect();
    assert_eq!(told, ["In the lift. Write to [email]!"]);
}

#[tokio::test]
async fn feedback_that_cannot_be_read_is_a_dead_letter() {
    let house = House::new().await;
    let report = envelope(&[(Role::Feedback, b"{}")]);
    house.is_dead(&house.signed(&report), "no text of the player's").await;
}
