//! One line of a partial answer: a value, and what was measured of its facts.

use std::cmp::Ordering;

use bytes::Bytes;

use super::users::Distinct;
use crate::version;

/// What was measured of some facts. Its key says which: empty for all, else the values of one or two dimensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) key: Vec<u8>,
    pub(crate) count: u64,
    pub(crate) crashes: u64,
    /// Of rows; most lines are of parts, and have none.
    pub(crate) details: Option<Box<Details>>,
}

/// What is measured of rows only.
#[derive(Debug, Clone, Default)]
pub(crate) struct Details {
    /// When the first and the last report were received.
    pub(crate) seen: Option<(i64, i64)>,
    /// The first and the last release.
    pub(crate) releases: Option<(Bytes, Bytes)>,
    pub(crate) users: Option<Distinct>,
}

impl Entry {
    /// What lines of one key say together. It holds on to nothing that they were read from, so lines that are kept do not
    /// keep whole blocks.
    pub(crate) fn united(lines: &mut [Entry]) -> Entry {
        let key = lines.first_mut().map(|first| std::mem::take(&mut first.key)).unwrap_or_default();
        let sum = |number: fn(&Entry) -> u64| lines.iter().map(number).fold(0, u64::saturating_add);
        let details = lines.iter().filter_map(|line| line.details.as_deref());
        Entry {
            key,
            count: sum(|line| line.count),
            crashes: sum(|line| line.crashes),
            details: details.clone().next().map(|_| Box::new(Details::united(details))),
        }
    }

    pub(crate) fn seen(&self) -> Option<(i64, i64)> {
        self.details.as_ref()?.seen
    }

    pub(crate) fn releases(&self) -> Option<&(Bytes, Bytes)> {
        self.details.as_ref()?.releases.as_ref()
    }

    /// How many users, about.
    pub(crate) fn users(&self) -> u64 {
        let users = self.details.as_ref().and_then(|details| details.users.as_ref());
        users.map_or(0, Distinct::estimate)
    }

    /// About what it takes in memory.
    pub(crate) fn memory(&self) -> usize {
        let details = self.details.as_ref().map_or(0, |details| details.memory());
        std::mem::size_of::<Self>() + self.key.len() + details
    }
}

impl Details {
    fn united<'a>(all: impl Iterator<Item = &'a Details> + Clone) -> Self {
        let seen = all.clone().filter_map(|one| one.seen);
        let releases = all.clone().filter_map(|one| one.releases.as_ref());
        let first = releases.clone().map(|(first, _)| first).min_by(|a, b| earlier(a, b));
        let last = releases.map(|(_, last)| last).max_by(|a, b| earlier(a, b));
        let users = all.filter_map(|one| one.users.as_ref());
        let copied = |name: &Bytes| Bytes::copy_from_slice(name);
        Self {
            seen: seen.reduce(|(first, last), (also, too)| (first.min(also), last.max(too))),
            releases: first.zip(last).map(|(first, last)| (copied(first), copied(last))),
            users: users.clone().next().map(|_| Distinct::union(users)),
        }
    }

    fn memory(&self) -> usize {
        let releases = self.releases.as_ref().map_or(0, |(first, last)| first.len() + last.len());
        let users = self.users.as_ref().map_or(0, |users| users.as_bytes().len());
        std::mem::size_of::<Self>() + releases + users
    }
}

/// The order of releases: of versions, and of equal ones by their letters.
pub(crate) fn earlier(left: &[u8], right: &[u8]) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    let [one, other] = [left, right].map(String::from_utf8_lossy);
    version::compare(&one, &other).then_with(|| left.cmp(right))
}

/// Appends a value to a key. Keys sort as their values do, one after the other, a missing value first; the key of some
/// values is the beginning of the keys of these and more.
pub(crate) fn push_value(key: &mut Vec<u8>, value: Option<&[u8]>) {
    let Some(value) = value else { return key.push(0) };
    key.reserve(value.len() + 2);
    key.push(1);
    let mut rest = value;
    while let Some(zero) = rest.iter().position(|byte| *byte == 0) {
        let (before, behind) = rest.split_at(zero + 1);
        key.extend_from_slice(before);
        key.push(0xff);
        rest = behind;
    }
    key.extend_from_slice(rest);
    key.push(0);
}

/// The first value of a key, and the rest of the key. `None` at its end.
pub(crate) fn split_value(key: &[u8]) -> Option<(Option<Vec<u8>>, &[u8])> {
    let (has, mut rest) = key.split_first()?;
    if *has == 0 {
        return Some((None, rest));
    }
    let mut value = Vec::new();
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        if *byte != 0 {
            value.push(*byte);
            continue;
        }
        match rest.split_first() {
            Some((0xff, after)) => {
                value.push(0);
                rest = after;
            }
            _ => return Some((Some(value), rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(values: &[Option<Vec<u8>>]) -> Vec<u8> {
        let mut key = Vec::new();
        values.iter().for_each(|value| push_value(&mut key, value.as_deref()));
        key
    }

    proptest! {
        #[test]
        fn keys_sort_as_their_values_do(
            a in proptest::collection::vec(proptest::option::of(proptest::collection::vec(0_u8..3, 0..4)), 1..3),
            b in proptest::collection::vec(proptest::option::of(proptest::collection::vec(0_u8..3, 0..4)), 1..3),
        ) {
            prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
            let whole = key(&a);
            let (first, rest) = split_value(&whole).unwrap();
            prop_assert_eq!(&first, &a[0]);
            prop_assert_eq!(rest, &key(&a[1..])[..]);
        }
    }
}
