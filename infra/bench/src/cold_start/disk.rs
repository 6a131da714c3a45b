//! What the disk alone takes: the part of a durable answer that no program can do without.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
    time::{Duration, Instant},
};

/// Writes a new file and syncs it and its folder.
pub(super) fn write_and_sync(folder: &Path, bytes: &[u8]) -> io::Result<Duration> {
    let folder = tempfile::tempdir_in(folder)?;
    let started = Instant::now();
    let mut file = File::create(folder.path().join("file"))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    File::open(folder.path())?.sync_all()?;
    Ok(started.elapsed())
}
