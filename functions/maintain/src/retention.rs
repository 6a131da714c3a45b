//! Crashes are kept for so long, and then go: first their objects, then their facts, so that a fact always says where
//! objects may still be. A segment goes whole, when its last fact is old enough: that is within a day.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use epitaph_bucket::Key;
use epitaph_catalog::SegmentRow;
use epitaph_crash_model::{CrashId, Day, ProjectId, Timestamp};
use futures_util::TryStreamExt;

use crate::{Maintenance, MaintenanceError, rules};

const BATCH: u32 = 500;

/// The moment before which something was kept for so many days.
fn days_ago(days: u32) -> Timestamp {
    Timestamp::now().plus_millis(-i64::from(days) * 24 * 60 * 60 * 1000)
}

/// Deletes what was kept long enough: crashes, and what players wrote. Gives the number of crashes.
pub(crate) async fn expire(maintenance: &Maintenance) -> Result<u64, MaintenanceError> {
    let rules = rules::current(&maintenance.catalog).await?;
    let usual = maintenance.settings.retention_days;
    let (mut expired, mut longest) = (0, usual);
    for project in maintenance.catalog.projects().await? {
        let days = rules.retention(project.id).crashes.unwrap_or(usual);
        longest = longest.max(days);
        let before = days_ago(days);
        expired += expire_rows(maintenance, project.id, before).await?;
        for segment in maintenance.catalog.segments(project.id).await? {
            if segment.last_received < before {
                expired += expire_segment(maintenance, &segment).await?;
            }
        }
    }
    maintenance.catalog.forget_feedback(days_ago(longest)).await?;
    Ok(expired)
}

/// Deletes the files of crashes where these are not kept for as long as the crashes. Gives the number of files.
pub(crate) async fn expire_files(maintenance: &Maintenance) -> Result<u64, MaintenanceError> {
    let rules = rules::current(&maintenance.catalog).await?;
    let mut deleted = 0;
    for project in maintenance.catalog.projects().await? {
        let Some(days) = rules.retention(project.id).files else { continue };
        let tree = Key::payloads();
        let before = days_ago(days).day();
        for day in maintenance.bucket.list_names(&Key::project_of(&tree, project.id)).await? {
            if let Some(day) = day.parse().ok().filter(|day: &Day| *day < before) {
                deleted +=
                    expire_files_of(maintenance, project.id, &Key::day_of(&tree, project.id, day)).await?;
            }
        }
    }
    Ok(deleted)
}

/// A file of a report that is not recorded yet stays: it may still be wanted.
async fn expire_files_of(
    maintenance: &Maintenance,
    project: ProjectId,
    day: &Key,
) -> Result<u64, MaintenanceError> {
    let mut files: BTreeMap<CrashId, Vec<Key>> = BTreeMap::new();
    let mut listed = maintenance.bucket.list(day);
    while let Some(file) = listed.try_next().await? {
        if let Some((_, crash)) = file.key.crash() {
            files.entry(crash).or_default().push(file.key);
        }
    }
    let crashes: Vec<CrashId> = files.keys().copied().collect();
    let mut deleted = 0;
    for batch in crashes.chunks(BATCH as usize) {
        for crash in maintenance.facts.known(project, batch).await? {
            for key in files.get(&crash).into_iter().flatten() {
                maintenance.bucket.delete(key).await?;
                deleted += 1;
            }
        }
    }
    Ok(deleted)
}

async fn expire_rows(
    maintenance: &Maintenance,
    project: ProjectId,
    before: Timestamp,
) -> Result<u64, MaintenanceError> {
    let mut expired = 0;
    loop {
        let rows = maintenance.catalog.expired_crashes(project, before, BATCH).await?;
        let crashes: Vec<_> = rows.iter().map(|row| (project, row.fact.crash_id)).collect();
        // One that is only counted has none; what its report may have left is an orphan.
        for row in rows.iter().filter(|row| row.counted_by.is_none()) {
            delete_objects(maintenance, project, row.fact.crash_id).await?;
        }
        let deleted = maintenance.catalog.delete_crashes(&crashes).await?;
        expired += deleted;
        if deleted == 0 {
            return Ok(expired);
        }
    }
}

/// Gives the number of facts.
async fn expire_segment(maintenance: &Maintenance, segment: &SegmentRow) -> Result<u64, MaintenanceError> {
    let project = segment.project;
    let crashes = maintenance.facts.crashes_of(segment).await?;
    let days: BTreeSet<Day> = crashes.iter().map(CrashId::day).collect();
    let expired: HashSet<CrashId> = crashes.iter().copied().collect();
    for tree in Key::crash_trees() {
        for day in &days {
            let mut objects = maintenance.bucket.list(&Key::day_of(&tree, project, *day));
            while let Some(object) = objects.try_next().await? {
                if object.key.crash().is_some_and(|(_, crash)| expired.contains(&crash)) {
                    maintenance.bucket.delete(&object.key).await?;
                }
            }
        }
    }
    maintenance.catalog.forget_names(project, &crashes).await?;
    // False where it was joined with others meanwhile: they expire together.
    let dropped = maintenance.catalog.drop_segment(project, &segment.name).await?;
    Ok(if dropped { segment.facts } else { 0 })
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
