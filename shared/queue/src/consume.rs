//! Hands messages to a function in the same process, several at a time.

use std::{
    collections::HashMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use epitaph_crash_model::Message;
use futures_util::FutureExt;
use tokio::{sync::watch, task::JoinSet};

use crate::{Delivery, Outcome, Source};

/// The pause after an engine was found to be down doubles from the first to the second.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// After how long a message comes again that is not its turn.
const TURN: Duration = Duration::from_secs(2);
/// More messages than this are not remembered as waiting for an engine; one that is forgotten waits once more.
const MOST_REMEMBERED: usize = 10_000;

/// How the engines are doing, as far as messages tell.
struct Health {
    pause: Duration,
    /// How many messages were handled.
    done: u64,
    /// Of messages that had to wait: how many had been handled then.
    waited_at: HashMap<String, u64>,
}

impl Health {
    fn succeeded(&mut self, id: &str) {
        self.pause = SHORTEST_PAUSE;
        self.done += 1;
        self.waited_at.remove(id);
    }

    /// How long everything has to wait for an engine that this message found down. `None` if others were handled since
    /// this message waited last: then it is this message that has a trouble of its own, and holds up nobody.
    fn failed(&mut self, id: &str) -> Option<Duration> {
        if self.waited_at.insert(id.to_owned(), self.done).is_some_and(|then| then < self.done) {
            return None;
        }
        if self.waited_at.len() > MOST_REMEMBERED {
            self.waited_at.clear();
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        Some(pause)
    }
}

/// What messages are handed to.
pub trait Handler: Send + Sync + 'static {
    /// Handles one message. May be called for the same message again, also at the same time.
    fn handle(&self, message: Message, attempt: u32) -> impl Future<Output = Outcome> + Send;

    /// Puts a message aside that can never be handled. After an error it is tried again.
    fn bury(&self, undeliverable: Undeliverable) -> impl Future<Output = Result<(), String>> + Send;
}

/// A message that can never be handled.
#[derive(Debug, Clone)]
pub struct Undeliverable {
    /// Its bytes, as they were sent; perhaps no message at all.
    pub bytes: Vec<u8>,
    /// Where it lies in the queue.
    pub place: String,
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// Hands every message to the handler until `stop` says so; then waits for those that are being handled. A message that
/// was tried more than `max_attempts` times without a verdict (its handler vanished) is buried.
pub async fn consume<S: Source, H: Handler>(
    mut source: S,
    handler: Arc<H>,
    max_attempts: u32,
    mut stop: watch::Receiver<bool>,
) {
    let mut running = JoinSet::new();
    let health = Health { pause: SHORTEST_PAUSE, done: 0, waited_at: HashMap::new() };
    let health = Arc::new(Mutex::new(health));
    let heartbeat = source.visibility() / 3;
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = running.join_next(), if !running.is_empty() => {}
            delivery = source.receive() => {
                let Some(delivery) = delivery else { break };
                let (handler, health) = (Arc::clone(&handler), Arc::clone(&health));
                running.spawn(async move { settle(delivery, &*handler, max_attempts, heartbeat, &health).await });
            }
        }
    }
    let finished = async { while running.join_next().await.is_some() {} };
    tokio::join!(source.close(), finished);
}

async fn settle<D: Delivery, H: Handler>(
    delivery: D,
    handler: &H,
    max_attempts: u32,
    heartbeat: Duration,
    health: &Mutex<Health>,
) {
    let message = delivery.message();
    // What is no message is known by its place in the queue.
    let id = message.as_ref().map_or_else(|_| delivery.place(), |message| message.id.clone());
    let outcome = match message {
        Err(error) => Outcome::Dead(format!("not a message: {error}")),
        Ok(_) if delivery.attempt() > max_attempts => {
            Outcome::Dead(format!("its handler vanished {max_attempts} times"))
        }
        Ok(message) => {
            let work = AssertUnwindSafe(handler.handle(message, delivery.attempt())).catch_unwind();
            match keep_extending(&delivery, heartbeat, work).await {
                Ok(outcome) => outcome,
                // Dropped without a verdict: the attempt counts.
                Err(_) => return,
            }
        }
    };
    let trouble = match outcome {
        Outcome::Done => None,
        Outcome::Busy => return delivery.aside(TURN).await,
        Outcome::Later(why) => Some(why),
        Outcome::Dead(reason) => {
            let attempts = delivery.attempt();
            let undeliverable =
                Undeliverable { bytes: delivery.bytes().to_vec(), place: delivery.place(), reason, attempts };
            keep_extending(&delivery, heartbeat, handler.bury(undeliverable)).await.err()
        }
    };
    let health = || health.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(why) = trouble else {
        health().succeeded(&id);
        return delivery.done().await;
    };
    let pause = health().failed(&id);
    match pause {
        Some(pause) => {
            tracing::warn!(why, ?pause, "an engine is down; pausing");
            delivery.later(pause).await;
        }
        None => {
            tracing::warn!(id, why, attempt = delivery.attempt(), "an engine fails this message alone");
            // Dropped without a verdict: it comes again on its own, and the attempt counts.
            drop(delivery);
        }
    }
}

async fn keep_extending<T>(
    delivery: &impl Delivery,
    heartbeat: Duration,
    work: impl Future<Output = T>,
) -> T {
    let extending = async {
        loop {
            tokio::time::sleep(heartbeat).await;
            delivery.extend().await;
        }
    };
    tokio::select! {
        biased;
        result = work => result,
        never = extending => never,
    }
}
