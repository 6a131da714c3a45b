//! The file that a cache is: a header, what the cache holds, and what it is about.
//!
//! ```text
//!  0  "EPITSYM1"       the format of this header
//!  8  kind             u32: 1 lines, 2 unwind, 3 managed
//! 12  bytes of subject u32
//! 16  bytes of payload u64
//! 24  CRC-32 of payload and subject
//! 28  CRC-32 of the 28 bytes before
//! 64  payload, then the subject as JSON
//! ```
//!
//! All numbers are little-endian. Opening looks at header and subject only; the whole is checked once, when a cache
//! arrives on a machine.

use std::{
    fs::File,
    io::{self, BufWriter, Seek, SeekFrom, Write},
    path::Path,
    str::FromStr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use symbolic_common::{AccessPattern, ByteView, DebugId};

use crate::{Format, Quality, SymbolError};

const MAGIC: &[u8; 8] = b"EPITSYM1";
const HEADER: usize = 64;
/// The most bytes of a subject.
const SUBJECT: usize = 64 << 10;

/// What a cache is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheKind {
    /// Functions, files and lines.
    Lines,
    /// How to unwind.
    Unwind,
    /// The C# lines behind C++ ones.
    Managed,
}

impl CacheKind {
    /// All of them.
    pub const ALL: [CacheKind; 3] = [CacheKind::Lines, CacheKind::Unwind, CacheKind::Managed];

    /// The word in keys and file names.
    pub const fn as_str(self) -> &'static str {
        match self {
            CacheKind::Lines => "lines",
            CacheKind::Unwind => "unwind",
            CacheKind::Managed => "managed",
        }
    }

    /// The version of what is in it. A cache of another version is made anew from its debug file.
    pub const fn version(self) -> u32 {
        match self {
            CacheKind::Lines | CacheKind::Unwind | CacheKind::Managed => 1,
        }
    }

    fn number(self) -> u32 {
        match self {
            CacheKind::Lines => 1,
            CacheKind::Unwind => 2,
            CacheKind::Managed => 3,
        }
    }
}

impl FromStr for CacheKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or("expected lines, unwind or managed")
    }
}

/// What a cache is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The debug id, as Breakpad writes it.
    pub debug_id: String,
    /// The identifier of the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_id: Option<String>,
    /// The processor, such as `x86_64`.
    pub arch: String,
    /// The system, as Breakpad writes it: `Linux`, `windows`, `mac`.
    pub os: String,
    /// The name of the debug file.
    pub name: String,
    /// The format that it had.
    pub format: Format,
    /// How good the cache is.
    pub quality: Quality,
}

impl Subject {
    /// The debug id; `None` if it is none.
    pub fn debug_id(&self) -> Option<DebugId> {
        DebugId::from_breakpad(&self.debug_id).ok()
    }
}

/// Writes a cache: first the payload, as it comes, then [`CacheWriter::finish`].
pub(crate) struct CacheWriter {
    file: BufWriter<File>,
    checksum: crc32fast::Hasher,
    length: u64,
}

impl CacheWriter {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(64 << 10, File::create(path)?);
        file.write_all(&[0; HEADER])?;
        Ok(Self { file, checksum: crc32fast::Hasher::new(), length: 0 })
    }

    /// Gives the bytes of the file.
    pub(crate) fn finish(mut self, kind: CacheKind, subject: &Subject) -> io::Result<u64> {
        let payload = self.length;
        let subject = serde_json::to_vec(subject)?;
        self.write_all(&subject)?;
        let mut header = [0; HEADER];
        let checksum = self.checksum.finalize();
        header[..8].copy_from_slice(MAGIC);
        header[8..12].copy_from_slice(&kind.number().to_le_bytes());
        let length = u32::try_from(subject.len()).map_err(io::Error::other)?;
        header[12..16].copy_from_slice(&length.to_le_bytes());
        header[16..24].copy_from_slice(&payload.to_le_bytes());
        header[24..28].copy_from_slice(&checksum.to_le_bytes());
        let checksum = crc32fast::hash(&header[..28]);
        header[28..32].copy_from_slice(&checksum.to_le_bytes());
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header)?;
        self.file.flush()?;
        Ok(HEADER as u64 + self.length)
    }
}

