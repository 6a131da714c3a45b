//! The queue that messages are pulled from: the embedded one, or an SQS queue.

use std::sync::Arc;

use epitaph_host::{QueueUrl, Settings};
use epitaph_queue::consume;
#[cfg(feature = "embedded")]
use epitaph_queue::embedded;
#[cfg(feature = "sqs")]
use epitaph_queue::sqs;
use tokio::sync::watch;

#[cfg(feature = "embedded")]
use crate::pull::MOST_ATTEMPTS;
use crate::{OpenError, Puller};

/// As the embedded queue's attempts, where an SQS queue counts: it counts also what other processes gave back while an
/// engine was down. It must be less than what the queue itself allows, so that it is `process` that says why.
#[cfg(feature = "sqs")]
const MOST_RECEIVED: u32 = 500;

/// A queue to pull from.
pub enum Queue {
    /// The embedded one of the data directory.
    #[cfg(feature = "embedded")]
    Embedded(embedded::Consumer),
    /// An SQS queue.
    #[cfg(feature = "sqs")]
    Sqs(sqs::Consumer),
}

/// Opens the queue that the settings name. Of the embedded one, one process at a time can. Must be called inside a
/// runtime.
///
/// # Errors
/// [`OpenError::Queue`], [`OpenError::NoEngine`].
pub fn open_queue(settings: &Settings) -> Result<Queue, OpenError> {
    // Twice the parsers: while they run, the next reports are read and documents are written.
    let in_flight = std::thread::available_parallelism().map_or(2, |cores| cores.get() * 2);
    match &settings.queue {
        #[cfg(feature = "embedded")]
        QueueUrl::Embedded => {
            let consumer = embedded::ConsumerSettings { in_flight, ..embedded::ConsumerSettings::default() };
            let consumer = embedded::Consumer::open(&settings.data.join("queue"), consumer)?;
            Ok(Queue::Embedded(consumer))
        }
        #[cfg(feature = "sqs")]
        QueueUrl::Sqs(url) => {
            let consumer = sqs::ConsumerSettings { in_flight, ..sqs::ConsumerSettings::default() };
            Ok(Queue::Sqs(sqs::Consumer::new(sqs::SqsSettings::from_environment(url), consumer)))
        }
        _ => Err(OpenError::NoEngine),
    }
}

impl Puller {
    /// Pulls until it is told to stop, and finishes what it has begun.
    pub async fn pull(self, queue: Queue, stop: watch::Receiver<bool>) {
        match queue {
            #[cfg(feature = "embedded")]
            Queue::Embedded(consumer) => consume(consumer, Arc::new(self), MOST_ATTEMPTS, stop).await,
            #[cfg(feature = "sqs")]
            Queue::Sqs(consumer) => consume(consumer, Arc::new(self), MOST_RECEIVED, stop).await,
        }
    }
}
