//! `process` with a catalog in PostgreSQL, which goes away.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use common::house::{House, report, settings};
use epitaph_catalog::Catalog;
use epitaph_process::Processor;
use epitaph_queue::Outcome;
use epitaph_test_services::Postgres;

/// How often a message is tried in an hour, where a queue gives it out every 30 s.
const ATTEMPTS_IN_AN_HOUR: u32 = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_outlives_an_hour_without_postgresql_and_is_handled_once_it_is_back() {
    let Some(mut server) = Postgres::start() else { return };
    let house = House::new().await;
    let catalog = Catalog::open(&server.database()).unwrap();
    catalog.migrate().await.unwrap();
    let processor = Processor::new(settings(&house.secret, |_| {}), house.bucket.clone(), catalog.clone());
    let report = report(&epitaph_test_dumps::windows());
    let message = house.signed(&report);
    server.kill();
    // At once, since no attempt knows of the others: only their number could be too much.
    let attempts = (1..=ATTEMPTS_IN_AN_HOUR).map(|attempt| processor.handle(&message, attempt));
    for outcome in futures_util::future::join_all(attempts).await {
        assert!(matches!(outcome, Outcome::Later(_)), "{outcome:?}");
    }
    server.restart();
    let mut attempt = ATTEMPTS_IN_AN_HOUR;
    loop {
        attempt += 1;
        match processor.handle(&message, attempt).await {
            Outcome::Later(_) => {}
            outcome => break assert_eq!(outcome, Outcome::Done),
        }
    }
    assert_eq!(processor.handle(&message, attempt + 1).await, Outcome::Done);
    let crashes = catalog.recent_crashes(report.project, 9).await.unwrap();
    assert_eq!(crashes.iter().map(|crash| crash.fact.crash_id).collect::<Vec<_>>(), [report.id]);
    assert!(catalog.dead_letters(9).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_message_waits_for_tables_that_are_not_there_yet() {
    let Some(server) = Postgres::start() else { return };
    let house = House::new().await;
    let catalog = Catalog::open(&server.database()).unwrap();
    let processor = Processor::new(settings(&house.secret, |_| {}), house.bucket.clone(), catalog.clone());
    let message = house.signed(&report(&epitaph_test_dumps::windows()));
    let Outcome::Later(why) = processor.handle(&message, 1).await else { panic!("it did not wait") };
    assert!(why.contains("epitaph migrate"), "{why}");
    catalog.migrate().await.unwrap();
    assert_eq!(processor.handle(&message, 2).await, Outcome::Done);
}
