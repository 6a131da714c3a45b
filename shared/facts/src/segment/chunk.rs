//! The bytes of a file that were fetched.

use std::{io, ops::Range};

use bytes::{Buf, Bytes};
use parquet::{
    errors::{ParquetError, Result},
    file::reader::{ChunkReader, Length},
};

/// Pieces of a file, each at its place.
#[derive(Debug, Clone, Default)]
pub(super) struct Chunk {
    /// Ascending, without overlap.
    pieces: Vec<(u64, Bytes)>,
}

impl Chunk {
    pub(super) fn new(ranges: &[Range<u64>], bytes: Vec<Bytes>) -> Self {
        Self { pieces: ranges.iter().map(|range| range.start).zip(bytes).collect() }
    }

    fn from(&self, start: u64) -> Result<Bytes> {
        let after = self.pieces.partition_point(|(begin, _)| *begin <= start);
        let found =
            after.checked_sub(1).and_then(|index| self.pieces.get(index)).and_then(|(begin, bytes)| {
                let skipped = usize::try_from(start - begin).ok()?;
                (skipped < bytes.len()).then(|| bytes.slice(skipped..))
            });
        found.ok_or_else(|| ParquetError::EOF(format!("what lies at byte {start} was not fetched")))
    }
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        self.pieces.last().map_or(0, |(begin, bytes)| begin + bytes.len() as u64)
    }
}

impl ChunkReader for Chunk {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        self.from(start).map(Bytes::reader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let bytes = self.from(start)?;
        if bytes.len() < length {
            let missing = io::Error::new(io::ErrorKind::UnexpectedEof, "a page ends beyond what was fetched");
            return Err(missing.into());
        }
        Ok(bytes.slice(..length))
    }
}
