//! Debug files are kept as long as they are used, and parts of uploads as long as a message may name them.

use epitaph_bucket::Key;
use epitaph_catalog::DebugFileRow;
use epitaph_crash_model::Timestamp;
use futures_util::TryStreamExt;

use crate::{LONGEST_MESSAGE_LIFE_DAYS, Maintenance, MaintenanceError};

const BATCH: u32 = 200;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// A part is not used any more for an upload that begins so many days after it came.
const PART_DAYS: i64 = 7;

/// Deletes debug files that nobody has used for long and nobody has pinned. Gives their number.
pub(crate) async fn expire(maintenance: &Maintenance) -> Result<u64, MaintenanceError> {
    let days = i64::from(maintenance.settings.symbol_days);
    let before = Timestamp::now().plus_millis(-days * DAY_MILLIS);
    let mut expired = 0;
    loop {
        let unused = maintenance.catalog.unused_debug_files(before, BATCH).await?;
        if unused.is_empty() {
            return Ok(expired);
        }
        for file in unused {
            delete(maintenance, &file).await?;
            expired += 1;
        }
    }
}

/// Deletes what was made of a file, then its row, and last the file itself, once no other debug id has it.
async fn delete(maintenance: &Maintenance, file: &DebugFileRow) -> Result<(), MaintenanceError> {
    let DebugFileRow { project, debug_id, sha256, .. } = file;
    let known: Vec<_> = maintenance.bucket.list(&Key::symbols_of(*project, debug_id)).try_collect().await?;
    for object in known.iter().filter(|object| object.key.is_of_symbol_file(sha256)) {
        maintenance.bucket.delete(&object.key).await?;
    }
    if maintenance.catalog.remove_debug_file(*project, debug_id, sha256).await? {
        maintenance.bucket.delete(&Key::symbol_file(*project, sha256)).await?;
    }
    Ok(())
}

/// Deletes parts of uploads that were broken off, or that no message can name any more. Gives their number.
pub(crate) async fn sweep_parts(maintenance: &Maintenance) -> Result<u64, MaintenanceError> {
    let days = LONGEST_MESSAGE_LIFE_DAYS + PART_DAYS;
    let before = Timestamp::now().plus_millis(-days * DAY_MILLIS);
    let mut parts = maintenance.bucket.list(&Key::all_symbol_parts());
    let mut deleted = 0;
    while let Some(part) = parts.try_next().await? {
        if part.modified < before {
            maintenance.bucket.delete(&part.key).await?;
            deleted += 1;
        }
    }
    Ok(deleted)
}
