//! Inflating what clients packed, a bounded piece at a time.

use std::io;

use bytes::{Bytes, BytesMut};
use compression_codecs::{
    BrotliDecoder, BzDecoder, DecodeV2, DeflateDecoder, GzipDecoder, XzDecoder, ZlibDecoder, ZstdDecoder,
    core::util::{PartialBuffer, WriteBuffer},
    zstd::params::DParameter,
};

/// Output comes in pieces of at most this many bytes.
const PIECE: usize = 16 * 1024;
/// Windows of zstd above 8 MiB are refused, as RFC 8878 allows: one client must not hold more.
const ZSTD_WINDOW_LOG: u32 = 23;
/// What a decoder for xz may take: enough for dictionaries of 16 MiB, which is `xz -7`.
const XZ_MEMORY: u64 = 17 << 20;

/// How a body or a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, or RFC 1951 without a header: clients mean either by `deflate`.
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

impl Packing {
    /// The packing that a `Content-Encoding` names; `Ok(None)` for none.
    ///
    /// # Errors
    /// The name, when it is none that is taken.
    pub fn of_encoding(name: &str) -> Result<Option<Self>, &str> {
        Ok(Some(match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => return Ok(None),
            "gzip" | "x-gzip" => Self::Gzip,
            "deflate" => Self::Deflate,
            "br" => Self::Brotli,
            "zstd" => Self::Zstd,
            _ => return Err(name),
        }))
    }

    /// The packing that a file's first four bytes tell.
    pub fn of_magic(first: [u8; 4]) -> Option<Self> {
        match first {
            [0x1f, 0x8b, 8, _] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd] => Some(Self::Zstd),
            [0xfd, b'7', b'z', b'X'] => Some(Self::Xz),
            [b'B', b'Z', b'h', b'1'..=b'9'] => Some(Self::Bzip2),
            _ => None,
        }
    }

    /// The bytes of memory that inflating takes at the most.
    pub const fn memory(self) -> u64 {
        match self {
            Self::Gzip | Self::Deflate => 48 << 10,
            Self::Brotli => 17 << 20,
            Self::Zstd => 9 << 20,
            Self::Xz => XZ_MEMORY,
            Self::Bzip2 => 4 << 20,
        }
    }
}

/// Inflates a stream: [`Inflater::push`] what came, then [`Inflater::pull`] until there is no more.
pub struct Inflater {
    packing: Packing,
    decoder: Option<Box<dyn DecodeV2 + Send>>,
    input: Bytes,
    output: BytesMut,
    /// The last piece was full, so the decoder may hold more although all input is read.
    held_back: bool,
    ended: bool,
    /// Something else stands behind the end, so nothing more is a stream.
    trailing: bool,
}

impl Inflater {
    /// An inflater for one packing. Its memory is taken with the first input.
    pub fn new(packing: Packing) -> Self {
        let (input, output) = (Bytes::new(), BytesMut::new());
        Self { packing, decoder: None, input, output, held_back: false, ended: false, trailing: false }
    }

    /// Adds packed bytes. Everything before must have been pulled.
    pub fn push(&mut self, packed: Bytes) {
        debug_assert!(self.input.is_empty(), "what was pushed before was not pulled");
        self.input = packed;
    }

