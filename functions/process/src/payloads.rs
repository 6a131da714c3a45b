//! The files of a report: into the bucket if they travelled in the message, out of it for the parser.

use std::{
    fs::File,
    io::{self, Read as _, Seek, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use epitaph_bucket::{Bucket, BucketError, Key};
use epitaph_crash_model::{Content, Encoding, Payload, Report, StoredPayload};
use epitaph_scrub::ScrubRules;
use futures_util::TryStreamExt;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt;

use crate::{parsed::Unreadable, sources, texts};

/// How fast things are packed rather than how small: they are read a few times at most.
pub(crate) const ZSTD_LEVEL: i32 = 3;

/// A dump that the parser cannot be given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// It is lost, too large, or damaged.
    #[error("the payload cannot be read")]
    Unreadable(Unreadable),
    /// The bucket is down.
    #[error("the payload cannot be fetched now")]
    Bucket(#[from] BucketError),
    /// The scratch directory failed.
    #[error("the scratch file of a dump could not be written; check the temporary directory's free space")]
    Scratch(#[from] io::Error),
}

/// Where the files of a report are kept now.
pub(crate) struct Kept {
    pub(crate) stored: Vec<StoredPayload>,
    /// Objects that hold what was private, and that none of `stored` names.
    pub(crate) replaced: Vec<Key>,
}

/// Keeps the files of a report: writes those that travelled in the message, and those texts that hold something
/// private, to the bucket, each under a key of this attempt, and tells where every payload of the report is kept then.
pub(crate) async fn keep(
    bucket: &Bucket,
    report: &Report,
    attempt: &str,
    rules: ScrubRules,
    scratch: &Path,
    largest_event: u64,
) -> Result<Kept, FetchError> {
    let mut kept = Kept { stored: Vec::with_capacity(report.payloads.len()), replaced: Vec::new() };
    for (index, payload) in report.payloads.iter().enumerate() {
        let own = Key::inline_payload(report.project, report.id, attempt, index);
        let largest = sources::largest(payload.role, largest_event).unwrap_or_default();
        let scrubbed = texts::rewrite(bucket, payload, &own, rules, scratch, largest).await?;
        let (key, encoding) = match (&payload.content, scrubbed) {
            (Content::Stored { key, .. }, Some(_)) => {
                kept.replaced.extend(key.parse::<Key>().ok());
                (own.to_string(), Encoding::Zstd)
            }
            (Content::Stored { key, encoding }, None) => (key.clone(), *encoding),
            (Content::Inline(_), Some(_)) => (own.to_string(), Encoding::Zstd),
            (Content::Inline(bytes), None) => {
                bucket.put(&own, pack(bytes.clone()).await?).await?;
                (own.to_string(), Encoding::Zstd)
            }
        };
        kept.stored.push(StoredPayload {
            role: payload.role,
            name: payload.name.clone(),
            content_type: payload.content_type.clone(),
            size: scrubbed.unwrap_or(payload.size),
            key,
            encoding,
        });
    }
    Ok(kept)
}

/// Packs bytes with zstd, off the runtime's threads. At once, as the packer then takes only the memory that so many
/// bytes need, rather than megabytes.
pub(crate) async fn pack(bytes: Vec<u8>) -> io::Result<Bytes> {
    off_runtime(move || zstd::bulk::compress(&bytes, ZSTD_LEVEL).map(Bytes::from)).await
}

/// A small payload's bytes, unpacked, at most `limit`.
pub(crate) async fn whole(bucket: &Bucket, payload: &Payload, limit: u64) -> Result<Bytes, FetchError> {
    let (packed, encoding) = match &payload.content {
        Content::Inline(bytes) if bytes.len() as u64 > limit => {
            return Err(FetchError::Unreadable(source_too_large(limit)));
        }
        Content::Inline(bytes) => return Ok(Bytes::copy_from_slice(bytes)),
        Content::Stored { key, encoding } => {
            let Ok(key) = key.parse::<Key>() else { return Err(FetchError::Unreadable(source_lost())) };
            match bucket.get(&key, limit).await {
                Ok(bytes) => (bytes, encoding),
                Err(BucketError::NotFound(_)) => return Err(FetchError::Unreadable(source_lost())),
                Err(BucketError::TooLarge { .. }) => {
                    return Err(FetchError::Unreadable(source_too_large(limit)));
                }
                Err(error) => return Err(error.into()),
            }
        }
    };
    match encoding {
        Encoding::Identity => Ok(packed),
        Encoding::Zstd => {
            let unpacked = off_runtime(move || Ok(unpack_whole(&packed, limit))).await?;
            unpacked.map_err(FetchError::Unreadable)
        }
    }
}

fn unpack_whole(packed: &[u8], limit: u64) -> Result<Bytes, Unreadable> {
    let damaged = |error: io::Error| {
        Unreadable::new("payload damaged", format!("what was stored cannot be unpacked: {error}"))
    };
    let mut unpacked = Vec::new();
    let decoder = zstd::Decoder::new(packed).map_err(damaged)?;
    io::Read::take(decoder, limit + 1).read_to_end(&mut unpacked).map_err(damaged)?;
    if unpacked.len() as u64 > limit {
        return Err(source_too_large(limit));
    }
    Ok(Bytes::from(unpacked))
}

fn source_lost() -> Unreadable {
    Unreadable::new(
        "payload lost",
        "the file is no longer in the bucket, where it was stored when it came in",
    )
}

fn source_too_large(limit: u64) -> Unreadable {
    Unreadable::new("payload too large", format!("the file is larger than is read ({} MiB)", limit >> 20))
}

/// A file without a name that holds the payload's bytes, at most `limit`. It is gone when it is closed.
pub(crate) async fn fetch(
    bucket: &Bucket,
    payload: &Payload,
    limit: u64,
    scratch: &Path,
) -> Result<Arc<File>, FetchError> {
    let directory = scratch.to_path_buf();
    match &payload.content {
        Content::Inline(bytes) => {
            let bytes = bytes.clone();
            let write = move || {
                let mut file = tempfile::tempfile_in(directory)?;
                file.write_all(&bytes)?;
                Ok(Arc::new(file))
            };
            Ok(off_runtime(write).await?)
        }
        Content::Stored { key, encoding } => {
            let packed = download(bucket, key, limit, directory.clone()).await?;
            match encoding {
                Encoding::Identity => Ok(Arc::new(packed)),
                Encoding::Zstd => {
                    let unpacked = off_runtime(move || unpack(packed, limit, &directory)).await?;
                    unpacked.map(Arc::new).map_err(FetchError::Unreadable)
                }
            }
        }
    }
}

async fn download(bucket: &Bucket, key: &str, limit: u64, scratch: PathBuf) -> Result<File, FetchError> {
    // Keys were checked when the message was taken.
    let Ok(key) = key.parse::<Key>() else { return Err(FetchError::Unreadable(lost())) };
    let (size, mut pieces) = match bucket.stream(&key).await {
        Ok(found) => found,
        // It was written before its message was: what is not there now will never be.
        Err(BucketError::NotFound(_)) => return Err(FetchError::Unreadable(lost())),
        Err(error) => return Err(error.into()),
    };
    if size > limit {
        return Err(FetchError::Unreadable(too_large(limit)));
    }
    let mut file = tokio::fs::File::from_std(off_runtime(move || tempfile::tempfile_in(scratch)).await?);
    while let Some(piece) = pieces.try_next().await? {
        file.write_all(&piece).await?;
    }
    file.flush().await?;
    Ok(file.into_std().await)
}

/// Unpacks a file into another; the inner error is about what it holds.
fn unpack(mut packed: File, limit: u64, scratch: &Path) -> io::Result<Result<File, Unreadable>> {
    packed.rewind()?;
    let mut unpacked = tempfile::tempfile_in(scratch)?;
    let mut reader = io::Read::take(zstd::Decoder::new(packed)?, limit + 1);
    let mut piece = vec![0; 128 << 10];
    let mut total = 0;
    loop {
        let length = match io::Read::read(&mut reader, &mut piece) {
            Ok(0) => return Ok(Ok(unpacked)),
            Ok(length) => length,
            Err(error) => {
                let message = format!("the stored minidump cannot be unpacked: {error}");
                return Ok(Err(Unreadable::new("payload damaged", message)));
            }
        };
        total += length as u64;
        if total > limit {
            return Ok(Err(too_large(limit)));
        }
        unpacked.write_all(&piece[..length])?;
    }
}

/// The objects that a collector wrote for a report.
pub(crate) fn stored_keys(report: &Report) -> Vec<Key> {
    let key = |payload: &Payload| match &payload.content {
        Content::Stored { key, .. } => key.parse().ok(),
        Content::Inline(_) => None,
    };
    report.payloads.iter().filter_map(key).collect()
}

/// SHA-256 of a whole file, in hexadecimal. Where the file is read afterwards is open.
pub(crate) async fn digest(file: Arc<File>) -> Result<String, FetchError> {
    let hash = move || {
        let mut file: &File = &file;
        file.rewind()?;
        let mut hash = Sha256::new();
        let mut piece = vec![0; 128 << 10];
        loop {
            match file.read(&mut piece)? {
                0 => break,
                length => hash.update(&piece[..length]),
            }
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    };
    Ok(off_runtime(hash).await?)
}

fn lost() -> Unreadable {
    Unreadable::new(
        "payload lost",
        "the minidump is no longer in the bucket, where it was stored when it came in",
    )
}

fn too_large(limit: u64) -> Unreadable {
    let message = format!("the minidump is larger than the parser takes ({} MiB)", limit >> 20);
    Unreadable::new("minidump too large", message)
}

/// Runs what computes or blocks on a thread for that.
pub(crate) async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
