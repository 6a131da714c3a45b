//! The bucket: everything of Epitaph that is a file.
//!
//! One seam over `object_store`, with the few operations that the functions need. When an operation that writes
//! returns, what it wrote is durable: on a local disk file and directory are synced, and a remote store has answered.
//!
//! Nothing is ever overwritten by something else: keys contain the id of what they hold (see [`Key`]), and the attempt
//! where there may be several. So a write may be repeated after an answer was lost, which a conditional write, refused
//! by what it wrote itself, may not. Only `config/rules.json` is written anew, by `maintain` under its lease.

mod error;
mod key;
#[cfg(feature = "embedded")]
mod local;
mod memory;
mod open;
#[cfg(feature = "remote")]
mod remote;
mod upload;

use std::{ops::Range, path::Path, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use epitaph_crash_model::Timestamp;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use tokio::{io::AsyncWriteExt, sync::OnceCell};

pub use crate::{
    error::BucketError,
    key::{Key, ParseKeyError},
    open::{Environment, OpenOptions},
    upload::Upload,
};
use crate::{
    memory::Memory,
    open::{Connection, Location},
};

/// A bucket. Cheap to clone; all clones share one client.
#[derive(Clone)]
pub struct Bucket {
    shared: Arc<Shared>,
}

struct Shared {
    location: Location,
    connection: OnceCell<Connection>,
    memory: Arc<Memory>,
    /// Bytes that must stay free on a local disk.
    min_free: u64,
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: Key,
    /// Its bytes, as stored.
    pub size: u64,
    /// When it was written.
    pub modified: Timestamp,
}

impl Bucket {
    /// A bucket at a URL: `file:///absolute/path`, `s3://name/prefix`, `gs://...`, `az://...` (credentials and region
    /// from the variables that these stores define). No I/O happens before the first operation.
    ///
    /// On a local disk, writes are refused while fewer than `min_free` bytes are free.
    ///
    /// # Errors
    /// [`BucketError::BadLocation`] when the URL is none of these, or its engine was not built in.
    pub fn open(location: &str, min_free: u64) -> Result<Self, BucketError> {
        Self::open_with(location, OpenOptions { min_free, ..OpenOptions::default() })
    }

    /// As [`Bucket::open`], with all that can be chosen.
    ///
    /// # Errors
    /// As [`Bucket::open`].
    pub fn open_with(location: &str, options: OpenOptions) -> Result<Self, BucketError> {
        let shape = Location::shape(location, options.parts);
        let location = Location::parse(location, options.environment)?;
        Ok(Self::at(location, Memory::new(shape), options.min_free))
    }

    /// A bucket that forgets everything when it is dropped, for tests of what stands above it.
    pub fn in_memory() -> Self {
        Self::at(Location::Memory, Memory::new(Location::shape("memory:", 0)), 0)
    }

    fn at(location: Location, memory: Memory, min_free: u64) -> Self {
        let memory = Arc::new(memory);
        Self { shared: Arc::new(Shared { location, connection: OnceCell::new(), memory, min_free }) }
    }

    async fn connection(&self) -> Result<&Connection, BucketError> {
        self.shared.connection.get_or_try_init(|| self.shared.location.connect()).await
    }

    async fn store(&self) -> Result<&Arc<dyn ObjectStore>, BucketError> {
        Ok(&self.connection().await?.store)
    }

    fn check_free_space(&self) -> Result<(), BucketError> {
        self.shared.location.check_free_space(self.shared.min_free)
    }

    /// Writes an object whole. Durable when it returns.
    ///
    /// # Errors
    /// [`BucketError::NoSpace`], or [`BucketError::Unavailable`] when the store did not take it.
    pub async fn put(&self, key: &Key, bytes: Bytes) -> Result<(), BucketError> {
        self.put_payload(key, PutPayload::from_bytes(bytes)).await
    }

    async fn put_payload(&self, key: &Key, payload: PutPayload) -> Result<(), BucketError> {
        let store = self.store().await?;
        self.check_free_space()?;
        store.put(key.path(), payload).await.map_err(|error| BucketError::of(key, error))?;
        Ok(())
    }

    /// Begins to write an object piece by piece, never whole in memory.
    pub fn upload(&self, key: &Key) -> Upload {
        Upload::new(self.clone(), key.clone())
    }

    /// Reads an object whole.
    ///
    /// # Errors
    /// [`BucketError::TooLarge`] when it has more than `limit` bytes, [`BucketError::NotFound`],
    /// [`BucketError::Unavailable`].
    pub async fn get(&self, key: &Key, limit: u64) -> Result<Bytes, BucketError> {
        let (size, mut pieces) = self.stream(key).await?;
        if size > limit {
            return Err(BucketError::TooLarge { key: key.clone(), size, limit });
        }
        let mut whole = BytesMut::with_capacity(usize::try_from(size).unwrap_or_default());
        while let Some(piece) = pieces.try_next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// Reads an object piece by piece; also tells its size in bytes.
    ///
    /// # Errors
    /// [`BucketError::NotFound`], [`BucketError::Unavailable`].
    pub async fn stream(
        &self,
        key: &Key,
    ) -> Result<(u64, BoxStream<'static, Result<Bytes, BucketError>>), BucketError> {
        let found = match self.store().await?.get(key.path()).await {
            Err(object_store::Error::NotFound { .. }) => {
                self.shared.location.check_presence()?;
                return Err(BucketError::NotFound(key.clone()));
            }
            found => found.map_err(|error| BucketError::of(key, error))?,
        };
        let size = found.meta.size;
        let key = key.clone();
        Ok((size, found.into_stream().map_err(move |error| BucketError::of(&key, error)).boxed()))
    }

    /// Reads some ranges of an object, each within its size. Ranges that lie close to each other are read together, and
    /// all at the same time.
    ///
    /// # Errors
    /// [`BucketError::NotFound`], [`BucketError::Unavailable`].
    pub async fn get_ranges(&self, key: &Key, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, BucketError> {
        let found = self.store().await?.get_ranges(key.path(), ranges).await;
        if matches!(found, Err(object_store::Error::NotFound { .. })) {
            self.shared.location.check_presence()?;
        }
        found.map_err(|error| BucketError::of(key, error))
    }

    /// Copies an object into a file, which is created or emptied. Gives the number of bytes.
    ///
    /// # Errors
    /// As [`Bucket::stream`], and [`BucketError::File`] when the file cannot be written.
    pub async fn download(&self, key: &Key, file: &Path) -> Result<u64, BucketError> {
        let (size, mut pieces) = self.stream(key).await?;
        let mut file = tokio::fs::File::create(file).await.map_err(BucketError::File)?;
        while let Some(piece) = pieces.try_next().await? {
            file.write_all(&piece).await.map_err(BucketError::File)?;
        }
        file.flush().await.map_err(BucketError::File)?;
        Ok(size)
    }

    /// A URL from which anybody can download an object until `lifetime` is over, as a file of this name; `None` where
    /// the store has no such thing. Whether the object is there is not looked at.
    ///
    /// # Errors
    /// [`BucketError::Unavailable`] when the store's credentials cannot be had.
    pub async fn presigned(
        &self,
        key: &Key,
        lifetime: Duration,
        file_name: &str,
    ) -> Result<Option<String>, BucketError> {
        match &self.connection().await?.signer {
            Some(signer) => {
                let signed = signer.sign(key.path(), lifetime, file_name).await;
                signed.map(Some).map_err(|error| BucketError::of(key, error))
            }
            None => Ok(None),
        }
    }

    /// A URL to which anybody can `PUT` an object until `lifetime` is over; `None` where the store has no such thing. How
    /// large the object is, and what is in it, is for whoever reads it to check.
    ///
    /// # Errors
    /// [`BucketError::Unavailable`] when the store's credentials cannot be had.
    pub async fn presigned_put(&self, key: &Key, lifetime: Duration) -> Result<Option<String>, BucketError> {
        let Some(signer) = &self.connection().await?.signer else { return Ok(None) };
        signer.sign_put(key.path(), lifetime).await.map_err(|error| BucketError::of(key, error))
    }

    /// Deletes an object. Fine if it is not there.
    ///
    /// # Errors
    /// [`BucketError::Unavailable`].
    pub async fn delete(&self, key: &Key) -> Result<(), BucketError> {
        match self.store().await?.delete(key.path()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(BucketError::of(key, error)),
        }
    }

    /// Whether an object is there.
    ///
    /// # Errors
    /// [`BucketError::Unavailable`].
    pub async fn exists(&self, key: &Key) -> Result<bool, BucketError> {
        match self.store().await?.head(key.path()).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(BucketError::of(key, error)),
        }
    }

    /// All objects under a key, in no certain order.
    pub fn list(&self, prefix: &Key) -> BoxStream<'static, Result<Listed, BucketError>> {
        let bucket = self.clone();
        let prefix = prefix.clone();
        futures_util::stream::once(async move {
            let store = Arc::clone(bucket.store().await?);
            let objects = store.list(Some(prefix.path()));
            Ok(objects.map(move |found| {
                let meta = found.map_err(|error| BucketError::of(&prefix, error))?;
                Ok(Listed {
                    key: Key::from_path(meta.location),
                    size: meta.size,
                    modified: Timestamp::from_millis(meta.last_modified.timestamp_millis()),
                })
            }))
        })
        .try_flatten()
        .boxed()
    }

    /// The names directly under a key that have objects under them, sorted: `payloads` gives the projects.
    ///
    /// # Errors
    /// [`BucketError::Unavailable`].
    pub async fn list_names(&self, prefix: &Key) -> Result<Vec<String>, BucketError> {
        let listed = self.store().await?.list_with_delimiter(Some(prefix.path())).await;
        let listed = listed.map_err(|error| BucketError::of(prefix, error))?;
        let mut names: Vec<String> =
            listed.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The bytes that are free on a local disk, and those that are kept free; `None` where there is no such limit.
    ///
    /// # Errors
    /// [`BucketError::File`] when the disk cannot be asked.
    pub fn free_space(&self) -> Result<Option<(u64, u64)>, BucketError> {
        let free = self.shared.location.free_space()?;
        Ok(free.map(|free| (free, self.shared.min_free)))
    }

    /// Removes what writers that died left behind, if it is older than `age_seconds`: on a local disk, staged files and
    /// empty directories. Remote stores do not list unfinished uploads to us: a lifecycle rule of the bucket ends them. Gives the number of things removed.
    ///
    /// # Errors
    /// [`BucketError::File`] when the directory cannot be read.
    pub async fn sweep_unfinished(&self, age_seconds: u64) -> Result<u64, BucketError> {
        self.shared.location.sweep_unfinished(age_seconds).await
    }
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Bucket({})", self.shared.location)
    }
}
