//! Crashes are kept for so long, and then go: first their objects, then their rows, so that a row always says where
//! objects may still be.

use epitaph_bucket::Key;
use epitaph_crash_model::{CrashId, ProjectId, Timestamp};
use futures_util::TryStreamExt;

use crate::{Maintenance, MaintenanceError};

const BATCH: u32 = 500;

/// Deletes what was kept long enough: crashes, and what players wrote. Gives the number of crashes.
pub(crate) async fn expire(maintenance: &Maintenance) -> Result<u64, MaintenanceError> {
    let days = i64::from(maintenance.settings.retention_days);
    let before = Timestamp::now().plus_millis(-days * 24 * 60 * 60 * 1000);
    let mut expired = 0;
    loop {
        let rows = maintenance.catalog.expired_crashes(before, BATCH).await?;
        let crashes: Vec<_> = rows.iter().map(|row| (row.fact.project, row.fact.crash_id)).collect();
        // One that is only counted has none; what its report may have left is an orphan.
        for row in rows.iter().filter(|row| row.counted_by.is_none()) {
            delete_objects(maintenance, row.fact.project, row.fact.crash_id).await?;
        }
        let deleted = maintenance.catalog.delete_crashes(&crashes).await?;
        expired += deleted;
        if deleted == 0 {
            break;
        }
    }
    maintenance.catalog.forget_feedback(before).await?;
    Ok(expired)
}

async fn delete_objects(
    maintenance: &Maintenance,
    project: ProjectId,
    crash: CrashId,
) -> Result<(), MaintenanceError> {
    for prefix in [Key::payloads_of(project, crash), Key::documents_of(project, crash)] {
        let objects: Vec<_> = maintenance.bucket.list(&prefix).try_collect().await?;
        for object in objects {
            maintenance.bucket.delete(&object.key).await?;
        }
    }
    Ok(())
}
