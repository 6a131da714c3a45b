use std::{
    collections::{BTreeMap, HashSet},
    task::Poll,
};

use proptest::prelude::*;
use tokio::task::JoinSet;

use super::*;
use crate::{
    IssueQuery,
    sample::{Engine, Place, T0, catalog, crash, on_each_engine},
};

async fn total(catalog: &Catalog) -> u64 {
    let issues = catalog.issues(ProjectId::FIRST, &IssueQuery::default()).await.unwrap();
    issues.iter().map(|issue| issue.count).sum()
}

async fn a_crash_is_recorded_once_and_the_first_attempt_wins(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let first = crash(1, "render", T0);
    assert!(!catalog.was_seen(first.fact.project, first.fact.crash_id).await.unwrap());
    let recorded = catalog.record(&first).await.unwrap();
    assert_eq!(recorded, Recorded::First { issue: IssueNumber(1), new_issue: true });
    let again = NewCrash { attempt: "another".into(), ..first.clone() };
    assert_eq!(catalog.record(&again).await.unwrap(), Recorded::Already);
    // Even where it would be of another signature now: rules may have changed in between.
    let other = NewCrash { fact: first.fact.clone(), ..crash(1, "audio", T0) };
    let other = NewCrash { fact: Fact { signature: other.signature.id, ..other.fact }, ..other };
    assert_eq!(catalog.record(&other).await.unwrap(), Recorded::Already);
    let row = catalog.crash(first.fact.project, first.fact.crash_id).await.unwrap().unwrap();
    assert_eq!((row.attempt.as_deref(), row.issue), (Some("attempt-1"), IssueNumber(1)));
    assert!(catalog.was_seen(first.fact.project, first.fact.crash_id).await.unwrap());
    assert_eq!(total(&catalog).await, 1);
}

async fn issues_are_numbered_from_1_in_each_project(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let other = catalog.add_project(None, "Other").await.unwrap().id;
    let mut numbers = Vec::new();
    for (index, (project, signature)) in (0..).zip([
        (ProjectId::FIRST, "a"),
        (other, "a"),
        (ProjectId::FIRST, "b"),
        (ProjectId::FIRST, "a"),
        (other, "b"),
    ]) {
        let mut crash = crash(index, signature, T0);
        crash.fact.project = project;
        let Recorded::First { issue, new_issue } = catalog.record(&crash).await.unwrap() else {
            panic!("recorded before")
        };
        numbers.push((issue.0, new_issue));
    }
    assert_eq!(numbers, [(1, true), (1, true), (2, true), (1, false), (2, true)]);
}

async fn a_crash_of_an_unknown_project_is_its_own_fault_and_leaves_nothing(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let mut crash = crash(1, "render", T0);
    crash.fact.project = ProjectId::try_from(9_u64).unwrap();
    let error = catalog.record(&crash).await.unwrap_err();
    assert!(matches!(error, CatalogError::UnknownProject(id) if id == crash.fact.project), "{error:?}");
    assert!(!error.is_unavailable());
    assert!(!catalog.was_seen(crash.fact.project, crash.fact.crash_id).await.unwrap());
    catalog.add_project(Some(crash.fact.project), "Nine").await.unwrap();
    let recorded = catalog.record(&crash).await.unwrap();
    assert_eq!(recorded, Recorded::First { issue: IssueNumber(1), new_issue: true });
}

async fn a_fact_of_another_signature_is_refused(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let mixed = NewCrash { fact: crash(1, "audio", T0).fact, ..crash(1, "render", T0) };
    assert!(matches!(catalog.record(&mixed).await, Err(CatalogError::Invalid(_))));
}

async fn tables_that_do_not_exist_yet_are_not_the_crashes_fault(engine: Engine) {
    let place = Place::new(engine);
    let error = place.open().record(&crash(1, "render", T0)).await.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
}

