//! The last step, with a queue that hangs, refuses or accepts late, and a bucket that refuses. Time is paused: what is
//! measured is the budget alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use epitaph_bucket::{Bucket, BucketError, Key};
use epitaph_crash_model::{CrashId, Message, ProjectId, Protocol, REPORT_VERSION, Report};
use epitaph_ingest::{
    Cause, Refusal,
    hand_over::{HandOver, Safe},
};
use epitaph_queue::{SendError, Sender};
use epitaph_secrets::{Purpose, RootSecret, Secret};
use futures_util::{TryStreamExt, future::BoxFuture};
use tokio::time::{Instant, advance, sleep};

#[derive(Clone, Copy)]
enum Behaviour {
    Accepts,
    AcceptsAfter(Duration),
    Refuses,
    CallsItTooLarge,
    Hangs,
}

/// A queue that does as it is told, and counts how often it was tried.
struct Queue {
    behaviour: Mutex<Behaviour>,
    tried: AtomicUsize,
}

impl Sender for Queue {
    fn send<'a>(&'a self, _message: &'a Message) -> BoxFuture<'a, Result<(), SendError>> {
        self.tried.fetch_add(1, Ordering::Relaxed);
        let behaviour = *self.behaviour.lock().unwrap();
        Box::pin(async move {
            match behaviour {
                Behaviour::Accepts => Ok(()),
                Behaviour::AcceptsAfter(delay) => {
                    sleep(delay).await;
                    Ok(())
                }
                Behaviour::Refuses => Err(SendError::Unavailable("it is down".into())),
                Behaviour::CallsItTooLarge => Err(SendError::TooLarge { size: 2, limit: 1 }),
                Behaviour::Hangs => pending().await,
            }
        })
    }

    fn largest_message(&self) -> usize {
        1 << 20
    }
}

struct Stage {
    queue: Arc<Queue>,
    bucket: Bucket,
    secret: Secret,
    hand_over: HandOver,
}

impl Stage {
    fn with(behaviour: Behaviour, bucket: Bucket) -> Self {
        let queue = Arc::new(Queue { behaviour: Mutex::new(behaviour), tried: AtomicUsize::new(0) });
        let secret = RootSecret::new("a secret of the tests").unwrap().derive(Purpose::Message);
        let sender: Arc<dyn Sender> = Arc::clone(&queue) as _;
        let hand_over = HandOver::new(sender, bucket.clone(), secret.clone());
        Self { queue, bucket, secret, hand_over }
    }

    fn now(&self, behaviour: Behaviour) {
        *self.queue.behaviour.lock().unwrap() = behaviour;
    }

    fn tried(&self) -> usize {
        self.queue.tried.load(Ordering::Relaxed)
    }

    /// Hands a report over; also tells how long that took.
    async fn hand_over(&self, report: &Report) -> (Result<Safe, Cause>, Duration) {
        let begun = Instant::now();
        let safe = self.hand_over.hand_over(report).await.map_err(|refusal: Refusal| refusal.cause);
        (safe, begun.elapsed())
    }

    async fn parked(&self) -> Vec<Key> {
        let objects: Result<Vec<_>, BucketError> = self.bucket.list(&Key::all_parked()).try_collect().await;
        objects.unwrap().into_iter().map(|object| object.key).collect()
    }
}

fn report() -> Report {
    let id = CrashId::new();
    Report {
        version: REPORT_VERSION,
        id,
        project: ProjectId::FIRST,
        received_at: id.accepted_at(),
        protocol: Protocol::Multipart,
        client_id: None,
        client: None,
        annotations: BTreeMap::from([("prod".into(), "MyGame".into())]),
        payloads: Vec::new(),
        notes: Vec::new(),
        weight: 1,
        sampled_by: None,
        outcomes: Vec::new(),
    }
}

/// A bucket in whose place there is a file.
fn refusing_bucket(directory: &tempfile::TempDir) -> Bucket {
    let place = directory.path().join("bucket");
    std::fs::write(&place, "in the way").unwrap();
    Bucket::open(&format!("file://{}", place.display()), 0).unwrap()
}

const AT_ONCE: Duration = Duration::ZERO;
const QUEUE_BUDGET: Duration = Duration::from_secs(2);

