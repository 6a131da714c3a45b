//! The rules that people change while it runs, and what they kept away.

use epitaph_crash_model::{CrashId, Day, ProjectId, RuleOutcome, SignatureId, Timestamp};
use sqlx::Row as _;

use crate::{Catalog, CatalogError, questions::Transaction, record, row};

const READ: &str = "SELECT revision, document FROM rules WHERE id = 1";
const REVISION: &str = "SELECT revision FROM rules WHERE id = 1";
const SET_FIRST: &str = "INSERT INTO rules (id, revision, document, changed_at) VALUES (1, 1, $1, $2) \
    ON CONFLICT DO NOTHING";
const SET_NEXT: &str = "UPDATE rules SET revision = revision + 1, document = $1, changed_at = $2 \
    WHERE id = 1 AND revision = $3";
const COUNT: &str = "INSERT INTO outcomes (day, project, rule, outcome, count) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (day, project, rule, outcome) DO UPDATE SET count = outcomes.count + excluded.count";
pub(crate) const OUTCOMES: &str = "SELECT day, project, rule, outcome, count FROM outcomes \
    WHERE day >= $1 AND project = $2 ORDER BY day DESC, rule, outcome LIMIT $3";
const FORGET_OUTCOMES: &str = "DELETE FROM outcomes WHERE day < $1";
/// How many firsts an hour has, and whether this crash is one of them.
pub(crate) const FIRSTS: &str = "SELECT COUNT(*) AS taken, \
    COALESCE(SUM(CASE WHEN crash_id = $4 THEN 1 ELSE 0 END), 0) AS own \
    FROM hour_firsts WHERE hour = $1 AND project = $2 AND signature = $3";
const ADD_FIRST: &str = "INSERT INTO hour_firsts (hour, project, signature, crash_id) VALUES ($1, $2, $3, $4) \
    ON CONFLICT DO NOTHING";
/// Those whose details are kept. An alias has left nothing.
pub(crate) const KEPT_FIRSTS: &str = "SELECT h.crash_id FROM hour_firsts h JOIN seen \
    ON seen.day = $5 AND seen.project = h.project AND seen.crash_id = h.crash_id \
    WHERE h.hour = $1 AND h.project = $2 AND h.signature = $3 AND seen.counted_by IS NULL \
    AND NOT EXISTS (SELECT 1 FROM aliases a WHERE a.project = h.project AND a.alias = h.crash_id) \
    ORDER BY h.crash_id LIMIT $4";
pub(crate) const FORGET_FIRSTS: &str = "DELETE FROM hour_firsts WHERE (hour, project, signature, crash_id) IN \
    (SELECT hour, project, signature, crash_id FROM hour_firsts WHERE hour < $1 LIMIT $2)";

const HOUR: i64 = 60 * 60 * 1000;
/// How many rows one transaction deletes.
const AT_ONCE: usize = 500;

/// The document of rules, as it was set last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesDocument {
    /// Counts the changes, from 1.
    pub revision: i64,
    /// What was set; the catalog does not read it.
    pub document: String,
}

/// What a rule kept away of a project on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedOutcome {
    /// The day on which it was told.
    pub day: Day,
    /// What, and how often.
    pub outcome: RuleOutcome,
}

