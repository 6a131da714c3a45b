//! What was aimed at, and what came out: read from the raw measurements, so that nobody need believe the text.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{
    bins::COLLECTORS,
    cold_start, load,
    results::{Results, ResultsError},
    soak,
    statistics::{Sorted, grouped},
    surge,
};

/// What a collector may take, with the embedded engines alone and with all: times the bare server's start, and MiB.
const STARTS: [(&str, f64, f64); 2] = [("embedded, plain", 2.0, 6.0), ("all, plain", 3.0, 12.0)];
const RESTED_MIB: f64 = 6.0;
/// Of what a bare server reaches that only reads.
const SHARE_OF_BARE: f64 = 1.0 / 3.0;
/// Five times what Antenna takes, and fifty times what Bugsink takes.
const DUMPS_A_SECOND: f64 = 5.0 * 1440.0;
const EVENTS_A_SECOND: f64 = 50.0 * 218.0;
/// Memory counts as flat if it grows by no more in a soak.
const GROWTH: f64 = 1.05;

struct Aim {
    what: String,
    wanted: String,
    measured: String,
    reached: bool,
}

pub(super) fn told(results: &Results) -> Result<String, ResultsError> {
    let aims = [cold_starts(results)?, loads(results)?, soaks(results)?, surges(results)?];
    let aims: Vec<Aim> = aims.into_iter().flatten().collect();
    if aims.is_empty() {
        return Ok(String::new());
    }
    let mut text =
        String::from("## Aims\n\n| what | wanted | measured | reached |\n| --- | ---: | ---: | --- |\n");
    for Aim { what, wanted, measured, reached } in aims {
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "| {what} | {wanted} | {measured} | {} |", if reached { "yes" } else { "**no**" });
    }
    text.push('\n');
    Ok(text)
}

/// The values of a field in those records that say all of this.
fn values(records: &[Value], said: &[(&str, &str)], field: &str) -> Vec<f64> {
    let found = records.iter().filter(|record| said.iter().all(|(name, value)| record[name] == *value));
    found.filter_map(|record| record[field].as_f64()).collect()
}

/// The median of what one is of another, pair by pair.
fn median_ratio(of: &[f64], to: &[f64]) -> f64 {
    Sorted::new(of.iter().zip(to).map(|(of, to)| of / to)).median()
}

fn at_most(what: String, wanted: f64, measured: f64, unit: &str) -> Option<Aim> {
    measured.is_finite().then(|| Aim {
        what,
        wanted: format!("at most {wanted:.1}{unit}"),
        measured: format!("{measured:.2}{unit}"),
        reached: measured <= wanted,
    })
}

fn cold_starts(results: &Results) -> Result<Vec<Aim>, ResultsError> {
    let records: Vec<Value> = results.read(cold_start::NAME)?;
    let mut aims = Vec::new();
    for (build, times, mib) in STARTS {
        for function in COLLECTORS {
            let told = |what: &str| format!("{function} ({build}): {what}");
            let said = [("function", function), ("build", build)];
            let of_bare = [("function", function), ("build", "bare hyper")];
            let starts = values(&records, &said, "first_answer_ms");
            let ratio = median_ratio(&starts, &values(&records, &of_bare, "first_answer_ms"));
            aims.extend(at_most(told("first durable 200, times the bare server's"), times, ratio, ""));
            let bytes = Sorted::new(values(&records, &said, "binary_bytes")).median();
            aims.extend(at_most(told("binary"), mib, bytes / f64::from(1 << 20), " MiB"));
            if build == STARTS[0].0 {
                let rested = Sorted::new(values(&records, &said, "rested_mib")).median();
                aims.extend(at_most(told("memory at rest"), RESTED_MIB, rested, " MiB"));
            }
        }
    }
    Ok(aims)
}

