//! Load and what follows from it, at a tiny size: the bare server that makes bodies durable stands for all functions.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::fs;

use serde_json::Value;
use support::House;

fn house() -> House {
    let house = House::new();
    for function in ["minidump", "envelope", "unreal", "report"] {
        house.put(&format!("all/{function}"), env!("CARGO_BIN_EXE_bare-durable"));
    }
    house
}

fn raw(house: &House, bench: &str) -> Vec<Value> {
    let raw = fs::read_to_string(house.results().join("raw").join(bench).with_extension("jsonl")).unwrap();
    raw.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_kind_of_report_is_sent_to_every_server() {
    let house = house();
    let text = house.succeed(&["load", "--seconds", "0.2", "--warm-up-seconds", "0", "--rounds", "1"]);
    let raw = raw(&house, "load");
    assert!(raw[0]["cores"].as_u64().unwrap() > 0, "{}", raw[0]);
    let turns = &raw[1..];
    assert_eq!(turns.len(), 6 * 5, "{text}");
    for turn in turns {
        assert!(turn["accepted"].as_u64().unwrap() > 0, "{turn}");
        assert_eq!((turn["refused"].as_u64(), turn["broken"].as_u64()), (Some(0), Some(0)), "{turn}");
        assert!(turn["p50_ms"].as_f64().unwrap() <= turn["p99_ms"].as_f64().unwrap(), "{turn}");
        assert!(turn["peak_mib"].as_f64().unwrap() > 0.0, "{turn}");
    }
    assert_eq!(text.matches("| bare hyper, reads | ").count(), 6, "{text}");
    assert!(house.results().join("plots/load.svg").is_file());
}

#[test]
fn a_name_that_is_unknown_is_told_with_those_that_are_known() {
    let text = house().fail(&["load", "--payloads", "dump-1g"]);
    assert!(text.contains("there is no dump-1g to measure, expected some of event-2k, report-1k"), "{text}");
}

#[test]
fn a_bill_needs_what_it_is_reckoned_from() {
    let text = house().fail(&["cost"]);
    assert!(text.contains("load has not measured event-2k here; run `epitaph-bench load` first"), "{text}");
}
