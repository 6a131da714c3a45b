//! Several processes on one catalog, killed while they work.
#![expect(clippy::unwrap_used, clippy::panic, reason = "this file is nothing but a test")]

mod common;

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
};

use common::crash;
use epitaph_catalog::{Catalog, IssueQuery, NewCrash, Recorded};
use epitaph_crash_model::{CrashId, Fact, ProjectId};
use epitaph_test_services::Postgres;

const LOCATION: &str = "CATALOG_OF_THE_TEST";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
#[ignore = "not a test: what the other processes do"]
fn worker() {
    let Some(location) = std::env::var_os(LOCATION) else { return };
    runtime().block_on(async {
        let catalog = Catalog::open(location.to_str().unwrap()).unwrap();
        catalog.migrate().await.unwrap();
        for number in (0..=u8::MAX).cycle() {
            let crash = crash(number);
            catalog.record(&crash).await.unwrap();
            // In one piece: a line that is whole was recorded.
            std::io::stderr().write_all(format!("{}\n", crash.fact.crash_id).as_bytes()).unwrap();
        }
    });
}

fn start_worker(location: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "worker", "--nocapture"])
        .env(LOCATION, location)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The ids that a worker says it recorded: waits for so many, then kills it and reads what it said until then.
fn kill_after(count: usize, worker: &mut Child) -> Vec<CrashId> {
    let mut said = BufReader::new(worker.stderr.take().unwrap());
    let (mut recorded, mut line) = (Vec::new(), String::new());
    loop {
        line.clear();
        if said.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
            break;
        }
        recorded.push(line.trim_end().parse().unwrap_or_else(|_| panic!("the worker says: {line}")));
        if recorded.len() == count {
            worker.kill().unwrap();
        }
    }
    worker.wait().unwrap();
    assert!(recorded.len() >= count, "the worker ended by itself");
    recorded
}

#[test]
fn what_killed_processes_said_was_recorded_is_there_once() {
    let place = tempfile::tempdir().unwrap();
    assert_killed_processes_lose_nothing(&format!("sqlite://{}/new/catalog.db", place.path().display()));
}

#[test]
fn what_killed_processes_said_was_recorded_is_there_once_in_postgresql() {
    let Some(server) = Postgres::start() else { return };
    assert_killed_processes_lose_nothing(&server.database());
}

fn assert_killed_processes_lose_nothing(location: &str) {
    let mut recorded = BTreeSet::new();
    for round in 0..4 {
        // In the first round they also make the catalog, all at once.
        let mut workers: Vec<_> = (0..3).map(|_| start_worker(location)).collect();
        for (index, worker) in workers.iter_mut().enumerate() {
            for id in kill_after(1 + round * 5 + index, worker) {
                assert!(recorded.insert(id), "{id} twice");
            }
        }
    }
    runtime().block_on(async {
        let catalog = Catalog::open(location).unwrap();
        catalog.check_version().await.unwrap();
        let found = catalog.recent_crashes(ProjectId::FIRST, epitaph_catalog::MOST_ROWS).await.unwrap();
        let found: BTreeSet<_> = found.into_iter().map(|row| row.fact.crash_id).collect();
        assert_eq!(recorded.difference(&found).collect::<Vec<_>>(), Vec::<&CrashId>::new());
        // A worker may have been killed after recording one and before it said so.
        assert!(found.len() <= recorded.len() + 12);
        for &id in &found {
            let again = NewCrash { fact: Fact { crash_id: id, ..crash(0).fact }, ..crash(0) };
            assert_eq!(catalog.record(&again).await.unwrap(), Recorded::Already);
        }
        let issues = catalog.issues(ProjectId::FIRST, &IssueQuery::default()).await.unwrap();
        assert_eq!(issues.iter().map(|issue| issue.count).sum::<u64>(), found.len() as u64);
        let numbers: BTreeSet<_> = issues.iter().map(|issue| issue.id.0).collect();
        assert!(numbers.into_iter().eq(1..=i64::try_from(issues.len()).unwrap()));
    });
}
