//! Packing as clients do it.

use compression_codecs::{
    BrotliEncoder, DeflateEncoder, EncodeV2, GzipEncoder, ZlibEncoder, ZstdEncoder,
    brotli::params::EncoderParams,
    core::{
        Level,
        util::{PartialBuffer, WriteBuffer},
    },
};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Packing {
    Gzip,
    /// What RFC 9110 means by `deflate`.
    Zlib,
    /// What some clients mean by it.
    Deflate,
    Brotli,
    Zstd,
}

pub(crate) fn pack(packing: Packing, plain: &[u8]) -> Vec<u8> {
    let level = || Level::Default.into();
    let mut encoder: Box<dyn EncodeV2> = match packing {
        Packing::Gzip => Box::new(GzipEncoder::new(level())),
        Packing::Zlib => Box::new(ZlibEncoder::new(level())),
        Packing::Deflate => Box::new(DeflateEncoder::new(level())),
        Packing::Brotli => Box::new(BrotliEncoder::new(EncoderParams::default().quality(Level::Precise(2)))),
        Packing::Zstd => Box::new(ZstdEncoder::new(3)),
    };
    let mut packed = Vec::new();
    let mut piece = vec![0; 4096];
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
