//! What became of the reports of one run.

use std::time::Duration;

use serde::Serialize;

use crate::statistics::{Sorted, float};

/// From here on a client has waited.
const A_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Milliseconds from the arrival of each report that was answered 200 to its answer.
    waits: Vec<u32>,
    /// Clients that gave up.
    gave_up: u64,
    /// Answers that were no 200, and connections that broke.
    failed: u64,
    /// When each report was lost, as seconds from the first moment.
    pub(super) lost_at: Vec<u64>,
    pub(super) moments: Vec<Moment>,
    pub(super) started: u64,
    pub(super) not_started: u64,
    pub(super) most_instances: usize,
    /// From when an instance was asked for until it was ended.
    pub(super) instance_seconds: f64,
    pub(super) start_ups: Vec<Duration>,
}

/// The state at the end of a second.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Moment {
    pub(super) second: u64,
    /// Instances that were asked for, and of them those that take requests.
    pub(super) asked: usize,
    pub(super) ready: usize,
}

/// The same in figures.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figures {
    pub(super) reports: u64,
    pub(super) answered: u64,
    pub(super) lost: u64,
    pub(super) gave_up: u64,
    pub(super) failed: u64,
    /// Answered, after more than a second.
    pub(super) waited: u64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) longest_ms: f64,
    pub(super) instances_started: u64,
    pub(super) most_instances: usize,
    pub(super) instance_seconds: f64,
    pub(super) start_up_median_ms: f64,
    pub(super) start_up_p99_ms: f64,
}

impl Outcome {
    /// A report was answered 200 (`Some(true)`) or otherwise, or its client gave up.
    pub(super) fn count(&mut self, took: Duration, answered: Option<bool>) {
        match answered {
            Some(true) => self.waits.push(u32::try_from(took.as_millis()).unwrap_or(u32::MAX)),
            Some(false) => self.failed += 1,
            None => self.gave_up += 1,
        }
        if answered != Some(true) {
            self.lost_at.push(self.moments.last().map_or(0, |moment| moment.second));
        }
    }

    pub(super) fn figures(&self) -> Figures {
        let waits = Sorted::new(self.waits.iter().map(|&wait| f64::from(wait)));
        let start_ups = Sorted::new(self.start_ups.iter().map(|time| time.as_secs_f64() * 1e3));
        let (answered, lost) = (self.waits.len() as u64, self.gave_up + self.failed);
        Figures {
            reports: answered + lost,
            answered,
            lost,
            gave_up: self.gave_up,
            failed: self.failed,
            waited: self.waits.iter().filter(|&&wait| u128::from(wait) > A_WAIT.as_millis()).count() as u64,
            p50_ms: waits.per_mille(500),
            p99_ms: waits.per_mille(990),
            longest_ms: waits.most(),
            instances_started: self.started,
            most_instances: self.most_instances,
            instance_seconds: self.instance_seconds,
            start_up_median_ms: start_ups.median(),
            start_up_p99_ms: start_ups.per_mille(990),
        }
    }

    /// The moments at which there were more or fewer instances than before.
    pub(super) fn changes(&self) -> Vec<Moment> {
        let mut changes = self.moments.clone();
        changes.dedup_by_key(|moment| (moment.asked, moment.ready));
        changes
    }

    /// Seconds, and the reports that were lost until then.
    pub(super) fn lost_so_far(&self) -> Vec<(f64, f64)> {
        let mut lost = 0;
        let mut points = Vec::with_capacity(self.moments.len());
        let mut lost_at = self.lost_at.iter().peekable();
        for moment in &self.moments {
            while lost_at.next_if(|&&at| at <= moment.second).is_some() {
                lost += 1;
            }
            points.push((float(moment.second), float(lost)));
        }
        points
    }

    /// Seconds, and the instances that were ready then.
    pub(super) fn ready(&self) -> Vec<(f64, f64)> {
        self.moments.iter().map(|moment| (float(moment.second), float(moment.ready as u64))).collect()
    }
}
