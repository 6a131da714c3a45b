//! The main job, end to end: a crash goes from an HTTP post to the API and to a page.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use epitaph_test_dumps::{crash::dump_of_a_crashed_process, linux, windows};
use support::{House, Server};

/// Posts a dump and gives the processed crash.
async fn crash(server: &Server, dump: Vec<u8>) -> serde_json::Value {
    let answer = server.post_dump(dump).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    server.crash(&answer.text).await
}

#[tokio::test]
async fn a_process_that_crashed_for_real_can_be_read_about() {
    let house = House::new();
    let server = house.serve();
    let crash = crash(&server, dump_of_a_crashed_process()).await;
    assert_eq!(crash["reason"], "SIGSEGV / SEGV_MAPERR");
    assert_eq!(crash["kind"], "crash");
    assert_eq!(crash["release"], "1.2.3");
    assert_eq!(crash["annotations"]["prod"], "MyGame");
    let crashing = usize::try_from(crash["crashing_thread"].as_u64().unwrap()).unwrap();
    let innermost = &crash["threads"][crashing]["frames"][0];
    assert_eq!(innermost["module"], "crashing-game");
    assert_eq!(innermost["trust"], "context");
    let modules = crash["modules"].as_array().unwrap();
    let game = modules.iter().find(|module| module["name"] == "crashing-game").unwrap();
    assert!(game["debug_id"].as_str().is_some_and(|id| id.len() >= 33), "{game}");

    let (_, listed) = server.api("/issues?period=24h").await;
    let issue = &listed["issues"][0];
    assert_eq!(issue["id"], crash["issue"]);
    assert_eq!(issue["count"], 1);
    let (_, crashes) = server.api(&format!("/issues/{}/crashes", crash["issue"])).await;
    assert_eq!(crashes["crashes"][0]["id"], crash["id"]);
    assert!(server.stop().success());
}

#[tokio::test]
async fn a_person_who_follows_the_printed_link_sees_the_crash() {
    let house = House::new();
    let server = house.serve();
    let id = crash(&server, windows()).await["id"].as_str().unwrap().to_owned();
    epitaph_tls::choose_provider();
    let browser = reqwest::Client::builder().no_proxy().cookie_store(true).build().unwrap();
    let stranger = browser.get(format!("{}/", server.url)).send().await.unwrap();
    assert!(!stranger.text().await.unwrap().contains("EXCEPTION_ACCESS_VIOLATION"));
    let login = browser.get(format!("{}/login?token={}", server.url, server.token)).send().await.unwrap();
    assert_eq!(login.status(), 200);
    assert!(!login.url().as_str().contains(&server.token), "the token stays out of the address bar");
    let page = browser.get(format!("{}/projects/1/crashes/{id}", server.url)).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("EXCEPTION_ACCESS_VIOLATION") && page.contains("Game.exe"), "{page}");
}

#[tokio::test]
async fn the_raw_dump_can_be_had_back_as_it_was() {
    let house = House::new();
    let server = house.serve();
    let id = crash(&server, linux()).await["id"].as_str().unwrap().to_owned();
    let url = format!("{}/api/v1/projects/1/crashes/{id}/payloads/0", server.url);
    let answer = server.client.get(url).bearer_auth(&server.token).send().await.unwrap();
    assert!(answer.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(answer.bytes().await.unwrap(), linux());
}

#[tokio::test]
async fn a_crash_is_not_found_until_it_is_there_and_not_by_strangers() {
    let house = House::new();
    let server = house.serve();
    let (status, _) = server.api("/crashes/019a9d5c-8a00-7000-8000-000000000001").await;
    assert_eq!(status, 404);
    let url = format!("{}/api/v1/projects/1/issues", server.url);
    assert_eq!(server.client.get(url).send().await.unwrap().status(), 401);
    let metrics = format!("{}/metrics", server.url);
    assert_eq!(server.client.get(&metrics).send().await.unwrap().status(), 401);
    let metrics = server.client.get(&metrics).bearer_auth(&server.token).send().await.unwrap();
    assert!(metrics.text().await.unwrap().contains("epitaph_"));
}

#[tokio::test]
async fn a_crash_is_found_again_after_a_restart_under_the_same_address_and_token() {
    let house = House::new();
    let first = house.serve();
    let id = crash(&first, windows()).await["id"].as_str().unwrap().to_owned();
    let (key, token) = (first.key.clone(), first.token.clone());
    assert!(first.stop().success());
    let second = house.serve();
    assert_eq!((&second.key, &second.token), (&key, &token));
    assert_eq!(second.crash(&id).await["id"], id.as_str());
    let printed = house.command(&["key", "1"]).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(printed.split_whitespace().last(), Some(key.as_str()));
}
