//! The databases that a catalog may be in.

use std::path::Path;

use epitaph_test_services::Postgres;

use crate::error::BenchError;

/// What the server is told: a commit is on the disk before it is answered.
const SETTINGS: [&str; 2] = ["fsync=on", "shared_buffers=256MB"];

/// Where a catalog is.
pub(super) enum Database {
    /// In a file of the data directory.
    Sqlite,
    /// In a database of a server that was started for this.
    Postgres { server: Box<Postgres>, url: String },
}

impl Database {
    pub(super) fn sqlite() -> Option<Self> {
        Some(Self::Sqlite)
    }

    /// `None` where there is no PostgreSQL.
    pub(super) fn postgres() -> Option<Self> {
        let server = Box::new(Postgres::with_options(&SETTINGS)?);
        let url = server.database();
        Some(Self::Postgres { server, url })
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres { .. } => "PostgreSQL",
        }
    }

    /// Where the catalog of an installation in this folder is.
    pub(super) fn url(&self, data: &Path) -> String {
        match self {
            Self::Sqlite => format!("sqlite://{}", data.join("catalog.db").display()),
            Self::Postgres { url, .. } => url.clone(),
        }
    }

    /// What it takes on the disk: SQLite's file and its log, or PostgreSQL's database without its log.
    pub(super) fn bytes(&self, data: &Path) -> Result<u64, BenchError> {
        match self {
            Self::Sqlite => {
                let files = ["catalog.db", "catalog.db-wal"];
                // There may be no log.
                let sizes = files.map(|file| data.join(file).metadata().map_or(0, |file| file.len()));
                Ok(sizes.iter().sum())
            }
            Self::Postgres { server, url } => {
                let name = url.rsplit('/').next().unwrap_or_default();
                let size = server.command_in(name, "SELECT pg_database_size(current_database())");
                let untold = |_| BenchError::Unusable(format!("PostgreSQL tells no size, but {size:?}"));
                size.parse().map_err(untold)
            }
        }
    }
}
