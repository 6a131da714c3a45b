use std::collections::BTreeSet;

use epitaph_crash_model::{IssueNumber, ProjectId, Signature, SignatureId};

use crate::{
    Awaited, Catalog, IssueQuery, Lacking, Missing, MissingModule, NamedAgain, NewCrash, Recorded, Renamed,
    late::SAMPLED,
    sample::{Engine, T0, catalog, crash, on_each_engine},
    symbols_tests::file,
};

const PROJECT: ProjectId = ProjectId::FIRST;

fn module(debug_id: &str) -> MissingModule {
    MissingModule { debug_id: debug_id.to_owned(), name: format!("{debug_id}.so") }
}

fn lacking(debug_ids: &[&str], known: i64) -> Lacking {
    Lacking { modules: debug_ids.iter().map(|id| module(id)).collect(), known }
}

fn signature(text: &str) -> Signature {
    crash(0, text, T0).signature
}

fn raw(text: &str) -> SignatureId {
    signature(text).id
}

/// Crash number `index`, whose frames lie at `raw` and which the rules call `name` so far.
fn unnamed(index: u32, raw: &str, name: &str, lacking: Lacking) -> NewCrash {
    let mut crash = crash(index, name, T0 + i64::from(index));
    crash.fact.signature = signature(raw).id;
    NewCrash { lacking: Some(lacking), ..crash }
}

fn renamed(raw: &str, name: &str, lacking: Lacking) -> Renamed {
    Renamed { signature: signature(raw).id, named: signature(name), lacking }
}

async fn record(catalog: &Catalog, crash: &NewCrash) -> i64 {
    match catalog.record(crash).await.unwrap() {
        Recorded::First { issue, .. } => issue.0,
        other => panic!("{other:?}"),
    }
}

async fn issue_of(catalog: &Catalog, index: u32) -> i64 {
    let id = crash(index, "", T0).fact.crash_id;
    catalog.crash(PROJECT, id).await.unwrap().unwrap().issue.0
}

async fn waiting(catalog: &Catalog) -> Vec<SignatureId> {
    catalog.waiting_for_symbols(PROJECT, Awaited::All, 100).await.unwrap()
}

/// Titles and counts of the issues that are listed.
async fn listed(catalog: &Catalog) -> Vec<(String, u64)> {
    let issues = catalog.issues(PROJECT, &IssueQuery::default()).await.unwrap();
    let mut listed: Vec<_> = issues.into_iter().map(|issue| (issue.title, issue.count)).collect();
    listed.sort();
    listed
}

async fn crashes_that_are_called_alike_are_one_issue_and_come_apart_when_their_names_do(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    assert_eq!(record(&catalog, &unnamed(1, "r1", "game+0x1", lacking(&["A"], 0))).await, 1);
    assert_eq!(record(&catalog, &unnamed(2, "r2", "game+0x1", lacking(&["A"], 0))).await, 1);
    assert_eq!(record(&catalog, &unnamed(3, "r2", "game+0x1", lacking(&["A"], 0))).await, 1);
    assert!(waiting(&catalog).await.is_empty());
    catalog.add_debug_file(&file("B", "00", 0)).await.unwrap();
    assert!(waiting(&catalog).await.is_empty(), "nothing lacks it");
    catalog.add_debug_file(&file("A", "01", 0)).await.unwrap();
    let known = catalog.arrivals(PROJECT).await.unwrap();
    assert_eq!(waiting(&catalog).await, [raw("r1"), raw("r2")]);
    let only = |id| catalog.waiting_for_symbols(PROJECT, Awaited::Module(id), 9);
    assert_eq!((only("A").await.unwrap().len(), only("B").await.unwrap().len()), (2, 0));

    let again = async |raw, name| catalog.name_again(PROJECT, &renamed(raw, name, lacking(&[], known))).await;
    assert_eq!(again("r1", "draw").await.unwrap(), NamedAgain::Of(IssueNumber(2)));
    assert_eq!(waiting(&catalog).await, [raw("r2")]);
    // The last one keeps the issue, whatever people made of it, under its new name.
    assert_eq!(again("r2", "load").await.unwrap(), NamedAgain::Of(IssueNumber(1)));
    assert!(waiting(&catalog).await.is_empty());
    assert_eq!(listed(&catalog).await, [("draw".to_owned(), 1), ("load".into(), 2)]);
    // One that comes with all of its symbols is of the same issue, and the old name is free.
    assert_eq!(record(&catalog, &crash(4, "load", T0)).await, 1);
    assert_eq!(record(&catalog, &unnamed(5, "r5", "game+0x1", lacking(&["C"], known))).await, 3);
}

