//! What can go wrong with segments and with questions.

use std::io;

use epitaph_bucket::BucketError;
use epitaph_catalog::CatalogError;

use crate::QuestionError;

/// A segment that could not be written or read, or a question that could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The question cannot be answered as it is put.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// The bucket did not do what it was asked.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The catalog did not do what it was asked.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A segment is not as this code wrote it.
    #[error("segment {segment} cannot be read: {why}")]
    Segment {
        /// Its name.
        segment: String,
        /// What is wrong with it.
        why: String,
    },
    /// A fact came before one that belongs behind it: a segment is sorted by the time of receipt, then by crash id.
    #[error("facts must come in the order of their receipt, then of their crash ids, and of one project")]
    OutOfOrder,
    /// The directory for partial answers cannot be used.
    #[error("the directory for statistics cannot be read or written")]
    Scratch(#[source] io::Error),
    /// What was kept of earlier answers is damaged. It is thrown away, and made anew.
    #[error("a partial answer that was kept is damaged")]
    Damaged,
    /// A segment cannot be written in Parquet.
    #[error("a segment could not be written")]
    Write(#[source] parquet::errors::ParquetError),
    /// The work was stopped before it was done.
    #[error("the work on a question was stopped")]
    Stopped,
}

impl FactsError {
    /// Whether the same may succeed later, as it is the fault of an engine or of this machine.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Bucket(error) => error.is_unavailable(),
            Self::Catalog(error) => error.is_unavailable(),
            Self::Scratch(_) | Self::Damaged | Self::Stopped => true,
            Self::Question(_) | Self::Segment { .. } | Self::OutOfOrder | Self::Write(_) => false,
        }
    }

    pub(crate) fn of_segment(segment: &str, why: impl std::fmt::Display) -> Self {
        Self::Segment { segment: segment.to_owned(), why: why.to_string() }
    }
}
