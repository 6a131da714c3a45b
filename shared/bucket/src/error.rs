//! What can go wrong with a bucket.

use crate::Key;

/// A failed operation on the bucket.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The URL of the bucket is not usable.
    #[error("{0}")]
    BadLocation(String),
    /// There is no such object.
    #[error("there is no object {0}")]
    NotFound(Key),
    /// The object is larger than the caller takes.
    #[error("object {key} has {size} bytes; at most {limit} were expected")]
    TooLarge {
        /// The object.
        key: Key,
        /// Its bytes.
        size: u64,
        /// The most that were expected.
        limit: u64,
    },
    /// The disk is nearly full, and what is left is kept free.
    #[error(
        "the disk has {free} bytes left and {low} are kept free; free some, or lower EPITAPH_MIN_FREE_DISK"
    )]
    NoSpace {
        /// Bytes that are free.
        free: u64,
        /// Bytes that must stay free.
        low: u64,
    },
    /// The store did not do what it was asked.
    #[error("the bucket is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The memory that uploads share is taken, and none of it comes back.
    #[error("too many uploads are under way, and none of them moves on")]
    Busy,
    /// A local file beside the bucket could not be written.
    #[error("a local file could not be written")]
    File(#[source] std::io::Error),
}

impl BucketError {
    pub(crate) fn of(key: &Key, error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound(key.clone()),
            other => Self::Unavailable(Box::new(other)),
        }
    }

    /// Whether it is the engine's fault, so that the same operation may succeed later.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::NoSpace { .. } | Self::Busy | Self::File(_))
    }
}
