//! Very many crashes that came before their symbols.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, time::Instant};

use bytes::Bytes;
use common::{
    corpus::{ENGINE, GAME, PROJECT, engine_sym, game_sym, size, stack, upload},
    house::House,
};
use epitaph_bucket::Key;
use epitaph_catalog::{IssueQuery, Lacking, MissingModule, NewCrash};
use epitaph_crash_model::{Address, Crash, CrashId, Fact, Frame, Protocol, Signature, Thread};
use epitaph_process::ParserSettings;
use epitaph_signature::{Unsigned, raw, sign};

fn frames(stack: &[(&str, u64)]) -> Vec<Frame> {
    let frame = |(id, offset): &(&str, u64)| Frame {
        module: Some(if *id == ENGINE { "libengine.so".into() } else { "game".into() }),
        debug_id: Some((*id).to_owned()),
        address: Address(0x40_0000 + offset),
        offset: Some(Address(*offset)),
        ..Frame::default()
    };
    stack.iter().map(frame).collect()
}

/// A crash with these frames that is ready to be recorded, and its document.
fn ready(frames: &[Frame]) -> (NewCrash, Crash) {
    let id = CrashId::new();
    let unsigned = Unsigned { frames, ..Unsigned::default() };
    let module = |id: &str| MissingModule { debug_id: id.to_owned(), name: id.to_owned() };
    let signature = sign(&unsigned);
    let crash = Crash {
        threads: vec![Thread { frames: frames.to_vec(), ..Thread::default() }],
        crashing_thread: Some(0),
        ..Crash::new(id, PROJECT, Protocol::Envelope, Signature { steps: Vec::new(), ..signature.clone() })
    };
    let new = NewCrash {
        fact: Fact::new(id, PROJECT, raw(&unsigned)),
        title: signature.text.clone(),
        signature,
        lacking: Some(Lacking { modules: vec![module(ENGINE), module(GAME)], known: 0 }),
        attempt: "won".to_owned(),
        counted_by: None,
        client_id: None,
        dump_digest: None,
        outcomes: Vec::new(),
    };
    (new, crash)
}

/// What the rules call the crash of an offset and a caller once all symbols are here.
fn expected(offset: u64, caller: u64) -> String {
    let bug = format!("Bug::number_{caller}_ | main");
    match offset % 5 {
        2 => format!("memcpy | {bug}"),
        3 => format!("Assert::fail | {bug}"),
        _ => bug,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_work_of_naming_crashes_again_grows_with_their_signatures_and_not_with_their_number() {
    let (count, signatures) = (size("EPITAPH_TEST_CRASHES", 300), size("EPITAPH_TEST_SIGNATURES", 30) as u64);
    let callers = 10;
    let directory = tempfile::tempdir().unwrap();
    // Counts how often it is started to name frames.
    let (program, starts) = (directory.path().join("parser"), directory.path().join("starts"));
    let real = env!("CARGO_BIN_EXE_process");
    let script = format!("#!/bin/sh\necho $1 >> {}\nexec {real} \"$@\"\n", starts.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let house = House::with(|settings| settings.parser = ParserSettings::of(&program)).await;

    let place = |index: usize| {
        let number = index as u64 % signatures;
        (number / callers, number % callers)
    };
    let mut crashes = Vec::new();
    let started = Instant::now();
    for index in 0..count {
        let (offset, caller) = place(index);
        let (new, crash) = ready(&frames(&stack(offset, caller)));
        house.catalog.record(&new).await.unwrap();
        crashes.push((new.fact.crash_id, crash));
    }
    println!("recorded {count} crashes in {:?}", started.elapsed());
    let documents: BTreeMap<_, _> = crashes.iter().map(|(id, crash)| (*id, crash)).collect();
    for (_, crash) in crashes.iter().take(usize::try_from(signatures).unwrap()) {
        let first = raw(&Unsigned { frames: &crash.threads[0].frames, ..Unsigned::default() });
        for sample in house.catalog.samples(PROJECT, first).await.unwrap() {
            let document = serde_json::to_vec(documents[&sample.crash_id]).unwrap();
            let key = Key::document(PROJECT, sample.crash_id, &sample.attempt);
            house.bucket.put(&key, Bytes::from(zstd::encode_all(&document[..], 1).unwrap())).await.unwrap();
        }
    }
    assert_eq!(total(&house).await, count as u64);

    upload(&house, &engine_sym()).await;
    let started = Instant::now();
    upload(&house, &game_sym(callers)).await;
    println!("named {count} crashes of {signatures} signatures again in {:?}", started.elapsed());
    assert_eq!(total(&house).await, count as u64);
    let issues =
        house.catalog.issues(PROJECT, &IssueQuery { limit: 10_000, ..IssueQuery::default() }).await.unwrap();
    let titles: BTreeMap<_, _> = issues.iter().map(|issue| (issue.id, issue.title.as_str())).collect();
    let mut names = std::collections::BTreeSet::new();
    for (index, (id, _)) in crashes.iter().enumerate() {
        let issue = house.catalog.crash(PROJECT, *id).await.unwrap().unwrap().issue;
        let (offset, caller) = place(index);
        assert_eq!(titles[&issue], expected(offset, caller));
        names.insert(titles[&issue]);
    }
    assert_eq!(names.len(), issues.len(), "two issues have one name");
    let starts = fs::read_to_string(&starts).unwrap();
    let starts = starts.lines().filter(|command| *command == "symbolicate-frames").count();
    println!("{starts} crashes were processed again, for two debug files");
    // A few for each signature and file, however many crashes there are.
    assert!(starts as u64 <= 2 * 4 * signatures, "{starts}");
}

async fn total(house: &House) -> u64 {
    let issues =
        house.catalog.issues(PROJECT, &IssueQuery { limit: 10_000, ..IssueQuery::default() }).await.unwrap();
    issues.iter().map(|issue| issue.count).sum()
}
