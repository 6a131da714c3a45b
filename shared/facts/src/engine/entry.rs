//! One line of a partial answer: a value, and what was measured of its facts.

use std::cmp::Ordering;

use datasketches::hll::{Coupon, HllSketch, HllType, HllUnion};

use crate::version;

/// The registers of a sketch of users are two to this power: 19 of 20 estimates are within 3.3 %.
const SKETCH: u8 = 12;
/// How far estimates of users may be off: twice the standard error, 1.04 by the root of 4096.
pub(crate) const USERS_WITHIN: f64 = 0.0325;
/// Fewer users than this are kept as they are; a sketch would do the same.
const FEW: usize = 256;

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
    version::compare(left, right).then_with(|| left.cmp(right))
}

/// Distinct users. What it estimates depends on who they are only, not on the order or on how they were put together.
#[derive(Clone)]
pub(crate) enum Distinct {
    Few(Vec<Coupon>),
    Sketch(HllSketch),
    Union(HllUnion),
}

impl Distinct {
    /// Of these users, who may come more than once.
    pub(crate) fn of(mut coupons: Vec<Coupon>) -> Self {
        if coupons.len() > 4 * FEW {
            return Self::sketch(&coupons).map_or(Self::Few(coupons), Self::Sketch);
        }
        coupons.sort_unstable();
        coupons.dedup();
        match coupons.len() {
            ..=FEW => Self::Few(coupons),
            _ => Self::sketch(&coupons).map_or(Self::Few(coupons), Self::Sketch),
        }
    }

    fn sketch(coupons: &[Coupon]) -> Option<HllSketch> {
        // It refuses other sizes than this one only.
        let mut sketch = HllSketch::new(SKETCH, HllType::Hll8).ok()?;
        coupons.iter().for_each(|coupon| sketch.update_with_coupon(*coupon));
        Some(sketch)
    }

    pub(crate) fn absorb(&mut self, other: Distinct) {
        let this = std::mem::replace(self, Distinct::Few(Vec::new()));
        *self = match (this, other) {
            (Distinct::Few(mut users), Distinct::Few(others)) => {
                users.extend(others);
                Self::of(users)
            }
            (Distinct::Few(users), other) | (other, Distinct::Few(users)) => {
                let mut other = other;
                other.add(&users);
                other
            }
            (Distinct::Sketch(sketch), Distinct::Union(mut union))
            | (Distinct::Union(mut union), Distinct::Sketch(sketch)) => {
                union.update(&sketch);
                Distinct::Union(union)
            }
            (Distinct::Sketch(sketch), Distinct::Sketch(other)) => match HllUnion::new(SKETCH) {
                Ok(mut union) => {
                    union.update(&sketch);
                    union.update(&other);
                    Distinct::Union(union)
                }
                Err(_) => Distinct::Sketch(sketch),
            },
            (Distinct::Union(mut union), Distinct::Union(other)) => {
                union.update(&other.to_sketch(HllType::Hll8));
                Distinct::Union(union)
            }
        };
    }

    fn add(&mut self, users: &[Coupon]) {
        match self {
            Distinct::Few(few) => few.extend(users),
            Distinct::Sketch(sketch) => users.iter().for_each(|user| sketch.update_with_coupon(*user)),
            Distinct::Union(union) => {
                if let Some(sketch) = Self::sketch(users) {
                    union.update(&sketch);
                }
            }
        }
    }

    /// How many they are, about.
    pub(crate) fn estimate(&self) -> u64 {
        // Only this estimate is the same however the sketch came about.
        let estimate = match self {
            Distinct::Few(users) => Self::sketch(users).map_or(0.0, |sketch| sketch.composite_estimate()),
            Distinct::Sketch(sketch) => sketch.composite_estimate(),
            Distinct::Union(union) => union.composite_estimate(),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate of a number of people"
        )]
        let number = estimate.round().max(0.0) as u64;
        number
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Distinct::Few(users) => Self::sketch(users).map(|sketch| sketch.serialize()).unwrap_or_default(),
            Distinct::Sketch(sketch) => sketch.serialize(),
            Distinct::Union(union) => union.to_sketch(HllType::Hll8).serialize(),
        }
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        HllSketch::deserialize(bytes).ok().filter(|sketch| sketch.lg_config_k() == SKETCH).map(Self::Sketch)
    }

    fn memory(&self) -> usize {
        match self {
            Distinct::Few(users) => 64 + users.len() * 4,
            Distinct::Sketch(sketch) => 128 + sketch.estimated_size(),
            Distinct::Union(union) => 128 + union.estimated_size(),
        }
    }
}

impl std::fmt::Debug for Distinct {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Distinct({})", self.estimate())
    }
}

/// Appends a value to a key. Keys sort as their values do, one after the other, a missing value first; the key of some
/// values is the beginning of the keys of these and more.
pub(crate) fn push_value(key: &mut Vec<u8>, value: Option<&[u8]>) {
    let Some(value) = value else { return key.push(0) };
    key.push(1);
    for byte in value {
        key.push(*byte);
        if *byte == 0 {
            key.push(0xff);
        }
    }
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

    fn coupons(users: std::ops::Range<u64>) -> Vec<Coupon> {
        users.map(Coupon::from_value).collect()
    }

    #[test]
    fn users_are_counted_alike_however_they_were_put_together() {
        for most in [1, 20, 300, 500, 5_000, 60_000] {
            let whole = Distinct::of(coupons(0..most)).estimate();
            let error = (whole as f64 - most as f64).abs() / most as f64;
            assert!(error <= USERS_WITHIN, "{most}: {whole}");
            for pieces in [2, 7, 40] {
                let step = most.div_ceil(pieces);
                let mut users = Distinct::of(Vec::new());
                for piece in 0..pieces {
                    // Each piece overlaps the next one.
                    let of_piece = Distinct::of(coupons(piece * step..((piece + 2) * step).min(most)));
                    let stored = Distinct::from_bytes(&of_piece.to_bytes()).unwrap();
                    users.absorb(if piece % 2 == 0 { stored } else { of_piece });
                }
                assert_eq!(users.estimate(), whole, "{most} in {pieces}");
            }
        }
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
