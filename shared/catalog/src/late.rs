//! Symbols that come late: which crashes lack some, and naming them again when these are here.
//!
//! A crash that lacks symbols has a signature that stands for all crashes whose frames lie where its own do. What the
//! rules call it is looked up in `names`, which tells the issue. When more symbols come, a few crashes of such a
//! signature are processed again and the signature is moved to the issue of what they are called then: one row, however
//! many crashes there are.
//!
//! No arrival is missed. A debug file gets a number when it is listed, which is after it can be read. Who processes a
//! crash asks for the highest number first; what it cannot name is committed with that number; then it asks whether a
//! debug file with a higher one is of a module that is missing. Who adds a debug file asks the same after adding it. One
//! of the two finds the other's row, wherever either dies: what is left waits in the tables.

use std::collections::BTreeSet;

use epitaph_crash_model::{CrashId, IssueNumber, ProjectId, Signature, SignatureId, Timestamp};
use sqlx::{AssertSqlSafe, Row as _};

use crate::{
    Catalog, CatalogError, IssueStatus, NewCrash, bounded,
    crash::placeholders,
    questions::Transaction,
    record::{ADD_ISSUE, LOCK_PROJECT, TAKE_NUMBER},
    row,
};

const ARRIVALS: &str = "SELECT arrivals FROM projects WHERE id = $1";
pub(crate) const ISSUE_NAMED: &str = "SELECT issue FROM names WHERE project = $1 AND signature = $2";
const NAME: &str = "INSERT INTO names (project, signature, issue) VALUES ($1, $2, $3)";
pub(crate) const FORGET_NAMES: &str = "DELETE FROM names WHERE project = $1 AND issue = $2";
pub(crate) const MISSING_OF: &str =
    "SELECT debug_id FROM missing_symbols WHERE project = $1 AND signature = $2";
const MISS: &str = "INSERT INTO missing_symbols (project, debug_id, signature, module, known) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project, debug_id, signature) \
    DO UPDATE SET known = excluded.known WHERE missing_symbols.known < excluded.known";
pub(crate) const FORGET_MISSING: &str =
    "DELETE FROM missing_symbols WHERE project = $1 AND signature = $2 AND known <= $3";
pub(crate) const SAMPLES: &str = "SELECT crash_id, attempt, rank FROM signature_samples \
    WHERE project = $1 AND signature = $2 ORDER BY rank, crash_id";
const ADD_SAMPLE: &str = "INSERT INTO signature_samples (project, signature, crash_id, attempt, rank) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
pub(crate) const DROP_SAMPLE: &str =
    "DELETE FROM signature_samples WHERE project = $1 AND signature = $2 AND crash_id = $3";
pub(crate) const SIGNATURE: &str =
    "SELECT issue, named_at FROM signatures s WHERE s.project = $1 AND s.id = $2";
pub(crate) const OTHER_OF_ISSUE: &str =
    "SELECT 1 FROM signatures s WHERE s.project = $1 AND s.issue = $2 AND s.id <> $3 LIMIT 1";
const RETITLE: &str = "UPDATE issues SET title = $3 WHERE project = $1 AND number = $2";
const MOVE_SIGNATURE: &str = "UPDATE signatures SET issue = $3, text = $4, rules = $5, named_at = $6 \
    WHERE project = $1 AND id = $2";
const MOVE_ISSUE: &str =
    "UPDATE issues SET moved_to = $3 WHERE project = $1 AND (number = $2 OR moved_to = $2)";
/// The other way round: what was named with newer symbols than a crash that comes only now is named again.
const MISS_ANEW: &str = "INSERT INTO missing_symbols (project, debug_id, signature, module, known) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (project, debug_id, signature) \
    DO UPDATE SET known = excluded.known WHERE missing_symbols.known > excluded.known";
const NAMED_AT: &str = "SELECT named_at FROM signatures WHERE project = $1 AND id = $2";
const MOVED: &str = "SELECT moved_to FROM issues i WHERE i.project = $1 AND i.number = $2";
const KIND: &str = "SELECT kind FROM issues i WHERE i.project = $1 AND i.number = $2";

