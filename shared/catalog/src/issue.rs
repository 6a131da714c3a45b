//! Reading issues. What an issue counts is read from the facts of its signatures each time.
//!
//! First and last must outlive the facts. A signature keeps its first crash, which recording lowers when an earlier one
//! comes late. It also keeps a last one: its first, then whatever later one expired. The last crash of an issue is thus
//! the latest of what its signatures keep and what the facts still tell, and both ends stay right when facts expire and
//! when signatures move to other issues.

use std::{fmt, str::FromStr};

use epitaph_crash_model::{CrashId, IssueNumber, Kind, ProjectId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row as _, any::AnyRow};

use crate::{Catalog, CatalogError, bounded, crash::placeholders, row};

/// How many issues one statement names.
const AT_ONCE: usize = 500;

/// One row per signature: the issue `i`, its counts `t`, what the signature `s` keeps and its latest fact `l`.
macro_rules! select_issue {
    ($with:expr, $from:expr, $rest:expr) => {
        concat!(
            $with,
            "SELECT i.number, i.title, i.status, i.kind, t.count, t.users, \
             s.first_seen_at, s.first_crash, s.first_release, s.last_seen_at, s.last_crash, s.last_release, \
             l.received_at AS latest_at, l.crash_id AS latest_crash, l.release AS latest_release FROM ",
            $from,
            " JOIN signatures s ON s.project = i.project AND s.issue = i.number \
             LEFT JOIN facts l ON l.project = s.project AND l.crash_id = (\
                 SELECT f.crash_id FROM facts f WHERE f.project = s.project AND f.signature = s.id \
                 ORDER BY f.received_at DESC, f.crash_id DESC LIMIT 1) ",
            $rest
        )
    };
}

macro_rules! list {
    ($order:literal) => {
        select_issue!(
            concat!(
                "WITH counted AS (\
                     SELECT s.issue AS issue, CAST(SUM(f.weight) AS BIGINT) AS count, \
                     COUNT(DISTINCT f.user_hash) AS users, MAX(f.received_at) AS latest \
                     FROM facts f JOIN signatures s ON s.project = f.project AND s.id = f.signature \
                     WHERE f.project = $1 AND f.received_at >= $2 GROUP BY s.issue), \
                 dated AS (\
                     SELECT c.issue, c.count, c.users, c.latest, (\
                         SELECT MIN(s.first_seen_at) FROM signatures s \
                         WHERE s.project = $1 AND s.issue = c.issue) AS earliest \
                     FROM counted c), \
                 top AS (SELECT * FROM dated t ORDER BY ",
                $order,
                ", t.issue DESC LIMIT $3) "
            ),
            "top t JOIN issues i ON i.project = $1 AND i.number = t.issue",
            concat!("ORDER BY ", $order, ", t.issue DESC")
        )
    };
}

pub(crate) const BY_COUNT: &str = list!("t.count DESC");
pub(crate) const BY_LAST_SEEN: &str = list!("t.latest DESC");
pub(crate) const BY_FIRST_SEEN: &str = list!("t.earliest DESC");
/// `CROSS JOIN` makes SQLite go from signature to signature by the index; left alone it would read the whole period.
pub(crate) const ONE: &str = select_issue!(
    "",
    "issues i CROSS JOIN (\
         SELECT COALESCE(CAST(SUM(f.weight) AS BIGINT), 0) AS count, COUNT(DISTINCT f.user_hash) AS users \
         FROM signatures s CROSS JOIN facts f WHERE f.project = s.project AND f.signature = s.id \
         AND s.project = $1 AND s.issue = $2 AND f.received_at >= $3) t",
    "WHERE i.project = $1 AND i.number = $2"
);

/// Without counts: the issues' own rows, with their first and last crashes.
pub(crate) fn numbered(count: usize) -> String {
    select_issue!(
        "",
        "issues i CROSS JOIN (SELECT CAST(0 AS BIGINT) AS count, CAST(0 AS BIGINT) AS users) t",
        "WHERE i.project = $1 AND i.number IN ({numbers}) ORDER BY i.number"
    )
    .replace("{numbers}", &placeholders(2, count))
}

/// Where an issue stands in people's work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueStatus {
    /// To be looked at.
    #[default]
    Open,
    /// Done.
    Resolved,
    /// Not worth it.
    Ignored,
}

impl IssueStatus {
    /// The word used in the API and in the catalog.
    pub const fn as_str(self) -> &'static str {
        match self {
            IssueStatus::Open => "open",
            IssueStatus::Resolved => "resolved",
            IssueStatus::Ignored => "ignored",
        }
    }
}

impl fmt::Display for IssueStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for IssueStatus {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [IssueStatus::Open, IssueStatus::Resolved, IssueStatus::Ignored];
        let known = all.into_iter().find(|status| status.as_str() == text);
        known.ok_or("expected open, resolved or ignored")
    }
}

/// What people work on: crashes that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// Its number within the project, from 1.
    pub id: IssueNumber,
    /// What it is called: after its first recorded crash.
    pub title: String,
    /// How many reports there were in the period: the weights of its crashes, summed.
    pub count: u64,
    /// How many different users they came from; reports that name no user are not counted.
    pub users: u64,
    /// When its first crash ever was accepted.
    pub first_seen: Timestamp,
    /// When its last crash ever was accepted.
    pub last_seen: Timestamp,
    /// The release of its first crash.
    pub first_release: Option<String>,
    /// The release of its last crash.
    pub last_release: Option<String>,
    /// Where it stands.
    pub status: IssueStatus,
    /// The sort of its first recorded crash.
    pub kind: Kind,
}

