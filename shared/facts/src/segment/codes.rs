//! A column as codes: each row's value is the number of an entry in a list of values.

use std::collections::HashMap;

use bytes::Bytes;
use indexmap::IndexSet;

use super::Rows;

/// A list of values, each some bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values {
    bytes: Bytes,
    places: Places,
}

#[derive(Debug, Clone)]
enum Places {
    /// Where each begins, and its length.
    Each(Vec<(u32, u32)>),
    /// All are as long: the length, and how many there are.
    Same { width: u32, number: u32 },
}

impl Default for Places {
    fn default() -> Self {
        Self::Each(Vec::new())
    }
}

impl Values {
    /// Values that each take `width` bytes; as many as fit.
    pub(crate) fn fixed(bytes: Bytes, width: u32) -> Self {
        let number = small(bytes.len() / width.max(1) as usize);
        Self { bytes, places: Places::Same { width, number } }
    }

    /// Values that each have their length before them, in four bytes. `None` when they are not so.
    pub(crate) fn with_lengths(bytes: Bytes, number: usize) -> Option<Self> {
        let mut spans = Vec::with_capacity(number.min(bytes.len() / 4));
        let mut at = 0_usize;
        for _ in 0..number {
            let length = u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
            let start = at + 4;
            at = start.checked_add(length as usize).filter(|end| *end <= bytes.len())?;
            spans.push((u32::try_from(start).ok()?, length));
        }
        Some(Self { bytes, places: Places::Each(spans) })
    }

    pub(crate) fn from_texts<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Self {
        let mut bytes = Vec::new();
        let mut spans = Vec::new();
        for text in texts {
            let text = text.as_ref();
            spans.push((small(bytes.len()), small(text.len())));
            bytes.extend_from_slice(text);
        }
        Self { bytes: bytes.into(), places: Places::Each(spans) }
    }

    pub(crate) fn len(&self) -> usize {
        self.none() as usize
    }

    /// The code of rows without a value: the first that is no value's.
    pub(crate) fn none(&self) -> u32 {
        match &self.places {
            Places::Each(spans) => small(spans.len()),
            Places::Same { number, .. } => *number,
        }
    }

    /// The value of a code; `None` for rows without one.
    pub(crate) fn get(&self, code: u32) -> Option<&[u8]> {
        let (start, length) = match &self.places {
            Places::Each(spans) => *spans.get(code as usize)?,
            Places::Same { width, number } => (code < *number).then(|| (code * width, *width))?,
        };
        self.bytes.get(start as usize..start as usize + length as usize)
    }

    /// Codes by their values, that of a missing one first.
    pub(crate) fn in_order(&self, codes: impl Iterator<Item = u32>) -> Vec<u32> {
        // Many values begin alike. Most of them are told apart by the eight bytes behind that.
        let mut codes: Vec<(u64, u32)> = codes.map(|code| (0, code)).collect();
        let mut present = codes.iter().filter_map(|(_, code)| self.get(*code));
        let first = present.next().unwrap_or_default();
        let alike = present.fold(first.len(), |alike, value| {
            value.iter().zip(first).take(alike).take_while(|(byte, other)| byte == other).count()
        });
        for (eight, code) in &mut codes {
            let behind = self.get(*code).and_then(|value| value.get(alike..)).unwrap_or_default();
            let mut bytes = [0; 8];
            bytes.iter_mut().zip(behind).for_each(|(to, byte)| *to = *byte);
            *eight = u64::from_be_bytes(bytes);
        }
        codes.sort_unstable_by(|(eight, code), (other_eight, other)| {
            eight.cmp(other_eight).then_with(|| self.get(*code).cmp(&self.get(*other)))
        });
        codes.into_iter().map(|(_, code)| code).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.none()).map(|code| self.get(code).unwrap_or_default())
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The code of each row.
#[derive(Debug, Clone)]
pub(crate) enum Codes {
    /// All rows have this one.
    Same(u32),
    Each(Vec<u32>),
}

impl Codes {
    #[inline]
    pub(crate) fn at(&self, row: usize) -> u32 {
        match self {
            Codes::Same(code) => *code,
            Codes::Each(codes) => codes.get(row).copied().unwrap_or(u32::MAX),
        }
    }
}

/// A column.
#[derive(Debug, Clone)]
pub(crate) struct Coded {
    pub(crate) values: Values,
    pub(crate) codes: Codes,
}

impl Coded {
    /// A column without values.
    pub(crate) fn missing() -> Self {
        Self { values: Values::default(), codes: Codes::Same(0) }
    }

    /// A column where all rows have one value.
    pub(crate) fn same(value: &[u8]) -> Self {
        Self { values: Values::from_texts([value]), codes: Codes::Same(0) }
    }

    /// From each row's value.
    pub(crate) fn of<T: AsRef<[u8]>>(rows: impl Iterator<Item = Option<T>>) -> Self {
        let mut interned = Interned::default();
        for value in rows {
            interned.push(value.as_ref().map(AsRef::as_ref));
        }
        interned.coded()
    }