impl Catalog {
    /// The rules; `None` until somebody sets some.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn rules(&self) -> Result<Option<RulesDocument>, CatalogError> {
        let found = self.maybe(sqlx::query(READ)).await?;
        let read = |found: sqlx::any::AnyRow| {
            Ok(RulesDocument { revision: found.try_get("revision")?, document: found.try_get("document")? })
        };
        found.map(read).transpose()
    }

    /// The revision of the rules; 0 until somebody sets some.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn rules_revision(&self) -> Result<i64, CatalogError> {
        let found = sqlx::query_scalar(REVISION).fetch_optional(self.reader().await?).await?;
        Ok(found.unwrap_or(0))
    }

    /// Sets the rules if nobody has changed them since `revision` (0: since there were none). Answers the new revision,
    /// or `None` where somebody has.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn set_rules(&self, document: &str, revision: i64) -> Result<Option<i64>, CatalogError> {
        let mut transaction = self.begin().await?;
        let now = Timestamp::now().as_millis();
        let set = if revision == 0 {
            sqlx::query(SET_FIRST).bind(row::text(document)).bind(now)
        } else {
            sqlx::query(SET_NEXT).bind(row::text(document)).bind(now).bind(revision)
        };
        let changed = transaction.execute(set).await? == 1;
        transaction.commit().await?;
        Ok(changed.then_some(revision + 1))
    }

    /// Notes that a report was kept away by a rule, exactly once, and counts what it tells. False if it was noted, or
    /// its crash recorded, before. When it answers, that is durable.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn discard(
        &self,
        project: ProjectId,
        crash: CrashId,
        attempt: &str,
        outcomes: &[RuleOutcome],
    ) -> Result<bool, CatalogError> {
        self.settle(|| self.discard_once(project, crash, attempt, outcomes)).await
    }

    async fn discard_once(
        &self,
        project: ProjectId,
        crash: CrashId,
        attempt: &str,
        outcomes: &[RuleOutcome],
    ) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        let see = sqlx::query(record::SEE)
            .bind(crash.day().number())
            .bind(project.as_i64())
            .bind(crash.to_string())
            .bind(row::text(attempt))
            .bind(None::<String>);
        if transaction.execute(see).await? == 0 {
            return Ok(false);
        }
        count_outcomes(&mut transaction, crash.day(), outcomes).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// What rules kept away of a project since a day, the latest first.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn outcomes(
        &self,
        project: ProjectId,
        since: Day,
    ) -> Result<Vec<CountedOutcome>, CatalogError> {
        let question = sqlx::query(OUTCOMES).bind(since.number()).bind(project.as_i64());
        let rows = self.all(question.bind(i64::from(crate::MOST_ROWS))).await?;
        let read = |found: &sqlx::any::AnyRow| {
            Ok(CountedOutcome {
                day: Day::from_number(found.try_get("day")?),
                outcome: RuleOutcome {
                    project: row::project(found, "project")?,
                    rule: found.try_get("rule")?,
                    outcome: row::parsed(found, "outcome")?,
                    count: row::number(found, "count")?,
                },
            })
        };
        rows.iter().map(read).collect()
    }

    /// Whether a crash is among the first `most` of its signature in its hour. Asked again, it answers the same.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn is_among_first(
        &self,
        project: ProjectId,
        signature: SignatureId,
        crash: CrashId,
        most: u32,
    ) -> Result<bool, CatalogError> {
        let hour = crash.accepted_at().as_millis().div_euclid(HOUR);
        let bound = |statement| {
            let question = sqlx::query(statement).bind(hour).bind(project.as_i64());
            question.bind(signature.to_string()).bind(crash.to_string())
        };
        let decided = |found: sqlx::any::AnyRow| {
            let (taken, own): (i64, i64) = (found.try_get("taken")?, found.try_get("own")?);
            Ok::<_, CatalogError>(if own > 0 {
                Some(true)
            } else {
                (taken >= i64::from(most)).then_some(false)
            })
        };
        // Most are not: they need not wait for the writer.
        if let Some(is_first) = decided(self.one(bound(FIRSTS)).await?)? {
            return Ok(is_first);
        }
        let mut transaction = self.begin().await?;
        // Where writers run side by side, only one at a time may count those that are there.
        transaction.execute(sqlx::query(record::LOCK_PROJECT).bind(project.as_i64())).await?;
        if let Some(is_first) = decided(transaction.one(bound(FIRSTS)).await?)? {
            return Ok(is_first);
        }
        transaction.execute(bound(ADD_FIRST)).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Crashes of a signature whose details are kept, of the hour of one that is only counted. None once they are
    /// forgotten.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn firsts_of_hour(
        &self,
        project: ProjectId,
        signature: SignatureId,
        crash: CrashId,
        limit: u32,
    ) -> Result<Vec<CrashId>, CatalogError> {
        let hour = crash.accepted_at().as_millis().div_euclid(HOUR);
        let question = sqlx::query(KEPT_FIRSTS).bind(hour).bind(project.as_i64()).bind(signature.to_string());
        let question = question.bind(crate::bounded(limit)).bind(crash.day().number());
        let rows = self.all(question).await?;
        rows.iter().map(|found| row::parsed(found, "crash_id")).collect()
    }

    /// Forgets the firsts of hours before a moment, and answers how many. It must lie further back than any message
    /// lives.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn forget_firsts(&self, before: Timestamp) -> Result<u64, CatalogError> {
        let mut forgotten = 0;
        loop {
            let mut transaction = self.begin().await?;
            let hour = before.as_millis().div_euclid(HOUR);
            let forget = sqlx::query(FORGET_FIRSTS).bind(hour).bind(AT_ONCE as i64);
            let some = transaction.execute(forget).await?;
            transaction.commit().await?;
            forgotten += some;
            if some < AT_ONCE as u64 {
                return Ok(forgotten);
            }
        }
    }

    /// Forgets what rules kept away before a day.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn forget_outcomes(&self, before: Day) -> Result<u64, CatalogError> {
        let mut transaction = self.begin().await?;
        let forget = sqlx::query(FORGET_OUTCOMES).bind(before.number());
        let forgotten = transaction.execute(forget).await?;
        transaction.commit().await?;
        Ok(forgotten)
    }
}

