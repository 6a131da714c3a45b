//! What players wrote about crashes.

use epitaph_crash_model::{CrashId, ProjectId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{Row as _, any::AnyRow};

use crate::{Catalog, CatalogError, row};

const ADD: &str = "INSERT INTO feedback (project, report, number, client_id, crash_id, received_at, name, comments) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
pub(crate) const OF_CRASH: &str = "SELECT project, report, number, client_id, crash_id, received_at, name, comments \
    FROM feedback WHERE project = $1 AND (crash_id = $2 OR client_id = $3 \
    OR client_id IN (SELECT c.client_id FROM client_ids c WHERE c.project = $1 AND c.crash_id = $2) \
    OR crash_id IN (SELECT a.alias FROM aliases a WHERE a.project = $1 AND a.crash_id = $2) \
    OR client_id IN (SELECT REPLACE(a.alias, '-', '') FROM aliases a WHERE a.project = $1 AND a.crash_id = $2)) \
    ORDER BY received_at, report, number LIMIT $4";
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
        transaction.execute(add).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// What players wrote about a crash, oldest first: what came with any report of it, and what names any id that it
    /// has, was given or gave itself.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn feedback(
        &self,
        project: ProjectId,
        crash: CrashId,
        limit: u32,
    ) -> Result<Vec<Feedback>, CatalogError> {
        let question = sqlx::query(OF_CRASH)
            .bind(project.as_i64())
            .bind(crash.to_string())
            .bind(crash.simple())
            .bind(crate::bounded(limit));
        self.all(question).await?.iter().map(read).collect()
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
            let some = transaction.execute(forget).await?;
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
    use epitaph_crash_model::Fact;

    use super::*;
    use crate::{
        NewCrash, Recorded,
        sample::{self, Engine, T0, catalog, on_each_engine},
    };

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

    async fn feedback_is_found_by_every_id_of_its_crash_and_by_no_other(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        let client_id = "0123456789abcdef0123456789abcdef";
        // The same dump twice: the second is an alias, and its client's id one more name.
        let dump_digest = Some("d".repeat(64));
        let first = NewCrash { dump_digest, ..sample::crash(1, "render", T0) };
        let (alias, crash) = (sample::crash(2, "render", T0).fact.crash_id, first.fact.crash_id);
        let fact = Fact { crash_id: alias, ..first.fact.clone() };
        let again = NewCrash { fact, client_id: Some(client_id.into()), ..first.clone() };
        catalog.record(&first).await.unwrap();
        assert_eq!(catalog.record(&again).await.unwrap(), Recorded::Duplicate { of: crash });
        let with = Feedback { crash_id: Some(crash), ..feedback("came with it") };
        let named = Feedback { client_id: Some(client_id.into()), ..feedback("names the client's id") };
        let answered =
            Feedback { client_id: Some(crash.simple()), ..feedback("names the id that was answered") };
        let other = Feedback { crash_id: Some(alias), ..feedback("came with the second report") };
        let second = Feedback { client_id: Some(alias.simple()), ..feedback("names the second report") };
        let lost = feedback("names nothing");
        for one in [&with, &named, &answered, &other, &second, &lost] {
            catalog.add_feedback(one).await.unwrap();
            catalog.add_feedback(one).await.unwrap();
        }
        let found = catalog.feedback(ProjectId::FIRST, crash, 10).await.unwrap();
        assert_eq!(found, [with, named, answered, other, second]);
        assert_eq!(catalog.feedback(ProjectId::FIRST, CrashId::new(), 10).await.unwrap(), []);
    }

    async fn feedback_is_forgotten_by_its_age(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
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
        assert_eq!(catalog.feedback(ProjectId::FIRST, crash, 10).await.unwrap(), [new]);
    }

    on_each_engine! {
        feedback_is_found_by_every_id_of_its_crash_and_by_no_other,
        feedback_is_forgotten_by_its_age,
    }
}
