//! The template of `infra/lambda`, deployed: a crash goes from a function's address to the dashboard, and a message that
//! cannot be handled is neither lost nor in the way of others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up should fail")]

mod installation;
#[path = "../support/sample_events.rs"]
mod sample_events;
#[path = "../support/mod.rs"]
mod support;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use epitaph_crash_model::{CrashId, ProjectId};
use epitaph_test_dumps::{
    crash::{self, dump_of_a_crashed_process},
    crashpad,
};
use installation::Installation;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE},
};
use sample_events::{TOKEN, report_message};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::{answer, until};

#[tokio::test]
async fn what_the_template_makes_collects_shows_and_loses_nothing() {
    let Some(installation) = Installation::deploy().await else { return };
    a_minidump_that_is_posted_to_the_functions_own_address_is_shown(&installation).await;
    every_collector_has_its_place_behind_the_api(&installation).await;
    a_debug_file_is_converted_and_given_out(&installation).await;
    of_ten_messages_one_is_buried_and_comes_back(&installation).await;
    what_the_queue_gives_up_is_buried_and_comes_back(&installation).await;
}

async fn a_minidump_that_is_posted_to_the_functions_own_address_is_shown(installation: &Installation) {
    let dump = dump_of_a_crashed_process();
    let printed = installation.said(&["key", "1"]);
    let key = printed.split_whitespace().last().unwrap();
    let path = format!("/api/1/minidump/?sentry_key={key}");
    let post = |path: &str| {
        let content_type = format!("multipart/form-data; boundary={}", crashpad::BOUNDARY);
        let body = crashpad::form(&[("prod", "MyGame"), ("ver", "1.2.3")], &dump);
        answer(
            installation
                .request("MinidumpUrl", Method::POST, path)
                .header(CONTENT_TYPE, content_type)
                .body(body),
        )
    };
    let refused = post("/api/1/minidump/?sentry_key=00000000000000000000000000000000").await.unwrap();
    assert_eq!(refused.status, 403, "{}", refused.text);
    let accepted = post(&path).await.unwrap();
    assert_eq!(accepted.status, 200, "{}", accepted.text);
    let id = accepted.text;
    let crash = installation.crash(1, &id).await;
    assert_eq!((&crash["reason"], &crash["release"]), (&"SIGSEGV / SEGV_MAPERR".into(), &"1.2.3".into()));
    let payload = format!("/api/v1/projects/1/crashes/{id}/payloads/0");
    let payload =
        installation.request("ApiEndpoint", Method::GET, &payload).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(payload.bytes().await.unwrap(), dump);

    let login = installation.request("ApiEndpoint", Method::GET, &format!("/login?token={TOKEN}"));
    let session = login.send().await.unwrap().headers()[SET_COOKIE].to_str().unwrap().to_owned();
    let page = installation.request("ApiEndpoint", Method::GET, &format!("/projects/1/crashes/{id}"));
    let page = answer(page.header(COOKIE, session.split(';').next().unwrap())).await.unwrap();
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("SEGV_MAPERR") && page.text.contains("crashing-game"), "{}", page.text);
}

/// The imitation takes a path that ends with a slash for none of the routes.
async fn every_collector_has_its_place_behind_the_api(installation: &Installation) {
    for (name, event) in sample_events::all() {
        let path = event["rawPath"].as_str().unwrap_or_default().trim_end_matches('/');
        if !epitaph_manifests::COLLECTORS.contains(&name) {
            continue;
        }
        let path = format!("{path}?{}", event["rawQueryString"].as_str().unwrap());
        let mut request = installation.request("ApiEndpoint", Method::POST, &path);
        for header in ["content-type", "x-sentry-auth"] {
            if let Some(value) = event["headers"][header].as_str() {
                request = request.header(header, value);
            }
        }
        let body = STANDARD.decode(event["body"].as_str().unwrap()).unwrap();
        let answer = answer(request.body(body)).await.unwrap();
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        let told: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        let id = told["id"].as_str().unwrap_or(&answer.text);
        installation.crash(1, id).await;
    }
    installation.queues_are_empty().await;
}

