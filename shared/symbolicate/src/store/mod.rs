//! Debug files and caches in the bucket, with a directory of this machine in front.
//!
//! Nothing is overwritten, and nothing is read to be changed: the name of each cache says how good it is, and whoever
//! looks for one takes the best there is. So any number may publish at once, in any order, and die anywhere.

mod disk;
mod known;
mod transfer;

use std::{
    collections::{BTreeSet, hash_map::RandomState},
    fs,
    hash::BuildHasher,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use epitaph_bucket::{Bucket, BucketError, Key};
use epitaph_crash_model::{ProjectId, Timestamp};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use symbolic_common::DebugId;
use tokio::sync::Mutex;

pub use self::disk::{DiskCache, Work};
use self::known::{Known, Memory, Named};
use crate::{CacheKind, Converted, DebugFile, Format, MadeCache, Provider, SymbolError, Symbols};

/// The kind of keys that descriptions have.
const FILES: &str = "files";
/// The longest description.
const DESCRIPTION: u64 = 1 << 20;
/// Modules that are fetched at once.
const AT_ONCE: usize = 16;
/// How often a cache is fetched again that was deleted before it could be used.
const TRIES: usize = 3;
/// Locks that those share who fetch the same cache.
const LOCKS: usize = 16;

/// Symbols by project and debug id. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    bucket: Bucket,
    disk: DiskCache,
    shared: Arc<Shared>,
}

struct Shared {
    memory: Memory,
    /// One fetches, and the others who want the same wait for it.
    fetching: [Mutex<()>; LOCKS],
    hasher: RandomState,
}

/// How new the answer must be whether there is something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As of the last minute: what was looked for and not found is not looked for again so soon.
    Remembered,
    /// As of now.
    Now,
}

/// A debug file in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Where it is.
    pub key: Key,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// Its bytes.
    pub size: u64,
}

/// What is known of one debug file, kept beside its caches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// 1.
    pub version: u32,
    /// What it is.
    pub file: DebugFile,
    /// The name that it was uploaded by.
    pub uploaded_as: String,
    /// When it was published.
    pub published_at: Timestamp,
    /// Where the file itself is.
    pub key: String,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// Its bytes, of all processors together.
    pub size: u64,
    /// The caches that were made of it, and how good they are.
    pub caches: Vec<(CacheKind, crate::Quality)>,
    /// What of it could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// Caches of several modules in a folder, for a process that cannot ask for them: [`Provider::open`] opens them. They
/// stay there, whatever is deleted meanwhile, until this is dropped.
#[derive(Debug)]
pub struct Gathered {
    work: Work,
    /// The modules of which there is something.
    pub found: BTreeSet<DebugId>,
}

impl Gathered {
    /// The folder.
    pub fn folder(&self) -> &Path {
        self.work.path()
    }
}

/// A Breakpad file of a module.
pub enum SymFile {
    /// It was uploaded as one.
    Uploaded(Key),
    /// It can be made, with [`write_sym`](crate::write_sym), of what there is.
    Of(Symbols),
}

impl Store {
    /// Symbols in a bucket, with a directory in front of it.
    pub fn new(bucket: Bucket, disk: DiskCache) -> Self {
        let shared = Shared {
            memory: Memory::default(),
            fetching: std::array::from_fn(|_| Mutex::new(())),
            hasher: RandomState::new(),
        };
        Self { bucket, disk, shared: Arc::new(shared) }
    }

    /// Puts a debug file into the bucket, by the SHA-256 of its content.
    ///
    /// # Errors
    /// [`SymbolError::File`], [`SymbolError::Bucket`].
    pub async fn keep_file(&self, project: ProjectId, path: &Path) -> Result<StoredFile, SymbolError> {
        let (sha256, size) = transfer::measure(path).await?;
        let key = Key::symbol_file(project, &sha256);
        transfer::upload(&self.bucket, &key, path, false).await?;
        Ok(StoredFile { key, sha256, size })
    }

