//! Partial answers, as they lie on disk: lines sorted by key, in blocks that each carry a checksum.
//!
//! ```text
//! magic | rows, then parts: blocks of lines | index: each block's place, and the first key of each block of parts
//!       | place of the index (8 bytes) | magic
//! block: length (4 bytes) | CRC-32 (4 bytes) | bytes
//! ```
//!
//! Rows have the key of one dimension (the line of all facts: none) and all that is measured; parts have the keys of two,
//! and are counted only. So parts are read only of the rows that an answer has.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::{Buf as _, Bytes};

use super::{
    entry::{Details, Entry},
    users::Distinct,
};
use crate::FactsError;

const MAGIC: [u8; 8] = *b"EPFACTS1";
/// From how many bytes on a block of rows ends, and one of parts. An answer has a few rows of many, so of most parts it
/// needs none.
const BLOCKS: [usize; 2] = [32 << 10, 8 << 10];
/// The most bytes that a block may claim to have.
const MOST: usize = 64 << 20;

/// Of rows and of parts: where each block begins, and its first key.
type Places = [Vec<(u64, Vec<u8>)>; 2];

/// Writes a partial answer: first all rows, then all parts, both ascending by key.
pub(crate) struct PartialWriter<W: Write> {
    out: W,
    written: u64,
    block: Vec<u8>,
    before: Vec<u8>,
    places: Places,
    section: usize,
    first: Vec<u8>,
}

impl PartialWriter<BufWriter<File>> {
    pub(crate) fn create(path: &Path) -> Result<Self, FactsError> {
        let file = File::create(path).map_err(FactsError::Scratch)?;
        Self::new(BufWriter::with_capacity(64 << 10, file))
    }
}

impl<W: Write> PartialWriter<W> {
    pub(crate) fn new(mut out: W) -> Result<Self, FactsError> {
        out.write_all(&MAGIC).map_err(FactsError::Scratch)?;
        Ok(Self {
            out,
            written: MAGIC.len() as u64,
            block: Vec::with_capacity(BLOCKS[0] + 4096),
            before: Vec::new(),
            places: [Vec::new(), Vec::new()],
            section: 0,
            first: Vec::new(),
        })
    }

    pub(crate) fn push(&mut self, entry: &Entry) -> Result<(), FactsError> {
        if self.block.is_empty() {
            self.first.clone_from(&entry.key);
            self.before.clear();
        }
        let shared = self.before.iter().zip(&entry.key).take_while(|(a, b)| a == b).count();
        let rest = entry.key.get(shared..).unwrap_or_default();
        put(&mut self.block, shared as u64);
        put_bytes(&mut self.block, rest);
        put(&mut self.block, entry.count);
        put(&mut self.block, entry.crashes);
        match &entry.details {
            Some(details) => put_details(&mut self.block, details),
            None => self.block.push(0),
        }
        self.before.clone_from(&entry.key);
        if self.block.len() >= BLOCKS[self.section] { self.flush() } else { Ok(()) }
    }

    /// All rows are written; parts follow.
    pub(crate) fn begin_parts(&mut self) -> Result<(), FactsError> {
        self.flush()?;
        self.section = 1;
        Ok(())
    }

    /// Completes it.
    pub(crate) fn finish(mut self) -> Result<W, FactsError> {
        self.flush()?;
        let index = self.written;
        for section in &self.places {
            put(&mut self.block, section.len() as u64);
            for (place, first) in section {
                put(&mut self.block, *place);
                put_bytes(&mut self.block, first);
            }
        }
        let bytes = std::mem::take(&mut self.block);
        self.write_block(&bytes)?;
        let mut end = index.to_le_bytes().to_vec();
        end.extend(MAGIC);
        self.out.write_all(&end).and_then(|()| self.out.flush()).map_err(FactsError::Scratch)?;
        Ok(self.out)
    }

    fn flush(&mut self) -> Result<(), FactsError> {
        if self.block.is_empty() {
            return Ok(());
        }
        let place = (self.written, std::mem::take(&mut self.first));
        if let Some(section) = self.places.get_mut(self.section) {
            section.push(place);
        }
        let mut bytes = std::mem::take(&mut self.block);
        self.write_block(&bytes)?;
        bytes.clear();
        self.block = bytes;
        Ok(())
    }

    fn write_block(&mut self, bytes: &[u8]) -> Result<(), FactsError> {
        let length = u32::try_from(bytes.len())
            .map_err(|_| FactsError::Scratch(io::Error::other("a block is too long")))?;
        let mut head = length.to_le_bytes().to_vec();
        head.extend(crc32fast::hash(bytes).to_le_bytes());
        self.out.write_all(&head).and_then(|()| self.out.write_all(bytes)).map_err(FactsError::Scratch)?;
        self.written += (head.len() + bytes.len()) as u64;
        Ok(())
    }
}