async fn texts_with_a_zero_byte_are_recorded_as_every_engine_takes_them(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let mut crash = crash(1, "ren\0der", T0);
    crash.fact.reason = Some("a\0b".into());
    catalog.record(&crash).await.unwrap();
    let row = catalog.crash(crash.fact.project, crash.fact.crash_id).await.unwrap().unwrap();
    assert_eq!(row.fact.reason.as_deref(), Some("a\u{fffd}b"));
    assert_eq!(row.signature_text, "ren\u{fffd}der");
}

async fn what_was_not_committed_is_not_there(engine: Engine) {
    let (place, catalog) = catalog(engine).await;
    let crash = crash(1, "render", T0);
    let mut transaction = catalog.begin().await.unwrap();
    let recorded = record_in(&mut transaction, &crash).await.unwrap();
    assert_eq!(recorded, Recorded::First { issue: IssueNumber(1), new_issue: true });
    drop(transaction);
    drop(catalog);
    let reopened = place.open();
    assert!(!reopened.was_seen(crash.fact.project, crash.fact.crash_id).await.unwrap());
    assert_eq!(reopened.issue(crash.fact.project, IssueNumber(1), None).await.unwrap(), None);
    let recorded = reopened.record(&crash).await.unwrap();
    assert_eq!(recorded, Recorded::First { issue: IssueNumber(1), new_issue: true });
}

/// Drops the future when it wants to go on for the so-many-eth time. Whether it came to its end.
async fn poll_at_most<F: Future>(polls: u32, future: F) -> bool {
    let mut future = Box::pin(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        future.as_mut().poll(context).map(|_| true)
    })
    .await
}

async fn a_record_that_is_dropped_half_way_leaves_nothing_or_all(engine: Engine) {
    let (place, catalog) = catalog(engine).await;
    let mut last = 0;
    // The last one has a new signature too: it waits for those that were dropped, until they are rolled back.
    while !poll_at_most(last, catalog.record(&crash(last, &format!("s{last}"), T0))).await {
        last += 1;
        assert!(last < 10_000);
    }
    let reader = place.open();
    let issues = reader.issues(ProjectId::FIRST, &IssueQuery::default()).await.unwrap();
    let numbers: HashSet<_> = issues.iter().map(|issue| issue.id.0).collect();
    assert_eq!(numbers, (1..=i64::try_from(issues.len()).unwrap()).collect());
    let mut recorded = Vec::new();
    for index in 0..=last {
        let id = crash(index, "", T0).fact.crash_id;
        let there = reader.crash(ProjectId::FIRST, id).await.unwrap().is_some();
        assert_eq!(reader.was_seen(ProjectId::FIRST, id).await.unwrap(), there, "{index}");
        recorded.push(there);
    }
    assert_eq!(recorded.iter().filter(|&&there| there).count(), issues.len());
    // The shortest got nowhere, so those in between were dropped at every step.
    assert_eq!((recorded.first(), recorded.last()), (Some(&false), Some(&true)));
}

#[tokio::test]
async fn a_full_disk_is_not_the_crashes_fault_and_loses_nothing() {
    let (_place, catalog) = catalog(Engine::Sqlite).await;
    let writer = &catalog.pools().await.unwrap().write;
    // As many pages as there are now, and no more. Holds for this connection only.
    sqlx::query("PRAGMA max_page_count = 1").execute(writer).await.unwrap();
    let mut index = 0;
    let error = loop {
        match catalog.record(&crash(index, &format!("s{index}"), T0)).await {
            Ok(_) => index += 1,
            Err(error) => break error,
        }
    };
    assert!(error.is_unavailable(), "{error:?}");
    let recorded = catalog.record(&crash(index, &format!("s{index}"), T0)).await.unwrap();
    let issue = IssueNumber(i64::from(index) + 1);
    assert_eq!(recorded, Recorded::First { issue, new_issue: true });
    assert_eq!(total(&catalog).await, u64::from(index) + 1);
}

