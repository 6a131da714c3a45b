//! The rules' last word, with a real bucket, a real catalog and the real parser.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use std::{collections::BTreeMap, sync::Arc};

use common::house::{House, payload, report, stored};
use epitaph_catalog::CrashRow;
use epitaph_crash_model::{Encoding, Kind, ProjectId, Protocol, Report, Role, RuleOutcome, RuleVerdict};
use epitaph_queue::Outcome;
use epitaph_test_dumps::linux;
use tokio::task::JoinSet;

const HOUR: i64 = 60 * 60 * 1000;

async fn set_rules(house: &House, rules: &str) {
    house.set_rules(&format!(r#"{{"rules":{rules}}}"#)).await;
}

/// An error that the game handled, or a crash, of a player.
fn event(handled: bool, user: &str) -> Report {
    let mechanism = format!(r#"{{"type":"generic","handled":{handled}}}"#);
    let frame = r#"{"function":"draw","module":"render","in_app":true}"#;
    let json = format!(
        r#"{{"level":"error","exception":{{"values":[{{"type":"Broken","value":"it broke","mechanism":{mechanism},
        "stacktrace":{{"frames":[{frame}]}}}}]}}}}"#
    );
    let report = report(&[]);
    Report {
        protocol: Protocol::Envelope,
        payloads: vec![payload(Role::Event, "event.json", json.as_bytes())],
        annotations: [("user_id".to_owned(), user.to_owned())].into(),
        ..report
    }
}

async fn counted(house: &House) -> BTreeMap<(String, RuleVerdict), u64> {
    let since = epitaph_crash_model::Timestamp::now().day().plus(-1);
    let mut counts = BTreeMap::new();
    for counted in house.catalog.outcomes(ProjectId::FIRST, since).await.unwrap() {
        let RuleOutcome { rule, outcome, count, .. } = counted.outcome;
        *counts.entry((rule, outcome)).or_default() += count;
    }
    counts
}

