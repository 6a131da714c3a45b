//! Objects that nothing names: of reports that were refused half-way, and of attempts that lost.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use epitaph_bucket::Key;
use epitaph_catalog::RecordedAs;
use epitaph_crash_model::{CrashId, Day, ProjectId};
use futures_util::TryStreamExt;

use crate::{Maintenance, MaintenanceError};

/// How many ids the catalog is asked for at once.
const BATCH: usize = 500;

/// Deletes the orphans of every day before `before`. Gives the number of objects.
pub(crate) async fn sweep(maintenance: &Maintenance, before: Day) -> Result<u64, MaintenanceError> {
    let waiting = waiting(maintenance).await?;
    let mut deleted = 0;
    for (project, day) in days(maintenance, before).await? {
        deleted += sweep_day(maintenance, project, day, &waiting).await?;
    }
    Ok(deleted)
}

/// The days before `before` of which there are objects, project by project.
async fn days(
    maintenance: &Maintenance,
    before: Day,
) -> Result<BTreeSet<(ProjectId, Day)>, MaintenanceError> {
    let mut days = BTreeSet::new();
    for tree in Key::crash_trees() {
        for project in maintenance.bucket.list_names(&tree).await? {
            let Ok(project) = project.parse::<ProjectId>() else { continue };
            let names = maintenance.bucket.list_names(&Key::project_of(&tree, project)).await?;
            let old = names.iter().filter_map(|day| day.parse::<Day>().ok()).filter(|day| *day < before);
            days.extend(old.map(|day| (project, day)));
        }
    }
    Ok(days)
}

/// The crashes whose messages are parked or dead, and may yet be processed.
async fn waiting(maintenance: &Maintenance) -> Result<HashSet<CrashId>, MaintenanceError> {
    let mut waiting = HashSet::new();
    for prefix in [Key::all_parked(), Key::all_dead()] {
        let mut messages = maintenance.bucket.list(&prefix);
        while let Some(message) = messages.try_next().await? {
            waiting.extend(message.key.crash_of_message());
        }
    }
    Ok(waiting)
}

async fn sweep_day(
    maintenance: &Maintenance,
    project: ProjectId,
    day: Day,
    waiting: &HashSet<CrashId>,
) -> Result<u64, MaintenanceError> {
    let mut objects: BTreeMap<CrashId, Vec<Key>> = BTreeMap::new();
    for tree in Key::crash_trees() {
        let mut listed = maintenance.bucket.list(&Key::day_of(&tree, project, day));
        while let Some(object) = listed.try_next().await? {
            if let Some((_, crash)) = object.key.crash() {
                objects.entry(crash).or_default().push(object.key);
            }
        }
    }
    objects.retain(|crash, _| !waiting.contains(crash));
    let ids: Vec<CrashId> = objects.keys().copied().collect();
    let (mut known, mut aliases, mut recorded) = (HashSet::new(), HashSet::new(), HashMap::new());
    for batch in ids.chunks(BATCH) {
        known.extend(maintenance.facts.known(project, batch).await?);
        recorded.extend(maintenance.catalog.recorded_as(project, batch).await?);
        aliases.extend(maintenance.catalog.known_aliases(project, batch).await?);
    }
    // What an alias left behind is named by nothing, but the catalog that knows it is the right one.
    if is_of_another_catalog(&objects, &known.union(&aliases).copied().collect()) {
        tracing::error!(
            %project,
            %day,
            "the catalog knows none of the crashes in the bucket: is EPITAPH_CATALOG the one that belongs to \
             EPITAPH_BUCKET? nothing is deleted"
        );
        return Ok(0);
    }
    let mut deleted = 0;
    for (crash, keys) in objects {
        let orphans = match recorded.get(&crash) {
            Some(how) if known.contains(&crash) => not_of(project, crash, how, keys),
            // What lost was swept before it was forgotten which attempt has won.
            None if known.contains(&crash) => Vec::new(),
            _ => keys,
        };
        for key in orphans {
            maintenance.bucket.delete(&key).await?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

/// An attempt writes just before it records. Where attempts have written and the catalog knows none of their crashes, it
/// is the wrong catalog, or an empty one: nothing may be deleted on its word.
fn is_of_another_catalog(objects: &BTreeMap<CrashId, Vec<Key>>, known: &HashSet<CrashId>) -> bool {
    let mut attempted = objects
        .iter()
        .filter(|(_, keys)| keys.iter().any(is_of_an_attempt))
        .map(|(crash, _)| crash)
        .peekable();
    attempted.peek().is_some() && !attempted.any(|crash| known.contains(crash))
}

/// Whether an attempt of `process` wrote it, rather than the collector.
fn is_of_an_attempt(key: &Key) -> bool {
    key.to_string().ends_with(".zst")
}

/// What does not belong to a recorded crash: what an attempt wrote that did not win; and all, where it is only counted.
fn not_of(project: ProjectId, crash: CrashId, how: &RecordedAs, keys: Vec<Key>) -> Vec<Key> {
    if how.counted_by.is_some() {
        return keys;
    }
    let won = Key::document(project, crash, &how.attempt).name();
    let winner = won.strip_suffix(".json").unwrap_or(&won).to_owned();
    keys.into_iter().filter(|key| is_of_an_attempt(key) && !key.name().starts_with(&winner)).collect()
}
