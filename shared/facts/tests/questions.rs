//! Questions are answered as by looking at every fact, however the facts are divided into segments and recent ones.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use epitaph_crash_model::Fact;
use epitaph_facts::{Answer, Question};
use proptest::prelude::*;
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
