//! What pages and programs ask of one project, all of it at one moment.

use std::sync::Arc;

use epitaph_catalog::{CrashRow, Issue, TrendPoint};
use epitaph_crash_model::{CrashId, Fact, IssueNumber, ProjectId, SignatureId, Timestamp};
use futures_util::{Stream, TryStreamExt as _};

use super::Facts;
use crate::{
    Answer, Bucket, Column, Cursor, Dimension, FactsError, Filter, Listing, Measures, Order, Period,
    Question, QuestionError, Segment, Signatures, Snapshot,
};

/// The steps that a trend is counted in, in minutes, the longest first.
const STEPS: [u32; 9] = [24 * 60, 12 * 60, 6 * 60, 3 * 60, 60, 30, 10, 2, 1];
const MINUTE: i64 = 60_000;

/// A project's facts at one moment. Cheap to clone.
#[derive(Debug, Clone)]
pub struct View {
    facts: Facts,
    project: ProjectId,
    snapshot: Snapshot,
}

impl Facts {
    /// A project's facts as they are now.
    ///
    /// # Errors
    /// [`FactsError::Catalog`], [`FactsError::Segment`].
    pub async fn view(&self, project: ProjectId) -> Result<View, FactsError> {
        let known = self.shared.recent.known(project);
        let found = self.catalog().snapshot(project, &known).await?;
        let recent = Arc::new(found.recent);
        self.shared.recent.learn(project, &recent);
        let segments = found.segments.iter().map(Segment::of_row).collect::<Result<_, _>>()?;
        let mut signatures = Signatures::new();
        for signature in &found.signatures {
            signatures.insert(project, signature.id, Some(signature.issue), &signature.text);
        }
        let snapshot = Snapshot { segments: Arc::new(segments), recent, signatures: Arc::new(signatures) };
        Ok(View { facts: self.clone(), project, snapshot })
    }
}

impl View {
    /// The answer to a question about the project, whatever projects it names.
    ///
    /// # Errors
    /// [`FactsError::Question`] when it cannot be answered as it is put, [`FactsError::Bucket`],
    /// [`FactsError::Segment`], [`FactsError::Scratch`].
    pub async fn ask(&self, question: Question) -> Result<Answer, FactsError> {
        let question = Question { projects: vec![self.project], ..question };
        let snapshot = self.snapshot.clone();
        self.facts.have(move |engine| async move { engine.ask(&question, &snapshot).await }).await
    }

    /// One issue, counted since a moment; also one that had no crash since. `None` if there is no such issue.
    ///
    /// # Errors
    /// As [`View::ask`], and [`FactsError::Catalog`].
    pub async fn issue(
        &self,
        issue: IssueNumber,
        from: Option<Timestamp>,
    ) -> Result<Option<Issue>, FactsError> {
        let Some(mut found) = self.facts.catalog().issues_numbered(self.project, &[issue]).await?.pop()
        else {
            return Ok(None);
        };
        let answer = self.ask(Question {
            period: since(from),
            filter: Filter::equals(Column::Issue, issue.to_string()),
            measures: Measures { users: true, ..Measures::default() },
            ..Question::default()
        });
        let totals = answer.await?.totals;
        (found.count, found.users) = (totals.count, totals.users.unwrap_or(0));
        Ok(Some(found))
    }

    /// Reports that pass a filter, from `since` up to but not including `until`, in so many stretches of equal length, each
    /// of them listed.
    ///
    /// # Errors
    /// [`FactsError::Question`] when the stretches do not begin and end on whole minutes (UTC), or are more than 10,000
    /// steps of a length that divides them; else as [`View::ask`].
    pub async fn trend(
        &self,
        filter: Filter,
        since: Timestamp,
        until: Timestamp,
        pieces: u32,
    ) -> Result<Vec<TrendPoint>, FactsError> {
        let (first, length) = (since.as_millis(), until.as_millis() - since.as_millis());
        let piece = length.checked_div(i64::from(pieces)).unwrap_or(0);
        let fits = |step: &u32| {
            let step = i64::from(*step) * MINUTE;
            piece % step == 0 && first % step == 0
        };
        let step = STEPS.into_iter().find(fits).filter(|_| piece > 0 && piece * i64::from(pieces) == length);
        let step = step.and_then(|step| Bucket::new(step, 0));
        let step = step.ok_or_else(|| QuestionError::new("a trend has equal pieces of whole minutes"))?;
        let steps = usize::try_from(length / step.millis()).unwrap_or(usize::MAX);
        let answer = self.ask(Question {
            period: Period { from: Some(since), until: Some(until) },
            filter,
            group_by: vec![Dimension::Time(step)],
            order: Order::Value,
            limit: steps,
            ..Question::default()
        });
        let start = |number: u32| since.plus_millis(piece * i64::from(number));
        let mut points: Vec<TrendPoint> =
            (0..pieces).map(|number| TrendPoint { start: start(number), count: 0 }).collect();
        for row in answer.await?.rows {
            let at: Option<Timestamp> = row.value.and_then(|value| value.parse().ok());
            let number = at.and_then(|at| usize::try_from((at.as_millis() - first) / piece).ok());
            if let Some(point) = number.and_then(|number| points.get_mut(number)) {
                point.count += row.totals.count;
            }
        }
        Ok(points)
    }

