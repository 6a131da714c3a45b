//! Sentry's own clients, as their registries have them, in small games that crash. They are given the DSN and nothing
//! else of Epitaph, and what they sent is read back from the API.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up should fail")]

mod support;

use std::process::Command;

use serde_json::Value;
use support::{House, Server, clients, until};

/// The DSN of project 1, as `epitaph key 1` prints it.
fn dsn(server: &Server) -> String {
    server.url.replace("://", &format!("://{}@", server.key)) + "/1"
}

/// Waits for the one crash that there is.
async fn only_crash(server: &Server) -> Value {
    let issue = until("there is an issue", async || {
        let (_, answer) = server.api("/issues?period=24h").await;
        answer["issues"].as_array()?.first()?["id"].as_u64()
    })
    .await;
    let (_, answer) = server.api(&format!("/issues/{issue}/crashes")).await;
    let crashes = answer["crashes"].as_array().unwrap();
    assert_eq!(crashes.len(), 1, "{answer}");
    server.crash(crashes[0]["id"].as_str().unwrap()).await
}

/// Starts a game, which must not end well, and gives the crash of it.
async fn crash_of(server: &Server, game: &mut Command) -> Value {
    let output = clients::run(game.arg(dsn(server)));
    assert!(!output.status.success(), "the game ended as if nothing had happened: {output:?}");
    only_crash(server).await
}

/// What every one of the games tells of itself, by a client of this name.
fn assert_told(crash: &Value, client: &str) {
    let told = crash["client"].as_str().unwrap();
    assert!(told.starts_with(client), "{told} instead of {client}");
    assert_eq!(crash["kind"], "crash");
    assert_eq!(crash["release"], "space-quest@1.4.2");
    assert_eq!(crash["environment"], "beta");
    assert_eq!(crash["tags"]["map"], "e1m1");
    // Whose crash it is can be counted, and not read.
    assert_eq!(crash["user_hash"].as_str().map(str::len), Some(16));
    assert!(!crash.to_string().contains("player-7"), "{crash:#}");
    let breadcrumbs = crash["breadcrumbs"].as_array().unwrap();
    let mine = breadcrumbs.iter().find(|breadcrumb| breadcrumb["message"] == "entered the mine");
    let mine = mine.unwrap_or_else(|| panic!("{breadcrumbs:?}"));
    assert_eq!((&mine["category"], &mine["level"]), (&"game".into(), &"warning".into()));
    assert!(crash["notes"].as_array().is_none_or(Vec::is_empty), "{}", crash["notes"]);
}

/// The frame of a function in the crashing thread: its file's name and its line.
fn place(crash: &Value, function: &str) -> (String, u64) {
    let thread = &crash["threads"][usize::try_from(crash["crashing_thread"].as_u64().unwrap()).unwrap()];
    let frames = thread["frames"].as_array().unwrap();
    let named = |frame: &&Value| frame["function"].as_str().is_some_and(|name| name.ends_with(function));
    let frame = frames.iter().find(named).unwrap_or_else(|| panic!("no {function} in {frames:#?}"));
    let file = frame["file"].as_str().unwrap();
    (file.rsplit('/').next().unwrap().to_owned(), frame["line"].as_u64().unwrap())
}

/// The number of the first line of a source that contains a text.
fn line_of(source: &str, text: &str) -> u64 {
    let before = source.lines().take_while(|line| !line.contains(text)).count();
    u64::try_from(before).unwrap() + 1
}

#[tokio::test]
async fn an_exception_in_a_python_game_arrives() {
    let Some(mut game) = clients::python() else { return };
    let house = House::new();
    let server = house.serve();
    let crash = crash_of(&server, &mut game).await;
    assert_told(&crash, "sentry.python");
    assert_eq!(crash["exceptions"][0]["type"], "RuntimeError");
    assert_eq!(crash["exceptions"][0]["message"], "the chest is empty");
    assert_eq!(crash["exceptions"][0]["handled"], false);
    assert_eq!(crash["exceptions"][1]["type"], "KeyError");
    let runtime = crash["tags"]["runtime"].as_str().unwrap();
    assert!(runtime.starts_with("CPython 3."), "{runtime}");
    let source = include_str!("clients/python/game.py");
    assert_eq!(place(&crash, "play"), ("game.py".into(), line_of(source, "from missing")));
}

