//! Where the databases differ: how they are opened, how a transaction begins, how migrations are locked.

use std::{sync::Once, time::Duration};

use sqlx::{
    AnyPool, ConnectOptions as _,
    any::{AnyConnectOptions, install_default_drivers},
};

use crate::{
    CatalogError,
    postgres::Postgres,
    questions::{Manner, Transaction},
    sqlite::Sqlite,
};

/// How long one step of a migration may take.
const MIGRATION: Duration = Duration::from_secs(60 * 60);

/// Which database, and where.
#[derive(Debug)]
pub(crate) enum Dialect {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// Connections that read, and connections that write. Where only one writer is possible at a time, writers then wait
/// in line for the one connection instead of polling a lock, and readers wait for nobody. Where that is not so, they are
/// the same ones.
pub(crate) struct Pools {
    pub(crate) read: AnyPool,
    pub(crate) write: AnyPool,
}

impl Dialect {
    pub(crate) fn of(given: &str) -> Result<Self, CatalogError> {
        match given.split_once("://") {
            Some(("sqlite", path)) => Sqlite::at(path).map(Dialect::Sqlite),
            Some(("postgres" | "postgresql", _)) => Postgres::at(given).map(Dialect::Postgres),
            Some((scheme, _)) => Err(CatalogError::location(&format!(
                "has the scheme {:?}",
                scheme.chars().take(20).collect::<String>()
            ))),
            None => Err(CatalogError::location("is no URL")),
        }
    }

    /// Makes what must exist before the first connection.
    pub(crate) fn make_place(&self) -> Result<(), CatalogError> {
        match self {
            Dialect::Sqlite(sqlite) => sqlite.make_place(),
            Dialect::Postgres(_) => Ok(()),
        }
    }

    /// Connections, none of them open yet.
    pub(crate) fn pools(&self) -> Result<Pools, CatalogError> {
        match self {
            Dialect::Sqlite(sqlite) => Ok(Pools { read: sqlite.readers()?, write: sqlite.writers()? }),
            Dialect::Postgres(postgres) => {
                let pool = postgres.pool();
                Ok(Pools { read: pool.clone(), write: pool })
            }
        }
    }

    /// How a transaction begins that will write.
    pub(crate) const fn begin_write(&self) -> &'static str {
        match self {
            // One that begins by reading may find, when it first writes, that another has written in between, and can
            // then only fail.
            Dialect::Sqlite(_) => "BEGIN IMMEDIATE",
            // Each statement sees what was committed before it began: who waited for a row sees what became of it. A
            // server's own default may be another, and so may be whether it can be written to at all.
            Dialect::Postgres(_) => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        }
    }

    /// How a transaction begins that will only read.
    pub(crate) const fn begin_read(&self) -> &'static str {
        match self {
            Dialect::Sqlite(_) => "BEGIN",
            Dialect::Postgres(_) => "BEGIN READ ONLY",
        }
    }

    /// How a transaction begins whose questions all see the same moment.
    pub(crate) const fn begin_snapshot(&self) -> &'static str {
        match self {
            Dialect::Sqlite(_) => "BEGIN",
            Dialect::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    pub(crate) fn manner(&self) -> Manner {
        match self {
            Dialect::Sqlite(_) => Manner { names_statements: true, patience: None },
            Dialect::Postgres(postgres) => postgres.manner(),
        }
    }

    /// A manner for what may take long, and may wait for others that do it.
    pub(crate) fn patient_manner(&self) -> Manner {
        let manner = self.manner();
        Manner { patience: manner.patience.map(|_| MIGRATION), ..manner }
    }

    /// Keeps other processes from migrating until the transaction ends, and sees that the database can hold every text.
    pub(crate) async fn lock_migrations(&self, transaction: &mut Transaction) -> Result<(), CatalogError> {
        match self {
            // BEGIN IMMEDIATE is that lock already.
            Dialect::Sqlite(_) => Ok(()),
            Dialect::Postgres(postgres) => postgres.lock_migrations(transaction).await,
        }
    }
}

/// Whether an error says that a table does not exist.
pub(crate) fn is_missing_table(error: &sqlx::Error) -> bool {
    crate::sqlite::is_missing_table(error) || crate::postgres::is_missing_table(error)
}

/// Where to connect to, without a word of it in any log.
pub(crate) fn connect_options(url: &str) -> Result<AnyConnectOptions, sqlx::Error> {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(install_default_drivers);
    Ok(url.parse::<AnyConnectOptions>()?.disable_statement_logging())
}
