//! From a URL to a client.

use std::{fmt, sync::Arc};

use object_store::{ObjectStore, memory::InMemory};
use url::Url;

use crate::BucketError;

/// Remote stores take parts of at least 5 MiB, so each upload under way holds that much.
const REMOTE_PART: usize = 5 * 1024 * 1024;
/// At most this many remote uploads hold a part at once: 80 MiB.
const REMOTE_UPLOADS: usize = 16;
/// A local file takes whatever comes; a few pages at a time keep the system calls few, and thousands of uploads small.
const LOCAL_PART: usize = 16 * 1024;
/// Uploads into local files hold next to nothing, but each holds a file open.
const LOCAL_UPLOADS: usize = 4096;

/// Where a bucket is.
pub(crate) enum Location {
    Memory,
    #[cfg(feature = "embedded")]
    Directory(std::path::PathBuf),
    #[cfg_attr(
        not(any(feature = "s3", feature = "gs", feature = "az")),
        expect(dead_code, reason = "made only where a remote engine was built in")
    )]
    Remote(Url),
}

impl Location {
    pub(crate) fn parse(location: &str) -> Result<Self, BucketError> {
        let bad = |why: &str| {
            BucketError::BadLocation(format!(
                "EPITAPH_BUCKET is {location:?}: {why}; expected file:///absolute/path, s3://bucket/prefix, gs://... or az://..."
            ))
        };
        let url = Url::parse(location).map_err(|error| bad(&error.to_string()))?;
        match url.scheme() {
            #[cfg(feature = "embedded")]
            "file" => url.to_file_path().map(Self::Directory).map_err(|()| bad("the path is not absolute")),
            #[cfg(feature = "s3")]
            "s3" => Ok(Self::Remote(url)),
            #[cfg(feature = "gs")]
            "gs" => Ok(Self::Remote(url)),
            #[cfg(feature = "az")]
            "az" => Ok(Self::Remote(url)),
            other if ["file", "s3", "gs", "az"].contains(&other) => {
                Err(bad("this program was built without that engine"))
            }
            _ => Err(bad("its scheme is not known")),
        }
    }

    pub(crate) async fn connect(&self) -> Result<Arc<dyn ObjectStore>, BucketError> {
        match self {
            Self::Memory => Ok(Arc::new(InMemory::new())),
            #[cfg(feature = "embedded")]
            Self::Directory(path) => crate::local::connect(path.clone()).await,
            Self::Remote(url) => connect_remote(url),
        }
    }

    pub(crate) fn part_size(&self) -> usize {
        if matches!(self, Self::Remote(_)) { REMOTE_PART } else { LOCAL_PART }
    }

    pub(crate) fn upload_slots(&self) -> usize {
        if matches!(self, Self::Remote(_)) { REMOTE_UPLOADS } else { LOCAL_UPLOADS }
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

/// A client that gives up soon: the caller's budget is a few seconds, and it has another way to go.
#[cfg(any(feature = "s3", feature = "gs", feature = "az"))]
fn connect_remote(url: &Url) -> Result<Arc<dyn ObjectStore>, BucketError> {
    use std::time::Duration;

    use object_store::{ClientOptions, RetryConfig, path::Path, prefix::PrefixStore};

    let retry =
        RetryConfig { max_retries: 2, retry_timeout: Duration::from_secs(3), ..RetryConfig::default() };
    let client = ClientOptions::new().with_connect_timeout(Duration::from_secs(2));
    let store: Result<Arc<dyn ObjectStore>, object_store::Error> = match url.scheme() {
        #[cfg(feature = "s3")]
        "s3" => object_store::aws::AmazonS3Builder::from_env()
            .with_url(url.as_str())
            .with_retry(retry)
            .with_client_options(client.with_allow_http(true))
            .build()
            .map(|store| Arc::new(store) as _),
        #[cfg(feature = "gs")]
        "gs" => object_store::gcp::GoogleCloudStorageBuilder::from_env()
            .with_url(url.as_str())
            .with_retry(retry)
            .with_client_options(client)
            .build()
            .map(|store| Arc::new(store) as _),
        #[cfg(feature = "az")]
        "az" => object_store::azure::MicrosoftAzureBuilder::from_env()
            .with_url(url.as_str())
            .with_retry(retry)
            .with_client_options(client)
            .build()
            .map(|store| Arc::new(store) as _),
        other => {
            return Err(BucketError::BadLocation(format!("EPITAPH_BUCKET: {other}:// was not built in")));
        }
    };
    let store = store.map_err(|error| BucketError::Unavailable(Box::new(error)))?;
    match Path::from(url.path()) {
        prefix if prefix.as_ref().is_empty() => Ok(store),
        prefix => Ok(Arc::new(PrefixStore::new(store, prefix))),
    }
}

#[cfg(not(any(feature = "s3", feature = "gs", feature = "az")))]
fn connect_remote(url: &Url) -> Result<Arc<dyn ObjectStore>, BucketError> {
    Err(BucketError::BadLocation(format!("EPITAPH_BUCKET: {}:// was not built in", url.scheme())))
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => formatter.write_str("memory"),
            #[cfg(feature = "embedded")]
            Self::Directory(path) => write!(formatter, "file://{}", path.display()),
            Self::Remote(url) => {
                write!(formatter, "{}://{}", url.scheme(), url.host_str().unwrap_or_default())
            }
        }
    }
}