impl Write for CacheWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.checksum.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A cache that is mapped. Its file may be deleted meanwhile, but must not be written to.
#[derive(Clone)]
pub(crate) struct Cache {
    view: ByteView<'static>,
    payload: usize,
    checksum: u32,
    pub(crate) subject: Arc<Subject>,
}

impl Cache {
    pub(crate) fn open(path: &Path, kind: CacheKind) -> Result<Self, SymbolError> {
        let view = ByteView::open(path).map_err(SymbolError::file(path))?;
        // A hint: without it whole neighbourhoods are read for one look-up.
        let _ = view.hint(AccessPattern::Random);
        Self::of(view, kind).ok_or_else(|| SymbolError::Damaged(path.display().to_string()))
    }

    pub(crate) fn of(view: ByteView<'static>, kind: CacheKind) -> Option<Self> {
        let header = view.get(..HEADER)?;
        let number = |at: usize| Some(u32::from_le_bytes(*header.get(at..at + 4)?.first_chunk()?));
        let well_formed = header.starts_with(MAGIC)
            && number(8)? == kind.number()
            && number(28)? == crc32fast::hash(&header[..28]);
        let subject_length = usize::try_from(number(12)?).ok().filter(|length| *length <= SUBJECT)?;
        let payload = usize::try_from(u64::from_le_bytes(*header.get(16..24)?.first_chunk()?)).ok()?;
        let end = HEADER.checked_add(payload)?;
        if !well_formed || view.len() != end.checked_add(subject_length)? {
            return None;
        }
        let subject = Arc::new(serde_json::from_slice(view.get(end..)?).ok()?);
        let checksum = number(24)?;
        Some(Self { payload, checksum, subject, view })
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.view.get(HEADER..HEADER + self.payload).unwrap_or_default()
    }

    /// Whether every byte is as it was written. Reads all of it.
    pub(crate) fn is_intact(&self) -> bool {
        self.view.get(HEADER..).is_some_and(|rest| crc32fast::hash(rest) == self.checksum)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Worth;

    fn subject() -> Subject {
        Subject {
            debug_id: "5A9832E5287241C1838ED98914E9B7FF1".to_owned(),
            code_id: None,
            arch: "x86_64".to_owned(),
            os: "Linux".to_owned(),
            name: "game".to_owned(),
            format: Format::Elf,
            quality: Quality { worth: Worth::Full, ranges: 7 },
        }
    }

    #[test]
    fn a_cache_reads_back_and_a_damaged_one_does_not_open_or_is_not_intact() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        let mut writer = CacheWriter::create(&path).unwrap();
        writer.write_all(b"payload").unwrap();
        let length = writer.finish(CacheKind::Lines, &subject()).unwrap();
        assert_eq!(length, path.metadata().unwrap().len());
        let cache = Cache::open(&path, CacheKind::Lines).unwrap();
        assert_eq!((cache.payload(), &*cache.subject), (b"payload".as_slice(), &subject()));
        assert!(cache.is_intact());
        assert!(Cache::open(&path, CacheKind::Unwind).is_err(), "it is of another kind");

        let whole = fs::read(&path).unwrap();
        for index in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[index] ^= 1;
            let opened = Cache::of(ByteView::from_vec(damaged), CacheKind::Lines);
            // The reserved bytes say nothing.
            assert!(
                opened.is_none_or(|cache| !cache.is_intact()) || (32..64).contains(&index),
                "byte {index} was changed"
            );
            assert!(Cache::of(ByteView::from_vec(whole[..index].to_vec()), CacheKind::Lines).is_none());
        }
    }
}