/// From the debug files on, which are few: nearly all modules that are missing have none.
macro_rules! waiting {
    ($and:literal) => {
        concat!(
            "SELECT DISTINCT m.signature FROM debug_files d CROSS JOIN missing_symbols m \
             WHERE d.project = $1 AND m.project = d.project AND m.debug_id = d.debug_id \
             AND m.known < d.arrival ",
            $and,
            " ORDER BY m.signature LIMIT $2"
        )
    };
}
pub(crate) const ALL_WAITING: &str = waiting!("");
pub(crate) const WAITING_FOR_MODULE: &str = waiting!("AND d.debug_id = $3");
pub(crate) const IS_WAITING: &str = "SELECT DISTINCT m.signature \
    FROM missing_symbols m CROSS JOIN debug_files d \
    WHERE m.project = $1 AND m.signature = $3 AND d.project = m.project AND d.debug_id = m.debug_id \
    AND m.known < d.arrival ORDER BY m.signature LIMIT $2";
/// How many crashes of a signature are kept to be processed again.
pub(crate) const SAMPLED: usize = 4;
/// How many ids one statement names.
const AT_ONCE: usize = 500;

/// A module whose symbols are not here, or not as good as they may be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingModule {
    /// Its debug id, as Breakpad writes it.
    pub debug_id: String,
    /// The name of its debug file, or else its own.
    pub name: String,
}

/// What a crash lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lacking {
    /// The modules.
    pub modules: Vec<MissingModule>,
    /// How many debug files had come to the project ([`Catalog::arrivals`]) before symbols were looked for.
    pub known: i64,
}

/// What the debug files of one debug id have, together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldSymbols {
    /// The debug id.
    pub debug_id: String,
    /// Whether one has functions and lines, as good as they get.
    pub lines: bool,
    /// Whether one has unwind information.
    pub unwind: bool,
    /// The number of the one that came last.
    pub arrival: i64,
}

/// Which signatures are asked for that wait to be named again.
#[derive(Debug, Clone, Copy)]
pub enum Awaited<'a> {
    /// All.
    All,
    /// Those that a debug id was missing from.
    Module(&'a str),
    /// This one.
    Signature(SignatureId),
}

/// A crash that is processed again in place of all with its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The crash.
    pub crash_id: CrashId,
    /// The attempt whose document is the crash's.
    pub attempt: String,
}

/// What crashes are called now that lacked symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The signature that their facts name.
    pub signature: SignatureId,
    /// What the rules call them with today's symbols.
    pub named: Signature,
    /// What they lack still.
    pub lacking: Lacking,
}

/// What became of a signature that was to be named again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedAgain {
    /// Its crashes are this issue's now.
    Of(IssueNumber),
    /// It was named with newer symbols already, or is not known.
    Already,
}

impl Catalog {
    /// How many debug files have come to a project. To be asked before symbols are looked for.
    ///
    /// # Errors
    /// [`CatalogError::UnknownProject`], [`CatalogError::Unavailable`].
    pub async fn arrivals(&self, project: ProjectId) -> Result<i64, CatalogError> {
        let found = self.maybe(sqlx::query(ARRIVALS).bind(project.as_i64())).await?;
        Ok(found.ok_or(CatalogError::UnknownProject(project))?.try_get("arrivals")?)
    }

