//! A plain JSON report goes from an HTTP post to the API, with what its stack's text says.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use serde_json::{Value, json};
use support::{House, Server, answer};

async fn crash(server: &Server, report: &Value) -> Value {
    let url = format!("{}/api/1/report/?sentry_key={}", server.url, server.key);
    let request = server.client.post(url).header("Content-Type", "application/json");
    let answer = answer(request.body(report.to_string())).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    let answer: Value = serde_json::from_str(&answer.text).unwrap();
    server.crash(answer["id"].as_str().unwrap()).await
}

#[tokio::test]
async fn an_event_as_large_as_the_operator_allows_is_taken_and_read() {
    let house = House::with(&[("EPITAPH_LIMIT_EVENT", "3M")]);
    let server = house.serve();
    let url = format!("{}/api/1/store/?sentry_key={}", server.url, server.key);
    let event = json!({"message": "it froze", "unknown": "x".repeat(2 << 20)});
    let posted = answer(server.client.post(url).body(event.to_string())).await.unwrap();
    let posted: Value = serde_json::from_str(&posted.text).unwrap();
    let read = server.crash(posted["id"].as_str().unwrap()).await;
    assert_eq!((&read["message"], &read["unreadable"]), (&json!("it froze"), &Value::Null));
}

#[tokio::test]
async fn an_exception_of_unity_appears_with_its_frames_and_falls_together_with_its_like() {
    let house = House::new();
    let server = house.serve();
    let report = |line: u32| {
        let stack = format!(
            "Game.Player+<Load>d__{line}.MoveNext () (at Assets/Player.cs:{line})\nUnityEngine.SetupCoroutine:InvokeMoveNext(IEnumerator, IntPtr)\n"
        );
        json!({
            "version": 1, "message": "NullReferenceException: Object reference not set", "stack": stack,
            "stack_format": "unity", "release": "1.2.3", "platform": "Windows", "tags": {"store": "steam"},
            "breadcrumbs": [{"category": "level", "message": "entered canyon"}], "user": {"id": "player-17"},
        })
    };
    let first = crash(&server, &report(12)).await;
    assert_eq!(first["kind"], "crash");
    assert_eq!(first["exceptions"][0]["type"], "NullReferenceException");
    assert_eq!(first["exceptions"][0]["message"], "Object reference not set");
    assert_eq!(first["release"], "1.2.3");
    assert_eq!(first["tags"]["store"], "steam");
    assert_eq!(first["breadcrumbs"][0]["message"], "entered canyon");
    let frame = &first["threads"][0]["frames"][0];
    assert_eq!(frame["function"], "Game.Player.Load");
    assert_eq!((&frame["file"], &frame["line"]), (&json!("Assets/Player.cs"), &json!(12)));
    // Another build, in which the method stands elsewhere.
    let second = crash(&server, &report(40)).await;
    assert_eq!(second["issue"], first["issue"]);
    assert_ne!(second["id"], first["id"]);
}
