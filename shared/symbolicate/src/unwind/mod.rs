//! How to find the registers of a caller, by address.
//!
//! Breakpad's text says it in records of `STACK CFI` and `STACK WIN`, of which a large program has millions. The cache
//! has them by address, each rule once; a look-up writes the few lines that hold at one address, for the library that
//! evaluates them.
//!
//! ```text
//! "UNW1", then u32: records of CFI, of frame data, of FPO data, parameters, texts, bytes of bodies
//! records     start, size, body or text     u32 each, sorted by start, never overlapping; CFI, frame data, FPO data
//! parameters  start of function, bytes      u32 each, sorted
//! texts       where each ends               u32 each
//! bodies      of CFI: text of the first line, count of others, and for each: bytes from the start, text (LEB128)
//! texts       one after the other
//! ```

mod build;

use std::{fmt::Write as _, path::Path};

use symbolic_common::ByteView;

pub(crate) use self::build::{Finished, UnwindBuilder};
use crate::{
    Subject, SymbolError,
    cache::{Cache, CacheKind},
    lines::table::number,
};

const MAGIC: &[u8; 4] = b"UNW1";
const HEADER: usize = 28;
const RECORD: usize = 12;
const PARAMETER: usize = 8;
/// In a parameter's bytes: it is of a symbol whose extent nobody knows.
const OF_SYMBOL: u32 = 1 << 31;
/// The most lines of one record.
const LINES: u32 = 100_000;

/// A cache of unwind information. It is mapped, and a look-up reads a few pages of it. Cheap to clone.
#[derive(Clone)]
pub struct Unwind {
    cache: Cache,
}

impl Unwind {
    /// Opens a cache.
    ///
    /// # Errors
    /// [`SymbolError::File`], [`SymbolError::Damaged`].
    pub fn open(path: &Path) -> Result<Self, SymbolError> {
        Self::of(Cache::open(path, CacheKind::Unwind)?)
            .ok_or_else(|| SymbolError::Damaged(path.display().to_string()))
    }

    /// A cache from its bytes, whatever they are; `None` if they are none.
    #[doc(hidden)]
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        Self::of(Cache::of(ByteView::from_vec(bytes), CacheKind::Unwind)?)
    }

    fn of(cache: Cache) -> Option<Self> {
        let unwind = Self { cache };
        unwind.index().is_some().then_some(unwind)
    }

    /// What the cache is about.
    pub fn subject(&self) -> &Subject {
        &self.cache.subject
    }

    /// The lines of Breakpad's text that hold at an address, counted from the module's base; empty if there are none.
    pub fn text_at(&self, offset: u64) -> String {
        let mut text = String::new();
        if let (Some(index), Ok(offset)) = (self.index(), u32::try_from(offset)) {
            for table in index.tables() {
                if let Some(record) = table.find(offset) {
                    let _ = index.write(&mut text, table.kind, record, Some(offset));
                }
            }
        }
        text
    }

    /// All lines, in the order of their tables.
    pub(crate) fn write_text(&self, out: &mut impl std::io::Write) -> std::io::Result<()> {
        let Some(index) = self.index() else { return Ok(()) };
        let mut text = String::new();
        for table in index.tables() {
            for record in (0..table.count()).filter_map(|record| table.get(record)) {
                text.clear();
                let _ = index.write(&mut text, table.kind, record, None);
                out.write_all(text.as_bytes())?;
            }
        }
        Ok(())
    }

    /// The bytes that a function's parameters take on the stack, by an address in it and where it begins: what the unwind
    /// information says, or else the function's own record.
    pub fn parameter_size(&self, offset: u64, function_start: u64) -> u32 {
        let Some(index) = self.index() else { return 0 };
        let own = u32::try_from(function_start).ok().and_then(|start| index.parameter(start));
        let is_symbol = own.is_some_and(|size| size & OF_SYMBOL != 0);
        let told = u32::try_from(offset).ok().filter(|_| !is_symbol).and_then(|offset| index.told(offset));
        told.or(own.map(|size| size & !OF_SYMBOL)).unwrap_or_default()
    }

    fn index(&self) -> Option<Index<'_>> {
        Index::parse(self.cache.payload())
    }
}

/// What a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `STACK WIN 4`: a program.
    FrameData,
    /// `STACK WIN 0`: sizes.
    Fpo,
    /// `STACK CFI`.
    Cfi,
}

/// A range of addresses.
#[derive(Debug, Clone, Copy)]
struct Record {
    start: u32,
    size: u32,
    /// Where its body begins, or the number of its text.
    body: u32,
}

