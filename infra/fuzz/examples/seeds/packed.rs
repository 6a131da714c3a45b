//! What clients pack, and what a hostile one would.

use compression_codecs::{
    BrotliEncoder, BzEncoder, DeflateEncoder, EncodeV2, GzipEncoder, XzEncoder, ZlibEncoder, ZstdEncoder,
    brotli::params::EncoderParams,
    core::{
        Level,
        util::{PartialBuffer, WriteBuffer},
    },
};

use crate::{CUTS, Seed};

pub(crate) fn seeds() -> Vec<Seed> {
    let inputs = [
        ("empty", Vec::new()),
        ("text", b"MDMP and more, MDMP and more".to_vec()),
        ("bomb", vec![0; 3 << 20]),
    ];
    let mut seeds = Vec::new();
    for (input, plain) in &inputs {
        let level = || Level::Default.into();
        let encoders: [(u8, &str, Box<dyn EncodeV2>); 7] = [
            (0, "gzip", Box::new(GzipEncoder::new(level()))),
            (1, "zlib", Box::new(ZlibEncoder::new(level()))),
            (1, "deflate", Box::new(DeflateEncoder::new(level()))),
            (2, "brotli", Box::new(BrotliEncoder::new(EncoderParams::default().quality(Level::Precise(2))))),
            (3, "zstd", Box::new(ZstdEncoder::new(3))),
            (4, "xz", Box::new(XzEncoder::new(Level::Fastest))),
            (5, "bzip2", Box::new(BzEncoder::new(Level::Fastest.into(), 0))),
        ];
        for (number, name, mut encoder) in encoders {
            let packed = pack(&mut *encoder, plain);
            for cut in if packed.len() < 300 { &CUTS[..] } else { &CUTS[..1] } {
                let bytes = [&[*cut, number], &packed[..]].concat();
                seeds.push(("inflate", format!("{name}-{input}-cut-{cut}"), bytes));
            }
            if *input == "text" {
                let twice = [&[1, number], &packed[..], &packed, b"behind the end"].concat();
                seeds.push(("inflate", format!("{name}-twice"), twice));
                let short = [&[7, number], &packed[..packed.len() - 3]].concat();
                seeds.push(("inflate", format!("{name}-cut-short"), short));
            }
        }
    }
    seeds
}

fn pack(encoder: &mut dyn EncodeV2, plain: &[u8]) -> Vec<u8> {
    let (mut packed, mut piece) = (Vec::new(), vec![0; 64 << 10]);
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
