//! Reading crashes: what the catalog knows of them, which is their facts. The whole crash is a document in the bucket.
//!
//! Crashes whose facts are in segments are not found here.

use std::collections::HashSet;

use epitaph_crash_model::{CrashId, Fact, IssueNumber, ProjectId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row as _, any::AnyRow};

use crate::{Catalog, CatalogError, bounded, fact, row};

/// The columns of a [`CrashRow`]. Each statement that begins with it names facts `f` and signatures `s`.
macro_rules! select_crash {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            $crate::fact::fact_columns!(),
            ", f.attempt, f.counted_by, s.issue, s.text AS signature_text ",
            $rest
        )
    };
}
pub(crate) use select_crash;

pub(crate) const ONE: &str = select_crash!(
    "FROM facts f JOIN signatures s ON s.project = f.project AND s.id = f.signature \
     WHERE f.project = $1 AND f.crash_id = $2"
);
/// `CROSS JOIN` makes SQLite go from project to project by the index; left alone it would read all facts. PostgreSQL
/// takes it for a hint of nothing, but finds what has a limit of its own before the rest.
pub(crate) const FIND: &str = select_crash!(
    "FROM (SELECT k.project, k.crash_id FROM projects p CROSS JOIN facts k \
           WHERE k.project = p.id AND k.crash_id = $1 LIMIT 1) found \
     CROSS JOIN facts f CROSS JOIN signatures s \
     WHERE f.project = found.project AND f.crash_id = found.crash_id \
     AND s.project = f.project AND s.id = f.signature"
);
pub(crate) const RECENT: &str = select_crash!(
    "FROM facts f JOIN signatures s ON s.project = f.project AND s.id = f.signature \
     WHERE f.project = $1 ORDER BY f.received_at DESC, f.crash_id DESC LIMIT $2"
);
pub(crate) const SIGNATURES: &str = "SELECT id FROM signatures WHERE project = $1 AND issue = $2";
/// One signature at a time: only then does the index give the order, and a page costs the same however many there are.
pub(crate) const OF_SIGNATURE: &str = select_crash!(
    "FROM facts f JOIN signatures s ON s.project = f.project AND s.id = f.signature \
     WHERE f.project = $1 AND f.signature = $2 AND (f.received_at, f.crash_id) < ($3, $4) \
     ORDER BY f.received_at DESC, f.crash_id DESC LIMIT $5"
);

/// How many ids one statement names.
const AT_ONCE: usize = 500;

/// What the catalog knows of one crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashRow {
    /// What statistics count of it.
    pub fact: Fact,
    /// The issue that it belongs to.
    pub issue: IssueNumber,
    /// Its signature, as people read it.
    pub signature_text: String,
    /// The attempt whose document is the crash's. `None` where no document of it is left.
    pub attempt: Option<String>,
    /// The rule by which it is only counted: it has neither document nor files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_by: Option<String>,
}

