//! An SQS that refuses, fails, throttles, or says nothing; and how calls are shared.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]
#![expect(
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, also in its helpers"
)]

#[path = "support/stub.rs"]
mod stub;
mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use epitaph_queue::{SendError, Sender as _, sqs::Producer};
use futures_util::future::join_all;
use stub::{Answer, Stub};
use support::{message, message_of, message_with, settings};

/// In which the queue must have accepted; after it a report is parked.
const BUDGET: Duration = Duration::from_secs(2);

/// Sends a message that SQS must not take, and gives what is told.
async fn refused(producer: &Producer) -> String {
    let begun = Instant::now();
    let error = producer.send(&message("a")).await.unwrap_err();
    let took = begun.elapsed();
    assert!(took < BUDGET, "{took:?}");
    let SendError::Unavailable(why) = error else { panic!("the message is not at fault: {error}") };
    why.to_string()
}

#[tokio::test]
async fn a_queue_that_cannot_be_reached_is_unavailable_within_the_budget() {
    let port = epitaph_test_services::free_port();
    let producer = Producer::new(settings(&format!("http://127.0.0.1:{port}/000000000000/reports")));
    let why = refused(&producer).await;
    assert!(why.starts_with("SQS does not answer"), "{why}");
}

#[tokio::test]
async fn a_queue_that_never_answers_is_unavailable_within_the_budget() {
    let stub = Stub::start(Answer::Nothing).await;
    let why = refused(&Producer::new(settings(&stub.url()))).await;
    assert!(why.starts_with("SQS does not answer"), "{why}");
}

#[tokio::test]
async fn a_queue_that_fails_throttles_or_denies_is_unavailable_and_says_why() {
    let stub = Stub::start(Answer::Takes).await;
    let producer = Producer::new(settings(&stub.url()));
    for (status, code) in [
        (500, "InternalFailure"),
        (503, "ServiceUnavailable"),
        (400, "RequestThrottled"),
        (400, "ThrottlingException"),
        (403, "AccessDenied"),
        (400, "QueueDoesNotExist"),
    ] {
        stub.answer(Answer::Fails(status, code));
        let why = refused(&producer).await;
        let word = code.trim_end_matches("Exception");
        assert!(why.contains(word), "{why}");
    }
    stub.answer(Answer::Takes);
    producer.send(&message("a")).await.unwrap();
}

#[tokio::test]
async fn what_sqs_says_about_a_message_is_the_messages_fault() {
    let stub = Stub::start(Answer::Takes).await;
    let producer = Producer::new(settings(&stub.url()));
    for code in ["InvalidMessageContents", "InvalidParameterValueException"] {
        stub.answer(Answer::Fails(400, code));
        let error = producer.send(&message("a")).await.unwrap_err();
        assert!(error.is_of_the_message(), "{error}");
    }
}

#[tokio::test]
async fn a_call_that_fails_once_is_tried_again() {
    let stub = Stub::start(Answer::Takes).await;
    let producer = Producer::new(settings(&stub.url()));
    for answer in [Answer::Fails(500, "InternalFailure"), Answer::BreaksOff] {
        stub.answer_next(answer);
        producer.send(&message("a")).await.unwrap();
    }
    assert_eq!(stub.calls().len(), 4);
}

#[tokio::test]
async fn warming_up_sends_nothing_and_no_failure_of_it_is_told() {
    let stub = Stub::start(Answer::Fails(403, "AccessDenied")).await;
    let producer = Producer::new(settings(&stub.url()));
    producer.warm_up().await;
    let calls = stub.calls();
    assert!(!calls.is_empty() && calls.iter().all(|call| call.bodies().is_empty()), "{calls:?}");
    stub.answer(Answer::Takes);
    producer.send(&message("a")).await.unwrap();
}

#[tokio::test]
async fn a_message_on_its_own_travels_alone_and_at_once() {
    let stub = Stub::start(Answer::Takes).await;
    let producer = Producer::new(settings(&stub.url()));
    for id in ["a", "b", "c"] {
        producer.send(&message(id)).await.unwrap();
    }
    let actions: Vec<_> = stub.calls().into_iter().map(|call| call.action).collect();
    assert_eq!(actions, ["SendMessage", "SendMessage", "SendMessage"]);
}

