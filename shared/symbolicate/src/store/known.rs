//! Which caches a debug id has: what a listing of the bucket said, remembered for a while.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use epitaph_bucket::Key;
use epitaph_crash_model::ProjectId;
use symbolic_common::DebugId;

use crate::{CacheKind, Quality};

/// How long an answer is remembered, also the answer that there is nothing.
const LIFETIME: Duration = Duration::from_secs(60);
/// The most answers that are remembered.
const ANSWERS: usize = 20_000;

/// A cache in the bucket, as its key names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) kind: CacheKind,
    pub(super) quality: Quality,
    /// Bytes, unpacked.
    pub(super) size: u64,
    /// The beginning of the SHA-256 of the file that it was made of.
    pub(super) source: String,
}

impl Named {
    pub(super) fn key(&self, project: ProjectId, id: DebugId) -> Key {
        Key::symbols(project, &id.breakpad().to_string(), &folder(self.kind), &self.name())
    }

    /// The name of the local file.
    pub(super) fn file_name(&self, project: ProjectId, id: DebugId) -> String {
        format!("{project}-{}-{}-{}", id.breakpad(), folder(self.kind), self.name())
    }

    fn name(&self) -> String {
        let Self { quality, size, source, .. } = self;
        format!("{quality}-{size}-{source}")
    }

    /// `None` for a key of something else, also of a cache of another version.
    pub(super) fn of(key: &Key) -> Option<Self> {
        let (kind, name) = key.kind_and_name()?;
        let kind = CacheKind::ALL.into_iter().find(|known| folder(*known) == kind)?;
        let (rest, source) = name.rsplit_once('-')?;
        let (quality, size) = rest.rsplit_once('-')?;
        Some(Self {
            kind,
            quality: Quality::parse(quality)?,
            size: size.parse().ok()?,
            source: source.to_owned(),
        })
    }

    /// Of two of one kind the greater is used. Where they are equally good, the choice does not depend on what came first.
    fn rank(&self) -> (Quality, &str) {
        (self.quality, &self.source)
    }
}

fn folder(kind: CacheKind) -> String {
    format!("{}-{}", kind.as_str(), kind.version())
}

/// The best cache of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    best: Vec<Named>,
}

impl Known {
    pub(super) fn of(keys: &[Key]) -> Self {
        let all: Vec<Named> = keys.iter().filter_map(Named::of).collect();
        let of_kind = |kind| all.iter().filter(move |named| named.kind == kind);
        let best =
            CacheKind::ALL.into_iter().filter_map(|kind| of_kind(kind).max_by_key(|named| named.rank()));
        Self { best: best.cloned().collect() }
    }

    pub(super) fn best(&self) -> impl Iterator<Item = &Named> {
        self.best.iter()
    }
}

/// What is remembered.
#[derive(Default)]
pub(super) struct Memory {
    answers: Mutex<HashMap<(ProjectId, DebugId), (Instant, Known)>>,
}

impl Memory {
    pub(super) fn get(&self, project: ProjectId, id: DebugId) -> Option<Known> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, known) = answers.get(&(project, id))?;
        (since.elapsed() < LIFETIME).then(|| known.clone())
    }

    pub(super) fn put(&self, project: ProjectId, id: DebugId, known: Known) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= ANSWERS {
            answers.retain(|_, (since, _)| since.elapsed() < LIFETIME);
        }
        if answers.len() >= ANSWERS {
            answers.clear();
        }
        answers.insert((project, id), (Instant::now(), known));
    }

    pub(super) fn forget(&self, project: ProjectId, id: DebugId) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(&(project, id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Worth;

    fn named(worth: Worth, ranges: u32, source: &str) -> Named {
        Named {
            kind: CacheKind::Lines,
            quality: Quality { worth, ranges },
            size: 4096,
            source: source.to_owned(),
        }
    }

    fn key(named: &Named) -> Key {
        named.key(ProjectId::FIRST, DebugId::from_breakpad("5A9832E5287241C1838ED98914E9B7FF1").unwrap())
    }

    #[test]
    fn a_cache_reads_back_from_its_key() {
        let cache = named(Worth::Full, 7, "0a1b");
        assert_eq!(Named::of(&key(&cache)), Some(cache));
        assert_eq!(Named::of(&Key::symbols(ProjectId::FIRST, "5A", "lines-999", "3-7-4096-0a1b")), None);
    }

    #[test]
    fn the_best_cache_is_the_same_whichever_came_first() {
        let poor = named(Worth::Names, 900, "ff");
        let good = named(Worth::Full, 7, "00");
        let equal = named(Worth::Full, 7, "01");
        let mut keys = [key(&poor), key(&good), key(&equal)];
        for _ in 0..keys.len() {
            keys.rotate_left(1);
            assert_eq!(Known::of(&keys).best().collect::<Vec<_>>(), [&equal]);
        }
        assert_eq!(Known::of(&keys[..0]), Known::default());
    }
}
