//! SQLite: one file, one writer at a time.

use std::{
    fmt, fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sqlx::{AnyConnection, AnyPool, Connection as _, any::AnyPoolOptions};

use crate::{CatalogError, dialect::connect_options};

/// How long a question waits for a connection, or for another process to finish writing, before the catalog counts as
/// unavailable.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait before another try where SQLite cannot wait by itself.
const PAUSE: Duration = Duration::from_millis(10);

const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Where the file is.
pub(crate) struct Sqlite {
    file: PathBuf,
    url: String,
}

impl Sqlite {
    /// The file at an absolute path, percent-encoded.
    pub(crate) fn at(path: &str) -> Result<Self, CatalogError> {
        if !path.starts_with('/') || path.ends_with('/') || path.contains(['?', '#']) {
            return Err(CatalogError::location("names no absolute path of a file"));
        }
        let decoded = percent_decode_str(path).decode_utf8();
        let path = decoded.map_err(|_| CatalogError::location("names a path that is no UTF-8"))?.into_owned();
        let url = format!("sqlite://{}?mode=rwc", utf8_percent_encode(&path, PATH));
        Ok(Self { file: path.into(), url })
    }

    pub(crate) fn make_place(&self) -> Result<(), CatalogError> {
        match self.file.parent() {
            Some(directory) => {
                make_directory(directory).map_err(|error| CatalogError::Unavailable(error.into()))
            }
            None => Ok(()),
        }
    }

    /// Connections for questions.
    pub(crate) fn readers(&self) -> Result<AnyPool, CatalogError> {
        let options = pool().max_connections(4).after_connect(|connection, _| {
            Box::pin(async move {
                execute(connection, "PRAGMA busy_timeout = 10000; PRAGMA query_only = ON").await
            })
        });
        Ok(options.connect_lazy_with(connect_options(&self.url)?))
    }

    /// Connections for changes. SQLite has one writer at a time, so one connection is enough, and waiting for it is
    /// fair; only writers in other processes are waited for by polling.
    pub(crate) fn writers(&self) -> Result<AnyPool, CatalogError> {
        let options = pool().max_connections(1).after_connect(|connection, _| {
            Box::pin(async move {
                execute(connection, "PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON").await?;
                execute(connection, "PRAGMA synchronous = FULL").await?;
                use_write_ahead_log(connection).await
            })
        });
        let options = options.before_acquire(|connection, _| {
            // When a disk is full or fails, SQLite ends the transaction by itself, and the rollback that follows finds
            // none: the driver then believes for ever that one is open. Such a connection is replaced.
            let usable = !connection.is_in_transaction();
            Box::pin(std::future::ready(Ok(usable)))
        });
        Ok(options.connect_lazy_with(connect_options(&self.url)?))
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sqlite({})", self.file.display())
    }
}

/// SQLite has no code of its own for it.
pub(crate) fn is_missing_table(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.message().starts_with("no such table"))
}

fn pool() -> AnyPoolOptions {
    // A connection to a file does not break while it is idle, and costs nothing to keep.
    AnyPoolOptions::new()
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

async fn execute(connection: &mut AnyConnection, statements: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(statements).execute(connection).await.map(drop)
}

/// Switches the file to write-ahead logging, so that readers and the writer do not wait for each other. The switch is
/// kept in the file; the first one needs the file for itself, and SQLite's own timeout does not wait for that.
async fn use_write_ahead_log(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match execute(connection, "PRAGMA journal_mode = WAL").await {
            Err(error) if is_locked(&error) && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

fn is_locked(error: &sqlx::Error) -> bool {
    // The low byte is the error, the others say more: 5 is SQLITE_BUSY.
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

/// Makes a directory and its missing parents, each of them durable: a catalog in a directory that a power cut takes
/// away would take acknowledged crashes along.
fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        make_directory(parent)?;
    }
    // What crashes hold is nobody else's business.
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
        outcome => outcome?,
    }
    match parent {
        Some(parent) => fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::Dialect,
        sample::{Engine, catalog},
    };

    async fn setting(pool: &AnyPool, pragma: &'static str) -> String {
        use sqlx::Row as _;
        let row = sqlx::query(pragma).fetch_one(pool).await.unwrap();
        row.try_get::<String, _>(0).unwrap_or_else(|_| row.get::<i64, _>(0).to_string())
    }

    #[tokio::test]
    async fn the_writer_syncs_and_keeps_references_and_readers_cannot_write() {
        let (_place, catalog) = catalog(Engine::Sqlite).await;
        let pools = catalog.pools().await.unwrap();
        // 2 is FULL: every commit is synced.
        assert_eq!(setting(&pools.write, "PRAGMA synchronous").await, "2");
        assert_eq!(setting(&pools.write, "PRAGMA journal_mode").await, "wal");
        assert_eq!(setting(&pools.write, "PRAGMA foreign_keys").await, "1");
        assert_eq!(setting(&pools.read, "PRAGMA journal_mode").await, "wal");
        sqlx::query("DELETE FROM projects").execute(&pools.read).await.unwrap_err();
    }

    #[test]
    fn a_location_may_hold_any_character_in_its_encoded_form() {
        let Sqlite { file, url } = Sqlite::at("/var/lib/my games/100%25%3F%23.db").unwrap();
        assert_eq!(file, Path::new("/var/lib/my games/100%?#.db"));
        assert_eq!(url, "sqlite:///var/lib/my%20games/100%25%3F%23.db?mode=rwc");
    }

    #[test]
    fn a_location_that_is_not_an_absolute_path_is_refused_with_an_example() {
        for given in [
            "",
            "sqlite::memory:",
            "sqlite://catalog.db",
            "sqlite:///a?mode=ro",
            "sqlite:///a/",
            "mysql://a/b",
        ] {
            let error = Dialect::of(given).unwrap_err();
            assert!(!error.is_unavailable());
            assert!(error.to_string().contains("sqlite:///var/lib/epitaph/catalog.db"), "{error}");
        }
    }
}
