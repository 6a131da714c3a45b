//! The queue: accepted reports on their way to `process`.
//!
//! One seam ([`Sender`]) and the engines behind it. A message that an engine has taken is durable and is delivered at
//! least once; whoever handles it recognises what it has handled before.

#[cfg(feature = "batch")]
pub mod batch;
#[cfg(feature = "cloud-events")]
pub mod cloud_events;
#[cfg(feature = "consume")]
mod consume;
#[cfg(feature = "consume")]
mod delivery;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "sqs")]
pub mod sqs;

use epitaph_crash_model::Message;
use futures_util::future::BoxFuture;

#[cfg(feature = "consume")]
pub use crate::{
    consume::{Handler, Undeliverable, consume},
    delivery::{Delivery, Source},
};

/// Takes messages, durably.
pub trait Sender: Send + Sync {
    /// Hands over a message. When this returns `Ok` the message is durable. After an error it may still be delivered.
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>>;

    /// The largest message that the engine takes, in bytes of its JSON form.
    fn largest_message(&self) -> usize;

    /// Does what the first message would have to wait for, such as connecting; where that fails, the message tells.
    fn warm_up(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The disk is nearly full, and what is left is kept free.
    #[error(
        "the disk has {free} bytes left and {low} are kept free; free some, or lower EPITAPH_MIN_FREE_DISK"
    )]
    NoSpace {
        /// Bytes that are free.
        free: u64,
        /// Bytes that must stay free.
        low: u64,
    },
    /// The message is larger than the engine takes: a fault of the sender, who should have used the bucket.
    #[error("a message of {size} bytes is larger than the queue takes ({limit})")]
    TooLarge {
        /// Bytes of the message.
        size: usize,
        /// The most that the engine takes.
        limit: usize,
    },
    /// The engine will never take this message, whatever its size: a fault of the sender.
    #[error("the queue cannot carry this message: {0}")]
    Unfit(String),
    /// The engine is down, or did not answer.
    #[error("the queue is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl SendError {
    /// Whether it is the message's own fault. It will be refused again, and says nothing about the engine.
    pub fn is_of_the_message(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::Unfit(_))
    }
}

/// What became of a message that was handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Handled, now or before; it can be forgotten.
    Done,
    /// An engine is down. It is nobody's fault: try again later, and do not count the attempt.
    Later(String),
    /// Others of its kind are before it: hand it out again soon, do not count the attempt, and hold up nobody meanwhile.
    Busy,
    /// The message itself can never be handled: bury it.
    Dead(String),
}
