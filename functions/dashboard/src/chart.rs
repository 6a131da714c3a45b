//! Bars over time, as the templates draw them.

use epitaph_catalog::TrendPoint;

use crate::{
    period::Grid,
    shown::{clock, day, number, short_day},
    texts::Texts,
};

/// Bars of equal width over equal pieces of time. In units of the drawing, a bar is 10 wide and at most 100 high.
pub(crate) struct Chart {
    pub(crate) width: usize,
    pub(crate) bars: Vec<Bar>,
    /// What the top line stands for.
    pub(crate) top: String,
    /// What the line at half height stands for; empty where that is no whole number.
    pub(crate) half: String,
    /// What stands under each bar; empty under most.
    pub(crate) ticks: Vec<String>,
    /// For those who do not see it.
    pub(crate) summary: String,
}

/// One bar.
pub(crate) struct Bar {
    pub(crate) left: usize,
    pub(crate) height: u64,
    pub(crate) label: String,
    /// When it begins, and what it stands for.
    pub(crate) start: String,
    pub(crate) count: String,
}

impl Chart {
    pub(crate) fn new(points: &[TrendPoint], grid: Grid, t: &Texts) -> Self {
        let mut chart = Self::small(points, t);
        let top = round_up(points.iter().map(|point| point.count).max().unwrap_or_default());
        for (bar, point) in chart.bars.iter_mut().zip(points) {
            bar.height = height(point.count, top);
            bar.start = format!("{} {}", day(point.start), clock(point.start, false));
            bar.count = number(point.count);
            bar.label = (t.bar)(&bar.start, &bar.count);
        }
        chart.top = number(top);
        chart.half = if top.is_multiple_of(2) { number(top / 2) } else { String::new() };
        let tick = |point: &TrendPoint| match point.start {
            start if !grid.has_tick(start) => String::new(),
            start if grid.is_of_days() => short_day(start),
            start => clock(start, false),
        };
        chart.ticks = points.iter().map(tick).collect();
        chart
    }

    /// Without lines, labels and room above.
    pub(crate) fn small(points: &[TrendPoint], t: &Texts) -> Self {
        let most = points.iter().map(|point| point.count).max().unwrap_or_default();
        let total = points.iter().map(|point| point.count).sum();
        let bar = |(index, point): (usize, &TrendPoint)| Bar {
            left: index * 10,
            height: height(point.count, most),
            label: String::new(),
            start: String::new(),
            count: String::new(),
        };
        Self {
            width: points.len() * 10,
            bars: points.iter().enumerate().map(bar).collect(),
            top: String::new(),
            half: String::new(),
            ticks: Vec::new(),
            summary: (t.chart)(&number(total), &number(most)),
        }
    }
}

/// A bar that stands for something can be seen, however small.
fn height(count: u64, most: u64) -> u64 {
    if count == 0 { 0 } else { scaled(count, most).max(2) }
}

/// `part` of `whole`, of 100.
pub(crate) fn scaled(part: u64, whole: u64) -> u64 {
    let scaled = u128::from(part) * 100 / u128::from(whole.max(1));
    u64::try_from(scaled).unwrap_or(100).min(100)
}

/// The next number above that people count in: 1, 2, 4, 10, 20, 40, ...
fn round_up(number: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for step in [1, 2, 4, 6] {
            let round = power.saturating_mul(step);
            if round >= number {
                return round;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use epitaph_crash_model::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::{period::Period, texts::ENGLISH};

    proptest! {
        #[test]
        fn every_bar_fits_and_every_crash_can_be_seen(counts in proptest::collection::vec(any::<u32>(), 1..100)) {
            let points: Vec<_> = counts
                .iter()
                .map(|&count| TrendPoint { start: Timestamp::from_millis(0), count: u64::from(count) })
                .collect();
            let grid = Period::Day.grid(Timestamp::from_millis(0));
            for chart in [Chart::new(&points, grid, &ENGLISH), Chart::small(&points, &ENGLISH)] {
                for (bar, &count) in chart.bars.iter().zip(&counts) {
                    prop_assert!(bar.height <= 100);
                    prop_assert_eq!(bar.height > 0, count > 0);
                }
            }
        }
    }

    #[test]
    fn the_top_line_is_a_round_number() {
        let round = [0, 1, 3, 5, 7, 11, 99, 250, 3_000].map(round_up);
        assert_eq!(round, [1, 1, 4, 6, 10, 20, 100, 400, 4_000]);
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }
}