#[tokio::test]
async fn an_error_in_a_game_on_node_arrives() {
    let Some(mut game) = clients::node("node") else { return };
    let house = House::new();
    let server = house.serve();
    let crash = crash_of(&server, game.arg("game.js")).await;
    assert_told(&crash, "sentry.javascript.node/");
    assert_eq!(crash["exceptions"][0]["type"], "RangeError");
    assert_eq!(crash["exceptions"][0]["message"], "the chest is empty");
    assert_eq!(crash["platform"], "Linux");
    let runtime = crash["tags"]["runtime"].as_str().unwrap();
    assert!(runtime.starts_with("node v"), "{runtime}");
    let source = include_str!("clients/node/game.js");
    assert_eq!(place(&crash, "openChest"), ("game.js".into(), line_of(source, "throw new")));
}

#[tokio::test]
async fn an_error_on_a_page_of_another_origin_arrives() {
    let (Some(mut game), Some(chromium)) = (clients::node("browser"), clients::chromium()) else { return };
    let house = House::new();
    let server = house.serve();
    clients::succeed(game.arg("throws.mjs").arg(chromium).arg(dsn(&server)));
    let crash = only_crash(&server).await;
    assert_told(&crash, "sentry.javascript.browser/");
    assert_eq!(crash["exceptions"][0]["type"], "RangeError");
    assert_eq!(crash["exceptions"][0]["message"], "the chest is empty");
    assert_eq!(crash["platform"], "Linux");
    let runtime = crash["tags"]["runtime"].as_str().unwrap();
    assert!(runtime.starts_with("Chrome "), "{runtime}");
    let source = include_str!("clients/browser/page/game.js");
    assert_eq!(place(&crash, "openChest"), ("game.js".into(), line_of(source, "throw new")));
}

#[tokio::test]
async fn a_panic_in_a_rust_game_arrives_with_its_attachment() {
    let mut game = clients::rust("panics");
    let house = House::new();
    let server = house.serve();
    let crash = crash_of(&server, &mut game).await;
    assert_told(&crash, "sentry.rust/");
    assert_eq!(crash["exceptions"][0]["type"], "panic");
    assert_eq!(crash["exceptions"][0]["message"], "the chest is empty");
    let source = include_str!("clients/rust/src/bin/panics.rs");
    assert_eq!(place(&crash, "open_chest"), ("panics.rs".into(), line_of(source, "gold.expect")));
    let payloads = crash["payloads"].as_array().unwrap();
    let save = payloads.iter().find(|payload| payload["name"] == "save.txt").unwrap();
    let url = format!("{}{}", server.url, save["url"].as_str().unwrap());
    let answer = server.client.get(url).bearer_auth(&server.token).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "gold=12\n");
}

#[tokio::test]
async fn a_segmentation_fault_in_a_rust_game_arrives_with_its_minidump() {
    let mut game = clients::rust("segfaults");
    let house = House::new();
    let server = house.serve();
    let dumps = tempfile::tempdir().unwrap();
    let crash = crash_of(&server, game.arg(dumps.path())).await;
    assert_told(&crash, "sentry.rust/");
    assert_eq!(crash["reason"], "SIGSEGV / SEGV_MAPERR");
    assert_eq!(crash["address"], "0x0");
    let thread = usize::try_from(crash["crashing_thread"].as_u64().unwrap()).unwrap();
    let innermost = &crash["threads"][thread]["frames"][0];
    assert_eq!(innermost["module"], "segfaults");
    assert_eq!(innermost["trust"], "context");
    let roles: Vec<_> =
        crash["payloads"].as_array().unwrap().iter().map(|payload| &payload["role"]).collect();
    assert!(roles.contains(&&Value::from("minidump")) && roles.contains(&&Value::from("event")), "{roles:?}");
}
