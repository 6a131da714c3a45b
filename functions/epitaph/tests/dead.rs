//! `epitaph dead`: messages that could not be handled, while the server runs.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use epitaph_test_dumps::linux;
use serde_json::Value;
use support::{House, Server, until};

/// What a command printed on standard output, and its exit code.
fn run(house: &House, arguments: &[&str]) -> (String, Option<i32>, String) {
    let output = house.command(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), output.status.code(), text(output.stderr))
}

fn succeed(house: &House, arguments: &[&str]) -> String {
    let (out, code, errors) = run(house, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {out}{errors}");
    out
}

/// Posts a report for project 7, with the key that the command line prints for it.
async fn post_to_seven(house: &House, server: &Server) -> String {
    let printed = succeed(house, &["key", "7"]);
    let key = printed.split_whitespace().last().unwrap();
    let url = format!("{}/api/7/minidump/?sentry_key={key}", server.url);
    let answer = support::answer(server.client.post(url).body(linux())).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text
}

/// Waits until the id is listed, and gives its line.
async fn listed(house: &House, id: &str) -> String {
    until(&format!("{id} is listed as dead"), async || {
        let list = succeed(house, &["dead", "list"]);
        list.lines().find(|line| line.starts_with(id)).map(str::to_owned)
    })
    .await
}

async fn crash_of_seven(server: &Server, id: &str) -> Option<Value> {
    let url = format!("{}/api/v1/projects/7/crashes/{id}", server.url);
    let answer = server.client.get(url).bearer_auth(&server.token).send().await.unwrap();
    let found = answer.status() == 200;
    let text = answer.text().await.unwrap();
    found.then(|| serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn a_report_for_a_project_that_is_not_there_yet_waits_and_is_brought_back() {
    let house = House::new();
    let server = house.serve();
    assert_eq!(succeed(&house, &["dead", "list"]), "there are no dead letters\n");
    let (_, _, note) = run(&house, &["key", "7"]);
    assert!(note.contains("there is no project 7 yet"), "{note}");
    let id = post_to_seven(&house, &server).await;
    let line = listed(&house, &id).await;
    assert!(line.contains("project 7\treport\tafter 1 attempts\tproject 7 does not exist"), "{line}");
    let shown = succeed(&house, &["dead", "show", &id]);
    assert!(
        shown.contains("reason    project 7 does not exist; add it with `epitaph project add`"),
        "{shown}"
    );
    assert!(shown.contains(&format!("object    dead/{id}-")), "{shown}");
    let message: Value = serde_json::from_str(shown.split_once("\n\n").unwrap().1).unwrap();
    assert_eq!((&message["id"], &message["data"]["id"]), (&Value::from(&*id), &Value::from(&*id)));

    let added = succeed(&house, &["project", "add", "Late Game", "--id", "7"]);
    assert!(added.contains("project 7: Late Game"), "{added}");
    assert_eq!(succeed(&house, &["dead", "redrive", &id]), format!("{id} is on its way again\n"));
    let crash = until("the crash is there", async || crash_of_seven(&server, &id).await).await;
    assert_eq!((&crash["id"], &crash["project"]), (&Value::from(&*id), &Value::from(7)));
    assert_eq!(succeed(&house, &["dead", "list"]), "there are no dead letters\n");
    let (_, code, errors) = run(&house, &["dead", "redrive", &id]);
    assert_eq!(code, Some(1));
    assert!(errors.contains(&format!("there is no dead letter {id}")), "{errors}");
    assert!(server.stop().success());
}

#[tokio::test]
async fn all_of_them_are_brought_back_at_once_and_those_that_are_still_dead_die_again() {
    let house = House::new();
    let server = house.serve();
    let ids = [post_to_seven(&house, &server).await, post_to_seven(&house, &server).await];
    let mut before = Vec::new();
    for id in &ids {
        before.push(listed(&house, id).await);
    }
    assert_eq!(succeed(&house, &["dead", "redrive", "--all"]), "2 on their way again, 0 stayed\n");
    for (id, before) in ids.iter().zip(before) {
        until("it is dead again", async || (listed(&house, id).await != before).then_some(())).await;
    }
    succeed(&house, &["project", "add", "Late Game", "--id", "7"]);
    assert_eq!(succeed(&house, &["dead", "redrive", "--all"]), "2 on their way again, 0 stayed\n");
    for id in &ids {
        until("the crash is there", async || crash_of_seven(&server, id).await).await;
    }
    assert_eq!(succeed(&house, &["dead", "redrive", "--all"]), "0 on their way again, 0 stayed\n");
}

#[tokio::test]
async fn one_that_is_dropped_is_forgotten_for_good() {
    let house = House::new();
    let server = house.serve();
    let id = post_to_seven(&house, &server).await;
    listed(&house, &id).await;
    assert_eq!(succeed(&house, &["dead", "drop", &id]), format!("dropped {id}\n"));
    assert_eq!(succeed(&house, &["dead", "list"]), "there are no dead letters\n");
    for command in ["show", "drop", "redrive"] {
        let (_, code, errors) = run(&house, &["dead", command, &id]);
        assert_eq!(code, Some(1));
        assert!(errors.contains(&format!("there is no dead letter {id}")), "{errors}");
    }
    // Maintenance, which runs at every start, does not find it again; nor does its project bring it back.
    succeed(&house, &["project", "add", "Late Game", "--id", "7"]);
    assert!(server.stop().success());
    let server = house.serve();
    let next = post_to_seven(&house, &server).await;
    until("the next crash is there", async || crash_of_seven(&server, &next).await).await;
    assert_eq!(crash_of_seven(&server, &id).await, None);
    assert_eq!(succeed(&house, &["dead", "list"]), "there are no dead letters\n");
}

#[test]
fn before_the_first_start_a_person_is_told_what_to_do() {
    let house = House::new();
    let (_, code, errors) = run(&house, &["dead", "list"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("run `epitaph migrate`, or start `epitaph serve`"), "{errors}");
    succeed(&house, &["migrate"]);
    assert_eq!(succeed(&house, &["dead", "list"]), "there are no dead letters\n");
}
