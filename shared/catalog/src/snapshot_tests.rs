use super::*;
use crate::{
    Lacking, NewCrash, Renamed,
    sample::{Engine, T0, catalog, crash, on_each_engine},
};

const ONE: ProjectId = ProjectId::FIRST;

/// What is in no segment, in the order of ids.
async fn recent(catalog: &Catalog, known: &[Arc<Fact>]) -> Vec<Arc<Fact>> {
    let mut recent = catalog.snapshot(ONE, known).await.unwrap().recent;
    recent.sort_by_key(|fact| fact.crash_id);
    recent
}

async fn record(catalog: &Catalog, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let crash = NewCrash {
            lacking: Some(Lacking { modules: Vec::new(), known: 0 }),
            ..crash(number, "unnamed", T0 + i64::from(number))
        };
        catalog.record(&crash).await.unwrap();
    }
}

async fn facts_that_are_known_are_not_read_again_and_those_that_changed_are(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    assert!(recent(&catalog, &[]).await.is_empty());
    record(&catalog, 0..700).await;
    let known = recent(&catalog, &[]).await;
    assert_eq!(known.len(), 700);
    record(&catalog, 700..1300).await;

    let gone: Vec<_> = known[..50].iter().map(|fact| (ONE, fact.crash_id)).collect();
    assert_eq!(catalog.delete_crashes(&gone).await.unwrap(), 50);
    let other = crash(0, "other", T0).signature;
    let renamed =
        Renamed { signature: other.id, named: other, lacking: Lacking { modules: Vec::new(), known: 1 } };
    let changed: Vec<CrashId> = known[100..103].iter().map(|fact| fact.crash_id).collect();
    assert_eq!(catalog.sign_again(ONE, known[0].signature, &renamed, &changed).await.unwrap(), 3);

    let now = recent(&catalog, &known).await;
    assert_eq!(now, recent(&catalog, &[]).await);
    assert_eq!(now.iter().filter(|fact| fact.signature == renamed.signature).count(), 3);
    // What was known and is as it was is the very same.
    let same = |fact: &&Arc<Fact>| known.iter().any(|known| Arc::ptr_eq(known, fact));
    assert_eq!((now.len(), now.iter().filter(same).count()), (1250, 647));

    let all: Vec<_> = now.iter().map(|fact| (ONE, fact.crash_id)).collect();
    assert_eq!(catalog.delete_crashes(&all).await.unwrap(), 1250);
    assert!(recent(&catalog, &now).await.is_empty());
}

async fn where_very_many_facts_are_new_all_are_read(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    record(&catalog, 0..u32::try_from(MANY_NEW).unwrap() + 2).await;
    let all = recent(&catalog, &[]).await;
    assert_eq!(all.len(), MANY_NEW + 2);
    assert_eq!(recent(&catalog, &all[..1]).await, all);
}

on_each_engine! {
    facts_that_are_known_are_not_read_again_and_those_that_changed_are,
    where_very_many_facts_are_new_all_are_read,
}