    /// What the debug files of these debug ids have; those without any are left out.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn held_symbols(
        &self,
        project: ProjectId,
        debug_ids: &[String],
    ) -> Result<Vec<HeldSymbols>, CatalogError> {
        let mut held = Vec::new();
        for some in debug_ids.chunks(AT_ONCE) {
            let mut question = sqlx::query(AssertSqlSafe(held_among(some.len()))).bind(project.as_i64());
            for id in some {
                question = question.bind(row::text(id));
            }
            for found in &self.all(question).await? {
                held.push(HeldSymbols {
                    debug_id: found.try_get("debug_id")?,
                    lines: found.try_get::<i64, _>("lines")? != 0,
                    unwind: found.try_get::<i64, _>("unwind")? != 0,
                    arrival: found.try_get("arrival")?,
                });
            }
        }
        Ok(held)
    }

    /// Signatures whose crashes lack a module that a debug file has come for since they were named, in order.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn waiting_for_symbols(
        &self,
        project: ProjectId,
        awaited: Awaited<'_>,
        limit: u32,
    ) -> Result<Vec<SignatureId>, CatalogError> {
        let statement = match awaited {
            Awaited::All => ALL_WAITING,
            Awaited::Module(_) => WAITING_FOR_MODULE,
            Awaited::Signature(_) => IS_WAITING,
        };
        let question = sqlx::query(statement).bind(project.as_i64()).bind(bounded(limit));
        let question = match awaited {
            Awaited::All => question,
            Awaited::Module(debug_id) => question.bind(row::text(debug_id)),
            Awaited::Signature(signature) => question.bind(signature.to_string()),
        };
        self.all(question).await?.iter().map(|found| row::parsed(found, "signature")).collect()
    }

    /// The crashes to be processed again in place of all with a signature.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn samples(
        &self,
        project: ProjectId,
        signature: SignatureId,
    ) -> Result<Vec<Sample>, CatalogError> {
        let question = sqlx::query(SAMPLES).bind(project.as_i64()).bind(signature.to_string());
        let read = |found| {
            Ok(Sample { crash_id: row::parsed(found, "crash_id")?, attempt: found.try_get("attempt")? })
        };
        self.all(question).await?.iter().map(read).collect()
    }

    /// Moves all crashes of a signature to the issue of what they are called now. No fact changes.
    ///
    /// An issue that has no other crashes and no namesake stays and takes the new name, so that what people made of it
    /// stays with the crashes. One that is left without any signature leads to the other from then on
    /// ([`Catalog::moved_to`]).
    ///
    /// # Errors
    /// [`CatalogError::UnknownProject`], [`CatalogError::Unavailable`].
    pub async fn name_again(
        &self,
        project: ProjectId,
        renamed: &Renamed,
    ) -> Result<NamedAgain, CatalogError> {
        self.settle(|| self.name_again_once(project, renamed)).await
    }

    async fn name_again_once(
        &self,
        project: ProjectId,
        renamed: &Renamed,
    ) -> Result<NamedAgain, CatalogError> {
        let mut transaction = self.begin().await?;
        let number = lock(&mut transaction, project).await?;
        let question = sqlx::query(SIGNATURE).bind(project.as_i64()).bind(renamed.signature.to_string());
        let Some(found) = transaction.maybe(question).await? else {
            transaction.rollback().await?;
            return Ok(NamedAgain::Already);
        };
        let (old, named_at): (i64, i64) = (found.try_get("issue")?, found.try_get("named_at")?);
        if named_at > renamed.lacking.known {
            transaction.rollback().await?;
            return Ok(NamedAgain::Already);
        }
        let issue = new_issue(&mut transaction, project, renamed, old, number).await?;
        let change = sqlx::query(MOVE_SIGNATURE)
            .bind(project.as_i64())
            .bind(renamed.signature.to_string())
            .bind(issue)
            .bind(row::text(&renamed.named.text))
            .bind(i64::from(renamed.named.rules))
            .bind(renamed.lacking.known);
        transaction.execute(change).await?;
        if issue != old && is_alone(&mut transaction, project, renamed.signature, old).await? {
            forget_names(&mut transaction, project, old).await?;
            let leads = sqlx::query(MOVE_ISSUE).bind(project.as_i64()).bind(old).bind(issue);
            transaction.execute(leads).await?;
        }
        let served = sqlx::query(FORGET_MISSING).bind(project.as_i64()).bind(renamed.signature.to_string());
        transaction.execute(served.bind(renamed.lacking.known)).await?;
        miss(&mut transaction, project, renamed.signature, &renamed.lacking).await?;
        transaction.commit().await?;
        Ok(NamedAgain::Of(IssueNumber(issue)))
    }

    /// How many debug files had come when a signature was named last; 0 if it is not known.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn named_at(&self, project: ProjectId, signature: SignatureId) -> Result<i64, CatalogError> {
        let question = sqlx::query(NAMED_AT).bind(project.as_i64()).bind(signature.to_string());
        let found = self.maybe(question).await?;
        Ok(found.map(|found| found.try_get("named_at")).transpose()?.unwrap_or_default())
    }

    /// Lets a signature wait no more for what came until `known`: none of its crashes can be processed again.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn forget_missing(
        &self,
        project: ProjectId,
        signature: SignatureId,
        known: i64,
    ) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        let forget = sqlx::query(FORGET_MISSING).bind(project.as_i64()).bind(signature.to_string());
        transaction.execute(forget.bind(known)).await?;
        transaction.commit().await
    }

    /// The issue that all crashes of an issue belong to now. `None` if it has crashes of its own, or is not known.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn moved_to(
        &self,
        project: ProjectId,
        issue: IssueNumber,
    ) -> Result<Option<IssueNumber>, CatalogError> {
        let found = self.maybe(sqlx::query(MOVED).bind(project.as_i64()).bind(issue.0)).await?;
        let moved = found.map(|found| found.try_get::<Option<i64>, _>("moved_to")).transpose()?;
        Ok(moved.flatten().map(IssueNumber))
    }
}

