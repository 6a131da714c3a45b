//! The tables, and bringing them up to date.

use std::sync::atomic::Ordering;

use epitaph_crash_model::{ProjectId, Timestamp};
use sqlx::Row as _;

use crate::{Catalog, CatalogError, dialect::is_missing_table, project, questions::Transaction};

/// The steps from nothing to today's tables, in order; step 1 is the first. A step that was released never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_feedback.sql"),
    include_str!("../migrations/0003_duplicates.sql"),
    include_str!("../migrations/0004_rules.sql"),
    include_str!("../migrations/0005_counted.sql"),
    include_str!("../migrations/0006_segments.sql"),
    include_str!("../migrations/0007_symbols.sql"),
    include_str!("../migrations/0008_late_symbols.sql"),
    include_str!("../migrations/0009_symbol_requests.sql"),
];

const CREATE_VERSIONS: &str = "CREATE TABLE IF NOT EXISTS schema_version \
    (version BIGINT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)";
const VERSION: &str = "SELECT COALESCE(MAX(version), 0) FROM schema_version";
const ADD_VERSION: &str = "INSERT INTO schema_version (version, applied_at) VALUES ($1, $2)";

fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

impl Catalog {
    /// Brings the tables up to date, and adds project 1 when they are new. Each step is one transaction under a lock,
    /// so processes that start together do not disturb each other. Fine, and quick, when there is nothing to do.
    ///
    /// # Errors
    /// [`CatalogError::NewerSchema`] when the tables are from a newer program; [`CatalogError::Unavailable`].
    pub async fn migrate(&self) -> Result<(), CatalogError> {
        loop {
            // Asked without a lock, and before anything else: who may not change tables need not, if they are as needed.
            match self.check_version().await {
                Err(CatalogError::OlderSchema { .. }) => self.settle(|| self.migrate_one_step()).await?,
                outcome => return outcome,
            }
        }
    }

    /// Fails unless the tables are of the version that this code knows; for functions that may not migrate.
    ///
    /// # Errors
    /// [`CatalogError::OlderSchema`], [`CatalogError::NewerSchema`], [`CatalogError::Unavailable`].
    pub async fn check_version(&self) -> Result<(), CatalogError> {
        let found = match self.all_unchecked(sqlx::query(VERSION)).await {
            Err(CatalogError::Unavailable(cause)) if cause.downcast_ref().is_some_and(is_missing_table) => 0,
            outcome => outcome?.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(0),
        };
        match newest() {
            known if found > known => Err(CatalogError::NewerSchema { found, known }),
            needed if found < needed => Err(CatalogError::OlderSchema { found, needed }),
            _ => {
                self.0.checked.store(true, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// Applies the first step that is missing, unless another has just done so.
    async fn migrate_one_step(&self) -> Result<(), CatalogError> {
        let dialect = &self.0.dialect;
        let mut transaction = self.begin_unchecked(dialect.patient_manner()).await?;
        dialect.lock_migrations(&mut transaction).await?;
        transaction.execute(sqlx::query(CREATE_VERSIONS)).await?;
        let found: i64 = transaction.one(sqlx::query(VERSION)).await?.try_get(0)?;
        if let Some(step) = usize::try_from(found).ok().and_then(|found| MIGRATIONS.get(found)) {
            apply(&mut transaction, step, found + 1).await?;
            transaction.commit().await?;
        }
        Ok(())
    }
}

async fn apply(transaction: &mut Transaction, step: &'static str, version: i64) -> Result<(), CatalogError> {
    let now = Timestamp::now();
    transaction.run(step).await?;
    transaction.execute(sqlx::query(ADD_VERSION).bind(version).bind(now.as_millis())).await?;
    if version == 1 {
        project::insert(transaction, ProjectId::FIRST, "Game 1", now).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Engine, Place, catalog, on_each_engine};

    async fn project_1_exists_after_the_first_migration_and_stays_as_it_is_after_the_next(engine: Engine) {
        let place = Place::new(engine);
        let catalog = place.open();
        catalog.migrate().await.unwrap();
        let first = catalog.projects().await.unwrap();
        assert_eq!(first.iter().map(|project| project.id).collect::<Vec<_>>(), [ProjectId::FIRST]);
        catalog.migrate().await.unwrap();
        assert_eq!(catalog.projects().await.unwrap(), first);
    }

    #[tokio::test]
    async fn a_catalog_is_made_in_a_directory_that_does_not_exist_yet() {
        let place = Place::new(Engine::Sqlite);
        let file = place.path().join("not yet/there/100%.db");
        let url = format!("sqlite://{}", file.display().to_string().replace('%', "%25"));
        Catalog::open(&url).unwrap().migrate().await.unwrap();
        assert!(file.is_file());
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_made_is_the_engines_fault() {
        let place = Place::new(Engine::Sqlite);
        std::fs::write(place.path().join("file"), "").unwrap();
        let url = format!("sqlite://{}/file/catalog.db", place.path().display());
        let error = Catalog::open(&url).unwrap().migrate().await.unwrap_err();
        assert!(error.is_unavailable(), "{error:?}");
    }

    async fn tables_that_are_missing_are_older_than_the_code_and_may_come(engine: Engine) {
        let place = Place::new(engine);
        let error = place.open().check_version().await.unwrap_err();
        assert!(matches!(error, CatalogError::OlderSchema { found: 0, .. }), "{error:?}");
        assert!(error.is_unavailable());
        place.open().migrate().await.unwrap();
        place.open().check_version().await.unwrap();
    }

    async fn tables_of_a_newer_program_are_left_alone(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        let mut transaction = catalog.begin().await.unwrap();
        transaction.execute(sqlx::query(ADD_VERSION).bind(newest() + 1).bind(0_i64)).await.unwrap();
        transaction.commit().await.unwrap();
        for error in [catalog.migrate().await.unwrap_err(), catalog.check_version().await.unwrap_err()] {
            let CatalogError::NewerSchema { found, known } = error else { panic!("{error:?}") };
            assert_eq!((found, known), (newest() + 1, newest()));
        }
    }

    async fn a_step_that_fails_leaves_nothing_of_itself(engine: Engine) {
        let (place, catalog) = catalog(engine).await;
        let mut transaction = catalog.begin().await.unwrap();
        let step = "CREATE TABLE half (id BIGINT); CREATE TABLE projects (id BIGINT)";
        apply(&mut transaction, step, newest() + 1).await.unwrap_err();
        drop(transaction);
        let count = "SELECT COUNT(*) FROM half";
        let error = sqlx::query(count).execute(place.open().reader().await.unwrap()).await.unwrap_err();
        assert!(is_missing_table(&error), "{error}");
        catalog.check_version().await.unwrap();
    }

    async fn many_that_migrate_at_once_make_one_set_of_tables(engine: Engine) {
        let place = Place::new(engine);
        let catalogs: Vec<_> = (0..6).map(|_| place.open()).collect();
        let mut tasks = tokio::task::JoinSet::new();
        for catalog in catalogs {
            tasks.spawn(async move { catalog.migrate().await });
        }
        while let Some(outcome) = tasks.join_next().await {
            outcome.unwrap().unwrap();
        }
        assert_eq!(place.open().projects().await.unwrap().len(), 1);
    }

    on_each_engine! {
        project_1_exists_after_the_first_migration_and_stays_as_it_is_after_the_next,
        tables_that_are_missing_are_older_than_the_code_and_may_come,
        tables_of_a_newer_program_are_left_alone,
        a_step_that_fails_leaves_nothing_of_itself,
        many_that_migrate_at_once_make_one_set_of_tables,
    }
}
