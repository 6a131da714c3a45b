//! Lines of several partial answers as one, and lines in no order in theirs.

use std::{cmp::Reverse, collections::BinaryHeap, sync::Arc};

use super::{
    cache::{Cache, Unfinished},
    entry::Entry,
};
use crate::FactsError;

/// Lines, ascending by key.
pub(crate) type Stream = Box<dyn Iterator<Item = Result<Entry, FactsError>> + Send>;

/// The lines of several streams: those of one key become one.
pub(crate) struct Merge {
    streams: Vec<Stream>,
    heads: BinaryHeap<Reverse<Head>>,
    failed: Option<FactsError>,
}

struct Head {
    entry: Entry,
    stream: usize,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.entry.key.cmp(&other.entry.key).then(self.stream.cmp(&other.stream))
    }
}

impl Merge {
    pub(crate) fn new(streams: Vec<Stream>) -> Self {
        let mut merge = Self { heads: BinaryHeap::with_capacity(streams.len()), streams, failed: None };
        for stream in 0..merge.streams.len() {
            merge.advance(stream);
        }
        merge
    }

    fn advance(&mut self, stream: usize) {
        match self.streams.get_mut(stream).and_then(Iterator::next) {
            Some(Ok(entry)) => self.heads.push(Reverse(Head { entry, stream })),
            Some(Err(error)) => self.failed = Some(error),
            None => {}
        }
    }
}

impl Iterator for Merge {
    type Item = Result<Entry, FactsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.heads.clear();
            return Some(Err(error));
        }
        let Reverse(Head { mut entry, stream }) = self.heads.pop()?;
        self.advance(stream);
        while self.heads.peek().is_some_and(|Reverse(head)| head.entry.key == entry.key) {
            if let Some(Reverse(head)) = self.heads.pop() {
                entry.absorb(head.entry);
                self.advance(head.stream);
            }
        }
        Some(Ok(entry))
    }
}

/// What a [`Sorter`] holds in memory at most, in bytes.
const MOST: usize = 48 << 20;

/// Puts lines in order. What does not fit into memory goes to disk, in sorted runs.
pub(crate) struct Sorter {
    cache: Arc<Cache>,
    most: usize,
    lines: Vec<Entry>,
    bytes: usize,
    runs: Vec<Unfinished>,
}

impl Sorter {
    pub(crate) fn new(cache: Arc<Cache>) -> Self {
        Self { cache, most: MOST, lines: Vec::new(), bytes: 0, runs: Vec::new() }
    }

    pub(crate) fn push(&mut self, entry: Entry) -> Result<(), FactsError> {
        self.bytes += entry.memory();
        self.lines.push(entry);
        if self.bytes < self.most {
            return Ok(());
        }
        self.unite();
        if self.bytes < self.most / 2 { Ok(()) } else { self.spill() }
    }

    /// Sorts what is in memory, and makes lines of one key one.
    fn unite(&mut self) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.sort_by(|a, b| a.key.cmp(&b.key));
        for entry in lines {
            match self.lines.last_mut() {
                Some(last) if last.key == entry.key => last.absorb(entry),
                _ => self.lines.push(entry),
            }
        }
        self.bytes = self.lines.iter().map(Entry::memory).sum();
    }

    fn spill(&mut self) -> Result<(), FactsError> {
        let run = self.cache.begin();
        let mut writer = run.writer()?;
        for entry in self.lines.drain(..) {
            writer.push(&entry)?;
        }
        writer.finish()?;
        self.runs.push(run);
        self.bytes = 0;
        Ok(())
    }

    /// All lines, ascending by key, one of each key.
    pub(crate) fn finish(mut self) -> Result<Sorted, FactsError> {
        self.unite();
        let mut streams: Vec<Stream> = Vec::new();
        for run in &self.runs {
            streams.push(Box::new(run.open()?.rows()));
        }
        streams.push(Box::new(self.lines.into_iter().map(Ok)));
        Ok(Sorted { merge: Merge::new(streams), _runs: self.runs })
    }
}

/// Lines in order. Files that they come from go with it.
pub(crate) struct Sorted {
    merge: Merge,
    _runs: Vec<Unfinished>,
}

impl Iterator for Sorted {
    type Item = Result<Entry, FactsError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.merge.next()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_come_out_in_order_whatever_fits_into_memory(
            lines in proptest::collection::vec((0_u8..20, 1_u64..100), 0..200), most in 1_usize..20_000,
        ) {
            let place = tempfile::tempdir().unwrap();
            let cache = Arc::new(Cache::open(place.path(), 1 << 20).unwrap());
            let mut sorter = Sorter { most, ..Sorter::new(cache) };
            let mut expected: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
            for (key, count) in lines {
                *expected.entry(vec![key]).or_default() += count;
                sorter.push(Entry { key: vec![key], count, crashes: 1, ..Entry::default() }).unwrap();
            }
            let sorted: Vec<_> =
                sorter.finish().unwrap().map(|entry| entry.map(|entry| (entry.key, entry.count)).unwrap()).collect();
            prop_assert_eq!(sorted, expected.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
        }
    }
}
