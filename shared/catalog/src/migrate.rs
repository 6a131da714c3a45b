//! The tables, and bringing them up to date.

use epitaph_crash_model::{ProjectId, Timestamp};
use sqlx::{Any, Transaction};

use crate::{Catalog, CatalogError, project};

/// The steps from nothing to today's tables, in order; step 1 is the first. A step that was released never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_feedback.sql"),
    include_str!("../migrations/0003_duplicates.sql"),
    include_str!("../migrations/0004_rules.sql"),
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
        while self.migrate_one_step().await? {}
        Ok(())
    }

    /// Fails unless the tables are of the version that this code knows; for functions that may not migrate.
    ///
    /// # Errors
    /// [`CatalogError::OlderSchema`], [`CatalogError::NewerSchema`], [`CatalogError::Unavailable`].
    pub async fn check_version(&self) -> Result<(), CatalogError> {
        let found = match sqlx::query_scalar::<_, i64>(VERSION).fetch_one(self.reader().await?).await {
            Err(error) if self.0.dialect.is_missing_table(&error) => 0,
            outcome => outcome?,
        };
        match newest() {
            known if found > known => Err(CatalogError::NewerSchema { found, known }),
            needed if found < needed => Err(CatalogError::OlderSchema { found, needed }),
            _ => Ok(()),
        }
    }

    /// Applies the first step that is missing; false when none is.
    async fn migrate_one_step(&self) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        self.0.dialect.lock_migrations(&mut transaction).await?;
        sqlx::query(CREATE_VERSIONS).execute(&mut *transaction).await?;
        let found: i64 = sqlx::query_scalar(VERSION).fetch_one(&mut *transaction).await?;
        if found > newest() {
            return Err(CatalogError::NewerSchema { found, known: newest() });
        }
        let Some(step) = usize::try_from(found).ok().and_then(|found| MIGRATIONS.get(found)) else {
            return Ok(false);
        };
        apply(&mut transaction, step, found + 1).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

async fn apply(
    transaction: &mut Transaction<'static, Any>,
    step: &'static str,
    version: i64,
) -> Result<(), CatalogError> {
    let now = Timestamp::now();
    sqlx::raw_sql(step).execute(&mut **transaction).await?;
    sqlx::query(ADD_VERSION).bind(version).bind(now.as_millis()).execute(&mut **transaction).await?;
    if version == 1 {
        project::insert(transaction, ProjectId::FIRST, "Game 1", now).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Place, catalog};

    #[tokio::test]
    async fn project_1_exists_after_the_first_migration_and_stays_as_it_is_after_the_next() {
        let place = Place::new();
        let catalog = place.open();
        catalog.migrate().await.unwrap();
        let first = catalog.projects().await.unwrap();
        assert_eq!(first.iter().map(|project| project.id).collect::<Vec<_>>(), [ProjectId::FIRST]);
        catalog.migrate().await.unwrap();
        assert_eq!(catalog.projects().await.unwrap(), first);
    }

    #[tokio::test]
    async fn a_catalog_is_made_in_a_directory_that_does_not_exist_yet() {
        let place = Place::new();
        let file = place.path().join("not yet/there/100%.db");
        let url = format!("sqlite://{}", file.display().to_string().replace('%', "%25"));
        Catalog::open(&url).unwrap().migrate().await.unwrap();
        assert!(file.is_file());
    }

    #[tokio::test]
    async fn a_place_that_cannot_be_made_is_the_engines_fault() {
        let place = Place::new();
        std::fs::write(place.path().join("file"), "").unwrap();
        let url = format!("sqlite://{}/file/catalog.db", place.path().display());
        let error = Catalog::open(&url).unwrap().migrate().await.unwrap_err();
        assert!(error.is_unavailable(), "{error:?}");
    }

    #[tokio::test]
    async fn tables_that_are_missing_are_older_than_the_code_and_may_come() {
        let place = Place::new();
        let error = place.open().check_version().await.unwrap_err();
        assert!(matches!(error, CatalogError::OlderSchema { found: 0, .. }), "{error:?}");
        assert!(error.is_unavailable());
        place.open().migrate().await.unwrap();
        place.open().check_version().await.unwrap();
    }

    #[tokio::test]
    async fn tables_of_a_newer_program_are_left_alone() {
        let (_place, catalog) = catalog().await;
        let mut transaction = catalog.begin().await.unwrap();
        sqlx::query(ADD_VERSION).bind(newest() + 1).bind(0_i64).execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
        for error in [catalog.migrate().await.unwrap_err(), catalog.check_version().await.unwrap_err()] {
            let CatalogError::NewerSchema { found, known } = error else { panic!("{error:?}") };
            assert_eq!((found, known), (newest() + 1, newest()));
        }
    }

    #[tokio::test]
    async fn a_step_that_fails_leaves_nothing_of_itself() {
        let (place, catalog) = catalog().await;
        let mut transaction = catalog.begin().await.unwrap();
        let step = "CREATE TABLE half (id BIGINT); CREATE TABLE projects (id BIGINT)";
        apply(&mut transaction, step, newest() + 1).await.unwrap_err();
        drop(transaction);
        let count = "SELECT COUNT(*) FROM half";
        let error = sqlx::query(count).execute(place.open().reader().await.unwrap()).await.unwrap_err();
        assert!(catalog.0.dialect.is_missing_table(&error), "{error}");
        catalog.check_version().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_that_migrate_at_once_make_one_set_of_tables() {
        let place = Place::new();
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
}
