//! Questions are answered as by looking at every fact, however the facts are divided into segments and recent ones.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use epitaph_crash_model::Fact;
use epitaph_facts::{Answer, Column, EngineOptions, Measures, Question};
use futures_util::future::join_all;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use support::{Place, divided, model, questions::question};

fn check(question: &Question, answer: &Answer, facts: &[Fact]) -> Result<(), TestCaseError> {
    let expected = model::answer(question, facts);
    prop_assert_eq!(&answer.totals, &expected.totals);
    prop_assert_eq!(&answer.baseline, &expected.baseline);
    prop_assert_eq!(answer.distinct, expected.distinct);
    let rows = answer.rows.iter().map(|row| model::Expected {
        value: row.value.clone(),
        totals: row.totals.clone(),
        share: row.share,
        beside: row.beside.as_ref().map(|beside| (beside.count, beside.crashes, beside.share)),
        parts: row.parts.clone(),
        distinct_parts: row.distinct_parts,
    });
    let rows: Vec<_> = rows.collect();
    prop_assert_eq!(rows, expected.rows);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_is_that_of_the_plain_model_at_first_and_when_asked_again(
        divided in divided(80), questions in proptest::collection::vec(question(), 1..6),
        group_rows in 1_usize..40, page_rows in 1_usize..10,
    ) {
        let facts: Vec<Fact> = divided.iter().map(|(fact, _)| fact.clone()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let place = Place::new();
            let snapshot = place.snapshot(&divided, (group_rows, page_rows)).await;
            let engine = place.engine();
            for question in &questions {
                prop_assert_eq!(question.check(), Ok(()));
                check(question, &engine.ask(question, &snapshot).await.unwrap(), &facts)?;
            }
            // From what was kept, also after a restart.
            let restarted = place.engine();
            for question in &questions {
                for engine in [&engine, &restarted] {
                    let again = engine.ask(question, &snapshot).await.unwrap();
                    prop_assert_eq!(again.work.cached, again.work.segments);
                    check(question, &again, &facts)?;
                }
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn what_is_damaged_in_the_cache_is_made_anew() {
    let place = Place::new();
    let runner = &mut TestRunner::deterministic();
    let divided = divided(80).new_tree(runner).unwrap().current();
    let facts: Vec<Fact> = divided.iter().map(|(fact, _)| fact.clone()).collect();
    let snapshot = place.snapshot(&divided, (20, 5)).await;
    let question = Question {
        group_by: vec![Column::Gpu.into(), Column::Release.into()],
        measures: Measures { users: true, seen: true, releases: true },
        ..Question::default()
    };
    let engine = place.engine();
    check(&question, &engine.ask(&question, &snapshot).await.unwrap(), &facts).unwrap();
    let kept = place.directory.path().join("partials");
    let mut files = 0;
    for entry in std::fs::read_dir(&kept).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        files += 1;
    }
    assert!(files > 1);
    check(&question, &engine.ask(&question, &snapshot).await.unwrap(), &facts).unwrap();
    // And when all is gone.
    std::fs::remove_dir_all(&kept).unwrap();
    std::fs::create_dir(&kept).unwrap();
    check(&question, &engine.ask(&question, &snapshot).await.unwrap(), &facts).unwrap();
}

#[tokio::test]
async fn questions_asked_at_once_are_answered_where_only_one_row_group_has_room() {
    let place = Place::new();
    let runner = &mut TestRunner::deterministic();
    let divided = divided(80).new_tree(runner).unwrap().current();
    let facts: Vec<Fact> = divided.iter().map(|(fact, _)| fact.clone()).collect();
    let snapshot = place.snapshot(&divided, (5, 3)).await;
    let questions: Vec<Question> = (0..20).map(|_| question().new_tree(runner).unwrap().current()).collect();
    let engine = place.engine_with(&EngineOptions { threads: 2, held_bytes: 1, ..EngineOptions::default() });
    let answers = join_all(questions.iter().map(|question| engine.ask(question, &snapshot))).await;
    for (question, answer) in questions.iter().zip(answers) {
        check(question, &answer.unwrap(), &facts).unwrap();
    }
}
