//! PostgreSQL, and what speaks its protocol: many writers at a time, on other machines.
//!
//! What is needed of it: UTF-8, row locks at `READ COMMITTED`, `ON CONFLICT` and `RETURNING`; nothing that only
//! PostgreSQL itself has. An advisory lock keeps migrations apart; where it does nothing, transactions do.

use std::{fmt, io, time::Duration};

use sqlx::{
    AnyConnection, AnyPool, Connection as _, Row as _,
    any::{AnyConnectOptions, AnyPoolOptions},
    error::DatabaseError,
    postgres::PgDatabaseError,
};

use crate::{
    CatalogError,
    dialect::connect_options,
    questions::{Manner, Transaction},
};

/// How long a question waits for a connection, new or not, before the catalog counts as unavailable.
const ACQUIRE: Duration = Duration::from_secs(4);
/// How long an answer may take. Statistics of a large project are the slowest; a lock is held for much less.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection has to show that there is still somebody at its other end, and how long it need not.
const PROOF: Duration = Duration::from_secs(2);
const TRUSTED: Duration = Duration::from_secs(1);
/// How long a connection is kept that nobody uses, and how long any: after that, a name may lead to another server.
const IDLE: Duration = Duration::from_secs(5 * 60);
const LIFE: Duration = Duration::from_secs(15 * 60);
/// How many connections a process has at most, unless its URL says how many.
const CONNECTIONS: u32 = 4;
const MOST_CONNECTIONS: u32 = 100;
/// The advisory lock of migrations, "epitaph" as a number. It is of the database, so others hardly have the same.
const MIGRATIONS: i64 = 0x65_7069_7461_7068;

const LOCK: &str = "SELECT pg_advisory_xact_lock($1)";
const ENCODING: &str = "SHOW server_encoding";

/// Where the database is, and how it is talked to.
pub(crate) struct Postgres {
    options: AnyConnectOptions,
    connections: u32,
    names_statements: bool,
}

impl Postgres {
    /// The database at a URL.
    pub(crate) fn at(given: &str) -> Result<Self, CatalogError> {
        let not = CatalogError::location;
        let mut options = connect_options(given).map_err(|_| not("is no URL that can be read"))?;
        let url = &mut options.database_url;
        let (mut connections, mut names_statements) = (CONNECTIONS, true);
        let mut kept: Vec<(String, String)> = Vec::new();
        for (name, value) in url.query_pairs() {
            let name = match &*name {
                "ssl-mode" => "sslmode",
                "ssl-root-cert" | "ssl-ca" => "sslrootcert",
                name => name,
            };
            match name {
                "connections" => {
                    let number = value.parse().ok().filter(|number| (1..=MOST_CONNECTIONS).contains(number));
                    connections = number.ok_or_else(|| not("has other connections than 1 to 100"))?;
                    continue;
                }
                "statement-cache-capacity" => {
                    let number = value.parse::<usize>();
                    names_statements =
                        number.map_err(|_| not("has a statement-cache-capacity that is no number"))? > 0;
                }
                // The driver takes `allow` for `disable`, which is not what it says.
                "sslmode"
                    if !["disable", "prefer", "require", "verify-ca", "verify-full"].contains(&&*value) =>
                {
                    return Err(not(
                        "has an sslmode other than disable, prefer, require, verify-ca and verify-full",
                    ));
                }
                "port" if value.parse::<u16>().is_err() => return Err(not("has a port that is no number")),
                "hostaddr" if value.parse::<std::net::IpAddr>().is_err() => {
                    return Err(not("has a hostaddr that is no IP address"));
                }
                "sslmode" | "sslrootcert" | "sslcert" | "ssl-cert" | "sslkey" | "ssl-key" | "host"
                | "hostaddr" | "port" | "dbname" | "user" | "password" | "application_name" | "options" => {}
                name if name.starts_with("options[") && name.ends_with(']') => {}
                name => {
                    let name: String = name.chars().take(30).collect();
                    return Err(not(&format!("has the parameter {name:?}, which is not known")));
                }
            }
            kept.push((name.to_owned(), value.into_owned()));
        }
        let has = |name: &str| kept.iter().any(|(known, _)| known == name);
        let (has_root, has_name) = (has("sslrootcert"), has("application_name"));
        for (name, value) in &mut kept {
            // As libpq has it: who says which root to trust wants the server's certificate looked at.
            if has_root && name == "sslmode" && value == "require" {
                *value = "verify-ca".to_owned();
            }
        }
        if !has_name {
            kept.push(("application_name".to_owned(), "epitaph".to_owned()));
        }
        url.query_pairs_mut().clear().extend_pairs(kept);
        Ok(Self { options, connections, names_statements })
    }

    pub(crate) fn manner(&self) -> Manner {
        Manner { names_statements: self.names_statements, patience: Some(PATIENCE) }
    }

    /// Connections for questions and changes, none of them open yet.
    pub(crate) fn pool(&self) -> AnyPool {
        AnyPoolOptions::new()
            .max_connections(self.connections)
            .acquire_timeout(ACQUIRE)
            .idle_timeout(IDLE)
            .max_lifetime(LIFE)
            .test_before_acquire(false)
            .before_acquire(|connection, connected| {
                // A function may have been frozen, or a server replaced, since it was used last.
                let trusted = connected.idle_for < TRUSTED;
                Box::pin(async move {
                    if !trusted {
                        prove(connection).await?;
                    }
                    Ok(true)
                })
            })
            .after_release(|connection, _| {
                // A transaction that was dropped is rolled back here. Where nobody answers, the connection is closed:
                // else it would take up its place until the network gives up, which takes a quarter of an hour.
                Box::pin(async move { prove(connection).await.map(|()| true) })
            })
            .connect_lazy_with(self.options.clone())
    }

    pub(crate) async fn lock_migrations(&self, transaction: &mut Transaction) -> Result<(), CatalogError> {
        transaction.execute(sqlx::query(LOCK).bind(MIGRATIONS)).await?;
        let encoding = transaction.one(sqlx::query(ENCODING)).await?;
        if encoding.try_get::<&str, _>(0)? == "UTF8" {
            return Ok(());
        }
        Err(CatalogError::Invalid(
            "the database cannot hold every text; create it with ENCODING 'UTF8' (and TEMPLATE template0)",
        ))
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL holds a password.
        formatter.write_str("Postgres(..)")
    }
}

async fn prove(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let answer = tokio::time::timeout(PROOF, connection.ping()).await;
    answer.unwrap_or_else(|_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())))
}

/// Whether an error says that a table does not exist.
pub(crate) fn is_missing_table(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(code) == Some("42P01")
}

/// Whether an error is surely the fault of the values that were sent: they cannot be represented (class 22), or do not
/// fit into an index (54000).
pub(crate) fn is_fault_of_values(error: &dyn DatabaseError) -> bool {
    code(error).is_some_and(|code| code.starts_with("22") || code == "54000")
}

/// Whether an error says that the transaction was undone because of another one: a serialization failure or a deadlock.
pub(crate) fn is_conflict(error: &dyn DatabaseError) -> bool {
    matches!(code(error), Some("40001" | "40P01"))
}

/// PostgreSQL's five letters for an error; `None` if another database made it.
fn code(error: &dyn DatabaseError) -> Option<&str> {
    error.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::code)
}

#[cfg(test)]
#[path = "postgres_tests.rs"]
mod tests;
