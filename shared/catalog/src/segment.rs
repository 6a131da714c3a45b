//! Which segments there are, and how facts move from rows into them.
//!
//! ```text
//!            begin                seal, replace               replace, drop            forget
//! (nothing) ──────▶ unfinished ─────────────────▶ listed ─────────────────▶ replaced ────────▶ (nothing)
//!                       └──────────── give up ───────────────────────────────▲
//! ```
//!
//! The row is there before the file and until the file is gone, so that no file is forgotten. Each step asks for the
//! state that it begins with, in the transaction that moves the facts: a writer that was stopped for a day finds that it
//! was given up, and lists nothing.

use std::{collections::HashSet, ops::Range};

use epitaph_crash_model::{CrashId, Fact, ProjectId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row as _, any::AnyRow};

use crate::{
    Catalog, CatalogError, bounded,
    crash::placeholders,
    duplicate,
    fact::{self, fact_columns},
    questions::Transaction,
    retention, row,
};

pub(crate) const UNSEALED: &str = "SELECT p.id AS project, \
    (SELECT MIN(f.received_at) FROM facts f WHERE f.project = p.id) AS oldest, \
    (SELECT COUNT(*) FROM (SELECT 1 FROM facts k WHERE k.project = p.id ORDER BY k.received_at LIMIT $1) counted) AS facts \
    FROM projects p";
pub(crate) const OLDEST: &str = concat!(
    "SELECT ",
    fact_columns!(),
    " FROM facts f WHERE f.project = $1 AND (f.received_at, f.crash_id) > ($2, $3) AND f.received_at < $4 \
     ORDER BY f.received_at, f.crash_id LIMIT $5"
);
const BEGIN: &str =
    "INSERT INTO segments (project, name, state, changed_at) VALUES ($1, $2, 'unfinished', $3)";
const LIST: &str = "UPDATE segments SET state = 'listed', changed_at = $3, first_received = $4, last_received = $5, \
    lowest_crash = $6, highest_crash = $7, facts = $8, bytes = $9, described = $10 \
    WHERE project = $1 AND name = $2 AND state = 'unfinished'";
const DROP: &str = "UPDATE segments SET state = 'replaced', changed_at = $3 \
    WHERE project = $1 AND name = $2 AND state = $4";
pub(crate) const GIVE_UP: &str = "UPDATE segments SET state = 'replaced', changed_at = $1 \
    WHERE state = 'unfinished' AND changed_at < $2";
pub(crate) const REPLACED: &str = "SELECT project, name FROM segments \
    WHERE state = 'replaced' AND changed_at < $1 LIMIT $2";
const FORGET: &str = "DELETE FROM segments WHERE project = $1 AND name = $2 AND state = 'replaced'";
/// The columns of a [`SegmentRow`].
macro_rules! select_segment {
    ($rest:literal) => {
        concat!(
            "SELECT g.project, g.name, g.first_received, g.last_received, g.lowest_crash, g.highest_crash, g.facts, \
             g.bytes, g.described FROM segments g WHERE g.state = 'listed' ",
            $rest
        )
    };
}
pub(crate) const LISTED: &str = select_segment!("AND g.project = $1 ORDER BY g.last_received, g.name");
pub(crate) const HOLDERS: &str =
    select_segment!("AND g.project = $1 AND g.lowest_crash <= $3 AND g.highest_crash >= $2");

/// How many rows one statement names.
const AT_ONCE: usize = 500;
/// What is counted at most of the facts that wait, so that counting costs no more.
const MOST_COUNTED: i64 = 1_000_000;

/// A segment that is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRow {
    /// Whose facts.
    pub project: ProjectId,
    /// Its name, which no other segment of the project ever has.
    pub name: String,
    /// When the first of its reports was received.
    pub first_received: Timestamp,
    /// When the last was received.
    pub last_received: Timestamp,
    /// The lowest crash id.
    pub lowest_crash: CrashId,
    /// The highest crash id.
    pub highest_crash: CrashId,
    /// How many facts it has.
    pub facts: u64,
    /// The size of its file.
    pub bytes: u64,
    /// What its reader must know of it, as JSON; nothing here reads it.
    pub described: String,
}

/// How many facts of a project are in no segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsealed {
    /// The project.
    pub project: ProjectId,
    /// When the oldest of these reports was received.
    pub oldest: Timestamp,
    /// How many there are; a million stands for any more.
    pub facts: u64,
}

