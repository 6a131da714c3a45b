//! Letting go of what is old.

use std::collections::BTreeMap;

use epitaph_crash_model::{CrashId, Day, ProjectId, Timestamp};
use sqlx::{AssertSqlSafe, Row as _};

use crate::{
    Catalog, CatalogError, bounded,
    crash::{self, CrashRow, placeholders, select_crash},
    duplicate,
    questions::Transaction,
    row,
};

pub(crate) const EXPIRED: &str = select_crash!(
    "FROM facts f JOIN signatures s ON s.project = f.project AND s.id = f.signature \
     WHERE f.project = $1 AND f.received_at < $2 ORDER BY f.received_at, f.crash_id LIMIT $3"
);
/// What a signature must know of facts that go: see `issue`.
pub(crate) const RAISE_LAST: &str = "UPDATE signatures \
    SET last_seen_at = $3, last_crash = $4, last_release = $5 \
    WHERE project = $1 AND id = $2 AND (last_seen_at < $3 OR (last_seen_at = $3 AND last_crash < $4))";
pub(crate) const FORGET: &str = "DELETE FROM seen WHERE (day, project, crash_id) IN \
    (SELECT day, project, crash_id FROM seen WHERE day < $1 LIMIT $2)";

/// How many rows one transaction deletes: recording never waits for more than that.
const AT_ONCE: usize = 500;

impl Catalog {
    /// Crashes of a project that were accepted before a moment, and whose facts are in no segment.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn expired_crashes(
        &self,
        project: ProjectId,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<CrashRow>, CatalogError> {
        let question = sqlx::query(EXPIRED).bind(project.as_i64());
        let question = question.bind(before.as_millis()).bind(bounded(limit));
        self.all(question).await?.iter().map(crash::read).collect()
    }

    /// Deletes the facts of these crashes, and answers how many there were. Their issues stay, and so does the memory
    /// that these crashes were recorded. A failure half-way leaves some deleted; asking again deletes the rest.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn delete_crashes(&self, crashes: &[(ProjectId, CrashId)]) -> Result<u64, CatalogError> {
        let mut by_project: BTreeMap<ProjectId, Vec<CrashId>> = BTreeMap::new();
        for &(project, crash) in crashes {
            by_project.entry(project).or_default().push(crash);
        }
        let mut deleted = 0;
        for (project, crashes) in by_project {
            for some in crashes.chunks(AT_ONCE) {
                deleted += self.settle(|| self.delete_some(project, some)).await?;
            }
        }
        Ok(deleted)
    }

    async fn delete_some(&self, project: ProjectId, crashes: &[CrashId]) -> Result<u64, CatalogError> {
        let mut transaction = self.begin().await?;
        let deleted = delete_facts(&mut transaction, project, crashes).await?;
        duplicate::forget_names(&mut transaction, project, crashes).await?;
        transaction.commit().await?;
        Ok(deleted)
    }

    /// Forgets that crashes accepted before a day were recorded, and answers how many. A message that brings one of
    /// them again would be taken for new: `before` must lie further back than any message lives.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn forget_seen(&self, before: Day) -> Result<u64, CatalogError> {
        let mut forgotten = 0;
        loop {
            let mut transaction = self.begin().await?;
            let forget = sqlx::query(FORGET).bind(before.number()).bind(AT_ONCE as i64);
            let some = transaction.execute(forget).await?;
            transaction.commit().await?;
            forgotten += some;
            if some < AT_ONCE as u64 {
                return Ok(forgotten);
            }
        }
    }
}

/// Deletes the rows of facts that go elsewhere, or for good. What their signatures must know of them is kept.
pub(crate) async fn delete_facts(
    transaction: &mut Transaction,
    project: ProjectId,
    crashes: &[CrashId],
) -> Result<u64, CatalogError> {
    let mut delete = sqlx::query(AssertSqlSafe(delete_among(crashes.len()))).bind(project.as_i64());
    for crash in crashes {
        delete = delete.bind(crash.to_string());
    }
    let rows = transaction.all(delete).await?;
    let mut last: BTreeMap<String, (Timestamp, String, Option<String>)> = BTreeMap::new();
    for row in &rows {
        let crash = (row::time(row, "received_at")?, row.try_get("crash_id")?, row.try_get("release")?);
        let signature = row.try_get("signature")?;
        match last.get(&signature) {
            Some(later) if (&later.0, &later.1) >= (&crash.0, &crash.1) => {}
            _ => drop(last.insert(signature, crash)),
        }
    }
    for (signature, (at, crash, release)) in last {
        let raise = sqlx::query(RAISE_LAST).bind(project.as_i64()).bind(signature);
        transaction.execute(raise.bind(at.as_millis()).bind(crash).bind(release)).await?;
    }
    Ok(rows.len() as u64)
}