    /// From each row's number, told by `write` as a value.
    pub(crate) fn of_numbers<V: AsRef<[u8]>>(
        rows: impl Iterator<Item = Option<i64>>,
        write: impl Fn(i64) -> V,
    ) -> Self {
        // Most numbers are small: the code of each of these, or the highest number where it has none yet.
        let mut small_ones = vec![u32::MAX; SMALL];
        let mut others: HashMap<i64, u32> = HashMap::new();
        let mut numbers = Vec::new();
        let mut codes: Vec<u32> = rows
            .map(|number| {
                let Some(number) = number else { return u32::MAX };
                let next = small(numbers.len());
                let known = usize::try_from(number).ok().and_then(|number| small_ones.get_mut(number));
                let code = known.unwrap_or_else(|| others.entry(number).or_insert(u32::MAX));
                if *code == u32::MAX {
                    *code = next;
                    numbers.push(number);
                }
                *code
            })
            .collect();
        let values = Values::from_texts(numbers.into_iter().map(write));
        settle(&mut codes, values.none());
        Self { values, codes: Codes::Each(codes) }
    }

    /// The column of these rows only, one behind the other.
    pub(crate) fn only(self, rows: &Rows) -> Self {
        if rows.is_all() {
            return self;
        }
        let mut interned = Interned::default();
        rows.for_each(|row| {
            interned.push(self.value_at(row));
        });
        interned.coded()
    }

    pub(crate) fn value_at(&self, row: usize) -> Option<&[u8]> {
        self.values.get(self.codes.at(row))
    }
}

/// Numbers below this are told apart by a table.
const SMALL: usize = 1 << 16;

fn settle(codes: &mut [u32], none: u32) {
    codes.iter_mut().for_each(|code| *code = (*code).min(none));
}

/// A column while it grows.
#[derive(Debug, Default)]
pub(crate) struct Interned {
    values: IndexSet<Box<[u8]>>,
    codes: Vec<u32>,
}

impl Interned {
    /// Adds a row. Gives the bytes of memory that a new value takes.
    pub(crate) fn push(&mut self, value: Option<&[u8]>) -> usize {
        let Some(value) = value else {
            self.codes.push(u32::MAX);
            return 0;
        };
        if let Some(code) = self.values.get_index_of(value) {
            self.codes.push(small(code));
            return 0;
        }
        let (code, _) = self.values.insert_full(value.into());
        self.codes.push(small(code));
        value.len() + ENTRY
    }

    pub(crate) fn values(&self) -> &IndexSet<Box<[u8]>> {
        &self.values
    }

    /// The codes of rows; `u32::MAX` for rows without a value.
    pub(crate) fn codes(&self) -> &[u32] {
        &self.codes
    }

    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.codes.clear();
    }

    pub(crate) fn coded(self) -> Coded {
        let values = Values::from_texts(&self.values);
        let mut codes = self.codes;
        settle(&mut codes, values.none());
        Coded { values, codes: Codes::Each(codes) }
    }
}

/// What an entry takes in memory beside its bytes.
pub(crate) const ENTRY: usize = 48;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn codes_are_sorted_as_their_values_are(
            beginning in "[ab]{0,12}",
            ends in proptest::collection::hash_set(proptest::collection::vec(0_u8..3, 0..12), 0..40),
            has_missing: bool,
        ) {
            let texts: Vec<Vec<u8>> = ends.into_iter().map(|end| [beginning.as_bytes(), &end].concat()).collect();
            let sorted: BTreeSet<Option<&[u8]>> =
                has_missing.then_some(None).into_iter().chain(texts.iter().map(|text| Some(text.as_slice()))).collect();
            let values = Values::from_texts(&texts);
            let codes = values.in_order(0..values.none() + u32::from(has_missing));
            let in_order: Vec<Option<&[u8]>> = codes.into_iter().map(|code| values.get(code)).collect();
            prop_assert_eq!(in_order, sorted.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_column_gives_back_each_rows_value() {
        let rows = [Some("a"), None, Some("b"), Some("a"), Some("")];
        let coded = Coded::of(rows.iter().copied());
        for (row, value) in rows.iter().enumerate() {
            assert_eq!(coded.value_at(row), value.map(str::as_bytes));
        }
        assert_eq!(coded.values.len(), 3);
        let numbers = Coded::of_numbers([Some(5), None, Some(5)].into_iter(), |number| number.to_string());
        assert_eq!((numbers.value_at(2), numbers.value_at(1)), (Some(b"5".as_slice()), None));
        assert_eq!(Coded::missing().value_at(7), None);
        assert_eq!(Coded::same(b"x").value_at(7), Some(b"x".as_slice()));
    }

    #[test]
    fn values_that_claim_more_than_there_is_are_none() {
        let bytes = Bytes::from_static(&[1, 0, 0, 0, b'a', 2, 0, 0, 0, b'b']);
        assert_eq!(Values::with_lengths(bytes.clone(), 1).unwrap().get(0), Some(b"a".as_slice()));
        assert!(Values::with_lengths(bytes.clone(), 2).is_none());
        assert!(Values::with_lengths(bytes, 3).is_none());
        assert_eq!(Values::fixed(Bytes::from_static(b"abcde"), 2).len(), 2);
    }
}
