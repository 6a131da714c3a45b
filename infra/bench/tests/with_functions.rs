//! What only real functions show, at a tiny size. They are those that cargo built beside this test.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::{fs, path::PathBuf};

use epitaph_test_dumps::crash::{compile_what_crashes, dump_of};
use epitaph_test_services::left_out;
use serde_json::Value;
use support::House;

/// A house with these functions. `None` leaves a test out: only a test of the whole workspace builds them.
fn house(functions: &[&str]) -> Option<House> {
    let folder = PathBuf::from(env!("CARGO_BIN_EXE_epitaph-bench")).parent().unwrap().to_owned();
    let house = House::new();
    for function in functions {
        let program = folder.join(function);
        if !program.is_file() {
            left_out(&format!("{function} is not built; run the tests with --workspace"));
            return None;
        }
        house.put(&format!("all/{function}"), program.to_str().unwrap());
    }
    Some(house)
}

fn last_record(house: &House, bench: &str) -> Value {
    let raw = fs::read_to_string(house.results().join("raw").join(bench).with_extension("jsonl")).unwrap();
    serde_json::from_str(raw.lines().last().unwrap()).unwrap()
}

#[test]
fn a_full_disk_refuses_reports_and_loses_none_that_it_accepted() {
    let Some(house) = house(&["minidump"]) else { return };
    let text = house.succeed(&[
        "soak",
        "--seconds",
        "1",
        "--sample-seconds",
        "0.2",
        "--cap",
        "1M",
        "--room",
        "40M",
        "--full-seconds",
        "0.5",
    ]);
    let full = last_record(&house, "soak");
    assert!(full["refused"].as_u64().unwrap() > 0, "{full}");
    assert!(full["found"].as_u64() >= full["accepted"].as_u64(), "{full}");
    assert!(text.contains("| lost | 0 |"), "{text}");
}

#[test]
fn a_launch_in_front_of_real_processes_waits_for_the_first_and_loses_nothing() {
    let Some(house) = house(&["minidump"]) else { return };
    let text = house.succeed(&[
        "surge",
        "--no-day",
        "--real-seconds",
        "4",
        "--real-peak",
        "20",
        "--platform-delays",
        "0.5",
        "--start-ups",
        "0.5",
        "--patience-seconds",
        "60",
    ]);
    assert!(text.contains("| our start-up | 0.5 s | "), "{text}");
    let run = last_record(&house, "surge");
    assert_eq!(
        (&run["part"], &run["figures"]["lost"]),
        (&"launch, real processes".into(), &0.into()),
        "{text}"
    );
    assert!(run["figures"]["longest_ms"].as_f64().unwrap() >= 1000.0, "{run}");
}

#[test]
fn a_backlog_becomes_crashes_and_a_bill() {
    let Some(house) = house(&["minidump", "envelope", "process"]) else { return };
    house.succeed(&["drain", "--reports", "10", "--payloads", "event-2k,dump-400k"]);
    let drained = last_record(&house, "drain");
    assert!(drained["crashes"].as_u64().unwrap() >= 10, "{drained}");
    assert!(drained["cpu_us_per_crash"].as_f64().unwrap() > 0.0, "{drained}");
    assert!(drained["bucket_bytes_per_crash"].as_f64().unwrap() > 300_000.0, "{drained}");
    house.succeed(&[
        "load",
        "--seconds",
        "0.2",
        "--rounds",
        "1",
        "--servers",
        "sqs",
        "--payloads",
        "event-2k,dump-400k",
    ]);
    let text = house.succeed(&["cost"]);
    assert!(text.contains("a million handled errors") && text.contains("vCPU-seconds"), "{text}");
    assert!(!text.contains("NaN"), "{text}");
    let results = house.succeed(&["all", "--join"]);
    assert!(results.contains("## From report to crash") && results.contains("## Cost"), "{results}");
    assert_eq!(fs::read_to_string(house.results().join("RESULTS.md")).unwrap(), results);
}

#[test]
fn a_dump_becomes_a_crash_with_the_lines_of_the_program_that_was_uploaded() {
    let Some(house) = house(&["epitaph"]) else { return };
    let program = house.folder().join("crashing-game");
    compile_what_crashes(&["-O0", "-g", "-fno-omit-frame-pointer", "-Wl,--build-id"], &program);
    fs::write(house.folder().join("crash.dmp"), dump_of(&program)).unwrap();
    let told = house.succeed(&[
        "symbols",
        "--program",
        "crashing-game",
        "--dump",
        "crash.dmp",
        "--rounds",
        "2",
        "--walks",
        "0",
    ]);
    let seen = last_record(&house, "symbols");
    // `load_level` in `start_game` in `main`. How many more depends on what looks like a return address below `main`.
    let named = seen["named"].as_u64().unwrap();
    assert!(named >= 3, "{seen}");
    assert_eq!(seen["warm"].as_array().unwrap().len(), 2, "{seen}");
    for memory in ["memory_converting", "memory_cold", "memory_warm", "memory_at_rest"] {
        assert!(seen[memory]["private"].as_u64() < seen[memory]["resident"].as_u64(), "{seen}");
    }
    assert!(
        told.contains(&format!("{named} frames of the crashing thread have a function and a line")),
        "{told}"
    );
    assert_eq!(fs::read_to_string(house.results().join("SYMBOLS.md")).unwrap().matches(&told).count(), 1);
}

#[test]
fn each_program_needs_the_dump_of_its_crash() {
    let said = House::new().fail(&["symbols", "--program", "a", "--program", "b", "--dump", "c"]);
    assert!(
        said.contains("2 programs and 1 dumps were given; expected a --dump for each --program"),
        "{said}"
    );
}
