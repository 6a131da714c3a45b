//! Batches of the queue, as AWS Lambda hands them over: each record is settled on its own, and what is to come again is
//! named in the answer. None of them fails its neighbours.

use std::{panic::AssertUnwindSafe, sync::Arc, thread, time::Duration};

use epitaph_crash_model::Message;
use epitaph_host::Invocations;
use epitaph_queue::{
    Handler, Outcome, Undeliverable,
    batch::{Batch, Failures, Record},
};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use serde_json::{Value, value::RawValue};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout_at},
};

use crate::pull::MOST_ATTEMPTS;

/// What is kept to tell Lambda what failed: a batch that is not answered comes again as a whole, with what was done.
const TIME_TO_ANSWER: Duration = Duration::from_secs(2);
/// After how long a record is tried again that is not its turn: the queue would bring it after minutes.
const TURN: Duration = Duration::from_millis(200);

/// Hands the records of a batch to a handler, several at a time.
///
/// An engine that is down makes records come again, and nothing else: no record is dead because it came often. The queue
/// itself gives up at last, and hands what it gives up to `maintain`.
pub struct Batches<H> {
    handler: Arc<H>,
    at_once: usize,
}

impl<H: Handler> Batches<H> {
    /// For a handler. Its own limits hold; here, twice as many records are under way as there are processors, so that
    /// some are read and written while others are parsed.
    pub fn new(handler: H) -> Self {
        let at_once = thread::available_parallelism().map_or(2, |cores| cores.get() * 2);
        Self { handler: Arc::new(handler), at_once }
    }

    async fn settle_all(&self, batch: Batch, deadline: Instant) -> Failures {
        let time = deadline.saturating_duration_since(Instant::now());
        // A record that would be cut off had better wait for the next batch.
        let (last_start, end) = (deadline - time / 4, deadline - TIME_TO_ANSWER.min(time / 8));
        let places = Semaphore::new(self.at_once);
        let settled = batch.records.into_iter().map(async |record| {
            match self.settle_in_time(&record, &places, last_start, end).await {
                Ok(()) => None,
                Err(why) => {
                    let (id, attempt) = (&record.message_id, record.attempt());
                    tracing::warn!(id, attempt, why, "a record comes again");
                    Some(record.message_id)
                }
            }
        });
        join_all(settled).await.into_iter().flatten().collect()
    }

    async fn settle_in_time(
        &self,
        record: &Record,
        places: &Semaphore,
        last_start: Instant,
        end: Instant,
    ) -> Result<(), String> {
        loop {
            let place = places.acquire().await.map_err(|error| error.to_string())?;
            if Instant::now() >= last_start {
                return Err("too little time was left to begin it".to_owned());
            }
            match timeout_at(end, self.settle(record)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(Unsettled::Again(why))) => return Err(why),
                Ok(Err(Unsettled::Busy)) => {}
                Err(_) => return Err("it was not done in time".to_owned()),
            }
            // Others of the batch go on meanwhile.
            drop(place);
            sleep(TURN).await;
        }
    }

    async fn settle(&self, record: &Record) -> Result<(), Unsettled> {
        let attempts = record.attempt();
        let outcome = match serde_json::from_str::<Message>(&record.body) {
            Ok(message) => {
                let handled = AssertUnwindSafe(self.handler.handle(message, attempts)).catch_unwind().await;
                match handled {
                    Ok(outcome) => outcome,
                    // That is no engine's fault.
                    Err(_) if attempts > MOST_ATTEMPTS => Outcome::Dead("it ends its handler".to_owned()),
                    Err(_) => Outcome::Later("its handler ended without a verdict; see the log".to_owned()),
                }
            }
            Err(error) => Outcome::Dead(format!("not a message: {error}")),
        };
        match outcome {
            Outcome::Done => Ok(()),
            Outcome::Busy => Err(Unsettled::Busy),
            Outcome::Later(why) => Err(Unsettled::Again(why)),
            Outcome::Dead(reason) => {
                let place = record.place();
                let bytes = record.body.clone().into_bytes();
                let buried = self.handler.bury(Undeliverable { bytes, place, reason, attempts });
                buried.await.map_err(Unsettled::Again)
            }
        }
    }
}

/// Why a record is not settled.
enum Unsettled {
    /// It must come again.
    Again(String),
    /// It is not its turn.
    Busy,
}

