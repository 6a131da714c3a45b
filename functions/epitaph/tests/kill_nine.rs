//! What was answered survives the death of the process.

mod support;

use std::{collections::BTreeSet, time::Duration};

use support::{House, load};

const ROUNDS: usize = 20;
const CLIENTS: usize = 8;

#[tokio::test]
async fn every_answered_report_is_there_once_after_twenty_kills() {
    let house = House::new();
    let mut answered = BTreeSet::new();
    for round in 0..ROUNDS {
        let server = house.serve();
        let posting = load::post_until_it_dies(&server, CLIENTS);
        let kill = async {
            load::random_pause(Duration::from_millis(30), Duration::from_millis(700)).await;
            let id = rustix::process::Pid::from_raw(server.process_id().cast_signed()).unwrap();
            rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
        };
        let (ids, ()) = tokio::join!(posting, kill);
        println!("round {round}: {} answered", ids.len());
        answered.extend(ids);
    }
    assert!(!answered.is_empty());
    let server = house.serve();
    load::assert_each_is_there_once(&house, &server, &answered).await;
    println!("{} answered in {ROUNDS} rounds, all there once", answered.len());
}
