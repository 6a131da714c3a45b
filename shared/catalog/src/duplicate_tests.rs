use std::collections::{BTreeMap, BTreeSet};

use epitaph_crash_model::IssueNumber;
use proptest::prelude::*;
use tokio::task::JoinSet;

use super::*;
use crate::{
    IssueQuery, Recorded,
    sample::{Engine, HOUR, T0, catalog, crash, on_each_engine},
};

const CLIENT_ID: &str = "9ec79c33ec9942ab8353589fcb2e04dc";

fn named(index: u32, client_id: Option<&str>, digest: Option<&str>) -> NewCrash {
    let crash = crash(index, "render", T0);
    NewCrash { client_id: client_id.map(str::to_owned), dump_digest: digest.map(str::to_owned), ..crash }
}

fn at(crash: NewCrash, received_at: i64) -> NewCrash {
    let received_at = Timestamp::from_millis(received_at);
    NewCrash { fact: Fact { received_at, ..crash.fact }, ..crash }
}

async fn counted(catalog: &Catalog) -> u64 {
    let issues = catalog.issues(ProjectId::FIRST, &IssueQuery::default()).await.unwrap();
    issues.iter().map(|issue| issue.count).sum()
}

async fn a_client_id_that_comes_again_is_an_alias_and_counts_nothing(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let (first, second) = (named(1, Some(CLIENT_ID), None), named(2, Some(CLIENT_ID), None));
    let recorded = catalog.record(&first).await.unwrap();
    assert_eq!(recorded, Recorded::First { issue: IssueNumber(1), new_issue: true });
    let of = first.fact.crash_id;
    assert_eq!(catalog.record(&second).await.unwrap(), Recorded::Duplicate { of });
    assert_eq!(catalog.record(&second).await.unwrap(), Recorded::Already);
    assert_eq!(catalog.record(&first).await.unwrap(), Recorded::Already);
    assert_eq!(counted(&catalog).await, 1);
    assert!(catalog.was_seen(ProjectId::FIRST, second.fact.crash_id).await.unwrap());
    assert_eq!(catalog.aliases(ProjectId::FIRST, of).await.unwrap(), [second.fact.crash_id]);
    let both = [of, second.fact.crash_id];
    assert_eq!(catalog.known_crashes(ProjectId::FIRST, &both).await.unwrap(), [of].into());
    assert_eq!(catalog.known_aliases(ProjectId::FIRST, &both).await.unwrap(), [second.fact.crash_id].into());
}

async fn the_same_client_id_in_another_project_is_another_crash(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let other = catalog.add_project(None, "Other").await.unwrap().id;
    let first = named(1, Some(CLIENT_ID), Some("d"));
    let mut twin = named(2, Some(CLIENT_ID), Some("d"));
    twin.fact.project = other;
    for crash in [&first, &twin] {
        assert!(matches!(catalog.record(crash).await.unwrap(), Recorded::First { .. }));
    }
    for crash in [&first, &twin] {
        let found = catalog.find(Some(crash.fact.project), CLIENT_ID).await.unwrap().unwrap();
        assert_eq!(found.fact.crash_id, crash.fact.crash_id);
    }
}

async fn the_bytes_of_a_dump_stand_for_their_crash_for_a_day(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let first = named(1, None, Some("d"));
    catalog.record(&first).await.unwrap();
    let later = at(named(2, None, Some("d")), T0 + 24 * HOUR);
    let of = first.fact.crash_id;
    assert_eq!(catalog.record(&later).await.unwrap(), Recorded::Duplicate { of });
    let next_day = at(named(3, None, Some("d")), T0 + 24 * HOUR + 1);
    assert!(matches!(catalog.record(&next_day).await.unwrap(), Recorded::First { .. }));
    // From then on they stand for that one.
    let after = at(named(4, None, Some("d")), T0 + 25 * HOUR);
    let of = next_day.fact.crash_id;
    assert_eq!(catalog.record(&after).await.unwrap(), Recorded::Duplicate { of });
    assert!(matches!(catalog.record(&named(5, None, Some("e"))).await.unwrap(), Recorded::First { .. }));
    assert_eq!(counted(&catalog).await, 3);
    assert_eq!(catalog.forget_digests(Timestamp::from_millis(T0 + 1)).await.unwrap(), 1);
}

async fn reports_without_a_dump_and_an_id_are_never_duplicates(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    for index in 0..3 {
        assert!(matches!(catalog.record(&named(index, None, None)).await.unwrap(), Recorded::First { .. }));
    }
}

