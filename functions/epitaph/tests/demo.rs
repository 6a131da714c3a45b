//! `epitaph demo`: the pages show an invented game, and real data is left alone.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up should fail")]

mod support;

use std::{fs, time::Duration};

use serde_json::Value;
use support::{House, Server, until, until_within};

const CRASHES: u64 = 2_000;
const REPORTS: u64 = 20;

fn demo(house: &House) -> Server {
    house.start(&["demo", "--crashes", "2000", "--reports", "20"])
}

/// What the demo told when it was complete.
async fn complete(house: &House) -> String {
    until_within(Duration::from_secs(300), "the demo is complete", async || {
        let log = fs::read_to_string(house.log()).unwrap();
        log.find("The demo is complete").map(|at| log[at..].to_owned())
    })
    .await
}

/// The number of crashes that the demo told of a trouble, and where it can be seen.
fn told<'a>(text: &'a str, trouble: &str) -> (u64, &'a str) {
    let line =
        text.lines().find(|line| line.contains(trouble)).unwrap_or_else(|| panic!("{trouble}: {text}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    (words[0].parse().unwrap(), words.last().unwrap())
}

async fn asked(server: &Server, path: &str) -> Value {
    let (status, answer) = server.api(path).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

/// A page's text, as a person who is signed in sees it.
async fn page(server: &Server, address: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().cookie_store(true).build().unwrap();
    let link = format!("{}/login?token={}", server.url, server.token);
    client.get(link).send().await.unwrap().error_for_status().unwrap();
    let answer = client.get(address).send().await.unwrap().error_for_status().unwrap();
    answer.text().await.unwrap()
}

/// The row of a value.
fn row<'a>(answer: &'a Value, value: &str) -> &'a Value {
    let rows = answer["rows"].as_array().unwrap();
    rows.iter().find(|row| row["value"] == value).unwrap_or_else(|| panic!("no {value} in {answer}"))
}

#[tokio::test]
async fn a_demo_shows_what_it_says_that_it_made() {
    let house = House::new();
    let server = demo(&house);
    let text = complete(&house).await;
    assert!(text.contains("2000 crashes recorded and 20 reports sent"), "{text}");
    until("the reports are processed", async || {
        (asked(&server, "/breakdown?by=kind&period=30d").await["totals"]["count"] == CRASHES + REPORTS)
            .then_some(())
    })
    .await;

    let kinds = asked(&server, "/breakdown?by=kind&period=30d").await;
    for (trouble, kind) in [("a hang", "hang"), ("out of memory", "oom")] {
        assert_eq!(row(&kinds, kind)["count"], told(&text, trouble).0, "{kind}: {kinds}");
    }

    let (rollout, address) = told(&text, "a bad rollout");
    let number = address.split_once("/issues/").unwrap().1.split_once('?').unwrap().0;
    let compared = asked(&server, "/compare?base=1.0.3&release=1.1.0&period=30d").await;
    let first = &compared["rows"][0];
    assert_eq!((&first["value"], &first["count"]), (&number.into(), &rollout.into()), "{compared}");
    assert_eq!(
        (&first["beside"]["count"], &first["beside"]["verdict"]),
        (&0.into(), &"more".into()),
        "{first}"
    );
    let shown = page(&server, address).await;
    assert!(shown.contains("This is a demo") && shown.contains("MigrateSave"), "{shown}");

    let (driver, address) = told(&text, "a driver bug");
    let number = address.split_once("/issues/").unwrap().1.split_once('?').unwrap().0;
    let graphics = asked(&server, &format!("/breakdown?by=gpu&period=30d&search=issue:{number}")).await;
    let first = &graphics["rows"][0];
    assert_eq!(graphics["totals"]["count"], driver, "{graphics}");
    assert_eq!(
        (&first["value"], &first["beside"]["verdict"]),
        (&"Corvid R70".into(), &"more".into()),
        "{first}"
    );
    assert!(page(&server, address).await.contains("Corvid R70"));

    assert!(!house.data().exists(), "the demo touched the data directory");
    assert!(server.stop().success());
}

#[tokio::test]
async fn a_demo_that_was_stopped_goes_on_and_counts_each_crash_once() {
    let house = House::new();
    let server = demo(&house);
    until("some crashes are recorded", async || (server.total().await > 50).then_some(())).await;
    assert!(server.stop().success());
    assert!(!fs::read_to_string(house.log()).unwrap().contains("The demo is complete"));

    let server = demo(&house);
    complete(&house).await;
    until("the reports are processed", async || (server.total().await >= CRASHES + REPORTS).then_some(()))
        .await;
    assert_eq!(server.total().await, CRASHES + REPORTS);
    assert!(server.stop().success());

    let server = demo(&house);
    until("the demo says that it is there", async || {
        fs::read_to_string(house.log()).unwrap().contains("The demo was filled on").then_some(())
    })
    .await;
    assert_eq!(server.total().await, CRASHES + REPORTS);
}

#[test]
fn a_directory_that_holds_something_else_is_left_alone() {
    let house = House::new();
    fs::create_dir(house.data()).unwrap();
    fs::write(house.data().join("catalog.db"), "real").unwrap();
    let refused = house.command(&["demo", "--data", house.data().to_str().unwrap()]).output().unwrap();
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && error.contains("something else than a demo"), "{error}");
    let names = fs::read_dir(house.data()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["catalog.db"]);
    assert_eq!(fs::read(house.data().join("catalog.db")).unwrap(), b"real");
}
