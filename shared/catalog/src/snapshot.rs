//! All facts of a project at one moment, each of them once.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use epitaph_crash_model::{CrashId, Day, Fact, IssueNumber, ProjectId, SignatureId};
use sqlx::{AssertSqlSafe, Row as _, any::AnyRow};

use crate::{
    Catalog, CatalogError,
    crash::placeholders,
    fact::{self, fact_columns},
    questions::Transaction,
    row,
    segment::{self, SegmentRow},
};

pub(crate) const RECENT: &str =
    concat!("SELECT ", fact_columns!(), " FROM facts f WHERE f.project = $1 LIMIT $2");
/// One row, since each row that a database gives costs more than its few words.
pub(crate) const RECENT_NAMES: &str = "SELECT string_agg(r.crash_id || ' ' || r.signature, ',') AS names \
    FROM (SELECT f.crash_id, f.signature FROM facts f WHERE f.project = $1 LIMIT $2) r";
pub(crate) const SIGNATURES: &str = "SELECT s.id, s.issue, s.text FROM signatures s WHERE s.project = $1";

/// The most facts that a snapshot has outside of segments.
const MOST_RECENT: usize = 500_000;
/// How many ids one statement names.
const AT_ONCE: usize = 500;
/// Where more facts than this are new, all are read: that takes no longer then.
const MANY_NEW: usize = 10 * AT_ONCE;

/// What a project has at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The segments.
    pub segments: Vec<SegmentRow>,
    /// The facts that are in no segment, in no certain order.
    pub recent: Vec<Arc<Fact>>,
    /// What is known of the signatures of all of them.
    pub signatures: Vec<SignatureRow>,
}

/// Which issue a signature belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureRow {
    /// The signature.
    pub id: SignatureId,
    /// The issue.
    pub issue: IssueNumber,
    /// The signature, as people read it.
    pub text: String,
}

/// How a crash was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedAs {
    /// The attempt whose document is the crash's.
    pub attempt: String,
    /// The rule by which it is only counted: it has neither document nor files.
    pub counted_by: Option<String>,
}

impl Catalog {
    /// All that questions about a project are answered from, read in one transaction. Facts that are `known`, since an
    /// earlier snapshot had them outside of segments, are not read again.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`]; also where more than 500,000 facts wait to be sealed.
    pub async fn snapshot(&self, project: ProjectId, known: &[Arc<Fact>]) -> Result<Snapshot, CatalogError> {
        let mut transaction = self.begin_snapshot().await?;
        let listed = transaction.all(sqlx::query(segment::LISTED).bind(project.as_i64())).await?;
        let recent = recent(&mut transaction, project, known).await?;
        let signatures = transaction.all(sqlx::query(SIGNATURES).bind(project.as_i64())).await?;
        transaction.commit().await?;
        Ok(Snapshot {
            segments: listed.iter().map(segment::read).collect::<Result<_, _>>()?,
            recent,
            signatures: signatures.iter().map(read_signature).collect::<Result<_, _>>()?,
        })
    }

    /// What is known of some signatures.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn signatures(
        &self,
        project: ProjectId,
        signatures: &[SignatureId],
    ) -> Result<HashMap<SignatureId, SignatureRow>, CatalogError> {
        let mut known = HashMap::new();
        for some in signatures.chunks(AT_ONCE) {
            let mut question =
                sqlx::query(AssertSqlSafe(signatures_among(some.len()))).bind(project.as_i64());
            for signature in some {
                question = question.bind(signature.to_string());
            }
            for found in &self.all(question).await? {
                let signature = read_signature(found)?;
                known.insert(signature.id, signature);
            }
        }
        Ok(known)
    }

    /// How crashes were recorded, as long as that is remembered ([`Catalog::forget_seen`]).
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn recorded_as(
        &self,
        project: ProjectId,
        crashes: &[CrashId],
    ) -> Result<HashMap<CrashId, RecordedAs>, CatalogError> {
        let mut by_day: BTreeMap<Day, Vec<CrashId>> = BTreeMap::new();
        for crash in crashes {
            by_day.entry(crash.day()).or_default().push(*crash);
        }
        let mut recorded = HashMap::new();
        for (day, crashes) in by_day {
            for some in crashes.chunks(AT_ONCE) {
                let statement = AssertSqlSafe(recorded_among(some.len()));
                let mut question = sqlx::query(statement).bind(day.number()).bind(project.as_i64());
                for crash in some {
                    question = question.bind(crash.to_string());
                }
                for found in &self.all(question).await? {
                    let how = RecordedAs {
                        attempt: found.try_get("attempt")?,
                        counted_by: found.try_get("counted_by")?,
                    };
                    recorded.insert(row::parsed(found, "crash_id")?, how);
                }
            }
        }
        Ok(recorded)
    }
}

