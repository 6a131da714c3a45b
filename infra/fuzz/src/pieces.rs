//! Input in pieces, as a network delivers it.

/// How an input is cut into pieces; the fuzzer decides with the first byte of its data.
///
/// A byte of 0 is one piece; up to 63, pieces of so many bytes; above, pieces of sizes that look like chance, from one
/// byte to a few thousand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pieces(u8);

impl Pieces {
    /// The decision, and the data behind it.
    pub(crate) fn of(data: &[u8]) -> (Self, &[u8]) {
        data.split_first().map_or((Self(0), data), |(first, rest)| (Self(*first), rest))
    }

    /// Cuts the input.
    pub(crate) fn cut(self, mut input: &[u8]) -> impl Iterator<Item = &[u8]> {
        let mut state = u32::from(self.0).wrapping_mul(0x9e37_79b9) | 1;
        std::iter::from_fn(move || {
            if input.is_empty() {
                return None;
            }
            let size = match self.0 {
                0 => input.len(),
                size @ 1..=63 => usize::from(size),
                _ => {
                    state ^= state << 13;
                    state ^= state >> 17;
                    state ^= state << 5;
                    // Sizes of all magnitudes, small ones as often as large ones.
                    1 + (state >> 8) as usize % (1 << (state % 13))
                }
            };
            let (piece, rest) = input.split_at(size.min(input.len()));
            input = rest;
            Some(piece)
        })
    }
}
