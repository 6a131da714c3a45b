//! Objects that nothing names: of reports that were refused half-way, and of attempts that lost.

use std::collections::{BTreeMap, HashSet};

use epitaph_bucket::Key;
use epitaph_crash_model::{CrashId, Day, ProjectId};
use futures_util::TryStreamExt;

use crate::{Maintenance, MaintenanceError};

/// Where a day has more crashes than this in the bucket and none of them in the catalog, the catalog is the wrong one,
/// or an empty one: nothing is deleted on its word.
const TOO_MANY_UNKNOWN: usize = 20;
/// How many ids the catalog is asked for at once.
const BATCH: usize = 500;
/// How many dead letters are looked through for ids that must stay.
const MOST_DEAD_LETTERS: u32 = 10_000;

/// Deletes the orphans of every day before `before`. Gives the number of objects.
pub(crate) async fn sweep(maintenance: &Maintenance, before: Day) -> Result<u64, MaintenanceError> {
    let waiting = waiting(maintenance).await?;
    let mut deleted = 0;
    for tree in Key::crash_trees() {
        for project in maintenance.bucket.list_names(&tree).await? {
            let Ok(project) = project.parse::<ProjectId>() else { continue };
            for day in maintenance.bucket.list_names(&Key::project_of(&tree, project)).await? {
                match day.parse::<Day>() {
                    Ok(day) if day < before => {
                        deleted +=
                            sweep_day(maintenance, &Key::day_of(&tree, project, day), project, &waiting)
                                .await?;
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(deleted)
}

/// The crashes whose messages are parked or dead, and may yet be processed.
async fn waiting(maintenance: &Maintenance) -> Result<HashSet<CrashId>, MaintenanceError> {
    let parked: Vec<_> = maintenance.bucket.list(&Key::all_parked()).try_collect().await?;
    let dead = maintenance.dead.list(MOST_DEAD_LETTERS).await?;
    let names = parked.iter().map(|object| object.key.name()).chain(dead.into_iter().map(|letter| letter.id));
    Ok(names.filter_map(|name| name.parse().ok()).collect())
}

async fn sweep_day(
    maintenance: &Maintenance,
    prefix: &Key,
    project: ProjectId,
    waiting: &HashSet<CrashId>,
) -> Result<u64, MaintenanceError> {
    let mut objects: BTreeMap<CrashId, Vec<Key>> = BTreeMap::new();
    let mut listed = maintenance.bucket.list(prefix);
    while let Some(object) = listed.try_next().await? {
        if let Some((_, crash)) = object.key.crash() {
            objects.entry(crash).or_default().push(object.key);
        }
    }
    let ids: Vec<CrashId> = objects.keys().copied().collect();
    let mut known = HashSet::new();
    for batch in ids.chunks(BATCH) {
        known.extend(maintenance.catalog.known_crashes(project, batch).await?);
    }
    if known.is_empty() && ids.len() > TOO_MANY_UNKNOWN {
        tracing::error!(
            prefix = %prefix,
            crashes = ids.len(),
            "the catalog knows none of the crashes in the bucket: is EPITAPH_CATALOG the one that belongs to \
             EPITAPH_BUCKET? nothing is deleted"
        );
        return Ok(0);
    }
    let mut deleted = 0;
    for (crash, keys) in objects {
        let orphans = if waiting.contains(&crash) {
            Vec::new()
        } else if known.contains(&crash) {
            lost_attempts(maintenance, project, crash, keys).await?
        } else {
            keys
        };
        for key in orphans {
            maintenance.bucket.delete(&key).await?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

/// Of a recorded crash, what an attempt wrote that did not win.
async fn lost_attempts(
    maintenance: &Maintenance,
    project: ProjectId,
    crash: CrashId,
    keys: Vec<Key>,
) -> Result<Vec<Key>, MaintenanceError> {
    let is_of_an_attempt = |key: &Key| key.to_string().ends_with(".zst");
    if !keys.iter().any(is_of_an_attempt) {
        return Ok(Vec::new());
    }
    let Some(row) = maintenance.catalog.crash(project, crash).await? else { return Ok(Vec::new()) };
    let won = Key::document(project, crash, &row.attempt).name();
    let winner = won.strip_suffix(".json").unwrap_or(&won).to_owned();
    let lost = keys.into_iter().filter(|key| is_of_an_attempt(key) && !key.name().starts_with(&winner));
    Ok(lost.collect())
}
