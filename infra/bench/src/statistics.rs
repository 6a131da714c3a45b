//! Figures over a few dozen measurements.

/// Measurements in the order of their size.
pub(crate) struct Sorted(Vec<f64>);

impl Sorted {
    pub(crate) fn new(measurements: impl IntoIterator<Item = f64>) -> Self {
        let mut measurements: Vec<f64> = measurements.into_iter().collect();
        measurements.sort_by(f64::total_cmp);
        Self(measurements)
    }

    pub(crate) fn least(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    /// The middle one, or half way between the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        match self.0.get(middle) {
            None => f64::NAN,
            Some(&upper) if self.0.len() % 2 == 1 => upper,
            Some(&upper) => f64::midpoint(self.0[middle - 1], upper),
        }
    }

    /// The smallest one that 95 of 100 do not exceed (nearest rank).
    pub(crate) fn p95(&self) -> f64 {
        let rank = (self.0.len() * 95).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

/// Bytes in MiB.
#[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::Sorted;

    #[test]
    fn figures_are_those_of_the_sorted_measurements() {
        let sorted = Sorted::new((1..=20).rev().map(f64::from));
        assert_eq!([sorted.least(), sorted.median(), sorted.p95()], [1.0, 10.5, 19.0]);
        let sorted = Sorted::new([3.0, 1.0, 2.0]);
        assert_eq!([sorted.least(), sorted.median(), sorted.p95()], [1.0, 2.0, 3.0]);
        assert!(Sorted::new([]).median().is_nan());
    }
}
