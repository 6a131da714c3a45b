//! The crashes behind the numbers, newest first, page by page.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    fmt,
    str::FromStr,
    sync::Arc,
};

use epitaph_crash_model::{CrashId, Fact, ProjectId, Timestamp};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{Effort, Engine, Snapshot, is_of, scan::touches, select::Test};
use crate::{
    FactsError, Filter, Period, QuestionError,
    segment::{Field, RowGroup, Rows, Segment, Table},
};

/// How many segments are looked into before it is known that they are needed; at first it is only the newest.
const AHEAD: usize = 8;

/// Which crashes are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listing {
    /// Whose; empty for those of all projects.
    pub projects: Vec<ProjectId>,
    /// When they were received.
    pub period: Period,
    /// Which of them.
    pub filter: Filter,
    /// Where the page before ended; `None` for the first page.
    pub after: Option<Cursor>,
}

/// A place in a list of crashes. It stays the same place whatever arrives or is sealed meanwhile. As text and in JSON: a
/// time and a crash id, such as `1769903999999-0198c5a0-0000-7000-8000-000000000000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor {
    received: Timestamp,
    crash: CrashId,
}

/// A page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The facts, newest first.
    pub facts: Vec<Fact>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Cursor>,
}

impl Cursor {
    /// The place of a crash.
    pub fn of(fact: &Fact) -> Self {
        Self { received: fact.received_at, crash: fact.crash_id }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.received.as_millis(), self.crash)
    }
}

impl FromStr for Cursor {
    type Err = QuestionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            // The id is 36 characters.
            let (time, crash) = text.split_at_checked(text.len().checked_sub(36)?)?;
            let received = Timestamp::from_millis(time.strip_suffix('-')?.parse().ok()?);
            Some(Self { received, crash: crash.parse().ok()? })
        };
        parse().ok_or_else(|| {
            QuestionError::new("the cursor is none that a page ended with; begin with the first page")
        })
    }
}

impl TryFrom<String> for Cursor {
    type Error = QuestionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> String {
        cursor.to_string()
    }
}

/// Where the fact of a crash is.
enum Place {
    Recent(usize),
    Sealed(usize, u32),
}

/// The newest crashes that were found, the oldest on top; one more than a page.
struct Newest {
    most: usize,
    found: BinaryHeap<Reverse<(Cursor, usize)>>,
    places: Vec<Place>,
    groups: Vec<RowGroup>,
}

impl Newest {
    /// Whether a crash that was received then may be on the page.
    fn may_take(&self, received: Timestamp) -> bool {
        self.found.len() < self.most
            || self.found.peek().is_none_or(|Reverse((oldest, _))| oldest.received <= received)
    }

    fn add(&mut self, cursor: Cursor, place: Place) {
        self.found.push(Reverse((cursor, self.places.len())));
        self.places.push(place);
        if self.found.len() > self.most {
            self.found.pop();
        }
    }
}

impl Engine {
    /// A page of crashes, newest first.
    ///
    /// # Errors
    /// [`FactsError::Question`] when `limit` is not from 1 to 10000 or the filter cannot be asked,
    /// [`FactsError::Bucket`], [`FactsError::Segment`].
    pub async fn crashes(
        &self,
        listing: &Listing,
        limit: usize,
        snapshot: &Snapshot,
    ) -> Result<Page, FactsError> {
        if !(1..=10_000).contains(&limit) {
            return Err(QuestionError::new("a page has from 1 to 10000 crashes").into());
        }
        let tests = tests_of(listing, snapshot)?;
        let projects: BTreeSet<ProjectId> = listing.projects.iter().copied().collect();
        let period = before(listing.period, listing.after);
        let mut newest =
            Newest { most: limit + 1, found: BinaryHeap::new(), places: Vec::new(), groups: Vec::new() };
        for (index, cursor) in recent_of(listing, &projects, period, &tests, snapshot) {
            newest.add(cursor, Place::Recent(index));
        }
        let mut segments: Vec<&Segment> =
            snapshot.segments.iter().filter(|segment| touches(&projects, period, segment)).collect();
        segments.sort_by_key(|segment| Reverse((segment.last_received, &segment.name)));
        let ends: Vec<Timestamp> = segments.iter().map(|segment| segment.last_received).collect();
        let mut looked = segments.into_iter().map(|segment| {
            let test = tests.get(&segment.project).cloned();
            self.newest_of(segment, test, period, listing.after, limit + 1)
        });
        // In order, so that it is known when no older segment can hold what is newer than the page.
        let newest_one = stream::iter(looked.next()).buffered(1);
        let mut looked = newest_one.chain(stream::iter(looked).buffered(AHEAD));
        for end in ends {
            if !newest.may_take(end) {
                break;
            }
            let Some(of_segment) = looked.try_next().await? else { break };
            for (group, found) in of_segment {
                let number = newest.groups.len();
                newest.groups.push(group);
                for (row, cursor) in found {
                    newest.add(cursor, Place::Sealed(number, row));
                }
            }
        }
        drop(looked);
        self.page(newest, limit, snapshot).await
    }

