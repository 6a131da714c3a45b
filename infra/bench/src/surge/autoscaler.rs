//! How many instances there should be: as Knative's autoscaler decides it, with its usual settings.
//!
//! Concurrency, of those that are held and those that are served, is averaged over a stable window and over a panic
//! window. Where the panic window alone wants twice the instances that are ready, it has the word, and nothing is taken
//! away until a stable window has passed without such a need.

use std::collections::VecDeque;

/// Seconds of the two windows.
const STABLE: usize = 60;
const PANIC: usize = 6;
/// Instances wanted for each that is ready, from which on it is a panic.
const PANIC_THRESHOLD: f64 = 2.0;
/// At most so many times those that are ready, and at least their part.
const MOST_UP: f64 = 1000.0;
const MOST_DOWN: f64 = 2.0;

/// What a service says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// Requests at the same time that an instance is meant to have: the target, times the share of it that is used.
    pub(super) target: f64,
    pub(super) least: usize,
    pub(super) most: usize,
}

pub(super) struct Autoscaler {
    scale: Scale,
    /// Average concurrency of each of the last seconds; the newest is the last.
    seconds: VecDeque<f64>,
    /// Seconds since the need was last so great.
    panicked: Option<u64>,
    most_in_panic: f64,
}

impl Autoscaler {
    pub(super) fn new(scale: Scale) -> Self {
        Self { scale, seconds: VecDeque::with_capacity(STABLE), panicked: None, most_in_panic: 0.0 }
    }

    /// A second is over.
    pub(super) fn record(&mut self, concurrency: f64) {
        if self.seconds.len() == STABLE {
            self.seconds.pop_front();
        }
        self.seconds.push_back(concurrency);
        self.panicked = self.panicked.map(|seconds| seconds + 1);
    }

    /// How many instances there should be, where so many are ready.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a few instances"
    )]
    pub(super) fn desired(&mut self, ready: usize) -> usize {
        let ready = ready.max(1) as f64;
        let (most, least) = ((MOST_UP * ready).ceil(), (ready / MOST_DOWN).floor());
        let wanted = |seconds: usize| (self.average(seconds) / self.scale.target).ceil();
        let (stable, panic) = (wanted(STABLE), wanted(PANIC));
        let is_panic = panic / ready >= PANIC_THRESHOLD;
        if is_panic {
            self.panicked = Some(0);
        } else if self.panicked.is_some_and(|seconds| seconds > STABLE as u64) {
            self.panicked = None;
            self.most_in_panic = 0.0;
        }
        let mut desired = stable.clamp(least, most);
        if self.panicked.is_some() {
            self.most_in_panic = self.most_in_panic.max(desired).max(panic.clamp(least, most));
            desired = self.most_in_panic;
        }
        (desired as usize).clamp(self.scale.least, self.scale.most)
    }

    #[expect(clippy::cast_precision_loss, reason = "a minute has few seconds")]
    fn average(&self, seconds: usize) -> f64 {
        let count = self.seconds.len().min(seconds);
        let sum: f64 = self.seconds.iter().rev().take(count).sum();
        if count == 0 { 0.0 } else { sum / count as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: &[(usize, f64)], ready: usize) -> usize {
        let mut autoscaler = Autoscaler::new(Scale { target: 10.0, least: 0, most: 100 });
        let mut desired = 0;
        for &(count, concurrency) in seconds {
            for _ in 0..count {
                autoscaler.record(concurrency);
                desired = autoscaler.desired(ready);
            }
        }
        desired
    }

    #[test]
    fn steady_concurrency_wants_as_many_as_share_it() {
        assert_eq!(after(&[(60, 45.0)], 5), 5);
        assert_eq!(after(&[(60, 0.1)], 1), 1);
    }

    #[test]
    fn nothing_for_a_minute_wants_none() {
        assert_eq!(after(&[(60, 5.0), (59, 0.0)], 1), 1);
        assert_eq!(after(&[(60, 5.0), (60, 0.0)], 1), 0);
    }

    #[test]
    fn a_surge_is_answered_within_seconds_and_kept_for_a_minute() {
        // The stable window alone would want one.
        assert_eq!(after(&[(54, 0.0), (6, 100.0)], 1), 10);
        assert_eq!(after(&[(60, 5.0), (6, 100.0), (50, 0.0)], 1), 10);
        assert_eq!(after(&[(60, 5.0), (6, 100.0), (70, 0.0)], 1), 0);
    }

    #[test]
    fn no_more_than_half_is_taken_away_at_once_and_no_more_given_than_allowed() {
        assert_eq!(after(&[(60, 1.0)], 20), 10);
        assert_eq!(after(&[(60, 1e6)], 20), 100);
    }
}
