//! Shares beside each other: is a value more frequent here than elsewhere, beyond what chance does?

use crate::{Beside, Verdict};

/// 99 of 100: since many values are looked at, 95 of 100 would find something everywhere.
const Z: f64 = 2.576;
/// A difference of shares within this is none.
const SMALL: f64 = 0.02;

/// With fewer crashes than this on one side nothing is said, since the interval is not to be trusted.
const FEW: u64 = 10;
/// With fewer crashes of a value, it is not said to be frequent.
const SOME: u64 = 3;

/// Some of some crashes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share {
    /// How many crashes have the value, and how many there are.
    pub(crate) crashes: (u64, u64),
    /// How many reports have the value, and how many there are.
    pub(crate) count: (u64, u64),
}

impl Share {
    /// The part that reports with the value are.
    pub(crate) fn share(self) -> f64 {
        share(self.count)
    }

    /// Between which numbers the share lies: Wilson's interval. Reports that one crash stands for tell nothing new, so the
    /// number of crashes says how sure it is.
    fn interval(self) -> (f64, f64) {
        let number = self.crashes.1 as f64;
        if number == 0.0 {
            return (0.0, 1.0);
        }
        let share = self.share();
        let square = Z * Z / number;
        let center = (share + square / 2.0) / (1.0 + square);
        let half =
            Z / (1.0 + square) * (share * (1.0 - share) / number + square / (4.0 * number)).max(0.0).sqrt();
        ((center - half).max(0.0), (center + half).min(1.0))
    }
}

fn share((part, whole): (u64, u64)) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The selection beside the baseline. The interval of the difference is Newcombe's, from the intervals of both shares.
pub(crate) fn compare(here: Share, there: Share) -> Beside {
    let difference = here.share() - there.share();
    let ((low, high), (other_low, other_high)) = (here.interval(), there.interval());
    let far = |a: f64, b: f64| (a * a + b * b).sqrt();
    let from = difference - far(here.share() - low, other_high - there.share());
    let to = difference + far(high - here.share(), there.share() - other_low);
    let verdict = if here.crashes.1.min(there.crashes.1) < FEW {
        Verdict::TooFew
    } else if from > 0.0 && difference > SMALL / 4.0 && here.crashes.0 >= SOME {
        Verdict::More
    } else if to < 0.0 && difference < -SMALL / 4.0 {
        Verdict::Less
    } else if from > -SMALL && to < SMALL {
        Verdict::Same
    } else {
        Verdict::TooFew
    };
    Beside {
        count: there.count.0,
        crashes: there.crashes.0,
        share: there.share(),
        difference: (from.max(-1.0), to.min(1.0)),
        verdict,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(crashes: u64, all: u64) -> Share {
        Share { crashes: (crashes, all), count: (crashes, all) }
    }

    #[test]
    fn a_driver_bug_is_found_and_chance_is_not() {
        // 90 of 100 crashes here have a graphics processor that 5 of 100 have elsewhere.
        assert_eq!(compare(part(90, 100), part(5_000, 100_000)).verdict, Verdict::More);
        assert_eq!(compare(part(5, 100), part(50_000, 100_000)).verdict, Verdict::Less);
        assert_eq!(compare(part(1, 2), part(5_000, 100_000)).verdict, Verdict::TooFew);
        assert_eq!(compare(part(500, 10_000), part(5_000, 100_000)).verdict, Verdict::Same);
        assert_eq!(compare(part(0, 0), part(0, 0)).verdict, Verdict::TooFew);
    }

    /// Newcombe's own example, for which he gives 0.0524 to 0.3339 at 95 of 100. Computed apart from this code for 99.
    #[test]
    fn the_interval_is_newcombes() {
        let (from, to) = compare(part(56, 70), part(48, 80)).difference;
        assert!((from - 0.005_358).abs() < 1e-5, "{from}");
        assert!((to - 0.371_819).abs() < 1e-5, "{to}");
    }

    #[test]
    fn what_one_crash_stands_for_makes_nothing_surer() {
        let heavy = Share { crashes: (3, 6), count: (3_000, 6_000) };
        assert_eq!(
            compare(heavy, part(1_000, 10_000)).difference,
            compare(part(3, 6), part(1_000, 10_000)).difference
        );
    }

    proptest! {
        #[test]
        fn the_difference_lies_in_its_interval(a in 0_u64..1000, more in 0_u64..1000, b in 0_u64..1000, rest in 0_u64..1000) {
            let (here, there) = (part(a, a + more), part(b, b + rest));
            let (from, to) = compare(here, there).difference;
            let difference = here.share() - there.share();
            prop_assert!(from <= difference + 1e-9 && difference <= to + 1e-9);
            prop_assert!((-1.0..=1.0).contains(&from) && (-1.0..=1.0).contains(&to));
        }
    }
}