fn loads(results: &Results) -> Result<Vec<Aim>, ResultsError> {
    let records: Vec<Value> = results.read(load::NAME)?;
    let rates = |payload, server| values(&records, &[("payload", payload), ("server", server)], "per_second");
    let mut aims = Vec::new();
    let share = median_ratio(&rates("dump-27k", "embedded"), &rates("dump-27k", "bare"));
    if share.is_finite() {
        aims.push(Aim {
            what: "27 KB dumps, durable: share of what a bare server reads".into(),
            wanted: format!("at least {SHARE_OF_BARE:.2}"),
            measured: format!("{share:.2}"),
            reached: share >= SHARE_OF_BARE,
        });
    }
    for (payload, what, wanted) in [
        ("dump-27k", "27 KB dumps a second, durable: five times Antenna's", DUMPS_A_SECOND),
        ("event-2k", "2 KB events a second, durable: fifty times Bugsink's", EVENTS_A_SECOND),
    ] {
        let rate = Sorted::new(rates(payload, "embedded")).median();
        if rate.is_finite() {
            aims.push(Aim {
                what: what.into(),
                wanted: format!("at least {}", grouped(wanted)),
                measured: grouped(rate),
                reached: rate >= wanted,
            });
        }
    }
    Ok(aims)
}

fn soaks(results: &Results) -> Result<Vec<Aim>, ResultsError> {
    let records: Vec<Value> = results.read(soak::NAME)?;
    let resident = values(&records, &[], "resident_mib");
    let tenth = resident.len() / 10;
    let mut aims = Vec::new();
    if tenth > 0 {
        let median = |range: &[f64]| Sorted::new(range.iter().copied()).median();
        let growth = median(&resident[resident.len() - tenth..]) / median(&resident[tenth..2 * tenth]);
        aims.extend(at_most("memory in a soak, the end to the beginning".into(), GROWTH, growth, ""));
    }
    for full in records.iter().filter(|record| record["found"].is_u64()) {
        let lost = full["accepted"]
            .as_u64()
            .unwrap_or_default()
            .saturating_sub(full["found"].as_u64().unwrap_or_default());
        aims.push(none_lost("lost of what was accepted while the disk was full".into(), lost));
    }
    Ok(aims)
}

fn surges(results: &Results) -> Result<Vec<Aim>, ResultsError> {
    let records: Vec<Value> = results.read(surge::NAME)?;
    let ours = records.iter().filter(|record| record["variant"] == surge::OURS);
    let aims = ours.filter_map(|run| {
        let (part, delay) = (run["part"].as_str()?, run["platform_delay"].as_f64()?);
        let lost = run["figures"]["lost"].as_u64()?;
        Some(none_lost(format!("lost in a surge with our start-up: {part}, platform {delay} s"), lost))
    });
    Ok(aims.collect())
}

fn none_lost(what: String, lost: u64) -> Aim {
    Aim { what, wanted: "0".into(), measured: lost.to_string(), reached: lost == 0 }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn aims_are_judged_by_what_was_measured() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::in_folder(folder.path()).unwrap();
        assert_eq!(told(&results).unwrap(), "");
        let mut records = results.records(load::NAME).unwrap();
        for (server, per_second) in [("bare", 20_000.0), ("embedded", 5_000.0)] {
            records
                .add(&json!({ "payload": "dump-27k", "server": server, "per_second": per_second }))
                .unwrap();
        }
        let mut records = results.records(cold_start::NAME).unwrap();
        for (build, first) in [("bare hyper", 1.0), ("embedded, plain", 1.5)] {
            let record = json!({ "function": "minidump", "build": build, "first_answer_ms": first });
            records.add(&record).unwrap();
        }
        let text = told(&results).unwrap();
        let start = "| minidump (embedded, plain): first durable 200, times the bare server's | at most 2.0 | 1.50 | yes |";
        assert!(text.contains(start), "{text}");
        assert!(
            text.contains("share of what a bare server reads | at least 0.33 | 0.25 | **no** |"),
            "{text}"
        );
        assert!(text.contains("| at least 7,200 | 5,000 | **no** |"), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("| ")).count(), 2 + 3, "{text}");
    }
}
