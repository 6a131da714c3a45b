//! Asking the database: one place that knows how long an answer may take, and whether statements have names there.

use std::time::Duration;

use sqlx::{
    Any, Pool,
    any::{AnyArguments, AnyRow},
};

use crate::{Catalog, CatalogError};

/// A statement and its values.
pub(crate) type Question<'q> = sqlx::query::Query<'q, Any, AnyArguments>;

/// How often a transaction is tried that others got in the way of.
const TRIES: u32 = 6;
/// How long to wait before it is tried again for the first time.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// Changes that happen together or, if it is dropped before it is committed, not at all.
#[derive(Debug)]
pub(crate) struct Transaction {
    inner: sqlx::Transaction<'static, Any>,
    manner: Manner,
}

/// How a database is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Whether a connection keeps prepared statements under names. Where it does not, what prepares a statement and
    /// what asks it must be one transaction.
    pub(crate) names_statements: bool,
    /// How long one answer may take; `None` where nothing but this machine can be slow.
    pub(crate) patience: Option<Duration>,
}

impl Manner {
    fn ask<'q>(&self, question: Question<'q>) -> Question<'q> {
        question.persistent(self.names_statements)
    }

    async fn wait<T>(&self, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, CatalogError> {
        let Some(patience) = self.patience else { return Ok(answer.await?) };
        let slow = |_| CatalogError::Unavailable(format!("no answer within {} s", patience.as_secs()).into());
        Ok(tokio::time::timeout(patience, answer).await.map_err(slow)??)
    }
}

impl Transaction {
    /// Begins one, with this statement.
    ///
    /// That is a task of its own, which goes on where whoever wanted it is cut off or loses patience. A connection that is
    /// given back to the pool before it has said that it began would be in a transaction that nobody ends, and fail whoever
    /// gets it next.
    async fn begin(pool: &Pool<Any>, statement: &'static str, manner: Manner) -> Result<Self, CatalogError> {
        let pool = pool.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "whoever wants it waits; cut off, it leaves no more than a connection to be rolled back"
        )]
        let begun = tokio::spawn(async move { pool.begin_with(statement).await });
        let begun = async { begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed)) };
        Ok(Self { inner: manner.wait(begun).await?, manner })
    }

    /// Makes a change, and answers how many rows it touched.
    pub(crate) async fn execute(&mut self, question: Question<'_>) -> Result<u64, CatalogError> {
        let changed = self.manner.ask(question).execute(&mut *self.inner);
        Ok(self.manner.wait(changed).await?.rows_affected())
    }

    /// Runs statements without values, one after another.
    pub(crate) async fn run(&mut self, statements: &'static str) -> Result<(), CatalogError> {
        self.manner.wait(sqlx::raw_sql(statements).execute(&mut *self.inner)).await.map(drop)
    }

    pub(crate) async fn all(&mut self, question: Question<'_>) -> Result<Vec<AnyRow>, CatalogError> {
        self.manner.wait(self.manner.ask(question).fetch_all(&mut *self.inner)).await
    }

    pub(crate) async fn one(&mut self, question: Question<'_>) -> Result<AnyRow, CatalogError> {
        self.manner.wait(self.manner.ask(question).fetch_one(&mut *self.inner)).await
    }

    pub(crate) async fn maybe(&mut self, question: Question<'_>) -> Result<Option<AnyRow>, CatalogError> {
        self.manner.wait(self.manner.ask(question).fetch_optional(&mut *self.inner)).await
    }

    /// Makes the changes durable. After an error, whether they are is open.
    pub(crate) async fn commit(self) -> Result<(), CatalogError> {
        self.manner.wait(self.inner.commit()).await
    }

    pub(crate) async fn rollback(self) -> Result<(), CatalogError> {
        self.manner.wait(self.inner.rollback()).await
    }
}

impl Catalog {
    pub(crate) async fn all(&self, question: Question<'_>) -> Result<Vec<AnyRow>, CatalogError> {
        self.check_once().await?;
        self.all_unchecked(question).await
    }

    pub(crate) async fn one(&self, question: Question<'_>) -> Result<AnyRow, CatalogError> {
        let row = self.maybe(question).await?;
        row.ok_or_else(|| CatalogError::from(sqlx::Error::RowNotFound))
    }

    pub(crate) async fn maybe(&self, question: Question<'_>) -> Result<Option<AnyRow>, CatalogError> {
        // None of these questions has many answers: they name a key, or say that they want one.
        Ok(self.all(question).await?.into_iter().next())
    }

    /// Asks even if the tables may be of another version, or missing.
    pub(crate) async fn all_unchecked(&self, question: Question<'_>) -> Result<Vec<AnyRow>, CatalogError> {
        let (pool, manner) = (self.reader().await?, self.0.dialect.manner());
        if manner.names_statements {
            return manner.wait(question.fetch_all(pool)).await;
        }
        let mut transaction = Transaction::begin(pool, self.0.dialect.begin_read(), manner).await?;
        let rows = transaction.all(question).await?;
        transaction.commit().await?;
        Ok(rows)
    }

    /// Begins to ask several things of one moment.
    pub(crate) async fn begin_snapshot(&self) -> Result<Transaction, CatalogError> {
        self.check_once().await?;
        let (pool, manner) = (self.reader().await?, self.0.dialect.manner());
        Transaction::begin(pool, self.0.dialect.begin_snapshot(), manner).await
    }

    /// Begins to change something.
    pub(crate) async fn begin(&self) -> Result<Transaction, CatalogError> {
        self.check_once().await?;
        self.begin_unchecked(self.0.dialect.manner()).await
    }

    /// Begins to change something, even if the tables may be of another version, or missing.
    pub(crate) async fn begin_unchecked(&self, manner: Manner) -> Result<Transaction, CatalogError> {
        let pool = &self.pools().await?.write;
        Transaction::begin(pool, self.0.dialect.begin_write(), manner).await
    }

    /// Does work that is one transaction, and does it again where another got in its way: then the database undid it.
    pub(crate) async fn settle<T, F>(&self, work: impl Fn() -> F) -> Result<T, CatalogError>
    where
        F: Future<Output = Result<T, CatalogError>>,
    {
        let mut pause = FIRST_PAUSE;
        for _ in 1..TRIES {
            match work().await {
                Err(error) if error.is_conflict() => tokio::time::sleep(pause).await,
                outcome => return outcome,
            }
            pause *= 2;
        }
        work().await
    }
}

#[cfg(test)]
mod tests {
    use epitaph_crash_model::ProjectId;
    use epitaph_test_services::cut_off;

    use crate::sample::{Engine, catalog, on_each_engine};

    /// More than a pool has here.
    const CONNECTIONS: usize = 8;

    async fn who_is_cut_off_leaves_no_transaction_behind(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        for turn in 0..100 {
            cut_off(catalog.snapshot(ProjectId::FIRST, &[]), turn % 8).await;
            cut_off(catalog.begin(), turn % 4).await;
            // Each connection of the pool has its turn with either.
            for _ in 0..CONNECTIONS {
                catalog.project(ProjectId::FIRST).await.unwrap();
            }
            for _ in 0..CONNECTIONS {
                catalog.snapshot(ProjectId::FIRST, &[]).await.unwrap();
            }
        }
    }

    on_each_engine! {
        who_is_cut_off_leaves_no_transaction_behind,
    }
}
