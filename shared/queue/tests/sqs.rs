//! An SQS queue, as two programs imitate it. Where one of them is not faithful, its test says so.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]
#![expect(
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, also in its helpers"
)]

mod support;

use std::{
    collections::BTreeSet,
    future::{pending, ready},
    sync::Arc,
    time::Duration,
};

use epitaph_queue::{
    Delivery as _, Outcome, SendError, Sender as _, Source as _,
    sqs::{Consumer, ConsumerSettings, LARGEST_MESSAGE, Producer},
};
use epitaph_test_services::Aws;
use serde_json::json;
use support::{Asked, Running, message, message_of, message_with, settings};

/// The shortest that SQS knows.
const SECOND: Duration = Duration::from_secs(1);

fn consumer_with(url: &str, change: impl FnOnce(&mut ConsumerSettings)) -> Consumer {
    let mut consumer = ConsumerSettings { wait: SECOND, ..ConsumerSettings::default() };
    change(&mut consumer);
    Consumer::new(settings(url), consumer)
}

fn consumer(url: &str) -> Consumer {
    consumer_with(url, |_| {})
}

/// Every behaviour that both imitations share with SQS, each as a test of its own for each of them.
macro_rules! on_both {
    ($($behaviour:ident),* $(,)?) => {
        mod on_ministack {
            $(#[tokio::test]
            async fn $behaviour() {
                let aws = tokio::task::spawn_blocking(epitaph_test_services::Aws::shared_ministack).await.unwrap();
                if let Some(aws) = aws {
                    super::$behaviour(aws, concat!(stringify!($behaviour), "-queue")).await;
                }
            })*
        }
        mod on_moto {
            $(#[tokio::test]
            async fn $behaviour() {
                let aws = tokio::task::spawn_blocking(epitaph_test_services::Aws::shared_moto).await.unwrap();
                if let Some(aws) = aws {
                    super::$behaviour(aws, concat!(stringify!($behaviour), "-queue")).await;
                }
            })*
        }
    };
}

on_both!(
    what_is_sent_is_received_with_the_same_bytes,
    many_that_are_sent_together_all_arrive,
    the_largest_message_is_taken_and_a_larger_one_is_refused_before_it_is_sent,
    what_is_done_is_gone,
    what_nobody_settles_comes_again_and_the_attempt_counts,
    a_slow_handler_keeps_its_message,
    what_is_dead_or_no_message_is_buried_and_gone,
    an_engine_that_is_down_uses_up_no_attempts,
    what_was_taken_and_not_handled_is_given_back,
);

async fn what_is_sent_is_received_with_the_same_bytes(aws: Arc<Aws>, name: &str) {
    let url = aws.queue(name, &[]);
    // Every character there is, in parts.
    let letters: Vec<char> = (0..=0x10_ffff).filter_map(char::from_u32).collect();
    let texts: Vec<String> = letters.chunks(150_000).map(|part| part.iter().collect()).collect();
    let producer = Producer::new(settings(&url));
    let mut consumer = consumer(&url);
    for (index, text) in texts.iter().enumerate() {
        let message = message_with(&index.to_string(), text);
        producer.send(&message).await.unwrap();
        let delivery = consumer.receive().await.unwrap();
        assert!(
            delivery.bytes() == serde_json::to_vec(&message).unwrap(),
            "part {index} is not what was sent"
        );
        assert_eq!(delivery.attempt(), 1);
        assert_eq!(&delivery.message().unwrap().read::<String>().unwrap(), text);
        delivery.done().await;
    }
    consumer.close().await;
}

async fn many_that_are_sent_together_all_arrive(aws: Arc<Aws>, name: &str) {
    let url = aws.queue(name, &[]);
    let producer = Producer::new(settings(&url));
    let messages: Vec<_> = (0..57).map(|index| message(&format!("message-{index}"))).collect();
    let sent = futures_util::future::join_all(messages.iter().map(|message| producer.send(message))).await;
    sent.into_iter().for_each(Result::unwrap);
    let mut running = Running::start(consumer(&url), 5, |_, _| ready(Outcome::Done));
    let mut ids = BTreeSet::new();
    while ids.len() < messages.len() {
        ids.insert(running.handled().await.0);
    }
    running.stop().await;
    assert_eq!(aws.queued(&url), [0, 0]);
}

async fn the_largest_message_is_taken_and_a_larger_one_is_refused_before_it_is_sent(
    aws: Arc<Aws>,
    name: &str,
) {
    let url = aws.queue(name, &[("MaximumMessageSize", "1048576")]);
    let producer = Producer::new(settings(&url));
    producer.send(&message_of("largest", LARGEST_MESSAGE)).await.unwrap();
    let refused = producer.send(&message_of("larger", LARGEST_MESSAGE + 1)).await;
    let Err(SendError::TooLarge { size, limit }) = refused else { panic!("{refused:?}") };
    assert_eq!((size, limit), (LARGEST_MESSAGE + 1, producer.largest_message()));
    // Two that fit into one call each, and not together.
    let halves = [message_of("a", LARGEST_MESSAGE / 2 + 1), message_of("b", LARGEST_MESSAGE / 2 + 1)];
    let sent = futures_util::future::join_all(halves.iter().map(|half| producer.send(half))).await;
    sent.into_iter().for_each(Result::unwrap);
    assert_eq!(aws.queued(&url), [3, 0]);
}

