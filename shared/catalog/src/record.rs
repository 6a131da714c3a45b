//! Recording a crash, exactly once.

use epitaph_crash_model::{CrashId, Fact, IssueNumber, ProjectId, RuleOutcome, Signature, Timestamp};
use sqlx::Row as _;

use crate::{
    Catalog, CatalogError, IssueStatus, Lacking, duplicate, fact, late, questions::Transaction, row, rules,
};

pub(crate) const SEE: &str = "INSERT INTO seen (day, project, crash_id, attempt, counted_by) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
pub(crate) const FIND_ISSUE: &str = "SELECT issue FROM signatures WHERE project = $1 AND id = $2";
/// Changes nothing, but whoever else numbers an issue of this project now waits.
pub(crate) const LOCK_PROJECT: &str =
    "UPDATE projects SET next_issue = next_issue WHERE id = $1 RETURNING next_issue";
pub(crate) const TAKE_NUMBER: &str = "UPDATE projects SET next_issue = next_issue + 1 WHERE id = $1";
pub(crate) const ADD_ISSUE: &str = "INSERT INTO issues (project, number, title, status, kind, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";
pub(crate) const ADD_SIGNATURE: &str = "INSERT INTO signatures (project, id, rules, text, issue, first_seen_at, \
    first_crash, first_release, last_seen_at, last_crash, last_release, named_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $6, $7, $8, $9)";
/// Touches no row, and so locks none, unless crashes are recorded out of order.
pub(crate) const LOWER_FIRST: &str = "UPDATE signatures \
    SET first_seen_at = $3, first_crash = $4, first_release = $5 \
    WHERE project = $1 AND id = $2 \
    AND (first_seen_at > $3 OR (first_seen_at = $3 AND first_crash > $4))";
pub(crate) const WAS_SEEN: &str = "SELECT 1 WHERE \
    EXISTS (SELECT 1 FROM seen WHERE day = $1 AND project = $2 AND crash_id = $3) \
    OR EXISTS (SELECT 1 FROM facts f WHERE f.project = $2 AND f.crash_id = $3) \
    OR EXISTS (SELECT 1 FROM aliases a WHERE a.project = $2 AND a.alias = $3)";

/// A crash that is ready to be recorded: its document lies in the bucket, unless it is only counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCrash {
    /// What statistics count of it.
    pub fact: Fact,
    /// What the rules call it. `fact` names the same signature, unless symbols are lacking.
    pub signature: Signature,
    /// Which symbols it lacks. Then `fact` names what stands for it until they come.
    pub lacking: Option<Lacking>,
    /// What its issue is called, should it be the first of a new one.
    pub title: String,
    /// Which attempt at processing it this is; names the document that wins if this one is recorded.
    pub attempt: String,
    /// The rule by which it is only counted, and has no document.
    pub counted_by: Option<String>,
    /// The client's own id for it: 32 hexadecimal digits, in lower case. A project has one crash with it.
    pub client_id: Option<String>,
    /// SHA-256 of its unpacked dump, in hexadecimal. A project has one crash with it in a day.
    pub dump_digest: Option<String>,
    /// What its message tells of other reports.
    pub outcomes: Vec<RuleOutcome>,
}

/// What became of a crash that was to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is recorded now.
    First {
        /// The issue that it belongs to.
        issue: IssueNumber,
        /// Whether the issue is new with it.
        new_issue: bool,
    },
    /// Another report of the same crash was recorded before. It is an alias of that one now, and is not counted; what it
    /// has in the bucket belongs to nothing.
    Duplicate {
        /// The crash.
        of: CrashId,
    },
    /// It had been recorded before, by this attempt or another; nothing has changed.
    Already,
}

impl Catalog {
    /// Records a crash, exactly once: identity is (project, crash id). When it answers, the crash is durable.
    ///
    /// After an error, whether the crash was recorded is open; asking again answers that.
    ///
    /// # Errors
    /// [`CatalogError::UnknownProject`]; [`CatalogError::Invalid`] when fact and signature disagree;
    /// [`CatalogError::Unavailable`].
    pub async fn record(&self, crash: &NewCrash) -> Result<Recorded, CatalogError> {
        self.settle(|| self.record_once(crash)).await
    }

    async fn record_once(&self, crash: &NewCrash) -> Result<Recorded, CatalogError> {
        let mut transaction = self.begin().await?;
        let recorded = record_in(&mut transaction, crash).await?;
        match recorded {
            Recorded::First { .. } | Recorded::Duplicate { .. } => transaction.commit().await?,
            Recorded::Already => transaction.rollback().await?,
        }
        Ok(recorded)
    }

    /// Whether a crash was recorded, even if its fact has expired since.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn was_seen(&self, project: ProjectId, crash: CrashId) -> Result<bool, CatalogError> {
        let question = sqlx::query(WAS_SEEN).bind(crash.day().number()).bind(project.as_i64());
        Ok(self.maybe(question.bind(crash.to_string())).await?.is_some())
    }
}

