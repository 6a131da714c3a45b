//! The embedded queue on a real directory.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]
#![expect(clippy::panic, reason = "a handler that panics is one of the cases")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use epitaph_crash_model::{Message, MessageKind, ProjectId, Timestamp};
use epitaph_queue::{
    Handler, Outcome, SendError, Sender, Undeliverable, consume,
    embedded::{Consumer, ConsumerSettings, OpenError, Producer, ProducerSettings},
};
use proptest::prelude::*;
use tokio::sync::watch;

fn producer(directory: &Path) -> Producer {
    Producer::new(ProducerSettings { directory: directory.to_owned(), min_free: 0, sync: true })
}

fn consumer(directory: &Path) -> Consumer {
    open(directory, ConsumerSettings::default())
}

/// Opens a queue that the last consumer's thread may be about to let go of.
fn open(directory: &Path, settings: ConsumerSettings) -> Consumer {
    loop {
        match Consumer::open(directory, settings) {
            Err(OpenError::Taken(_)) => std::thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

fn message(id: &str) -> Message {
    let time = Timestamp::from_millis(1_700_000_000_000);
    Message::new(MessageKind::Report, ProjectId::FIRST, id.to_owned(), time, &"data").unwrap()
}

fn logs(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("incoming")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

async fn receive_id(consumer: &mut Consumer) -> (String, epitaph_queue::embedded::Delivery) {
    let delivery = consumer.receive().await.unwrap();
    (delivery.message().unwrap().id, delivery)
}

#[tokio::test]
async fn what_is_done_does_not_come_again_and_what_is_not_does() {
    let directory = tempfile::tempdir().unwrap();
    let producer = producer(directory.path());
    for id in ["a", "b", "c"] {
        producer.send(&message(id)).await.unwrap();
    }
    let mut first = consumer(directory.path());
    let mut held = Vec::new();
    for expected in ["a", "b", "c"] {
        let (id, delivery) = receive_id(&mut first).await;
        assert_eq!(id, expected);
        if id == "b" { delivery.done() } else { held.push(delivery) }
    }
    drop((first, held));
    let mut second = consumer(directory.path());
    for expected in ["a", "c"] {
        let (id, delivery) = receive_id(&mut second).await;
        assert_eq!((id.as_str(), delivery.attempt()), (expected, 2));
        delivery.done();
    }
}

#[tokio::test]
async fn a_producer_in_another_place_is_heard_while_the_consumer_runs() {
    let directory = tempfile::tempdir().unwrap();
    let mut consumer = consumer(directory.path());
    for id in ["a", "b"] {
        // A new producer each time: a new file, as from a new process.
        producer(directory.path()).send(&message(id)).await.unwrap();
        let (received, delivery) = receive_id(&mut consumer).await;
        assert_eq!(received, id);
        delivery.done();
    }
}

#[tokio::test]
async fn the_file_of_a_producer_that_is_gone_is_removed_when_all_of_it_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let producer = producer(directory.path());
    producer.send(&message("a")).await.unwrap();
    let mut reader = consumer(directory.path());
    reader.receive().await.unwrap().done();
    assert_eq!(logs(directory.path()).len(), 1, "its producer lives");
    drop(producer);
    while !logs(directory.path()).is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_consumer_has_the_queue_for_itself() {
    let directory = tempfile::tempdir().unwrap();
    let _first = consumer(directory.path());
    let second = Consumer::open(directory.path(), ConsumerSettings::default());
    assert!(matches!(second, Err(OpenError::Taken(_))));
}

#[tokio::test]
async fn an_attempt_that_an_engine_spoiled_is_not_counted() {
    let directory = tempfile::tempdir().unwrap();
    producer(directory.path()).send(&message("a")).await.unwrap();
    let mut reader = consumer(directory.path());
    for _ in 0..3 {
        let delivery = reader.receive().await.unwrap();
        assert_eq!(delivery.attempt(), 1);
        delivery.later(Duration::from_millis(1));
    }
    drop(reader);
    assert_eq!(consumer(directory.path()).receive().await.unwrap().attempt(), 1);
}

#[tokio::test]
async fn a_message_that_is_handled_too_long_comes_again() {
    let directory = tempfile::tempdir().unwrap();
    producer(directory.path()).send(&message("a")).await.unwrap();
    let visibility = Duration::from_millis(200);
    let mut reader = open(directory.path(), ConsumerSettings { visibility, in_flight: 4 });
    let first = reader.receive().await.unwrap();
    let again = reader.receive().await.unwrap();
    assert_eq!((first.attempt(), again.attempt()), (1, 2));
    // A verdict on the first handing-out does not touch the second.
    drop(first);
    again.extend();
    again.done();
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let settings =
        ProducerSettings { directory: directory.path().to_owned(), min_free: u64::MAX, sync: true };
    let refused = Producer::new(settings).send(&message("a")).await;
    assert!(matches!(refused, Err(SendError::NoSpace { low: u64::MAX, .. })), "{refused:?}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_refuses_and_is_tried_again() {
    let directory = tempfile::tempdir().unwrap();
    let queue = directory.path().join("queue");
    fs::write(&queue, "in the way").unwrap();
    let producer = producer(&queue);
    assert!(matches!(producer.send(&message("a")).await, Err(SendError::Unavailable(_))));
    fs::remove_file(&queue).unwrap();
    producer.send(&message("a")).await.unwrap();
}

#[tokio::test]
async fn a_damaged_record_costs_no_other_and_its_file_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let sender = producer(directory.path());
    for id in ["a", "b", "c"] {
        sender.send(&message(id)).await.unwrap();
    }
    drop(sender);
    let path = logs(directory.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let length = (bytes.len() - 8) / 3;
    // Both the length of "b" and its text: nothing of the record can be trusted.
    bytes[8 + length] ^= 1;
    bytes[8 + length + 40] ^= 1;
    fs::write(&path, bytes).unwrap();
    let mut reader = consumer(directory.path());
    for expected in ["a", "c"] {
        let (id, delivery) = receive_id(&mut reader).await;
        assert_eq!(id, expected);
        delivery.done();
    }
    let damaged = directory.path().join("damaged");
    while !fs::read_dir(&damaged).is_ok_and(|mut entries| entries.next().is_some()) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_producers_at_once_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let producers: Vec<_> = (0..4).map(|_| Arc::new(producer(directory.path()))).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..400 {
        let producer = Arc::clone(&producers[number % 4]);
        tasks.spawn(async move { producer.send(&message(&number.to_string())).await.unwrap() });
    }
    let mut reader = consumer(directory.path());
    let mut seen = BTreeSet::new();
    while seen.len() < 400 {
        let (id, delivery) = receive_id(&mut reader).await;
        assert!(seen.insert(id));
        delivery.done();
    }
    tasks.join_all().await;
}

/// Remembers what it was given; `Dead` for ids that begin with "dead", vanishes for "panic", `Later` once for "later",
/// `Busy` once for "busy".
#[derive(Default)]
struct Recorder {
    handled: Mutex<Vec<(String, u32)>>,
    buried: Mutex<Vec<Undeliverable>>,
    progress: tokio::sync::Notify,
}

impl Handler for Recorder {
    async fn handle(&self, message: Message, attempt: u32) -> Outcome {
        let known = {
            let mut handled = self.handled.lock().unwrap();
            let known = handled.iter().any(|(id, _)| *id == message.id);
            handled.push((message.id.clone(), attempt));
            known
        };
        self.progress.notify_one();
        match message.id.as_str() {
            "dead" => Outcome::Dead("its own fault".into()),
            "later" if !known => Outcome::Later("the catalog is down".into()),
            "busy" if !known => Outcome::Busy,
            "panic" => panic!("a handler that vanishes"),
            _ => Outcome::Done,
        }
    }

    async fn bury(&self, undeliverable: Undeliverable) -> Result<(), String> {
        self.buried.lock().unwrap().push(undeliverable);
        self.progress.notify_one();
        Ok(())
    }
}

#[tokio::test]
async fn every_verdict_of_a_handler_has_its_consequence() {
    let directory = tempfile::tempdir().unwrap();
    let producer = producer(directory.path());
    for id in ["good", "dead", "later", "busy", "panic"] {
        producer.send(&message(id)).await.unwrap();
    }
    let recorder = Arc::new(Recorder::default());
    let (stop, stopped) = watch::channel(false);
    let mut running = tokio::task::JoinSet::new();
    running.spawn(consume(consumer(directory.path()), Arc::clone(&recorder), 2, stopped));
    while recorder.buried.lock().unwrap().len() < 2 || recorder.handled.lock().unwrap().len() < 8 {
        recorder.progress.notified().await;
    }
    stop.send(true).unwrap();
    running.join_all().await;
    let mut handled = recorder.handled.lock().unwrap().clone();
    handled.sort();
    let expected = ["busy", "busy", "dead", "good", "later", "later", "panic"].map(|id| (id, 1));
    let expected = expected.into_iter().chain([("panic", 2)]).collect::<Vec<_>>();
    let handled: Vec<_> = handled.iter().map(|(id, attempt)| (id.as_str(), *attempt)).collect();
    assert_eq!(handled, expected);
    let buried = recorder.buried.lock().unwrap();
    let reasons: BTreeSet<_> = buried.iter().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(reasons, ["its own fault", "its handler vanished 2 times"].into());
}

/// Handles all but one, of which it says that an engine is down.
#[derive(Default)]
struct Picky {
    buried: tokio::sync::Notify,
    handled: Mutex<u32>,
}

impl Handler for Picky {
    async fn handle(&self, message: Message, _: u32) -> Outcome {
        if message.id == "picked" {
            return Outcome::Later("its object cannot be read".into());
        }
        *self.handled.lock().unwrap() += 1;
        Outcome::Done
    }

    async fn bury(&self, _: Undeliverable) -> Result<(), String> {
        self.buried.notify_one();
        Ok(())
    }
}

#[tokio::test]
async fn a_message_that_an_engine_fails_alone_holds_up_no_other_and_uses_up_its_attempts() {
    let directory = tempfile::tempdir().unwrap();
    let producer = producer(directory.path());
    producer.send(&message("picked")).await.unwrap();
    let picky = Arc::new(Picky::default());
    let (stop, stopped) = watch::channel(false);
    let mut running = tokio::task::JoinSet::new();
    running.spawn(consume(consumer(directory.path()), Arc::clone(&picky), 2, stopped));
    let others = async {
        for number in 0.. {
            producer.send(&message(&number.to_string())).await.unwrap();
        }
    };
    tokio::select! {
        () = others => {}
        () = picky.buried.notified() => {}
    }
    assert!(*picky.handled.lock().unwrap() > 2);
    stop.send(true).unwrap();
    running.join_all().await;
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What `kill -9` leaves of a file is a beginning of it.
    #[test]
    fn a_file_cut_anywhere_gives_every_message_before_the_cut(cut in 0.0..1.0_f64) {
        let directory = tempfile::tempdir().unwrap();
        block_on(async {
            let sender = producer(directory.path());
            for number in 0..5 {
                sender.send(&message(&number.to_string())).await.unwrap();
            }
        });
        let path = logs(directory.path()).remove(0);
        let bytes = fs::read(&path).unwrap();
        let record = (bytes.len() - 8) / 5;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
        let kept = (bytes.len() as f64 * cut) as usize;
        fs::write(&path, &bytes[..kept]).unwrap();
        let whole = kept.saturating_sub(8) / record;
        block_on(async {
            let mut reader = consumer(directory.path());
            for expected in 0..whole {
                let (id, delivery) = receive_id(&mut reader).await;
                prop_assert_eq!(id, expected.to_string());
                delivery.done();
            }
            // All of it is done now, and nothing of it was damage: the file goes.
            while !logs(directory.path()).is_empty() {
                tokio::task::yield_now().await;
            }
            prop_assert!(!directory.path().join("damaged").exists());
            Ok(())
        })?;
    }
}