    /// Publishes what came of a debug file that is in the bucket: its caches, and when they are all there its description.
    /// May be repeated, and leaves nothing half done.
    ///
    /// # Errors
    /// [`SymbolError::File`] when the caches are not where they were made, [`SymbolError::Bucket`].
    pub async fn publish(
        &self,
        project: ProjectId,
        stored: &StoredFile,
        uploaded_as: &str,
        converted: &Converted,
    ) -> Result<Option<Description>, SymbolError> {
        let Some(id) = converted.file.id() else { return Ok(None) };
        for MadeCache { kind, path, quality, size } in &converted.caches {
            let named = Named { kind: *kind, quality: *quality, size: *size, source: short(&stored.sha256) };
            transfer::upload(&self.bucket, &named.key(project, id), path, true).await?;
        }
        let description = Description {
            version: 1,
            file: converted.file.clone(),
            uploaded_as: crate::identify::bounded(uploaded_as),
            published_at: Timestamp::now(),
            key: stored.key.to_string(),
            sha256: stored.sha256.clone(),
            size: stored.size,
            caches: converted.caches.iter().map(|made| (made.kind, made.quality)).collect(),
            faults: converted.faults.clone(),
        };
        let json = serde_json::to_vec(&description).map_err(io::Error::other);
        let json = json.map_err(SymbolError::file("a description"))?;
        self.bucket.put(&description_key(project, id, &stored.sha256), Bytes::from(json)).await?;
        self.shared.memory.forget(project, id);
        Ok(Some(description))
    }

    /// The debug files that have this debug id.
    ///
    /// # Errors
    /// [`SymbolError::Bucket`].
    pub async fn descriptions(
        &self,
        project: ProjectId,
        id: DebugId,
    ) -> Result<Vec<Description>, SymbolError> {
        let keys = self.list(project, id).await?;
        let keys = keys.into_iter().filter(|key| key.kind_and_name().is_some_and(|(kind, _)| kind == FILES));
        let mut descriptions = Vec::new();
        for key in keys {
            descriptions.extend(self.description(&key).await?);
        }
        descriptions.sort_by(|one, other| one.sha256.cmp(&other.sha256));
        Ok(descriptions)
    }

    /// Deletes what is known of one debug file: its description first, then its caches. The file itself stays; others may
    /// name it too.
    ///
    /// # Errors
    /// [`SymbolError::Bucket`]; then it may be repeated.
    pub async fn retract(&self, project: ProjectId, id: DebugId, sha256: &str) -> Result<(), SymbolError> {
        let keys = self.list(project, id).await?;
        self.bucket.delete(&description_key(project, id, sha256)).await?;
        for key in keys {
            if key.is_of_symbol_file(sha256) {
                self.bucket.delete(&key).await?;
            }
        }
        self.shared.memory.forget(project, id);
        Ok(())
    }

    /// Deletes a debug file itself, which nothing may name any more.
    ///
    /// # Errors
    /// [`SymbolError::Bucket`].
    pub async fn drop_file(&self, project: ProjectId, sha256: &str) -> Result<(), SymbolError> {
        Ok(self.bucket.delete(&Key::symbol_file(project, sha256)).await?)
    }

    /// Opens the best caches of a module. What there is not is `None`.
    ///
    /// # Errors
    /// [`SymbolError::Bucket`], [`SymbolError::File`], [`SymbolError::NoRoom`].
    pub async fn symbols(
        &self,
        project: ProjectId,
        id: DebugId,
        freshness: Freshness,
    ) -> Result<Symbols, SymbolError> {
        let mut symbols = Symbols::default();
        for named in self.known(project, id, freshness).await?.best() {
            self.with_local(project, id, named, |path| symbols.open(named.kind, path)).await?;
        }
        Ok(symbols)
    }

    /// Opens the caches of several modules.
    ///
    /// # Errors
    /// As [`Store::symbols`].
    pub async fn provider(
        &self,
        project: ProjectId,
        ids: impl IntoIterator<Item = DebugId>,
        freshness: Freshness,
    ) -> Result<Provider, SymbolError> {
        let each = stream::iter(ids.into_iter().collect::<BTreeSet<_>>());
        let each = each.map(|id| async move { (id, self.symbols(project, id, freshness).await) });
        let mut provider = Provider::new();
        let mut each = each.buffer_unordered(AT_ONCE);
        while let Some((id, symbols)) = each.next().await {
            let symbols = symbols?;
            if !symbols.is_empty() {
                provider.insert(id, symbols);
            }
        }
        Ok(provider)
    }

    /// Puts the caches of several modules into a folder, without copying them.
    ///
    /// # Errors
    /// As [`Store::symbols`].
    pub async fn gather(
        &self,
        project: ProjectId,
        ids: impl IntoIterator<Item = DebugId>,
        freshness: Freshness,
    ) -> Result<Gathered, SymbolError> {
        let work = self.disk.work()?;
        let folder = work.path();
        let each = stream::iter(ids.into_iter().collect::<BTreeSet<_>>());
        let each = each.map(|id| async move {
            let known = self.known(project, id, freshness).await?;
            for named in known.best() {
                let link = folder.join(format!("{}.{}", id.breakpad(), named.kind.as_str()));
                let linked = |path: &Path| fs::hard_link(path, &link).map_err(SymbolError::file(path));
                self.with_local(project, id, named, linked).await?;
            }
            Ok::<_, SymbolError>(known.best().next().is_some().then_some(id))
        });
        let found = each.buffer_unordered(AT_ONCE).try_filter_map(|id| async move { Ok(id) }).try_collect();
        let found = found.await?;
        Ok(Gathered { work, found })
    }

