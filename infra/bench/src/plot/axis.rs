//! From values to places, and the round values to write beside them.

/// Values between two bounds, on a line of so many units.
pub(super) struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Axis {
    /// Wide enough for all values. One that is not logarithmic begins at zero.
    pub(super) fn over(values: impl Iterator<Item = f64>, logarithmic: bool) -> Self {
        let usable = values.filter(|value| value.is_finite() && (!logarithmic || *value > 0.0));
        let (low, high) =
            usable.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if !low.is_finite() {
            return Self { low: if logarithmic { 1.0 } else { 0.0 }, high: 10.0, logarithmic };
        }
        if logarithmic {
            let (low, high) = (low.log10().floor(), high.log10().ceil());
            return Self { low: 10_f64.powf(low), high: 10_f64.powf(high.max(low + 1.0)), logarithmic };
        }
        let step = step(high);
        Self { low: 0.0, high: (high / step).ceil().max(1.0) * step, logarithmic }
    }

    /// Where a value lies, from 0 to 1. What is below the axis lies at its beginning.
    pub(super) fn share(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }

    /// The values to write.
    pub(super) fn marks(&self) -> Vec<f64> {
        let mut marks = vec![self.low];
        let step = step(self.high);
        while let Some(&last) = marks.last()
            && last < self.high * 0.999
            && marks.len() < 20
        {
            marks.push(if self.logarithmic { last * 10.0 } else { last + step });
        }
        marks
    }
}

/// 1, 2 or 5 times a power of ten, about a fifth of `high`.
fn step(high: f64) -> f64 {
    let rough = (high / 5.0).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0].into_iter().find(|times| times * power >= rough * 0.999);
    times.unwrap_or(10.0) * power
}

/// A value in few letters.
pub(super) fn label(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if size >= 1e6 => format!("{}M", trimmed(value / 1e6)),
        size if size >= 1e4 => format!("{}k", trimmed(value / 1e3)),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 0.01 => trimmed(value),
        _ => format!("{value:.0e}"),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_cover_all_values() {
        let axis = Axis::over([3.0, 47.0].into_iter(), false);
        assert_eq!(axis.marks(), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
        assert!((axis.share(25.0) - 0.5).abs() < 1e-9);
        let axis = Axis::over([0.2, 700.0].into_iter(), true);
        let labels: Vec<_> = axis.marks().into_iter().map(label).collect();
        assert_eq!(labels, ["0.1", "1", "10", "100", "1000"]);
        assert!(axis.share(0.0).abs() < 1e-9);
    }
}
