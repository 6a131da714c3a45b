//! From partial answers to the answer. Lines of all partial answers are merged as streams; of the rows only those that
//! will be in the answer are held, and parts are read only of these.
//!
//! Memory: a block of each partial answer (32 KiB), `limit` rows with `limit` times `parts` parts at most, and 48 MiB
//! while lines of signatures become lines of issues.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, BinaryHeap, VecDeque},
    sync::Arc,
};

use epitaph_crash_model::{IssueNumber, ProjectId, SignatureId, Timestamp};

use super::{
    beside::{self, Share},
    cache::Cache,
    entry::{Entry, push_value, split_value},
    group::value_text,
    merge::{Merge, Sorter, Stream},
    partial::{Partial, made_of},
    resolve::Signatures,
    users::USERS_WITHIN,
};
use crate::{Answer, Column, Dimension, FactsError, Measures, Order, Part, Question, Row, Totals};

/// All that an answer is made from.
pub(crate) struct Sources {
    pub(crate) question: Question,
    pub(crate) selection: Vec<Partial>,
    pub(crate) baseline: Option<Vec<Partial>>,
    pub(crate) signatures: Arc<Signatures>,
    pub(crate) cache: Arc<Cache>,
}

/// The parts of rows, by the keys of these, and how many there are of each.
type PartsOfRows = BTreeMap<Vec<u8>, (Vec<Part>, u64)>;

/// A row while it may still be pushed out by others.
struct Candidate {
    score: f64,
    key: Vec<u8>,
    here: Entry,
    there: Option<Entry>,
}

impl Candidate {
    /// The better one is greater: it has the higher score, or else the key that comes first.
    fn order(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.key.cmp(&self.key))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.order(other).is_eq()
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order(other)
    }
}

impl Sources {
    pub(crate) fn answer(&self) -> Result<Answer, FactsError> {
        made_of(self.selection.iter().chain(self.baseline.iter().flatten()), self.try_to_answer())
    }

    fn try_to_answer(&self) -> Result<Answer, FactsError> {
        let mut here = self.rows(&self.selection)?.peekable();
        let mut there = match &self.baseline {
            Some(baseline) => self.rows(baseline)?,
            None => Box::new(std::iter::empty()) as Stream,
        }
        .peekable();
        let all_here = take_all(&mut here)?;
        let all_there = take_all(&mut there)?;
        let mut best: BinaryHeap<Reverse<Candidate>> = BinaryHeap::new();
        let mut distinct = 0;
        loop {
            let (a, b) = (key_of(&mut here)?, key_of(&mut there)?);
            let (take_here, take_there) = match (&a, &b) {
                (None, None) => break,
                (Some(a), Some(b)) => (a <= b, b <= a),
                (a, b) => (a.is_some(), b.is_some()),
            };
            let of_here = if take_here { here.next().transpose()? } else { None };
            let of_there = if take_there { there.next().transpose()? } else { None };
            distinct += 1;
            let key = a.filter(|_| take_here).or(b).unwrap_or_default();
            let of_here = of_here.unwrap_or_default();
            let score = self.score(&of_here, of_there.as_ref(), (&all_here, &all_there));
            best.push(Reverse(Candidate { score, key, here: of_here, there: of_there }));
            if best.len() > self.question.limit {
                best.pop();
            }
        }
        // Of the heap's order, which has the worst first.
        let best: Vec<Candidate> =
            best.into_sorted_vec().into_iter().map(|Reverse(candidate)| candidate).collect();
        let mut parts = self.parts(&best)?;
        let dimension = self.question.group_by.first();
        let rows = best.into_iter().map(|candidate| {
            let (parts, distinct_parts) = parts.remove(&candidate.key).unwrap_or_default();
            let beside = self.baseline.is_some().then(|| {
                let there = candidate.there.unwrap_or_default();
                beside::compare(part_of(&candidate.here, &all_here), part_of(&there, &all_there))
            });
            Row {
                value: dimension.and_then(|dimension| text_of(dimension, &candidate.key)),
                share: part_of(&candidate.here, &all_here).share(),
                totals: totals(&candidate.here, self.question.measures),
                beside,
                parts,
                distinct_parts,
            }
        });
        Ok(Answer {
            rows: rows.collect(),
            distinct,
            totals: totals(&all_here, self.question.measures),
            baseline: self.baseline.as_ref().map(|_| totals(&all_there, Measures::default())),
            users_within: USERS_WITHIN,
            work: crate::Work::default(),
        })
    }

