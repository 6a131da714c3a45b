//! The last step: the queue, or the bucket in its place, or a refusal.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use epitaph_bucket::{Bucket, Key};
use epitaph_crash_model::{Message, MessageKind, Report};
use epitaph_queue::{SendError, Sender};
use epitaph_secrets::Secret;
use tokio::time::timeout;

use crate::{Cause, Refusal, breaker::Breaker};

/// The time in which the queue must have accepted.
const QUEUE_BUDGET: Duration = Duration::from_secs(2);
/// The time in which the bucket must have taken a parked message.
const PARKING_BUDGET: Duration = Duration::from_secs(4);

/// Where a report was made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safe {
    /// In the queue.
    Queued,
    /// In the bucket; `maintain` sends it on.
    Parked,
}

/// Hands reports over to the queue.
pub struct HandOver {
    sender: Arc<dyn Sender>,
    bucket: Bucket,
    secret: Secret,
    breaker: Breaker,
}

impl HandOver {
    /// With the queue, the bucket to park in, and the secret that messages are signed with.
    pub fn new(sender: Arc<dyn Sender>, bucket: Bucket, secret: Secret) -> Self {
        Self { sender, bucket, secret, breaker: Breaker::default() }
    }

    /// The largest message that the queue takes, in bytes.
    pub fn largest_message(&self) -> usize {
        self.sender.largest_message()
    }

    /// Makes a report durable. When this returns `Ok`, it is.
    ///
    /// # Errors
    /// [`Cause::Unavailable`] when neither the queue nor the bucket took it; within 6 s.
    pub async fn hand_over(&self, report: &Report) -> Result<Safe, Refusal> {
        let id = report.id.to_string();
        let message = Message::new(MessageKind::Report, report.project, id, report.received_at, report);
        let mut message = message.map_err(|error| {
            tracing::error!(%error, "a report has no JSON form");
            Refusal::new(Cause::Unavailable, "the report could not be written")
        })?;
        self.secret.sign_message(&mut message);
        if self.breaker.permits() {
            match timeout(QUEUE_BUDGET, self.sender.send(&message)).await {
                Ok(Ok(())) => {
                    self.breaker.succeeded();
                    return Ok(Safe::Queued);
                }
                Ok(Err(error)) => self.queue_failed(&error),
                Err(_) => self.queue_failed(&SendError::Unavailable("it did not answer within 2 s".into())),
            }
        }
        self.park(report, &message).await
    }

    fn queue_failed(&self, error: &SendError) {
        // Where it is the message's own fault, the queue is well.
        if !error.is_of_the_message() && self.breaker.failed() {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::warn!(%error, cause, "the queue does not accept; parking messages in the bucket");
        }
    }

    async fn park(&self, report: &Report, message: &Message) -> Result<Safe, Refusal> {
        let refused = |detail| Refusal::new(Cause::Unavailable, detail);
        let bytes = serde_json::to_vec(message).map_err(|_| refused("the report could not be written"))?;
        let key = Key::parked(report.project, &message.id);
        match timeout(PARKING_BUDGET, self.bucket.put(&key, Bytes::from(bytes))).await {
            Ok(Ok(())) => Ok(Safe::Parked),
            Ok(Err(error)) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, cause, "neither the queue nor the bucket took a report");
                Err(refused("the report could not be stored: try again later"))
            }
            Err(_) => {
                tracing::error!("neither the queue nor the bucket took a report in time");
                Err(refused("the report could not be stored in time: try again later"))
            }
        }
    }
}
