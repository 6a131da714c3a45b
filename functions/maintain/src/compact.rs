//! Makes one segment of several small ones, day by day: questions then read less.

use std::collections::BTreeMap;

use epitaph_catalog::SegmentRow;
use epitaph_crash_model::{Day, ProjectId, Timestamp};
use epitaph_facts::Segment;

use crate::{Maintenance, MaintenanceError, writing::Writing};

/// Segments up to this size always join others.
const SMALL: u64 = 20_000;
/// How many segments of a day that goes on must come together.
const MANY: usize = 8;
/// How long after its end a day goes on: reports that were parked come late.
const LATE: i64 = 60 * 60 * 1000;

/// Compacts what is due. Gives the number of segments that others have taken the place of.
pub(crate) async fn compact(maintenance: &Maintenance) -> Result<u64, MaintenanceError> {
    let mut replaced = 0;
    for project in maintenance.catalog.projects().await? {
        let mut days: BTreeMap<Day, Vec<SegmentRow>> = BTreeMap::new();
        for segment in maintenance.catalog.segments(project.id).await? {
            days.entry(segment.last_received.day()).or_default().push(segment);
        }
        for (day, segments) in days {
            let ended = day.plus(1).start().plus_millis(LATE) <= Timestamp::now();
            let chosen = choose(segments, ended, maintenance.settings.sealing.largest);
            // Not where another has taken over because this one was too slow.
            if !chosen.is_empty()
                && maintenance.lease_seal().await?
                && join(maintenance, project.id, &chosen).await?
            {
                replaced += chosen.len() as u64;
            }
        }
    }
    Ok(replaced)
}

/// Those segments of a day that become one; none where that is not worth it. From the smallest on, each that is at most
/// twice as large as those before it together: so a fact is written anew only when its segment grows by half.
fn choose(mut segments: Vec<SegmentRow>, ended: bool, largest: u64) -> Vec<SegmentRow> {
    segments.sort_by(|a, b| a.facts.cmp(&b.facts).then_with(|| a.name.cmp(&b.name)));
    let (mut chosen, mut facts) = (Vec::new(), 0_u64);
    for segment in segments {
        let joins = chosen.is_empty() || segment.facts <= facts.saturating_mul(2).max(SMALL);
        if !joins || facts.saturating_add(segment.facts) > largest {
            break;
        }
        facts += segment.facts;
        chosen.push(segment);
    }
    let enough = if ended { 2 } else { MANY };
    if chosen.len() < enough {
        chosen.clear();
    }
    chosen
}

/// Whether one segment is now in their place.
async fn join(
    maintenance: &Maintenance,
    project: ProjectId,
    chosen: &[SegmentRow],
) -> Result<bool, MaintenanceError> {
    let sources: Vec<Segment> = chosen.iter().map(Segment::of_row).collect::<Result<_, _>>()?;
    let mut writing = Writing::begin(maintenance, project).await?;
    epitaph_facts::compact(&maintenance.bucket, &sources, &mut writing.writer).await?;
    let Some(segment) = writing.finish(maintenance).await? else { return Ok(false) };
    let replaced = maintenance.catalog.replace_segments(&segment.row(), chosen).await?;
    if !replaced {
        tracing::warn!(%project, segment = segment.name, "another instance has joined these segments; this one is dropped");
        maintenance.catalog.give_up_segment(project, &segment.name).await?;
    }
    Ok(replaced)
}

#[cfg(test)]
mod tests {
    use epitaph_crash_model::CrashId;

    use super::*;

    fn chosen(sizes: &[u64], ended: bool) -> Vec<u64> {
        let crash = CrashId::new();
        let segment = |(number, facts): (usize, &u64)| SegmentRow {
            project: ProjectId::FIRST,
            name: number.to_string(),
            first_received: crash.accepted_at(),
            last_received: crash.accepted_at(),
            lowest_crash: crash,
            highest_crash: crash,
            facts: *facts,
            bytes: 1,
            described: String::new(),
        };
        let segments = sizes.iter().enumerate().map(segment).collect();
        choose(segments, ended, 1_000_000).into_iter().map(|segment| segment.facts).collect()
    }

    #[test]
    fn segments_of_a_day_that_goes_on_wait_until_they_are_many() {
        assert!(chosen(&[10_000; 7], false).is_empty());
        assert_eq!(chosen(&[10_000; 8], false).len(), 8);
    }

    #[test]
    fn segments_of_a_day_that_has_ended_become_one() {
        assert_eq!(chosen(&[600_000, 10_000, 300], true), [300, 10_000]);
        assert_eq!(chosen(&[10_000, 20_000, 60_000, 150_000], true), [10_000, 20_000, 60_000, 150_000]);
        assert!(chosen(&[5], true).is_empty());
    }

    #[test]
    fn what_comes_late_does_not_have_a_large_segment_written_anew() {
        assert!(chosen(&[900_000, 1], true).is_empty());
        assert_eq!(chosen(&[900_000, 1, 2], true), [1, 2]);
    }

    #[test]
    fn no_segment_becomes_larger_than_the_largest() {
        assert_eq!(chosen(&[400_000; 4], true).len(), 2);
        assert!(chosen(&[600_000; 4], true).is_empty());
        assert_eq!(chosen(&[19_000, 19_000, 70_000, 200_000, 600_000, 600_000], true).len(), 5);
    }
}
