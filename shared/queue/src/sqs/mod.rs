//! The queue as an SQS queue: standard, not FIFO, since a crash id is what makes a message known again.
//!
//! A message is the JSON form of its CloudEvent, as the body and nothing else. SQS counts bytes, of the body and of
//! attributes (there are none), and takes the characters that XML takes. Messages that many requests of one process
//! send at the same time share calls; a message on its own waits for no other.
//!
//! Nothing happens before the first use: the client is made then. Where the environment names the region and holds
//! credentials, as on AWS Lambda, nothing else is asked for them.

mod client;
#[cfg(feature = "consume")]
mod consumer;
mod fault;
mod producer;
mod settings;

#[cfg(feature = "consume")]
pub use consumer::{Consumer, ConsumerSettings, Delivery};
pub use producer::Producer;
pub use settings::SqsSettings;

/// The largest message that SQS takes, in bytes with its attributes; the largest batch, too.
pub const LARGEST_MESSAGE: usize = 1 << 20;
/// The most messages of one call.
const LARGEST_BATCH: usize = 10;