    /// The next piece of what was packed; `None` when more input is needed.
    ///
    /// # Errors
    /// When the input is not packed as it claims.
    pub fn pull(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if self.ended && !self.input.is_empty() {
                self.begin_next_member();
            }
            if self.input.is_empty() && !self.held_back {
                return Ok(None);
            }
            let piece = self.step()?;
            if piece.is_some() {
                return Ok(piece);
            }
        }
    }

    /// Packed streams may stand one behind another (`cat a.gz b.gz`) and are one then. Anything else behind the end of a
    /// stream is ignored, as browsers do.
    fn begin_next_member(&mut self) {
        let begins_alike = match self.packing {
            _ if self.trailing => false,
            Packing::Gzip => self.input[0] == 0x1f,
            Packing::Zstd => self.input[0] == 0x28,
            Packing::Xz => self.input[0] == 0xfd,
            Packing::Bzip2 => self.input[0] == b'B',
            Packing::Deflate | Packing::Brotli => false,
        };
        if begins_alike {
            self.decoder = None;
            self.ended = false;
        } else {
            self.trailing = true;
            self.input.clear();
        }
    }

    fn step(&mut self) -> io::Result<Option<Bytes>> {
        let first = self.input.first().copied().unwrap_or_default();
        let decoder = self.decoder.get_or_insert_with(|| decoder(self.packing, first));
        self.output.resize(PIECE, 0);
        let mut input = PartialBuffer::new(&self.input[..]);
        let mut output = WriteBuffer::new_initialized(&mut self.output);
        if input.unwritten().is_empty() {
            match self.packing {
                // These give what they hold back only when asked as if for more.
                Packing::Xz | Packing::Bzip2 => self.ended = decoder.decode(&mut input, &mut output)?,
                _ => {
                    decoder.flush(&mut output)?;
                }
            }
        }
        while !self.ended && !input.unwritten().is_empty() && !output.has_no_spare_space() {
            let before = (input.written_len(), output.written_len());
            self.ended = decoder.decode(&mut input, &mut output)?;
            if !self.ended && before == (input.written_len(), output.written_len()) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the packed data makes no sense"));
            }
        }
        let (read, written) = (input.written_len(), output.written_len());
        self.held_back = output.has_no_spare_space() && !self.ended;
        self.input = self.input.slice(read..);
        Ok((written > 0).then(|| self.output.split_to(written).freeze()))
    }

    /// Whether the packed stream came to its own end. To be asked when everything was pushed and pulled.
    pub fn has_ended(&mut self) -> bool {
        // An end without a checksum behind it may have been reached while held-back output was taken.
        let mut nothing = [0; 1];
        self.ended = self.ended
            || self.decoder.as_mut().is_some_and(|decoder| {
                let mut output = WriteBuffer::new_initialized(&mut nothing);
                decoder.finish(&mut output).is_ok_and(|ended| ended && output.written_len() == 0)
            });
        self.ended
    }
}

fn decoder(packing: Packing, first: u8) -> Box<dyn DecodeV2 + Send> {
    match packing {
        Packing::Gzip => Box::new(GzipDecoder::new()),
        // The low four bits of a zlib header are 8; a deflate block that begins so would be a stored one with bits set
        // that encoders leave at zero.
        Packing::Deflate if first & 0x0f == 8 => Box::new(ZlibDecoder::new()),
        Packing::Deflate => Box::new(DeflateDecoder::new()),
        Packing::Brotli => Box::new(BrotliDecoder::new()),
        Packing::Zstd => {
            Box::new(ZstdDecoder::new_with_params(&[DParameter::window_log_max(ZSTD_WINDOW_LOG)]))
        }
        Packing::Xz => Box::new(XzDecoder::with_memlimit(XZ_MEMORY)),
        Packing::Bzip2 => Box::new(BzDecoder::new()),
    }
}

#[cfg(test)]
mod tests {
    use compression_codecs::{
        BrotliEncoder, BzEncoder, DeflateEncoder, EncodeV2, GzipEncoder, XzEncoder, ZlibEncoder, ZstdEncoder,
        brotli::params::EncoderParams, core::Level,
    };
    use proptest::prelude::*;

    use super::*;

