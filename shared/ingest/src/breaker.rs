//! Knows whether the queue is worth trying.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A queue that is down is tried by one request in so long.
const PROBE: Duration = Duration::from_secs(1);

/// A circuit breaker: closed until the queue fails, then open, with a probe once a second, until it works again.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    next_probe: Mutex<Option<Instant>>,
}

impl Breaker {
    /// Whether this request may try the queue.
    pub(crate) fn permits(&self) -> bool {
        let now = Instant::now();
        let mut next_probe = self.next_probe();
        match *next_probe {
            None => true,
            Some(at) if at <= now => {
                *next_probe = Some(now + PROBE);
                true
            }
            Some(_) => false,
        }
    }

    pub(crate) fn succeeded(&self) {
        *self.next_probe() = None;
    }

    /// Opens it; `true` if it was closed.
    pub(crate) fn failed(&self) -> bool {
        self.next_probe().replace(Instant::now() + PROBE).is_none()
    }

    fn next_probe(&self) -> MutexGuard<'_, Option<Instant>> {
        self.next_probe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_failed_is_probed_once_a_second_until_it_works() {
        let breaker = Breaker::default();
        assert!(breaker.permits() && breaker.permits());
        assert!(breaker.failed() && !breaker.failed());
        assert!(!breaker.permits());
        tokio::time::advance(PROBE).await;
        assert!(breaker.permits() && !breaker.permits());
        breaker.succeeded();
        assert!(breaker.permits() && breaker.permits());
    }
}