impl Catalog {
    /// The projects that have facts in no segment.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn unsealed(&self) -> Result<Vec<Unsealed>, CatalogError> {
        let rows = self.all(sqlx::query(UNSEALED).bind(MOST_COUNTED)).await?;
        let mut unsealed = Vec::new();
        for found in &rows {
            // A project without any has no oldest one.
            if let Some(oldest) = found.try_get::<Option<i64>, _>("oldest")? {
                let (project, facts) = (row::project(found, "project")?, row::number(found, "facts")?);
                unsealed.push(Unsealed { project, oldest: Timestamp::from_millis(oldest), facts });
            }
        }
        Ok(unsealed)
    }

    /// The oldest facts of a project that are in no segment and were received within a period, in the order of segments;
    /// those behind `after`, where it is given.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn oldest_facts(
        &self,
        project: ProjectId,
        period: Range<Timestamp>,
        after: Option<(Timestamp, CrashId)>,
        limit: u32,
    ) -> Result<Vec<Fact>, CatalogError> {
        // No id comes before an empty text.
        let (received, crash) =
            after.map_or((period.start, String::new()), |(received, crash)| (received, crash.to_string()));
        let question = sqlx::query(OLDEST)
            .bind(project.as_i64())
            .bind(received.as_millis())
            .bind(crash)
            .bind(period.end.as_millis())
            .bind(bounded(limit));
        self.all(question).await?.iter().map(fact::read).collect()
    }

    /// Notes that the file of a segment is about to be written.
    ///
    /// # Errors
    /// [`CatalogError::Refused`] where the name was used before; [`CatalogError::Unavailable`].
    pub async fn begin_segment(&self, project: ProjectId, name: &str) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        let begin = sqlx::query(BEGIN).bind(project.as_i64()).bind(name.to_owned());
        transaction.execute(begin.bind(Timestamp::now().as_millis())).await?;
        transaction.commit().await
    }

    /// Moves facts into a segment, whose file holds exactly these: lists it, and deletes their rows. False, and nothing
    /// has changed, where the segment was given up meanwhile, or one of the facts is not a row any more.
    ///
    /// After an error, whether they were moved is open; asking again then answers false if they were.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn seal(&self, segment: &SegmentRow, crashes: &[CrashId]) -> Result<bool, CatalogError> {
        self.settle(|| self.seal_once(segment, crashes)).await
    }

    async fn seal_once(&self, segment: &SegmentRow, crashes: &[CrashId]) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        let mut moved = list(&mut transaction, segment).await?;
        for some in crashes.chunks(AT_ONCE) {
            if !moved {
                break;
            }
            let deleted = retention::delete_facts(&mut transaction, segment.project, some).await?;
            moved = deleted == some.len() as u64;
        }
        end(transaction, moved).await
    }

    /// Lists a segment in the place of others, whose facts it holds. False, and nothing has changed, where it was given
    /// up, or one of the others is not listed any more.
    ///
    /// # Errors
    /// As [`Catalog::seal`].
    pub async fn replace_segments(
        &self,
        segment: &SegmentRow,
        replaced: &[SegmentRow],
    ) -> Result<bool, CatalogError> {
        self.settle(|| self.replace_once(segment, replaced)).await
    }

    async fn replace_once(
        &self,
        segment: &SegmentRow,
        replaced: &[SegmentRow],
    ) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        let mut moved = list(&mut transaction, segment).await?;
        // Always in the same order, so that two writers never wait for each other.
        let mut names: Vec<&str> = replaced.iter().map(|segment| segment.name.as_str()).collect();
        names.sort_unstable();
        for name in names {
            moved = moved && drop_one(&mut transaction, segment.project, name, "listed").await?;
        }
        end(transaction, moved).await
    }

    /// Takes a segment from the list, whose facts have expired. Its file is deleted later. False where it is not listed.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn drop_segment(&self, project: ProjectId, name: &str) -> Result<bool, CatalogError> {
        self.leave(project, name, "listed").await
    }

    /// Gives up a segment that is unfinished. False where it is not, but listed or given up.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn give_up_segment(&self, project: ProjectId, name: &str) -> Result<bool, CatalogError> {
        self.leave(project, name, "unfinished").await
    }

    async fn leave(&self, project: ProjectId, name: &str, state: &'static str) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        let left = drop_one(&mut transaction, project, name, state).await?;
        end(transaction, left).await
    }

    /// Gives up the unfinished segments that were begun before a moment: their writers have died. Gives their number.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn give_up_segments(&self, begun_before: Timestamp) -> Result<u64, CatalogError> {
        let mut transaction = self.begin().await?;
        let give_up = sqlx::query(GIVE_UP).bind(Timestamp::now().as_millis()).bind(begun_before.as_millis());
        let given_up = transaction.execute(give_up).await?;
        transaction.commit().await?;
        Ok(given_up)
    }

    /// Segments of all projects that were replaced, dropped or given up before a moment: no question that was asked
    /// later reads their files.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn replaced_segments(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<(ProjectId, String)>, CatalogError> {
        let rows = self.all(sqlx::query(REPLACED).bind(before.as_millis()).bind(bounded(limit))).await?;
        rows.iter().map(|found| Ok((row::project(found, "project")?, found.try_get("name")?))).collect()
    }

    /// Forgets a replaced segment, whose file is deleted.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn forget_segment(&self, project: ProjectId, name: &str) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        let forget = sqlx::query(FORGET).bind(project.as_i64()).bind(name.to_owned());
        transaction.execute(forget).await?;
        transaction.commit().await
    }

    /// The listed segments of a project, by the time of their last report.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn segments(&self, project: ProjectId) -> Result<Vec<SegmentRow>, CatalogError> {
        self.all(sqlx::query(LISTED).bind(project.as_i64())).await?.iter().map(read).collect()
    }

    /// The listed segments that may hold crashes of ids from one to another; of a project, or of whichever.
    ///
    /// Facts only ever move from rows into segments: who first looks for a row, and then here, misses none.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn segments_of_crashes(
        &self,
        project: Option<ProjectId>,
        lowest: CrashId,
        highest: CrashId,
    ) -> Result<Vec<SegmentRow>, CatalogError> {
        // Projects are few enough to ask one by one, by the index.
        let projects = match project {
            Some(project) => vec![project],
            None => self.projects().await?.into_iter().map(|project| project.id).collect(),
        };
        let mut holders = Vec::new();
        for project in projects {
            let question = sqlx::query(HOLDERS).bind(project.as_i64());
            let question = question.bind(lowest.to_string()).bind(highest.to_string());
            for found in &self.all(question).await? {
                holders.push(read(found)?);
            }
        }
        Ok(holders)
    }

    /// Which of these names are segments of a project, whatever their state.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn known_segments(
        &self,
        project: ProjectId,
        names: &[String],
    ) -> Result<HashSet<String>, CatalogError> {
        let mut known = HashSet::new();
        for some in names.chunks(AT_ONCE) {
            let mut question = sqlx::query(AssertSqlSafe(known_among(some.len()))).bind(project.as_i64());
            for name in some {
                question = question.bind(name.clone());
            }
            for found in &self.all(question).await? {
                known.insert(found.try_get("name")?);
            }
        }
        Ok(known)
    }

    /// Lets the names of crashes go whose facts are about to expire with their segment.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn forget_names(&self, project: ProjectId, crashes: &[CrashId]) -> Result<(), CatalogError> {
        for some in crashes.chunks(AT_ONCE) {
            self.settle(|| self.forget_names_once(project, some)).await?;
        }
        Ok(())
    }

    async fn forget_names_once(&self, project: ProjectId, crashes: &[CrashId]) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        duplicate::forget_names(&mut transaction, project, crashes).await?;
        transaction.commit().await
    }
}

