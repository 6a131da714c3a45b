//! What a process counts of itself, in the text form that Prometheus reads.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Metric, Registry},
};

#[cfg(feature = "lambda")]
use crate::lambda::{Counted, Unsent};

/// The media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper edges of the duration buckets, in seconds: the first tell a fast path from a synced one, 2 and 4 are the
/// budgets of the queue and of parking, 8 is the promise to a client.
const SECONDS: [f64; 10] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 60.0];

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Durable, in the queue.
    Accepted,
    /// Discarded by an operator's rule.
    Sampled,
    /// Not taken; the reason says whose fault it was.
    Refused,
    /// Durable, in the bucket, since the queue did not take it.
    Parked,
    /// Recorded, but its payload could not be parsed.
    Unreadable,
    /// Among the dead letters.
    Dead,
}

impl Outcome {
    /// The word that metrics and documents use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Sampled => "sampled",
            Outcome::Refused => "refused",
            Outcome::Parked => "parked",
            Outcome::Unreadable => "unreadable",
            Outcome::Dead => "dead",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    function: &'static str,
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeclinedLabels {
    function: &'static str,
    what: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    function: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FunctionLabel {
    function: &'static str,
}

/// The counters of a process. Cheap to clone; all clones count together.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    outcomes: Family<OutcomeLabels, Counter>,
    declined: Family<DeclinedLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    durations: Family<FunctionLabel, Histogram, fn() -> Histogram>,
    #[cfg(feature = "lambda")]
    unsent: Option<Unsent>,
}

impl Metrics {
    /// Counters that are all at zero.
    pub fn new() -> Self {
        let metrics = Self {
            registry: Arc::new(Mutex::new(Registry::with_prefix("epitaph"))),
            outcomes: Family::default(),
            declined: Family::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            #[cfg(feature = "lambda")]
            unsent: None,
        };
        metrics.register("outcomes", "Reports, by what became of them", metrics.outcomes.clone());
        metrics.register("declined", "What came and is not collected", metrics.declined.clone());
        metrics.register("http_requests", "Answered HTTP requests", metrics.requests.clone());
        metrics.register(
            "http_request_duration_seconds",
            "Time from a request's header to its answer's header",
            metrics.durations.clone(),
        );
        metrics
    }

    /// Adds a metric of another crate's own; `epitaph_` is put before its name.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.registry().register(name, help, metric);
    }

    /// Counts one report. `reason` is one of a few fixed words, or empty.
    pub fn count(&self, function: &'static str, outcome: Outcome, reason: &'static str) {
        self.count_many(function, outcome, reason, 1);
    }

    /// Counts several reports at once.
    pub fn count_many(&self, function: &'static str, outcome: Outcome, reason: &'static str, reports: u64) {
        let labels = OutcomeLabels { function, outcome: outcome.as_str(), reason };
        self.outcomes.get_or_create(&labels).inc_by(reports);
        #[cfg(feature = "lambda")]
        self.keep(Counted::Report { function, outcome: outcome.as_str(), reason }, reports);
    }

    /// Counts what came and is not collected, and is no report: sessions, say. `what` is one of a few fixed words.
    pub fn count_declined(&self, function: &'static str, what: &'static str, number: u64) {
        self.declined.get_or_create(&DeclinedLabels { function, what }).inc_by(number);
        #[cfg(feature = "lambda")]
        self.keep(Counted::Declined { function, what }, number);
    }

    /// Counts one answered request.
    pub(crate) fn answered(&self, function: &'static str, status: u16, duration: Duration) {
        self.requests.get_or_create(&RequestLabels { function, status }).inc();
        #[cfg(feature = "lambda")]
        self.keep(Counted::Request { function, status }, 1);
        self.durations.get_or_create(&FunctionLabel { function }).observe(duration.as_secs_f64());
    }

    /// All metrics, in the OpenMetrics text form ([`CONTENT_TYPE`]).
    pub fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry()) {
            Ok(()) => text,
            Err(fmt::Error) => String::new(),
        }
    }

    /// Keeps what is counted from now on until [`Metrics::take_unsent`] takes it, as CloudWatch wants it.
    #[cfg(feature = "lambda")]
    pub(crate) fn for_cloud_watch(self) -> Self {
        Self { unsent: Some(Unsent::default()), ..self }
    }

    /// What was counted since this was asked last.
    #[cfg(feature = "lambda")]
    pub(crate) fn take_unsent(&self) -> std::collections::BTreeMap<Counted, u64> {
        self.unsent.as_ref().map(Unsent::take).unwrap_or_default()
    }

    #[cfg(feature = "lambda")]
    fn keep(&self, counted: Counted, number: u64) {
        if let Some(unsent) = &self.unsent {
            unsent.add(counted, number);
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        // Registering and encoding leave no half-made state behind that would matter after a panic.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Metrics(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_counted_by_function_outcome_and_reason() {
        let metrics = Metrics::new();
        metrics.count("minidump", Outcome::Accepted, "");
        metrics.clone().count_many("minidump", Outcome::Refused, "too_large", 3);
        let text = metrics.text();
        assert!(
            text.contains(r#"epitaph_outcomes_total{function="minidump",outcome="accepted",reason=""} 1"#),
            "{text}"
        );
        assert!(
            text.contains(
                r#"epitaph_outcomes_total{function="minidump",outcome="refused",reason="too_large"} 3"#
            ),
            "{text}"
        );
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn what_is_not_collected_is_counted_apart() {
        let metrics = Metrics::new();
        metrics.count_declined("envelope", "session", 3);
        let text = metrics.text();
        assert!(text.contains(r#"epitaph_declined_total{function="envelope",what="session"} 3"#), "{text}");
    }

    #[test]
    fn requests_are_counted_by_status_and_timed() {
        let metrics = Metrics::new();
        metrics.answered("envelope", 200, Duration::from_millis(30));
        let text = metrics.text();
        assert!(
            text.contains(r#"epitaph_http_requests_total{function="envelope",status="200"} 1"#),
            "{text}"
        );
        assert!(text.contains(r#"_bucket{le="0.02",function="envelope"} 0"#), "{text}");
        assert!(text.contains(r#"_bucket{le="0.1",function="envelope"} 1"#), "{text}");
    }
}
