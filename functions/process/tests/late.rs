//! Symbols that come after the crashes that want them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use std::{collections::BTreeSet, sync::Arc};

use common::{
    corpus::{PROJECT, again, engine_sym, event, game_sym, issues, same_partition, size, stack, upload},
    debug_files::{message, uploaded},
    house::{House, report},
};
use epitaph_catalog::{IssueQuery, SegmentRow};
use epitaph_crash_model::{CrashId, LateCrash, LateCrashes, Message, MessageKind, Report, Timestamp};
use epitaph_process::steps::{Step, Steps};
use epitaph_queue::Outcome;
use epitaph_secrets::Purpose;
use epitaph_test_dumps::{MISLEADING_FRAME, misleading, windows};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};

/// How many reports all issues count.
async fn total(house: &House) -> u64 {
    let issues =
        house.catalog.issues(PROJECT, &IssueQuery { limit: 10_000, ..IssueQuery::default() }).await.unwrap();
    issues.iter().map(|issue| issue.count).sum()
}

/// Symbols come at these places among the reports.
async fn partition_of(
    reports: &[Report],
    engine_at: usize,
    game_at: usize,
    callers: u64,
) -> Vec<(i64, String)> {
    let house = House::new().await;
    for index in 0..=reports.len() {
        if index == engine_at {
            upload(&house, &engine_sym()).await;
        }
        if index == game_at {
            upload(&house, &game_sym(callers)).await;
        }
        if let Some(report) = reports.get(index) {
            assert_eq!(house.handle(report).await, Outcome::Done);
        }
    }
    assert_eq!(total(&house).await, reports.len() as u64);
    issues(&house, reports).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn symbols_last_gives_every_crash_the_issue_that_symbols_first_gives_it() {
    let (offsets, callers) =
        (size("EPITAPH_TEST_OFFSETS", 10) as u64, size("EPITAPH_TEST_CALLERS", 3) as u64);
    let stacks = (0..offsets).flat_map(|offset| (0..callers).map(move |caller| stack(offset, caller)));
    let mut reports: Vec<Report> = stacks.map(|stack| event(&stack)).collect();
    // Some crash again, in another order.
    reports.extend(again(&reports).into_iter().rev().step_by(3));
    let count = reports.len();
    let first = partition_of(&reports, 0, 0, callers).await;
    let kinds = first.iter().map(|(issue, _)| issue).collect::<BTreeSet<_>>().len();
    // Asserts and aborts are named by their callers, and so are flushes that end in one; memcpy and the like with them.
    assert_eq!(kinds as u64, 3 * callers, "{first:?}");
    for (engine_at, game_at) in [(count, count), (0, count), (count, count / 2), (count / 3, count / 2)] {
        let last = partition_of(&again(&reports), engine_at, game_at, callers).await;
        same_partition(&first, &last);
    }
}

/// The debug id of the game in dumps.
const DUMPED: &str = "443322116655887799AABBCCDDEEFF002";

fn dumped_sym() -> String {
    format!(
        "MODULE windows x86_64 {DUMPED} Game.pdb\nFILE 0 a.cpp\nFUNC 1000 20 0 draw_mesh\n1000 20 41 0\n\
         FUNC 2000 20 0 run_frame\n2000 20 11 0\nFUNC 3000 20 0 main\n3000 20 12 0\n\
         FUNC 4000 20 0 load_level\n4000 20 7 0\nFUNC 5000 20 0 save_game\n5000 20 7 0\n\
         STACK CFI INIT 1000 20 .cfa: $rsp {MISLEADING_FRAME} + .ra: .cfa -8 + ^\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashes_that_only_unwinding_tells_apart_are_told_apart_singly() {
    let callers = [0x4001, 0x4001, 0x5001, 0x4001, 0x5001];
    let reports = callers.map(misled);
    let mut partitions = Vec::new();
    for symbols_first in [true, false] {
        let house = House::new().await;
        if symbols_first {
            upload(&house, &dumped_sym()).await;
        }
        let reports = again(&reports);
        for report in &reports {
            assert_eq!(house.handle(report).await, Outcome::Done);
        }
        let before = issues(&house, &reports).await;
        if !symbols_first {
            assert!(before.iter().all(|issue| *issue == before[0]), "alike until symbols come: {before:?}");
            upload(&house, &dumped_sym()).await;
        }
        assert_eq!(total(&house).await, 5);
        partitions.push(issues(&house, &reports).await);
    }
    same_partition(&partitions[0], &partitions[1]);
    assert_ne!(partitions[1][1], partitions[1][2]);
}

/// Dumps of the same bytes would be the same crash.
fn misled(caller: u64) -> Report {
    report(&[misleading(caller), CrashId::new().to_string().into_bytes()].concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashes_in_segments_that_only_unwinding_tells_apart_are_told_apart_when_they_are_asked_for() {
    let house = House::new().await;
    let reports = [0x4001, 0x4001, 0x5001, 0x4001, 0x5001].map(misled);
    for report in &reports {
        assert_eq!(house.handle(report).await, Outcome::Done);
    }
    let rows = [house.row(&reports[1]).await.unwrap(), house.row(&reports[2]).await.unwrap()];
    let raw = rows[0].fact.signature;
    let ids = rows.clone().map(|row| row.fact.crash_id);
    house.catalog.begin_segment(PROJECT, "segment").await.unwrap();
    let segment = SegmentRow {
        project: PROJECT,
        name: "segment".to_owned(),
        first_received: rows[0].fact.received_at,
        last_received: rows[1].fact.received_at,
        lowest_crash: ids[0],
        highest_crash: ids[1],
        facts: 2,
        bytes: 1,
        described: String::new(),
    };
    assert!(house.catalog.seal(&segment, &ids).await.unwrap());
    upload(&house, &dumped_sym()).await;
    let mixed = house.catalog.mixed_signatures(PROJECT).await.unwrap();
    assert_eq!(mixed.iter().map(|mixed| mixed.signature).collect::<Vec<_>>(), [raw]);

    // As maintenance asks then.
    let crashes = rows.map(|row| LateCrash {
        crash_id: row.fact.crash_id,
        attempt: row.attempt.unwrap(),
        received_at: row.fact.received_at,
        release: row.fact.release,
    });
    let late = LateCrashes { signature: raw, crashes: crashes.into() };
    assert_eq!(house.processor.handle(&word(&house, &Some(late)), 1).await, Outcome::Done);
    // Which of the two most are called, chance decides: it chooses those that stand for all.
    let mut signatures = Vec::new();
    for report in [&reports[0], &reports[4]] {
        signatures.push(house.row(report).await.unwrap().fact.signature);
    }
    let exceptions: Vec<_> = ids.into_iter().zip(signatures).filter(|(_, own)| *own != raw).collect();
    assert_eq!(exceptions.len(), 1, "{exceptions:?}");
    assert_eq!(house.catalog.overrides(PROJECT).await.unwrap(), exceptions.into_iter().collect());
}

/// Who does something, one step at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Crash,
    Upload,
}

fn whose(step: Step) -> Who {
    match step {
        Step::Counted | Step::Looked | Step::Signed | Step::Recorded => Who::Crash,
        Step::Converted | Step::Listed => Who::Upload,
    }
}

/// Steps of each, with the one to its end.
const CRASH_STEPS: usize = 5;
const UPLOAD_STEPS: usize = 3;

/// A crash and the upload of its symbols, each of which goes on when it is told to.
struct Race {
    house: House,
    report: Report,
    crash: Message,
    upload: Message,
    reached: mpsc::UnboundedReceiver<()>,
    go: [Arc<Semaphore>; 2],
    running: [Option<JoinHandle<()>>; 2],
    done: mpsc::UnboundedSender<()>,
}

impl Race {
    async fn new() -> Self {
        let (done, reached) = mpsc::unbounded_channel();
        let go = [Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0))];
        let (told, gates) = (done.clone(), go.clone());
        let steps = Steps::waiting_for(move |step| {
            let gate = Arc::clone(&gates[whose(step) as usize]);
            let _ = told.send(());
            async move { gate.acquire().await.unwrap().forget() }.boxed()
        });
        let house = House::with(|settings| settings.steps = steps).await;
        let report = report(&windows());
        let crash = house.signed(&report);
        let uploaded = uploaded(&house, dumped_sym().as_bytes()).await;
        let upload = message(&house, &uploaded);
        Self { house, report, crash, upload, reached, go, running: [None, None], done }
    }

    /// Lets one go on until its next step, or its end.
    async fn step(&mut self, who: Who) {
        let message = if who == Who::Crash { &self.crash } else { &self.upload };
        match &self.running[who as usize] {
            Some(_) => self.go[who as usize].add_permits(1),
            None => {
                let (processor, message) = (self.house.processor.clone(), message.clone());
                let done = self.done.clone();
                #[expect(clippy::disallowed_methods, reason = "it is waited for, step by step")]
                let running = tokio::spawn(async move {
                    assert_eq!(processor.handle(&message, 1).await, Outcome::Done);
                    let _ = done.send(());
                });
                self.running[who as usize] = Some(running);
            }
        }
        self.reached.recv().await.unwrap();
    }

    /// Whatever still runs ends where it is.
    async fn die(&mut self) {
        for running in self.running.iter_mut().filter_map(Option::take) {
            running.abort();
            let _ = running.await;
        }
        for gate in &self.go {
            gate.add_permits(100);
        }
    }

    async fn ends_well(&self, how: &str) {
        let issue = issues(&self.house, std::slice::from_ref(&self.report)).await.remove(0);
        assert!(issue.1.starts_with("draw_mesh | "), "{how}: {}", issue.1);
        assert_eq!(total(&self.house).await, 1, "{how}");
    }
}

/// All orders in which the steps of both may come.
fn orders() -> Vec<Vec<Who>> {
    let steps = CRASH_STEPS + UPLOAD_STEPS;
    let chosen = (0..1_u32 << steps).filter(|bits| bits.count_ones() as usize == UPLOAD_STEPS);
    let order = |bits: u32| {
        (0..steps).map(move |step| if bits >> step & 1 == 1 { Who::Upload } else { Who::Crash }).collect()
    };
    chosen.map(order).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_in_flight_finds_its_symbols_whichever_step_comes_first() {
    assert_eq!(orders().len(), 56);
    let each = stream::iter(orders()).map(|order| async move {
        let mut race = Race::new().await;
        for who in &order {
            race.step(*who).await;
        }
        race.ends_well(&format!("{order:?}")).await;
    });
    each.buffer_unordered(2).collect::<()>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_dies_at_whichever_step_what_is_delivered_again_or_swept_finishes_it() {
    let mut cases = Vec::new();
    for crash in 0..=CRASH_STEPS {
        for upload in 0..=UPLOAD_STEPS {
            for crash_is_first in [true, false] {
                cases.push((crash, upload, crash_is_first));
            }
        }
    }
    let each = stream::iter(cases).map(|(crash, upload, crash_is_first)| async move {
        let mut race = Race::new().await;
        let mut turns = [(Who::Crash, crash), (Who::Upload, upload)];
        if !crash_is_first {
            turns.reverse();
        }
        for (who, steps) in turns {
            for _ in 0..steps {
                race.step(who).await;
            }
        }
        race.die().await;
        // What was taken and not answered comes again.
        for (who, steps) in turns {
            let (message, all) = match who {
                Who::Crash => (&race.crash, CRASH_STEPS),
                Who::Upload => (&race.upload, UPLOAD_STEPS),
            };
            if steps < all {
                assert_eq!(race.house.processor.handle(message, 2).await, Outcome::Done);
            }
        }
        assert_eq!(race.house.processor.handle(&sweep(&race.house), 1).await, Outcome::Done);
        race.ends_well(&format!("{turns:?}")).await;
    });
    each.buffer_unordered(2).collect::<()>().await;
}

/// What maintenance sends where something waits.
fn sweep(house: &House) -> Message {
    word(house, &None)
}

fn word(house: &House, late: &Option<LateCrashes>) -> Message {
    let (kind, now) = (MessageKind::LateSymbols, Timestamp::now());
    let mut message = Message::new(kind, PROJECT, "word".to_owned(), now, late).unwrap();
    house.secret.derive(Purpose::Message).sign_message(&mut message);
    message
}
