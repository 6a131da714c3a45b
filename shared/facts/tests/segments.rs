//! Segments give back what was written, whole and one by one.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

#[allow(dead_code, reason = "each test uses some of it")]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use epitaph_crash_model::{CrashId, Fact, ProjectId};
use epitaph_facts::{Cursor, FactsError, Listing, SegmentWriter, Snapshot, compact};
use futures_util::TryStreamExt;
use proptest::{prelude::*, strategy::ValueTree};
use support::{
    Place, crash_id, divided, fact,
    model::passes,
    questions::{filter, period},
    write,
};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// What a segment keeps of a fact: of an uptime of more than 292 billion years, these.
fn kept(fact: &Fact) -> Fact {
    let most = i64::MAX.cast_unsigned();
    Fact { uptime_seconds: fact.uptime_seconds.map(|seconds| seconds.min(most)), ..fact.clone() }
}

/// Without the facts that are in no segment, which are given back as they are.
fn expected(divided: &[(Fact, usize)]) -> BTreeMap<CrashId, Fact> {
    let fact = |(fact, place): &(Fact, usize)| if *place == 0 { fact.clone() } else { kept(fact) };
    divided.iter().map(|found| (found.0.crash_id, fact(found))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn every_crash_is_found_as_it_was_and_no_other(
        divided in divided(60), group_rows in 1_usize..30, page_rows in 1_usize..8, picks in any::<u64>(), other in fact(),
    ) {
        let expected = expected(&divided);
        runtime().block_on(async {
            let place = Place::new();
            let snapshot = place.snapshot(&divided, (group_rows, page_rows)).await;
            let engine = place.engine();
            let all: BTreeSet<CrashId> = expected.keys().copied().collect();
            prop_assert_eq!(&engine.find(&all, &snapshot).await.unwrap(), &expected);
            let some: BTreeSet<CrashId> =
                all.iter().enumerate().filter(|(index, _)| picks >> (index % 64) & 1 == 1).map(|(_, id)| *id).collect();
            let of_some: BTreeMap<_, _> =
                expected.iter().filter(|(id, _)| some.contains(id)).map(|(id, fact)| (*id, fact.clone())).collect();
            prop_assert_eq!(&engine.find(&some, &snapshot).await.unwrap(), &of_some);
            let asked: BTreeSet<CrashId> = some.iter().copied().chain([other.crash_id]).collect();
            let known: BTreeSet<CrashId> = asked.intersection(&all).copied().collect();
            prop_assert_eq!(engine.known(&asked, &snapshot).await.unwrap(), known);
            Ok(())
        })?;
    }

    #[test]
    fn pages_of_crashes_and_an_export_hold_each_that_passes_once_newest_first(
        divided in divided(60), group_rows in 1_usize..30, filter in filter(), period in period(), limit in 1_usize..20,
        of_one in any::<bool>(),
    ) {
        let projects = if of_one { vec![ProjectId::FIRST] } else { Vec::new() };
        let mut listed: Vec<Fact> = expected(&divided)
            .into_values()
            .filter(|fact| projects.is_empty() || projects.contains(&fact.project))
            .filter(|fact| period.contains(fact.received_at) && passes(fact, &filter))
            .collect();
        listed.sort_by_key(|fact| std::cmp::Reverse((fact.received_at, fact.crash_id)));
        runtime().block_on(async {
            let place = Place::new();
            let snapshot = place.snapshot(&divided, (group_rows, 4)).await;
            let engine = place.engine();
            let mut listing = Listing { projects, period, filter, after: None };
            let mut pages = Vec::new();
            loop {
                let page = engine.crashes(&listing, limit, &snapshot).await.unwrap();
                prop_assert!(page.facts.len() == limit || page.next.is_none());
                pages.extend(page.facts);
                let Some(next) = page.next else { break };
                listing.after = Some(next.to_string().parse::<Cursor>().unwrap());
            }
            prop_assert_eq!(&pages, &listed);
            listing.after = None;
            let mut exported: Vec<Fact> =
                engine.export(&listing, &snapshot).unwrap().try_collect::<Vec<_>>().await.unwrap().concat();
            exported.sort_by_key(|fact| std::cmp::Reverse((fact.received_at, fact.crash_id)));
            prop_assert_eq!(&exported, &listed);
            Ok(())
        })?;
    }

    #[test]
    fn one_segment_of_several_holds_the_facts_of_all(
        divided in divided(60), group_rows in 1_usize..30, larger in 1_usize..60,
    ) {
        let divided: Vec<(Fact, usize)> =
            divided.into_iter().map(|(fact, place)| (Fact { project: ProjectId::FIRST, ..fact }, place + 1)).collect();
        runtime().block_on(async {
            let place = Place::new();
            let before = place.snapshot(&divided, (group_rows, 3)).await;
            let file = place.directory.path().join("compacted");
            let mut writer = SegmentWriter::new(&file, ProjectId::FIRST).with_sizes(larger, 5);
            compact(&place.bucket, &before.segments, &mut writer).await.unwrap();
            let Some(segment) = writer.finish("compacted").unwrap() else {
                prop_assert!(divided.is_empty());
                return Ok(());
            };
            segment.upload(&file, &place.bucket).await.unwrap();
            prop_assert_eq!(segment.rows, divided.len() as u64);
            let after = Snapshot { segments: vec![segment].into(), ..Snapshot::default() };
            let all = expected(&divided).into_keys().collect();
            prop_assert_eq!(place.engine().find(&all, &after).await.unwrap(), expected(&divided));
            Ok(())
        })?;
    }
}

#[test]
fn facts_out_of_order_or_of_another_project_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let project = ProjectId::FIRST;
    let fact = |millis, project| {
        Fact::new(
            crash_id(support::T0 + millis, 1),
            project,
            epitaph_crash_model::SignatureId::from_bytes([0; 16]),
        )
    };
    let other = ProjectId::try_from(2_u64).unwrap();
    for wrong in [fact(5, project), fact(4, project), fact(9, other)] {
        let mut writer = SegmentWriter::new(&place.path().join("segment"), project);
        writer.push(&fact(5, project)).unwrap();
        assert!(matches!(writer.push(&wrong), Err(FactsError::OutOfOrder)));
    }
    assert!(SegmentWriter::new(&place.path().join("none"), project).finish("none").unwrap().is_none());
    assert!(!place.path().join("none").exists());
}

