//! A durable queue in a directory, for one machine: many producer processes, one consumer process.
//!
//! ```text
//! incoming/{uuid}.log   records of one producer; that producer alone appends, under an exclusive lock on the file
//! incoming/{uuid}.new   a producer's file before it holds its lock
//! consumer.lock         held by the consumer
//! consumer.journal      what the consumer has attempted and done; may lag behind after a power cut, never ahead
//! damaged/              files in which a record's checksum is wrong, kept for a person to look at
//! ```
//!
//! A producer appends every message that waits, syncs once, and then answers all of them: the more that arrive together,
//! the fewer syncs each costs. It never goes back to a file in which a write or a sync failed, because after a failed
//! sync the kernel may report the next one as good although data was dropped. A file is removed when its producer is
//! gone (the lock tells) and every record in it is done.
//!
//! The journal is not synced: losing its tail means that messages are delivered again, which every handler must bear
//! anyway. It does survive a killed process, so a message that kills its handler uses up its attempts.

#[cfg(feature = "consume")]
mod consumer;
#[cfg(feature = "consume")]
mod incoming;
#[cfg(feature = "consume")]
mod journal;
mod producer;
mod record;
#[cfg(feature = "consume")]
mod state;

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

#[cfg(feature = "consume")]
pub use consumer::{Consumer, ConsumerSettings, Delivery, OpenError, Waker};
pub use producer::{LARGEST_MESSAGE, Producer, ProducerSettings};

const INCOMING: &str = "incoming";
const LOG: &str = "log";
const NEW: &str = "new";

/// Creates a directory and those above it; adds to `unsynced` each that got a new entry. Syncing them all later costs one
/// commit of the file system's journal, where syncing each at once costs one for each.
fn create_directory(path: &Path, unsynced: &mut Vec<PathBuf>) -> io::Result<()> {
    // What crashes hold is nobody else's business.
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_directory(path.parent().ok_or(error)?, unsynced)?;
            return create_directory(path, unsynced);
        }
        Err(error) => return Err(error),
    }
    unsynced.extend(path.parent().map(Path::to_owned));
    Ok(())
}

fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}
