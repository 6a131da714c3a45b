//! Single crashes, whether their facts are rows or in a segment.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use epitaph_bucket::Key;
use epitaph_catalog::{CrashRow, RecordedAs, SegmentRow};
use epitaph_crash_model::{CrashId, Fact, ProjectId};
use futures_util::TryStreamExt as _;

use super::Facts;
use crate::{FactsError, Listing, Segment, Snapshot};

impl Facts {
    /// One crash of a project; `None` until it is recorded, and after it has expired.
    ///
    /// # Errors
    /// [`FactsError::Catalog`], [`FactsError::Bucket`], [`FactsError::Segment`].
    pub async fn crash(&self, project: ProjectId, crash: CrashId) -> Result<Option<CrashRow>, FactsError> {
        self.look_up(Some(project), crash).await
    }

    /// The crash with a name, as [`epitaph_catalog::Catalog::crashes_named`] takes it; in a project, or in whichever.
    ///
    /// # Errors
    /// As [`Facts::crash`].
    pub async fn find(&self, project: Option<ProjectId>, name: &str) -> Result<Option<CrashRow>, FactsError> {
        for (project, crash) in self.catalog().crashes_named(project, name).await? {
            let found = self.look_up(project, crash).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Which of these crashes were recorded and have not expired.
    ///
    /// # Errors
    /// As [`Facts::crash`].
    pub async fn known(
        &self,
        project: ProjectId,
        crashes: &[CrashId],
    ) -> Result<HashSet<CrashId>, FactsError> {
        let mut known = self.catalog().known_crashes(project, crashes).await?;
        let others: BTreeSet<CrashId> =
            crashes.iter().copied().filter(|crash| !known.contains(crash)).collect();
        let (Some(lowest), Some(highest)) = (others.first(), others.last()) else { return Ok(known) };
        let segments = self.catalog().segments_of_crashes(Some(project), *lowest, *highest).await?;
        let segments = only(&segments)?;
        known.extend(self.have(move |engine| async move { engine.known(&others, &segments).await }).await?);
        Ok(known)
    }

    /// The crashes whose facts a segment has.
    ///
    /// # Errors
    /// [`FactsError::Bucket`], [`FactsError::Segment`].
    pub async fn crashes_of(&self, segment: &SegmentRow) -> Result<Vec<CrashId>, FactsError> {
        let snapshot = only(std::slice::from_ref(segment))?;
        let mut batches = std::pin::pin!(self.engine()?.export(&Listing::default(), &snapshot)?);
        let mut crashes = Vec::new();
        while let Some(facts) = batches.try_next().await? {
            crashes.extend(facts.iter().map(|fact| fact.crash_id));
        }
        Ok(crashes)
    }

    async fn look_up(
        &self,
        project: Option<ProjectId>,
        crash: CrashId,
    ) -> Result<Option<CrashRow>, FactsError> {
        let row = match project {
            Some(project) => self.catalog().crash(project, crash).await?,
            None => self.catalog().find_crash(crash).await?,
        };
        if row.is_some() {
            return Ok(row);
        }
        // Facts only move from rows into segments, so none is missed in between.
        let segments = only(&self.catalog().segments_of_crashes(project, crash, crash).await?)?;
        if segments.segments.is_empty() {
            return Ok(None);
        }
        let wanted = BTreeSet::from([crash]);
        let mut found = self.have(move |engine| async move { engine.find(&wanted, &segments).await }).await?;
        let Some(fact) = found.remove(&crash) else { return Ok(None) };
        let project = fact.project;
        let rows = self.rows_of(project, vec![fact]).await?;
        let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
        if row.attempt.is_none() && row.counted_by.is_none() {
            row.attempt = self.only_document(project, crash).await?;
        }
        Ok(Some(row))
    }

    /// What the catalog knows of crashes whose facts are known, in the same order. How they were recorded is told only
    /// as long as that is remembered.
    pub(super) async fn rows_of(
        &self,
        project: ProjectId,
        facts: Vec<Fact>,
    ) -> Result<Vec<CrashRow>, FactsError> {
        let signatures: BTreeSet<_> = facts.iter().map(|fact| fact.signature).collect();
        let signatures: Vec<_> = signatures.into_iter().collect();
        let crashes: Vec<CrashId> = facts.iter().map(|fact| fact.crash_id).collect();
        let known = self.catalog().signatures(project, &signatures).await?;
        let mut recorded = self.catalog().recorded_as(project, &crashes).await?;
        let row = |fact: Fact| {
            // A fact is recorded with its signature, and no signature is ever deleted.
            let signature = known.get(&fact.signature)?;
            let how = recorded.remove(&fact.crash_id);
            let (attempt, counted_by) =
                how.map_or((None, None), |RecordedAs { attempt, counted_by }| (Some(attempt), counted_by));
            let (issue, signature_text) = (signature.issue, signature.text.clone());
            Some(CrashRow { fact, issue, signature_text, attempt, counted_by })
        };
        Ok(facts.into_iter().filter_map(row).collect())
    }

    /// The attempt that wrote the document of a crash of which it is forgotten how it was recorded. Documents of attempts
    /// that lost were swept away before that.
    async fn only_document(&self, project: ProjectId, crash: CrashId) -> Result<Option<String>, FactsError> {
        let mut documents = self.bucket().list(&Key::documents_of(project, crash));
        while let Some(document) = documents.try_next().await? {
            let name = document.key.name();
            if let Some(attempt) = name.strip_suffix(".json") {
                return Ok(Some(attempt.to_owned()));
            }
        }
        Ok(None)
    }
}

/// Some segments alone.
fn only(segments: &[SegmentRow]) -> Result<Snapshot, FactsError> {
    let segments = segments.iter().map(Segment::of_row).collect::<Result<_, _>>()?;
    Ok(Snapshot { segments: Arc::new(segments), ..Snapshot::default() })
}
