//! Files of segments that nothing reads any more.

use std::collections::BTreeMap;

use epitaph_bucket::Key;
use epitaph_crash_model::{ProjectId, Timestamp};
use futures_util::TryStreamExt;

use crate::{Maintenance, MaintenanceError, millis};

const BATCH: u32 = 500;

/// Deletes the files of segments that were replaced some time ago, and gives up those whose writers have died.
pub(crate) async fn delete_replaced(maintenance: &Maintenance) -> Result<u64, MaintenanceError> {
    let (catalog, sealing) = (&maintenance.catalog, &maintenance.settings.sealing);
    catalog.give_up_segments(Timestamp::now().plus_millis(-millis(sealing.longest_write))).await?;
    let before = Timestamp::now().plus_millis(-millis(sealing.longest_read));
    let mut deleted = 0;
    loop {
        let replaced = catalog.replaced_segments(before, BATCH).await?;
        for (project, name) in &replaced {
            maintenance.bucket.delete(&Key::segment(*project, name)).await?;
            catalog.forget_segment(*project, name).await?;
            deleted += 1;
        }
        if replaced.len() < BATCH as usize {
            return Ok(deleted);
        }
    }
}

/// Deletes files that the catalog does not know: of writers that were stopped for so long that they were forgotten. Gives
/// their number.
pub(crate) async fn sweep(maintenance: &Maintenance) -> Result<u64, MaintenanceError> {
    let written_before = Timestamp::now().plus_millis(-millis(maintenance.settings.sealing.longest_write));
    let mut files: BTreeMap<ProjectId, Vec<(String, Key)>> = BTreeMap::new();
    let mut listed = maintenance.bucket.list(&Key::all_segments());
    while let Some(file) = listed.try_next().await? {
        if let Some(project) = file.key.project_of_segment().filter(|_| file.modified < written_before) {
            files.entry(project).or_default().push((file.key.name(), file.key));
        }
    }
    let mut deleted = 0;
    for (project, files) in files {
        let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
        let known = maintenance.catalog.known_segments(project, &names).await?;
        if known.is_empty() {
            tracing::error!(
                %project,
                "the catalog knows none of the segments in the bucket: is EPITAPH_CATALOG the one that belongs to \
                 EPITAPH_BUCKET? nothing is deleted"
            );
            continue;
        }
        for (_, key) in files.into_iter().filter(|(name, _)| !known.contains(name)) {
            maintenance.bucket.delete(&key).await?;
            deleted += 1;
        }
    }
    Ok(deleted)
}
