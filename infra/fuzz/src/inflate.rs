//! What clients packed.

use std::io;

use bytes::Bytes;
use epitaph_ingest::inflate::{Inflater, Packing};

use crate::pieces::Pieces;

/// Where a body's reader would end it.
const LIMIT: usize = 1 << 20;
/// No piece that an inflater gives is larger.
const LARGEST_PIECE: usize = 16 << 10;

const PACKINGS: [Packing; 6] =
    [Packing::Gzip, Packing::Deflate, Packing::Brotli, Packing::Zstd, Packing::Xz, Packing::Bzip2];

/// What comes out is the same however it goes in, in pieces that are small however much it is: a limit is kept to the
/// piece.
///
/// The first byte cuts the input into pieces, the second says how it is packed.
pub fn inflate(data: &[u8]) {
    let (pieces, rest) = Pieces::of(data);
    let Some((packing, packed)) = rest.split_first() else { return };
    let packing = PACKINGS[usize::from(*packing) % PACKINGS.len()];
    let (whole, end) = run(packing, [packed].into_iter());
    let (cut, end_cut) = run(packing, pieces.cut(packed));
    match (end, end_cut) {
        (Ok(end), Ok(end_cut)) => assert_eq!((&cut, end_cut), (&whole, end), "in pieces"),
        // What comes out before a fault depends on where the pieces end; so it may be enough for the limit, or not.
        (Err(_), Err(_)) | (Err(_), Ok(End::Limit)) | (Ok(End::Limit), Err(_)) => {
            assert!(whole.starts_with(&cut) || cut.starts_with(&whole), "in pieces");
        }
        // The length that a frame claims is checked in one more case where all of the frame is here at once.
        (Err(_), Ok(_)) if packing == Packing::Zstd => assert!(cut.starts_with(&whole), "in pieces"),
        (end, end_cut) => panic!("whole: {end:?}, in pieces: {end_cut:?}"),
    }
}

/// How it ended: as packed data does, not yet, or at the limit.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Own,
    Open,
    Limit,
}

fn run<'a>(packing: Packing, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, io::Result<End>) {
    let mut inflater = Inflater::new(packing);
    let mut plain = Vec::new();
    for piece in pieces {
        inflater.push(Bytes::copy_from_slice(piece));
        loop {
            match inflater.pull() {
                Ok(None) => break,
                Ok(Some(piece)) => {
                    assert!((1..=LARGEST_PIECE).contains(&piece.len()), "a piece of {}", piece.len());
                    plain.extend_from_slice(&piece);
                    if plain.len() >= LIMIT {
                        plain.truncate(LIMIT);
                        return (plain, Ok(End::Limit));
                    }
                }
                Err(error) => return (plain, Err(error)),
            }
        }
    }
    let end = if inflater.has_ended() { End::Own } else { End::Open };
    (plain, Ok(end))
}
