//! Figures over measurements.

/// Measurements in the order of their size.
#[derive(Debug, Clone)]
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

    pub(crate) fn most(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
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
        self.per_mille(950)
    }

    /// The smallest one that so many of 1,000 do not exceed (nearest rank).
    pub(crate) fn per_mille(&self, share: usize) -> f64 {
        let rank = (self.0.len() * share).div_ceil(1000);
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

/// Bytes in MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    float(bytes) / f64::from(1 << 20)
}

/// A number to reckon and to draw with.
#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

/// A number with a comma before every third digit, as people read it.
pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::{Sorted, grouped};

    #[test]
    fn figures_are_those_of_the_sorted_measurements() {
        let sorted = Sorted::new((1..=20).rev().map(f64::from));
        assert_eq!([sorted.least(), sorted.median(), sorted.p95(), sorted.most()], [1.0, 10.5, 19.0, 20.0]);
        let sorted = Sorted::new([3.0, 1.0, 2.0]);
        assert_eq!([sorted.least(), sorted.median(), sorted.p95(), sorted.most()], [1.0, 2.0, 3.0, 3.0]);
        assert!(Sorted::new([]).median().is_nan());
        let thousand = Sorted::new((1..=1000).map(f64::from));
        assert_eq!([thousand.per_mille(500), thousand.per_mille(999)], [500.0, 999.0]);
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let told = [0.0, 999.4, 1000.0, 12_345_678.0, -1234.0].map(grouped);
        assert_eq!(told, ["0", "999", "1,000", "12,345,678", "-1,234"]);
    }
}