pub(crate) fn delete_among(count: usize) -> String {
    format!(
        "DELETE FROM facts WHERE project = $1 AND crash_id IN ({}) \
         RETURNING signature, received_at, crash_id, release",
        placeholders(2, count)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Recorded,
        sample::{Engine, HOUR, T0, catalog, crash, on_each_engine},
    };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    async fn what_expired_is_found_in_its_project_and_deleted_only_there(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        let other = catalog.add_project(None, "Other").await.unwrap().id;
        let mut all: Vec<_> = (0..6).map(|index| crash(index, "render", T0 + i64::from(index))).collect();
        for crash in &mut all[3..] {
            crash.fact.project = other;
        }
        for crash in &all {
            catalog.record(crash).await.unwrap();
        }
        // The same id in another project is another crash.
        let mut twin = all[0].clone();
        twin.fact.project = other;
        twin.fact.received_at = at(T0 + HOUR);
        catalog.record(&twin).await.unwrap();

        let mut ids = Vec::new();
        for project in [ProjectId::FIRST, other] {
            let expired = catalog.expired_crashes(project, at(T0 + 5), 100).await.unwrap();
            assert!(expired.iter().all(|row| row.fact.project == project));
            ids.extend(expired.iter().map(|row| (project, row.fact.crash_id)));
        }
        assert_eq!(ids.len(), 5);
        assert_eq!(catalog.expired_crashes(other, at(T0 + 5), 1).await.unwrap().len(), 1);
        assert_eq!(catalog.delete_crashes(&ids).await.unwrap(), 5);
        assert_eq!(catalog.delete_crashes(&ids).await.unwrap(), 0);
        assert!(catalog.expired_crashes(other, at(T0 + 5), 100).await.unwrap().is_empty());
        assert_eq!(catalog.recent_crashes(ProjectId::FIRST, 9).await.unwrap().len(), 0);
        let left = catalog.recent_crashes(other, 9).await.unwrap();
        assert_eq!(
            left.iter().map(|row| row.fact.crash_id).collect::<Vec<_>>(),
            [twin.fact.crash_id, all[5].fact.crash_id]
        );
    }

    async fn a_crash_whose_fact_expired_is_still_not_recorded_again(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        let crash = crash(1, "render", T0);
        catalog.record(&crash).await.unwrap();
        catalog.delete_crashes(&[(crash.fact.project, crash.fact.crash_id)]).await.unwrap();
        assert!(catalog.was_seen(crash.fact.project, crash.fact.crash_id).await.unwrap());
        assert_eq!(catalog.record(&crash).await.unwrap(), Recorded::Already);
    }

    async fn crashes_are_forgotten_by_day_of_acceptance_in_any_number(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        let count = u32::try_from(AT_ONCE).unwrap() + 20;
        for index in 0..count {
            let crash = crash(index, "render", T0);
            catalog.record(&crash).await.unwrap();
            catalog.delete_crashes(&[(crash.fact.project, crash.fact.crash_id)]).await.unwrap();
        }
        let day = at(T0).day();
        assert_eq!(catalog.forget_seen(day).await.unwrap(), 0);
        assert_eq!(catalog.forget_seen(day.plus(1)).await.unwrap(), u64::from(count));
        let crash = crash(1, "render", T0);
        assert!(!catalog.was_seen(crash.fact.project, crash.fact.crash_id).await.unwrap());
    }

    async fn a_crash_that_is_forgotten_as_seen_is_not_counted_twice_while_its_fact_is_there(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        let crash = crash(1, "render", T0);
        catalog.record(&crash).await.unwrap();
        catalog.forget_seen(at(T0).day().plus(1)).await.unwrap();
        assert!(catalog.was_seen(crash.fact.project, crash.fact.crash_id).await.unwrap());
        assert_eq!(catalog.record(&crash).await.unwrap(), Recorded::Already);
        assert_eq!(catalog.recent_crashes(crash.fact.project, 9).await.unwrap().len(), 1);
    }

    on_each_engine! {
        what_expired_is_found_in_its_project_and_deleted_only_there,
        a_crash_whose_fact_expired_is_still_not_recorded_again,
        crashes_are_forgotten_by_day_of_acceptance_in_any_number,
        a_crash_that_is_forgotten_as_seen_is_not_counted_twice_while_its_fact_is_there,
    }
}
