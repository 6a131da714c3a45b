//! Crashes that turned out to be called otherwise than the rest of those with their signature.

use epitaph_crash_model::{CrashId, Kind, ProjectId, SignatureId, Timestamp};
use sqlx::{AssertSqlSafe, Row as _};

use crate::{
    Catalog, CatalogError, CrashRow, Renamed, bounded,
    crash::{self, OF_SIGNATURE, placeholders},
    late,
    questions::Transaction,
    record::{ADD_SIGNATURE, FIND_ISSUE, LOWER_FIRST},
    row,
};

const KIND: &str = "SELECT kind FROM facts f WHERE f.project = $1 AND f.crash_id = $2";
/// A signature whose first crash is called otherwise has another first one.
pub(crate) const FIRST_LEFT: &str = "SELECT received_at, crash_id, release FROM facts f \
    WHERE f.project = $1 AND f.signature = $2 ORDER BY f.received_at, f.crash_id LIMIT 1";
const CHANGE_FIRST: &str = "UPDATE signatures SET first_seen_at = $3, first_crash = $4, first_release = $5 \
    WHERE project = $1 AND id = $2";

/// Who is about to seal these facts has read them as they were.
pub(crate) const STOP_SEALING: &str = "UPDATE segments SET state = 'replaced', changed_at = $2 \
    WHERE project = $1 AND state = 'unfinished'";

/// The most crashes that one call moves.
pub(crate) const MOST: usize = 500;

/// A crash as the first or last of a signature.
pub(crate) struct Moved {
    pub(crate) at: Timestamp,
    pub(crate) crash: String,
    pub(crate) release: Option<String>,
    pub(crate) attempt: String,
}

impl Catalog {
    /// Crashes with a signature whose facts are in no segment, newest first; `before` is the last one of the page before.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn crashes_signed(
        &self,
        project: ProjectId,
        signature: SignatureId,
        before: Option<(Timestamp, CrashId)>,
        limit: u32,
    ) -> Result<Vec<CrashRow>, CatalogError> {
        let (time, id) = match before {
            Some((time, id)) => (time.as_millis(), id.to_string()),
            None => (i64::MAX, String::new()),
        };
        let page = sqlx::query(OF_SIGNATURE)
            .bind(project.as_i64())
            .bind(signature.to_string())
            .bind(time)
            .bind(id)
            .bind(bounded(limit));
        self.all(page).await?.iter().map(crash::read).collect()
    }

    /// Gives crashes another signature, and with it the issue of what they are called: exceptions among those with
    /// `signature`. At most 500 at once. Only facts that are in no segment change; gives the number of those. Segments that
    /// are being written are given up, as they may hold the facts as they were.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`], [`CatalogError::UnknownProject`], [`CatalogError::Unavailable`].
    pub async fn sign_again(
        &self,
        project: ProjectId,
        signature: SignatureId,
        renamed: &Renamed,
        crashes: &[CrashId],
    ) -> Result<u64, CatalogError> {
        if crashes.len() > MOST {
            return Err(CatalogError::Invalid("at most 500 crashes are signed again at once"));
        }
        self.settle(|| self.sign_again_once(project, signature, renamed, crashes)).await
    }

    async fn sign_again_once(
        &self,
        project: ProjectId,
        signature: SignatureId,
        renamed: &Renamed,
        crashes: &[CrashId],
    ) -> Result<u64, CatalogError> {
        let mut transaction = self.begin().await?;
        let number = late::lock(&mut transaction, project).await?;
        let mut of = sqlx::query(AssertSqlSafe(among(crashes.len()))).bind(project.as_i64());
        of = of.bind(signature.to_string());
        for crash in crashes {
            of = of.bind(crash.to_string());
        }
        let mut moved = Vec::new();
        for found in &transaction.all(of).await? {
            moved.push(read(found)?);
        }
        let Some(first) = moved.first() else { return Ok(0) };
        join(&mut transaction, project, renamed, first, number).await?;
        let lower = sqlx::query(LOWER_FIRST).bind(project.as_i64()).bind(renamed.signature.to_string());
        let lower = lower.bind(first.at.as_millis()).bind(first.crash.clone());
        transaction.execute(lower.bind(first.release.clone())).await?;
        let mut change = sqlx::query(AssertSqlSafe(change_among(crashes.len()))).bind(project.as_i64());
        change = change.bind(signature.to_string()).bind(renamed.signature.to_string());
        for crash in crashes {
            change = change.bind(crash.to_string());
        }
        let changed = transaction.execute(change).await?;
        let stop = sqlx::query(STOP_SEALING).bind(project.as_i64()).bind(Timestamp::now().as_millis());
        transaction.execute(stop).await?;
        for one in &moved {
            let left = sqlx::query(late::DROP_SAMPLE).bind(project.as_i64()).bind(signature.to_string());
            transaction.execute(left.bind(one.crash.clone())).await?;
            keep_sample(&mut transaction, project, renamed.signature, one).await?;
        }
        change_first(&mut transaction, project, signature, &moved).await?;
        transaction.commit().await?;
        Ok(changed)
    }
}

