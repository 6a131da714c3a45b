//! What `store` takes: JSON, or base64 of JSON that is packed with zlib or plain.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use epitaph_ingest::inflate::{Inflater, Packing};

/// Takes base64 with and without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The body is none of what is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// It is not base64.
    #[error("expected JSON, or base64 of JSON that is packed with zlib")]
    NotBase64,
    /// The base64 is not of zlib.
    #[error("what the base64 stands for is not packed with zlib")]
    NotZlib,
}

/// Unpacks a body as it comes: [`Unpacker::push`] what came, then [`Unpacker::pull`] until there is no more.
pub struct Unpacker {
    stage: Stage,
    /// Letters of base64 that are fewer than four.
    letters: Vec<u8>,
    /// The base64 has come to its padding.
    padded: bool,
    plain: Option<Bytes>,
}

enum Stage {
    /// Nothing has come but white space.
    Begin,
    Json,
    /// Base64 of what its first byte will tell.
    Base64,
    Base64OfJson,
    Base64OfZlib(Box<Inflater>),
}

impl Default for Unpacker {
    fn default() -> Self {
        Self { stage: Stage::Begin, letters: Vec::new(), padded: false, plain: None }
    }
}

impl Unpacker {
    /// Adds bytes. Everything before must have been pulled.
    ///
    /// # Errors
    /// [`UnpackError::NotBase64`].
    pub fn push(&mut self, bytes: Bytes) -> Result<(), UnpackError> {
        if matches!(self.stage, Stage::Begin) {
            match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
                None => return Ok(()),
                Some(b'{') => self.stage = Stage::Json,
                Some(_) => self.stage = Stage::Base64,
            }
        }
        if matches!(self.stage, Stage::Json) {
            self.plain = Some(bytes);
            return Ok(());
        }
        self.letters.extend(bytes.iter().filter(|byte| !byte.is_ascii_whitespace()));
        if self.padded && !self.letters.is_empty() {
            return Err(UnpackError::NotBase64);
        }
        let whole = self.letters.len() / 4 * 4;
        let rest = self.letters.split_off(whole);
        let letters = std::mem::replace(&mut self.letters, rest);
        self.decode(&letters)
    }

    /// The body has ended.
    ///
    /// # Errors
    /// [`UnpackError::NotBase64`].
    pub fn close(&mut self) -> Result<(), UnpackError> {
        let letters = std::mem::take(&mut self.letters);
        self.decode(&letters)
    }

    fn decode(&mut self, letters: &[u8]) -> Result<(), UnpackError> {
        if letters.is_empty() {
            return Ok(());
        }
        let bytes = BASE64.decode(letters).map_err(|_| UnpackError::NotBase64)?;
        self.padded = self.padded || letters.ends_with(b"=");
        if matches!(self.stage, Stage::Base64) {
            self.stage = match bytes.first() {
                None => return Ok(()),
                Some(b'{') => Stage::Base64OfJson,
                Some(_) => Stage::Base64OfZlib(Box::new(Inflater::new(Packing::Deflate))),
            };
        }
        let bytes = Bytes::from(bytes);
        match &mut self.stage {
            Stage::Base64OfZlib(inflater) => inflater.push(bytes),
            _ => self.plain = Some(bytes),
        }
        Ok(())
    }

    /// The next piece of JSON; `None` when more input is needed.
    ///
    /// # Errors
    /// [`UnpackError::NotZlib`].
    pub fn pull(&mut self) -> Result<Option<Bytes>, UnpackError> {
        match &mut self.stage {
            Stage::Base64OfZlib(inflater) => inflater.pull().map_err(|_| UnpackError::NotZlib),
            _ => Ok(self.plain.take()),
        }
    }
}

#[cfg(test)]
mod tests {
    use epitaph_test_collector::{Packing as Packed, pack};
    use proptest::prelude::*;

    use super::*;

    fn unpack(body: &[u8], step: usize) -> Result<Vec<u8>, UnpackError> {
        let mut unpacker = Unpacker::default();
        let mut json = Vec::new();
        for piece in body.chunks(step) {
            unpacker.push(Bytes::copy_from_slice(piece))?;
            while let Some(piece) = unpacker.pull()? {
                json.extend_from_slice(&piece);
            }
        }
        unpacker.close()?;
        while let Some(piece) = unpacker.pull()? {
            json.extend_from_slice(&piece);
        }
        Ok(json)
    }

    proptest! {
        #[test]
        fn json_comes_out_however_it_was_packed_and_arrives(text in "\\PC{0,300}", step in 1_usize..100, lines: bool) {
            let json = format!("{{\"a\":{text:?}}}").into_bytes();
            prop_assert_eq!(unpack(&json, step).unwrap(), json.clone());
            for packed in [json.clone(), pack(Packed::Zlib, &json)] {
                let mut letters = BASE64.encode(packed);
                if lines {
                    letters = letters.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line) + "\r\n").collect();
                }
                prop_assert_eq!(unpack(letters.as_bytes(), step).unwrap(), json.clone());
                let bare = letters.replace('=', "");
                prop_assert_eq!(unpack(bare.as_bytes(), step).unwrap(), json.clone());
            }
        }

        #[test]
        fn garbage_gives_the_same_however_it_arrives(body in "[A-Za-z0-9+/=\n ?{]{0,200}", step in 1_usize..50) {
            let body = body.as_bytes();
            prop_assert_eq!(unpack(body, step).ok(), unpack(body, body.len().max(1)).ok());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, step in 1_usize..20) {
            let _ = unpack(&bytes, step);
        }
    }
}
