//! What a cache of lines holds: a SymCache of version 9, as `symbolic-symcache` writes it and documents it.
//!
//! Read here rather than by that crate, which does not tell where a range begins or ends, nor a path as it was written.
//! Nothing in it is trusted: an index that leads nowhere leads to nothing.

use std::borrow::Cow;

use symbolic_common::{clean_path, join_path};

const MAGIC: &[u8; 4] = b"SYMC";
const VERSION: u32 = 9;
/// Bytes of magic, version and header.
const HEADER: usize = 80;
const FILE: usize = 24;
const FUNCTION: usize = 16;
const LOCATION: usize = 16;
const RANGE: usize = 4;
/// What stands where an index, an address or an offset is not known.
const NONE: u32 = u32::MAX;

/// The sections of a cache.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    files: &'a [u8],
    functions: &'a [u8],
    /// First those of calls, then one for each range.
    locations: &'a [u8],
    ranges: &'a [u8],
    strings: &'a [u8],
}

/// A place in the source, and in which place it was inlined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: u32,
    pub(crate) line: u32,
    pub(crate) function: u32,
    inlined_into: u32,
}

impl<'a> Table<'a> {
    /// Finds the sections; `None` if this is no such cache.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.get(..HEADER)?;
        if !header.starts_with(MAGIC) || number(header, 4)? != VERSION {
            return None;
        }
        let count = |at| usize::try_from(number(header, at)?).ok();
        let mut rest = Sections { bytes, at: HEADER };
        let table = Self {
            files: rest.next(count(44)?.checked_mul(FILE)?)?,
            functions: rest.next(count(48)?.checked_mul(FUNCTION)?)?,
            locations: rest.next(count(52)?.checked_mul(LOCATION)?)?,
            ranges: rest.next(count(56)?.checked_mul(RANGE)?)?,
            strings: rest.next(count(60)?)?,
        };
        (table.count() <= table.locations.len() / LOCATION).then_some(table)
    }

    /// How many ranges there are.
    pub(crate) fn count(&self) -> usize {
        self.ranges.len() / RANGE
    }

    /// Where a range begins; it ends where the next one begins.
    pub(crate) fn start(&self, range: usize) -> Option<u32> {
        number(self.ranges, range.checked_mul(RANGE)?)
    }

    /// The range that an address lies in.
    pub(crate) fn find(&self, address: u64) -> Option<usize> {
        let address = u32::try_from(address).ok()?;
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.start(middle)? <= address {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1)
    }

    /// The places of a range: the innermost first, each followed by the one that it was inlined into. Nothing where the
    /// range is a gap. It may go on for ever.
    pub(crate) fn places(&self, range: usize) -> impl Iterator<Item = Place> {
        let calls = self.locations.len() / LOCATION - self.count();
        let first = self.place(calls + range).filter(|place| *place != Place::GAP);
        std::iter::successors(first, |place| {
            let next = (place.inlined_into != NONE).then_some(place.inlined_into)?;
            self.place(usize::try_from(next).ok()?)
        })
    }

    fn place(&self, index: usize) -> Option<Place> {
        let at = index.checked_mul(LOCATION)?;
        let field = |field| number(self.locations, at.checked_add(field)?);
        Some(Place { file: field(0)?, line: field(4)?, function: field(8)?, inlined_into: field(12)? })
    }

    /// The name of a function.
    pub(crate) fn function_name(&self, function: u32) -> Option<&'a str> {
        self.string(number(self.functions, index(function, FUNCTION)?)?)
    }

    /// Where a function begins; `None` for one that has no place of its own.
    pub(crate) fn function_start(&self, function: u32) -> Option<u32> {
        number(self.functions, index(function, FUNCTION)?.checked_add(8)?).filter(|start| *start != NONE)
    }

    /// How many files there are.
    pub(crate) fn file_count(&self) -> u32 {
        u32::try_from(self.files.len() / FILE).unwrap_or(u32::MAX)
    }

    /// The path of a file.
    pub(crate) fn path(&self, file: u32) -> Option<Cow<'a, str>> {
        let at = index(file, FILE)?;
        let string = |field| self.string(number(self.files, at.checked_add(field)?)?);
        let folder = string(0).unwrap_or_default();
        let directory = string(4).unwrap_or_default();
        let name = string(8).filter(|name| !name.is_empty())?;
        if folder.is_empty() && directory.is_empty() {
            // Kept as it was.
            return Some(Cow::Borrowed(name));
        }
        let path = join_path(&join_path(folder, directory), name);
        Some(Cow::Owned(clean_path(&path).into_owned()))
    }

    /// A string: its length as LEB128, and its bytes.
    fn string(&self, offset: u32) -> Option<&'a str> {
        let mut bytes = self.strings.get(usize::try_from(offset).ok()?..)?;
        let mut length = 0_usize;
        for shift in (0..35).step_by(7) {
            let (byte, rest) = bytes.split_first()?;
            bytes = rest;
            length |= usize::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return std::str::from_utf8(bytes.get(..length)?).ok();
            }
        }
        None
    }
}

impl Place {
    /// Stands where a range is of no function.
    const GAP: Place = Place { file: NONE, line: NONE, function: NONE, inlined_into: NONE };
}

/// Sections one after the other, each at a multiple of 8.
struct Sections<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Sections<'a> {
    fn next(&mut self, length: usize) -> Option<&'a [u8]> {
        let start = self.at.checked_next_multiple_of(8)?;
        let end = start.checked_add(length)?;
        self.at = end;
        self.bytes.get(start..end)
    }
}

fn index(number: u32, size: usize) -> Option<usize> {
    usize::try_from(number).ok()?.checked_mul(size)
}

/// The number at an offset.
pub(crate) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..at.checked_add(4)?)?.first_chunk()?))
}
