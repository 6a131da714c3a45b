//! The bench as its users start it, with the bare server in the place of a function.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    path::Path,
    process::{Command, Output},
};

fn cold_start(binary: &str) -> Output {
    let data = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_epitaph-bench"))
        .args(["cold-start", "--rounds", "3", "--bare", env!("CARGO_BIN_EXE_bare-hyper"), "--binary", binary])
        .arg("--data")
        .arg(data.path())
        .output()
        .unwrap()
}

#[test]
fn it_prints_a_table_of_both_servers_and_their_ratio() {
    let output = cold_start(env!("CARGO_BIN_EXE_bare-hyper"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for begin in ["| bare hyper | ", "| the function | "] {
        let row = text.lines().find(|line| line.starts_with(begin)).unwrap();
        let median: f64 = row.split(" | ").nth(1).unwrap().parse().unwrap();
        assert!(median > 0.0, "{row}");
    }
    assert!(text.contains("Round by round, the function takes "), "{text}");
}

#[test]
fn a_program_that_ends_at_once_is_told_with_its_exit_code() {
    let output = cold_start("/bin/false");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("/bin/false did not answer in round 0: it ended with exit status: 1"), "{text}");
}

#[test]
fn a_function_on_lambda_that_ends_at_once_is_told_with_its_exit_code() {
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
    let nothing = tempfile::tempdir().unwrap();
    let mut bench = Command::new(env!("CARGO_BIN_EXE_epitaph-bench"));
    bench
        .args(["lambda-cold-start", "--rounds", "1", "--bare", "/bin/false", "--functions"])
        .arg(nothing.path());
    let output = bench.arg("--events").arg(events).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("bare lambda_http failed in round 0: it ended with exit status: 1 before"),
        "{text}"
    );
}