async fn an_issue_that_is_left_without_crashes_leads_to_the_one_that_has_them(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    assert_eq!(record(&catalog, &crash(1, "draw", T0)).await, 1);
    for index in 2..5 {
        assert_eq!(record(&catalog, &unnamed(index, "r", "game+0x1", lacking(&["A"], 0))).await, 2);
    }
    catalog.add_debug_file(&file("A", "01", 0)).await.unwrap();
    let named = catalog.name_again(PROJECT, &renamed("r", "draw", lacking(&[], 1))).await.unwrap();
    assert_eq!(named, NamedAgain::Of(IssueNumber(1)));
    assert_eq!(listed(&catalog).await, [("Title of draw".to_owned(), 4)]);
    assert_eq!(catalog.moved_to(PROJECT, IssueNumber(2)).await.unwrap(), Some(IssueNumber(1)));
    assert_eq!(catalog.moved_to(PROJECT, IssueNumber(1)).await.unwrap(), None);
    assert_eq!(catalog.issue(PROJECT, IssueNumber(2), None).await.unwrap(), None);
}

async fn what_was_named_with_newer_symbols_stays(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    record(&catalog, &unnamed(1, "r", "game+0x1", lacking(&["A"], 0))).await;
    for sha256 in ["01", "02"] {
        catalog.add_debug_file(&file("A", sha256, 0)).await.unwrap();
    }
    catalog.name_again(PROJECT, &renamed("r", "newer", lacking(&["A"], 2))).await.unwrap();
    let stale = catalog.name_again(PROJECT, &renamed("r", "older", lacking(&[], 1))).await.unwrap();
    assert_eq!(stale, NamedAgain::Already);
    assert_eq!(listed(&catalog).await, [("newer".to_owned(), 1)]);
    // It still lacks what it lacked, but only better symbols wake it.
    assert!(waiting(&catalog).await.is_empty());
    catalog.add_debug_file(&file("A", "01", 0)).await.unwrap();
    assert_eq!(waiting(&catalog).await, [raw("r")]);
}

async fn a_crash_that_was_read_before_symbols_came_makes_its_signature_wait_again(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    record(&catalog, &unnamed(1, "r", "game+0x1", lacking(&["A", "B"], 0))).await;
    catalog.add_debug_file(&file("A", "01", 0)).await.unwrap();
    catalog.name_again(PROJECT, &renamed("r", "draw", lacking(&["B"], 1))).await.unwrap();
    assert!(waiting(&catalog).await.is_empty());
    record(&catalog, &unnamed(2, "r", "draw", lacking(&["B"], 1))).await;
    assert!(waiting(&catalog).await.is_empty(), "it was read with what is here");
    record(&catalog, &unnamed(3, "r", "game+0x1", lacking(&["A", "B"], 0))).await;
    assert_eq!(waiting(&catalog).await, [raw("r")]);
    assert_eq!([issue_of(&catalog, 1).await, issue_of(&catalog, 3).await], [1, 1]);
}

async fn exceptions_leave_with_their_facts_and_are_counted_once(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    for index in 0..6 {
        record(&catalog, &unnamed(index, "r", "game+0x1", lacking(&["A"], 0))).await;
    }
    catalog.add_debug_file(&file("A", "01", 0)).await.unwrap();
    let ids = |of: &[u32]| of.iter().map(|index| crash(*index, "", T0).fact.crash_id).collect::<Vec<_>>();
    let other = renamed("r as other", "other", lacking(&["B"], 1));
    let moved = async |of: &[u32]| catalog.sign_again(PROJECT, raw("r"), &other, &ids(of)).await.unwrap();
    assert_eq!(moved(&[0, 4]).await, 2);
    assert_eq!(moved(&[0, 5]).await, 1, "one of them has moved already");
    catalog.name_again(PROJECT, &renamed("r", "draw", lacking(&[], 1))).await.unwrap();
    assert_eq!(listed(&catalog).await, [("draw".to_owned(), 3), ("other".into(), 3)]);
    let issues = catalog.issues(PROJECT, &IssueQuery::default()).await.unwrap();
    for issue in issues {
        let first = if issue.title == "draw" { 1 } else { 0 };
        assert_eq!(issue.first_seen.as_millis(), T0 + first, "{}", issue.title);
    }
    let page = catalog.crashes_signed(PROJECT, other.signature, None, 2).await.unwrap();
    let last = page.last().map(|row| (row.fact.received_at, row.fact.crash_id));
    let rest = catalog.crashes_signed(PROJECT, other.signature, last, 9).await.unwrap();
    assert_eq!((page.len(), rest.len()), (2, 1));
    let samples = catalog.samples(PROJECT, other.signature).await.unwrap();
    assert!(samples.iter().any(|sample| sample.attempt == "attempt-5"), "{samples:?}");
    catalog.add_debug_file(&file("B", "02", 0)).await.unwrap();
    assert_eq!(waiting(&catalog).await, [other.signature]);
}