async fn what_is_done_is_gone(aws: Arc<Aws>, name: &str) {
    let url = aws.queue(name, &[]);
    Producer::new(settings(&url)).send(&message("a")).await.unwrap();
    let mut consumer = consumer(&url);
    let delivery = consumer.receive().await.unwrap();
    assert_eq!(aws.queued(&url), [0, 1]);
    delivery.done().await;
    assert_eq!(aws.queued(&url), [0, 0]);
    consumer.close().await;
}

async fn what_nobody_settles_comes_again_and_the_attempt_counts(aws: Arc<Aws>, name: &str) {
    let url = aws.queue(name, &[]);
    Producer::new(settings(&url)).send(&message("a")).await.unwrap();
    let one_at_a_time =
        || consumer_with(&url, |settings| (settings.visibility, settings.in_flight) = (SECOND, 1));
    let mut consumer = one_at_a_time();
    let first = consumer.receive().await.unwrap();
    let place = first.place();
    drop(first);
    let again = consumer.receive().await.unwrap();
    assert_eq!((again.attempt(), again.place()), (2, place));
    // The process ends with it, and another goes on.
    consumer.close().await;
    drop(again);
    let mut next = one_at_a_time();
    let third = next.receive().await.unwrap();
    assert_eq!(third.attempt(), 3);
    third.done().await;
    next.close().await;
}

async fn a_slow_handler_keeps_its_message(aws: Arc<Aws>, name: &str) {
    let url = aws.queue(name, &[]);
    let producer = Producer::new(settings(&url));
    producer.send(&message("slow")).await.unwrap();
    let visibility = 2 * SECOND;
    let consumer = consumer_with(&url, |settings| settings.visibility = visibility);
    let mut running = Running::start(consumer, 5, |id, _| async move {
        if id == "slow" {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        Outcome::Done
    });
    assert_eq!(running.handled().await, ("slow".to_owned(), 1));
    running.stop().await;
    // Had it been handed out to anybody else, it would have come here again.
    assert_eq!(aws.queued(&url), [0, 0]);
}

async fn what_is_dead_or_no_message_is_buried_and_gone(aws: Arc<Aws>, name: &str) {
    let url = aws.queue(name, &[]);
    aws.sqs("SendMessage", &json!({ "QueueUrl": url, "MessageBody": "no message of ours" }));
    let mut running = Running::start(consumer(&url), 5, |_, _| ready(Outcome::Dead("for good".to_owned())));
    let buried = running.buried().await;
    assert_eq!(buried.bytes, b"no message of ours");
    assert!(buried.reason.starts_with("not a message"), "{}", buried.reason);
    assert!(buried.place.starts_with("sqs/"), "{}", buried.place);
    let message = message("a");
    Producer::new(settings(&url)).send(&message).await.unwrap();
    assert_eq!(running.handled().await, ("a".to_owned(), 1));
    let buried = running.buried().await;
    assert_eq!(buried.bytes, serde_json::to_vec(&message).unwrap());
    assert_eq!((buried.reason.as_str(), buried.attempts), ("for good", 1));
    running.stop().await;
    assert_eq!(aws.queued(&url), [0, 0]);
}

async fn an_engine_that_is_down_uses_up_no_attempts(aws: Arc<Aws>, name: &str) {
    const MOST: u32 = 2;
    let url = aws.queue(name, &[]);
    Producer::new(settings(&url)).send(&message("a")).await.unwrap();
    let left = Arc::new(std::sync::atomic::AtomicU32::new(MOST + 1));
    let mut running = Running::start(consumer(&url), MOST, move |_, _| {
        let down = left.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) > 0;
        ready(if down { Outcome::Later("the catalog is away".to_owned()) } else { Outcome::Done })
    });
    for _ in 0..MOST + 2 {
        assert_eq!(running.handled().await, ("a".to_owned(), 1));
    }
    running.stop().await;
    assert_eq!(aws.queued(&url), [0, 0]);
}

