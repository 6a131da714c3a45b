//! Lines of several partial answers as one, and lines in no order in theirs.

use std::sync::Arc;

use super::{
    cache::{Cache, Unfinished},
    entry::Entry,
};
use crate::FactsError;

/// Lines, ascending by key.
pub(crate) type Stream = Box<dyn Iterator<Item = Result<Entry, FactsError>> + Send>;

/// The lines of several streams: those of one key become one.
///
/// A tree of losers: the heads of all streams have played against each other, two by two, up to the first of all. When
/// that one is taken, its stream's next line plays only against those that lost on its way up.
pub(crate) struct Merge {
    streams: Vec<Stream>,
    /// The next line of each stream; none at its end.
    heads: Vec<Option<Entry>>,
    /// Of the match at each inner node, the stream that lost; at 0 the one that won the last match. The children of node
    /// n are 2 n and 2 n + 1, and stream s is at node s + the number of streams.
    tree: Vec<usize>,
    failed: Option<FactsError>,
    /// Lines of one key: the room of those before.
    alike: Vec<Entry>,
}

impl Merge {
    pub(crate) fn new(streams: Vec<Stream>) -> Self {
        let number = streams.len();
        let heads = std::iter::repeat_with(|| None).take(number).collect();
        let mut merge = Self { streams, heads, tree: vec![0; number], failed: None, alike: Vec::new() };
        (0..number).for_each(|stream| merge.advance(stream));
        // Who won at each node; streams themselves at the leaves.
        let mut winners: Vec<usize> = (0..number).chain(0..number).collect();
        for node in (0..number).rev() {
            let child = |which| winners.get(2 * node + which).copied().unwrap_or_default();
            let (winner, loser) = match node {
                0 => (child(1), child(1)),
                _ if merge.is_before(child(0), child(1)) => (child(0), child(1)),
                _ => (child(1), child(0)),
            };
            put(&mut winners, node, winner);
            put(&mut merge.tree, node, loser);
        }
        merge
    }

    fn advance(&mut self, stream: usize) {
        let next = match self.streams.get_mut(stream).and_then(Iterator::next) {
            Some(Ok(entry)) => Some(entry),
            Some(Err(error)) => {
                self.failed = Some(error);
                None
            }
            None => None,
        };
        if let Some(head) = self.heads.get_mut(stream) {
            *head = next;
        }
    }

    fn head(&self, stream: usize) -> Option<&Entry> {
        self.heads.get(stream).and_then(Option::as_ref)
    }

    /// Whether a stream's line comes before another's: streams that have ended come last.
    fn is_before(&self, stream: usize, other: usize) -> bool {
        match (self.head(stream), self.head(other)) {
            (Some(one), Some(two)) => one.key.cmp(&two.key).then(stream.cmp(&other)).is_lt(),
            (one, _) => one.is_some(),
        }
    }

    fn first(&self) -> Option<usize> {
        self.tree.first().copied()
    }

    /// The first line of all.
    fn take(&mut self) -> Option<Entry> {
        let stream = self.first()?;
        let entry = self.heads.get_mut(stream)?.take()?;
        self.advance(stream);
        let mut winner = stream;
        let mut node = (stream + self.streams.len()) / 2;
        while node > 0 {
            let loser = self.tree.get(node).copied().unwrap_or_default();
            if self.is_before(loser, winner) {
                put(&mut self.tree, node, winner);
                winner = loser;
            }
            node /= 2;
        }
        put(&mut self.tree, 0, winner);
        Some(entry)
    }
}

fn put(places: &mut [usize], place: usize, value: usize) {
    if let Some(place) = places.get_mut(place) {
        *place = value;
    }
}

impl Iterator for Merge {
    type Item = Result<Entry, FactsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.heads.fill_with(|| None);
            return Some(Err(error));
        }
        let mut alike = std::mem::take(&mut self.alike);
        alike.clear();
        alike.push(self.take()?);
        while let Some(head) = self.first().and_then(|first| self.head(first))
            && alike.first().is_some_and(|line| line.key == head.key)
        {
            alike.extend(self.take());
        }
        let united = Entry::united(&mut alike);
        self.alike = alike;
        Some(Ok(united))
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
        for alike in lines.chunk_by_mut(|a, b| a.key == b.key) {
            self.lines.push(match alike {
                [one] => std::mem::take(one),
                more => Entry::united(more),
            });
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
        fn lines_of_one_key_become_one_however_many_streams_there_are(
            streams in proptest::collection::vec(proptest::collection::btree_map(0_u8..30, 1_u64..100, 0..20), 0..9),
        ) {
            let mut expected: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
            for (key, count) in streams.iter().flatten() {
                *expected.entry(vec![*key]).or_default() += count;
            }
            let lines = |stream: BTreeMap<u8, u64>| -> Stream {
                Box::new(stream.into_iter().map(|(key, count)| Ok(Entry { key: vec![key], count, ..Entry::default() })))
            };
            let merged: Vec<_> = Merge::new(streams.into_iter().map(lines).collect())
                .map(|entry| entry.map(|entry| (entry.key, entry.count)).unwrap())
                .collect();
            prop_assert_eq!(merged, expected.into_iter().collect::<Vec<_>>());
        }

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
