//! One line of a partial answer: a value, and what was measured of its facts.

use std::cmp::Ordering;

use super::users::Distinct;
use crate::version;

/// What was measured of some facts. Its key says which: empty for all, else the values of one or two dimensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) key: Vec<u8>,
    pub(crate) count: u64,
    pub(crate) crashes: u64,
    /// When the first and the last report were received.
    pub(crate) seen: Option<(i64, i64)>,
    /// The first and the last release.
    pub(crate) releases: Option<(String, String)>,
    pub(crate) users: Option<Box<Distinct>>,
}

impl Entry {
    /// Adds what was measured of other facts of the same key.
    pub(crate) fn absorb(&mut self, other: Entry) {
        self.count = self.count.saturating_add(other.count);
        self.crashes = self.crashes.saturating_add(other.crashes);
        self.seen = match (self.seen, other.seen) {
            (Some((first, last)), Some((also, too))) => Some((first.min(also), last.max(too))),
            (seen, also) => seen.or(also),
        };
        self.releases = match (self.releases.take(), other.releases) {
            (Some((first, last)), Some((also, too))) => {
                let first = if earlier(&also, &first).is_lt() { also } else { first };
                Some((first, if earlier(&too, &last).is_gt() { too } else { last }))
            }
            (releases, also) => releases.or(also),
        };
        match (&mut self.users, other.users) {
            (Some(users), Some(others)) => users.absorb(*others),
            (users, others) => *users = users.take().or(others),
        }
    }

    /// About what it takes in memory.
    pub(crate) fn memory(&self) -> usize {
        let releases = self.releases.as_ref().map_or(0, |(first, last)| first.len() + last.len());
        let users = self.users.as_ref().map_or(0, |users| users.memory());
        std::mem::size_of::<Self>() + self.key.len() + releases + users
    }
}

/// The order of releases: of versions, and of equal ones by their letters.
pub(crate) fn earlier(left: &str, right: &str) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    version::compare(left, right).then_with(|| left.cmp(right))
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