/// Records of one kind, sorted.
#[derive(Clone, Copy)]
struct Table<'a> {
    kind: Kind,
    bytes: &'a [u8],
}

impl Table<'_> {
    fn count(&self) -> usize {
        self.bytes.len() / RECORD
    }

    fn get(&self, index: usize) -> Option<Record> {
        let at = index.checked_mul(RECORD)?;
        let field = |field| number(self.bytes, at.checked_add(field)?);
        Some(Record { start: field(0)?, size: field(4)?, body: field(8)? })
    }

    fn find(&self, address: u32) -> Option<Record> {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle)?.start <= address {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let record = self.get(low.checked_sub(1)?)?;
        (address - record.start < record.size).then_some(record)
    }
}

/// The sections of a cache.
struct Index<'a> {
    cfi: &'a [u8],
    frame_data: &'a [u8],
    fpo: &'a [u8],
    parameters: &'a [u8],
    ends: &'a [u8],
    bodies: &'a [u8],
    texts: &'a [u8],
}

impl<'a> Index<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.get(..HEADER)?;
        if !header.starts_with(MAGIC) {
            return None;
        }
        let mut rest = bytes.get(HEADER..)?;
        let mut section = |at: usize, size: usize| {
            let length = usize::try_from(number(header, at)?).ok()?.checked_mul(size)?;
            let (section, after) = rest.split_at_checked(length)?;
            rest = after;
            Some(section)
        };
        Some(Self {
            cfi: section(4, RECORD)?,
            frame_data: section(8, RECORD)?,
            fpo: section(12, RECORD)?,
            parameters: section(16, PARAMETER)?,
            ends: section(20, 4)?,
            bodies: section(24, 1)?,
            texts: rest,
        })
    }

    /// The kinds that hold at an address, in the order in which they are tried.
    fn tables(&self) -> [Table<'a>; 3] {
        [(Kind::FrameData, self.frame_data), (Kind::Fpo, self.fpo), (Kind::Cfi, self.cfi)]
            .map(|(kind, bytes)| Table { kind, bytes })
    }

    fn text(&self, text: u32) -> Option<&'a str> {
        let text = usize::try_from(text).ok()?;
        let end = |index: usize| usize::try_from(number(self.ends, index.checked_mul(4)?)?).ok();
        let start = text.checked_sub(1).map_or(Some(0), end)?;
        std::str::from_utf8(self.texts.get(start..end(text)?)?).ok()
    }

    fn parameter(&self, function_start: u32) -> Option<u32> {
        let start = |index: usize| number(self.parameters, index * PARAMETER);
        let (mut low, mut high) = (0, self.parameters.len() / PARAMETER);
        while low < high {
            let middle = low + (high - low) / 2;
            if start(middle)? < function_start {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (start(low)? == function_start).then(|| number(self.parameters, low * PARAMETER + 4))?
    }

    /// The bytes of parameters that `STACK WIN` tells: after address and size, the third number.
    fn told(&self, address: u32) -> Option<u32> {
        let [frame_data, fpo, _] = self.tables();
        let record = frame_data.find(address).or_else(|| fpo.find(address))?;
        let size = self.text(record.body)?.split_ascii_whitespace().nth(2)?;
        u32::from_str_radix(size, 16).ok()
    }

    /// Writes the lines of a record; of CFI only those up to an address, if one is given.
    fn write(&self, out: &mut String, kind: Kind, record: Record, until: Option<u32>) -> Option<()> {
        let Record { start, size, body } = record;
        let win = match kind {
            Kind::FrameData => Some('4'),
            Kind::Fpo => Some('0'),
            Kind::Cfi => None,
        };
        if let Some(win) = win {
            let text = self.text(body)?;
            return writeln!(out, "STACK WIN {win} {start:x} {size:x} {text}").ok();
        }
        let mut rest = self.bodies.get(usize::try_from(body).ok()?..)?;
        let rules = self.text(leb128(&mut rest)?)?;
        writeln!(out, "STACK CFI INIT {start:x} {size:x} {rules}").ok()?;
        for _ in 0..leb128(&mut rest)?.min(LINES) {
            let address = start.checked_add(leb128(&mut rest)?)?;
            let rules = self.text(leb128(&mut rest)?)?;
            if until.is_some_and(|until| address > until) {
                break;
            }
            writeln!(out, "STACK CFI {address:x} {rules}").ok()?;
        }
        Some(())
    }
}

/// Takes a number from the front.
fn leb128(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(value).ok();
        }
    }
    None
}