    /// Packs with the encoders that belong to the decoders.
    fn pack(packing: Packing, plain: &[u8]) -> Vec<u8> {
        let level = || Level::Default.into();
        let mut encoder: Box<dyn EncodeV2> = match packing {
            Packing::Gzip => Box::new(GzipEncoder::new(level())),
            Packing::Deflate if plain.len().is_multiple_of(2) => Box::new(ZlibEncoder::new(level())),
            Packing::Deflate => Box::new(DeflateEncoder::new(level())),
            Packing::Brotli => {
                Box::new(BrotliEncoder::new(EncoderParams::default().quality(Level::Precise(2))))
            }
            Packing::Zstd => Box::new(ZstdEncoder::new(3)),
            Packing::Xz => Box::new(XzEncoder::new(Level::Precise(1))),
            Packing::Bzip2 => Box::new(BzEncoder::new(Level::Fastest.into(), 0)),
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

    fn inflate(packing: Packing, packed: &[u8], step: usize) -> io::Result<(Vec<u8>, bool)> {
        let mut inflater = Inflater::new(packing);
        let mut plain = Vec::new();
        for piece in packed.chunks(step) {
            inflater.push(Bytes::copy_from_slice(piece));
            while let Some(piece) = inflater.pull()? {
                assert!(piece.len() <= PIECE);
                plain.extend_from_slice(&piece);
            }
        }
        Ok((plain, inflater.has_ended()))
    }

    fn packing() -> impl Strategy<Value = Packing> {
        prop_oneof![
            Just(Packing::Gzip),
            Just(Packing::Deflate),
            Just(Packing::Brotli),
            Just(Packing::Zstd),
            Just(Packing::Xz),
            Just(Packing::Bzip2),
        ]
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_out_again_however_it_arrives(
            packing in packing(),
            seed: Vec<u8>,
            repeat in 1_usize..600,
            step in 1_usize..5000,
        ) {
            let plain = seed.repeat(repeat);
            let packed = pack(packing, &plain);
            prop_assert_eq!(inflate(packing, &packed, step).unwrap(), (plain, true));
        }

        #[test]
        fn streams_that_stand_one_behind_another_are_one(
            packing in prop_oneof![Just(Packing::Gzip), Just(Packing::Zstd)],
            first: Vec<u8>,
            second: Vec<u8>,
            step in 1_usize..200,
        ) {
            let packed = [pack(packing, &first), pack(packing, &second)].concat();
            prop_assert_eq!(inflate(packing, &packed, step).unwrap(), ([first, second].concat(), true));
        }

        #[test]
        fn what_stands_behind_the_end_is_ignored_however_it_arrives(packing in packing(), plain: Vec<u8>, step in 1_usize..200) {
            let packed = pack(packing, &plain);
            let behind = [&packed[..], b"behind", &packed].concat();
            prop_assert_eq!(inflate(packing, &behind, step).unwrap(), (plain, true));
        }

        #[test]
        fn what_is_cut_short_gives_what_was_there_and_does_not_end(packing in packing(), cut in 0.1..0.9_f64) {
            let plain: Vec<u8> = (0..200_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            let packed = pack(packing, &plain);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of the length")]
            let kept = (packed.len() as f64 * cut) as usize;
            let (given, ended) = inflate(packing, &packed[..kept], 1000).unwrap();
            prop_assert!(plain.starts_with(&given) && !ended);
        }

        #[test]
        fn garbage_ends_in_an_error_or_in_bytes(packing in packing(), garbage: Vec<u8>, step in 1_usize..64) {
            let _ = inflate(packing, &garbage, step);
        }
    }

    #[test]
    fn a_zstd_window_of_more_than_8_mib_is_refused() {
        // A frame header that asks for a window of 128 MiB (RFC 8878, section 3.1.1.1.2), and an empty block.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 0x01, 0x00, 0x00];
        assert!(inflate(Packing::Zstd, &frame, 100).is_err());
    }

    #[test]
    fn an_xz_dictionary_of_more_than_16_mib_is_refused() {
        let pack_at = |level| {
            let mut encoder = XzEncoder::new(Level::Precise(level));
            let mut packed = vec![0; 4096];
            let mut output = WriteBuffer::new_initialized(&mut packed);
            encoder.encode(&mut PartialBuffer::new(&b"MDMP"[..]), &mut output).unwrap();
            encoder.finish(&mut output).unwrap();
            output.written().to_vec()
        };
        assert_eq!(inflate(Packing::Xz, &pack_at(7), 100).unwrap(), (b"MDMP".to_vec(), true));
        assert!(inflate(Packing::Xz, &pack_at(8), 100).is_err());
    }

    #[test]
    fn the_packing_is_told_by_its_name_and_by_its_first_bytes() {
        assert_eq!(Packing::of_encoding(" GZIP"), Ok(Some(Packing::Gzip)));
        assert_eq!(Packing::of_encoding("identity"), Ok(None));
        assert_eq!(Packing::of_encoding("compress"), Err("compress"));
        assert_eq!(Packing::of_magic(*b"MDMP"), None);
        assert_eq!(Packing::of_magic([0x1f, 0x8b, 8, 0]), Some(Packing::Gzip));
        assert_eq!(Packing::of_magic(*b"\xfd7zX"), Some(Packing::Xz));
        assert_eq!(Packing::of_magic(*b"BZh9"), Some(Packing::Bzip2));
    }
}