/// The caller commits if the crash is the first, and rolls back otherwise.
async fn record_in(transaction: &mut Transaction, crash: &NewCrash) -> Result<Recorded, CatalogError> {
    let fact = &crash.fact;
    if crash.lacking.is_none() && fact.signature != crash.signature.id {
        return Err(CatalogError::Invalid("the fact names another signature than the crash has"));
    }
    let see = sqlx::query(SEE)
        .bind(fact.crash_id.day().number())
        .bind(fact.project.as_i64())
        .bind(fact.crash_id.to_string())
        .bind(row::text(&crash.attempt))
        .bind(row::optional_text(crash.counted_by.as_ref()));
    if transaction.execute(see).await? == 0 {
        return Ok(Recorded::Already);
    }
    if let Some(of) = duplicate::take_names(transaction, crash).await? {
        rules::count_outcomes(transaction, fact.crash_id.day(), &crash.outcomes).await?;
        return Ok(Recorded::Duplicate { of });
    }
    let (issue, new_issue) = match find_issue(transaction, crash).await? {
        Some(issue) => {
            lower_first(transaction, fact).await?;
            (issue, false)
        }
        None => add_issue(transaction, crash).await?,
    };
    // A crash may be forgotten as seen while its fact is kept: the fact then stands for both.
    if !add_fact(transaction, crash).await? {
        return Ok(Recorded::Already);
    }
    late::note_lacking(transaction, crash).await?;
    rules::count_outcomes(transaction, fact.crash_id.day(), &crash.outcomes).await?;
    Ok(Recorded::First { issue: IssueNumber(issue), new_issue })
}

async fn find_issue(transaction: &mut Transaction, crash: &NewCrash) -> Result<Option<i64>, CatalogError> {
    let find =
        sqlx::query(FIND_ISSUE).bind(crash.fact.project.as_i64()).bind(crash.fact.signature.to_string());
    Ok(transaction.maybe(find).await?.map(|row| row.try_get("issue")).transpose()?)
}

/// The issue of a signature that was not there a moment ago, and whether it is new.
async fn add_issue(transaction: &mut Transaction, crash: &NewCrash) -> Result<(i64, bool), CatalogError> {
    let fact = &crash.fact;
    let project = fact.project.as_i64();
    let Some(locked) = transaction.maybe(sqlx::query(LOCK_PROJECT).bind(project)).await? else {
        return Err(CatalogError::UnknownProject(fact.project));
    };
    let number: i64 = locked.try_get("next_issue")?;
    // Where writers run side by side, another may have added it while this one waited for the lock.
    if let Some(issue) = find_issue(transaction, crash).await? {
        lower_first(transaction, fact).await?;
        return Ok((issue, false));
    }
    let named = late::issue_named(transaction, fact.project, crash.signature.id).await?;
    let (issue, is_new) = (named.unwrap_or(number), named.is_none());
    if is_new {
        transaction.execute(sqlx::query(TAKE_NUMBER).bind(project)).await?;
        let issue = sqlx::query(ADD_ISSUE)
            .bind(project)
            .bind(number)
            .bind(row::text(&crash.title))
            .bind(IssueStatus::Open.as_str())
            .bind(fact.kind.as_str())
            .bind(Timestamp::now().as_millis());
        transaction.execute(issue).await?;
        late::name_issue(transaction, fact.project, crash.signature.id, number).await?;
    }
    let signature = sqlx::query(ADD_SIGNATURE)
        .bind(project)
        .bind(fact.signature.to_string())
        .bind(i64::from(crash.signature.rules))
        .bind(row::text(&crash.signature.text))
        .bind(issue)
        .bind(fact.received_at.as_millis())
        .bind(fact.crash_id.to_string())
        .bind(row::optional_text(fact.release.as_ref()))
        .bind(crash.lacking.as_ref().map_or(0, |lacking| lacking.known));
    transaction.execute(signature).await?;
    Ok((issue, is_new))
}

/// Queues do not keep order: the first crash of a signature may be recorded after others.
async fn lower_first(transaction: &mut Transaction, fact: &Fact) -> Result<(), CatalogError> {
    let lower = sqlx::query(LOWER_FIRST)
        .bind(fact.project.as_i64())
        .bind(fact.signature.to_string())
        .bind(fact.received_at.as_millis())
        .bind(fact.crash_id.to_string())
        .bind(row::optional_text(fact.release.as_ref()));
    transaction.execute(lower).await?;
    Ok(())
}

/// Whether the fact was not there yet.
async fn add_fact(transaction: &mut Transaction, crash: &NewCrash) -> Result<bool, CatalogError> {
    let add = fact::bind(sqlx::query(fact::ADD), &crash.fact)?
        .bind(row::text(&crash.attempt))
        .bind(row::optional_text(crash.counted_by.as_ref()));
    Ok(transaction.execute(add).await? == 1)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
