//! Dead letters: messages that the pipeline cannot handle. The message itself lies in the bucket.

use epitaph_crash_model::{ProjectId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, any::AnyRow};

use crate::{Catalog, CatalogError, bounded, row};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, project, kind, reason, attempts, first_at, dead_at, object_key FROM dead_letters ",
            $rest
        )
    };
}

const ONE: &str = select!("WHERE id = $1");
const LIST: &str = select!("ORDER BY dead_at DESC, id DESC LIMIT $1");
const REMOVE: &str = "DELETE FROM dead_letters WHERE id = $1";
const ADD: &str = "INSERT INTO dead_letters \
    (id, project, kind, reason, attempts, first_at, dead_at, object_key) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
    ON CONFLICT (id) DO UPDATE SET project = excluded.project, kind = excluded.kind, \
    reason = excluded.reason, attempts = excluded.attempts, first_at = excluded.first_at, \
    dead_at = excluded.dead_at, object_key = excluded.object_key";

/// A message that the pipeline cannot handle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Names it.
    pub id: String,
    /// The project that the message names, if it can be read.
    pub project: Option<ProjectId>,
    /// What the message asked for.
    pub kind: String,
    /// Why it cannot be handled.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When its work was accepted.
    pub first_at: Timestamp,
    /// When it was given up.
    pub dead_at: Timestamp,
    /// The bucket's object that holds the message.
    pub key: String,
}

impl Catalog {
    /// Notes a dead letter. One that is there under the same id is replaced, so that this can be repeated.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn add_dead_letter(&self, letter: &DeadLetter) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        let add = sqlx::query(ADD)
            .bind(row::text(&letter.id))
            .bind(letter.project.map(ProjectId::as_i64))
            .bind(row::text(&letter.kind))
            .bind(row::text(&letter.reason))
            .bind(i64::from(letter.attempts))
            .bind(letter.first_at.as_millis())
            .bind(letter.dead_at.as_millis())
            .bind(row::text(&letter.key));
        transaction.execute(add).await?;
        transaction.commit().await
    }

    /// Dead letters, the latest first.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, CatalogError> {
        let rows = self.all(sqlx::query(LIST).bind(bounded(limit))).await?;
        rows.iter().map(read).collect()
    }

    /// One dead letter; `None` if there is no such.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, CatalogError> {
        let row = self.maybe(sqlx::query(ONE).bind(row::text(id))).await?;
        row.as_ref().map(read).transpose()
    }

    /// Removes a dead letter: it was dropped, or sent on its way again. Whether it was there.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn remove_dead_letter(&self, id: &str) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        let remove = sqlx::query(REMOVE).bind(row::text(id));
        let removed = transaction.execute(remove).await? == 1;
        transaction.commit().await?;
        Ok(removed)
    }
}

fn read(row: &AnyRow) -> Result<DeadLetter, CatalogError> {
    let project: Option<i64> = row.try_get("project")?;
    Ok(DeadLetter {
        id: row.try_get("id")?,
        project: project.map(|_| row::project(row, "project")).transpose()?,
        kind: row.try_get("kind")?,
        reason: row.try_get("reason")?,
        attempts: row::number(row, "attempts")?,
        first_at: row::time(row, "first_at")?,
        dead_at: row::time(row, "dead_at")?,
        key: row.try_get("object_key")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Engine, T0, catalog, on_each_engine};

    fn letter(id: &str, dead_at: i64) -> DeadLetter {
        DeadLetter {
            id: id.into(),
            project: (id != "b").then_some(ProjectId::FIRST),
            kind: "report".into(),
            reason: "the document has version 9; expected 1 at most".into(),
            attempts: 3,
            first_at: Timestamp::from_millis(T0),
            dead_at: Timestamp::from_millis(dead_at),
            key: format!("dead/{id}"),
        }
    }

    async fn dead_letters_are_listed_latest_first_read_and_removed(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        let letters = [letter("c", T0 + 2), letter("b", T0 + 1), letter("a", T0 + 1)];
        for letter in &letters {
            catalog.add_dead_letter(letter).await.unwrap();
        }
        assert_eq!(catalog.dead_letters(9).await.unwrap(), letters);
        assert_eq!(catalog.dead_letters(1).await.unwrap(), letters[..1]);
        assert_eq!(catalog.dead_letter("b").await.unwrap().as_ref(), Some(&letters[1]));
        assert!(catalog.remove_dead_letter("b").await.unwrap());
        assert!(!catalog.remove_dead_letter("b").await.unwrap());
        assert_eq!(catalog.dead_letter("b").await.unwrap(), None);
    }

    async fn a_dead_letter_that_is_noted_again_is_listed_once_as_it_was_last(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        catalog.add_dead_letter(&letter("a", T0)).await.unwrap();
        let again = DeadLetter { reason: "another\0".into(), attempts: 6, ..letter("a", T0 + 1) };
        catalog.add_dead_letter(&again).await.unwrap();
        let expected = DeadLetter { reason: "another\u{fffd}".into(), ..again };
        assert_eq!(catalog.dead_letters(9).await.unwrap(), [expected]);
    }

    on_each_engine! {
        dead_letters_are_listed_latest_first_read_and_removed,
        a_dead_letter_that_is_noted_again_is_listed_once_as_it_was_last,
    }
}
