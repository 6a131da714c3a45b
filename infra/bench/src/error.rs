//! Why a bench gave no result.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{bins::Missing, payload::PayloadError, results::ResultsError, server::ServerError};

#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error(transparent)]
    Missing(#[from] Missing),
    #[error(transparent)]
    Payload(#[from] PayloadError),
    #[error(transparent)]
    Results(#[from] ResultsError),
    #[error("{what} failed")]
    Server { what: String, source: ServerError },
    #[error("{what} failed")]
    Function { what: String, source: crate::cold_start::FunctionError },
    #[error("cannot use {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("this process has no runtime, thread or port for the bench")]
    Own(#[source] io::Error),
    #[error("the queue cannot be read")]
    Queue(#[from] epitaph_queue::embedded::OpenError),
    #[error("the catalog cannot be used")]
    Catalog(#[from] epitaph_catalog::CatalogError),
    #[error("the bucket cannot be used")]
    Bucket(#[from] epitaph_bucket::BucketError),
    #[error("facts cannot be written or asked")]
    Facts(#[from] epitaph_facts::FactsError),
    #[error("facts cannot be sealed")]
    Maintenance(#[from] epitaph_maintain::MaintenanceError),
    #[error("{0}")]
    Unusable(String),
}

impl BenchError {
    /// A server of this name failed.
    pub(crate) fn of_server(what: impl Into<String>) -> impl FnOnce(ServerError) -> Self {
        let what = what.into();
        |source| Self::Server { what, source }
    }

    /// A file or a folder cannot be used.
    pub(crate) fn of_file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::File { path: path.to_owned(), source }
    }
}
