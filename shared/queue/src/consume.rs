//! Hands messages to a function in the same process, several at a time.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use epitaph_crash_model::Message;
use futures_util::FutureExt;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    Outcome,
    embedded::{Consumer, Delivery},
};

/// The pause after an engine was found to be down doubles from the first to the second.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

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
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// Hands every message to the handler until `stop` says so; then waits for those that are being handled. A message that
/// was tried more than `max_attempts` times without a verdict (its handler vanished) is buried.
pub async fn consume<H: Handler>(
    mut consumer: Consumer,
    handler: Arc<H>,
    max_attempts: u32,
    mut stop: watch::Receiver<bool>,
) {
    let mut running = JoinSet::new();
    let pause = Arc::new(std::sync::Mutex::new(SHORTEST_PAUSE));
    let heartbeat = consumer.visibility() / 3;
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = running.join_next(), if !running.is_empty() => {}
            delivery = consumer.receive() => {
                let Some(delivery) = delivery else { break };
                let (handler, pause) = (Arc::clone(&handler), Arc::clone(&pause));
                running.spawn(async move { settle(delivery, &*handler, max_attempts, heartbeat, &pause).await });
            }
        }
    }
    while running.join_next().await.is_some() {}
}

async fn settle<H: Handler>(
    delivery: Delivery,
    handler: &H,
    max_attempts: u32,
    heartbeat: Duration,
    pause: &std::sync::Mutex<Duration>,
) {
    let outcome = match delivery.message() {
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
        Outcome::Later(why) => Some(why),
        Outcome::Dead(reason) => {
            let attempts = delivery.attempt();
            let undeliverable = Undeliverable { bytes: delivery.bytes().to_vec(), reason, attempts };
            keep_extending(&delivery, heartbeat, handler.bury(undeliverable)).await.err()
        }
    };
    let Ok(mut pause) = pause.lock() else { return };
    match trouble {
        None => {
            *pause = SHORTEST_PAUSE;
            delivery.done();
        }
        Some(why) => {
            tracing::warn!(why, pause = ?*pause, "an engine is down; pausing");
            delivery.later(*pause);
            *pause = (*pause * 2).min(LONGEST_PAUSE);
        }
    }
}

async fn keep_extending<T>(delivery: &Delivery, heartbeat: Duration, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(heartbeat, &mut work).await {
            Ok(result) => return result,
            Err(_) => delivery.extend(),
        }
    }
}
