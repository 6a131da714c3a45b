//! Looking single crashes up.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use epitaph_crash_model::{CrashId, Fact};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Engine, Snapshot};
use crate::{
    FactsError,
    segment::{RowGroup, Rows, Segment, in_background},
};

/// How many segments are looked into at once.
const SEGMENTS: usize = 16;

impl Engine {
    /// The facts of these crashes, of whatever project; of one that is not known there is none. Of a segment the index,
    /// and the pages that may hold the crash are read.
    ///
    /// # Errors
    /// [`FactsError::Bucket`], [`FactsError::Segment`].
    pub async fn find(
        &self,
        crashes: &BTreeSet<CrashId>,
        snapshot: &Snapshot,
    ) -> Result<BTreeMap<CrashId, Fact>, FactsError> {
        let mut found: BTreeMap<CrashId, Fact> = snapshot
            .recent
            .iter()
            .filter(|fact| crashes.contains(&fact.crash_id))
            .map(|fact| (fact.crash_id, Fact::clone(fact)))
            .collect();
        let rows = self.rows_of(crashes, snapshot).await?;
        let facts = rows.into_iter().map(|(group, of_crashes)| async move {
            let rows: Vec<u32> = of_crashes.into_iter().map(|(row, _)| row).collect();
            self.facts_at(&group, rows).await
        });
        let facts: Vec<Vec<Fact>> = stream::iter(facts).buffer_unordered(SEGMENTS).try_collect().await?;
        found.extend(facts.into_iter().flatten().map(|fact| (fact.crash_id, fact)));
        Ok(found)
    }

    /// Those of these crashes that are known. Reads less than [`Engine::find`].
    ///
    /// # Errors
    /// As [`Engine::find`].
    pub async fn known(
        &self,
        crashes: &BTreeSet<CrashId>,
        snapshot: &Snapshot,
    ) -> Result<BTreeSet<CrashId>, FactsError> {
        let recent = snapshot.recent.iter().map(|fact| fact.crash_id).filter(|crash| crashes.contains(crash));
        let mut known: BTreeSet<CrashId> = recent.collect();
        let sealed = self.rows_of(crashes, snapshot).await?;
        known.extend(sealed.into_iter().flat_map(|(_, rows)| rows).map(|(_, crash)| crash));
        Ok(known)
    }

    /// Facts of some rows of a row group, in the order of rows.
    pub(super) async fn facts_at(&self, group: &RowGroup, rows: Vec<u32>) -> Result<Vec<Fact>, FactsError> {
        let wanted = Rows::of(group.rows(), &rows);
        let whole = group.facts(&self.shared.bucket, &wanted).await?;
        let segment = Arc::clone(&group.segment);
        in_background(move || {
            let wrong = || FactsError::of_segment(&segment.name, "a row is no fact");
            (0..whole.len()).map(|index| whole.fact(index).ok_or_else(wrong)).collect()
        })
        .await
    }

    /// Where crashes lie in segments.
    async fn rows_of(
        &self,
        crashes: &BTreeSet<CrashId>,
        snapshot: &Snapshot,
    ) -> Result<Vec<(RowGroup, Vec<(u32, CrashId)>)>, FactsError> {
        let within = |segment: &Segment| -> Arc<Vec<[u8; 16]>> {
            let range = crashes.range(segment.lowest_crash..=segment.highest_crash);
            Arc::new(range.map(|crash| *crash.as_bytes()).collect())
        };
        let wanted = snapshot.segments.iter().map(|segment| (segment, within(segment)));
        let looked = wanted.filter(|(_, wanted)| !wanted.is_empty()).map(|(segment, wanted)| async move {
            let segment = Arc::new(segment.clone());
            let footer = self.footer(&segment).await?;
            let groups = (0..footer.groups()).map(|number| {
                let group = RowGroup { segment: Arc::clone(&segment), footer: Arc::clone(&footer), number };
                let wanted = Arc::clone(&wanted);
                async move { self.look_up(group, &wanted).await }
            });
            let found: Vec<_> = stream::iter(groups).buffer_unordered(SEGMENTS).try_collect().await?;
            Ok::<_, FactsError>(found)
        });
        let found: Vec<Vec<_>> = stream::iter(looked).buffer_unordered(SEGMENTS).try_collect().await?;
        Ok(found.into_iter().flatten().filter(|(_, rows)| !rows.is_empty()).collect())
    }

    async fn look_up(
        &self,
        group: RowGroup,
        wanted: &[[u8; 16]],
    ) -> Result<(RowGroup, Vec<(u32, CrashId)>), FactsError> {
        let none = || Rows::none(group.rows());
        let rows = group.footer.rows_of_crashes(group.number, wanted).unwrap_or_else(none);
        if rows.is_empty() {
            return Ok((group, Vec::new()));
        }
        let ids = group.crashes(&self.shared.bucket, &rows).await?;
        let is_wanted = |crash: &CrashId| wanted.binary_search(crash.as_bytes()).is_ok();
        let found = rows.list().into_iter().zip(ids);
        let found = found.filter_map(|(row, crash)| Some((row, crash.filter(is_wanted)?)));
        let found = found.collect();
        Ok((group, found))
    }
}
