//! How much of a debug file is read.

use crate::SymbolError;

/// How much of a debug file is converted. What one file holds of each is kept in memory until its cache is written, so
/// these bound the memory: about 40 bytes for a range, and the texts as they are. What the readers of the formats
/// allocate while they look at one unit or section is bounded by the process that conversion runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Functions and symbols.
    pub functions: u64,
    /// Ranges of instructions that have a line, also inside inlined functions.
    pub ranges: u64,
    /// How deep functions are inlined into each other. What lies deeper is told as the function that it is inlined into.
    pub inline_depth: usize,
    /// Records of unwind information.
    pub unwind_records: u64,
    /// Bytes of all names of functions and files, demangled.
    pub name_bytes: u64,
    /// Bytes of all rules of unwind information.
    pub rule_bytes: u64,
    /// Bytes of one section when it is unpacked.
    pub section_bytes: u64,
}

impl Default for Limits {
    /// What the largest programs have, with room: a debug build of a browser has 10 million ranges.
    fn default() -> Self {
        Self {
            functions: 20_000_000,
            ranges: 100_000_000,
            inline_depth: 250,
            unwind_records: 20_000_000,
            name_bytes: 4 << 30,
            rule_bytes: 1 << 30,
            section_bytes: 8 << 30,
        }
    }
}

/// Something that is counted against its limit.
#[derive(Debug)]
pub(crate) struct Count {
    what: &'static str,
    limit: u64,
    count: u64,
}

impl Count {
    pub(crate) fn new(what: &'static str, limit: u64) -> Self {
        Self { what, limit, count: 0 }
    }

    pub(crate) fn add(&mut self, more: usize) -> Result<(), SymbolError> {
        self.count = self.count.saturating_add(more as u64);
        if self.count > self.limit {
            return Err(SymbolError::TooMuch { what: self.what, limit: self.limit });
        }
        Ok(())
    }

    pub(crate) fn get(&self) -> u64 {
        self.count
    }
}