/// Sees to it that there is the signature of crashes that leave another, of which this is the first.
pub(crate) async fn join(
    transaction: &mut Transaction,
    project: ProjectId,
    renamed: &Renamed,
    first: &Moved,
    number: i64,
) -> Result<(), CatalogError> {
    let to = sqlx::query(FIND_ISSUE).bind(project.as_i64()).bind(renamed.signature.to_string());
    if transaction.maybe(to).await?.is_none() {
        add_signature(transaction, project, renamed, first, number).await?;
    }
    late::miss(transaction, project, renamed.signature, &renamed.lacking).await?;
    keep_sample(transaction, project, renamed.signature, first).await
}

async fn keep_sample(
    transaction: &mut Transaction,
    project: ProjectId,
    signature: SignatureId,
    moved: &Moved,
) -> Result<(), CatalogError> {
    let crash_id = moved.crash.parse().map_err(|_| CatalogError::unreadable("crash_id", &moved.crash))?;
    let sample = late::Sample { crash_id, attempt: moved.attempt.clone() };
    late::keep_sample(transaction, project, signature, &sample).await
}

async fn add_signature(
    transaction: &mut Transaction,
    project: ProjectId,
    renamed: &Renamed,
    first: &Moved,
    number: i64,
) -> Result<(), CatalogError> {
    let issue = match late::issue_named(transaction, project, renamed.named.id).await? {
        Some(issue) => issue,
        None => {
            // A fact in a segment does not tell.
            let kind = sqlx::query(KIND).bind(project.as_i64()).bind(first.crash.clone());
            let kind = transaction.maybe(kind).await?.map(|found| found.try_get("kind")).transpose()?;
            let kind = kind.unwrap_or_else(|| Kind::default().as_str().to_owned());
            late::add_issue(transaction, project, &renamed.named, &kind, number).await?;
            number
        }
    };
    let add = sqlx::query(ADD_SIGNATURE)
        .bind(project.as_i64())
        .bind(renamed.signature.to_string())
        .bind(i64::from(renamed.named.rules))
        .bind(row::text(&renamed.named.text))
        .bind(issue)
        .bind(first.at.as_millis())
        .bind(first.crash.clone())
        .bind(first.release.clone())
        .bind(renamed.lacking.known);
    transaction.execute(add).await.map(drop)
}

async fn change_first(
    transaction: &mut Transaction,
    project: ProjectId,
    signature: SignatureId,
    moved: &[Moved],
) -> Result<(), CatalogError> {
    let left = sqlx::query(FIRST_LEFT).bind(project.as_i64()).bind(signature.to_string());
    let Some(left) = transaction.maybe(left).await? else { return Ok(()) };
    let first = sqlx::query("SELECT first_crash FROM signatures WHERE project = $1 AND id = $2");
    let first = transaction.one(first.bind(project.as_i64()).bind(signature.to_string())).await?;
    let first: String = first.try_get("first_crash")?;
    if !moved.iter().any(|one| one.crash == first) {
        return Ok(());
    }
    let change = sqlx::query(CHANGE_FIRST)
        .bind(project.as_i64())
        .bind(signature.to_string())
        .bind(left.try_get::<i64, _>("received_at")?)
        .bind(left.try_get::<String, _>("crash_id")?)
        .bind(left.try_get::<Option<String>, _>("release")?);
    transaction.execute(change).await.map(drop)
}

fn read(found: &sqlx::any::AnyRow) -> Result<Moved, CatalogError> {
    Ok(Moved {
        at: row::time(found, "received_at")?,
        crash: found.try_get("crash_id")?,
        release: found.try_get("release")?,
        attempt: found.try_get("attempt")?,
    })
}

pub(crate) fn among(count: usize) -> String {
    format!(
        "SELECT received_at, crash_id, release, attempt FROM facts f WHERE f.project = $1 AND f.signature = $2 \
         AND f.crash_id IN ({}) ORDER BY f.received_at, f.crash_id",
        placeholders(3, count)
    )
}

pub(crate) fn change_among(count: usize) -> String {
    format!(
        "UPDATE facts SET signature = $3 WHERE project = $1 AND signature = $2 AND crash_id IN ({})",
        placeholders(4, count)
    )
}
