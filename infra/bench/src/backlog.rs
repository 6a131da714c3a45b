//! Keeps a function's backlog from filling the disk: removes what is oldest, unread, once there is more than a cap.
//!
//! Reading it, as `process` does, would take the processor from what is measured.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

/// How often the folders are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// A younger folder of a report may still be written to.
const SETTLED: Duration = Duration::from_secs(2);

/// Removes in the background. Ends when dropped.
pub(crate) struct Cap {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Cap {
    /// Keeps the queue and the bucket in `data` at so many bytes each.
    pub(crate) fn keep(data: &Path, most: u64) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let data = data.to_owned();
        let thread = thread::Builder::new().name("cap".into()).spawn(move || {
            while stopped.recv_timeout(EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
                // What is not there yet holds nothing.
                trim(queue_files(&data).unwrap_or_default(), most);
                trim(report_folders(&data).unwrap_or_default(), most);
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Cap {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What can be removed as a whole.
struct Item {
    path: PathBuf,
    bytes: u64,
    /// Whether nothing is added to it any more.
    settled: bool,
}

/// Removes the oldest of these until they hold no more than `most`; gives how many bytes were removed.
fn trim(mut items: Vec<Item>, most: u64) -> u64 {
    let all: u64 = items.iter().map(|item| item.bytes).sum();
    let mut removed = 0;
    // Names begin with the time at which they were made.
    items.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    for item in items.into_iter().filter(|item| item.settled) {
        if all - removed <= most {
            break;
        }
        let gone =
            if item.path.is_dir() { fs::remove_dir_all(&item.path) } else { fs::remove_file(&item.path) };
        if gone.is_ok() {
            removed += item.bytes;
        }
    }
    removed
}

/// The bytes of the queue in `data`.
pub(crate) fn queue_bytes(data: &Path) -> u64 {
    queue_files(data).unwrap_or_default().iter().map(|item| item.bytes).sum()
}

/// The files of the queue. One that its producer holds no lock of is full.
fn queue_files(data: &Path) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    for entry in fs::read_dir(data.join("queue/incoming"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let file = File::open(&path)?;
            let settled = file.try_lock_shared().is_ok();
            items.push(Item { bytes: file.metadata()?.len(), path, settled });
        }
    }
    Ok(items)
}

/// The folders of reports in the bucket: payloads/{project}/{day}/{report}.
fn report_folders(data: &Path) -> io::Result<Vec<Item>> {
    let now = SystemTime::now();
    let mut items = Vec::new();
    for project in fs::read_dir(data.join("bucket/payloads"))? {
        for day in fs::read_dir(project?.path())? {
            for report in fs::read_dir(day?.path())? {
                let path = report?.path();
                let changed = fs::metadata(&path)?.modified()?;
                let settled = now.duration_since(changed).is_ok_and(|age| age > SETTLED);
                let files = fs::read_dir(&path)?.filter_map(|file| file.ok()?.metadata().ok());
                let bytes = files.map(|file| file.len()).sum();
                items.push(Item { path, bytes, settled });
            }
        }
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_files_go_first_and_never_one_that_is_written_to() {
        let data = tempfile::tempdir().unwrap();
        let incoming = data.path().join("queue/incoming");
        fs::create_dir_all(&incoming).unwrap();
        for name in ["1.log", "2.log", "3.log"] {
            fs::write(incoming.join(name), [0; 100]).unwrap();
        }
        let held = File::open(incoming.join("1.log")).unwrap();
        held.lock().unwrap();
        assert_eq!(trim(queue_files(data.path()).unwrap(), 250), 100);
        let left = |name: &str| incoming.join(name).exists();
        assert_eq!(["1.log", "2.log", "3.log"].map(left), [true, false, true]);
        assert_eq!(trim(queue_files(data.path()).unwrap(), 0), 100);
        assert_eq!(["1.log", "2.log", "3.log"].map(left), [true, false, false]);
        assert_eq!(queue_bytes(data.path()), 100);
    }
}
