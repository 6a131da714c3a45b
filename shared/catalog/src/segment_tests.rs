use super::*;
use crate::{
    Recorded,
    sample::{Engine, T0, catalog, crash, on_each_engine},
};

const ONE: ProjectId = ProjectId::FIRST;

/// The segment of these facts, under a name.
fn segment_of(name: &str, facts: &[Fact]) -> SegmentRow {
    let crashes = facts.iter().map(|fact| fact.crash_id);
    let received = facts.iter().map(|fact| fact.received_at);
    SegmentRow {
        project: ONE,
        name: name.into(),
        first_received: received.clone().min().unwrap(),
        last_received: received.max().unwrap(),
        lowest_crash: crashes.clone().min().unwrap(),
        highest_crash: crashes.max().unwrap(),
        facts: facts.len() as u64,
        bytes: 1000,
        described: format!("{{\"name\":\"{name}\"}}"),
    }
}

async fn record(catalog: &Catalog, numbers: std::ops::Range<u32>) -> Vec<Fact> {
    let mut facts = Vec::new();
    for number in numbers {
        let crash = crash(number, &format!("s{}", number % 3), T0 + i64::from(number / 2));
        catalog.record(&crash).await.unwrap();
        facts.push(crash.fact);
    }
    facts
}

fn ids(facts: &[Fact]) -> Vec<CrashId> {
    facts.iter().map(|fact| fact.crash_id).collect()
}

fn period(from: i64, until: i64) -> Range<Timestamp> {
    Timestamp::from_millis(from)..Timestamp::from_millis(until)
}

/// Names of listed segments, and the crashes that are rows.
async fn state(catalog: &Catalog) -> (Vec<String>, Vec<CrashId>) {
    let snapshot = catalog.snapshot(ONE, &[]).await.unwrap();
    let mut recent: Vec<CrashId> = snapshot.recent.iter().map(|fact| fact.crash_id).collect();
    recent.sort();
    (snapshot.segments.into_iter().map(|segment| segment.name).collect(), recent)
}

async fn facts_move_from_rows_into_a_segment_and_are_seen_once(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let facts = record(&catalog, 0..1200).await;
    let issue = |number| catalog.issue(ONE, epitaph_crash_model::IssueNumber(number), None);
    let before = issue(1).await.unwrap().unwrap();
    let page = catalog.oldest_facts(ONE, period(T0, T0 + 500), None, 10_000).await.unwrap();
    assert_eq!(page, facts[..1000]);
    let segment = segment_of("a", &page);
    catalog.begin_segment(ONE, "a").await.unwrap();
    assert_eq!(state(&catalog).await, (vec![], ids(&facts)));
    assert!(catalog.seal(&segment, &ids(&page)).await.unwrap());
    assert_eq!(state(&catalog).await, (vec!["a".into()], ids(&facts[1000..])));
    assert_eq!(catalog.segments(ONE).await.unwrap(), [segment]);
    // An answer that was lost: it is asked again.
    assert!(!catalog.seal(&segment_of("a", &page), &ids(&page)).await.unwrap());
    assert!(!catalog.give_up_segment(ONE, "a").await.unwrap(), "what is listed is not given up");
    assert_eq!(state(&catalog).await.0, ["a"]);
    assert_eq!(catalog.record(&crash(7, "s1", T0)).await.unwrap(), Recorded::Already);
    // First and last outlive the rows.
    let after = issue(1).await.unwrap().unwrap();
    assert_eq!((after.first_seen, after.last_seen), (before.first_seen, before.last_seen));
    let next = catalog.oldest_facts(ONE, period(i64::MIN, i64::MAX), None, 3).await.unwrap();
    assert_eq!(next, facts[1000..1003]);
    let behind = Some((next[1].received_at, next[1].crash_id));
    let rest = catalog.oldest_facts(ONE, period(i64::MIN, i64::MAX), behind, 10_000).await.unwrap();
    assert_eq!(rest, facts[1002..]);
    let within = catalog.oldest_facts(ONE, period(T0 + 501, T0 + 502), None, 10_000).await.unwrap();
    assert_eq!(within, facts[1002..1004]);
}

async fn a_segment_whose_facts_are_not_all_rows_changes_nothing(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let facts = record(&catalog, 0..700).await;
    for name in ["a", "b"] {
        catalog.begin_segment(ONE, name).await.unwrap();
    }
    assert!(catalog.seal(&segment_of("a", &facts[600..]), &ids(&facts[600..])).await.unwrap());
    let before = state(&catalog).await;
    // Another writer has read the same rows.
    assert!(!catalog.seal(&segment_of("b", &facts), &ids(&facts)).await.unwrap());
    assert_eq!(state(&catalog).await, before);
}

