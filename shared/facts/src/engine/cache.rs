//! Partial answers that are kept on disk, up to so many bytes. All of it can be thrown away at any time.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::partial::{Partial, PartialWriter};
use crate::FactsError;

const SUFFIX: &str = "partial";
/// What is being written; left behind by a process that died, it is removed after this long.
const UNFINISHED: &str = "unfinished";
const GIVEN_UP: Duration = Duration::from_secs(60 * 60);

/// A directory of partial answers.
#[derive(Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
    most: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// By name: the size, and when it was last used, by `clock`.
    files: HashMap<String, (u64, u64)>,
    bytes: u64,
    clock: u64,
}

/// A file that is being written. It goes with this, unless it is kept.
#[derive(Debug)]
pub(crate) struct Unfinished {
    path: PathBuf,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // What cannot be removed now is removed at a later start.
        let _ = fs::remove_file(&self.path);
    }
}

impl Unfinished {
    pub(crate) fn writer(&self) -> Result<PartialWriter<io::BufWriter<File>>, FactsError> {
        PartialWriter::create(&self.path)
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), FactsError> {
        fs::write(&self.path, bytes).map_err(FactsError::Scratch)
    }

    /// To be read also when this is gone, where files can be removed while they are read; else while this lives.
    pub(crate) fn open(&self) -> Result<Partial, FactsError> {
        let file = File::open(&self.path).map_err(FactsError::Scratch)?;
        Partial::in_file(file, self.path.clone())
    }
}

impl Cache {
    /// Makes the directory where there is none. What is in it is used again, the last written first.
    pub(crate) fn open(directory: &Path, most: u64) -> Result<Self, FactsError> {
        fs::create_dir_all(directory).map_err(FactsError::Scratch)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(directory).map_err(FactsError::Scratch)? {
            let path = entry.map_err(FactsError::Scratch)?.path();
            let Ok(metadata) = path.metadata() else { continue };
            let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            match path.extension().and_then(|suffix| suffix.to_str()) {
                Some(SUFFIX) => found.push((written, path, metadata.len())),
                Some(UNFINISHED) if written.elapsed().is_ok_and(|age| age > GIVEN_UP) => {
                    let _ = fs::remove_file(&path);
                }
                _ => {}
            }
        }
        found.sort_unstable();
        let cache = Self { directory: directory.to_owned(), most, kept: Mutex::default() };
        for (_, path, size) in found {
            if let Some(name) = path.file_stem().and_then(|name| name.to_str()) {
                cache.note(name, size);
            }
        }
        Ok(cache)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, name: &str, suffix: &str) -> PathBuf {
        self.directory.join(format!("{name}.{suffix}"))
    }

    /// The partial answer of this name, if it is kept and whole.
    pub(crate) fn get(&self, name: &str) -> Option<Partial> {
        {
            let mut kept = self.kept();
            kept.clock += 1;
            let clock = kept.clock;
            kept.files.get_mut(name)?.1 = clock;
        }
        let path = self.path(name, SUFFIX);
        let found = File::open(&path).ok().and_then(|file| Partial::in_file(file, path).ok());
        if found.is_none() {
            let mut kept = self.kept();
            if let Some((size, _)) = kept.files.remove(name) {
                kept.bytes = kept.bytes.saturating_sub(size);
            }
        }
        found
    }

    /// Where something new can be written.
    pub(crate) fn begin(&self) -> Unfinished {
        Unfinished { path: self.path(&uuid::Uuid::now_v7().simple().to_string(), UNFINISHED) }
    }

    /// Keeps what was written under a name. It need not be durable: a checksum tells when it is not whole.
    pub(crate) fn keep(&self, unfinished: &Unfinished, name: &str) -> Result<Partial, FactsError> {
        let partial = unfinished.open()?;
        let path = self.path(name, SUFFIX);
        fs::rename(&unfinished.path, &path).map_err(FactsError::Scratch)?;
        self.note(name, partial.size()?);
        Ok(partial)
    }

    /// Counts a file, and removes those that were not used for the longest time until the rest fits.
    fn note(&self, name: &str, size: u64) {
        let mut kept = self.kept();
        kept.clock += 1;
        let entry = (size, kept.clock);
        kept.bytes += size;
        if let Some((before, _)) = kept.files.insert(name.to_owned(), entry) {
            kept.bytes = kept.bytes.saturating_sub(before);
        }
        if kept.bytes <= self.most {
            return;
        }
        let mut by_use: Vec<(u64, String)> =
            kept.files.iter().map(|(name, (_, used))| (*used, name.clone())).collect();
        by_use.sort_unstable();
        // A little more than must be, so that this is not done for each file.
        let wanted = self.most / 10 * 9;
        for (_, name) in by_use {
            if kept.bytes <= wanted {
                break;
            }
            if let Some((size, _)) = kept.files.remove(&name) {
                kept.bytes = kept.bytes.saturating_sub(size);
            }
            let _ = fs::remove_file(self.path(&name, SUFFIX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::entry::Entry, *};

    fn written(cache: &Cache, name: &str, lines: u64) -> Partial {
        let unfinished = cache.begin();
        let mut writer = unfinished.writer().unwrap();
        for count in 0..lines {
            writer.push(&Entry { key: count.to_be_bytes().to_vec(), count, ..Entry::default() }).unwrap();
        }
        writer.finish().unwrap();
        cache.keep(&unfinished, name).unwrap()
    }

    fn sum(partial: &Partial) -> Result<u64, FactsError> {
        partial.rows().map(|entry| entry.map(|entry| entry.count)).sum()
    }

    #[test]
    fn what_was_kept_is_found_again_after_a_restart() {
        let place = tempfile::tempdir().unwrap();
        written(&Cache::open(place.path(), 1 << 20).unwrap(), "a", 10_000);
        let again = Cache::open(place.path(), 1 << 20).unwrap();
        assert_eq!(sum(&again.get("a").unwrap()).unwrap(), 9_999 * 5_000);
        assert!(again.get("b").is_none());
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_when_there_is_no_room() {
        let place = tempfile::tempdir().unwrap();
        let size = written(&Cache::open(place.path(), 1 << 20).unwrap(), "a", 1000).size().unwrap();
        let cache = Cache::open(place.path(), 5 * size).unwrap();
        for name in ["b", "c", "d", "e"] {
            written(&cache, name, 1000);
            assert!(cache.get("a").is_some());
        }
        written(&cache, "f", 1000);
        assert!(cache.get("b").is_none());
        assert!(cache.get("a").is_some() && cache.get("f").is_some());
        assert!(fs::read_dir(place.path()).unwrap().count() <= 5);
    }

    #[test]
    fn what_is_damaged_is_told_and_thrown_away() {
        let place = tempfile::tempdir().unwrap();
        let cache = Cache::open(place.path(), 1 << 20).unwrap();
        let size = written(&cache, "a", 1000).size().unwrap();
        let path = place.path().join("a.partial");
        let whole = fs::read(&path).unwrap();
        for at in 0..usize::try_from(size).unwrap() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, damaged).unwrap();
            cache.note("a", size);
            let found = cache.get("a").map(|partial| sum(&partial));
            assert!(matches!(found, None | Some(Err(FactsError::Damaged))), "{at}: {found:?}");
            assert!(!path.exists(), "{at}");
        }
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        cache.note("a", size);
        assert!(cache.get("a").is_none());
    }

    #[test]
    fn what_is_not_finished_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let cache = Cache::open(place.path(), 1 << 20).unwrap();
        let unfinished = cache.begin();
        drop(unfinished.writer().unwrap());
        drop(unfinished);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
