//! Reports of a crash that was reported before, and the names that one crash has.

use std::collections::HashSet;

use epitaph_crash_model::{CrashId, Fact, ProjectId, Timestamp};
use sqlx::AssertSqlSafe;

use crate::{
    Catalog, CatalogError, NewCrash,
    crash::{CrashRow, placeholders},
    questions::Transaction,
    row,
};

const TAKE_CLIENT_ID: &str = "INSERT INTO client_ids (project, client_id, crash_id) VALUES ($1, $2, $3) \
    ON CONFLICT DO NOTHING";
const OF_CLIENT_ID: &str = "SELECT crash_id FROM client_ids WHERE project = $1 AND client_id = $2";
const MOVE_CLIENT_ID: &str = "UPDATE client_ids SET crash_id = $3 WHERE project = $1 AND client_id = $2";
/// One that is older than a day is as good as none.
const TAKE_DIGEST: &str = "INSERT INTO dump_digests (project, digest, crash_id, received_at) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (project, digest) \
    DO UPDATE SET crash_id = excluded.crash_id, received_at = excluded.received_at \
    WHERE ABS(excluded.received_at - dump_digests.received_at) > $5";
const OF_DIGEST: &str = "SELECT crash_id FROM dump_digests WHERE project = $1 AND digest = $2";
const ADD_ALIAS: &str = "INSERT INTO aliases (project, alias, crash_id) VALUES ($1, $2, $3) \
    ON CONFLICT DO NOTHING";

/// Of whichever project: few enough to ask one by one, by the index.
const NAMED: &str = "FROM projects p CROSS JOIN {table} n WHERE n.project = p.id AND n.{name} = $1";
pub(crate) const ALIASES: &str = "SELECT alias FROM aliases WHERE project = $1 AND crash_id = $2 \
    ORDER BY alias LIMIT $3";
pub(crate) const FORGET_DIGESTS: &str = "DELETE FROM dump_digests WHERE (project, digest) IN \
    (SELECT project, digest FROM dump_digests WHERE received_at < $1 LIMIT $2)";

/// How long the bytes of a dump stand for one crash, in milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;
/// How many rows one transaction deletes, and how many ids one statement names.
const AT_ONCE: usize = 500;

impl Catalog {
    /// The crash with a name, if its fact is in no segment. See [`Catalog::crashes_named`].
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn find(
        &self,
        project: Option<ProjectId>,
        name: &str,
    ) -> Result<Option<CrashRow>, CatalogError> {
        for (project, crash) in self.crashes_named(project, name).await? {
            let row = match project {
                Some(project) => self.crash(project, crash).await?,
                None => self.find_crash(crash).await?,
            };
            if row.is_some() {
                return Ok(row);
            }
        }
        Ok(None)
    }

    /// The crashes that a name may be of, to be looked for in this order: an id that a client was given, an alias of
    /// it, or the client's own id; with or without hyphens, `bp-` before it, in either case. In a project, or in
    /// whichever. Those that are named by another's alias or a client's id were recorded; whether a crash has the id
    /// itself, and in which project, is not looked at.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn crashes_named(
        &self,
        project: Option<ProjectId>,
        name: &str,
    ) -> Result<Vec<(Option<ProjectId>, CrashId)>, CatalogError> {
        let Some(name) = plain(name) else { return Ok(Vec::new()) };
        let mut crashes = Vec::new();
        let mut add = |(project, crash)| crashes.push((Some(project), crash));
        let id = name.parse::<CrashId>().ok();
        if let Some(id) = id {
            self.named("aliases", "alias", &id.to_string(), project).await?.map(&mut add);
        }
        self.named("client_ids", "client_id", &name, project).await?.map(&mut add);
        if let Some(id) = id {
            crashes.insert(0, (project, id));
        }
        Ok(crashes)
    }

    async fn named(
        &self,
        table: &'static str,
        column: &'static str,
        name: &str,
        project: Option<ProjectId>,
    ) -> Result<Option<(ProjectId, CrashId)>, CatalogError> {
        let question = sqlx::query(AssertSqlSafe(named_in(table, column, project.is_some()))).bind(name);
        let question = match project {
            Some(project) => question.bind(project.as_i64()),
            None => question,
        };
        let found = self.maybe(question).await?;
        found
            .map(|found| Ok((row::project(&found, "project")?, row::parsed(&found, "crash_id")?)))
            .transpose()
    }

    /// The ids of later reports of a crash, at most [`MOST_ROWS`](crate::MOST_ROWS).
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn aliases(&self, project: ProjectId, crash: CrashId) -> Result<Vec<CrashId>, CatalogError> {
        let question = sqlx::query(ALIASES)
            .bind(project.as_i64())
            .bind(crash.to_string())
            .bind(i64::from(crate::MOST_ROWS));
        let rows = self.all(question).await?;
        rows.iter().map(|found| row::parsed(found, "alias")).collect()
    }

    /// Which of these ids are aliases: the catalog knows them, but what they left in the bucket belongs to no crash.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn known_aliases(
        &self,
        project: ProjectId,
        crashes: &[CrashId],
    ) -> Result<HashSet<CrashId>, CatalogError> {
        self.which_of(project, crashes, aliases_among, "alias").await
    }

    /// Forgets the dumps that came before a moment, and answers how many. They no longer stand for their crashes once
    /// a day has passed.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn forget_digests(&self, before: Timestamp) -> Result<u64, CatalogError> {
        let mut forgotten = 0;
        loop {
            let mut transaction = self.begin().await?;
            let forget = sqlx::query(FORGET_DIGESTS).bind(before.as_millis()).bind(AT_ONCE as i64);
            let some = transaction.execute(forget).await?;
            transaction.commit().await?;
            forgotten += some;
            if some < AT_ONCE as u64 {
                return Ok(forgotten);
            }
        }
    }
}

