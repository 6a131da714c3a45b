//! What can go wrong with symbols.

use std::{io, path::PathBuf};

use epitaph_bucket::BucketError;

/// A failed operation on symbols.
#[derive(Debug, thiserror::Error)]
pub enum SymbolError {
    /// The file is of none of the formats that are known.
    #[error(
        "this is no debug file: expected Breakpad .sym, ELF, PDB, PE, Mach-O, WebAssembly, portable PDB, a source \
         bundle, a ProGuard mapping or Unity's line mapping"
    )]
    UnknownFormat,
    /// The file does not keep to its format.
    #[error("this {format} file is damaged or incomplete: {what}")]
    Malformed {
        /// The format that it seems to have.
        format: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// There is more of something than is read.
    #[error("the debug file has more than {limit} {what}; check that it is not damaged, or raise the limit")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The most of it that is read.
        limit: u64,
    },
    /// A compressed section claims to be larger than one that was made honestly.
    #[error(
        "the compressed section {section} claims to hold {claimed} bytes; at most {limit} are unpacked for a file of this size"
    )]
    Bomb {
        /// The section.
        section: String,
        /// What it claims.
        claimed: u64,
        /// What would have been unpacked.
        limit: u64,
    },
    /// A cache that cannot be used: cut off, overwritten, or of another version.
    #[error("the symbol cache {0} is damaged; delete it, and it is fetched or made again")]
    Damaged(String),
    /// A cache that the local directory has no room for.
    #[error(
        "a symbol cache has {size} bytes, and the local directory of caches may hold {limit}; raise its limit"
    )]
    NoRoom {
        /// Bytes of the cache.
        size: u64,
        /// Bytes of the directory.
        limit: u64,
    },
    /// The bucket did not do what it was asked.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// A local file could not be read or written.
    #[error("{} could not be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl SymbolError {
    /// For `map_err`: an error about a local file.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// Whether the debug file itself is to blame, so that trying again gives the same.
    pub fn blames_the_file(&self) -> bool {
        matches!(
            self,
            Self::UnknownFormat | Self::Malformed { .. } | Self::TooMuch { .. } | Self::Bomb { .. }
        )
    }
}