#[tokio::test]
async fn messages_that_come_together_share_calls_within_the_limits_of_a_batch() {
    let stub = Stub::start(Answer::TakesAfter(Duration::from_millis(30))).await;
    let producer = Producer::new(settings(&stub.url()));
    let mut messages: Vec<_> = (0..100).map(|index| message(&format!("small-{index}"))).collect();
    messages.extend((0..10).map(|index| message_of(&format!("large-{index}"), 300_000)));
    let sent = join_all(messages.iter().map(|message| producer.send(message))).await;
    sent.into_iter().for_each(Result::unwrap);
    let calls = stub.calls();
    let mut bodies = Vec::new();
    for call in &calls {
        let of_call = call.bodies();
        assert!(of_call.len() <= 10, "{} in one call", of_call.len());
        assert!(of_call.iter().map(String::len).sum::<usize>() <= 1 << 20);
        bodies.extend(of_call);
    }
    let mut expected: Vec<_> =
        messages.iter().map(|message| serde_json::to_string(message).unwrap()).collect();
    bodies.sort_unstable();
    expected.sort_unstable();
    assert_eq!(bodies, expected, "each was sent once, and as it is");
    assert!(calls.len() < 20, "{} calls", calls.len());
}

#[tokio::test]
async fn one_of_a_batch_that_is_refused_fails_alone() {
    let stub = Stub::start(Answer::TakesAfter(Duration::from_millis(20))).await;
    let producer = Producer::new(settings(&stub.url()));
    let first = message("first");
    let messages: Vec<_> =
        (0..8).map(|index| message_with(&format!("m{index}"), &format!("data-{index}"))).collect();
    stub.answer_next(Answer::TakesAfter(Duration::from_millis(20)));
    stub.answer_next(Answer::TakesAllBut("data-3", "InvalidMessageContents"));
    // The first is on its way while the others come.
    let sent = futures_util::future::join(
        producer.send(&first),
        join_all(messages.iter().map(|message| producer.send(message))),
    );
    let (first, others) = sent.await;
    first.unwrap();
    for (index, result) in others.into_iter().enumerate() {
        match result {
            Err(SendError::Unfit(_)) if index == 3 => {}
            Ok(()) if index != 3 => {}
            other => panic!("{index}: {other:?}"),
        }
    }
    assert_eq!(stub.calls().len(), 2);
}

#[tokio::test]
async fn a_batch_that_is_refused_fails_for_all_that_are_in_it() {
    let stub = Stub::start(Answer::Fails(400, "InvalidParameterValue")).await;
    let producer = Producer::new(settings(&stub.url()));
    stub.answer_next(Answer::TakesAfter(Duration::from_millis(20)));
    let (first, messages) = (message("first"), [message("a"), message("b")]);
    let (first, others) = futures_util::future::join(
        producer.send(&first),
        join_all(messages.iter().map(|message| producer.send(message))),
    )
    .await;
    first.unwrap();
    // Which of them is at fault nobody knows: each is tried on its own when it is sent on.
    assert!(others.iter().all(|result| matches!(result, Err(SendError::Unavailable(_)))), "{others:?}");
}

#[tokio::test]
async fn a_request_that_is_cancelled_takes_nothing_from_its_neighbours() {
    let stub = Stub::start(Answer::TakesAfter(Duration::from_millis(50))).await;
    let producer = Arc::new(Producer::new(settings(&stub.url())));
    let [first, cancelled, neighbour] = ["first", "cancelled", "neighbour"].map(|id| {
        let producer = Arc::clone(&producer);
        tokio::spawn(async move { producer.send(&message(id)).await })
    });
    // The first is on its way, and with it nothing else.
    while stub.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    first.abort();
    cancelled.abort();
    neighbour.await.unwrap().unwrap();
    let sent: Vec<_> = stub.calls().iter().flat_map(stub::Call::bodies).collect();
    assert!(sent.iter().any(|body| body.contains("\"first\"")), "its call was on its way already");
    assert!(sent.iter().any(|body| body.contains("\"neighbour\"")));
    // And the desk is in order: what comes now goes out at once.
    producer.send(&message("next")).await.unwrap();
}

#[tokio::test]
async fn more_than_can_be_on_their_way_wait_and_arrive() {
    let stub = Stub::start(Answer::TakesAfter(Duration::from_millis(5))).await;
    let producer = Producer::new(settings(&stub.url()));
    // Three a call, and 32 calls at the same time.
    let messages: Vec<_> = (0..150).map(|index| message_of(&format!("large-{index}"), 300_000)).collect();
    let sent = join_all(messages.iter().map(|message| producer.send(message))).await;
    assert_eq!(sent.into_iter().filter(Result::is_ok).count(), messages.len());
}