    /// The lines of rows; signatures have become issues where the question asks for these.
    fn rows(&self, partials: &[Partial]) -> Result<Stream, FactsError> {
        let streams = partials.iter().map(|partial| Box::new(partial.rows()) as Stream).collect();
        self.by_issue(Merge::new(streams))
    }

    fn by_issue(&self, lines: Merge) -> Result<Stream, FactsError> {
        let Some(project) = self.issues_of() else { return Ok(Box::new(lines)) };
        let mut sorter = Sorter::new(Arc::clone(&self.cache));
        for entry in lines {
            let mut entry = entry?;
            if let Some((signature, rest)) = split_value(&entry.key) {
                let issue = self.issue_of(project, signature.as_deref());
                entry.key = [issue_key(issue).as_slice(), rest].concat();
            }
            sorter.push(entry)?;
        }
        Ok(Box::new(sorter.finish()?))
    }

    /// The project, where rows are issues.
    fn issues_of(&self) -> Option<ProjectId> {
        let by_issue = self.question.group_by.first() == Some(&Dimension::Column(Column::Issue));
        self.question.projects.first().copied().filter(|_| by_issue)
    }

    fn issue_of(&self, project: ProjectId, signature: Option<&[u8]>) -> Option<IssueNumber> {
        let id = signature.and_then(|bytes| bytes.try_into().ok()).map(SignatureId::from_bytes)?;
        self.signatures.issue(project, id)
    }

    fn score(&self, here: &Entry, there: Option<&Entry>, all: (&Entry, &Entry)) -> f64 {
        let beside = || {
            let none = Entry::default();
            beside::compare(part_of(here, all.0), part_of(there.unwrap_or(&none), all.1))
        };
        match self.question.order {
            Order::Count => here.count as f64,
            Order::Users => here.users() as f64,
            Order::LastSeen => here.seen().map_or(f64::NEG_INFINITY, |(_, last)| last as f64),
            Order::FirstSeen => here.seen().map_or(f64::NEG_INFINITY, |(first, _)| first as f64),
            Order::Value => 0.0,
            Order::OverRepresented => beside().difference.0,
            Order::Change => {
                let beside = beside();
                (part_of(here, all.0).share() - beside.share).abs()
            }
        }
    }

    /// The parts of the rows that are in the answer.
    fn parts(&self, rows: &[Candidate]) -> Result<PartsOfRows, FactsError> {
        let Some(dimension) = self.question.group_by.get(1) else { return Ok(BTreeMap::new()) };
        let mut collected: BTreeMap<Vec<u8>, Collected> =
            rows.iter().map(|row| (row.key.clone(), Collected::default())).collect();
        let wanted = match self.issues_of() {
            None => collected.keys().cloned().collect(),
            Some(project) => self.signatures_of(project, &collected)?,
        };
        let wanted = Arc::new(wanted);
        let parts = |partial: &Partial| Box::new(partial.parts(Some(Arc::clone(&wanted)))) as Stream;
        let streams = self.selection.iter().map(parts).collect();
        for entry in self.by_issue(Merge::new(streams))? {
            let entry = entry?;
            let Some((_, rest)) = split_value(&entry.key) else { continue };
            let (row, part) = entry.key.split_at(entry.key.len() - rest.len());
            if let Some(collected) = collected.get_mut(row) {
                collected.add(&entry, part, dimension, self.question.parts);
            }
        }
        Ok(collected.into_iter().map(|(key, parts)| (key, parts.finish(dimension))).collect())
    }

