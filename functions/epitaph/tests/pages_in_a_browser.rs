//! The dashboard's pages in a real browser.

mod support;

use support::{House, answer, clients};

/// An exception with all that a page shows of one.
const EVENT: &str = r#"{
    "event_id": "9ec79c33ec9942ab8353589fcb2e04dc", "platform": "javascript", "level": "fatal",
    "release": "space-quest@1.4.2", "environment": "beta", "dist": "4711",
    "user": {"id": "player-7", "username": "Ann"}, "tags": {"map": "e1m1"},
    "contexts": {"device": {"model": "a-device-with-a-name-that-goes-on-and-on-without-a-place-to-break-it"}},
    "breadcrumbs": [{"timestamp": 1763838000, "category": "game", "level": "warning", "message": "entered the mine",
        "data": {"address": "https://example.com/a/very/long/address/that/nobody/would/want/to/read/on/a/phone"}}],
    "exception": {"values": [{"type": "RangeError", "value": "the chest is empty",
        "mechanism": {"type": "onerror", "handled": false},
        "stacktrace": {"frames": [
            {"function": "play", "filename": "https://example.com/assets/game.0123456789abcdef.js", "lineno": 15, "in_app": true},
            {"function": "openChestThatLiesAtTheVeryBottomOfTheDeepestMineOfAllTheMines", "filename": "game.js",
             "lineno": 11, "colno": 3, "context_line": "  throw new RangeError(`the ${chest} is empty`);", "in_app": true}
        ]}}]}
}"#;

#[tokio::test]
async fn a_person_reads_about_a_crash_with_the_keyboard_alone_on_any_screen() {
    let (Some(mut browser), Some(chromium)) = (clients::node("browser"), clients::chromium()) else { return };
    let house = House::new();
    let server = house.serve();
    let dump = server.post_dump(epitaph_test_dumps::windows()).await.unwrap();
    let native = server.crash(&dump.text).await;
    let store = format!("{}/api/1/store/?sentry_key={}", server.url, server.key);
    let stored = answer(server.client.post(store).body(EVENT)).await.unwrap();
    assert_eq!(stored.status, 200, "{}", stored.text);
    let event = server.crash("9ec79c33ec9942ab8353589fcb2e04dc").await;
    let link = format!("{}/login?token={}", server.url, server.token);
    browser.arg("pages.mjs").arg(chromium).arg(link);
    clients::succeed(browser.args([&native, &event].map(|crash| crash["id"].as_str().unwrap())));
}
