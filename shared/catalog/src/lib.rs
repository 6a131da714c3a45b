//! The catalog: projects, issues, recent crashes, leases and dead letters, in SQL. No other crate knows SQL.
//!
//! A crash is recorded exactly once, however often its message is delivered: [`Catalog::record`] writes `seen`, the
//! issue and the fact in one transaction. Counts, users and last-seen are read from the facts; no row is updated by
//! every writer. Facts that are sealed into segments are rows no more: what is asked of crashes, issues and counts here
//! is of the others. [`Catalog::snapshot`] gives both.
//!
//! "Seen" means accepted: every time here, and every period, is that of acceptance (`received_at`), since a client's
//! clock may say anything.
//!
//! The SQL is what SQLite and PostgreSQL both speak; where they differ is in `dialect`. Every write is one transaction:
//! a future that is dropped half-way leaves nothing behind.
//!
#![doc = include_str!("../README.md")]

mod crash;
mod dead_letter;
mod dialect;
mod duplicate;
mod error;
mod fact;
mod feedback;
mod issue;
mod late;
#[cfg(test)]
mod late_tests;
mod lease;
mod migrate;
mod missing;
mod overrides;
mod postgres;
mod project;
mod questions;
mod record;
mod resign;
mod retention;
mod row;
mod rules;
mod segment;
mod snapshot;
mod sqlite;
mod statistics;
mod symbol_request;
mod symbols;
#[cfg(test)]
mod symbols_tests;

#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod sample;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sqlx::AnyPool;
use tokio::sync::OnceCell;

use crate::dialect::{Dialect, Pools};
pub use crate::{
    crash::CrashRow,
    dead_letter::DeadLetter,
    duplicate::is_crash_name,
    error::CatalogError,
    feedback::Feedback,
    issue::{Issue, IssueOrder, IssueQuery, IssueStatus},
    late::{Awaited, HeldSymbols, Lacking, MissingModule, NamedAgain, Renamed, Sample},
    missing::Missing,
    overrides::MixedSignature,
    project::Project,
    record::{NewCrash, Recorded},
    rules::{CountedOutcome, RulesDocument},
    segment::{SegmentRow, Unsealed},
    snapshot::{RecordedAs, SignatureRow, Snapshot},
    statistics::{Dimension, Share, TrendPoint},
    symbol_request::SymbolRequest,
    symbols::{DebugFileRow, SymbolUpload, UploadState},
};

/// The most rows that one call answers, whatever limit it is given.
pub const MOST_ROWS: u32 = 10_000;

/// The catalog. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct Catalog(Arc<Inner>);

struct Inner {
    dialect: Dialect,
    pools: OnceCell<Pools>,
    /// Set once the tables were found to be of this code's version.
    checked: AtomicBool,
}

impl Catalog {
    /// The catalog at a location: `sqlite://` and an absolute path, percent-encoded where it holds `%`, `?` or `#`; or
    /// `postgres://`, as the crate's documentation says. Nothing is opened before the first question; then SQLite's file
    /// and its directories are made if they are missing. Until the tables are of this code's version, every question but
    /// [`Catalog::migrate`] is answered by [`CatalogError::OlderSchema`] or [`CatalogError::NewerSchema`].
    ///
    /// # Errors
    /// [`CatalogError::Location`] when the location is not of that form.
    pub fn open(url: &str) -> Result<Self, CatalogError> {
        Ok(Self(Arc::new(Inner {
            dialect: Dialect::of(url)?,
            pools: OnceCell::new(),
            checked: AtomicBool::new(false),
        })))
    }

    /// Closes all connections once they are idle, and leaves the database tidy. Questions asked later fail.
    pub async fn close(&self) {
        if let Some(pools) = self.0.pools.get() {
            pools.read.close().await;
            pools.write.close().await;
        }
    }

    async fn pools(&self) -> Result<&Pools, CatalogError> {
        let open = || async {
            self.0.dialect.make_place()?;
            self.0.dialect.pools()
        };
        self.0.pools.get_or_try_init(open).await
    }

    async fn reader(&self) -> Result<&AnyPool, CatalogError> {
        Ok(&self.pools().await?.read)
    }

    /// Sees before the first question that the tables are of the version that this code knows.
    async fn check_once(&self) -> Result<(), CatalogError> {
        if !self.0.checked.load(Ordering::Relaxed) {
            // Those that ask at the same time all do this: in a line, each would wait for a server that is away.
            self.check_version().await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A location may hold a password.
        formatter.write_str("Catalog(..)")
    }
}

fn bounded(limit: u32) -> i64 {
    i64::from(limit.min(MOST_ROWS))
}