/// Adds to the counts of a day; always in the same order, so that two writers never wait for each other.
pub(crate) async fn count_outcomes(
    transaction: &mut Transaction,
    day: Day,
    outcomes: &[RuleOutcome],
) -> Result<(), CatalogError> {
    let mut outcomes: Vec<&RuleOutcome> = outcomes.iter().collect();
    outcomes.sort_by_key(|outcome| (outcome.project, &outcome.rule, outcome.outcome.as_str()));
    for outcome in outcomes {
        let count = sqlx::query(COUNT)
            .bind(day.number())
            .bind(outcome.project.as_i64())
            .bind(row::text(&outcome.rule))
            .bind(outcome.outcome.as_str())
            .bind(i64::try_from(outcome.count).unwrap_or(i64::MAX));
        transaction.execute(count).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use epitaph_crash_model::RuleVerdict;

    use super::*;
    use crate::sample::{Engine, T0, catalog, crash, on_each_engine};

    async fn rules_are_set_by_whoever_knows_the_last_revision(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        assert_eq!((catalog.rules().await.unwrap(), catalog.rules_revision().await.unwrap()), (None, 0));
        assert_eq!(catalog.set_rules("a", 0).await.unwrap(), Some(1));
        assert_eq!(catalog.set_rules("b", 0).await.unwrap(), None);
        assert_eq!(catalog.set_rules("b", 1).await.unwrap(), Some(2));
        assert_eq!(catalog.set_rules("c", 1).await.unwrap(), None);
        let expected = RulesDocument { revision: 2, document: "b".into() };
        assert_eq!(catalog.rules().await.unwrap(), Some(expected));
        assert_eq!(catalog.rules_revision().await.unwrap(), 2);
    }

    async fn a_report_is_discarded_once_and_what_it_tells_is_counted_once(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        let new = crash(1, "render", T0);
        let (project, id) = (new.fact.project, new.fact.crash_id);
        let outcome = RuleOutcome { project, rule: "old".into(), outcome: RuleVerdict::Dropped, count: 3 };
        for first in [true, false] {
            let discarded = catalog.discard(project, id, "1", std::slice::from_ref(&outcome)).await.unwrap();
            assert_eq!(discarded, first);
        }
        assert!(catalog.was_seen(project, id).await.unwrap());
        assert_eq!(catalog.record(&new).await.unwrap(), crate::Recorded::Already);
        let other = crash(2, "render", T0).fact.crash_id;
        assert!(catalog.discard(project, other, "1", std::slice::from_ref(&outcome)).await.unwrap());
        let counted = catalog.outcomes(project, id.day()).await.unwrap();
        let sum = RuleOutcome { count: 6, ..outcome };
        assert_eq!(counted, [CountedOutcome { day: id.day(), outcome: sum }]);
        assert_eq!(catalog.forget_outcomes(id.day().plus(1)).await.unwrap(), 1);
    }

    async fn of_an_hour_those_are_found_whose_details_are_kept(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        for index in 0..3 {
            let new = crash(index, "render", T0);
            let (id, signature) = (new.fact.crash_id, new.fact.signature);
            let is_first = catalog.is_among_first(ProjectId::FIRST, signature, id, 2).await.unwrap();
            let counted_by = (!is_first).then(|| "few".to_owned());
            catalog.record(&crate::NewCrash { counted_by, ..new }).await.unwrap();
        }
        let [one, two, last] = [0, 1, 2].map(|index| crash(index, "render", T0).fact);
        let kept = catalog.firsts_of_hour(ProjectId::FIRST, last.signature, last.crash_id, 5).await.unwrap();
        assert_eq!(kept, [one.crash_id, two.crash_id]);
    }

    async fn the_first_few_of_an_hour_stay_the_first_however_often_they_are_asked_about(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        let signature = crash(0, "render", T0).fact.signature;
        let ask = async |index| {
            let id = crash(index, "", T0).fact.crash_id;
            catalog.is_among_first(ProjectId::FIRST, signature, id, 2).await.unwrap()
        };
        let mut answers = Vec::new();
        for index in [1, 1, 2, 3, 1, 3, 2] {
            answers.push(ask(index).await);
        }
        assert_eq!(answers, [true, true, true, false, true, false, true]);
        let other = crash(0, "audio", T0).fact.signature;
        let third = crash(3, "", T0).fact.crash_id;
        assert!(catalog.is_among_first(ProjectId::FIRST, other, third, 2).await.unwrap());
        let after = Timestamp::from_millis(T0 + HOUR);
        assert_eq!(catalog.forget_firsts(after).await.unwrap(), 3);
        assert!(ask(3).await);
    }

    on_each_engine! {
        rules_are_set_by_whoever_knows_the_last_revision,
        a_report_is_discarded_once_and_what_it_tells_is_counted_once,
        of_an_hour_those_are_found_whose_details_are_kept,
        the_first_few_of_an_hour_stay_the_first_however_often_they_are_asked_about,
    }
}