    /// The newest crashes of the project, newest first.
    ///
    /// # Errors
    /// As [`View::ask`], and [`FactsError::Catalog`].
    pub async fn recent_crashes(&self, limit: u32) -> Result<Vec<CrashRow>, FactsError> {
        self.crashes(Listing::default(), limit).await
    }

    /// Crashes of an issue, newest first; `before` is the last one of the page before. Empty when there is no such issue.
    ///
    /// # Errors
    /// As [`View::ask`], and [`FactsError::Catalog`].
    pub async fn issue_crashes(
        &self,
        issue: IssueNumber,
        limit: u32,
        before: Option<CrashId>,
    ) -> Result<Vec<CrashRow>, FactsError> {
        let after = match before {
            Some(before) => {
                let row = self.facts.crash(self.project, before).await?;
                // One that has expired since it was shown is taken to be of its id's time.
                let gone = || Fact::new(before, self.project, SignatureId::from_bytes([0; 16]));
                Some(Cursor::of(&row.map_or_else(gone, |row| row.fact)))
            }
            None => None,
        };
        let filter = Filter::equals(Column::Issue, issue.to_string());
        self.crashes(Listing { filter, after, ..Listing::default() }, limit).await
    }

    async fn crashes(&self, listing: Listing, limit: u32) -> Result<Vec<CrashRow>, FactsError> {
        match usize::try_from(limit).unwrap_or(usize::MAX) {
            0 => Ok(Vec::new()),
            limit => self.list(listing, limit).await.map(|(crashes, _)| crashes),
        }
    }

    /// A page of the crashes of a list, newest first, whatever projects it names; and where the next page begins, unless
    /// this is the last one.
    ///
    /// # Errors
    /// [`FactsError::Question`] when `limit` is not from 1 to 10000 or the filter cannot be asked; else as [`View::ask`].
    pub async fn list(
        &self,
        listing: Listing,
        limit: usize,
    ) -> Result<(Vec<CrashRow>, Option<Cursor>), FactsError> {
        let listing = Listing { projects: vec![self.project], ..listing };
        let snapshot = self.snapshot.clone();
        let page = self
            .facts
            .have(move |engine| async move { engine.crashes(&listing, limit, &snapshot).await })
            .await?;
        Ok((self.facts.rows_of(self.project, page.facts).await?, page.next))
    }

    /// All crashes of a list, in batches, the newest first within each; whatever projects it names.
    ///
    /// # Errors
    /// [`FactsError::Question`] when the filter cannot be asked, [`FactsError::Scratch`]. The stream ends with the first
    /// error of [`FactsError::Bucket`], [`FactsError::Catalog`] or [`FactsError::Segment`].
    pub fn export(
        &self,
        listing: Listing,
    ) -> Result<impl Stream<Item = Result<Vec<CrashRow>, FactsError>> + Send + use<>, FactsError> {
        let listing = Listing { projects: vec![self.project], ..listing };
        let batches = self.facts.engine()?.export(&listing, &self.snapshot)?;
        let (facts, project) = (self.facts.clone(), self.project);
        Ok(batches.and_then(move |batch| {
            let facts = facts.clone();
            async move { facts.rows_of(project, batch).await }
        }))
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(super) fn project(&self) -> ProjectId {
        self.project
    }
}

fn since(from: Option<Timestamp>) -> Period {
    Period { from, until: None }
}
