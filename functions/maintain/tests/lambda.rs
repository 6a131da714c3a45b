//! Maintenance as AWS Lambda asks for it: by a schedule, and with what the queue has given up.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use std::{collections::BTreeSet, time::Duration};

use epitaph_bucket::Key;
use epitaph_crash_model::ProjectId;
use epitaph_host::Invocations as _;
use epitaph_maintain::{LONGEST_MESSAGE_LIFE_DAYS, Scheduled};
use serde_json::{Value, json};
use support::{House, days_ago, message, on_day, texts};
use tokio::time::Instant;

async fn invoke(house: &House, event: &Value, time: Duration) -> Result<Value, String> {
    let event = serde_json::value::to_raw_value(event).unwrap();
    Scheduled::new(house.maintenance()).invoke(&event, Instant::now() + time).await
}

#[tokio::test]
async fn a_schedule_has_everything_done_that_is_due() {
    let house = House::new().await;
    house.park(days_ago(0, 1)).await;
    house.bury(days_ago(1, 2)).await;
    let orphan = Key::payload(ProjectId::FIRST, on_day(LONGEST_MESSAGE_LIFE_DAYS + 1, 3), 0);
    house.put(&orphan).await;
    let done = invoke(&house, &json!({"source": "aws.events"}), Duration::from_secs(60)).await.unwrap();
    let expected = json!({
        "sent_on": 1, "expired": 0, "orphans": 1, "gathered": 1, "sealed": 0, "compacted": 0, "unfinished": false,
    });
    assert_eq!(done, expected);
}

#[tokio::test]
async fn what_takes_all_of_the_time_is_cut_off_and_the_rest_is_done() {
    let house = House::new().await;
    let parked = house.park(days_ago(0, 1)).await;
    house.bury(days_ago(1, 2)).await;
    // The queue takes nothing, and does not say so.
    house.queue.gate.forget_permits(usize::MAX);
    let done = invoke(&house, &json!({}), Duration::from_secs(4)).await.unwrap();
    let told = [&done["sent_on"], &done["gathered"], &done["unfinished"]];
    assert_eq!(told, [&json!(0), &json!(1), &json!(true)], "{done}");
    assert!(house.objects().await.is_superset(&texts(&[parked])));
}

#[tokio::test]
async fn what_the_queue_gave_up_becomes_dead_letters_once() {
    let house = House::new().await;
    let id = days_ago(1, 1);
    let body = String::from_utf8(message(id, &"small")).unwrap();
    let record = |id: &str, body: &str| json!({"messageId": id, "body": body, "attributes": {"ApproximateReceiveCount": "3"}});
    let event = json!({"Records": [record("a", &body), record("b", "no message")]});
    for _ in 0..2 {
        let answer = invoke(&house, &event, Duration::from_secs(60)).await.unwrap();
        assert_eq!(answer, json!({"batchItemFailures": []}));
    }
    let dead: BTreeSet<_> = house.dead().await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(dead.len(), 2, "{dead:?}");
    assert!(dead.iter().any(|dead| dead.contains(&id.to_string())), "{dead:?}");
}

#[tokio::test]
async fn a_batch_that_cannot_be_read_is_not_answered_as_if_it_were_done() {
    let house = House::new().await;
    for records in [json!({}), json!([{"body": "without an id"}]), json!("none")] {
        let answer = invoke(&house, &json!({"Records": records}), Duration::from_secs(60)).await;
        assert!(answer.as_ref().is_err_and(|why| why.contains("a batch of an SQS queue")), "{answer:?}");
    }
}
