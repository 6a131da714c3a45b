//! A directory on this machine's disk.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use object_store::{ObjectStore, local::LocalFileSystem};

use crate::BucketError;

pub(crate) async fn connect(path: PathBuf) -> Result<Arc<dyn ObjectStore>, BucketError> {
    let opened = blocking(move || {
        create_synced(&path)?;
        LocalFileSystem::new_with_prefix(&path).map_err(io::Error::other)
    });
    // Without being told to, the local store acknowledges what only the page cache holds.
    let store = opened.await.map_err(|error| BucketError::Unavailable(Box::new(error)))?.with_fsync(true);
    Ok(Arc::new(store))
}

/// Creates a directory and the ones above it, and syncs each directory that got a new entry: an object in a directory
/// that a power cut forgets is lost with it.
fn create_synced(path: &Path) -> io::Result<()> {
    // What crashes hold is nobody else's business.
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        // Not before it is one: what is connected to counts as there from then on.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().ok_or(error)?;
            create_synced(parent)?;
            return create_synced(path);
        }
        Err(error) => return Err(error),
    }
    path.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
}

pub(crate) fn free_space(path: &Path) -> Result<Option<u64>, BucketError> {
    match rustix::fs::statvfs(path) {
        Ok(disk) => Ok(Some(disk.f_bavail.saturating_mul(disk.f_frsize))),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(BucketError::File(error.into())),
    }
}

pub(crate) fn check_presence(path: &Path) -> Result<(), BucketError> {
    let gone = |error: io::Error| {
        let text = format!("the directory {} is away ({error}); bring it back, or restart", path.display());
        BucketError::Unavailable(io::Error::new(error.kind(), text).into())
    };
    fs::metadata(path).map(|_| ()).map_err(gone)
}

pub(crate) async fn sweep_unfinished(path: PathBuf, age_seconds: u64) -> Result<u64, BucketError> {
    let before = SystemTime::now() - Duration::from_secs(age_seconds);
    blocking(move || sweep(&path, before)).await.map_err(BucketError::File)
}

/// Removes staged files (named `{object}#{number}` by `object_store`) and empty directories below `path`.
fn sweep(path: &Path, before: SystemTime) -> io::Result<u64> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        let Ok(about) = entry.metadata() else { continue }; // gone meanwhile
        if about.is_dir() {
            removed += sweep(&entry.path(), before)?;
        }
        let old = about.modified().is_ok_and(|modified| modified < before);
        let gone = if about.is_dir() {
            // Fails unless it is empty, which is the check; a writer that needs it creates it again.
            old && fs::remove_dir(entry.path()).is_ok()
        } else {
            old && is_staged(&entry.file_name().to_string_lossy()) && fs::remove_file(entry.path()).is_ok()
        };
        removed += u64::from(gone);
    }
    Ok(removed)
}

fn is_staged(name: &str) -> bool {
    name.rsplit_once('#')
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
