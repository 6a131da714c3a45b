//! A surge at a tiny size, with the bare server in the place of a function.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::fs;

use serde_json::Value;
use support::House;

/// The figures of the runs whose part and variant these are.
fn figures(house: &House, part: &str, variant: &str) -> Value {
    let raw = fs::read_to_string(house.results().join("raw/surge.jsonl")).unwrap();
    let runs = raw.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut found = runs.filter(|run| run["part"] == part && run["variant"] == variant);
    found.next().unwrap()["figures"].clone()
}

#[test]
fn a_day_loses_nothing_with_a_start_up_of_milliseconds_and_much_with_one_beyond_patience() {
    let house = House::new();
    let text = house.succeed(&[
        "surge",
        "--real-seconds",
        "0",
        "--platform-delays",
        "1",
        "--start-ups",
        "50",
        "--dumps-a-month",
        "100000",
        "--events-a-month",
        "200000",
    ]);
    let ours = figures(&house, "minidumps", "our start-up");
    assert!(ours["reports"].as_u64().unwrap() > 3_000, "{ours}");
    assert_eq!(ours["lost"], 0, "{text}");
    let slow = figures(&house, "minidumps", "ours, with a start-up of 50 s");
    assert_eq!(slow["reports"], ours["reports"]);
    assert!(slow["lost"].as_u64().unwrap() > 100, "{text}");
    assert!(slow["longest_ms"].as_f64().unwrap() <= 10_000.0, "{text}");
    assert!(house.results().join("plots/surge-day.svg").is_file());
}

#[test]
fn a_function_that_answers_200_and_hands_nothing_over_is_found_out() {
    let house = House::new();
    house.put("all/minidump", env!("CARGO_BIN_EXE_bare-hyper"));
    let text = house.fail(&[
        "surge",
        "--no-day",
        "--real-seconds",
        "2",
        "--real-peak",
        "20",
        "--platform-delays",
        "0",
        "--start-ups",
        "0.1",
    ]);
    assert!(text.contains("were answered 200, but the broker took 0"), "{text}");
}