/// Makes the names of a crash its own; or, where one of them is another crash's, makes the crash an alias of that one,
/// which it answers.
///
/// Names are always taken in the same order, so that two writers never wait for each other.
pub(crate) async fn take_names(
    transaction: &mut Transaction,
    crash: &NewCrash,
) -> Result<Option<CrashId>, CatalogError> {
    let fact = &crash.fact;
    let by_client_id = match &crash.client_id {
        Some(client_id) => take_client_id(transaction, fact, client_id).await?,
        None => None,
    };
    let by_digest = match &crash.dump_digest {
        Some(digest) => take_digest(transaction, fact, digest, by_client_id.unwrap_or(fact.crash_id)).await?,
        None => None,
    };
    let Some(first) = by_client_id.or(by_digest) else { return Ok(None) };
    if by_client_id.is_none()
        && let Some(client_id) = &crash.client_id
    {
        let names = sqlx::query(MOVE_CLIENT_ID).bind(fact.project.as_i64()).bind(row::text(client_id));
        transaction.execute(names.bind(first.to_string())).await?;
    }
    let alias = sqlx::query(ADD_ALIAS).bind(fact.project.as_i64()).bind(fact.crash_id.to_string());
    transaction.execute(alias.bind(first.to_string())).await?;
    Ok(Some(first))
}

/// The other crash that has this client's id already.
async fn take_client_id(
    transaction: &mut Transaction,
    fact: &Fact,
    client_id: &str,
) -> Result<Option<CrashId>, CatalogError> {
    let client_id = row::text(client_id);
    let take = sqlx::query(TAKE_CLIENT_ID).bind(fact.project.as_i64()).bind(client_id.clone());
    let take = take.bind(fact.crash_id.to_string());
    if transaction.execute(take).await? == 1 {
        return Ok(None);
    }
    let holder = sqlx::query(OF_CLIENT_ID).bind(fact.project.as_i64()).bind(client_id);
    other_than(fact, &transaction.one(holder).await?)
}

/// The other crash that brought these bytes within a day.
async fn take_digest(
    transaction: &mut Transaction,
    fact: &Fact,
    digest: &str,
    of: CrashId,
) -> Result<Option<CrashId>, CatalogError> {
    let digest = row::text(digest);
    let take = sqlx::query(TAKE_DIGEST)
        .bind(fact.project.as_i64())
        .bind(digest.clone())
        .bind(of.to_string())
        .bind(fact.received_at.as_millis())
        .bind(DAY);
    if transaction.execute(take).await? == 1 {
        return Ok(None);
    }
    let holder = sqlx::query(OF_DIGEST).bind(fact.project.as_i64()).bind(digest);
    other_than(fact, &transaction.one(holder).await?)
}

fn other_than(fact: &Fact, holder: &sqlx::any::AnyRow) -> Result<Option<CrashId>, CatalogError> {
    let holder: CrashId = row::parsed(holder, "crash_id")?;
    Ok((holder != fact.crash_id).then_some(holder))
}

/// Lets the names of crashes go with them.
pub(crate) async fn forget_names(
    transaction: &mut Transaction,
    project: ProjectId,
    crashes: &[CrashId],
) -> Result<(), CatalogError> {
    for table in ["client_ids", "aliases", "dump_digests", "signature_samples"] {
        let statement = AssertSqlSafe(forget_names_among(table, crashes.len()));
        let mut forget = sqlx::query(statement).bind(project.as_i64());
        for crash in crashes {
            forget = forget.bind(crash.to_string());
        }
        transaction.execute(forget).await?;
    }
    Ok(())
}

pub(crate) fn forget_names_among(table: &str, count: usize) -> String {
    format!("DELETE FROM {table} WHERE project = $1 AND crash_id IN ({})", placeholders(2, count))
}

pub(crate) fn aliases_among(count: usize) -> String {
    format!("SELECT alias FROM aliases WHERE project = $1 AND alias IN ({})", placeholders(2, count))
}

pub(crate) fn named_in(table: &str, column: &str, in_project: bool) -> String {
    let from = NAMED.replace("{table}", table).replace("{name}", column);
    let within = if in_project { "AND n.project = $2 " } else { "" };
    format!("SELECT n.project, n.crash_id {from} {within}LIMIT 1")
}

/// Whether a text may be a name of a crash, as [`Catalog::find`] takes it.
pub fn is_crash_name(text: &str) -> bool {
    plain(text).is_some()
}

/// 32 hexadecimal digits in lower case; `None` if the text is no id of any kind.
fn plain(name: &str) -> Option<String> {
    let name = name.trim();
    let bare = match name.get(..3) {
        Some(prefix) if prefix.eq_ignore_ascii_case("bp-") => &name[3..],
        _ => name,
    };
    let is_digit = |byte: u8| byte.is_ascii_hexdigit();
    let digits: String = match bare.len() {
        32 => bare.to_owned(),
        36 if [8, 13, 18, 23].iter().all(|&at| bare.as_bytes()[at] == b'-') => bare.replace('-', ""),
        _ => return None,
    };
    (digits.len() == 32 && digits.bytes().all(is_digit)).then(|| digits.to_ascii_lowercase())
}

#[cfg(test)]
#[path = "duplicate_tests.rs"]
mod tests;
