//! Messages that a Knative broker posts: the subscriber of a Trigger.
//!
//! A broker redelivers what is answered with 404, 408, 409, 429 or 5xx, and nothing else. So a message is answered 2xx
//! when it is recorded or buried, and not before; 503 when an engine is down; and with another 4xx when it can never be
//! ours. The answer to what was taken is empty: a body would be taken for an event in reply.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::post,
};
use epitaph_crash_model::Message;
use epitaph_host::{Context, metrics};
use epitaph_queue::{
    Handler, Outcome, Undeliverable,
    cloud_events::{EventError, largest_body, receive},
};
use epitaph_secrets::Secret;
use futures_util::FutureExt as _;
use tokio::{sync::Semaphore, time::timeout};

use crate::{processor::FUNCTION, pull::MOST_ATTEMPTS};

/// How long a message waits for its turn. Those that are here already are worth more than those that come again, and a
/// broker's allowance of retries is for engines that are down.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// When the broker should come again: an engine that is down, and an instance that is busy.
const DOWN_SECONDS: u64 = 5;
const BUSY_SECONDS: u64 = 1;
/// More messages than this are not remembered; one that is forgotten has all of its attempts again.
const MOST_REMEMBERED: usize = 10_000;
/// Where a message was found that the broker posted.
const PLACE: &str = "broker";

/// How messages are taken from a broker.
#[derive(Debug, Clone)]
pub struct SubscriberSettings {
    /// The secret that messages are signed with.
    pub message_secret: Secret,
    /// The largest message that the broker takes, in bytes.
    pub largest_message: usize,
    /// How many messages are under way at the same time, at least 1; others wait, unread.
    pub at_once: usize,
    /// How long they wait.
    pub longest_wait: Duration,
    /// Where refusals are counted.
    pub metrics: metrics::Metrics,
}

impl SubscriberSettings {
    /// The usual settings: twice as many messages as there are processors, so that some are read and written while
    /// others are parsed.
    pub fn new(context: &Context, largest_message: usize) -> Self {
        Self {
            message_secret: context.secrets.message.clone(),
            largest_message,
            at_once: thread::available_parallelism().map_or(2, |cores| cores.get() * 2),
            longest_wait: LONGEST_WAIT,
            metrics: context.metrics.clone(),
        }
    }
}

/// The route that a Trigger's subscriber serves: `POST /`.
pub fn subscriber<H: Handler>(handler: H, settings: SubscriberSettings) -> Router {
    let turns = Semaphore::new(settings.at_once.max(1));
    let subscriber = Subscriber { handler, settings, turns, unsettled: Mutex::default() };
    Router::new().route("/", post(take::<H>)).with_state(Arc::new(subscriber))
}

struct Subscriber<H> {
    handler: H,
    settings: SubscriberSettings,
    turns: Semaphore,
    /// How often messages were begun here and came to no verdict. The broker does not tell how often it delivered one,
    /// and another instance may have had it before: so this is the least.
    unsettled: Mutex<HashMap<String, u32>>,
}

/// Why a message is not taken.
enum Refusal {
    /// It is to come again, after so many seconds.
    Later(u64, String),
    /// It ended its handler, and is to come again.
    Vanished,
    /// It is no message, or none that is known here.
    NotOurs(EventError),
    /// Anybody may have sent it.
    Forged,
}

async fn take<H: Handler>(State(subscriber): State<Arc<Subscriber<H>>>, request: Request) -> Response {
    match subscriber.settle(request).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => subscriber.tell(&refusal),
    }
}

impl<H: Handler> Subscriber<H> {
    async fn settle(&self, request: Request) -> Result<(), Refusal> {
        // Before the body is read: what waits holds no memory of ours.
        let turn = timeout(self.settings.longest_wait, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| Refusal::Later(BUSY_SECONDS, "this instance is busy".to_owned()))?;
        let largest = largest_body(self.settings.largest_message);
        let event = receive(request, largest).await.map_err(Refusal::NotOurs)?;
        let message = event.message().map_err(Refusal::NotOurs)?;
        if !self.settings.message_secret.is_signed(&message) {
            return Err(Refusal::Forged);
        }
        let attempt = self.begin(&message.id);
        let handled = self.handler.handle(message.clone(), attempt);
        let outcome = match AssertUnwindSafe(handled).catch_unwind().await {
            Ok(outcome) => outcome,
            Err(_) if attempt >= MOST_ATTEMPTS => Outcome::Dead("it ends its handler".to_owned()),
            Err(_) => return Err(Refusal::Vanished),
        };
        self.unsettled().remove(&message.id);
        match outcome {
            Outcome::Done => Ok(()),
            Outcome::Busy => Err(Refusal::Later(BUSY_SECONDS, "it is not its turn".to_owned())),
            Outcome::Later(why) => Err(Refusal::Later(DOWN_SECONDS, why)),
            Outcome::Dead(reason) => self.bury(&message, reason, attempt).await,
        }
    }

    async fn bury(&self, message: &Message, reason: String, attempts: u32) -> Result<(), Refusal> {
        let later = |why| Refusal::Later(DOWN_SECONDS, why);
        let bytes = serde_json::to_vec(message).map_err(|error| later(error.to_string()))?;
        let undeliverable = Undeliverable { bytes, place: PLACE.to_owned(), reason, attempts };
        self.handler.bury(undeliverable).await.map_err(later)
    }

    /// Which attempt this is, as far as this instance knows.
    fn begin(&self, id: &str) -> u32 {
        let mut unsettled = self.unsettled();
        if unsettled.len() >= MOST_REMEMBERED {
            unsettled.clear();
        }
        let attempts = unsettled.entry(id.to_owned()).or_default();
        *attempts += 1;
        *attempts
    }

    fn unsettled(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, refusal: &Refusal) -> Response {
        match refusal {
            Refusal::Later(seconds, why) => {
                tracing::warn!(why, "a message comes again");
                (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, seconds.to_string())]).into_response()
            }
            Refusal::Vanished => {
                tracing::error!("a message ended its handler, and comes again");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
            Refusal::NotOurs(error) => {
                let status = error.status();
                // It is not lost: its connection broke, or it came too slowly.
                if status != StatusCode::REQUEST_TIMEOUT {
                    self.settings.metrics.count(FUNCTION, metrics::Outcome::Refused, "malformed");
                }
                tracing::warn!(%error, "what was posted is no message");
                (status, error.to_string()).into_response()
            }
            Refusal::Forged => {
                self.settings.metrics.count(FUNCTION, metrics::Outcome::Refused, "forged");
                let why = "the message does not carry this installation's signature; it was changed on its way, comes \
                           from elsewhere, or EPITAPH_SECRET is not the one that it was accepted under";
                tracing::warn!(why, "a message is refused");
                (StatusCode::FORBIDDEN, why).into_response()
            }
        }
    }
}