    /// A Breakpad file of a module, if there is anything that one could say.
    ///
    /// # Errors
    /// As [`Store::symbols`].
    pub async fn sym(
        &self,
        project: ProjectId,
        id: DebugId,
        freshness: Freshness,
    ) -> Result<Option<SymFile>, SymbolError> {
        let known = self.known(project, id, freshness).await?;
        let native = || known.best().filter(|named| named.kind != CacheKind::Managed);
        let Some(first) = native().next() else { return Ok(None) };
        // If all that is known comes of one Breakpad file, that is the best one.
        if native().all(|named| named.source == first.source) {
            let description = self.description(&description_key(project, id, &first.source)).await?;
            if let Some(description) = description.filter(|known| known.file.format == Format::Breakpad)
                && let Ok(key) = description.key.parse()
            {
                return Ok(Some(SymFile::Uploaded(key)));
            }
        }
        Ok(Some(SymFile::Of(self.symbols(project, id, Freshness::Remembered).await?)))
    }

    async fn description(&self, key: &Key) -> Result<Option<Description>, SymbolError> {
        match self.bucket.get(key, DESCRIPTION).await {
            // One of a later version, or damaged: as if it were not there.
            Ok(json) => Ok(serde_json::from_slice(&json).ok()),
            Err(BucketError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn list(&self, project: ProjectId, id: DebugId) -> Result<Vec<Key>, SymbolError> {
        let prefix = Key::symbols_of(project, &id.breakpad().to_string());
        Ok(self.bucket.list(&prefix).map_ok(|listed| listed.key).try_collect().await?)
    }

    async fn known(
        &self,
        project: ProjectId,
        id: DebugId,
        freshness: Freshness,
    ) -> Result<Known, SymbolError> {
        if freshness == Freshness::Remembered
            && let Some(known) = self.shared.memory.get(project, id)
        {
            return Ok(known);
        }
        let known = Known::of(&self.list(project, id).await?);
        self.shared.memory.put(project, id, known.clone());
        Ok(known)
    }

    /// Calls `job` with the local file of a cache, which is fetched if it is not there. Another process may delete it
    /// before it is used; then again.
    async fn with_local(
        &self,
        project: ProjectId,
        id: DebugId,
        named: &Named,
        mut job: impl FnMut(&Path) -> Result<(), SymbolError>,
    ) -> Result<(), SymbolError> {
        let mut tries = 0;
        loop {
            let Some(path) = self.local(project, id, named).await? else { return Ok(()) };
            tries += 1;
            match job(&path) {
                Err(SymbolError::File { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
                Err(error @ SymbolError::Damaged(_)) => {
                    tracing::warn!(%error, "it is deleted");
                    let _ = fs::remove_file(&path);
                    if tries >= TRIES {
                        return Err(error);
                    }
                }
                done => return done,
            }
        }
    }

    /// The local file of a cache. `None` if it is in the bucket no more.
    async fn local(
        &self,
        project: ProjectId,
        id: DebugId,
        named: &Named,
    ) -> Result<Option<PathBuf>, SymbolError> {
        let name = named.file_name(project, id);
        if let Some(path) = self.disk.find(&name) {
            return Ok(Some(path));
        }
        let hash = self.shared.hasher.hash_one(&name);
        let lock = usize::try_from(hash % LOCKS as u64).unwrap_or_default();
        let lock = self.shared.fetching.get(lock);
        let _turn = match lock {
            Some(lock) => Some(lock.lock().await),
            None => None,
        };
        if let Some(path) = self.disk.find(&name) {
            return Ok(Some(path));
        }
        let fetched = transfer::fetch(&self.bucket, &self.disk, &named.key(project, id), named, &name).await;
        match fetched {
            Err(SymbolError::Bucket(BucketError::NotFound(_))) => {
                // It was retracted.
                self.shared.memory.forget(project, id);
                Ok(None)
            }
            fetched => fetched.map(Some),
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").field("bucket", &self.bucket).field("disk", &self.disk).finish()
    }
}

fn description_key(project: ProjectId, id: DebugId, sha256: &str) -> Key {
    Key::symbols(project, &id.breakpad().to_string(), FILES, &short(sha256))
}

/// Enough of a SHA-256 to tell files apart.
fn short(sha256: &str) -> String {
    sha256.chars().take(32).collect()
}