async fn a_new_signature_that_many_bring_at_once_makes_one_issue(engine: Engine) {
    let (place, catalog) = catalog(engine).await;
    let others = [place.open(), place.open()];
    let mut tasks = JoinSet::new();
    for index in 0..48 {
        let catalog =
            others.get(usize::try_from(index % 3).unwrap()).cloned().unwrap_or_else(|| catalog.clone());
        tasks.spawn(async move { catalog.record(&crash(index, "render", T0)).await.unwrap() });
    }
    let recorded = tasks.join_all().await;
    let made = recorded.iter().filter(|recorded| matches!(recorded, Recorded::First { new_issue: true, .. }));
    assert_eq!(made.count(), 1);
    let issue = |recorded: &Recorded| matches!(recorded, Recorded::First { issue: IssueNumber(1), .. });
    assert!(recorded.iter().all(issue), "{recorded:?}");
    let issues = catalog.issues(ProjectId::FIRST, &IssueQuery::default()).await.unwrap();
    assert_eq!(issues.iter().map(|issue| issue.count).collect::<Vec<_>>(), [48]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Deliveries: which crash, with which weight per crash and signature per crash, to which of two processes.
    #[test]
    fn every_crash_is_counted_exactly_once_in_whatever_order_it_comes(
        deliveries in prop::collection::vec((0..16_u32, any::<bool>()), 1..60),
    ) {
        for engine in Engine::all() {
            assert_all_are_counted_once(engine, &deliveries)?;
        }
    }
}

fn assert_all_are_counted_once(engine: Engine, deliveries: &[(u32, bool)]) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build()?;
    let sample = |index: u32| {
        let mut crash = crash(index, ["a", "b", "c"][index as usize % 3], T0 + i64::from(index * 7 % 5));
        crash.fact.weight = 1 + index;
        crash.fact.release = Some(index.to_string());
        crash
    };
    let (outcomes, issues) = runtime.block_on(async {
        let (place, one) = catalog(engine).await;
        let two = place.open();
        let mut tasks = JoinSet::new();
        for (delivery, &(index, first)) in deliveries.iter().enumerate() {
            let catalog = if first { one.clone() } else { two.clone() };
            let new = NewCrash { attempt: delivery.to_string(), ..sample(index) };
            tasks.spawn(async move { (index, catalog.record(&new).await.unwrap()) });
        }
        (tasks.join_all().await, one.issues(ProjectId::FIRST, &IssueQuery::default()).await.unwrap())
    });
    let delivered: HashSet<u32> = deliveries.iter().map(|(index, _)| *index).collect();
    let firsts: Vec<u32> = outcomes
        .iter()
        .filter(|(_, recorded)| matches!(recorded, Recorded::First { .. }))
        .map(|(index, _)| *index)
        .collect();
    prop_assert_eq!(firsts.len(), delivered.len());
    prop_assert_eq!(&firsts.iter().copied().collect::<HashSet<_>>(), &delivered);

    let mut expected: BTreeMap<String, Vec<Fact>> = BTreeMap::new();
    for &index in &delivered {
        let crash = sample(index);
        expected.entry(crash.title).or_default().push(crash.fact);
    }
    prop_assert_eq!(issues.len(), expected.len());
    for issue in issues {
        let facts = &expected[&issue.title];
        prop_assert_eq!(issue.count, facts.iter().map(|fact| u64::from(fact.weight)).sum::<u64>());
        let first = facts.iter().min_by_key(|fact| (fact.received_at, fact.crash_id)).unwrap();
        let last = facts.iter().max_by_key(|fact| (fact.received_at, fact.crash_id)).unwrap();
        prop_assert_eq!((issue.first_seen, &issue.first_release), (first.received_at, &first.release));
        prop_assert_eq!((issue.last_seen, &issue.last_release), (last.received_at, &last.release));
    }
    Ok(())
}

on_each_engine! {
    a_crash_is_recorded_once_and_the_first_attempt_wins,
    issues_are_numbered_from_1_in_each_project,
    a_crash_of_an_unknown_project_is_its_own_fault_and_leaves_nothing,
    a_fact_of_another_signature_is_refused,
    tables_that_do_not_exist_yet_are_not_the_crashes_fault,
    texts_with_a_zero_byte_are_recorded_as_every_engine_takes_them,
    what_was_not_committed_is_not_there,
    a_record_that_is_dropped_half_way_leaves_nothing_or_all,
    a_new_signature_that_many_bring_at_once_makes_one_issue,
}