impl Catalog {
    /// One crash of a project; `None` until it is recorded, and after it has expired.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn crash(&self, project: ProjectId, crash: CrashId) -> Result<Option<CrashRow>, CatalogError> {
        let question = sqlx::query(ONE).bind(project.as_i64()).bind(crash.to_string());
        self.maybe(question).await?.as_ref().map(read).transpose()
    }

    /// One crash of whichever project.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn find_crash(&self, crash: CrashId) -> Result<Option<CrashRow>, CatalogError> {
        let question = sqlx::query(FIND).bind(crash.to_string());
        self.maybe(question).await?.as_ref().map(read).transpose()
    }

    /// The newest crashes of a project, newest first.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn recent_crashes(
        &self,
        project: ProjectId,
        limit: u32,
    ) -> Result<Vec<CrashRow>, CatalogError> {
        let question = sqlx::query(RECENT).bind(project.as_i64()).bind(bounded(limit));
        self.all(question).await?.iter().map(read).collect()
    }

    /// Crashes of an issue, newest first; `before` is the last one of the page before. Empty when there is no such
    /// issue.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn issue_crashes(
        &self,
        project: ProjectId,
        issue: IssueNumber,
        limit: u32,
        before: Option<CrashId>,
    ) -> Result<Vec<CrashRow>, CatalogError> {
        let (time, id) = match before {
            Some(before) => (self.received_at(project, before).await?, before.to_string()),
            None => (Timestamp::from_millis(i64::MAX), String::new()),
        };
        let signatures = self.all(sqlx::query(SIGNATURES).bind(project.as_i64()).bind(issue.0)).await?;
        let mut crashes = Vec::new();
        for signature in &signatures {
            let page = sqlx::query(OF_SIGNATURE)
                .bind(project.as_i64())
                .bind(signature.try_get::<&str, _>("id")?)
                .bind(time.as_millis())
                .bind(&id)
                .bind(bounded(limit));
            for row in &self.all(page).await? {
                crashes.push(read(row)?);
            }
        }
        crashes.sort_by_key(|crash| std::cmp::Reverse((crash.fact.received_at, crash.fact.crash_id)));
        crashes.truncate(usize::try_from(bounded(limit)).unwrap_or(usize::MAX));
        Ok(crashes)
    }

    /// Which of these crashes the catalog has, so that what belongs to none of them can be swept away. An id that is
    /// not in the answer may still be on its way here.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn known_crashes(
        &self,
        project: ProjectId,
        crashes: &[CrashId],
    ) -> Result<HashSet<CrashId>, CatalogError> {
        self.which_of(project, crashes, known_among, "crash_id").await
    }

    /// Those of these ids that `ask`, given their number, finds in `column`.
    pub(crate) async fn which_of(
        &self,
        project: ProjectId,
        crashes: &[CrashId],
        ask: fn(usize) -> String,
        column: &'static str,
    ) -> Result<HashSet<CrashId>, CatalogError> {
        let mut known = HashSet::new();
        for some in crashes.chunks(AT_ONCE) {
            let mut question = sqlx::query(AssertSqlSafe(ask(some.len()))).bind(project.as_i64());
            for crash in some {
                question = question.bind(crash.to_string());
            }
            for row in &self.all(question).await? {
                known.insert(row::parsed(row, column)?);
            }
        }
        Ok(known)
    }

    /// When a crash was accepted. One that has expired since it was shown is taken to be of its id's time.
    async fn received_at(&self, project: ProjectId, crash: CrashId) -> Result<Timestamp, CatalogError> {
        let row = self.crash(project, crash).await?;
        Ok(row.map_or_else(|| crash.accepted_at(), |row| row.fact.received_at))
    }
}

pub(crate) fn known_among(count: usize) -> String {
    format!(
        "SELECT f.crash_id FROM facts f WHERE f.project = $1 AND f.crash_id IN ({})",
        placeholders(2, count)
    )
}

