//! The directory of this machine in front of the bucket.
//!
//! ```text
//! caches/{name}    caches, unpacked, whole and checked
//! work/{random}/   what a process makes or uses at the moment; locked by it, and swept when it is gone
//! ```
//!
//! Several processes may share it. A cache gets its name when it is whole, checked and on the disk, so whatever dies when,
//! there is never a part of one. Names say what is in them, so two that write the same write the same bytes.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use tempfile::TempDir;

use crate::{SymbolError, cache::Cache};

/// A bounded directory of symbol caches. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DiskCache {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    limit: u64,
}

/// A folder for one piece of work, beside the caches. Deleted when it is dropped, or when its process is gone.
#[derive(Debug)]
pub struct Work {
    folder: TempDir,
    /// Held as long as the folder is in use.
    _lock: File,
}

impl Work {
    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl DiskCache {
    /// The directory at `folder`, which is made if it is not there. The caches in it take at most `limit` bytes of the
    /// disk, and for a moment a few that arrive: those that were not used for longest are deleted. What is in use stays
    /// until it is no longer.
    ///
    /// Removes what processes left behind that are gone.
    ///
    /// # Errors
    /// [`SymbolError::File`] when it cannot be made or looked at.
    pub fn open(folder: impl Into<PathBuf>, limit: u64) -> Result<Self, SymbolError> {
        let cache = Self { shared: Arc::new(Shared { folder: folder.into(), limit }) };
        for part in [cache.caches(), cache.works()] {
            fs::create_dir_all(&part).map_err(SymbolError::file(&part))?;
        }
        cache.sweep().map_err(SymbolError::file(cache.works()))?;
        cache.make_room(0)?;
        Ok(cache)
    }

    fn caches(&self) -> PathBuf {
        self.shared.folder.join("caches")
    }

    fn works(&self) -> PathBuf {
        self.shared.folder.join("work")
    }

    /// Where a cache of this name is, or would be. One that is there counts as used now.
    pub(crate) fn find(&self, name: &str) -> Option<PathBuf> {
        let path = self.caches().join(name);
        let file = File::open(&path).ok()?;
        // At worst it is deleted, and fetched again.
        let _ = file.set_modified(SystemTime::now());
        Some(path)
    }

    /// A folder to work in. What is in it is not counted.
    ///
    /// # Errors
    /// [`SymbolError::File`] when it cannot be made.
    pub fn work(&self) -> Result<Work, SymbolError> {
        let works = self.works();
        loop {
            let folder = TempDir::new_in(&works).map_err(SymbolError::file(&works))?;
            let lock = File::open(folder.path()).and_then(|lock| {
                lock.try_lock()?;
                Ok(lock)
            });
            // Before it was locked, it looked like one whose process is gone.
            match lock {
                Ok(lock) if folder.path().exists() => return Ok(Work { folder, _lock: lock }),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::WouldBlock) => {
                }
                Err(error) => return Err(SymbolError::file(folder.path())(error)),
            }
        }
    }

    /// Takes a file in as the cache of this name, and gives its path. The file must be in a folder of [`DiskCache::work`].
    pub(crate) fn take_in(&self, name: &str, file: &Path, cache: &Cache) -> Result<PathBuf, SymbolError> {
        if !cache.is_intact() {
            return Err(SymbolError::Damaged(name.to_owned()));
        }
        let synced = File::open(file).and_then(|file| file.sync_all());
        synced.map_err(SymbolError::file(file))?;
        let path = self.caches().join(name);
        fs::rename(file, &path).map_err(SymbolError::file(&path))?;
        // Others may have filled the room that was made before.
        self.make_room(0)?;
        Ok(path)
    }

    /// Deletes what was not used for longest, until so many more bytes have room.
    pub(crate) fn make_room(&self, more: u64) -> Result<(), SymbolError> {
        if more > self.shared.limit {
            return Err(SymbolError::NoRoom { size: more, limit: self.shared.limit });
        }
        let path = self.shared.folder.join("eviction.lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(SymbolError::file(&path))?;
        // Otherwise two that make room at once delete twice as much.
        lock.lock().map_err(SymbolError::file(&path))?;
        let folder = self.caches();
        let mut files = Vec::new();
        let mut total = more;
        for entry in fs::read_dir(&folder).map_err(SymbolError::file(&folder))? {
            let entry = entry.map_err(SymbolError::file(&folder))?;
            // Deleted meanwhile, by a person.
            let Ok(about) = entry.metadata() else { continue };
            total = total.saturating_add(about.len());
            files.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len(), entry.path()));
        }
        files.sort_unstable();
        for (_, size, path) in files {
            if total <= self.shared.limit {
                break;
            }
            match fs::remove_file(&path) {
                Ok(()) => total = total.saturating_sub(size),
                Err(error) if error.kind() == io::ErrorKind::NotFound => total = total.saturating_sub(size),
                Err(error) => return Err(SymbolError::file(path)(error)),
            }
        }
        Ok(())
    }

    /// Deletes the folders of processes that are gone.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.works())? {
            let path = entry?.path();
            let Ok(lock) = File::open(&path) else { continue };
            match lock.try_lock() {
                Ok(()) => match fs::remove_dir_all(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                },
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(())
    }
}
