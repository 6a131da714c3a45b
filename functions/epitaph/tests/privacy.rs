//! Who a player is, and where a report came from, is not found in what is kept.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use std::{fs, path::Path};

use serde_json::json;
use support::{House, answer};

/// All that lies below a directory, unpacked where it is packed.
fn contents(directory: &Path, all: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            contents(&path, all);
            continue;
        }
        // What was there a moment ago may be gone.
        let Ok(bytes) = fs::read(&path) else { continue };
        let is_packed = path.extension().is_some_and(|end| end == "zst");
        let bytes = if is_packed { zstd::decode_all(&bytes[..]).unwrap() } else { bytes };
        all.push((path.display().to_string(), bytes));
    }
}

#[tokio::test]
async fn neither_the_address_of_a_client_nor_the_id_of_a_player_is_kept() {
    let house = House::with(&[("EPITAPH_LOG", "debug")]);
    let server = house.serve();
    let url = format!("{}/api/1/store/?sentry_key={}", server.url, server.key);
    let event = json!({
        "event_id": "9c0d1f8a4b7e4d1f8a4b7e4d1f8a4b7e", "message": "it froze", "server_name": "anns-laptop",
        "user": {"id": "player-4711", "username": "annlee", "email": "annlee@example.com", "ip_address": "{{auto}}"},
        "tags": {"steam_id": "76561198012345678"},
        "contexts": {"device": {"model": "Pixel 9", "device_unique_identifier": "8f3a77c0"}},
        "request": {"env": {"REMOTE_ADDR": "203.0.113.77"}, "headers": {"X-Forwarded-For": "203.0.113.77"}},
    });
    let mut request = server.client.post(url).body(event.to_string());
    for name in
        ["X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP", "Fly-Client-IP"]
    {
        request = request.header(name, "203.0.113.77");
    }
    request = request.header("Forwarded", "for=203.0.113.77;proto=https");
    let posted = answer(request).await.unwrap();
    assert_eq!(posted.status, 200, "{}", posted.text);
    let crash = server.crash("9c0d1f8a4b7e4d1f8a4b7e4d1f8a4b7e").await;
    assert_eq!(crash["user_hash"].as_str().map(str::len), Some(16));
    let page = format!("{}/projects/1/crashes/{}", server.url, crash["id"].as_str().unwrap());
    let page = answer(server.client.get(page).bearer_auth(&server.token)).await.unwrap();
    assert_eq!(page.status, 200);

    let mut kept = Vec::new();
    contents(&house.data().join("bucket"), &mut kept);
    assert!(kept.iter().any(|(path, _)| path.contains("/payloads/")), "the event itself is kept");
    kept.push(("the API".to_owned(), crash.to_string().into_bytes()));
    kept.push(("the page".to_owned(), page.text.into_bytes()));
    let is_in = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|found| found == text.as_bytes());
    for private in ["player-4711", "annlee", "anns-laptop", "76561198012345678", "8f3a77c0", "203.0.113.77"] {
        for (place, bytes) in &kept {
            assert!(!is_in(bytes, private), "{private} is in {place}");
        }
    }
    assert!(kept.iter().any(|(_, bytes)| is_in(bytes, "Pixel 9")), "the search finds what is there");
    // The event's own word went through the queue; what the proxies say goes nowhere.
    let log = fs::read(house.log()).unwrap();
    assert!(!is_in(&log, "203.0.113.77"), "{}", String::from_utf8_lossy(&log));
}