/// Which issue comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueOrder {
    /// The one with most reports in the period.
    #[default]
    Count,
    /// The one seen last.
    LastSeen,
    /// The newest one.
    FirstSeen,
}

/// Which issues, and in what order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssueQuery {
    /// Only crashes accepted at this moment or later are counted, and only issues that have some are listed. `None`:
    /// all crashes that have not expired.
    pub since: Option<Timestamp>,
    /// The most issues to list.
    pub limit: u32,
    /// Which come first.
    pub order: IssueOrder,
}

impl Default for IssueQuery {
    fn default() -> Self {
        Self { since: None, limit: 100, order: IssueOrder::default() }
    }
}

impl Catalog {
    /// The issues of a project that had crashes in the period.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn issues(&self, project: ProjectId, query: &IssueQuery) -> Result<Vec<Issue>, CatalogError> {
        let statement = match query.order {
            IssueOrder::Count => BY_COUNT,
            IssueOrder::LastSeen => BY_LAST_SEEN,
            IssueOrder::FirstSeen => BY_FIRST_SEEN,
        };
        let question = sqlx::query(statement)
            .bind(project.as_i64())
            .bind(query.since.map_or(i64::MIN, Timestamp::as_millis))
            .bind(bounded(query.limit));
        join(&self.all(question).await?)
    }

    /// One issue, counted since a moment; also one that had no crash since. `None` if there is no such issue.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn issue(
        &self,
        project: ProjectId,
        issue: IssueNumber,
        since: Option<Timestamp>,
    ) -> Result<Option<Issue>, CatalogError> {
        let question = sqlx::query(ONE)
            .bind(project.as_i64())
            .bind(issue.0)
            .bind(since.map_or(i64::MIN, Timestamp::as_millis));
        Ok(join(&self.all(question).await?)?.pop())
    }
}

impl Catalog {
    /// Some issues, in the order of their numbers, as they are whatever is counted: `count` and `users` are 0. First and
    /// last crashes are those of all facts, also of those in segments and of those that have expired.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn issues_numbered(
        &self,
        project: ProjectId,
        numbers: &[IssueNumber],
    ) -> Result<Vec<Issue>, CatalogError> {
        let mut issues = Vec::new();
        for some in numbers.chunks(AT_ONCE) {
            let mut question = sqlx::query(AssertSqlSafe(numbered(some.len()))).bind(project.as_i64());
            for number in some {
                question = question.bind(number.0);
            }
            issues.extend(join(&self.all(question).await?)?);
        }
        Ok(issues)
    }
}

/// A crash that is the first or last of something.
#[derive(PartialEq, Eq)]
struct End {
    at: Timestamp,
    crash: CrashId,
    release: Option<String>,
}

impl End {
    fn read(
        row: &AnyRow,
        at: &'static str,
        crash: &'static str,
        release: &'static str,
    ) -> Result<Self, CatalogError> {
        Ok(Self { at: row::time(row, at)?, crash: row::parsed(row, crash)?, release: row.try_get(release)? })
    }

    fn position(&self) -> (Timestamp, CrashId) {
        (self.at, self.crash)
    }
}

/// Joins the rows of each issue's signatures, which stand side by side.
fn join(rows: &[AnyRow]) -> Result<Vec<Issue>, CatalogError> {
    let mut issues: Vec<(Issue, End, End)> = Vec::new();
    for row in rows {
        let first = End::read(row, "first_seen_at", "first_crash", "first_release")?;
        let mut last = End::read(row, "last_seen_at", "last_crash", "last_release")?;
        if row.try_get::<Option<i64>, _>("latest_at")?.is_some() {
            let latest = End::read(row, "latest_at", "latest_crash", "latest_release")?;
            last = if latest.position() >= last.position() { latest } else { last };
        }
        let number = IssueNumber(row.try_get("number")?);
        match issues.last_mut() {
            Some((issue, earliest, latest)) if issue.id == number => {
                if first.position() < earliest.position() {
                    *earliest = first;
                }
                if last.position() > latest.position() {
                    *latest = last;
                }
            }
            _ => issues.push((read(row, number)?, first, last)),
        }
    }
    let finish = |(issue, first, last): (Issue, End, End)| Issue {
        first_seen: first.at,
        first_release: first.release,
        last_seen: last.at,
        last_release: last.release,
        ..issue
    };
    Ok(issues.into_iter().map(finish).collect())
}

fn read(row: &AnyRow, id: IssueNumber) -> Result<Issue, CatalogError> {
    Ok(Issue {
        id,
        title: row.try_get("title")?,
        count: row::number(row, "count")?,
        users: row::number(row, "users")?,
        first_seen: Timestamp::from_millis(0),
        last_seen: Timestamp::from_millis(0),
        first_release: None,
        last_release: None,
        status: row::parsed(row, "status")?,
        kind: row::parsed(row, "kind")?,
    })
}

#[cfg(test)]
#[path = "issue_tests.rs"]
mod tests;
