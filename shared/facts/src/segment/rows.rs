//! Which rows of a row group are meant.

use std::ops::Range;

/// Some of the rows from 0 to `total`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rows {
    total: usize,
    /// A bit for each row; `None` for all.
    bits: Option<Vec<u64>>,
}

impl Rows {
    pub(crate) fn all(total: usize) -> Self {
        Self { total, bits: None }
    }

    pub(crate) fn none(total: usize) -> Self {
        Self { total, bits: Some(vec![0; total.div_ceil(64)]) }
    }

    /// Those for which `holds`.
    pub(crate) fn that(total: usize, mut holds: impl FnMut(usize) -> bool) -> Self {
        let word = |index: usize| {
            let first = index * 64;
            (first..total.min(first + 64))
                .fold(0_u64, |word, row| word | (u64::from(holds(row)) << (row - first)))
        };
        Self { total, bits: Some((0..total.div_ceil(64)).map(word).collect()) }
    }

    /// Those with codes for which `holds`; there are as many codes as rows.
    pub(crate) fn with_codes(codes: &[u32], holds: impl Fn(u32) -> bool) -> Self {
        let word =
            |codes: &[u32]| codes.iter().rev().fold(0_u64, |word, code| word << 1 | u64::from(holds(*code)));
        Self { total: codes.len(), bits: Some(codes.chunks(64).map(word).collect()) }
    }

    pub(crate) fn range(total: usize, range: Range<usize>) -> Self {
        if range.start == 0 && range.end >= total {
            return Self::all(total);
        }
        Self::that(total, |row| range.contains(&row))
    }

    pub(crate) fn of(total: usize, rows: &[u32]) -> Self {
        let mut these = Self::none(total);
        if let Some(bits) = &mut these.bits {
            for row in rows {
                if let Some(word) = bits.get_mut(*row as usize / 64) {
                    *word |= 1 << (row % 64);
                }
            }
        }
        these
    }

    pub(crate) fn is_all(&self) -> bool {
        self.bits.is_none()
    }

    pub(crate) fn count(&self) -> usize {
        match &self.bits {
            None => self.total,
            Some(bits) => bits.iter().map(|word| word.count_ones() as usize).sum(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match &self.bits {
            None => self.total == 0,
            Some(bits) => bits.iter().all(|word| *word == 0),
        }
    }

    /// Whether any of a range is among them.
    pub(crate) fn any_in(&self, range: &Range<usize>) -> bool {
        let Some(bits) = &self.bits else { return !range.is_empty() };
        let mut row = range.start;
        while row < range.end.min(self.total) {
            let word = bits.get(row / 64).copied().unwrap_or_default() >> (row % 64);
            let left = (range.end - row).min(64 - row % 64);
            let mask = if left == 64 { u64::MAX } else { (1 << left) - 1 };
            if word & mask != 0 {
                return true;
            }
            row += left;
        }
        false
    }

    pub(crate) fn and(self, other: &Self) -> Self {
        match (self.bits, &other.bits) {
            (None, _) => other.clone(),
            (bits, None) => Self { total: self.total, bits },
            (Some(mut bits), Some(others)) => {
                bits.iter_mut().zip(others).for_each(|(word, other)| *word &= other);
                Self { total: self.total, bits: Some(bits) }
            }
        }
    }

    pub(crate) fn or(self, other: &Self) -> Self {
        match (self.bits, &other.bits) {
            (Some(mut bits), Some(others)) => {
                bits.iter_mut().zip(others).for_each(|(word, other)| *word |= other);
                Self { total: self.total, bits: Some(bits) }
            }
            _ => Self::all(self.total),
        }
    }

    pub(crate) fn not(self) -> Self {
        let Some(mut bits) = self.bits else { return Self::none(self.total) };
        bits.iter_mut().for_each(|word| *word = !*word);
        let last = self.total % 64;
        if let Some(word) = bits.last_mut().filter(|_| last != 0) {
            *word &= (1 << last) - 1;
        }
        Self { total: self.total, bits: Some(bits) }
    }

    /// Of what all rows have, that of these.
    pub(crate) fn of_all<T: Copy>(&self, all: Vec<T>) -> Vec<T> {
        if self.is_all() {
            return all;
        }
        let mut these = Vec::with_capacity(self.count());
        self.for_each(|row| these.extend(all.get(row).copied()));
        these
    }

    /// Calls `see` with each, ascending.
    #[inline]
    pub(crate) fn for_each(&self, mut see: impl FnMut(usize)) {
        match &self.bits {
            None => (0..self.total).for_each(see),
            Some(bits) => {
                for (index, word) in bits.iter().enumerate() {
                    let mut word = *word;
                    if word == u64::MAX {
                        (index * 64..index * 64 + 64).for_each(&mut see);
                        continue;
                    }
                    while word != 0 {
                        see(index * 64 + word.trailing_zeros() as usize);
                        word &= word - 1;
                    }
                }
            }
        }
    }

    /// The rows themselves, ascending.
    pub(crate) fn list(&self) -> Vec<u32> {
        let mut list = Vec::with_capacity(self.count());
        self.for_each(|row| list.push(u32::try_from(row).unwrap_or(u32::MAX)));
        list
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(rows: &Rows) -> Vec<bool> {
        let mut list = vec![false; rows.total];
        rows.for_each(|row| list[row] = true);
        list
    }

    proptest! {
        #[test]
        fn rows_behave_as_a_list_of_truths(a in proptest::collection::vec(any::<bool>(), 0..200), seed in any::<u64>(),
            from in 0_usize..200, length in 0_usize..200) {
            let total = a.len();
            let b: Vec<bool> = (0..total).map(|row| (seed >> (row % 64) & 1) == 1).collect();
            let (left, right) = (Rows::that(total, |row| a[row]), Rows::that(total, |row| b[row]));
            let each = |mix: fn(bool, bool) -> bool| a.iter().zip(&b).map(|(a, b)| mix(*a, *b)).collect::<Vec<_>>();
            prop_assert_eq!(listed(&left.clone().and(&right)), each(|a, b| a && b));
            prop_assert_eq!(listed(&left.clone().or(&right)), each(|a, b| a || b));
            prop_assert_eq!(listed(&left.clone().not()), each(|a, _| !a));
            prop_assert_eq!(listed(&Rows::all(total).and(&left)), a.clone());
            prop_assert_eq!(left.count(), a.iter().filter(|truth| **truth).count());
            prop_assert_eq!(left.is_empty(), left.count() == 0);
            prop_assert_eq!(Rows::of(total, &left.list()), left.clone());
            let range = from..from + length;
            let expected = a.iter().enumerate().any(|(row, truth)| *truth && range.contains(&row));
            prop_assert_eq!(left.any_in(&range), expected);
            prop_assert_eq!(listed(&Rows::range(total, range.clone())),
                (0..total).map(|row| range.contains(&row)).collect::<Vec<_>>());
        }
    }
}
