//! What a function does that no client asks for: `process` and `maintain`.

use axum::Router;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use tokio::time::Instant;

/// A worker's work, as its host hands it out.
pub enum Work {
    /// It is pulled, from a queue or by the clock, until the worker is told to stop. Only the health routes are served.
    Pull(BoxFuture<'static, ()>),
    /// It is posted: a broker sends events. The health routes are served beside the router's.
    Serve(Router),
    /// It is one event at a time, as Lambda invokes a function.
    Invoke(Box<dyn Invocations>),
}

/// Takes Lambda's events.
///
/// Nothing may go on once an answer is given: the machine is frozen then, perhaps for good.
pub trait Invocations: Send + Sync {
    /// Takes one event and gives what Lambda is answered: JSON. It must be done before `deadline`, when the machine is
    /// stopped whatever it is doing.
    ///
    /// # Errors
    /// In words, for the log: the event as a whole failed, and Lambda may send it again.
    fn invoke<'a>(
        &'a self,
        event: &'a RawValue,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<serde_json::Value, String>>;
}
