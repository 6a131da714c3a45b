//! Symbols: from an address in a module to the function, the file and the line.
//!
//! A debug file (an ELF with DWARF, a PDB, a Breakpad `.sym` and others) is large and slow to read, and anybody may have
//! made it. So it is read once, by [`convert`], in a process that may be lost; what comes of it are caches, which are
//! mapped and asked, never loaded:
//!
//! - [`Lines`]: functions, what was inlined into them, files and lines;
//! - [`Unwind`]: how to find the caller's registers, by address;
//! - [`Managed`]: the C# lines behind the C++ that IL2CPP made of them.
//!
//! The [`Store`] keeps files and caches in the bucket, by project and debug id, with a bounded directory of this machine
//! in front. [`Symbols`] are the caches of one module; a [`Provider`] has those of many, symbolicates frames, and is what
//! the unwinder of minidumps asks.
//!
//! Several files may have one debug id: a stripped library can be unwound, its debug file has the lines. Each cache is
//! taken from the file that makes the best of it ([`Quality`]), whichever came first.

mod cache;
mod convert;
mod error;
mod frames;
mod identify;
mod limits;
mod lines;
mod managed;
mod provider;
mod quality;
mod store;
mod sym;
mod unwind;

pub use symbolic_common::DebugId;

pub use crate::{
    cache::{CacheKind, Subject},
    convert::{Converted, MadeCache, convert, convert_open},
    error::SymbolError,
    frames::{debug_ids, symbolicate_frames},
    identify::{DebugFile, FileNote, Format, identify},
    limits::Limits,
    lines::{Lines, Location},
    managed::Managed,
    provider::{Provider, Symbols},
    quality::{Quality, Worth},
    store::{Description, DiskCache, Freshness, Gathered, Store, StoredFile, SymFile, Work},
    sym::write_sym,
    unwind::Unwind,
};