async fn what_was_taken_and_not_handled_is_given_back(aws: Arc<Aws>, name: &str) {
    let url = aws.queue(name, &[]);
    let producer = Producer::new(settings(&url));
    for id in ["a", "b", "c"] {
        producer.send(&message(id)).await.unwrap();
    }
    let mut first = consumer_with(&url, |settings| settings.in_flight = 3);
    let held = first.receive().await.unwrap();
    while aws.queued(&url)[1] < 3 {
        tokio::task::yield_now().await;
    }
    first.close().await;
    assert_eq!(aws.queued(&url), [2, 1], "what is held stays away from others, and nothing else");
    held.done().await;
    let mut second = consumer(&url);
    for _ in 0..2 {
        second.receive().await.unwrap().done().await;
    }
    second.close().await;
    assert_eq!(aws.queued(&url), [0, 0]);
}

#[tokio::test]
async fn a_message_whose_handler_vanishes_each_time_is_buried() {
    let Some(aws) = tokio::task::spawn_blocking(Aws::shared_ministack).await.unwrap() else { return };
    let url = aws.queue("vanishing", &[]);
    Producer::new(settings(&url)).send(&message("a")).await.unwrap();
    let consumer = consumer_with(&url, |settings| settings.visibility = SECOND);
    let mut running = Running::start(consumer, 2, |_, _| async { panic!("a handler that vanishes") });
    assert_eq!(running.handled().await, ("a".to_owned(), 1));
    assert_eq!(running.handled().await, ("a".to_owned(), 2));
    let buried = running.buried().await;
    assert_eq!((buried.attempts, buried.reason.as_str()), (3, "its handler vanished 2 times"));
    running.stop().await;
    assert_eq!(aws.queued(&url), [0, 0]);
}

#[tokio::test]
async fn characters_that_sqs_refuses_are_refused_before_it_could() {
    let Some(aws) = tokio::task::spawn_blocking(Aws::shared_ministack).await.unwrap() else { return };
    let url = aws.queue("characters", &[]);
    let producer = Producer::new(settings(&url));
    let good = message_with("a", "\u{fffe}\u{ffff}\u{0}\u{1f}\u{7f}");
    producer.send(&good).await.unwrap();
    // A message of somebody else, who did not escape what ours escape.
    let mut bad = good.clone();
    bad.data = serde_json::value::RawValue::from_string("\"\u{ffff}\"".to_owned()).unwrap();
    let refused = producer.send(&bad).await.unwrap_err();
    assert!(refused.is_of_the_message(), "{refused}");
    assert!(matches!(refused, SendError::Unfit(_)), "{refused}");
    assert_eq!(aws.queued(&url), [1, 0]);
}

#[tokio::test]
async fn a_queue_that_comes_back_is_consumed_again() {
    let port = epitaph_test_services::free_port();
    let url = format!("http://127.0.0.1:{port}/000000000000/later");
    let mut consumer = consumer(&url);
    let producer = Producer::new(settings(&url));
    assert!(matches!(producer.send(&message("a")).await, Err(SendError::Unavailable(_))));
    let Some(aws) = tokio::task::spawn_blocking(move || Aws::ministack_on(port)).await.unwrap() else {
        return;
    };
    // There is no such queue.
    assert!(matches!(producer.send(&message("a")).await, Err(SendError::Unavailable(_))));
    assert_eq!(aws.queue("later", &[]), url);
    producer.send(&message("a")).await.unwrap();
    consumer.receive().await.unwrap().done().await;
    consumer.close().await;
}

#[tokio::test]
async fn a_consumer_that_waits_for_nothing_closes_in_the_time_of_a_call() {
    let Some(aws) = tokio::task::spawn_blocking(Aws::shared_ministack).await.unwrap() else { return };
    let url = aws.queue("idle", &[]);
    let mut consumer = consumer(&url);
    tokio::select! {
        biased;
        () = async { consumer.receive().await.map(drop).unwrap_or_default() } => panic!("there is nothing"),
        () = tokio::time::sleep(Duration::from_millis(200)) => {}
    }
    let begun = std::time::Instant::now();
    consumer.close().await;
    assert!(begun.elapsed() < 10 * SECOND, "{:?}", begun.elapsed());
}

/// Whoever holds a delivery for ever holds up nobody else.
#[tokio::test]
async fn no_more_are_out_than_there_are_places_and_each_that_is_settled_frees_one() {
    let Some(aws) = tokio::task::spawn_blocking(Aws::shared_ministack).await.unwrap() else { return };
    let url = aws.queue("places", &[]);
    let producer = Producer::new(settings(&url));
    for id in ["a", "b", "c"] {
        producer.send(&message(id)).await.unwrap();
    }
    let consumer = consumer_with(&url, |settings| settings.in_flight = 2);
    let mut running = Running::start(consumer, 5, |id, _| async move {
        if id == "a" { pending().await } else { Outcome::Done }
    });
    let mut ids = BTreeSet::new();
    while ids.len() < 3 {
        let Asked::Handle(id, _, 1) = running.asked.recv().await.unwrap() else { panic!("each comes once") };
        ids.insert(id);
        assert!(aws.queued(&url)[1] <= 2, "two places, two out");
    }
}
