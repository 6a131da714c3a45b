//! What every engine that is pulled from has in common.

use std::{future::Future, time::Duration};

use epitaph_crash_model::Message;

/// The side of an engine that gives messages out.
pub trait Source: Send {
    /// A message that was handed out.
    type Delivery: Delivery;

    /// How long a delivery may be handled before it must be extended.
    fn visibility(&self) -> Duration;

    /// The next message; waits for one. `None` when there will be none any more. Nothing is lost when this future is
    /// dropped.
    fn receive(&mut self) -> impl Future<Output = Option<Self::Delivery>> + Send;

    /// Takes no more from the engine, and gives back what was taken and not received here.
    fn close(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// A message that was handed out. Dropped without a verdict, it is handed out again, and the attempt counts.
pub trait Delivery: Send + Sync + 'static {
    /// The bytes of the message, as they were sent.
    fn bytes(&self) -> &[u8];

    /// How often this message was handed out, this time included, but for times at which an engine was down.
    fn attempt(&self) -> u32;

    /// Where it lies in the queue: the same for every handing-out of this message.
    fn place(&self) -> String;

    /// It is still being handled: its time begins anew.
    fn extend(&self) -> impl Future<Output = ()> + Send;

    /// It was handled: forget it.
    fn done(self) -> impl Future<Output = ()> + Send;

    /// An engine is down: hand nothing out for a while, then this again, without counting this attempt.
    fn later(self, pause: Duration) -> impl Future<Output = ()> + Send;

    /// It is not its turn: hand this out again after a while, without counting this attempt, and others meanwhile.
    fn aside(self, pause: Duration) -> impl Future<Output = ()> + Send;

    /// The message.
    ///
    /// # Errors
    /// When the bytes are not a message: nothing of ours wrote them.
    fn message(&self) -> Result<Message, serde_json::Error> {
        serde_json::from_slice(self.bytes())
    }
}