#[test]
fn a_segment_says_what_it_holds_and_where_its_index_begins() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("segment");
    let runner = &mut proptest::test_runner::TestRunner::deterministic();
    let fact = |runner: &mut _| {
        let fact = fact().new_tree(runner).unwrap().current();
        Fact { project: ProjectId::FIRST, ..fact }
    };
    let facts: Vec<Fact> = (0..200).map(|_| fact(runner)).collect();
    let segment = write(&file, "name", &facts, (50, 10)).unwrap();
    assert_eq!(segment.rows, 200);
    assert_eq!(segment.bytes, std::fs::metadata(&file).unwrap().len());
    assert!(segment.index_bytes > 100 && segment.index_bytes < segment.bytes);
    assert_eq!(segment.first_received, facts.iter().map(|fact| fact.received_at).min().unwrap());
    assert_eq!(segment.last_received, facts.iter().map(|fact| fact.received_at).max().unwrap());
    assert_eq!(segment.lowest_crash, facts.iter().map(|fact| fact.crash_id).min().unwrap());
    assert_eq!(segment.highest_crash, facts.iter().map(|fact| fact.crash_id).max().unwrap());
    assert_eq!(segment.distinct["signature"], 6);
    assert_eq!(segment.distinct["tag:shard"], 3);
    let json = serde_json::to_string(&segment).unwrap();
    assert_eq!(serde_json::from_str::<epitaph_facts::Segment>(&json).unwrap(), segment);
}

/// Whatever byte of a segment is wrong, an answer is an error or an answer; never a panic, nor without end.
#[test]
fn a_damaged_segment_makes_nothing_panic() {
    let runner = &mut proptest::test_runner::TestRunner::deterministic();
    let facts: Vec<Fact> = (0..60)
        .map(|_| Fact { project: ProjectId::FIRST, ..fact().new_tree(runner).unwrap().current() })
        .collect();
    let place = Place::new();
    let file = place.directory.path().join("segment");
    let segment = write(&file, "damaged", &facts, (20, 7)).unwrap();
    let whole = std::fs::read(&file).unwrap();
    let questions: Vec<_> =
        (0..4).map(|_| support::questions::question().new_tree(runner).unwrap().current()).collect();
    let snapshot = Snapshot { segments: vec![segment.clone()].into(), ..Snapshot::default() };
    let crashes: BTreeSet<CrashId> = facts.iter().map(|fact| fact.crash_id).collect();
    runtime().block_on(async {
        for at in (0..whole.len()).step_by(29) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            place.bucket.put(&segment.key(), damaged.into()).await.unwrap();
            let directory = tempfile::tempdir().unwrap();
            let engine = epitaph_facts::Engine::new(
                place.bucket.clone(),
                directory.path(),
                &epitaph_facts::EngineOptions { threads: 1, ..Default::default() },
            )
            .unwrap();
            for question in &questions {
                let _ = engine.ask(question, &snapshot).await;
            }
            let _ = engine.find(&crashes, &snapshot).await;
        }
    });
}