async fn list(transaction: &mut Transaction, segment: &SegmentRow) -> Result<bool, CatalogError> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let list = sqlx::query(LIST)
        .bind(segment.project.as_i64())
        .bind(segment.name.clone())
        .bind(Timestamp::now().as_millis())
        .bind(segment.first_received.as_millis())
        .bind(segment.last_received.as_millis())
        .bind(segment.lowest_crash.to_string())
        .bind(segment.highest_crash.to_string())
        .bind(number(segment.facts))
        .bind(number(segment.bytes))
        .bind(row::text(&segment.described));
    Ok(transaction.execute(list).await? == 1)
}

async fn drop_one(
    transaction: &mut Transaction,
    project: ProjectId,
    name: &str,
    state: &'static str,
) -> Result<bool, CatalogError> {
    let drop = sqlx::query(DROP).bind(project.as_i64()).bind(name.to_owned());
    Ok(transaction.execute(drop.bind(Timestamp::now().as_millis()).bind(state)).await? == 1)
}

/// Makes all changes, or none.
async fn end(transaction: Transaction, changed: bool) -> Result<bool, CatalogError> {
    if changed {
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    Ok(changed)
}

pub(crate) fn known_among(count: usize) -> String {
    format!("SELECT g.name FROM segments g WHERE g.project = $1 AND g.name IN ({})", placeholders(2, count))
}

pub(crate) fn read(found: &AnyRow) -> Result<SegmentRow, CatalogError> {
    Ok(SegmentRow {
        project: row::project(found, "project")?,
        name: found.try_get("name")?,
        first_received: row::time(found, "first_received")?,
        last_received: row::time(found, "last_received")?,
        lowest_crash: row::parsed(found, "lowest_crash")?,
        highest_crash: row::parsed(found, "highest_crash")?,
        facts: row::number(found, "facts")?,
        bytes: row::number(found, "bytes")?,
        described: found.try_get("described")?,
    })
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