pub(crate) fn held_among(count: usize) -> String {
    format!(
        "SELECT debug_id, CAST(MAX(CASE WHEN lines = 'full' AND format <> 'IL2CPP line map' THEN 1 ELSE 0 END) AS BIGINT) AS lines, \
         CAST(MAX(CASE WHEN unwind IS NULL THEN 0 ELSE 1 END) AS BIGINT) AS unwind, MAX(arrival) AS arrival \
         FROM debug_files WHERE project = $1 AND debug_id IN ({}) GROUP BY debug_id",
        placeholders(2, count)
    )
}

/// The issue of what the rules call a crash.
pub(crate) async fn issue_named(
    transaction: &mut Transaction,
    project: ProjectId,
    name: SignatureId,
) -> Result<Option<i64>, CatalogError> {
    let find = sqlx::query(ISSUE_NAMED).bind(project.as_i64()).bind(name.to_string());
    Ok(transaction.maybe(find).await?.map(|found| found.try_get("issue")).transpose()?)
}

/// Makes an issue that of what the rules call a crash.
pub(crate) async fn name_issue(
    transaction: &mut Transaction,
    project: ProjectId,
    name: SignatureId,
    issue: i64,
) -> Result<(), CatalogError> {
    let add = sqlx::query(NAME).bind(project.as_i64()).bind(name.to_string()).bind(issue);
    transaction.execute(add).await.map(drop)
}

/// Notes what a crash lacks, and perhaps keeps it to be processed again. Mostly all of that is known.
///
/// Its signature may have been named again since it was processed: then it waits again, lest this crash is an exception.
pub(crate) async fn note_lacking(
    transaction: &mut Transaction,
    crash: &NewCrash,
) -> Result<(), CatalogError> {
    let (Some(lacking), fact) = (&crash.lacking, &crash.fact) else { return Ok(()) };
    let signature = fact.signature.to_string();
    let named = sqlx::query(NAMED_AT).bind(fact.project.as_i64()).bind(signature.clone());
    if transaction.one(named).await?.try_get::<i64, _>("named_at")? > lacking.known {
        miss_by(transaction, fact.project, fact.signature, lacking, MISS_ANEW).await?;
    } else {
        let question = sqlx::query(MISSING_OF).bind(fact.project.as_i64()).bind(signature);
        let mut known = BTreeSet::new();
        for found in &transaction.all(question).await? {
            known.insert(found.try_get::<String, _>("debug_id")?);
        }
        let modules = lacking.modules.iter().filter(|module| !known.contains(&module.debug_id));
        let news = Lacking { modules: modules.cloned().collect(), known: lacking.known };
        miss(transaction, fact.project, fact.signature, &news).await?;
    }
    if crash.counted_by.is_some() {
        return Ok(());
    }
    let sample = Sample { crash_id: fact.crash_id, attempt: crash.attempt.clone() };
    keep_sample(transaction, fact.project, fact.signature, &sample).await
}

/// Keeps a crash if its rank is among the lowest. Ranks are chance, so those that are kept are spread over time.
pub(crate) async fn keep_sample(
    transaction: &mut Transaction,
    project: ProjectId,
    signature: SignatureId,
    sample: &Sample,
) -> Result<(), CatalogError> {
    let rank = rank(sample.crash_id);
    let signature = signature.to_string();
    let kept = sqlx::query(SAMPLES).bind(project.as_i64()).bind(signature.clone());
    let kept = transaction.all(kept).await?;
    if kept.len() >= SAMPLED {
        let Some(last) = kept.last() else { return Ok(()) };
        if last.try_get::<i64, _>("rank")? <= rank {
            return Ok(());
        }
        let drop = sqlx::query(DROP_SAMPLE).bind(project.as_i64()).bind(signature.clone());
        transaction.execute(drop.bind(last.try_get::<String, _>("crash_id")?)).await?;
    }
    let add = sqlx::query(ADD_SAMPLE)
        .bind(project.as_i64())
        .bind(signature)
        .bind(sample.crash_id.to_string())
        .bind(row::text(&sample.attempt))
        .bind(rank);
    transaction.execute(add).await.map(drop)
}

