//! Reading one crash: the catalog's row, and the document in the bucket that it names.

use std::io::Read as _;

use epitaph_bucket::{BucketError, Key};
use epitaph_catalog::{CrashRow, Feedback};
use epitaph_crash_model::{Crash, ProjectId};

use crate::{Dashboard, fault::Fault};

/// The most bytes of a crash document, packed or unpacked.
const DOCUMENT_LIMIT: u64 = 64 << 20;

/// How much of what players wrote about one crash is shown.
const MOST_FEEDBACK: u32 = 50;

/// A crash as far as it is still known.
pub(crate) struct Found {
    pub(crate) row: CrashRow,
    /// `None` when the bucket no longer has it, and where a rule only counts the crash.
    pub(crate) document: Option<Crash>,
    /// What players wrote about it, oldest first.
    pub(crate) feedback: Vec<Feedback>,
}

/// A crash document that cannot be read.
#[derive(Debug, thiserror::Error)]
enum DocumentError {
    #[error("the crash document has more than {DOCUMENT_LIMIT} bytes")]
    TooLarge,
    #[error("the crash document cannot be unpacked")]
    Packing(#[source] std::io::Error),
    #[error("the crash document is not of a form that this version reads")]
    Form(#[source] serde_json::Error),
    #[error("reading the crash document was broken off")]
    BrokenOff(#[source] tokio::task::JoinError),
}

impl Dashboard {
    /// One crash of a project, by any id that it was given or a client gave it.
    ///
    /// # Errors
    /// [`Fault::NoSuchCrash`] until it is processed and after it has expired.
    pub(crate) async fn find(&self, project: ProjectId, name: &str) -> Result<Found, Fault> {
        let row = self.facts().find(Some(project), name).await?.ok_or(Fault::NoSuchCrash)?;
        let crash = row.fact.crash_id;
        let attempt = row.attempt.as_deref().filter(|_| row.counted_by.is_none());
        let document = match attempt {
            Some(attempt) => self.document(&Key::document(project, crash, attempt)).await?,
            None => None,
        };
        let feedback = self.catalog().feedback(project, row.fact.crash_id, MOST_FEEDBACK).await?;
        Ok(Found { row, document, feedback })
    }

    async fn document(&self, key: &Key) -> Result<Option<Crash>, Fault> {
        let packed = match self.bucket().get(key, DOCUMENT_LIMIT).await {
            Ok(packed) => packed,
            Err(BucketError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Unpacking and parsing a large one takes a while, and others wait for this thread.
        let document = tokio::task::spawn_blocking(move || read(&packed, DOCUMENT_LIMIT)).await;
        document.map_err(DocumentError::BrokenOff).flatten().map(Some).map_err(Fault::broken)
    }
}

fn read(packed: &[u8], limit: u64) -> Result<Crash, DocumentError> {
    let unpacked = zstd::stream::read::Decoder::new(packed).map_err(DocumentError::Packing)?;
    let mut json = Vec::new();
    unpacked.take(limit + 1).read_to_end(&mut json).map_err(DocumentError::Packing)?;
    if json.len() as u64 > limit {
        return Err(DocumentError::TooLarge);
    }
    serde_json::from_slice(&json).map_err(DocumentError::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_unpacks_to_more_than_its_limit_is_given_up_on() {
        let bomb = zstd::encode_all(std::io::repeat(b' ').take(10_000), 3).unwrap();
        assert!(matches!(read(&bomb, 9_999), Err(DocumentError::TooLarge)));
        assert!(matches!(read(&bomb, 10_000), Err(DocumentError::Form(_))));
        assert!(matches!(read(b"not zstd at all", 10_000), Err(DocumentError::Packing(_))));
    }
}