#[tokio::test(start_paused = true)]
async fn what_the_queue_accepts_in_time_is_queued_and_not_parked() {
    let stage = Stage::with(Behaviour::Accepts, Bucket::in_memory());
    assert_eq!(stage.hand_over(&report()).await, (Ok(Safe::Queued), AT_ONCE));
    let nearly = Duration::from_millis(1900);
    stage.now(Behaviour::AcceptsAfter(nearly));
    assert_eq!(stage.hand_over(&report()).await.0, Ok(Safe::Queued));
    assert_eq!(stage.parked().await, []);
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_refuses_or_does_not_accept_in_time_is_parked() {
    for behaviour in [Behaviour::Refuses, Behaviour::Hangs, Behaviour::AcceptsAfter(QUEUE_BUDGET * 2)] {
        let stage = Stage::with(behaviour, Bucket::in_memory());
        let (safe, took) = stage.hand_over(&report()).await;
        assert_eq!(safe, Ok(Safe::Parked));
        // Timers have a resolution of a millisecond.
        assert!(took <= QUEUE_BUDGET + Duration::from_millis(1), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_parked_is_a_signed_message_that_holds_the_report() {
    let stage = Stage::with(Behaviour::Refuses, Bucket::in_memory());
    let report = report();
    assert_eq!(stage.hand_over(&report).await.0, Ok(Safe::Parked));
    let key = Key::parked(report.project, &report.id.to_string());
    assert_eq!(stage.parked().await, std::slice::from_ref(&key));
    let bytes: Bytes = stage.bucket.get(&key, 1 << 20).await.unwrap();
    let message: Message = serde_json::from_slice(&bytes).unwrap();
    assert!(stage.secret.is_signed(&message));
    assert_eq!(message.project(), Some(report.project));
    assert_eq!(message.read::<Report>().unwrap(), report);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_failed_costs_nobody_else_its_budget_and_is_probed_once_a_second() {
    let stage = Stage::with(Behaviour::Hangs, Bucket::in_memory());
    assert_eq!(stage.hand_over(&report()).await.0, Ok(Safe::Parked));
    for _ in 0..10 {
        assert_eq!(stage.hand_over(&report()).await, (Ok(Safe::Parked), AT_ONCE));
    }
    assert_eq!(stage.tried(), 1);

    // One of those who come a second later tries; the others are parked meanwhile.
    advance(Duration::from_secs(1)).await;
    let reports = [report(), report(), report()];
    let all = futures_util::future::join_all(reports.iter().map(|report| stage.hand_over(report))).await;
    assert_eq!(all.iter().filter(|(_, took)| *took == AT_ONCE).count(), 2);
    assert_eq!(stage.tried(), 2);

    stage.now(Behaviour::Accepts);
    advance(Duration::from_secs(1)).await;
    assert_eq!(stage.hand_over(&report()).await, (Ok(Safe::Queued), AT_ONCE));
    assert_eq!(stage.hand_over(&report()).await, (Ok(Safe::Queued), AT_ONCE));
    assert_eq!(stage.tried(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_large_says_nothing_about_the_queue() {
    let stage = Stage::with(Behaviour::CallsItTooLarge, Bucket::in_memory());
    assert_eq!(stage.hand_over(&report()).await.0, Ok(Safe::Parked));
    stage.now(Behaviour::Accepts);
    assert_eq!(stage.hand_over(&report()).await.0, Ok(Safe::Queued));
}

#[tokio::test(start_paused = true)]
async fn what_neither_queue_nor_bucket_takes_is_refused_within_the_queues_budget() {
    let directory = tempfile::tempdir().unwrap();
    let stage = Stage::with(Behaviour::Hangs, refusing_bucket(&directory));
    let (safe, took) = stage.hand_over(&report()).await;
    assert_eq!(safe, Err(Cause::Unavailable));
    assert!(took <= QUEUE_BUDGET + Duration::from_millis(1), "{took:?}");
    // A refusal leaves the breaker open, and the next one is refused at once.
    assert_eq!(stage.hand_over(&report()).await, (Err(Cause::Unavailable), AT_ONCE));
    // The queue alone is enough.
    stage.now(Behaviour::Accepts);
    advance(Duration::from_secs(1)).await;
    assert_eq!(stage.hand_over(&report()).await.0, Ok(Safe::Queued));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_nearly_full_is_a_bucket_that_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let location = format!("file://{}", directory.path().display());
    let stage = Stage::with(Behaviour::Refuses, Bucket::open(&location, u64::MAX).unwrap());
    assert_eq!(stage.hand_over(&report()).await.0, Err(Cause::Unavailable));
}