async fn a_segment_that_was_given_up_lists_nothing(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let facts = record(&catalog, 0..5).await;
    catalog.begin_segment(ONE, "a").await.unwrap();
    let soon = || Timestamp::now().plus_millis(1000);
    assert_eq!(catalog.give_up_segments(Timestamp::now().plus_millis(-1000)).await.unwrap(), 0);
    assert_eq!(catalog.give_up_segments(soon()).await.unwrap(), 1);
    assert!(!catalog.seal(&segment_of("a", &facts), &ids(&facts)).await.unwrap());
    assert_eq!(state(&catalog).await, (vec![], ids(&facts)));
    assert_eq!(catalog.replaced_segments(soon(), 9).await.unwrap(), [(ONE, "a".to_owned())]);
    let asked = ["a".to_owned(), "b".to_owned()];
    assert_eq!(catalog.known_segments(ONE, &asked).await.unwrap(), ["a".to_owned()].into());
    catalog.forget_segment(ONE, "a").await.unwrap();
    assert!(catalog.known_segments(ONE, &asked).await.unwrap().is_empty());
}

async fn one_segment_takes_the_place_of_others_all_at_once_or_not_at_all(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let facts = record(&catalog, 0..6).await;
    let parts = [segment_of("a", &facts[..3]), segment_of("b", &facts[3..])];
    for (part, facts) in parts.iter().zip([&facts[..3], &facts[3..]]) {
        catalog.begin_segment(ONE, &part.name).await.unwrap();
        assert!(catalog.seal(part, &ids(facts)).await.unwrap());
    }
    for name in ["c", "d"] {
        catalog.begin_segment(ONE, name).await.unwrap();
    }
    assert!(catalog.replace_segments(&segment_of("c", &facts), &parts).await.unwrap());
    assert!(!catalog.replace_segments(&segment_of("d", &facts), &parts).await.unwrap());
    assert_eq!(state(&catalog).await, (vec!["c".into()], vec![]));
    assert!(catalog.drop_segment(ONE, "c").await.unwrap());
    assert!(!catalog.drop_segment(ONE, "c").await.unwrap());
    catalog.forget_segment(ONE, "d").await.unwrap();
    let known = catalog.known_segments(ONE, &["c".to_owned(), "d".to_owned()]).await.unwrap();
    assert_eq!(known.len(), 2, "what is unfinished is not forgotten");
}

async fn the_segments_that_may_hold_a_crash_are_those_around_its_id(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let facts = record(&catalog, 0..9).await;
    for (name, facts) in [("a", &facts[..3]), ("b", &facts[3..6])] {
        catalog.begin_segment(ONE, name).await.unwrap();
        assert!(catalog.seal(&segment_of(name, facts), &ids(facts)).await.unwrap());
    }
    let holders = async |project, first: usize, last: usize| {
        let (first, last) = (facts[first].crash_id, facts[last].crash_id);
        let mut found = catalog.segments_of_crashes(project, first, last).await.unwrap();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found.into_iter().map(|segment| segment.name).collect::<Vec<_>>()
    };
    assert_eq!(holders(Some(ONE), 1, 1).await, ["a"]);
    assert_eq!(holders(None, 2, 3).await, ["a", "b"]);
    assert!(holders(None, 7, 7).await.is_empty());
    assert!(holders(ProjectId::try_from(2_u64).ok(), 1, 1).await.is_empty());
}

async fn what_waits_is_told_by_project(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    assert!(catalog.unsealed().await.unwrap().is_empty());
    record(&catalog, 4..9).await;
    let oldest = Timestamp::from_millis(T0 + 2);
    assert_eq!(catalog.unsealed().await.unwrap(), [Unsealed { project: ONE, oldest, facts: 5 }]);
}

async fn how_a_crash_was_recorded_is_known_when_its_fact_is_sealed(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let mut counted = crash(9, "s0", T0);
    counted.counted_by = Some("noise".into());
    catalog.record(&counted).await.unwrap();
    let facts = record(&catalog, 0..1).await;
    catalog.delete_crashes(&[(ONE, counted.fact.crash_id)]).await.unwrap();
    let asked = [counted.fact.crash_id, facts[0].crash_id, crash(10, "s0", T0).fact.crash_id];
    let recorded = catalog.recorded_as(ONE, &asked).await.unwrap();
    let as_attempt = |number: u32, counted_by: Option<&str>| crate::RecordedAs {
        attempt: format!("attempt-{number}"),
        counted_by: counted_by.map(str::to_owned),
    };
    let expected = [(asked[0], as_attempt(9, Some("noise"))), (asked[1], as_attempt(0, None))];
    assert_eq!(recorded, expected.into());
}

on_each_engine! {
    facts_move_from_rows_into_a_segment_and_are_seen_once,
    a_segment_whose_facts_are_not_all_rows_changes_nothing,
    a_segment_that_was_given_up_lists_nothing,
    one_segment_takes_the_place_of_others_all_at_once_or_not_at_all,
    the_segments_that_may_hold_a_crash_are_those_around_its_id,
    what_waits_is_told_by_project,
    how_a_crash_was_recorded_is_known_when_its_fact_is_sealed,
}
