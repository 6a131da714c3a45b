//! One file of a report, as it comes: in memory while it is small, in the bucket when it is not.

use std::time::Duration;

use bytes::Bytes;
use epitaph_bucket::{Bucket, BucketError, Key, Upload};
use epitaph_crash_model::{Content, Encoding, Payload, Role};
use tokio::time::timeout;

use crate::{
    Cause, Refusal,
    budget::{Budget, Share},
};

/// The time in which the bucket must take a piece of a file. A piece waits for memory beside that, as long as the
/// uploads that hold it move on.
const BUCKET_BUDGET: Duration = Duration::from_secs(4);
/// The time that a client waits while what it sent is taken away again; a sweep takes what is left.
pub(crate) const CLEANING_BUDGET: Duration = Duration::from_secs(1);
/// A byte that travels inside a message is held several times while the message is made: as it came, as base64 in the
/// report, and in the message.
const COPIES: u64 = 4;

/// A file that is being received.
pub struct FileWriter {
    role: Role,
    name: String,
    content_type: Option<String>,
    key: Key,
    bucket: Bucket,
    budget: Budget,
    size: u64,
    /// The most bytes that may stay in memory.
    inline: u64,
    limit: u64,
    stage: Stage,
}

enum Stage {
    Memory { bytes: Vec<u8>, share: Option<Share> },
    Bucket(Box<Upload>),
}

/// Why a file is not being received any more.
#[derive(Debug)]
pub enum FileError {
    /// It is larger than one file may be.
    TooLarge,
    /// The bucket does not take it.
    Refused(Refusal),
}

/// What a file is.
pub struct FileHead {
    /// What it is for.
    pub role: Role,
    /// Its name.
    pub name: String,
    /// The content type that the client gave.
    pub content_type: Option<String>,
}

/// Where a file may go, and how large it may be.
pub(crate) struct Room {
    pub(crate) key: Key,
    pub(crate) bucket: Bucket,
    pub(crate) budget: Budget,
    pub(crate) share: Option<Share>,
    pub(crate) inline: u64,
    pub(crate) limit: u64,
}

impl FileWriter {
    pub(crate) fn new(head: FileHead, room: Room) -> Self {
        Self {
            role: head.role,
            name: head.name,
            content_type: head.content_type,
            key: room.key,
            bucket: room.bucket,
            budget: room.budget,
            size: 0,
            inline: room.inline,
            limit: room.limit,
            stage: Stage::Memory { bytes: Vec::new(), share: room.share },
        }
    }

    /// The name of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Changes what the file is for, once its bytes have told.
    pub fn set_role(&mut self, role: Role) {
        self.role = role;
    }

    /// Whether nothing has come yet.
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// The most bytes that the file may have.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The memory that all requests share.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`FileError::TooLarge`] as soon as the file is over its limit; [`FileError::Refused`] when the bucket fails.
    pub async fn write(&mut self, piece: Bytes) -> Result<(), FileError> {
        self.size += piece.len() as u64;
        if self.size > self.limit {
            return Err(FileError::TooLarge);
        }
        match &mut self.stage {
            Stage::Bucket(upload) => return taken(upload.write(piece).await),
            Stage::Memory { bytes, share } => {
                let fits = self.size <= self.inline
                    && share.as_mut().is_some_and(|share| share.grow_to(self.size * COPIES));
                if fits {
                    bytes.extend_from_slice(&piece);
                    return Ok(());
                }
            }
        }
        let mut upload = self.bucket.upload(&self.key).with_patience(BUCKET_BUDGET);
        if let Stage::Memory { bytes, .. } = &mut self.stage {
            let held = Bytes::from(std::mem::take(bytes));
            if !held.is_empty() {
                taken(upload.write(held).await)?;
            }
        }
        taken(upload.write(piece).await)?;
        self.stage = Stage::Bucket(Box::new(upload));
        Ok(())
    }

    /// The file is whole: its payload, and the memory that it holds until the message is sent.
    pub(crate) async fn finish(self) -> Result<(Payload, Option<Share>), FileError> {
        let (content, share) = match self.stage {
            Stage::Memory { bytes, share } => (Content::Inline(bytes), share),
            Stage::Bucket(upload) => {
                taken(upload.finish().await)?;
                (Content::Stored { key: self.key.to_string(), encoding: Encoding::Identity }, None)
            }
        };
        let payload = Payload {
            role: self.role,
            name: self.name,
            content_type: self.content_type,
            size: self.size,
            content,
        };
        Ok((payload, share))
    }

    /// Gives the file up.
    pub async fn abort(self) {
        if let Stage::Bucket(upload) = self.stage {
            let _ = timeout(CLEANING_BUDGET, upload.abort()).await;
        }
    }
}

/// What the bucket's answer means to the client.
fn taken<T>(answer: Result<T, BucketError>) -> Result<T, FileError> {
    answer.map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, cause, "the bucket did not take a file of a report");
        let refusal = match error {
            BucketError::Busy => Refusal::new(Cause::Busy, "too much is being received: try again later"),
            _ => Refusal::new(Cause::Unavailable, "the report could not be stored: try again later"),
        };
        FileError::Refused(refusal)
    })
}
