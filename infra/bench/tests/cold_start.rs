//! Cold starts as their users measure them, with the bare server in the place of a function.
#![cfg(target_os = "linux")]

mod support;

use std::{fs, os::unix::fs::symlink, path::Path};

use support::House;

const ARGUMENTS: [&str; 7] =
    ["cold-start", "--rounds", "3", "--functions", "minidump", "--hosts", "plain,knative"];

#[test]
fn it_prints_a_table_of_bare_servers_and_functions_and_keeps_what_it_measured() {
    let house = House::new();
    house.put("all/minidump", env!("CARGO_BIN_EXE_bare-hyper"));
    let text = house.succeed(&ARGUMENTS);
    for begin in ["| minidump | bare hyper | ", "| minidump | all, plain | ", "| minidump | all, knative | "]
    {
        let row =
            text.lines().find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("{begin}: {text}"));
        let median: f64 = row.split(" | ").nth(2).unwrap().parse().unwrap();
        assert!(median > 0.0, "{row}");
    }
    let raw = fs::read_to_string(house.results().join("raw/cold-start.jsonl")).unwrap();
    // The machine, each counted start, and what each holds at rest.
    assert_eq!(raw.lines().count(), 1 + 3 * 3 + 3, "{raw}");
    assert_eq!(fs::read_to_string(house.results().join("raw/cold-start.md")).unwrap(), text);
    assert!(house.results().join("plots/cold-start.svg").is_file());
}

#[test]
fn a_program_that_ends_at_once_is_told_with_its_exit_code() {
    let house = House::new();
    house.put("all/minidump", "/bin/false");
    let text = house.fail(&ARGUMENTS);
    assert!(text.contains("minidump (all, plain) failed: it ended with exit status: 1"), "{text}");
}

#[test]
fn a_function_on_lambda_that_ends_at_once_is_told_with_its_exit_code() {
    let house = House::new();
    house.put("all/minidump", "/bin/false");
    house.put("bench/bare-lambda", "/bin/false");
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
    symlink(events.canonicalize().unwrap(), house.folder().join("events")).unwrap();
    let text = house.fail(&["cold-start", "--rounds", "1", "--hosts", "lambda", "--functions", "minidump"]);
    assert!(text.contains("bare lambda_http in round 1 failed: it ended with exit status: 1"), "{text}");
}

#[test]
fn no_function_at_all_is_told_with_what_to_do() {
    let house = House::new();
    let text = house.fail(&ARGUMENTS);
    assert!(text.contains("there is no function to start; see --bins and --build"), "{text}");
}
