//! Parquet's encoding of small numbers: runs of one number, and groups of eight packed into as few bits as they need.

/// What is wrong with bytes that claim to be so encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HybridError {
    #[error("numbers of {0} bits cannot be")]
    Width(u8),
    #[error("numbers end too early")]
    Short,
}

/// Decodes as many numbers as `out` holds, each of `width` bits.
pub(super) fn decode(bytes: &[u8], width: u8, out: &mut [u32]) -> Result<(), HybridError> {
    if width > 32 {
        return Err(HybridError::Width(width));
    }
    let mut input = bytes;
    let mut out = out;
    while !out.is_empty() {
        let header = varint(&mut input)?;
        let length = usize::try_from(header >> 1).map_err(|_| HybridError::Short)?;
        if header & 1 == 0 {
            let number = run_of(&mut input, width)?;
            let (run, rest) = out.split_at_mut(length.min(out.len()));
            if run.is_empty() {
                return Err(HybridError::Short);
            }
            run.fill(number);
            out = rest;
        } else {
            let numbers = length.checked_mul(8).ok_or(HybridError::Short)?.min(out.len());
            if numbers == 0 {
                return Err(HybridError::Short);
            }
            let (packed, rest) = out.split_at_mut(numbers);
            unpack(input, width, packed)?;
            out = rest;
            let taken = length.checked_mul(usize::from(width)).ok_or(HybridError::Short)?;
            input = input.get(taken..).unwrap_or_default();
        }
    }
    Ok(())
}

/// The number of which all of a run are.
fn run_of(input: &mut &[u8], width: u8) -> Result<u32, HybridError> {
    let (number, rest) = input.split_at_checked(usize::from(width).div_ceil(8)).ok_or(HybridError::Short)?;
    *input = rest;
    Ok(number.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
}

fn varint(input: &mut &[u8]) -> Result<u64, HybridError> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = input.split_first().ok_or(HybridError::Short)?;
        *input = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(HybridError::Short)
}

fn unpack(bytes: &[u8], width: u8, out: &mut [u32]) -> Result<(), HybridError> {
    let needed = (out.len() * usize::from(width)).div_ceil(8);
    if bytes.len() < needed {
        return Err(HybridError::Short);
    }
    macro_rules! by_width {
        ($($width:literal)*) => {
            match width {
                0 => out.fill(0),
                $($width => unpack_groups::<$width>(bytes, out),)*
                _ => return Err(HybridError::Width(width)),
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
    Ok(())
}

/// Eight numbers of `WIDTH` bits lie in `WIDTH` bytes. Each is read as eight bytes from where it begins, so a group is
/// read with the bytes behind it; where there are none, from a copy with zeros.
fn unpack_groups<const WIDTH: usize>(bytes: &[u8], out: &mut [u32]) {
    /// The last number of the widest group begins at byte 28.
    const WINDOW: usize = 36;
    let mask = u64::MAX >> (64 - WIDTH);
    let eight = |window: &[u8; WINDOW]| -> [u32; 8] {
        std::array::from_fn(|index| {
            let bit = index * WIDTH;
            let mut word = [0; 8];
            word.copy_from_slice(&window[bit / 8..bit / 8 + 8]);
            // The mask leaves at most 32 bits.
            #[expect(clippy::cast_possible_truncation, reason = "at most 32 bits are left")]
            let number = (u64::from_le_bytes(word) >> (bit % 8) & mask) as u32;
            number
        })
    };
    let mut rest = bytes;
    for group in out.chunks_mut(8) {
        let numbers = match rest.first_chunk::<WINDOW>() {
            Some(window) => eight(window),
            None => {
                let mut window = [0; WINDOW];
                let length = rest.len().min(WINDOW);
                window[..length].copy_from_slice(&rest[..length]);
                eight(&window)
            }
        };
        match <&mut [u32; 8]>::try_from(&mut *group) {
            Ok(whole) => *whole = numbers,
            Err(_) => group.iter_mut().zip(numbers).for_each(|(out, number)| *out = number),
        }
        rest = rest.get(WIDTH..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By the book: runs where at least eight are equal, else groups.
    fn encode(numbers: &[u32], width: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = numbers;
        while !rest.is_empty() {
            let equal = rest.iter().take_while(|number| **number == rest[0]).count();
            if equal >= 8 {
                varint_of(&mut bytes, (equal as u64) << 1);
                bytes.extend(&rest[0].to_le_bytes()[..usize::from(width).div_ceil(8)]);
                rest = &rest[equal..];
                continue;
            }
            varint_of(&mut bytes, 1 << 1 | 1);
            let mut packed: u256 = [0; 8];
            for (index, number) in rest.iter().take(8).enumerate() {
                for bit in 0..usize::from(width) {
                    let at = index * usize::from(width) + bit;
                    packed[at / 32] |= (number >> bit & 1) << (at % 32);
                }
            }
            let all: Vec<u8> = packed.iter().flat_map(|word| word.to_le_bytes()).collect();
            bytes.extend(&all[..usize::from(width)]);
            rest = &rest[rest.len().min(8)..];
        }
        bytes
    }

    #[expect(non_camel_case_types, reason = "a number of 256 bits")]
    type u256 = [u32; 8];

    fn varint_of(bytes: &mut Vec<u8>, mut number: u64) {
        while number >= 0x80 {
            bytes.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        bytes.push(number.to_le_bytes()[0]);
    }

    proptest! {
        #[test]
        fn numbers_of_every_width_decode_as_they_were_encoded(width in 0_u8..=32, seeds in
            proptest::collection::vec((any::<u32>(), 1_usize..20), 0..30)) {
            let mask = if width == 0 { 0 } else { u32::MAX >> (32 - width) };
            let numbers: Vec<u32> =
                seeds.iter().flat_map(|(number, times)| std::iter::repeat_n(number & mask, *times)).collect();
            let bytes = encode(&numbers, width);
            let mut out = vec![0; numbers.len()];
            prop_assert_eq!(decode(&bytes, width, &mut out), Ok(()));
            prop_assert_eq!(&out, &numbers);
            if width > 0 && !bytes.is_empty() {
                let mut more = vec![0; numbers.len() + 9];
                prop_assert_eq!(decode(&bytes, width, &mut more), Err(HybridError::Short));
            }
        }

        #[test]
        fn no_bytes_make_it_panic_or_run_on(bytes in proptest::collection::vec(any::<u8>(), 0..60), width in any::<u8>()) {
            let _ = decode(&bytes, width, &mut [0; 100]);
        }
    }
}
