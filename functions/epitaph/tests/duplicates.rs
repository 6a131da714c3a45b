//! One crash that is reported more than once.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use epitaph_test_dumps::linux;
use serde_json::{Value, json};
use support::{House, Server, answer, load::unlike_others, until};

const EVENT_ID: &str = "9c0d1f8a4b7e4d1f8a4b7e4d1f8a4b7e";

/// Posts an event as a client does that tries again, and gives the id that it was answered.
async fn post_event(server: &Server, message: &str) -> String {
    let url = format!("{}/api/1/store/?sentry_key={}", server.url, server.key);
    let event = json!({"event_id": EVENT_ID, "message": message});
    let answer = answer(server.client.post(url).body(event.to_string())).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    serde_json::from_str::<Value>(&answer.text).unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_event_that_comes_again_with_other_words_is_an_alias_of_the_first_and_counts_once() {
    let house = House::new();
    let server = house.serve();
    assert_eq!(post_event(&server, "the first words").await, EVENT_ID);
    let first = server.crash(EVENT_ID).await;
    assert_eq!(post_event(&server, "other words").await, EVENT_ID);
    let alias = until("the second report is processed", async || {
        let (_, crash) = server.api(&format!("/crashes/{EVENT_ID}")).await;
        crash["aliases"].as_array()?.first()?.as_str().map(str::to_owned)
    })
    .await;
    assert_ne!(first["id"].as_str(), Some(&*alias));
    for name in [first["id"].as_str().unwrap(), &alias, EVENT_ID] {
        let crash = server.crash(name).await;
        assert_eq!((&crash["id"], &crash["message"]), (&first["id"], &json!("the first words")), "{name}");
    }
    assert_eq!(server.total().await, 1);
}

#[tokio::test]
async fn the_same_dump_posted_again_and_at_once_is_one_crash_with_every_id_that_was_given() {
    let house = House::new();
    let server = house.serve();
    let dump = unlike_others(linux());
    let posts = (0..4).map(|_| server.post_dump(dump.clone()));
    let mut ids = Vec::new();
    for answer in futures_util::future::join_all(posts).await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        ids.push(answer.text);
    }
    let mut first = None;
    for id in &ids {
        for form in [id.clone(), id.replace('-', "").to_uppercase(), format!("bp-{id}")] {
            let crash = server.crash(&form).await;
            let found = crash["id"].as_str().unwrap().to_owned();
            assert_eq!(*first.get_or_insert_with(|| found.clone()), found, "{form}");
        }
    }
    let first = first.unwrap();
    let crash = server.crash(&first).await;
    let mut named: Vec<String> =
        crash["aliases"].as_array().unwrap().iter().map(|alias| alias.as_str().unwrap().to_owned()).collect();
    named.push(first.clone());
    named.sort();
    ids.sort();
    assert_eq!(named, ids);
    assert_eq!(server.total().await, 1);

    // In the search box as well.
    epitaph_tls::choose_provider();
    let browser =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for id in &ids {
        let search = browser.get(format!("{}/search?q={id}", server.url)).bearer_auth(&server.token);
        let answer = search.send().await.unwrap();
        let page = answer.headers()["location"].to_str().unwrap().to_owned();
        assert!(page.ends_with(&format!("/projects/1/crashes/{first}")), "{page}");
    }
}

#[tokio::test]
async fn dumps_that_differ_in_a_byte_are_two_crashes() {
    let house = House::new();
    let server = house.serve();
    for _ in 0..2 {
        let answer = server.post_dump(unlike_others(linux())).await.unwrap();
        let crash = server.crash(&answer.text).await;
        assert_eq!(
            (crash["id"].as_str(), crash["aliases"].as_array().map(Vec::len)),
            (Some(&*answer.text), Some(0))
        );
    }
    assert_eq!(server.total().await, 2);
}
