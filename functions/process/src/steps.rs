//! Where the handling of a message stands, so that tests can let other things happen in between.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;

/// A moment between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Of a report: it is known how many debug files there are, and nothing was looked for yet.
    Counted,
    /// Of a report: what symbols its dump's modules have is known, and none of it was read.
    Looked,
    /// Of a report: it is signed and its document written, but not recorded.
    Signed,
    /// Of a report: it is recorded, and was not looked at again.
    Recorded,
    /// Of a debug file: it is converted, and nobody else can see that.
    Converted,
    /// Of a debug file: it is listed, and no crash was named again.
    Listed,
}

type Wait = dyn Fn(Step) -> BoxFuture<'static, ()> + Send + Sync;

/// Is told of each step, and may let it wait. Usually nobody is.
#[derive(Clone, Default)]
pub struct Steps(Option<Arc<Wait>>);

impl Steps {
    /// Every step waits for what this gives.
    pub fn waiting_for(wait: impl Fn(Step) -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(wait)))
    }

    pub(crate) async fn at(&self, step: Step) {
        if let Some(wait) = &self.0 {
            wait(step).await;
        }
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Steps(..)")
    }
}
