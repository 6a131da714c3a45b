//! What is compared.

use std::time::Duration;

use super::{Arguments, activator::Service, autoscaler::Scale};

/// Of the requests that an instance is meant to have at the same time, the share that the autoscaler aims at.
const USED: f64 = 0.7;
/// What our manifests say: requests at the same time in one instance of the collector of minidumps and of the one of
/// events, without a limit, and the most instances.
const DUMPS_TARGET: f64 = 40.0;
const EVENTS_TARGET: f64 = 80.0;
const MOST_INSTANCES: usize = 100;
/// The system that this one follows, as it was run: an answer took so long, and 15 to 30 instances were kept, each with
/// at most so many requests at the same time.
const FORMER_RESPONSE: Duration = Duration::from_millis(250);
const FORMER_LIMIT: f64 = 10.0;
const FORMER_INSTANCES: [usize; 2] = [15, 30];
const MONTH_SECONDS: f64 = 30.0 * 86_400.0;

/// The name of what is ours in every way.
pub(crate) const OURS: &str = "our start-up";

/// A program, and how it is scaled.
#[derive(Debug, Clone)]
pub(super) struct Variant {
    pub(super) name: String,
    /// From the beginning of its start until it listens; `None`: what ours takes.
    pub(super) start_up: Option<Duration>,
    /// How long it takes to answer; `None`: what ours takes.
    pub(super) response: Option<Duration>,
    target: f64,
    limit: usize,
    instances: [usize; 2],
}

/// What arrives in a day, and who may take it.
pub(super) struct Studio {
    pub(super) name: &'static str,
    /// Reports a second, on average of a month.
    pub(super) mean: f64,
    pub(super) variants: Vec<Variant>,
}

impl Variant {
    fn ours(target: f64) -> Self {
        Self {
            name: OURS.into(),
            start_up: None,
            response: None,
            target,
            limit: usize::MAX,
            instances: [0, MOST_INSTANCES],
        }
    }

    fn slower(target: f64, start_up: f64) -> Self {
        Self {
            name: format!("ours, with a start-up of {start_up} s"),
            start_up: Some(Duration::from_secs_f64(start_up)),
            ..Self::ours(target)
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ten")]
    fn former(start_up: f64, instances: [usize; 2]) -> Self {
        let kept = if instances[0] > 0 { format!(", {} kept", instances[0]) } else { String::new() };
        Self {
            name: format!("250 ms an answer, start-up of {start_up} s{kept}"),
            start_up: Some(Duration::from_secs_f64(start_up)),
            response: Some(FORMER_RESPONSE),
            target: FORMER_LIMIT,
            limit: FORMER_LIMIT as usize,
            instances,
        }
    }

    pub(super) fn service(&self, arguments: &Arguments, platform_delay: f64) -> Service {
        Service {
            scale: Scale { target: self.target * USED, least: self.instances[0], most: self.instances[1] },
            limit: self.limit,
            platform_delay: Duration::from_secs_f64(platform_delay),
            patience: Duration::from_secs_f64(arguments.patience_seconds),
        }
    }
}

/// In front of real processes: only the start-up differs.
pub(super) fn real(arguments: &Arguments) -> Vec<Variant> {
    if arguments.real_seconds <= 0.0 { Vec::new() } else { all(arguments, DUMPS_TARGET) }
}

fn all(arguments: &Arguments, target: f64) -> Vec<Variant> {
    let slower = arguments.start_ups.iter().map(|&start_up| Variant::slower(target, start_up));
    std::iter::once(Variant::ours(target)).chain(slower).collect()
}

/// The days: of minidumps, of handled errors, and both at the system that this one follows.
pub(super) fn studios(arguments: &Arguments) -> Vec<Studio> {
    if arguments.no_day {
        return Vec::new();
    }
    let dumps = f64::from(arguments.dumps_a_month) / MONTH_SECONDS;
    let events = f64::from(arguments.events_a_month) / MONTH_SECONDS;
    let former = arguments.start_ups.iter().flat_map(|&start_up| {
        let from_zero = [0, FORMER_INSTANCES[1]];
        [Variant::former(start_up, from_zero), Variant::former(start_up, FORMER_INSTANCES)]
    });
    vec![
        Studio { name: "minidumps", mean: dumps, variants: all(arguments, DUMPS_TARGET) },
        Studio { name: "events", mean: events, variants: all(arguments, EVENTS_TARGET) },
        Studio { name: "all reports at one function", mean: dumps + events, variants: former.collect() },
    ]
}