    /// The newest rows of a segment, by row group.
    async fn newest_of(
        &self,
        segment: &Segment,
        test: Option<Arc<Test>>,
        period: Period,
        after: Option<Cursor>,
        most: usize,
    ) -> Result<Vec<(RowGroup, Vec<(u32, Cursor)>)>, FactsError> {
        let Some(test) = test else { return Ok(Vec::new()) };
        let segment = Arc::new(segment.clone());
        let footer = self.footer(&segment).await?;
        let mut all = Vec::new();
        let mut number_found = 0;
        // Row groups follow each other in time, so the last ones hold the newest.
        for number in (0..footer.groups()).rev() {
            if number_found >= most {
                break;
            }
            let group = RowGroup { segment: Arc::clone(&segment), footer: Arc::clone(&footer), number };
            let (table, rows) =
                self.select(&group, &test, period, Some(Field::Received), &Effort::default()).await?;
            if rows.is_empty() {
                continue;
            }
            let mut list = rows.list();
            let received =
                |row: u32| Timestamp::from_millis(table.received().get(row as usize).copied().unwrap_or(0));
            // Only of the very moment of the cursor some may be before it and some behind.
            let newer = |row: &u32| after.is_none_or(|after| received(*row) < after.received);
            let sure = list.partition_point(newer);
            list.drain(..sure.saturating_sub(most));
            let ids = group.crashes(&self.shared.bucket, &Rows::of(group.rows(), &list)).await?;
            let found: Vec<(u32, Cursor)> = list
                .into_iter()
                .zip(ids)
                .filter_map(|(row, crash)| Some((row, Cursor { received: received(row), crash: crash? })))
                .filter(|(_, cursor)| after.is_none_or(|after| *cursor < after))
                .collect();
            number_found += found.len();
            all.push((group, found));
        }
        Ok(all)
    }

    async fn page(&self, newest: Newest, limit: usize, snapshot: &Snapshot) -> Result<Page, FactsError> {
        let Newest { found, places, groups, .. } = newest;
        let order: Vec<(Cursor, usize)> =
            found.into_sorted_vec().into_iter().map(|Reverse(found)| found).collect();
        let next = order.get(limit).and_then(|_| order.get(limit - 1)).map(|(cursor, _)| *cursor);
        let mut facts: BTreeMap<Cursor, Fact> = BTreeMap::new();
        let mut by_group: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for (_, place) in order.iter().take(limit) {
            match places.get(*place) {
                Some(Place::Recent(index)) => {
                    facts.extend(
                        snapshot.recent.get(*index).map(|fact| (Cursor::of(fact), Fact::clone(fact))),
                    );
                }
                Some(Place::Sealed(group, row)) => by_group.entry(*group).or_default().push(*row),
                None => {}
            }
        }
        let read = by_group.into_iter().filter_map(|(number, rows)| {
            let group = groups.get(number)?;
            Some(self.facts_at(group, rows))
        });
        let read: Vec<Vec<Fact>> = stream::iter(read).buffer_unordered(AHEAD).try_collect().await?;
        facts.extend(read.into_iter().flatten().map(|fact| (Cursor::of(&fact), fact)));
        Ok(Page { facts: facts.into_values().rev().collect(), next })
    }
}

/// The filter, as it is asked of each project's facts.
pub(super) fn tests_of(
    listing: &Listing,
    snapshot: &Snapshot,
) -> Result<BTreeMap<ProjectId, Arc<Test>>, FactsError> {
    listing.filter.check()?;
    let sealed = snapshot.segments.iter().map(|segment| segment.project);
    let projects: BTreeSet<ProjectId> =
        sealed.chain(snapshot.recent.iter().map(|fact| fact.project)).collect();
    let test = |project| Arc::new(Test::of(&snapshot.signatures.resolve(project, &listing.filter)));
    Ok(projects.into_iter().map(|project| (project, test(project))).collect())
}

/// Which facts that are in no segment are listed, and where in the list.
pub(super) fn recent_of(
    listing: &Listing,
    projects: &BTreeSet<ProjectId>,
    period: Period,
    tests: &BTreeMap<ProjectId, Arc<Test>>,
    snapshot: &Snapshot,
) -> Vec<(usize, Cursor)> {
    let mut listed = Vec::new();
    for (project, test) in tests.iter().filter(|(project, _)| is_of(projects, **project)) {
        let of_project = snapshot.recent.iter().map(Arc::as_ref).enumerate().filter(|(_, fact)| {
            fact.project == *project
                && period.contains(fact.received_at)
                && listing.after.is_none_or(|after| Cursor::of(fact) < after)
        });
        let (indexes, facts): (Vec<usize>, Vec<&Fact>) = of_project.unzip();
        let rows = test.rows(&Table::of_facts(&facts, &test.fields()));
        rows.for_each(|row| {
            if let (Some(index), Some(fact)) = (indexes.get(row), facts.get(row)) {
                listed.push((*index, Cursor::of(fact)));
            }
        });
    }
    listed
}

/// The part of a period that lies before a cursor, or in its very moment.
pub(super) fn before(period: Period, after: Option<Cursor>) -> Period {
    let Some(after) = after else { return period };
    let end = after.received.plus_millis(1);
    Period { until: Some(period.until.map_or(end, |until| until.min(end))), ..period }
}