/// The facts that are in no segment.
async fn recent(
    transaction: &mut Transaction,
    project: ProjectId,
    known: &[Arc<Fact>],
) -> Result<Vec<Arc<Fact>>, CatalogError> {
    let most = i64::try_from(MOST_RECENT).unwrap_or(i64::MAX).saturating_add(1);
    if !known.is_empty() {
        let names = sqlx::query(RECENT_NAMES).bind(project.as_i64()).bind(most);
        let found = transaction.maybe(names).await?;
        let names: Option<String> = found.map(|row| row.try_get("names")).transpose()?.flatten();
        let (mut recent, new) = still_there(known, names.as_deref().unwrap_or_default())?;
        not_too_many(recent.len() + new.len())?;
        if new.len() <= MANY_NEW {
            for some in new.chunks(AT_ONCE) {
                let statement = AssertSqlSafe(recent_among(some.len()));
                let mut question = sqlx::query(statement).bind(project.as_i64());
                for crash in some {
                    question = question.bind(crash.to_string());
                }
                for row in &transaction.all(question).await? {
                    recent.push(Arc::new(fact::read(row)?));
                }
            }
            return Ok(recent);
        }
    }
    let rows = transaction.all(sqlx::query(RECENT).bind(project.as_i64()).bind(most)).await?;
    not_too_many(rows.len())?;
    rows.iter().map(|row| fact::read(row).map(Arc::new)).collect()
}

/// Those of the known facts that are named, and the crashes of which no fact is known. Of a recorded fact only the
/// signature ever changes, so that both together name it as it is.
fn still_there(known: &[Arc<Fact>], names: &str) -> Result<(Vec<Arc<Fact>>, Vec<CrashId>), CatalogError> {
    let by_crash: HashMap<CrashId, &Arc<Fact>> = known.iter().map(|fact| (fact.crash_id, fact)).collect();
    let (mut there, mut new) = (Vec::new(), Vec::new());
    for name in names.split(',').filter(|name| !name.is_empty()) {
        let unreadable = || CatalogError::unreadable("crash_id", name);
        let (crash, signature) = name.split_once(' ').ok_or_else(unreadable)?;
        let crash: CrashId = crash.parse().map_err(|_| unreadable())?;
        let signature: SignatureId = signature.parse().map_err(|_| unreadable())?;
        match by_crash.get(&crash).filter(|fact| fact.signature == signature) {
            Some(fact) => there.push(Arc::clone(fact)),
            None => new.push(crash),
        }
    }
    Ok((there, new))
}

fn not_too_many(facts: usize) -> Result<(), CatalogError> {
    if facts > MOST_RECENT {
        let why = "more than 500,000 facts wait to be sealed; see that the maintain function runs";
        return Err(CatalogError::Unavailable(why.into()));
    }
    Ok(())
}

pub(crate) fn recent_among(count: usize) -> String {
    format!(
        "SELECT {} FROM facts f WHERE f.project = $1 AND f.crash_id IN ({})",
        fact_columns!(),
        placeholders(2, count)
    )
}

pub(crate) fn signatures_among(count: usize) -> String {
    format!(
        "SELECT s.id, s.issue, s.text FROM signatures s WHERE s.project = $1 AND s.id IN ({})",
        placeholders(2, count)
    )
}

pub(crate) fn recorded_among(count: usize) -> String {
    format!(
        "SELECT crash_id, attempt, counted_by FROM seen WHERE day = $1 AND project = $2 AND crash_id IN ({})",
        placeholders(3, count)
    )
}

fn read_signature(found: &AnyRow) -> Result<SignatureRow, CatalogError> {
    Ok(SignatureRow {
        id: row::parsed(found, "id")?,
        issue: IssueNumber(found.try_get("issue")?),
        text: found.try_get("text")?,
    })
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
