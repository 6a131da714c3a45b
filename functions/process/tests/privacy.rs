//! What is private does not outlive the queue.

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
use epitaph_crash_model::{Content, Encoding, Report, Role, StoredPayload};
use epitaph_queue::Outcome;
use epitaph_test_dumps::windows;

const LOG: &[u8] =
    b"ann@example.com joined from 203.0.113.7\nsaved to C:\\Users\\ann\\save.dat\ntoken=0f3e\n";

async fn text_of(house: &House, payload: &StoredPayload) -> String {
    let packed = house.bucket.get(&payload.key.parse().unwrap(), 1 << 20).await.unwrap();
    assert_eq!(payload.encoding, Encoding::Zstd);
    let text = zstd::decode_all(&packed[..]).unwrap();
    assert_eq!(text.len() as u64, payload.size);
    String::from_utf8_lossy(&text).into_owned()
}

fn with_log(mut report: Report, name: &str) -> Report {
    report.payloads[0] = payload(Role::Attachment, name, LOG);
    report
}

#[tokio::test]
async fn private_things_are_taken_out_of_a_crash_and_its_signature_stays_the_same() {
    let house = House::new().await;
    let open = House::new().await;
    open.set_rules(r#"{"scrub":{"email":false,"ip":false,"home":false,"secret":false,"user":false}}"#).await;
    let mut report = report(&windows());
    report.annotations.insert("last_error".to_owned(), "ann@example.com lost 203.0.113.7".to_owned());
    report.annotations.insert("login_token".to_owned(), "0f3e".to_owned());
    for house in [&house, &open] {
        assert!(matches!(house.handle(&report).await, Outcome::Done));
    }
    let (scrubbed, unscrubbed) = (house.crash(&report).await, open.crash(&report).await);
    assert_eq!(scrubbed.annotations["last_error"], "[email] lost [ip]");
    assert_eq!(scrubbed.annotations["login_token"], "[secret]");
    assert_eq!(unscrubbed.annotations["login_token"], "0f3e");
    assert_eq!(scrubbed.signature, unscrubbed.signature);
}

#[tokio::test]
async fn users_whose_ids_are_addresses_are_still_told_apart() {
    let house = House::new().await;
    let mut hashes = Vec::new();
    for user in ["ann@example.com", "bob@example.com"] {
        let mut report = report(&windows());
        // Another dump, or the second would be the first again.
        report.payloads.remove(1);
        report.annotations.insert("user.id".to_owned(), user.to_owned());
        assert!(matches!(house.handle(&report).await, Outcome::Done));
        assert_eq!(house.crash(&report).await.annotations["user.id"], "[user]");
        hashes.push(house.row(&report).await.unwrap().fact.user.unwrap());
    }
    assert_ne!(hashes[0], hashes[1]);
}

#[tokio::test]
async fn a_log_is_kept_without_what_is_private() {
    let house = House::new().await;
    let report = with_log(report(&windows()), "game.log");
    assert!(matches!(house.handle(&report).await, Outcome::Done));
    let kept = text_of(&house, &house.crash(&report).await.payloads[0]).await;
    assert_eq!(kept, "[email] joined from [ip]\nsaved to C:\\Users\\[user]\\save.dat\ntoken=[secret]\n");
}

#[tokio::test]
async fn a_log_in_the_bucket_is_replaced_and_deleted() {
    let house = House::new().await;
    let mut report = with_log(report(&windows()), "game.log");
    let key = Key::payload(report.project, report.id, 0);
    house.bucket.put(&key, Bytes::from_static(LOG)).await.unwrap();
    report.payloads[0].content = Content::Stored { key: key.to_string(), encoding: Encoding::Identity };
    assert!(matches!(house.handle(&report).await, Outcome::Done));
    let kept = house.crash(&report).await.payloads[0].clone();
    assert_ne!(kept.key, key.to_string());
    assert!(text_of(&house, &kept).await.starts_with("[email]"));
    assert!(!house.bucket.exists(&key).await.unwrap(), "what was sent is still there");
}

#[tokio::test]
async fn what_is_not_a_text_is_kept_as_it_came() {
    let house = House::new().await;
    let report = with_log(report(&windows()), "screenshot.png");
    assert!(matches!(house.handle(&report).await, Outcome::Done));
    let crash = house.crash(&report).await;
    assert_eq!(text_of(&house, &crash.payloads[0]).await.as_bytes(), LOG);
}

#[tokio::test]
async fn what_sdks_send_is_kept_without_the_player_and_the_players_machine() {
    let house = House::new().await;
    let event = br#"{"message":"it froze","user":{"id":"player-4711"},"server_name":"anns-laptop"}"#;
    let msgpack = b"\x82\xa7message\xa6it hit\xa4user\x81\xa2id\xabplayer-4711";
    let xml = b"<FGenericCrashContext><RuntimeProperties><LoginId>6b5ef42f</LoginId>\n<EpicAccountId>player-4711\
        </EpicAccountId><UserName>Ann Lee</UserName><MachineId>8F3A77C0</MachineId><CrashType>Crash</CrashType>\
        </RuntimeProperties><GameData><UserId>player-4711</UserId><Map>e1m1</Map></GameData></FGenericCrashContext>";
    let mut hashes = Vec::new();
    for (role, bytes) in
        [(Role::Event, &event[..]), (Role::EventMsgpack, &msgpack[..]), (Role::UnrealContext, &xml[..])]
    {
        let mut report = report(&[]);
        report.payloads = vec![payload(role, "told", bytes)];
        assert!(matches!(house.handle(&report).await, Outcome::Done));
        let crash = house.crash(&report).await;
        assert_eq!((crash.unreadable.as_deref(), crash.payloads[0].role), (None, role));
        let kept = text_of(&house, &crash.payloads[0]).await;
        let told = serde_json::to_string(&crash).unwrap();
        for private in ["player-4711", "anns-laptop", "6b5ef42f", "Ann Lee", "8F3A77C0"] {
            assert!(!kept.contains(private) && !told.contains(private), "{private}: {kept}\n{told}");
        }
        assert!(kept.contains("[user]"), "{kept}");
        hashes.push(house.row(&report).await.unwrap().fact.user.unwrap());
    }
    assert!(hashes.windows(2).all(|two| two[0] == two[1]), "{hashes:?}");
}

#[tokio::test]
async fn rules_ask_about_what_was_sent_and_not_about_what_is_kept() {
    let house = House::new().await;
    house
        .set_rules(
            r#"{"rules":[{"name":"bots","match":{"annotations":{"user_id":"bot-*"}},"action":"drop"}]}"#,
        )
        .await;
    for (user, kept) in [("bot-7", false), ("player-7", true)] {
        let mut report = report(&windows());
        report.payloads.remove(1);
        report.annotations.insert("user_id".to_owned(), user.to_owned());
        assert!(matches!(house.handle(&report).await, Outcome::Done));
        assert_eq!(house.row(&report).await.is_some(), kept, "{user}");
    }
}