/// A partial answer that can be read, as often as wanted.
#[derive(Debug, Clone)]
pub(crate) struct Partial {
    store: Store,
    places: Arc<Places>,
}

#[derive(Debug, Clone)]
enum Store {
    Memory(Bytes),
    File { file: Arc<File>, path: PathBuf },
}

impl Partial {
    pub(crate) fn in_memory(bytes: Bytes) -> Result<Self, FactsError> {
        Self::open(Store::Memory(bytes))
    }

    /// [`FactsError::Damaged`] when it is not whole; then the file is removed.
    pub(crate) fn in_file(file: File, path: PathBuf) -> Result<Self, FactsError> {
        Self::open(Store::File { file: Arc::new(file), path })
    }

    fn open(store: Store) -> Result<Self, FactsError> {
        let length = store.length()?;
        let end = length.checked_sub(16).ok_or_else(|| store.damaged())?;
        let end = store.read(end, 16)?;
        let (place, magic) = end.split_first_chunk::<8>().ok_or_else(|| store.damaged())?;
        if magic != MAGIC || store.read(0, 8)? != MAGIC[..] {
            return Err(store.damaged());
        }
        let block = store.block(u64::from_le_bytes(*place))?;
        let mut input = &block[..];
        let mut section = || {
            let number = take(&mut input)?;
            let mut places = Vec::new();
            for _ in 0..number {
                places.push((take(&mut input)?, take_bytes(&mut input)?.to_vec()));
            }
            Some(places)
        };
        let places = section().and_then(|rows| Some([rows, section()?]));
        Ok(Self { places: Arc::new(places.ok_or_else(|| store.damaged())?), store })
    }

    /// Reads it whole, so that it is removed if any of it is damaged.
    fn check(&self) -> Result<(), FactsError> {
        self.places.iter().flatten().try_for_each(|(place, _)| self.store.block(*place).map(|_| ()))
    }

    pub(crate) fn size(&self) -> Result<u64, FactsError> {
        self.store.length()
    }

    /// The lines of rows.
    pub(crate) fn rows(&self) -> Lines {
        Lines::new(self.clone(), 0, None)
    }

    /// The lines of parts; where `wanted` is given, those whose keys begin with one of these. They ascend, and none is the
    /// beginning of another.
    pub(crate) fn parts(&self, wanted: Option<Arc<Vec<Vec<u8>>>>) -> Lines {
        Lines::new(self.clone(), 1, wanted)
    }
}

/// What was made of partial answers. Where one was damaged, all are looked at, so that none of them is when it is made
/// again.
pub(crate) fn made_of<'a, T>(
    partials: impl IntoIterator<Item = &'a Partial>,
    made: Result<T, FactsError>,
) -> Result<T, FactsError> {
    if matches!(made, Err(FactsError::Damaged)) {
        for partial in partials {
            match partial.check() {
                Ok(()) | Err(FactsError::Damaged) => {}
                Err(error) => return Err(error),
            }
        }
    }
    made
}

impl Store {
    fn length(&self) -> Result<u64, FactsError> {
        match self {
            Store::Memory(bytes) => Ok(bytes.len() as u64),
            Store::File { file, .. } => Ok(file.metadata().map_err(FactsError::Scratch)?.len()),
        }
    }

    fn read(&self, place: u64, length: usize) -> Result<Bytes, FactsError> {
        match self {
            Store::Memory(bytes) => {
                let start = usize::try_from(place).ok();
                let range = start.and_then(|start| Some(start..start.checked_add(length)?));
                let range = range.filter(|range| range.end <= bytes.len()).ok_or_else(|| self.damaged())?;
                Ok(bytes.slice(range))
            }
            Store::File { file, .. } => {
                let mut bytes = vec![0; length];
                read_at(file, place, &mut bytes).map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => self.damaged(),
                    _ => FactsError::Scratch(error),
                })?;
                Ok(bytes.into())
            }
        }
    }

    fn block(&self, place: u64) -> Result<Bytes, FactsError> {
        let head = self.read(place, 8)?;
        let (Some(length), Some(sum)) = (head.first_chunk::<4>(), head.last_chunk::<4>()) else {
            return Err(self.damaged());
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > MOST {
            return Err(self.damaged());
        }
        let bytes = self.read(place.saturating_add(8), length)?;
        if crc32fast::hash(&bytes) == u32::from_le_bytes(*sum) { Ok(bytes) } else { Err(self.damaged()) }
    }

    fn damaged(&self) -> FactsError {
        if let Store::File { path, .. } = self {
            tracing::warn!(path = %path.display(), "a partial answer is damaged; it is made anew");
            // If it stays, it is found to be damaged again.
            let _ = std::fs::remove_file(path);
        }
        FactsError::Damaged
    }
}

#[cfg(unix)]
fn read_at(file: &File, place: u64, bytes: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, place)
}