/// `count` placeholders, counted from `first`.
pub(crate) fn placeholders(first: usize, count: usize) -> String {
    (first..first + count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

pub(crate) fn read(row: &AnyRow) -> Result<CrashRow, CatalogError> {
    Ok(CrashRow {
        fact: fact::read(row)?,
        issue: IssueNumber(row.try_get("issue")?),
        signature_text: row.try_get("signature_text")?,
        attempt: row.try_get("attempt")?,
        counted_by: row.try_get("counted_by")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Engine, T0, catalog, crash, on_each_engine};

    async fn a_crash_reads_back_as_it_was_recorded(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        let mut new = crash(7, "render", T0);
        new.fact.reason = Some("SIGSEGV / \u{1f525} 'quoted'".into());
        new.fact.device = Some("Steam Deck".into());
        new.fact.gpu = Some("RDNA 2".into());
        new.fact.uptime_seconds = Some(u64::MAX);
        new.fact.occurred_at = Timestamp::from_millis(-5);
        new.fact.weight = u32::MAX;
        new.fact.unreadable = true;
        new.fact.foreground = Some(false);
        (new.fact.gpu_driver, new.fact.session) = (Some("551.23".into()), Some(String::new()));
        new.fact.tags =
            [("shard".into(), "eu-3 \0 \"quoted\"".into()), (String::new(), "\u{1f525}".into())].into();
        new.counted_by = Some("noise".into());
        assert_eq!(catalog.crash(new.fact.project, new.fact.crash_id).await.unwrap(), None);
        catalog.record(&new).await.unwrap();
        let row = catalog.crash(new.fact.project, new.fact.crash_id).await.unwrap().unwrap();
        new.fact.uptime_seconds = i64::MAX.try_into().ok();
        let expected = CrashRow {
            fact: new.fact.clone(),
            issue: IssueNumber(1),
            signature_text: "render".into(),
            attempt: Some(new.attempt.clone()),
            counted_by: Some("noise".into()),
        };
        assert_eq!(row, expected);
        assert_eq!(catalog.find_crash(new.fact.crash_id).await.unwrap(), Some(expected));
    }

    async fn a_crash_is_found_without_its_project_but_read_only_with_it(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        let other = catalog.add_project(None, "Other").await.unwrap().id;
        let mut new = crash(1, "render", T0);
        new.fact.project = other;
        catalog.record(&new).await.unwrap();
        assert_eq!(catalog.crash(ProjectId::FIRST, new.fact.crash_id).await.unwrap(), None);
        assert_eq!(catalog.find_crash(new.fact.crash_id).await.unwrap().unwrap().fact.project, other);
        assert_eq!(catalog.find_crash(CrashId::new()).await.unwrap(), None);
    }

    async fn pages_of_an_issue_hold_every_crash_once_newest_first(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        // Several crashes share a millisecond, across the edges of pages.
        for index in 0..25 {
            catalog.record(&crash(index, "render", T0 + i64::from(index / 4))).await.unwrap();
            catalog.record(&crash(100 + index, "audio", T0)).await.unwrap();
        }
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = catalog.issue_crashes(ProjectId::FIRST, IssueNumber(1), 3, before).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.fact.crash_id);
            seen.extend(page.into_iter().map(|row| (row.fact.received_at, row.fact.crash_id)));
        }
        let mut expected: Vec<_> = (0..25)
            .map(|index| crash(index, "render", T0 + i64::from(index / 4)).fact)
            .map(|fact| (fact.received_at, fact.crash_id))
            .collect();
        expected.sort();
        expected.reverse();
        assert_eq!(seen, expected);
        assert!(catalog.issue_crashes(ProjectId::FIRST, IssueNumber(9), 3, None).await.unwrap().is_empty());
    }

    async fn the_newest_crashes_come_first_and_no_more_than_asked_for(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        for index in 0..5 {
            catalog.record(&crash(index, &format!("s{index}"), T0 + i64::from(index))).await.unwrap();
        }
        let recent = catalog.recent_crashes(ProjectId::FIRST, 2).await.unwrap();
        let texts: Vec<_> = recent.iter().map(|row| row.signature_text.as_str()).collect();
        assert_eq!(texts, ["s4", "s3"]);
        assert!(catalog.recent_crashes(ProjectId::FIRST, 0).await.unwrap().is_empty());
    }

    async fn of_many_ids_those_that_were_recorded_are_known(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        let recorded = [crash(1, "a", T0), crash(1203, "b", T0)];
        for crash in &recorded {
            catalog.record(crash).await.unwrap();
        }
        let asked: Vec<_> = (0..1300).map(|index| crash(index, "", T0).fact.crash_id).collect();
        let known = catalog.known_crashes(ProjectId::FIRST, &asked).await.unwrap();
        assert_eq!(known, recorded.iter().map(|crash| crash.fact.crash_id).collect());
        let other = ProjectId::try_from(2_u64).unwrap();
        assert!(catalog.known_crashes(other, &asked).await.unwrap().is_empty());
    }

    on_each_engine! {
        a_crash_reads_back_as_it_was_recorded,
        a_crash_is_found_without_its_project_but_read_only_with_it,
        pages_of_an_issue_hold_every_crash_once_newest_first,
        the_newest_crashes_come_first_and_no_more_than_asked_for,
        of_many_ids_those_that_were_recorded_are_known,
    }
}