    /// The keys of the signatures whose issues are among these rows, ascending.
    fn signatures_of(
        &self,
        project: ProjectId,
        rows: &BTreeMap<Vec<u8>, Collected>,
    ) -> Result<Vec<Vec<u8>>, FactsError> {
        let is_row = |issue: Option<IssueNumber>| rows.contains_key(&issue_key(issue));
        let mut wanted = Vec::new();
        if !is_row(None) {
            for signature in self.signatures.of_issues(project, |issue| is_row(Some(issue))) {
                let mut key = Vec::new();
                push_value(&mut key, Some(signature.as_bytes()));
                wanted.push(key);
            }
            wanted.sort_unstable();
            return Ok(wanted);
        }
        // Which signatures have no issue is known only from where they are.
        let streams = self.selection.iter().map(|partial| Box::new(partial.rows()) as Stream).collect();
        for entry in Merge::new(streams) {
            let entry = entry?;
            let signature = split_value(&entry.key);
            if signature.is_some_and(|(signature, _)| is_row(self.issue_of(project, signature.as_deref()))) {
                wanted.push(entry.key);
            }
        }
        Ok(wanted)
    }
}

fn issue_key(issue: Option<IssueNumber>) -> Vec<u8> {
    let issue = issue.map(|issue| issue.to_string());
    let mut key = Vec::new();
    push_value(&mut key, issue.as_deref().map(str::as_bytes));
    key
}

/// The parts of a row while they come, ascending.
#[derive(Default)]
struct Collected {
    latest: VecDeque<Piece>,
    most: BinaryHeap<Reverse<Piece>>,
    distinct: u64,
}

/// A part: the count, the key (of equal counts, the first is the greater one), the crashes.
type Piece = (u64, Reverse<Vec<u8>>, u64);

impl Collected {
    fn add(&mut self, entry: &Entry, part: &[u8], dimension: &Dimension, limit: usize) {
        self.distinct += 1;
        if matches!(dimension, Dimension::Time(_)) {
            self.latest.push_back((entry.count, Reverse(part.to_vec()), entry.crashes));
            if self.latest.len() > limit {
                self.latest.pop_front();
            }
        } else {
            self.most.push(Reverse((entry.count, Reverse(part.to_vec()), entry.crashes)));
            if self.most.len() > limit {
                self.most.pop();
            }
        }
    }

    fn finish(self, dimension: &Dimension) -> (Vec<Part>, u64) {
        let most = self.most.into_sorted_vec().into_iter().map(|Reverse(piece)| piece);
        let parts = self.latest.into_iter().chain(most).map(|(count, Reverse(key), crashes)| Part {
            value: text_of(dimension, &key),
            count,
            crashes,
        });
        (parts.collect(), self.distinct)
    }
}

type Peeked = std::iter::Peekable<Stream>;

/// The line of all facts, which comes first.
fn take_all(lines: &mut Peeked) -> Result<Entry, FactsError> {
    match lines.next_if(|line| line.as_ref().map_or(true, |entry| entry.key.is_empty())) {
        Some(entry) => entry,
        None => Ok(Entry::default()),
    }
}

fn key_of(lines: &mut Peeked) -> Result<Option<Vec<u8>>, FactsError> {
    match lines.next_if(Result::is_err) {
        Some(Err(error)) => Err(error),
        _ => Ok(lines.peek().and_then(|line| line.as_ref().ok()).map(|entry| entry.key.clone())),
    }
}

fn part_of(entry: &Entry, all: &Entry) -> Share {
    Share { crashes: (entry.crashes, all.crashes), count: (entry.count, all.count) }
}

fn text_of(dimension: &Dimension, key: &[u8]) -> Option<String> {
    let (value, _) = split_value(key)?;
    Some(value_text(dimension, &value?))
}

fn totals(entry: &Entry, measures: Measures) -> Totals {
    let release = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    Totals {
        count: entry.count,
        crashes: entry.crashes,
        users: measures.users.then(|| entry.users()),
        first_seen: entry.seen().map(|(first, _)| Timestamp::from_millis(first)),
        last_seen: entry.seen().map(|(_, last)| Timestamp::from_millis(last)),
        first_release: entry.releases().map(|(first, _)| release(first)),
        last_release: entry.releases().map(|(_, last)| release(last)),
    }
}
