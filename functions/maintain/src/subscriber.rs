//! Maintenance on Knative: a PingSource asks for a run, and a broker hands over what it has given up.
//!
//! Both post to `/`, and are told apart by the event's type; `/dead` is the same, for who likes to see in a log which is
//! which.
//!
//! - The event of a PingSource: everything that is due is done, and then it is answered.
//! - A message, from a Trigger's dead-letter sink: it becomes a dead letter, and then it is answered 2xx. An engine that
//!   is down is answered 503, and the broker comes again.
//!
//! What bears no signature of this installation was refused by `process`, and comes here for that. It may be a
//! stranger's; or a report of ours, accepted under a secret that was changed since. So it is kept, but only while there
//! are few dead letters: nobody can fill the bucket in this way.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use epitaph_host::{
    metrics::{Metrics, Outcome},
    telemetry::chain,
};
use epitaph_queue::cloud_events::{Event, EventError, largest_body, receive};
use tokio::sync::{Mutex, Semaphore};

use crate::Maintenance;

/// This function's name in metrics.
const FUNCTION: &str = "maintain";
/// The `type` of a PingSource's events.
const PING: &str = "dev.knative.sources.ping";
/// A run is cut off here and goes on with the next: a service of Knative's is given five minutes for an answer.
const LONGEST_RUN: Duration = Duration::from_secs(240);
/// So many events are read, and letters written, at the same time; others wait, unread.
const AT_ONCE: usize = 4;
/// What is not signed is kept while there are fewer dead letters than this.
const MOST_FOR_STRANGERS: u32 = 1_000;
/// When the broker should come again.
const DOWN_SECONDS: &str = "5";
/// How much is kept of what a subscriber answered.
const LONGEST_ANSWER: usize = 300;
/// Where a message was found that the broker posted. Whoever buries it: it is the same message.
const PLACE: &str = "broker";

/// The routes of a PingSource and of a dead-letter sink. `largest_message` is what the broker takes, in bytes.
pub fn subscriber(maintenance: Maintenance, largest_message: usize, metrics: Metrics) -> Router {
    let subscriber = Subscriber {
        maintenance,
        largest: largest_body(largest_message),
        metrics,
        running: Mutex::new(()),
        turns: Semaphore::new(AT_ONCE),
    };
    Router::new().route("/", post(take)).route("/dead", post(take)).with_state(Arc::new(subscriber))
}

struct Subscriber {
    maintenance: Maintenance,
    largest: usize,
    metrics: Metrics,
    running: Mutex<()>,
    turns: Semaphore,
}

async fn take(State(subscriber): State<Arc<Subscriber>>, request: Request) -> Response {
    // Before the body is read: what waits holds no memory of ours.
    let Ok(turn) = subscriber.turns.acquire().await else { return later("shutting down") };
    let event = match receive(request, subscriber.largest).await {
        Ok(event) => event,
        Err(error) => return refused(&error),
    };
    if event.attribute("type") != Some(PING) {
        return subscriber.bury(&event).await;
    }
    // A run is long, and burials need not wait for it.
    drop(turn);
    // A run that is under way does what this one would.
    let Ok(_running) = subscriber.running.try_lock() else { return StatusCode::NO_CONTENT.into_response() };
    match subscriber.run().await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(why) => later(&why),
    }
}

impl Subscriber {
    /// Does what is due. Parked messages wait for nothing else, and hold up nothing else: their number may be large.
    async fn run(&self) -> Result<(), String> {
        let (sent_on, rest) = tokio::join!(
            tokio::time::timeout(LONGEST_RUN, self.maintenance.send_parked()),
            tokio::time::timeout(LONGEST_RUN, self.maintenance.keep_in_order()),
        );
        if sent_on.is_err() || rest.is_err() {
            tracing::warn!("maintenance took all of its time; the next run goes on");
        }
        let sent_on = sent_on.unwrap_or(Ok(0));
        let rest = rest.unwrap_or(Ok(crate::Done::default()));
        let failed = [sent_on.as_ref().err(), rest.as_ref().err()];
        let failed: Vec<String> = failed.into_iter().flatten().map(|error| chain(error)).collect();
        if failed.is_empty() {
            tracing::info!(?sent_on, ?rest, "maintained");
            return Ok(());
        }
        Err(failed.join("; "))
    }

    async fn bury(&self, event: &Event) -> Response {
        let message = match event.message() {
            Ok(message) => message,
            Err(error) => {
                self.metrics.count(FUNCTION, Outcome::Refused, "malformed");
                return refused(&error);
            }
        };
        let text = match serde_json::to_string(&message) {
            Ok(text) => text,
            Err(error) => return later(&error.to_string()),
        };
        let secret = &self.maintenance.settings.message_secret;
        let place = if secret.is_signed(&message) {
            PLACE.to_owned()
        } else {
            match self.maintenance.catalog.dead_letters(MOST_FOR_STRANGERS).await {
                Err(error) => return later(&chain(&error)),
                Ok(letters) if letters.len() >= MOST_FOR_STRANGERS as usize => {
                    self.metrics.count(FUNCTION, Outcome::Refused, "forged");
                    tracing::error!(id = message.id, "a message without our signature is not kept any more");
                    let why = "the message bears no signature of this installation, and there are too many dead \
                               letters already; look at them with `epitaph dead list`";
                    return (StatusCode::FORBIDDEN, why).into_response();
                }
                // A stranger's message may bear the name of one of ours: each is a letter of its own.
                Ok(_) => format!("{PLACE}-{}", secret.sign(&text).get(..16).unwrap_or_default()),
            }
        };
        match self.maintenance.dead.bury(text.into_bytes(), &place, &reason(event), 0).await {
            Ok(()) => {
                self.metrics.count(FUNCTION, Outcome::Dead, "");
                StatusCode::NO_CONTENT.into_response()
            }
            Err(error) => later(&chain(&error)),
        }
    }
}

/// What Knative tells of an event that it has given up.
fn reason(event: &Event) -> String {
    let Some(code) = event.attribute("knativeerrorcode") else {
        return "the broker gave it up, and does not say why".to_owned();
    };
    let by = event.attribute("knativeerrordest").map(|by| format!(" by {}", plain(by))).unwrap_or_default();
    let mut reason = format!("the broker gave it up: it was answered {}{by}", plain(code));
    if let Some(answer) = event.attribute("knativeerrordata").filter(|answer| !answer.is_empty()) {
        let decoded = STANDARD.decode(answer).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        reason.push_str(": ");
        reason.push_str(&plain(decoded.as_deref().unwrap_or(answer)));
    }
    reason
}

/// A text from elsewhere, short and on one line.
fn plain(text: &str) -> String {
    let letters = text.chars().take(LONGEST_ANSWER);
    letters.map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn later(why: &str) -> Response {
    tracing::warn!(why, "an event comes again");
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, DOWN_SECONDS)]).into_response()
}

fn refused(error: &EventError) -> Response {
    tracing::warn!(%error, "an event is refused");
    (error.status(), error.to_string()).into_response()
}
