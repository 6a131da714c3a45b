//! Moves facts from the catalog's rows into segments.
//!
//! A segment holds facts of one project and one day (UTC), so that it expires whole. Wherever this is cut off, each fact
//! is still in one place: what is left behind is a file that the catalog knows to be unfinished.

use epitaph_catalog::Unsealed;
use epitaph_crash_model::{CrashId, Day, ProjectId, Timestamp};

use crate::{Maintenance, MaintenanceError, millis, writing::Writing};

/// How many facts are read at once.
const PAGE: u32 = 5_000;

/// Seals what is due, project by project. Gives the number of facts.
pub(crate) async fn seal(maintenance: &Maintenance) -> Result<u64, MaintenanceError> {
    let mut sealed = 0;
    for waiting in maintenance.catalog.unsealed().await? {
        // What is recorded meanwhile waits for the next time: else sealing would never end, a few facts in each segment.
        let mut left = if is_due(maintenance, waiting) { waiting.facts } else { 0 };
        while left > 0 && maintenance.lease_seal().await? {
            let some = seal_some(maintenance, waiting.project, left).await?;
            sealed += some;
            left = if some > 0 { left.saturating_sub(some) } else { 0 };
        }
    }
    Ok(sealed)
}

fn is_due(maintenance: &Maintenance, waiting: Unsealed) -> bool {
    let sealing = &maintenance.settings.sealing;
    waiting.facts >= sealing.enough || waiting.oldest <= Timestamp::now().plus_millis(-millis(sealing.age))
}

/// Seals the oldest facts of a project, day by day: at most so many, and as are sealed at once. Gives their number.
async fn seal_some(
    maintenance: &Maintenance,
    project: ProjectId,
    left: u64,
) -> Result<u64, MaintenanceError> {
    let mut sealed = 0;
    let most = u64::from(maintenance.settings.sealing.most).min(left);
    while sealed < most {
        let always = Timestamp::from_millis(i64::MIN)..Timestamp::from_millis(i64::MAX);
        let Some(oldest) = maintenance.catalog.oldest_facts(project, always, None, 1).await?.pop() else {
            break;
        };
        let day = oldest.received_at.day();
        let Some(facts) = seal_day(maintenance, project, day, most - sealed).await? else { break };
        sealed += facts;
    }
    Ok(sealed)
}

/// Seals at most so many of the facts of a project that were received on a day. `None` where another was quicker.
async fn seal_day(
    maintenance: &Maintenance,
    project: ProjectId,
    day: Day,
    most: u64,
) -> Result<Option<u64>, MaintenanceError> {
    // Older ones may be recorded meanwhile, of reports that were parked: those are of another segment.
    let day = day.start()..day.plus(1).start();
    let mut writing = Writing::begin(maintenance, project).await?;
    let (mut crashes, mut last): (Vec<CrashId>, _) = (Vec::new(), None);
    loop {
        let left = most.saturating_sub(crashes.len() as u64).min(u64::from(PAGE));
        let limit = u32::try_from(left).unwrap_or(PAGE);
        let page = maintenance.catalog.oldest_facts(project, day.clone(), last, limit).await?;
        for fact in &page {
            writing.writer.push(fact)?;
            crashes.push(fact.crash_id);
        }
        match page.last() {
            Some(fact) => last = Some((fact.received_at, fact.crash_id)),
            None => break,
        }
    }
    let Some(segment) = writing.finish(maintenance).await? else { return Ok(None) };
    if maintenance.catalog.seal(&segment.row(), &crashes).await? {
        return Ok(Some(crashes.len() as u64));
    }
    tracing::warn!(%project, segment = segment.name, "another instance has sealed these facts; the segment is dropped");
    maintenance.catalog.give_up_segment(project, &segment.name).await?;
    Ok(None)
}
