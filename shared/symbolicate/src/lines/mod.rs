//! Functions, files and lines, by address.

pub(crate) mod build;
pub(crate) mod names;
pub(crate) mod table;

use std::{borrow::Cow, path::Path};

use symbolic_common::ByteView;

use self::table::Table;
use crate::{
    Subject, SymbolError,
    cache::{Cache, CacheKind},
};

/// The most frames of one look-up: however a cache came about, it cannot tell more.
pub(crate) const FRAMES: usize = 256;

/// A cache of functions, files and lines. It is mapped, and a look-up reads a few pages of it. Cheap to clone.
#[derive(Clone)]
pub struct Lines {
    cache: Cache,
}

/// Where an instruction lies in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location<'a> {
    /// The function, demangled.
    pub function: &'a str,
    /// Where the function begins, counted from the module's base. That of an inlined function is the function's that it
    /// was inlined into.
    pub function_start: u64,
    /// Where the instructions of this line begin, counted from the module's base.
    pub line_start: u64,
    /// The path of the file, as the debug file has it.
    pub file: Option<Cow<'a, str>>,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// Whether the compiler inlined it into the next location.
    pub inline: bool,
}

impl Lines {
    /// Opens a cache.
    ///
    /// # Errors
    /// [`SymbolError::File`], [`SymbolError::Damaged`].
    pub fn open(path: &Path) -> Result<Self, SymbolError> {
        Self::of(Cache::open(path, CacheKind::Lines)?)
            .ok_or_else(|| SymbolError::Damaged(path.display().to_string()))
    }

    /// A cache from its bytes, whatever they are; `None` if they are none.
    #[doc(hidden)]
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        Self::of(Cache::of(ByteView::from_vec(bytes), CacheKind::Lines)?)
    }

    fn of(cache: Cache) -> Option<Self> {
        let lines = Self { cache };
        lines.table().is_some().then_some(lines)
    }

    /// What the cache is about.
    pub fn subject(&self) -> &Subject {
        &self.cache.subject
    }

    /// Where an instruction lies, counted from the module's base: the innermost inlined function first, and last the
    /// function that has a place of its own. Empty if nothing is known.
    pub fn lookup(&self, offset: u64) -> Vec<Location<'_>> {
        let Some(table) = self.table() else { return Vec::new() };
        let Some(range) = table.find(offset) else { return Vec::new() };
        let places: Vec<_> = table.places(range).take(FRAMES).collect();
        let line_start = u64::from(table.start(range).unwrap_or_default());
        let outermost = places.last().and_then(|place| table.function_start(place.function));
        let function_start = outermost.map_or(line_start, u64::from);
        let inlined = places.len().saturating_sub(1);
        let locations = places.iter().enumerate().map(|(index, place)| Location {
            function: table.function_name(place.function).unwrap_or_default(),
            function_start,
            line_start,
            file: table.path(place.file),
            line: Some(place.line).filter(|line| *line > 0),
            inline: index < inlined,
        });
        locations.collect()
    }

    pub(crate) fn table(&self) -> Option<Table<'_>> {
        Table::parse(self.cache.payload())
    }
}
