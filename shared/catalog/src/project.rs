//! Projects: the games that report.

use epitaph_crash_model::{ProjectId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, any::AnyRow};

use crate::{Catalog, CatalogError, MOST_ROWS, questions::Transaction, row};

const ALL: &str = "SELECT id, name, created_at FROM projects ORDER BY id LIMIT $1";
const ONE: &str = "SELECT id, name, created_at FROM projects WHERE id = $1";
const LARGEST: &str = "SELECT COALESCE(MAX(id), 0) FROM projects";
const INSERT: &str = "INSERT INTO projects (id, name, created_at, next_issue) VALUES ($1, $2, $3, 1) \
    ON CONFLICT DO NOTHING";

/// How often to look for a free number when others take it at the same moment.
const TRIES: u32 = 16;

/// One game.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Its number.
    pub id: ProjectId,
    /// What people call it.
    pub name: String,
    /// When it was added.
    pub created_at: Timestamp,
}

impl Catalog {
    /// All projects by number, [`MOST_ROWS`] at most.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn projects(&self) -> Result<Vec<Project>, CatalogError> {
        let rows = self.all(sqlx::query(ALL).bind(i64::from(MOST_ROWS))).await?;
        rows.iter().map(read).collect()
    }

    /// One project; `None` if there is no such.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn project(&self, id: ProjectId) -> Result<Option<Project>, CatalogError> {
        let row = self.maybe(sqlx::query(ONE).bind(id.as_i64())).await?;
        row.as_ref().map(read).transpose()
    }

    /// Adds a project, with the next free number unless `id` says which.
    ///
    /// # Errors
    /// [`CatalogError::ProjectExists`], [`CatalogError::Invalid`] for a blank name, [`CatalogError::Unavailable`].
    pub async fn add_project(&self, id: Option<ProjectId>, name: &str) -> Result<Project, CatalogError> {
        let name = name.trim();
        if name.is_empty() {
            return Err(CatalogError::Invalid("a project needs a name; expected at least one character"));
        }
        let created_at = Timestamp::now();
        for _ in 0..TRIES {
            let mut transaction = self.begin().await?;
            let wanted = match id {
                Some(id) => id,
                None => {
                    let largest: i64 = transaction.one(sqlx::query(LARGEST)).await?.try_get(0)?;
                    let next = largest.checked_add(1).and_then(|next| ProjectId::try_from(next).ok());
                    next.ok_or(CatalogError::Invalid("the largest project number is taken; choose one"))?
                }
            };
            if insert(&mut transaction, wanted, name, created_at).await? {
                transaction.commit().await?;
                return Ok(Project { id: wanted, name: row::text(name), created_at });
            }
            if id.is_some() {
                return Err(CatalogError::ProjectExists(wanted));
            }
        }
        Err(CatalogError::Invalid("others took every free project number at the same moment; try again"))
    }
}

/// Whether the project is new.
pub(crate) async fn insert(
    transaction: &mut Transaction,
    id: ProjectId,
    name: &str,
    created_at: Timestamp,
) -> Result<bool, CatalogError> {
    let insert = sqlx::query(INSERT).bind(id.as_i64()).bind(row::text(name)).bind(created_at.as_millis());
    Ok(transaction.execute(insert).await? == 1)
}

fn read(row: &AnyRow) -> Result<Project, CatalogError> {
    Ok(Project {
        id: row::project(row, "id")?,
        name: row.try_get("name")?,
        created_at: row::time(row, "created_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Engine, catalog, on_each_engine};

    fn number(id: u64) -> ProjectId {
        ProjectId::try_from(id).unwrap()
    }

    async fn a_project_gets_the_number_asked_for_or_the_next_free_one(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        assert_eq!(catalog.add_project(None, " Rocket Cats ").await.unwrap().id, number(2));
        assert_eq!(catalog.add_project(Some(number(40)), "Forty").await.unwrap().id, number(40));
        let next = catalog.add_project(None, "Next").await.unwrap();
        assert_eq!(next.id, number(41));
        assert_eq!(catalog.project(number(41)).await.unwrap(), Some(next));
        assert_eq!(catalog.project(number(3)).await.unwrap(), None);
        let names: Vec<_> =
            catalog.projects().await.unwrap().into_iter().map(|project| project.name).collect();
        assert_eq!(names, ["Game 1", "Rocket Cats", "Forty", "Next"]);
    }

    async fn a_number_is_given_once_and_a_name_is_not_blank(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        let error = catalog.add_project(Some(number(1)), "Again").await.unwrap_err();
        assert!(matches!(error, CatalogError::ProjectExists(id) if id == number(1)), "{error:?}");
        assert!(matches!(catalog.add_project(None, " ").await, Err(CatalogError::Invalid(_))));
    }

    on_each_engine! {
        a_project_gets_the_number_asked_for_or_the_next_free_one,
        a_number_is_given_once_and_a_name_is_not_blank,
    }
}