async fn a_segment_that_holds_facts_as_they_were_is_not_listed(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    record(&catalog, &unnamed(1, "r", "game+0x1", lacking(&["A"], 0))).await;
    let fact = crash(1, "", T0).fact;
    catalog.begin_segment(PROJECT, "written before").await.unwrap();
    let other = renamed("r as other", "other", lacking(&[], 1));
    catalog.sign_again(PROJECT, raw("r"), &other, &[fact.crash_id]).await.unwrap();
    let segment = crate::SegmentRow {
        project: PROJECT,
        name: "written before".to_owned(),
        first_received: fact.received_at,
        last_received: fact.received_at,
        lowest_crash: fact.crash_id,
        highest_crash: fact.crash_id,
        facts: 1,
        bytes: 1,
        described: String::new(),
    };
    assert!(!catalog.seal(&segment, &[fact.crash_id]).await.unwrap());
    assert_eq!(listed(&catalog).await, [("other".to_owned(), 1)]);
}

async fn a_few_crashes_stand_for_many_and_go_with_their_crashes(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let mut all = Vec::new();
    for index in 0..40 {
        let mut new = unnamed(index, "r", "game+0x1", lacking(&["A"], 0));
        new.counted_by = (index % 4 == 0).then(|| "noise".to_owned());
        record(&catalog, &new).await;
        all.push((PROJECT, new.fact.crash_id));
    }
    let samples = catalog.samples(PROJECT, raw("r")).await.unwrap();
    assert_eq!(samples.len(), SAMPLED);
    let number = |sample: &crate::Sample| sample.attempt["attempt-".len()..].parse::<u32>().unwrap();
    assert!(samples.iter().map(number).all(|number| number % 4 != 0), "one without a document: {samples:?}");
    assert!(samples.iter().map(number).max() > u32::try_from(SAMPLED + 2).ok(), "all are old: {samples:?}");
    assert_eq!(catalog.forget_gone(PROJECT).await.unwrap(), 0);
    catalog.delete_crashes(&all).await.unwrap();
    assert_eq!(catalog.forget_gone(PROJECT).await.unwrap(), 1);
}

async fn missing_modules_are_listed_with_the_signatures_that_lack_them(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    record(&catalog, &unnamed(1, "r1", "a", lacking(&["A", "B"], 0))).await;
    record(&catalog, &unnamed(2, "r1", "a", lacking(&["A", "B"], 0))).await;
    record(&catalog, &unnamed(3, "r2", "b", lacking(&["B"], 0))).await;
    let missing = async || {
        let rows = catalog.missing_symbols(PROJECT).await.unwrap();
        let row =
            |missing: Missing| (missing.module.name, missing.signatures.into_iter().collect::<BTreeSet<_>>());
        rows.into_iter().map(row).collect::<Vec<_>>()
    };
    let of_a = ("A.so".to_owned(), [raw("r1")].into());
    assert_eq!(missing().await, [of_a.clone(), ("B.so".into(), [raw("r1"), raw("r2")].into())]);
    catalog.add_debug_file(&file("B", "01", 0)).await.unwrap();
    assert_eq!(missing().await, [of_a]);
}

on_each_engine! {
    crashes_that_are_called_alike_are_one_issue_and_come_apart_when_their_names_do,
    an_issue_that_is_left_without_crashes_leads_to_the_one_that_has_them,
    what_was_named_with_newer_symbols_stays,
    a_crash_that_was_read_before_symbols_came_makes_its_signature_wait_again,
    exceptions_leave_with_their_facts_and_are_counted_once,
    a_segment_that_holds_facts_as_they_were_is_not_listed,
    a_few_crashes_stand_for_many_and_go_with_their_crashes,
    missing_modules_are_listed_with_the_signatures_that_lack_them,
}
