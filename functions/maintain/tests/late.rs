//! Symbols that came late: what is left to maintenance.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use epitaph_catalog::{Lacking, MissingModule, NewCrash, Renamed};
use epitaph_crash_model::{
    CrashId, Fact, LateCrash, LateCrashes, MessageKind, ProjectId, Signature, SignatureId, Timestamp,
};
use epitaph_facts::Question;
use support::{House, debug_file};

const PROJECT: ProjectId = ProjectId::FIRST;
const RAW: [u8; 16] = [8; 16];

fn signature(number: u8, text: &str) -> Signature {
    let id = SignatureId::from_bytes([number; 16]);
    Signature { id, rules: 2, text: text.into(), steps: Vec::new() }
}

/// Records a crash that lacks the symbols of a module.
async fn unnamed(house: &House) -> CrashId {
    let signature = signature(7, "game+0x1");
    let crash = NewCrash {
        fact: Fact::new(CrashId::new(), PROJECT, SignatureId::from_bytes(RAW)),
        title: signature.text.clone(),
        signature,
        lacking: Some(Lacking {
            modules: vec![MissingModule { debug_id: "AA1".into(), name: "game".into() }],
            known: house.catalog.arrivals(PROJECT).await.unwrap(),
        }),
        attempt: "won".into(),
        counted_by: None,
        client_id: None,
        dump_digest: None,
        outcomes: Vec::new(),
    };
    house.catalog.record(&crash).await.unwrap();
    crash.fact.crash_id
}

async fn arrive(house: &House, debug_id: &str) {
    let row = debug_file(debug_id, &"a".repeat(64), Timestamp::now());
    house.catalog.add_debug_file(&row).await.unwrap();
}

#[tokio::test]
async fn process_is_told_of_crashes_that_wait_for_symbols_that_are_here_and_of_no_others() {
    let house = House::new().await;
    let crash = unnamed(&house).await;
    arrive(&house, "AA2").await;
    house.maintenance().run().await.unwrap();
    assert!(house.queue.taken().is_empty());
    arrive(&house, "AA1").await;
    house.maintenance().run().await.unwrap();
    let messages = house.queue.messages.lock().unwrap().clone();
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!((message.kind, message.project()), (MessageKind::LateSymbols, Some(PROJECT)));
    assert_eq!(message.read::<Option<LateCrashes>>().unwrap(), None);
    // Once none of its crashes is left, nothing waits.
    house.catalog.delete_crashes(&[(PROJECT, crash)]).await.unwrap();
    house.maintenance().sweep().await.unwrap();
    house.maintenance().run().await.unwrap();
    assert_eq!(house.queue.taken().len(), 1);
}

/// How many reports each issue counts, by its title, in segments and outside.
async fn counts(house: &House) -> BTreeMap<String, u64> {
    let view = house.facts(house.catalog.clone()).view(PROJECT).await.unwrap();
    let question = Question {
        group_by: vec![epitaph_facts::Dimension::Column(epitaph_facts::Column::Issue)],
        ..Question::default()
    };
    let answer = view.ask(question).await.unwrap();
    let issues = view.issues_named(&answer).await.unwrap();
    let title =
        |number: &str| issues.iter().find(|issue| issue.id.0.to_string() == number).unwrap().title.clone();
    answer.rows.iter().map(|row| (title(row.value.as_deref().unwrap()), row.totals.count)).collect()
}

#[tokio::test]
async fn crashes_in_segments_that_are_not_called_alike_are_told_apart_and_counted_once() {
    let house = House::new().await;
    let mut crashes = BTreeSet::new();
    for _ in 0..7 {
        crashes.insert(unnamed(&house).await);
    }
    let sealing = house.sealing();
    assert_eq!(sealing.seal().await.unwrap().sealed, 7);
    let raw = SignatureId::from_bytes(RAW);
    house.catalog.note_mixed(PROJECT, raw).await.unwrap();
    sealing.run().await.unwrap();
    let messages = house.queue.messages.lock().unwrap().clone();
    let late: Vec<LateCrashes> =
        messages.iter().filter_map(|message| message.read::<Option<LateCrashes>>().unwrap()).collect();
    let [late] = late.as_slice() else { panic!("{late:?}") };
    let named: BTreeSet<_> = late.crashes.iter().map(|crash| crash.crash_id).collect();
    assert_eq!((late.signature, named), (raw, crashes));
    assert!(house.catalog.mixed_signatures(PROJECT).await.unwrap().is_empty());

    // As process says then of two of them, and again of one.
    let renamed = |named: Signature, number| Renamed {
        signature: SignatureId::from_bytes([number; 16]),
        named,
        lacking: Lacking::default(),
    };
    let usual = Renamed { signature: raw, ..renamed(signature(1, "draw"), 0) };
    house.catalog.name_again(PROJECT, &usual).await.unwrap();
    let except = async |crash: &LateCrash, renamed: &Renamed| {
        house.catalog.override_signature(PROJECT, raw, renamed, crash).await.unwrap()
    };
    let other = renamed(signature(2, "load"), 9);
    assert!(except(&late.crashes[1], &other).await);
    assert!(except(&late.crashes[4], &other).await && except(&late.crashes[4], &other).await);
    assert!(!except(&late.crashes[0], &renamed(signature(1, "draw"), 10)).await, "it is called as most are");
    let counted = |draw, load| [("draw".to_owned(), draw), ("load".to_owned(), load)].into();
    assert_eq!(counts(&house).await, [("draw".to_owned(), 7)].into(), "not yet");
    sealing.seal().await.unwrap();
    assert_eq!(counts(&house).await, counted(5, 2));
    assert!(house.catalog.overrides(PROJECT).await.unwrap().is_empty());
    // Nothing is left to do.
    sealing.run().await.unwrap();
    assert_eq!(counts(&house).await, counted(5, 2));
    let segments = house.catalog.segments(PROJECT).await.unwrap();
    assert_eq!(segments.iter().map(|segment| segment.facts).sum::<u64>(), 7);
}

#[tokio::test]
async fn a_crash_that_is_in_no_segment_is_not_kept_for_one() {
    let house = House::new().await;
    let crash_id = unnamed(&house).await;
    let named = signature(2, "load");
    let signature = SignatureId::from_bytes([9; 16]);
    let renamed = Renamed { signature, named, lacking: Lacking::default() };
    let raw = SignatureId::from_bytes(RAW);
    let crash =
        LateCrash { crash_id, attempt: "won".into(), received_at: crash_id.accepted_at(), release: None };
    assert!(!house.catalog.override_signature(PROJECT, raw, &renamed, &crash).await.unwrap());
    assert!(house.catalog.overrides(PROJECT).await.unwrap().is_empty());
}
