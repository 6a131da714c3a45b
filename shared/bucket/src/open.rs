//! From a URL to a client.

use std::{fmt, sync::Arc};

use object_store::{ObjectStore, memory::InMemory};
use url::Url;

use crate::{BucketError, memory::Shape};

/// Remote stores take parts of at least 5 MiB, which fill piece by piece.
pub(crate) const REMOTE: Shape = Shape { piece: 128 << 10, part: 40, parts: 16, whole: true };
/// A local file takes whatever comes; a few pages at a time keep the system calls few: 16 MiB in all.
const LOCAL: Shape = Shape { piece: 16 << 10, part: 1, parts: 1024, whole: false };

const REMOTE_BUILT_IN: &[&str] = &[
    #[cfg(feature = "s3")]
    "s3",
    #[cfg(feature = "gs")]
    "gs",
    #[cfg(feature = "az")]
    "az",
];

/// What can be chosen about a bucket.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// On a local disk, writes are refused while fewer bytes are free.
    pub min_free: u64,
    /// The parts, of 5 MiB each, that all uploads to a remote store together may hold in memory; at least two.
    pub parts: usize,
    /// Where remote stores find their credentials, region and endpoint.
    pub environment: Environment,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { min_free: 0, parts: REMOTE.parts, environment: Environment::OfProcess }
    }
}

/// The variables in which remote stores find their credentials, region and endpoint.
#[derive(Clone)]
pub enum Environment {
    /// This process's own.
    OfProcess,
    /// Names and values.
    Given(Vec<(String, String)>),
}

#[cfg(feature = "s3")]
impl Environment {
    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        match self {
            Self::OfProcess => std::env::var_os(name).and_then(|value| value.into_string().ok()),
            Self::Given(variables) => {
                variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            }
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Environment") // it holds secrets
    }
}

/// A client.
pub(crate) struct Connection {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) signer: Option<Signer>,
}

impl Connection {
    fn local(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, signer: None }
    }
}

#[cfg(feature = "remote")]
pub(crate) use crate::remote::Signer;

/// There is nobody to sign where no remote engine was built in.
#[cfg(not(feature = "remote"))]
pub(crate) enum Signer {}

#[cfg(not(feature = "remote"))]
#[expect(clippy::unused_async, reason = "as the signer of remote stores")]
impl Signer {
    pub(crate) async fn sign_put(
        &self,
        _: &object_store::path::Path,
        _: std::time::Duration,
    ) -> Result<Option<String>, object_store::Error> {
        match *self {}
    }

    pub(crate) async fn sign(
        &self,
        _: &object_store::path::Path,
        _: std::time::Duration,
        _: &str,
    ) -> Result<String, object_store::Error> {
        match *self {}
    }
}

/// Where a bucket is.
pub(crate) enum Location {
    Memory,
    #[cfg(feature = "embedded")]
    Directory(std::path::PathBuf),
    Remote {
        url: Url,
        environment: Environment,
    },
}

impl Location {
    pub(crate) fn parse(location: &str, environment: Environment) -> Result<Self, BucketError> {
        let bad = |why: &str| {
            BucketError::BadLocation(format!(
                "EPITAPH_BUCKET is {location:?}: {why}; expected file:///absolute/path, s3://bucket/prefix, gs://... or az://..."
            ))
        };
        let url = Url::parse(location).map_err(|error| bad(&error.to_string()))?;
        match url.scheme() {
            #[cfg(feature = "embedded")]
            "file" => url.to_file_path().map(Self::Directory).map_err(|()| bad("the path is not absolute")),
            other if REMOTE_BUILT_IN.contains(&other) => Ok(Self::Remote { url, environment }),
            other if ["file", "s3", "gs", "az"].contains(&other) => {
                Err(bad("this program was built without that engine"))
            }
            _ => Err(bad("its scheme is not known")),
        }
    }

    /// The sizes in which uploads to a place hold memory.
    pub(crate) fn shape(location: &str, parts: usize) -> Shape {
        let is_remote = ["s3:", "gs:", "az:"].iter().any(|scheme| location.starts_with(scheme));
        if is_remote { Shape { parts, ..REMOTE } } else { LOCAL }
    }

    pub(crate) async fn connect(&self) -> Result<Connection, BucketError> {
        match self {
            Self::Memory => Ok(Connection::local(Arc::new(InMemory::new()))),
            #[cfg(feature = "embedded")]
            Self::Directory(path) => crate::local::connect(path.clone()).await.map(Connection::local),
            #[cfg(feature = "remote")]
            Self::Remote { url, environment } => crate::remote::connect(url, environment),
            #[cfg(not(feature = "remote"))]
            Self::Remote { url, environment } => {
                let _ = environment;
                Err(BucketError::BadLocation(format!("{url} was not built in")))
            }
        }
    }

    /// Bytes that are free; `None` where the store has no such limit, or is not there yet.
    pub(crate) fn free_space(&self) -> Result<Option<u64>, BucketError> {
        match self {
            #[cfg(feature = "embedded")]
            Self::Directory(path) => crate::local::free_space(path),
            _ => Ok(None),
        }
    }

    pub(crate) fn check_free_space(&self, low: u64) -> Result<(), BucketError> {
        match self.free_space()? {
            Some(free) if free < low => Err(BucketError::NoSpace { free, low }),
            _ => self.check_presence(),
        }
    }

    /// Whether the place is there, once it was connected to. A directory that went away (a disk that is not mounted) is
    /// an engine that is down: what was in it is not lost, and nothing must be written to where it was.
    pub(crate) fn check_presence(&self) -> Result<(), BucketError> {
        match self {
            #[cfg(feature = "embedded")]
            Self::Directory(path) => crate::local::check_presence(path),
            _ => Ok(()),
        }
    }

    pub(crate) async fn sweep_unfinished(&self, age_seconds: u64) -> Result<u64, BucketError> {
        match self {
            #[cfg(feature = "embedded")]
            Self::Directory(path) => crate::local::sweep_unfinished(path.clone(), age_seconds).await,
            _ => {
                let _ = age_seconds;
                Ok(0)
            }
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => formatter.write_str("memory"),
            #[cfg(feature = "embedded")]
            Self::Directory(path) => write!(formatter, "file://{}", path.display()),
            Self::Remote { url, .. } => {
                write!(formatter, "{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
            }
        }
    }
}
