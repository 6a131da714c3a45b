//! When reports arrive: at random, at a rate that changes with time, and the same in every run.

use std::{f64::consts::TAU, time::Duration};

const DAY: f64 = 86_400.0;
/// Of the day: when most people play, and how far the rate swings around its mean.
const BUSIEST: f64 = 20.0 / 24.0;
const SWING: f64 = 0.8;
/// The launch: when in the day it is, how long it takes to its peak, how long that lasts, and after how long a third is
/// left of it. In seconds.
const LAUNCH: f64 = 18.0 * 3600.0;
const RISE: f64 = 60.0;
const PEAK: f64 = 600.0;
const DECAY: f64 = 1200.0;
/// Steps in which a rate counts as constant, in seconds.
const STEP: f64 = 0.05;

/// A rate over time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Curve {
    /// A day with so many reports on average a second, and a launch in its evening with so many times as many.
    Day { mean: f64, times: f64 },
    /// The beginning of a launch, as long as this: few reports, then in a few seconds so many, and at last few again.
    Launch { seconds: f64, few: f64, peak: f64 },
}

impl Curve {
    pub(super) fn length(self) -> Duration {
        Duration::from_secs_f64(match self {
            Self::Day { .. } => DAY,
            Self::Launch { seconds, .. } => seconds,
        })
    }

    /// Reports a second.
    pub(super) fn rate(self, at: f64) -> f64 {
        match self {
            Self::Day { mean, times } => {
                let usual = mean * (1.0 + SWING * (TAU * (at / DAY - BUSIEST)).cos());
                usual + mean * times * launch(at - LAUNCH)
            }
            Self::Launch { seconds, few, peak } => {
                let (begin, end) = (0.1 * seconds, 0.8 * seconds);
                let rise = ((at - begin) / (0.04 * seconds)).clamp(0.0, 1.0);
                let fall = (1.0 - (at - end) / (0.1 * seconds)).clamp(0.0, 1.0);
                few + (peak - few).max(0.0) * rise * fall
            }
        }
    }

    /// All arrivals, in their order.
    pub(super) fn arrivals(self, seed: u64) -> Arrivals {
        let mut random = fastrand::Rng::with_seed(seed);
        let next = exponential(&mut random);
        Arrivals { curve: self, random, at: 0.0, step: 0, left: next }
    }
}

/// The share of its peak that a launch has reached.
fn launch(since: f64) -> f64 {
    match since {
        before if before < 0.0 => 0.0,
        rising if rising < RISE => rising / RISE,
        at_peak if at_peak < RISE + PEAK => 1.0,
        after => (-(after - RISE - PEAK) / DECAY).exp(),
    }
}

fn exponential(random: &mut fastrand::Rng) -> f64 {
    -(1.0 - random.f64()).ln()
}

/// Arrivals as times since the beginning.
pub(super) struct Arrivals {
    curve: Curve,
    random: fastrand::Rng,
    at: f64,
    /// The step that this lies in.
    step: u32,
    /// How much expectation is left until the next one.
    left: f64,
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let length = self.curve.length().as_secs_f64();
        while self.at < length {
            let rate = self.curve.rate(self.at);
            let until = f64::from(self.step + 1) * STEP;
            let expected = rate * (until - self.at);
            if expected >= self.left {
                self.at += self.left / rate;
                self.left = exponential(&mut self.random);
                return Some(Duration::from_secs_f64(self.at));
            }
            self.left -= expected;
            self.at = until;
            self.step += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_as_many_reports_as_its_mean_says_and_its_launch_so_many_times_more() {
        let quiet = Curve::Day { mean: 1.0, times: 0.0 }.arrivals(7).count();
        assert!((84_000..89_000).contains(&quiet), "{quiet}");
        let launch = Curve::Day { mean: 1.0, times: 100.0 };
        let peak = launch.arrivals(7).filter(|at| {
            let since = at.as_secs_f64() - LAUNCH;
            (RISE..RISE + PEAK).contains(&since)
        });
        let peak = peak.count();
        assert!((59_000..63_000).contains(&peak), "{peak}");
    }

    #[test]
    fn arrivals_are_in_order_and_the_same_in_every_run() {
        let curve = Curve::Launch { seconds: 20.0, few: 1.0, peak: 50.0 };
        let arrivals: Vec<_> = curve.arrivals(3).collect();
        assert!(arrivals.is_sorted());
        assert_eq!(arrivals, curve.arrivals(3).collect::<Vec<_>>());
        assert!(arrivals.len() > 500, "{}", arrivals.len());
    }
}
