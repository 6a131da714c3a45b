//! Symbols that came late: what `process` could not finish, or cannot do to segments.

use std::collections::HashMap;

use epitaph_catalog::{Awaited, CrashRow, MixedSignature, SegmentRow};
use epitaph_crash_model::{
    CrashId, LateCrash, LateCrashes, Message, MessageKind, ProjectId, SignatureId, Timestamp,
};
use epitaph_facts::{Column, Filter, Listing, Segment};

use crate::{Maintenance, MaintenanceError, writing::Writing};

/// Crashes that one message names, and that are listed at once.
const CRASHES: usize = 100;

/// Has `process` name crashes again that wait for symbols that are here, because whoever took the symbols died or could
/// not finish; and tell those apart, one by one, whose facts are in segments already. Gives the number of messages.
pub(crate) async fn wake(maintenance: &Maintenance) -> Result<u64, MaintenanceError> {
    let mut sent = 0;
    for project in maintenance.catalog.projects().await? {
        let project = project.id;
        let waiting = maintenance.catalog.waiting_for_symbols(project, Awaited::All, 1).await?;
        if !waiting.is_empty() {
            sent += u64::from(send(maintenance, project, None).await);
        }
        for mixed in maintenance.catalog.mixed_signatures(project).await? {
            sent += tell_apart(maintenance, project, mixed).await?;
        }
    }
    Ok(sent)
}

/// Forgets what crashes lack that are gone. Gives the number of rows.
pub(crate) async fn forget_gone(maintenance: &Maintenance) -> Result<u64, MaintenanceError> {
    let mut forgotten = 0;
    for project in maintenance.catalog.projects().await? {
        forgotten += maintenance.catalog.forget_gone(project.id).await?;
    }
    Ok(forgotten)
}

/// Names all crashes of a signature to `process`. Where the queue refuses one message, all are sent again next time.
async fn tell_apart(
    maintenance: &Maintenance,
    project: ProjectId,
    mixed: MixedSignature,
) -> Result<u64, MaintenanceError> {
    let filter = Filter::equals(Column::Signature, mixed.signature.to_string());
    let mut listing = Listing { projects: vec![project], filter, ..Listing::default() };
    let mut sent = 0;
    loop {
        let view = maintenance.facts.view(project).await?;
        let (rows, next) = view.list(listing.clone(), CRASHES).await?;
        let crashes: Vec<LateCrash> = rows.into_iter().filter_map(late_crash).collect();
        if !crashes.is_empty() {
            let late = LateCrashes { signature: mixed.signature, crashes };
            if !send(maintenance, project, Some(late)).await {
                return Ok(sent);
            }
            sent += 1;
        }
        match next {
            Some(_) => listing.after = next,
            None => break,
        }
    }
    maintenance.catalog.forget_mixed(project, mixed).await?;
    Ok(sent)
}

/// One without a document cannot be processed again.
fn late_crash(row: CrashRow) -> Option<LateCrash> {
    let attempt = row.attempt.filter(|_| row.counted_by.is_none())?;
    let fact = row.fact;
    Some(LateCrash { crash_id: fact.crash_id, attempt, received_at: fact.received_at, release: fact.release })
}

/// Whether the queue has taken it. If not, it is sent the next time.
async fn send(maintenance: &Maintenance, project: ProjectId, data: Option<LateCrashes>) -> bool {
    let id = uuid::Uuid::now_v7().simple().to_string();
    let Ok(mut message) = Message::new(MessageKind::LateSymbols, project, id, Timestamp::now(), &data) else {
        return false;
    };
    maintenance.settings.message_secret.sign_message(&mut message);
    match maintenance.queue.send(&message).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%project, %error, "the queue does not take word of symbols that came late");
            false
        }
    }
}

/// Writes segments anew some of whose facts should name another signature. Gives the number of segments.
pub(crate) async fn sign_again(maintenance: &Maintenance) -> Result<u64, MaintenanceError> {
    let mut written = 0;
    for project in maintenance.catalog.projects().await? {
        written += sign_again_of(maintenance, project.id).await?;
    }
    Ok(written)
}

async fn sign_again_of(maintenance: &Maintenance, project: ProjectId) -> Result<u64, MaintenanceError> {
    let overrides = maintenance.catalog.overrides(project).await?;
    let (Some(lowest), Some(highest)) = (overrides.keys().min(), overrides.keys().max()) else {
        return Ok(0);
    };
    let mut written = 0;
    let holders = maintenance.catalog.segments_of_crashes(Some(project), *lowest, *highest).await?;
    for holder in holders {
        let is_in = |crash| holder.lowest_crash <= crash && crash <= holder.highest_crash;
        let signatures = overrides.iter().filter(|(crash, _)| is_in(**crash));
        let signatures = signatures.map(|(crash, signature)| (*crash, *signature)).collect();
        // Not where another has taken over because this one was too slow.
        if !maintenance.lease_seal().await? || !write_anew(maintenance, &holder, &signatures).await? {
            return Ok(written);
        }
        written += 1;
    }
    // Now that all segments are written that could hold them.
    maintenance.catalog.forget_overrides(project, &overrides).await?;
    Ok(written)
}

/// Whether a segment is now in the place of this one, or none need be.
async fn write_anew(
    maintenance: &Maintenance,
    holder: &SegmentRow,
    signatures: &HashMap<CrashId, SignatureId>,
) -> Result<bool, MaintenanceError> {
    if signatures.is_empty() {
        return Ok(true);
    }
    let mut writing = Writing::begin(maintenance, holder.project).await?;
    let source = [Segment::of_row(holder)?];
    epitaph_facts::compact_signed(&maintenance.bucket, &source, signatures, &mut writing.writer).await?;
    let Some(segment) = writing.finish(maintenance).await? else { return Ok(false) };
    let replaced = maintenance.catalog.replace_segments(&segment.row(), std::slice::from_ref(holder)).await?;
    if !replaced {
        maintenance.catalog.give_up_segment(holder.project, &segment.name).await?;
    }
    Ok(replaced)
}
