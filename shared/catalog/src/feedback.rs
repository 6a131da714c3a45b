//! What players wrote about crashes.

use epitaph_crash_model::{CrashId, ProjectId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, any::AnyRow};

use crate::{Catalog, CatalogError, row};

const ADD: &str = "INSERT INTO feedback (project, report, number, client_id, crash_id, received_at, name, comments) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
pub(crate) const OF_CRASH: &str = "SELECT project, report, number, client_id, crash_id, received_at, name, comments \
    FROM feedback WHERE project = $1 AND (crash_id = $2 OR client_id = $3 OR client_id = $4) \
    ORDER BY received_at, report, number LIMIT $5";
pub(crate) const FORGET: &str = "DELETE FROM feedback WHERE (project, report, number) IN \
    (SELECT project, report, number FROM feedback WHERE received_at < $1 LIMIT $2)";

/// How many rows one transaction deletes.
const AT_ONCE: usize = 500;

/// What one player wrote. The e-mail address that clients ask for beside it is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// The game.
    pub project: ProjectId,
    /// The report that brought it.
    pub report: CrashId,
    /// Its place among what the report brought.
    pub number: u32,
    /// The client's own id of the crash that it is about: 32 hexadecimal digits, in lower case.
    pub client_id: Option<String>,
    /// The crash that it came with.
    pub crash_id: Option<CrashId>,
    /// When the collector accepted it.
    pub received_at: Timestamp,
    /// What the player is called.
    pub name: Option<String>,
    /// What the player wrote.
    pub comments: String,
}

impl Catalog {
    /// Keeps what a player wrote. The same place of the same report is kept once, however often it comes.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn add_feedback(&self, feedback: &Feedback) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        let add = sqlx::query(ADD)
            .bind(feedback.project.as_i64())
            .bind(feedback.report.to_string())
            .bind(i64::from(feedback.number))
            .bind(row::optional_text(feedback.client_id.as_ref()))
            .bind(feedback.crash_id.map(|crash| crash.to_string()))
            .bind(feedback.received_at.as_millis())
            .bind(row::optional_text(feedback.name.as_ref()))
            .bind(row::text(&feedback.comments));
        add.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// What players wrote about a crash, oldest first: what came with it, and what names its own id or the client's.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn feedback(
        &self,
        project: ProjectId,
        crash: CrashId,
        client_id: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Feedback>, CatalogError> {
        let own = crash.simple();
        let question = sqlx::query(OF_CRASH)
            .bind(project.as_i64())
            .bind(crash.to_string())
            .bind(client_id.unwrap_or(&own).to_owned())
            .bind(own.clone())
            .bind(crate::bounded(limit));
        question.fetch_all(self.reader().await?).await?.iter().map(read).collect()
    }

    /// Deletes what players wrote before a moment, and answers how many there were.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn forget_feedback(&self, before: Timestamp) -> Result<u64, CatalogError> {
        let mut forgotten = 0;
        loop {
            let mut transaction = self.begin().await?;
            let forget = sqlx::query(FORGET).bind(before.as_millis()).bind(AT_ONCE as i64);
            let some = forget.execute(&mut *transaction).await?.rows_affected();
            transaction.commit().await?;
            forgotten += some;
            if some < AT_ONCE as u64 {
                return Ok(forgotten);
            }
        }
    }
}

fn read(row: &AnyRow) -> Result<Feedback, CatalogError> {
    let crash: Option<&str> = row.try_get("crash_id")?;
    let crash = crash.map(|text| text.parse().map_err(|_| CatalogError::unreadable("crash_id", text)));
    Ok(Feedback {
        project: row::project(row, "project")?,
        report: row::parsed(row, "report")?,
        number: row::number(row, "number")?,
        client_id: row.try_get("client_id")?,
        crash_id: crash.transpose()?,
        received_at: row::time(row, "received_at")?,
        name: row.try_get("name")?,
        comments: row.try_get("comments")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{T0, catalog};

    fn feedback(comments: &str) -> Feedback {
        Feedback {
            project: ProjectId::FIRST,
            report: CrashId::new(),
            number: 0,
            client_id: None,
            crash_id: None,
            received_at: Timestamp::from_millis(T0),
            name: Some("Ann".into()),
            comments: comments.into(),
        }
    }

    #[tokio::test]
    async fn feedback_is_found_by_every_id_of_its_crash_and_by_no_other() {
        let (_place, catalog) = catalog().await;
        let crash = CrashId::new();
        let client_id = "0123456789abcdef0123456789abcdef";
        let with = Feedback { crash_id: Some(crash), ..feedback("came with it") };
        let named = Feedback { client_id: Some(client_id.into()), ..feedback("names the client's id") };
        let answered =
            Feedback { client_id: Some(crash.simple()), ..feedback("names the id that was answered") };
        let lost = feedback("names nothing");
        for one in [&with, &named, &answered, &lost] {
            catalog.add_feedback(one).await.unwrap();
            catalog.add_feedback(one).await.unwrap();
        }
        let found = catalog.feedback(ProjectId::FIRST, crash, Some(client_id), 10).await.unwrap();
        assert_eq!(found, [with.clone(), named, answered.clone()]);
        let found = catalog.feedback(ProjectId::FIRST, crash, None, 10).await.unwrap();
        assert_eq!(found, [with, answered]);
        assert_eq!(catalog.feedback(ProjectId::FIRST, CrashId::new(), None, 10).await.unwrap(), []);
    }

    #[tokio::test]
    async fn feedback_is_forgotten_by_its_age() {
        let (_place, catalog) = catalog().await;
        let crash = CrashId::new();
        let of = |millis| Feedback {
            crash_id: Some(crash),
            received_at: Timestamp::from_millis(T0 + millis),
            ..feedback("it froze")
        };
        let (old, new) = (of(-1), of(0));
        for one in [&old, &new] {
            catalog.add_feedback(one).await.unwrap();
        }
        assert_eq!(catalog.forget_feedback(Timestamp::from_millis(T0)).await.unwrap(), 1);
        assert_eq!(catalog.feedback(ProjectId::FIRST, crash, None, 10).await.unwrap(), [new]);
    }
}
