//! Packing as clients do it.

use compression_codecs::{
    BrotliEncoder, BzEncoder, DeflateEncoder, EncodeV2, GzipEncoder, XzEncoder, ZlibEncoder, ZstdEncoder,
    brotli::params::EncoderParams,
    core::{
        Level,
        util::{PartialBuffer, WriteBuffer},
    },
};

/// How a body or a file is packed.
#[derive(Debug, Clone, Copy)]
pub enum Packing {
    /// RFC 1952.
    Gzip,
    /// What RFC 9110 means by `deflate`, and CrashReportClient writes.
    Zlib,
    /// What some clients mean by `deflate`.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
    /// The .xz file format.
    Xz,
    /// What bzip2 writes.
    Bzip2,
}

/// Packs bytes.
pub fn pack(packing: Packing, plain: &[u8]) -> Vec<u8> {
    let level = || Level::Default.into();
    let mut encoder: Box<dyn EncodeV2> = match packing {
        Packing::Gzip => Box::new(GzipEncoder::new(level())),
        Packing::Zlib => Box::new(ZlibEncoder::new(level())),
        Packing::Deflate => Box::new(DeflateEncoder::new(level())),
        Packing::Brotli => Box::new(BrotliEncoder::new(EncoderParams::default().quality(Level::Precise(2)))),
        Packing::Zstd => Box::new(ZstdEncoder::new(3)),
        Packing::Xz => Box::new(XzEncoder::new(Level::Default)),
        Packing::Bzip2 => Box::new(BzEncoder::new(Level::Default.into(), 0)),
    };
    let mut packed = Vec::new();
    let mut piece = vec![0; 64 << 10];
    let mut input = PartialBuffer::new(plain);
    while !input.unwritten().is_empty() {
        let mut output = WriteBuffer::new_initialized(&mut piece);
        encoder.encode(&mut input, &mut output).unwrap();
        packed.extend_from_slice(output.written());
    }
    loop {
        let mut output = WriteBuffer::new_initialized(&mut piece);
        let done = encoder.finish(&mut output).unwrap();
        packed.extend_from_slice(output.written());
        if done {
            return packed;
        }
    }
}