/// Elsewhere handles of one file share their position.
#[cfg(not(unix))]
fn read_at(file: &File, place: u64, bytes: &mut [u8]) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};

    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut file = file;
    file.seek(SeekFrom::Start(place))?;
    file.read_exact(bytes)
}

/// Lines, ascending by key.
pub(crate) struct Lines {
    partial: Partial,
    section: usize,
    wanted: Option<Arc<Vec<Vec<u8>>>>,
    next_wanted: usize,
    next_block: usize,
    block: Bytes,
    key: Vec<u8>,
}

impl Lines {
    fn new(partial: Partial, section: usize, wanted: Option<Arc<Vec<Vec<u8>>>>) -> Self {
        let (block, key) = (Bytes::new(), Vec::new());
        Self { partial, section, wanted, next_wanted: 0, next_block: 0, block, key }
    }

    /// Whether a block may hold a wanted line.
    fn may_hold_wanted(&self, block: usize) -> bool {
        let Some(wanted) = &self.wanted else { return true };
        let places = self.partial.places.get(self.section).map(Vec::as_slice).unwrap_or_default();
        let Some((_, first)) = places.get(block) else { return true };
        // The first wanted key that does not end before the block begins.
        let from = wanted.partition_point(|key| key < first && !first.starts_with(key));
        match (wanted.get(from), places.get(block + 1)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(key), Some((_, next))) => key <= next,
        }
    }

    /// Whether the line that was read last is wanted.
    fn is_wanted(&mut self) -> bool {
        let Some(wanted) = &self.wanted else { return true };
        let is_behind = |key: &Vec<u8>| *key < self.key && !self.key.starts_with(key);
        while wanted.get(self.next_wanted).is_some_and(is_behind) {
            self.next_wanted += 1;
        }
        wanted.get(self.next_wanted).is_some_and(|key| self.key.starts_with(key))
    }

    fn read(&mut self) -> Result<Option<Entry>, FactsError> {
        loop {
            while self.block.is_empty() {
                let places = self.partial.places.get(self.section).map(Vec::as_slice).unwrap_or_default();
                let Some((place, _)) = places.get(self.next_block) else { return Ok(None) };
                if self.may_hold_wanted(self.next_block) {
                    self.block = self.partial.store.block(*place)?;
                    self.key.clear();
                }
                self.next_block += 1;
            }
            let mut input = &self.block[..];
            let line = take_line(&self.block, &mut input, &mut self.key);
            let read = self.block.len() - input.len();
            self.block.advance(read);
            let line = line.ok_or_else(|| self.partial.store.damaged())?;
            if self.is_wanted() {
                return Ok(Some(Entry { key: self.key.clone(), ..line }));
            }
        }
    }
}

impl Iterator for Lines {
    type Item = Result<Entry, FactsError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// The line that `input` begins with, a part of `block`. Its key replaces that of the line before.
fn take_line(block: &Bytes, input: &mut &[u8], key: &mut Vec<u8>) -> Option<Entry> {
    let shared = usize::try_from(take(input)?).ok().filter(|shared| *shared <= key.len())?;
    key.truncate(shared);
    key.extend_from_slice(take_bytes(input)?);
    let (count, crashes) = (take(input)?, take(input)?);
    let (flags, rest) = input.split_first()?;
    *input = rest;
    let details = if *flags == 0 { None } else { Some(Box::new(take_details(block, input, *flags)?)) };
    Some(Entry { key: Vec::new(), count, crashes, details })
}

/// A byte that says what there is, and what there is.
fn put_details(out: &mut Vec<u8>, details: &Details) {
    let has = [details.seen.is_some(), details.releases.is_some(), details.users.is_some()];
    out.push(has.iter().rev().fold(0, |flags, has| flags << 1 | u8::from(*has)));
    if let Some((first, last)) = details.seen {
        out.extend_from_slice(&first.to_le_bytes());
        out.extend_from_slice(&last.to_le_bytes());
    }
    if let Some((first, last)) = &details.releases {
        put_bytes(out, first);
        put_bytes(out, last);
    }
    if let Some(users) = &details.users {
        put_bytes(out, users.as_bytes());
    }
}

fn take_details(block: &Bytes, input: &mut &[u8], flags: u8) -> Option<Details> {
    let mut time = || {
        let (bytes, rest) = input.split_first_chunk::<8>()?;
        *input = rest;
        Some(i64::from_le_bytes(*bytes))
    };
    let seen = if flags & 1 != 0 { Some((time()?, time()?)) } else { None };
    let mut bytes = || Some(block.slice_ref(take_bytes(input)?));
    let releases = if flags & 2 != 0 { Some((bytes()?, bytes()?)) } else { None };
    let users = if flags & 4 != 0 { Some(Distinct::from_bytes(bytes()?)?) } else { None };
    Some(Details { seen, releases, users })
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn take(input: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = input.split_first()?;
        *input = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take_bytes<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take(input)?).ok()?;
    let (bytes, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(bytes)
}
