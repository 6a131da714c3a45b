//! The queue: accepted reports on their way to `process`.
//!
//! One seam ([`Sender`]) and the engines behind it. A message that an engine has taken is durable and is delivered at
//! least once; whoever handles it recognises what it has handled before.

#[cfg(feature = "consume")]
mod consume;
#[cfg(feature = "embedded")]
pub mod embedded;

use epitaph_crash_model::Message;
use futures_util::future::BoxFuture;

#[cfg(feature = "consume")]
pub use crate::consume::{Handler, Undeliverable, consume};

/// Takes messages, durably.
pub trait Sender: Send + Sync {
    /// Hands over a message. When this returns `Ok` the message is durable. After an error it may still be delivered.
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>>;

    /// The largest message that the engine takes, in bytes of its JSON form.
    fn largest_message(&self) -> usize;
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
    /// The engine is down, or did not answer.
    #[error("the queue is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What became of a message that was handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Handled, now or before; it can be forgotten.
    Done,
    /// An engine is down. It is nobody's fault: try again later, and do not count the attempt.
    Later(String),
    /// The message itself can never be handled: bury it.
    Dead(String),
}