async fn a_debug_file_is_converted_and_given_out(installation: &Installation) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("crashing-game");
    crash::compile_what_crashes(&["-g", "-Wl,--build-id"], &program);
    let content = std::fs::read(program).unwrap();
    let sha256: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    let last = |option: &str| {
        let printed = installation.said(&["key", "1", option]);
        printed.split_whitespace().last().unwrap().to_owned()
    };
    let (token, server) = (last("--upload"), last("--symbols"));
    let ask = async |method: Method, path: &str, body: Vec<u8>| {
        // What is said to be text is text on its way.
        let kind = if method == Method::PUT { "application/octet-stream" } else { "application/json" };
        let request = installation.request("ApiEndpoint", method, &format!("/api/1/symbols{path}"));
        let request = request.header(CONTENT_TYPE, kind).bearer_auth(&token).body(body);
        let answer = answer(request).await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        serde_json::from_str::<Value>(&answer.text).unwrap()
    };
    let about = json!({"name": "crashing-game", "size": content.len(), "sha256": sha256}).to_string();
    let about = about.into_bytes();
    assert_eq!(ask(Method::POST, "", about.clone()).await["missing"], json!([0]));
    ask(Method::PUT, &format!("/{sha256}/0?size={}", content.len()), content.clone()).await;
    ask(Method::POST, &format!("/{sha256}/finish"), about).await;
    let converted = until("it is converted", async || {
        let told = ask(Method::GET, &format!("/{sha256}"), Vec::new()).await;
        (told["state"] != "waiting").then_some(told)
    });
    assert_eq!(converted.await["state"], "done");
    let (_, place) = server.split_once("/symbols/").unwrap();
    let listed = ask(Method::GET, "", Vec::new()).await;
    let id = listed["files"][0]["debug_id"].as_str().unwrap();
    let path = format!("/symbols/{place}crashing-game/{id}/crashing-game.sym");
    let found = installation.request("ApiEndpoint", Method::GET, &path).send().await.unwrap();
    assert_eq!(found.status(), 302, "the bucket itself gives out what may be long");
    let text = reqwest::get(found.headers()[LOCATION].to_str().unwrap()).await.unwrap().text().await.unwrap();
    assert!(text.starts_with(&format!("MODULE Linux x86_64 {id} crashing-game\n")), "{text}");
    installation.queues_are_empty().await;
}

/// A report that the collector of plain reports has accepted, and its id.
fn report(project: u64) -> (String, String) {
    let id = CrashId::new();
    let told = json!({"version": 1, "type": "OutOfGoldException", "message": "17", "release": "1.2.3"});
    let project: ProjectId = project.to_string().parse().unwrap();
    (id.to_string(), report_message(project, id, &told))
}

async fn of_ten_messages_one_is_buried_and_comes_back(installation: &Installation) {
    // Nobody has added the second game yet.
    let mut reports: Vec<_> = (0..9).map(|_| report(1)).collect();
    reports.insert(4, report(2));
    let (poison, _) = reports[4].clone();
    let bodies: Vec<_> = reports.iter().map(|(_, body)| body.clone()).collect();
    installation.listen(false);
    installation.send(&bodies);
    installation.listen(true);
    for (id, _) in reports.iter().filter(|(id, _)| *id != poison) {
        installation.crash(1, id).await;
    }
    let dead = installation.dead(1).await;
    assert!(dead[0].starts_with(&poison) && dead[0].contains("project 2 does not exist"), "{dead:?}");
    installation.queues_are_empty().await;

    installation.said(&["project", "add", "The Second Game"]);
    assert_eq!(installation.said(&["dead", "redrive", &poison]), format!("{poison} is on its way again\n"));
    assert_eq!(installation.crash(2, &poison).await["id"], poison.as_str());
    installation.dead(0).await;
    installation.queues_are_empty().await;
}

async fn what_the_queue_gives_up_is_buried_and_comes_back(installation: &Installation) {
    let (id, body) = report(1);
    installation.listen(false);
    installation.send(&[body]);
    installation.wear_out();
    let dead = installation.dead(1).await;
    assert!(dead[0].starts_with(&id) && dead[0].contains("the queue gave it up"), "{dead:?}");
    installation.queues_are_empty().await;
    installation.listen(true);
    installation.said(&["dead", "redrive", "--all"]);
    installation.crash(1, &id).await;
    installation.dead(0).await;
    installation.queues_are_empty().await;
}