/// How many of each: more with EPITAPH_TEST_ERRORS and EPITAPH_TEST_CRASHES.
#[expect(clippy::disallowed_methods, reason = "a test's own size is no setting")]
fn scale(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|number| number.parse().ok()).unwrap_or(usual)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_many_handled_errors_every_crash_is_kept_and_every_error_counted_and_few_payloads_are_stored()
{
    let (errors, crashes) = (scale("EPITAPH_TEST_ERRORS", 6_500), scale("EPITAPH_TEST_CRASHES", 10));
    let house = Arc::new(House::new().await);
    let rule =
        r#"[{"name":"handled","match":{"kind":"error"},"action":"keep","first_per_signature_and_hour":5}]"#;
    set_rules(&house, rule).await;

    let (mut at_work, mut hours, mut first_reports) =
        (JoinSet::new(), BTreeMap::<i64, usize>::new(), Vec::new());
    for index in 0..errors + crashes {
        let handled = index % (errors / crashes + 1) != 0 || index / (errors / crashes + 1) >= crashes;
        let report = event(handled, &index.to_string());
        if handled {
            *hours.entry(report.received_at.as_millis().div_euclid(HOUR)).or_default() += 1;
        } else {
            first_reports.push(report.clone());
        }
        let house = Arc::clone(&house);
        at_work.spawn(async move { assert_eq!(house.handle(&report).await, Outcome::Done) });
        if at_work.len() >= 16 {
            at_work.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(done) = at_work.join_next().await {
        done.unwrap();
    }

    let errors = errors + crashes - first_reports.len();
    let issues =
        house.catalog.issues(ProjectId::FIRST, &epitaph_catalog::IssueQuery::default()).await.unwrap();
    assert_eq!(issues.iter().map(|issue| issue.count).sum::<u64>(), (errors + first_reports.len()) as u64);
    for report in &first_reports {
        let crash = house.crash(report).await;
        assert_eq!((crash.kind, crash.payloads.len(), crash.notes.as_slice()), (Kind::Crash, 1, &[][..]));
    }
    let stored_errors: usize = hours.values().map(|count| (*count).min(5)).sum();
    let dropped = counted(&house).await[&("handled".to_owned(), RuleVerdict::PayloadsDropped)];
    assert_eq!(dropped, (errors - stored_errors) as u64);
    // Of those that are only counted nothing is stored, not even a document.
    assert_eq!(house.object_counts().await, [stored_errors + first_reports.len(); 2]);
    let recent = house.catalog.recent_crashes(ProjectId::FIRST, 10_000).await.unwrap();
    let is_whole = |row: &&CrashRow| row.counted_by.is_none();
    let (of_errors, of_crashes): (Vec<_>, Vec<_>) =
        recent.iter().partition(|row| row.fact.kind == Kind::Error);
    assert_eq!(of_crashes.iter().copied().filter(is_whole).count(), of_crashes.len());
    let whole_errors = of_errors.iter().copied().filter(is_whole).count();
    assert!(whole_errors == stored_errors || recent.len() == 10_000 && whole_errors < stored_errors);
    assert!(of_errors.iter().all(|row| row.counted_by.as_deref().is_none_or(|rule| rule == "handled")));
}

#[tokio::test]
async fn what_a_rule_drops_is_counted_once_and_leaves_nothing() {
    let house = House::new().await;
    set_rules(
        &house,
        r#"[{"name":"beta","match":{"environment":"beta","platform":"linux"},"action":"drop"}]"#,
    )
    .await;
    let report = stored(&house, report(&linux()), Encoding::Identity).await;
    for _ in 0..2 {
        assert_eq!(house.handle(&report).await, Outcome::Done);
    }
    assert_eq!(house.row(&report).await, None);
    assert_eq!(house.object_counts().await, [0, 0]);
    assert_eq!(counted(&house).await, [(("beta".to_owned(), RuleVerdict::Dropped), 1)].into());
}

#[tokio::test]
async fn a_crash_in_a_sample_stands_for_others_and_so_says_its_weight() {
    let house = House::new().await;
    set_rules(&house, r#"[{"name":"half","match":{},"action":{"sample":50}}]"#).await;
    let mut kept = 0;
    for user in 0..40 {
        // Two of each player: both are in, or both are out.
        let rows = [event(false, &user.to_string()), event(false, &user.to_string())];
        let mut found = Vec::new();
        for report in &rows {
            assert_eq!(house.handle(report).await, Outcome::Done);
            found.extend(house.row(report).await.map(|row| row.fact.weight));
        }
        assert!(matches!(found.as_slice(), [] | [2, 2]), "{found:?}");
        kept += found.len() as u64;
    }
    assert!((20..=60).contains(&kept), "{kept}");
    assert_eq!(counted(&house).await, [(("half".to_owned(), RuleVerdict::SampledOut), 80 - kept)].into());
}

#[tokio::test]
async fn a_report_that_a_collector_kept_in_a_sample_is_not_drawn_again_by_the_same_rule() {
    let house = House::new().await;
    set_rules(&house, r#"[{"name":"few","match":{},"action":{"sample":1}}]"#).await;
    for user in 0..20 {
        let sampled =
            Report { weight: 100, sampled_by: Some("few".into()), ..event(false, &user.to_string()) };
        assert_eq!(house.handle(&sampled).await, Outcome::Done);
        assert_eq!(house.row(&sampled).await.map(|row| row.fact.weight), Some(100));
    }
}

#[tokio::test]
async fn what_a_message_tells_of_other_reports_is_counted_once_whatever_becomes_of_its_own() {
    let house = House::new().await;
    let outcome = RuleOutcome {
        project: ProjectId::FIRST,
        rule: "old".into(),
        outcome: RuleVerdict::Dropped,
        count: 7,
    };
    let telling = |report: Report| Report { outcomes: vec![outcome.clone()], ..report };
    let client_id = Some("9ec79c33ec9942ab8353589fcb2e04dc".to_owned());
    let first = telling(Report { client_id: client_id.clone(), ..event(false, "ann") });
    let duplicate = telling(Report { client_id, ..event(false, "ann") });
    let said = payload(Role::Feedback, "feedback.json", br#"{"comments":"It froze."}"#);
    let feedback = telling(Report { payloads: vec![said], ..event(false, "ann") });
    for report in [&first, &first, &duplicate, &duplicate, &feedback, &feedback] {
        assert_eq!(house.handle(report).await, Outcome::Done);
    }
    assert_eq!(counted(&house).await, [(("old".to_owned(), RuleVerdict::Dropped), 21)].into());
}

#[tokio::test]
async fn the_same_dump_and_the_same_client_id_are_one_crash() {
    let house = House::new().await;
    let reports =
        [report(&linux()), report(&linux()), stored(&house, report(&linux()), Encoding::Zstd).await];
    for report in &reports {
        assert_eq!(house.handle(report).await, Outcome::Done);
    }
    assert!(house.row(&reports[0]).await.is_some());
    for alias in &reports[1..] {
        assert_eq!(house.row(alias).await, None);
        let found = house.catalog.find(Some(alias.project), &alias.id.simple()).await.unwrap();
        assert_eq!(found.map(|row| row.fact.crash_id), Some(reports[0].id));
    }
    // Two players' errors may be alike to the letter.
    let (one, other) = (event(true, "ann"), event(true, "bob"));
    for report in [&one, &other] {
        assert_eq!(house.handle(report).await, Outcome::Done);
        assert!(house.row(report).await.is_some());
    }
}
