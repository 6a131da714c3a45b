//! What other symbol servers were asked for, so that a thousand crashes do not ask a thousand times.

use epitaph_crash_model::{ProjectId, Timestamp};
use sqlx::{AssertSqlSafe, Row as _};

use crate::{Catalog, CatalogError, crash::placeholders, row};

/// The source of a row that says that all are being asked.
const ALL_SOURCES: &str = "";

const CLAIM: &str = "INSERT INTO symbol_requests (project, debug_id, source, not_before) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (project, debug_id, source) DO UPDATE SET not_before = excluded.not_before \
    WHERE symbol_requests.not_before <= $5";
const NOTE: &str = "INSERT INTO symbol_requests (project, debug_id, source, not_before) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (project, debug_id, source) DO UPDATE SET not_before = excluded.not_before";
const RELEASE: &str = "DELETE FROM symbol_requests WHERE project = $1 AND debug_id = $2 AND source = $3";
pub(crate) const FORGET: &str = "DELETE FROM symbol_requests WHERE not_before <= $1";

/// Debug ids that one question names.
const AT_ONCE: usize = 500;

/// A debug id that is not to be asked for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolRequest {
    /// As Breakpad writes it.
    pub debug_id: String,
    /// The source that does not have it; `None` while all sources are being asked.
    pub source: Option<String>,
}

impl Catalog {
    /// Which of these debug ids are being asked for, and which sources do not have them.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn symbol_requests(
        &self,
        project: ProjectId,
        debug_ids: &[String],
        now: Timestamp,
    ) -> Result<Vec<SymbolRequest>, CatalogError> {
        let mut requests = Vec::new();
        for some in debug_ids.chunks(AT_ONCE) {
            let mut question = sqlx::query(AssertSqlSafe(among(some.len()))).bind(project.as_i64());
            question = question.bind(now.as_millis());
            for id in some {
                question = question.bind(row::text(id));
            }
            for row in &self.all(question).await? {
                let source: String = row.try_get("source")?;
                let source = (source != ALL_SOURCES).then_some(source);
                requests.push(SymbolRequest { debug_id: row.try_get("debug_id")?, source });
            }
        }
        Ok(requests)
    }

    /// Notes that these debug ids are being asked for until then, and gives those for which nobody else does that.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn claim_symbol_requests(
        &self,
        project: ProjectId,
        debug_ids: &[String],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<String>, CatalogError> {
        let mut transaction = self.begin().await?;
        transaction.execute(sqlx::query(FORGET).bind(now.as_millis())).await?;
        let mut claimed = Vec::new();
        for id in debug_ids {
            let claim = sqlx::query(CLAIM).bind(project.as_i64()).bind(row::text(id)).bind(ALL_SOURCES);
            if transaction.execute(claim.bind(until.as_millis()).bind(now.as_millis())).await? == 1 {
                claimed.push(id.clone());
            }
        }
        transaction.commit().await?;
        Ok(claimed)
    }

    /// Notes that all sources were asked for a debug id, and which are not to be asked again before when.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn settle_symbol_request(
        &self,
        project: ProjectId,
        debug_id: &str,
        without: &[(String, Timestamp)],
    ) -> Result<(), CatalogError> {
        let id = row::text(debug_id);
        let mut transaction = self.begin().await?;
        for (source, not_before) in without {
            let note = sqlx::query(NOTE).bind(project.as_i64()).bind(id.clone()).bind(row::text(source));
            transaction.execute(note.bind(not_before.as_millis())).await?;
        }
        let release = sqlx::query(RELEASE).bind(project.as_i64()).bind(id).bind(ALL_SOURCES);
        transaction.execute(release).await?;
        transaction.commit().await
    }
}

pub(crate) fn among(count: usize) -> String {
    format!(
        "SELECT debug_id, source FROM symbol_requests WHERE project = $1 AND not_before > $2 AND debug_id IN ({})",
        placeholders(3, count)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Engine, T0, catalog, on_each_engine};

    const PROJECT: ProjectId = ProjectId::FIRST;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(T0 + millis)
    }

    fn ids(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    async fn a_debug_id_is_asked_for_by_one_at_a_time(engine: Engine) {
        let (place, catalog) = catalog(engine).await;
        let other = place.open();
        let claim = async |of: &Catalog, names: &[&str], now: i64| {
            of.claim_symbol_requests(PROJECT, &ids(names), at(now), at(now + 10)).await.unwrap()
        };
        assert_eq!(claim(&catalog, &["A", "B"], 0).await, ids(&["A", "B"]));
        assert_eq!(claim(&other, &["B", "C"], 9).await, ids(&["C"]));
        // Whoever asked for B died.
        assert_eq!(claim(&other, &["B", "C"], 10).await, ids(&["B"]));
        catalog.settle_symbol_request(PROJECT, "B", &[]).await.unwrap();
        assert_eq!(claim(&catalog, &["B"], 11).await, ids(&["B"]));
    }

    async fn a_source_that_has_nothing_is_known_until_it_may_be_asked_again(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        let elsewhere = catalog.add_project(None, "Other").await.unwrap().id;
        catalog.claim_symbol_requests(PROJECT, &ids(&["A", "B"]), at(0), at(10)).await.unwrap();
        catalog.settle_symbol_request(PROJECT, "A", &[("a source".to_owned(), at(20))]).await.unwrap();
        let asked = async |project, now| {
            let mut asked = catalog.symbol_requests(project, &ids(&["A", "B", "C"]), at(now)).await.unwrap();
            asked.sort_by(|one, other| one.debug_id.cmp(&other.debug_id));
            asked.into_iter().map(|request| (request.debug_id, request.source)).collect::<Vec<_>>()
        };
        let without = ("A".to_owned(), Some("a source".to_owned()));
        assert_eq!(asked(PROJECT, 1).await, [without.clone(), ("B".to_owned(), None)]);
        assert_eq!(asked(PROJECT, 10).await, [without]);
        assert_eq!(asked(PROJECT, 20).await, []);
        assert_eq!(asked(elsewhere, 1).await, []);
    }

    on_each_engine! {
        a_debug_id_is_asked_for_by_one_at_a_time,
        a_source_that_has_nothing_is_known_until_it_may_be_asked_again,
    }
}
