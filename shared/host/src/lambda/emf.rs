//! Metrics on Lambda: lines on standard output in CloudWatch's embedded metric format, which become metrics without a
//! call to anybody.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use epitaph_crash_model::Timestamp;
use serde_json::json;

/// The namespace of the metrics.
const NAMESPACE: &str = "Epitaph";

/// What is counted, with its labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Counted {
    /// A report, by what became of it.
    Report { function: &'static str, outcome: &'static str, reason: &'static str },
    /// What came and is not collected.
    Declined { function: &'static str, what: &'static str },
    /// An answered request. Lambda itself counts events and how long they take, but no status.
    Request { function: &'static str, status: u16 },
}

/// What was counted and not shown yet. Its labels are few, so it stays small.
#[derive(Clone, Default)]
pub(crate) struct Unsent(Arc<Mutex<BTreeMap<Counted, u64>>>);

impl Unsent {
    pub(crate) fn add(&self, counted: Counted, number: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(counted).or_default();
        *count = count.saturating_add(number);
    }

    pub(crate) fn take(&self) -> BTreeMap<Counted, u64> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One line for each count. A reason is told beside the metric and is no dimension of it: each combination of dimensions
/// is a metric of its own, and costs.
pub(super) fn lines(counts: &BTreeMap<Counted, u64>, now: Timestamp) -> String {
    let mut lines = String::new();
    for (counted, &count) in counts {
        let (metric, dimensions, mut line) = match counted {
            Counted::Report { function, outcome, reason } => (
                "Reports",
                ["function", "outcome"],
                json!({"function": function, "outcome": outcome, "reason": reason}),
            ),
            Counted::Declined { function, what } => {
                ("Declined", ["function", "what"], json!({"function": function, "what": what}))
            }
            Counted::Request { function, status } => (
                "Requests",
                ["function", "status"],
                json!({"function": function, "status": status.to_string()}),
            ),
        };
        line[metric] = count.into();
        line["_aws"] = json!({
            "Timestamp": now.as_millis(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [dimensions],
                "Metrics": [{"Name": metric, "Unit": "Count"}],
            }],
        });
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{line}");
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_count_is_shown_once_with_the_dimensions_that_its_line_names() {
        let unsent = Unsent::default();
        let counted = Counted::Report { function: "minidump", outcome: "refused", reason: "too_large" };
        unsent.add(counted, 2);
        unsent.clone().add(counted, 1);
        let text = lines(&unsent.take(), Timestamp::from_millis(5));
        let line: Value = serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap();
        assert_eq!(line["Reports"], 3);
        assert_eq!(line["reason"], "too_large");
        assert_eq!(line["_aws"]["Timestamp"], 5);
        let metrics = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(metrics["Metrics"][0]["Name"], "Reports");
        for dimension in metrics["Dimensions"][0].as_array().unwrap() {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension} is no member of {line}");
        }
        assert_eq!(lines(&unsent.take(), Timestamp::from_millis(6)), "");
    }

    #[test]
    fn every_kind_of_count_has_a_line_of_its_own() {
        let unsent = Unsent::default();
        unsent.add(Counted::Declined { function: "envelope", what: "session" }, 4);
        unsent.add(Counted::Request { function: "envelope", status: 200 }, 1);
        let text = lines(&unsent.take(), Timestamp::from_millis(0));
        let all: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(all.len(), 2);
        assert_eq!((&all[0]["Declined"], &all[0]["what"]), (&4.into(), &"session".into()));
        assert_eq!((&all[1]["Requests"], &all[1]["status"]), (&1.into(), &"200".into()));
    }
}