impl<H: Handler> Invocations for Batches<H> {
    fn invoke<'a>(&'a self, event: &'a RawValue, deadline: Instant) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move {
            let batch: Batch = serde_json::from_str(event.get())
                .map_err(|error| format!("expected a batch of an SQS queue: {error}"))?;
            let failures = self.settle_all(batch, deadline).await;
            serde_json::to_value(failures).map_err(|error| format!("the answer has no JSON form: {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::{
            Mutex,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use epitaph_crash_model::{MessageKind, ProjectId, Timestamp};
    use serde_json::json;

    use super::*;

    /// Does with a message what its id says.
    #[derive(Default)]
    struct Obedient {
        handled: AtomicUsize,
        buried: Mutex<Vec<Undeliverable>>,
        cannot_bury: bool,
    }

    impl Handler for Obedient {
        async fn handle(&self, message: Message, _: u32) -> Outcome {
            self.handled.fetch_add(1, Ordering::Relaxed);
            match message.id.split('-').next().unwrap_or_default() {
                "later" => Outcome::Later("the catalog is down".into()),
                "dead" => Outcome::Dead("forged".into()),
                "panic" => panic!("on purpose"),
                // After the fifth is its turn.
                "busy" if self.handled.load(Ordering::Relaxed) <= 5 => Outcome::Busy,
                "stuck" => std::future::pending().await,
                "slow" => {
                    tokio::time::sleep(Duration::from_secs(10)).await;
                    Outcome::Done
                }
                _ => Outcome::Done,
            }
        }

        async fn bury(&self, undeliverable: Undeliverable) -> Result<(), String> {
            if self.cannot_bury {
                return Err("the bucket is down".into());
            }
            self.buried.lock().unwrap().push(undeliverable);
            Ok(())
        }
    }

    fn body(id: &str) -> String {
        let now = Timestamp::from_millis(0);
        let message = Message::new(MessageKind::Report, ProjectId::FIRST, id.to_owned(), now, &());
        serde_json::to_string(&message.unwrap()).unwrap()
    }

    fn record(id: &str, body: &str, attempt: u32) -> Value {
        json!({"messageId": id, "body": body, "attributes": {"ApproximateReceiveCount": attempt.to_string()}})
    }

    fn records(ids: &[&str]) -> Vec<Value> {
        ids.iter().map(|id| record(id, &body(id), 1)).collect()
    }

    async fn failures(batches: &Batches<Obedient>, records: Vec<Value>, seconds: u64) -> BTreeSet<String> {
        let event = serde_json::value::to_raw_value(&json!({"Records": records})).unwrap();
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let answer = batches.invoke(&event, deadline).await.unwrap();
        let failures = answer["batchItemFailures"].as_array().unwrap().iter();
        failures.map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
    }

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|&id| id.to_owned()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_must_come_again_is_named() {
        let batches = Batches::new(Obedient::default());
        let mut batch = records(&["a", "later", "dead", "panic", "b", "stuck", "c"]);
        batch.push(record("nonsense", "no message", 3));
        assert_eq!(failures(&batches, batch, 60).await, set(&["later", "panic", "stuck"]));
        let mut buried = batches.handler.buried.lock().unwrap().clone();
        buried.sort_by(|one, other| one.place.cmp(&other.place));
        let told: Vec<_> = buried.iter().map(|one| (one.place.as_str(), one.attempts)).collect();
        assert_eq!(told, [("sqs/dead", 1), ("sqs/nonsense", 3)]);
        assert_eq!(buried[1].bytes, b"no message");
        assert!(buried[1].reason.starts_with("not a message: "), "{}", buried[1].reason);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_buried_now_comes_again() {
        let batches = Batches::new(Obedient { cannot_bury: true, ..Obedient::default() });
        assert_eq!(failures(&batches, records(&["dead", "a"]), 60).await, set(&["dead"]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_is_down_for_ever_buries_nothing_and_a_handler_that_ends_each_time_does() {
        let batches = Batches::new(Obedient::default());
        let batch = vec![record("later", &body("later"), 10_000), record("panic", &body("panic"), 21)];
        assert_eq!(failures(&batches, batch, 60).await, set(&["later"]));
        let buried = batches.handler.buried.lock().unwrap();
        assert_eq!(buried.iter().map(|one| one.place.as_str()).collect::<Vec<_>>(), ["sqs/panic"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_there_is_no_time_for_is_not_begun() {
        let batches = Batches { at_once: 1, ..Batches::new(Obedient::default()) };
        let ids = ["slow-1", "slow-2", "slow-3", "slow-4", "slow-5"];
        // Begun after 0, 10 and 20 s; after 30 s, a quarter of the time is left.
        let failed = failures(&batches, records(&ids), 40).await;
        assert_eq!(failed, set(&["slow-4", "slow-5"]));
        assert_eq!(batches.handler.handled.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_its_turn_holds_up_no_other_of_the_batch() {
        let batches = Batches { at_once: 1, ..Batches::new(Obedient::default()) };
        assert_eq!(failures(&batches, records(&["busy", "a", "b"]), 60).await, set(&[]));
        assert_eq!(batches.handler.handled.load(Ordering::Relaxed), 6, "those two, and one in four times");
        let batches = Batches::new(Obedient::default());
        assert_eq!(failures(&batches, records(&["busy"]), 1).await, set(&["busy"]), "its turn never came");
    }

    #[tokio::test]
    async fn what_is_no_batch_fails_as_a_whole() {
        let batches = Batches::new(Obedient::default());
        let event = serde_json::value::to_raw_value(&json!({"source": "aws.events"})).unwrap();
        let problem = batches.invoke(&event, Instant::now() + Duration::from_secs(1)).await.unwrap_err();
        assert!(problem.starts_with("expected a batch of an SQS queue: "), "{problem}");
    }
}
