//! The way of a report on Knative: collector, broker, `process`, `maintain`, each on a server of its own, and a broker in
//! all kinds of weather. What was answered 200 is recorded, once.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up should fail")]

mod knative_house;

use std::{collections::BTreeSet, time::Duration};

use epitaph_crash_model::{CrashId, ProjectId};
use epitaph_dead_letters::DeadLetters;
use epitaph_test_knative::{Posted, Weather};
use knative_house::{House, report, reports, upload};

#[tokio::test]
async fn whatever_the_broker_does_every_answered_report_is_recorded_once() {
    let mut house = House::new().await;
    let (collector, maintain) = (house.collector(), house.maintain());
    let mut process = house.process(None);
    house.trigger(&process, &maintain, 1_000_000);
    house.broker.turn(Weather {
        refused: 20,
        unanswered: 10,
        delay: Duration::from_millis(30),
        duplicated: 20,
        reordered: true,
    });
    let mut games = reports(collector.address, 400);
    let mut answered = BTreeSet::new();
    // The broker dies and comes back, and `process` is killed, while games post.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        house.broker.die().await;
        let address = process.address;
        process.kill().await;
        process = house.process(Some(address));
        tokio::time::sleep(Duration::from_millis(50)).await;
        house.broker.revive();
    }
    while let Some(ids) = games.join_next().await {
        answered.extend(ids.unwrap());
    }
    assert_eq!(answered.len(), 400);
    house.broker.turn(Weather::default());
    house.settled(&maintain).await;
    house.holds_exactly(&answered).await;
}

#[tokio::test]
async fn a_broker_that_dies_with_all_that_it_has_taken_delivers_it_when_it_is_back() {
    let mut house = House::new().await;
    let (collector, maintain) = (house.collector(), house.maintain());
    let mut answered = BTreeSet::new();
    for number in 0..20 {
        answered.insert(report(collector.address, number).await);
    }
    assert_eq!(house.broker.taken_ids(), answered.iter().map(ToString::to_string).collect());
    house.broker.die().await;
    // Nobody takes these: they are parked.
    for number in 0..5 {
        answered.insert(report(collector.address, number).await);
    }
    assert_eq!((house.counted().await, house.parked().await), (0, 5));
    let process = house.process(None);
    house.trigger(&process, &maintain, 1_000_000);
    house.broker.revive();
    house.settled(&maintain).await;
    house.holds_exactly(&answered).await;
}

#[tokio::test]
async fn what_process_could_not_take_for_too_long_is_a_dead_letter_and_can_be_sent_on() {
    let house = House::new().await;
    let (collector, maintain) = (house.collector(), house.maintain());
    let process = house.process(None);
    let address = process.address;
    house.trigger(&process, &maintain, 2);
    process.kill().await;
    let id = report(collector.address, 0).await;
    house.settled(&maintain).await;
    let letters = house.catalog.dead_letters(10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].reason.starts_with("the broker gave it up"), "{}", letters[0].reason);

    let _process = house.process(Some(address));
    let letters = DeadLetters::new(house.bucket(), house.catalog.clone());
    letters.redrive(&id.to_string(), &*house.queue()).await.unwrap();
    house.settled(&maintain).await;
    house.holds_exactly(&BTreeSet::from([id])).await;
}

#[tokio::test]
async fn debug_files_go_through_the_broker_and_wait_for_one_another() {
    let house = House::new().await;
    let (symbols, maintain) = (house.symbols(), house.maintain());
    let process = house.process(None);
    house.trigger(&process, &maintain, 1_000_000);
    for number in 1..=4 {
        let id = format!("{number:0>32}0");
        upload(symbols.address, &format!("MODULE Linux x86_64 {id} game\nFUNC 10 20 0 main\n")).await;
    }
    house.settled(&maintain).await;
    let files = house.catalog.debug_files(ProjectId::FIRST, None, 10).await.unwrap();
    assert_eq!(files.len(), 4, "{files:?}");
    assert!(house.catalog.dead_letters(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_forged_message_is_no_crash_and_holds_up_nothing() {
    let house = House::new().await;
    let (collector, maintain) = (house.collector(), house.maintain());
    let ours = report(collector.address, 0).await;
    let Posted { path, mut headers, body } = house.broker.taken().pop().unwrap();
    // The same report once more, by somebody who does not know the secret.
    let stranger = CrashId::new();
    headers.insert("ce-id", stranger.to_string().parse().unwrap());
    let body = String::from_utf8(body.to_vec()).unwrap().replace(&ours.to_string(), &stranger.to_string());
    house.broker.put(Posted { path, headers, body: body.into() });
    let process = house.process(None);
    house.trigger(&process, &maintain, 1_000_000);
    house.settled(&maintain).await;
    assert!(house.catalog.crash(ProjectId::FIRST, ours).await.unwrap().is_some());
    assert!(house.catalog.crash(ProjectId::FIRST, stranger).await.unwrap().is_none());
    assert_eq!(house.counted().await, 1);
    let letters = house.catalog.dead_letters(10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].reason.contains("answered 403"), "{}", letters[0].reason);
}
