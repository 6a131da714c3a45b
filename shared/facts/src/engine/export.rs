//! All facts that pass a filter, as a stream.

use std::{cmp::Reverse, collections::BTreeSet, sync::Arc};

use epitaph_crash_model::{Fact, ProjectId};
use futures_util::{Stream, stream};

use super::{
    Cursor, Effort, Engine, Listing, Snapshot,
    crashes::{before, recent_of, tests_of},
    scan::touches,
    select::Test,
};
use crate::{
    FactsError, Period,
    segment::{RowGroup, Segment},
};

/// Facts that are read and held at once.
const BATCH: usize = 4096;

/// What is still to be exported.
struct Rest {
    engine: Engine,
    recent: Vec<Arc<Fact>>,
    /// The newest last.
    segments: Vec<(Segment, Arc<Test>)>,
    period: Period,
    after: Option<Cursor>,
    /// Row groups of the current segment, the newest last.
    groups: Vec<(RowGroup, Arc<Test>)>,
    /// Rows of the current row group, ascending.
    rows: Option<(RowGroup, Vec<u32>)>,
}

impl Engine {
    /// All facts of a list, in batches of at most 4096. First those that are in no segment, then segment by segment, the
    /// newest first, and of each the newest facts first.
    ///
    /// # Errors
    /// [`FactsError::Question`] when the filter cannot be asked. The stream ends with the first error of
    /// [`FactsError::Bucket`] or [`FactsError::Segment`].
    pub fn export(
        &self,
        listing: &Listing,
        snapshot: &Snapshot,
    ) -> Result<impl Stream<Item = Result<Vec<Fact>, FactsError>> + Send + use<>, FactsError> {
        let tests = tests_of(listing, snapshot)?;
        let projects: BTreeSet<ProjectId> = listing.projects.iter().copied().collect();
        let period = before(listing.period, listing.after);
        let recent = recent_of(listing, &projects, period, &tests, snapshot);
        let mut recent: Vec<Arc<Fact>> =
            recent.iter().filter_map(|(index, _)| snapshot.recent.get(*index).cloned()).collect();
        recent.sort_by_key(|fact| (fact.received_at, fact.crash_id));
        let touched = snapshot.segments.iter().filter(|segment| touches(&projects, period, segment));
        let mut segments: Vec<(Segment, Arc<Test>)> = touched
            .filter_map(|segment| Some((segment.clone(), Arc::clone(tests.get(&segment.project)?))))
            .collect();
        segments.sort_by_key(|(segment, _)| (segment.last_received, Reverse(segment.name.clone())));
        let rest = Rest {
            engine: self.clone(),
            recent,
            segments,
            period,
            after: listing.after,
            groups: Vec::new(),
            rows: None,
        };
        Ok(stream::try_unfold(
            rest,
            |mut rest| async move { Ok(rest.next().await?.map(|batch| (batch, rest))) },
        ))
    }
}

impl Rest {
    async fn next(&mut self) -> Result<Option<Vec<Fact>>, FactsError> {
        if !self.recent.is_empty() {
            let mut batch = self.recent.split_off(self.recent.len().saturating_sub(BATCH));
            batch.reverse();
            return Ok(Some(batch.iter().map(|fact| Fact::clone(fact)).collect()));
        }
        loop {
            if let Some((group, rows)) = &mut self.rows {
                let batch = rows.split_off(rows.len().saturating_sub(BATCH));
                if !batch.is_empty() {
                    let mut facts = self.engine.facts_at(group, batch).await?;
                    facts.retain(|fact| self.after.is_none_or(|after| Cursor::of(fact) < after));
                    facts.reverse();
                    return Ok(Some(facts));
                }
                self.rows = None;
            }
            if let Some((group, test)) = self.groups.pop() {
                let (_, rows) =
                    self.engine.select(&group, &test, self.period, None, &Effort::default()).await?;
                self.rows = Some((group, rows.list()));
            } else if let Some((segment, test)) = self.segments.pop() {
                let segment = Arc::new(segment);
                let footer = self.engine.footer(&segment).await?;
                let group =
                    |number| RowGroup { segment: Arc::clone(&segment), footer: Arc::clone(&footer), number };
                self.groups = (0..footer.groups()).map(|number| (group(number), Arc::clone(&test))).collect();
            } else {
                return Ok(None);
            }
        }
    }
}