/// The end of an id is chance; its beginning is the time. Mixed, so that ids in sequence are spread as well.
fn rank(crash: CrashId) -> i64 {
    let id = crash.to_string();
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    i64::try_from(hash >> 1).unwrap_or(i64::MAX)
}

pub(crate) async fn miss(
    transaction: &mut Transaction,
    project: ProjectId,
    signature: SignatureId,
    lacking: &Lacking,
) -> Result<(), CatalogError> {
    miss_by(transaction, project, signature, lacking, MISS).await
}

async fn miss_by(
    transaction: &mut Transaction,
    project: ProjectId,
    signature: SignatureId,
    lacking: &Lacking,
    statement: &'static str,
) -> Result<(), CatalogError> {
    for module in &lacking.modules {
        let add = sqlx::query(statement)
            .bind(project.as_i64())
            .bind(row::text(&module.debug_id))
            .bind(signature.to_string())
            .bind(row::text(&module.name))
            .bind(lacking.known);
        transaction.execute(add).await?;
    }
    Ok(())
}

/// Locks the numbers of a project's issues, and gives the next one.
pub(crate) async fn lock(transaction: &mut Transaction, project: ProjectId) -> Result<i64, CatalogError> {
    let locked = transaction.maybe(sqlx::query(LOCK_PROJECT).bind(project.as_i64())).await?;
    Ok(locked.ok_or(CatalogError::UnknownProject(project))?.try_get("next_issue")?)
}

/// The issue that crashes belong to by their new name, which is made if there is none.
async fn new_issue(
    transaction: &mut Transaction,
    project: ProjectId,
    renamed: &Renamed,
    old: i64,
    number: i64,
) -> Result<i64, CatalogError> {
    if let Some(issue) = issue_named(transaction, project, renamed.named.id).await? {
        return Ok(issue);
    }
    if is_alone(transaction, project, renamed.signature, old).await? {
        forget_names(transaction, project, old).await?;
        let title = sqlx::query(RETITLE).bind(project.as_i64()).bind(old);
        transaction.execute(title.bind(row::text(&renamed.named.text))).await?;
        name_issue(transaction, project, renamed.named.id, old).await?;
        return Ok(old);
    }
    let kind = transaction.one(sqlx::query(KIND).bind(project.as_i64()).bind(old)).await?;
    let kind: String = kind.try_get("kind")?;
    add_issue(transaction, project, &renamed.named, &kind, number).await?;
    Ok(number)
}

/// Makes an issue with the next number, which is locked.
pub(crate) async fn add_issue(
    transaction: &mut Transaction,
    project: ProjectId,
    named: &Signature,
    kind: &str,
    number: i64,
) -> Result<(), CatalogError> {
    transaction.execute(sqlx::query(TAKE_NUMBER).bind(project.as_i64())).await?;
    let issue = sqlx::query(ADD_ISSUE)
        .bind(project.as_i64())
        .bind(number)
        .bind(row::text(&named.text))
        .bind(IssueStatus::Open.as_str())
        .bind(kind.to_owned())
        .bind(Timestamp::now().as_millis());
    transaction.execute(issue).await?;
    name_issue(transaction, project, named.id, number).await
}

async fn is_alone(
    transaction: &mut Transaction,
    project: ProjectId,
    signature: SignatureId,
    issue: i64,
) -> Result<bool, CatalogError> {
    let other = sqlx::query(OTHER_OF_ISSUE).bind(project.as_i64()).bind(issue).bind(signature.to_string());
    Ok(transaction.maybe(other).await?.is_none())
}

async fn forget_names(
    transaction: &mut Transaction,
    project: ProjectId,
    issue: i64,
) -> Result<(), CatalogError> {
    transaction.execute(sqlx::query(FORGET_NAMES).bind(project.as_i64()).bind(issue)).await.map(drop)
}
