//! What can go wrong with the catalog.

use epitaph_crash_model::ProjectId;

use crate::postgres;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A question to the catalog that got no answer.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The setting names no catalog that this code knows. What it names is not shown: it may hold a password.
    #[error(
        "the catalog's location {problem}; expected sqlite:// and an absolute path, as in \
         sqlite:///var/lib/epitaph/catalog.db, or a database, as in \
         postgres://ROLE:PASSWORD@HOST/DATABASE?sslmode=verify-full"
    )]
    Location {
        /// What is wrong with it.
        problem: String,
    },
    /// The database cannot be opened, is locked, full or broken. It is nobody's report's fault: try again later.
    #[error("the catalog does not answer; see that its place exists, may be written to and has space left")]
    Unavailable(#[source] Cause),
    /// The database refused these values, or holds some that this code cannot read. Trying again changes nothing.
    #[error("the catalog refused the request or holds a value that cannot be read")]
    Refused(#[source] Cause),
    /// A row holds something that is not what its column is for. Trying again changes nothing.
    #[error("the catalog holds {value:?} as {column}, which cannot be read")]
    Unreadable {
        /// The column.
        column: &'static str,
        /// The beginning of what it holds.
        value: String,
    },
    /// What was asked for makes no sense. Trying again changes nothing.
    #[error("{0}")]
    Invalid(&'static str),
    /// There is no such project. Trying again changes nothing until somebody adds it.
    #[error("project {0} does not exist; add it with `epitaph project add`")]
    UnknownProject(ProjectId),
    /// There is such a project already.
    #[error("project {0} exists already; leave the number out to get the next free one")]
    ProjectExists(ProjectId),
    /// The tables are older than this code. They may be migrated at any moment: try again later.
    #[error(
        "the catalog's tables have version {found} and this program needs {needed}; run `epitaph migrate`, or \
         start `epitaph serve` or the maintain function, which do so themselves"
    )]
    OlderSchema {
        /// The version of the tables; 0 when there are none.
        found: i64,
        /// The version that this code needs.
        needed: i64,
    },
    /// The tables are newer than this code.
    #[error(
        "the catalog's tables have version {found} and this program knows {known} at most; run a newer Epitaph, \
         or restore the catalog from before it was migrated"
    )]
    NewerSchema {
        /// The version of the tables.
        found: i64,
        /// The newest version that this code knows.
        known: i64,
    },
}

impl CatalogError {
    /// Whether the same request may succeed later: the engine, not the request, is at fault. Whoever holds a message
    /// must then keep it without counting an attempt.
    pub fn is_unavailable(&self) -> bool {
        match self {
            CatalogError::Unavailable(_)
            | CatalogError::OlderSchema { .. }
            | CatalogError::NewerSchema { .. } => true,
            CatalogError::Location { .. }
            | CatalogError::Refused(_)
            | CatalogError::Unreadable { .. }
            | CatalogError::Invalid(_)
            | CatalogError::UnknownProject(_)
            | CatalogError::ProjectExists(_) => false,
        }
    }

    /// Whether another transaction was in the way: the database has undone this one, and it may be tried again at once.
    pub(crate) fn is_conflict(&self) -> bool {
        let CatalogError::Unavailable(cause) = self else { return false };
        let error = cause.downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
        error.is_some_and(postgres::is_conflict)
    }

    pub(crate) fn location(problem: &str) -> Self {
        Self::Location { problem: problem.to_owned() }
    }

    pub(crate) fn unreadable(column: &'static str, value: &str) -> Self {
        Self::Unreadable { column, value: value.chars().take(64).collect() }
    }
}

impl From<sqlx::Error> for CatalogError {
    /// Only what is surely the request's own fault is [`CatalogError::Refused`]: a report that is called bad because a
    /// disk was full would be lost, one that is tried again is only late.
    fn from(error: sqlx::Error) -> Self {
        use sqlx::error::ErrorKind;
        let refused = match &error {
            sqlx::Error::Database(database) => {
                !matches!(database.kind(), ErrorKind::Other) || postgres::is_fault_of_values(&**database)
            }
            sqlx::Error::Encode(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::TypeNotFound { .. } => true,
            _ => false,
        };
        if refused { Self::Refused(error.into()) } else { Self::Unavailable(error.into()) }
    }
}
