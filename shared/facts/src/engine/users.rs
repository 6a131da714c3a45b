//! Distinct users: few as they are, many as the registers of a HyperLogLog sketch.
//!
//! Millions of these are put together for one answer, and the estimate is asked of a few. So the registers are plain
//! bytes here; `datasketches` estimates from them.

use datasketches::hll::HllSketch;

/// The registers are two to this power: 19 of 20 estimates are within 3.3 %.
const POWER: u8 = 12;
const REGISTERS: usize = 1 << POWER;
/// How far estimates of users may be off: twice the standard error, 1.04 by the root of 4096.
pub(crate) const USERS_WITHIN: f64 = 0.0325;
/// Up to so many users are kept as they are: more would take more than registers do.
const FEW: usize = REGISTERS / 4 - 1;
/// The bits of a coupon that say where it belongs.
const PLACE: u32 = 26;

/// What is kept of a user: 26 bits of a hash, and above them, plus one, how many zeros the rest of it begins with.
pub(crate) type Coupon = u32;

/// The coupon of a user, of whom 8 bytes are known.
#[inline]
pub(crate) fn coupon_of(user: &[u8]) -> Coupon {
    let Ok(user) = <[u8; 8]>::try_from(user) else { return 0 };
    // Odd numbers without a pattern: the fraction of the golden ratio, and that of the root of three.
    let mixed = folded(u64::from_le_bytes(user), 0x9e37_79b9_7f4a_7c15);
    let hash = folded(mixed, 0xbb67_ae85_84ca_a73b);
    let zeros = (hash | 1 << (PLACE - 1)).leading_zeros();
    #[expect(clippy::cast_possible_truncation, reason = "the lowest bits are meant")]
    let place = hash as u32 & ((1 << PLACE) - 1);
    (zeros + 1) << PLACE | place
}

/// The product of both halves, its own halves one upon the other: all bits depend on all.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "halves are meant")]
fn folded(number: u64, factor: u64) -> u64 {
    let product = u128::from(number) * u128::from(factor);
    product as u64 ^ (product >> 64) as u64
}

/// Distinct users. What it says depends on who they are only, not on the order or on how they were put together.
#[derive(Clone)]
pub(crate) enum Distinct {
    /// At most [`FEW`], of whom some may come more than once.
    Few(Vec<Coupon>),
    /// More than [`FEW`].
    Many(Registers),
}

#[derive(Clone)]
pub(crate) struct Registers(Box<[u8; REGISTERS]>);

impl Registers {
    fn of(coupons: &[Coupon]) -> Self {
        let mut registers = Self(Box::new([0; REGISTERS]));
        registers.add(coupons);
        registers
    }

    fn add(&mut self, coupons: &[Coupon]) {
        for coupon in coupons {
            let register = &mut self.0[*coupon as usize % REGISTERS];
            *register = (*register).max((coupon >> PLACE).to_le_bytes()[0]);
        }
    }

    fn absorb(&mut self, others: &Self) {
        self.0
            .iter_mut()
            .zip(others.0.iter())
            .for_each(|(register, other)| *register = (*register).max(*other));
    }

    fn used(&self) -> usize {
        self.0.iter().filter(|register| **register > 0).count()
    }

    /// In the form that all implementations of DataSketches share: of an HLL_8 sketch whose updates came in no order.
    fn estimate(&self) -> f64 {
        let [mut larger, mut smaller] = [0.0, 0.0];
        for register in self.0.iter() {
            let inverse = 0.5_f64.powi((*register).into());
            *(if *register < 32 { &mut larger } else { &mut smaller }) += inverse;
        }
        let unused = u32::try_from(REGISTERS - self.used()).unwrap_or_default();
        let mut bytes = vec![10, 1, 7, POWER, 0, 16, 0, 10];
        [0.0, larger, smaller].iter().for_each(|sum: &f64| bytes.extend(sum.to_le_bytes()));
        [unused, 0].iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        bytes.extend(self.0.iter());
        HllSketch::deserialize(&bytes).map_or(0.0, |sketch| sketch.estimate())
    }
}

impl Distinct {
    /// Of these users, who may come more than once. They are told apart only when there seem to be many.
    pub(crate) fn of(coupons: Vec<Coupon>) -> Self {
        if coupons.len() <= FEW {
            return Self::Few(coupons);
        }
        let registers = Registers::of(&coupons);
        if registers.used() > FEW {
            return Self::Many(registers);
        }
        let coupons = told_apart(coupons);
        if coupons.len() <= FEW { Self::Few(coupons) } else { Self::Many(registers) }
    }

    pub(crate) fn absorb(&mut self, other: Distinct) {
        match (&mut *self, other) {
            (Self::Many(registers), Self::Many(others)) => registers.absorb(&others),
            (Self::Many(registers), Self::Few(users)) => registers.add(&users),
            (Self::Few(users), Self::Many(mut registers)) => {
                registers.add(users);
                *self = Self::Many(registers);
            }
            (Self::Few(users), Self::Few(others)) => {
                let mut users = std::mem::take(users);
                users.extend(others);
                *self = Self::of(users);
            }
        }
    }

    /// How many they are: exactly where they are few, about where they are many.
    pub(crate) fn estimate(&self) -> u64 {
        match self {
            Self::Few(users) => told_apart(users.clone()).len() as u64,
            Self::Many(registers) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "an estimate of a number of people"
                )]
                let number = registers.estimate().round().max(0.0) as u64;
                number
            }
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Few(users) => users.iter().flat_map(|user| user.to_le_bytes()).collect(),
            Self::Many(registers) => registers.0.to_vec(),
        }
    }

    /// Which of both they are is told by their length.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(registers) = <[u8; REGISTERS]>::try_from(bytes) {
            return Some(Self::Many(Registers(Box::new(registers))));
        }
        let (users, rest) = bytes.as_chunks::<4>();
        let is_few = users.len() <= FEW && rest.is_empty();
        is_few.then(|| Self::Few(users.iter().copied().map(u32::from_le_bytes).collect()))
    }

    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Few(users) => 64 + users.capacity() * 4,
            Self::Many(_) => 64 + REGISTERS,
        }
    }
}

fn told_apart(mut coupons: Vec<Coupon>) -> Vec<Coupon> {
    coupons.sort_unstable();
    coupons.dedup();
    coupons
}

impl std::fmt::Debug for Distinct {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Distinct({})", self.estimate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coupons(users: std::ops::Range<u64>) -> Vec<Coupon> {
        users.map(|user| coupon_of(&user.to_be_bytes())).collect()
    }

    #[test]
    fn users_are_counted_alike_however_they_were_put_together() {
        for most in [1, 20, 300, 1_023, 1_024, 1_100, 5_000, 60_000] {
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

    #[test]
    fn estimates_are_as_near_as_promised_for_most_sets_of_users() {
        let within = (0_u64..200).filter(|set| {
            let users = Distinct::of(coupons(set << 32..(set << 32) + 20_000)).estimate();
            (users as f64 / 20_000.0 - 1.0).abs() <= USERS_WITHIN
        });
        assert!(within.count() >= 185);
    }

    #[test]
    fn bytes_of_another_length_are_no_users() {
        assert!(Distinct::from_bytes(&[0; 6]).is_none());
        assert!(Distinct::from_bytes(&[0; REGISTERS + 4]).is_none());
    }
}