async fn every_name_of_a_crash_finds_it_in_any_form(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let second_id = "00000000000040008000000000000002";
    let first = named(1, Some(CLIENT_ID), Some("d"));
    // By its dump an alias, and its own client id is one more name.
    let second = named(2, Some(second_id), Some("d"));
    // By that name an alias of the first, not of the second.
    let third = named(3, Some(second_id), Some("another"));
    for crash in [&first, &second, &third] {
        catalog.record(crash).await.unwrap();
    }
    assert_eq!(counted(&catalog).await, 1);
    let hyphenated = "9ec79c33-ec99-42ab-8353-589fcb2e04dc";
    let ids = [&first, &second, &third].map(|crash| crash.fact.crash_id);
    let mut names = vec![CLIENT_ID.to_owned(), hyphenated.to_owned(), second_id.to_owned()];
    names.extend(ids.iter().flat_map(|id| [id.to_string(), id.simple()]));
    for name in names {
        for form in [name.clone(), name.to_uppercase(), format!("bp-{name}"), format!(" {name}\n")] {
            for project in [Some(ProjectId::FIRST), None] {
                let found = catalog.find(project, &form).await.unwrap();
                assert_eq!(found.map(|row| row.fact.crash_id), Some(ids[0]), "{form:?} {project:?}");
            }
        }
    }
    for name in ["", "bp-", "9ec7", &format!("{CLIENT_ID}0"), "9ec79c33ec9942ab8353589fcb2e04dd"] {
        assert_eq!(catalog.find(None, name).await.unwrap(), None, "{name:?}");
    }
    let other = ProjectId::try_from(2_u64).unwrap();
    assert_eq!(catalog.find(Some(other), CLIENT_ID).await.unwrap(), None);
}

async fn the_names_of_a_crash_go_with_it(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let (first, second) = (named(1, Some(CLIENT_ID), Some("d")), named(2, Some(CLIENT_ID), None));
    catalog.record(&first).await.unwrap();
    catalog.record(&second).await.unwrap();
    catalog.delete_crashes(&[(ProjectId::FIRST, first.fact.crash_id)]).await.unwrap();
    assert_eq!(catalog.find(None, CLIENT_ID).await.unwrap(), None);
    assert_eq!(catalog.find(None, &second.fact.crash_id.to_string()).await.unwrap(), None);
    assert_eq!(catalog.record(&second).await.unwrap(), Recorded::Already);
    let third = named(3, Some(CLIENT_ID), Some("d"));
    assert!(matches!(catalog.record(&third).await.unwrap(), Recorded::First { .. }));
}

proptest! {
    #[test]
    fn no_text_is_a_name_that_panics(text: String) {
        prop_assert!(plain(&text).is_none_or(|name| name.len() == 32));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Deliveries: which report, and to which of two processes. Reports 0 to 3 are one crash by client id, 4 to 7
    /// another by their dump, and so on.
    #[test]
    fn duplicates_and_redeliveries_count_once_in_whatever_order_they_come(
        deliveries in prop::collection::vec((0..16_u32, any::<bool>()), 1..60),
    ) {
        for engine in Engine::all() {
            assert_aliases_are_right(engine, &deliveries)?;
        }
    }
}

fn assert_aliases_are_right(engine: Engine, deliveries: &[(u32, bool)]) -> Result<(), TestCaseError> {
    let report = |index: u32| {
        let group = index / 4;
        let name = format!("{group:032x}");
        let new = match group {
            0 => named(index, Some(&name), None),
            1 => named(index, None, Some(&name)),
            2 => named(index, Some(&name), Some(&name)),
            _ => named(index, None, None),
        };
        at(new, T0 + i64::from(index * 7 % 5))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build()?;
    let (outcomes, total, aliases) = runtime.block_on(async {
        let (place, one) = catalog(engine).await;
        let two = place.open();
        let mut tasks = JoinSet::new();
        for (delivery, &(index, first)) in deliveries.iter().enumerate() {
            let catalog = if first { one.clone() } else { two.clone() };
            let new = NewCrash { attempt: delivery.to_string(), ..report(index) };
            tasks.spawn(async move { (index, catalog.record(&new).await.unwrap()) });
        }
        let outcomes = tasks.join_all().await;
        let mut aliases = BTreeMap::new();
        for index in 0..16 {
            let id = report(index).fact.crash_id;
            aliases
                .insert(index, one.find(None, &id.to_string()).await.unwrap().map(|row| row.fact.crash_id));
        }
        (outcomes, counted(&one).await, aliases)
    });
    let delivered: BTreeSet<u32> = deliveries.iter().map(|(index, _)| *index).collect();
    // A crash for each of the groups, but those of the last are alike in nothing.
    let crash_of = |index: u32| if index < 12 { index / 4 } else { index };
    let expected: BTreeSet<u32> = delivered.iter().copied().map(crash_of).collect();
    prop_assert_eq!(total, expected.len() as u64);
    let firsts: BTreeMap<u32, CrashId> = outcomes
        .iter()
        .filter(|(_, recorded)| matches!(recorded, Recorded::First { .. }))
        .map(|&(index, _)| (crash_of(index), report(index).fact.crash_id))
        .collect();
    prop_assert_eq!(firsts.keys().copied().collect::<BTreeSet<_>>(), expected);
    for (index, recorded) in &outcomes {
        if let Recorded::Duplicate { of } = recorded {
            prop_assert_eq!(*of, firsts[&crash_of(*index)]);
        }
    }
    for index in delivered {
        prop_assert_eq!(aliases[&index], Some(firsts[&crash_of(index)]));
    }
    Ok(())
}

on_each_engine! {
    a_client_id_that_comes_again_is_an_alias_and_counts_nothing,
    the_same_client_id_in_another_project_is_another_crash,
    the_bytes_of_a_dump_stand_for_their_crash_for_a_day,
    reports_without_a_dump_and_an_id_are_never_duplicates,
    every_name_of_a_crash_finds_it_in_any_form,
    the_names_of_a_crash_go_with_it,
}
