//! How a message lies in a file.
//!
//! A file begins with [`MAGIC`]. Then come records: the length of the message (4 bytes, little-endian), a CRC-32 over
//! those four bytes and the message (4 bytes, little-endian), and the message.

use super::LARGEST_MESSAGE;

pub(super) const MAGIC: &[u8; 8] = b"EPITAPH1";
pub(super) const HEADER: usize = 8;

/// The header of a message's record.
#[expect(clippy::cast_possible_truncation, reason = "messages are at most LARGEST_MESSAGE bytes")]
pub(super) fn header(message: &[u8]) -> [u8; HEADER] {
    let length = (message.len() as u32).to_le_bytes();
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&length);
    header[4..].copy_from_slice(&checksum(length, message).to_le_bytes());
    header
}

fn checksum(length: [u8; 4], message: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(message);
    hasher.finalize()
}

/// The length that a header claims; `None` if no producer ever writes such a record.
#[cfg(feature = "consume")]
pub(super) fn claimed_length(header: [u8; HEADER]) -> Option<usize> {
    let [a, b, c, d, ..] = header;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    (1..=LARGEST_MESSAGE).contains(&length).then_some(length)
}

/// Whether a message is the one that a header was made for.
#[cfg(feature = "consume")]
pub(super) fn is_intact(expected: [u8; HEADER], message: &[u8]) -> bool {
    message.len() <= LARGEST_MESSAGE && header(message) == expected
}

#[cfg(not(feature = "consume"))]
const _: usize = LARGEST_MESSAGE;
