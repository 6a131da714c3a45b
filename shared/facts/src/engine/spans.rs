//! Segments that are answered together: the partial answers of neighbours are merged once, and the merged one is kept.

use sha2::{Digest, Sha256};

use crate::Segment;

/// On average, a span has as many segments.
const MEAN: u8 = 16;
/// At most as many.
const MOST: usize = 64;

/// Divides segments, sorted by time, into spans. Where a span ends depends on the names of its segments only: when a
/// segment is added at the end, or the first ones are left out, all spans but the outermost stay what they were.
pub(crate) fn spans<'a>(segments: &[&'a Segment]) -> Vec<Vec<&'a Segment>> {
    let mut spans = Vec::new();
    let mut current: Vec<&Segment> = Vec::new();
    for segment in segments {
        let other_project = current.last().is_some_and(|last| last.project != segment.project);
        if other_project || current.len() == MOST {
            spans.push(std::mem::take(&mut current));
        }
        current.push(segment);
        if ends_span(&segment.name) {
            spans.push(std::mem::take(&mut current));
        }
    }
    if !current.is_empty() {
        spans.push(current);
    }
    spans
}

fn ends_span(name: &str) -> bool {
    Sha256::digest(name.as_bytes()).first().is_some_and(|byte| byte % MEAN == 0)
}

/// A name for what was made from these, in this order: 32 hexadecimal digits.
pub(crate) fn name_of<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.as_ref();
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use epitaph_crash_model::{CrashId, ProjectId, Timestamp};

    use super::*;

    fn segment(number: usize) -> Segment {
        let crash = CrashId::new();
        Segment {
            project: ProjectId::FIRST,
            name: format!("segment-{number}"),
            rows: 1,
            bytes: 1,
            index_bytes: 1,
            index_sum: 0,
            first_received: Timestamp::from_millis(0),
            last_received: Timestamp::from_millis(0),
            lowest_crash: crash,
            highest_crash: crash,
            distinct: Default::default(),
        }
    }

    #[test]
    fn all_spans_but_the_outermost_stay_when_time_moves_on() {
        let all: Vec<Segment> = (0..1000).map(segment).collect();
        let spans_of = |range: std::ops::Range<usize>| -> Vec<Vec<String>> {
            let segments: Vec<&Segment> = all[range].iter().collect();
            spans(&segments)
                .iter()
                .map(|span| span.iter().map(|segment| segment.name.clone()).collect())
                .collect()
        };
        let before = spans_of(0..900);
        assert_eq!(before.concat().len(), 900);
        assert!(before.iter().all(|span| span.len() <= MOST) && before.len() > 20);
        let after: BTreeSet<_> = spans_of(100..1000).into_iter().collect();
        let kept = before.iter().filter(|span| after.contains(*span)).count();
        let within = before
            .iter()
            .filter(|span| span.iter().all(|name| name[8..].parse::<usize>().unwrap() >= 164))
            .count();
        assert!(kept + 2 >= within, "{kept} of {within}");
    }
}
