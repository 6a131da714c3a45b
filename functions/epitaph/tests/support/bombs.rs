//! What is small and unpacks to much.

use std::io::Write;

const GIGABYTE: usize = 1_000_000_000;
const PIECE: usize = 1_000_000;

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// `head` and a gigabyte of zeros, in about a megabyte.
pub fn gzip_of_zeros(head: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    write_zeros(&mut packer, head);
    packer.finish().unwrap()
}

/// `head` and a gigabyte of zeros, in less than a megabyte.
pub fn zstd_of_zeros(head: &[u8]) -> Vec<u8> {
    let mut packer = zstd::Encoder::new(Vec::new(), 1).unwrap();
    write_zeros(&mut packer, head);
    packer.finish().unwrap()
}

fn write_zeros(packer: &mut impl Write, head: &[u8]) {
    packer.write_all(head).unwrap();
    let piece = vec![0; PIECE];
    for _ in 0..GIGABYTE / PIECE {
        packer.write_all(&piece).unwrap();
    }
}

/// Packed so that whoever unpacks it must remember 8 MiB; without its end.
pub fn zstd_with_large_window(bytes: &[u8]) -> Vec<u8> {
    let mut packer = zstd::Encoder::new(Vec::new(), 1).unwrap();
    packer.window_log(23).unwrap();
    packer.write_all(bytes).unwrap();
    packer.flush().unwrap();
    packer.get_ref().clone()
}
