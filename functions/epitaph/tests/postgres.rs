//! All functions in one process, with a catalog in PostgreSQL.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, also in its helpers")]

mod support;

use std::fs;

use epitaph_test_services::Postgres;
use support::{House, Server, load::unlike_others, until};

fn house(database: &str) -> House {
    House::with(&[("EPITAPH_CATALOG", database)])
}

/// A report that must be accepted; gives its id.
async fn accepted(server: &Server) -> String {
    let answer = server.post_dump(unlike_others(epitaph_test_dumps::windows())).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text
}

async fn all_processed(server: &Server, ids: &[String]) {
    for id in ids {
        server.crash(id).await;
    }
    assert_eq!(server.total().await, ids.len() as u64, "each counts once");
}

/// What a command prints, which must succeed.
fn said(house: &House, arguments: &[&str]) -> String {
    let output = house.command(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert!(output.status.success(), "{arguments:?}: {text}");
    text
}

#[tokio::test]
async fn a_crash_is_shown_from_postgresql_and_the_commands_work_on_it() {
    let Some(postgres) = Postgres::start() else { return };
    let house = house(&postgres.database());
    assert!(said(&house, &["migrate"]).contains("up to date"));
    let server = house.serve();
    let ids = [accepted(&server).await, accepted(&server).await];
    all_processed(&server, &ids).await;
    let (status, crashes) = server.api("/issues/1/crashes").await;
    assert_eq!(status, 200, "{crashes}");
    said(&house, &["project", "add", "Rocket Cats"]);
    assert!(said(&house, &["project", "list"]).contains("Rocket Cats"));
    assert!(said(&house, &["dead", "list"]).contains("no dead letters"));
    server.stop();
    // What was recorded is in PostgreSQL, and nowhere else.
    assert!(!house.data().join("catalog.db").exists());
    let server = house.serve();
    all_processed(&server, &ids).await;
}

#[tokio::test]
async fn reports_are_acknowledged_while_postgresql_is_away_and_recorded_once_it_is_back() {
    let Some(mut postgres) = Postgres::start() else { return };
    let house = house(&postgres.database());
    let server = house.serve();
    let mut ids = vec![accepted(&server).await];
    all_processed(&server, &ids).await;
    postgres.kill();
    for _ in 0..10 {
        ids.push(accepted(&server).await);
    }
    let log = || fs::read_to_string(house.log()).unwrap();
    until("all has waited several times", async || {
        (log().matches("an engine is down; pausing").count() >= 4).then_some(())
    })
    .await;
    let (status, answer) = server.api("/issues").await;
    assert_eq!(status, 503, "{answer}");
    ids.push(accepted(&server).await);
    postgres.restart();
    all_processed(&server, &ids).await;
    assert!(said(&house, &["dead", "list"]).contains("no dead letters"));
    let all = [log(), answer.to_string()].concat();
    for password in postgres.password() {
        assert!(!all.contains(password), "{all}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_reach_its_catalog_says_so_without_its_password() {
    let Some(mut postgres) = Postgres::start() else { return };
    let house = house(&postgres.database());
    postgres.kill();
    let output = house.command(&["migrate"]).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("the catalog does not answer"), "{text}");
    for password in postgres.password() {
        assert!(!text.contains(password), "{text}");
    }
}
