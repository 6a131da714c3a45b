//! Segments are read as they are by readers of other makes.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

#[allow(dead_code, reason = "each test uses some of it")]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use epitaph_crash_model::{Fact, ProjectId};
use epitaph_test_services::{python, succeed};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};
use support::{fact, write};

/// What every reader must find.
fn expected(facts: &[Fact]) -> Value {
    let count = |value: &dyn Fn(&Fact) -> Option<String>| {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        facts.iter().for_each(|fact| *counts.entry(value(fact).unwrap_or_default()).or_default() += 1);
        counts
    };
    let mut of_map = count(&|fact| fact.tags.get("rare").cloned());
    of_map.remove("");
    let first = facts.iter().min_by_key(|fact| (fact.received_at, fact.crash_id)).unwrap();
    json!({
        "rows": facts.len(),
        "weight": facts.iter().map(|fact| u64::from(fact.weight)).sum::<u64>(),
        "by_release": count(&|fact| fact.release.clone()).into_iter().collect::<Vec<_>>(),
        "by_tag": count(&|fact| fact.tags.get("shard").cloned()).into_iter().collect::<Vec<_>>(),
        "by_map": of_map.into_iter().collect::<Vec<_>>(),
        "users": facts.iter().filter_map(|fact| fact.user.as_ref()).collect::<BTreeSet<_>>().len(),
        "first": first.received_at.as_millis(),
        "crash": first.crash_id.to_string(),
    })
}

#[test]
fn duckdb_polars_and_pyarrow_count_what_was_written() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(python) = python(&here.join("../test-services/requirements/parquet-readers.txt")) else {
        return;
    };
    let runner = &mut TestRunner::deterministic();
    let mut facts: Vec<Fact> = (0..3000)
        .map(|_| Fact { project: ProjectId::FIRST, ..fact().new_tree(runner).unwrap().current() })
        .collect();
    // Too rare for a column of its own.
    for (index, fact) in facts.iter_mut().enumerate().filter(|(index, _)| index % 500 == 0) {
        fact.tags.insert("rare".into(), format!("value {}", index % 1000));
    }
    let place = tempfile::tempdir().unwrap();
    for sizes in [(262_144, 8192), (1000, 100)] {
        let file = place.path().join("segment.parquet");
        let segment = write(&file, "segment", &facts, sizes).unwrap();
        assert!(segment.distinct.contains_key("tag:shard") && !segment.distinct.contains_key("tag:rare"));
        let mut script = python.script(&here.join("tests/read_by_others.py"));
        let output = succeed(script.arg(&file));
        let told: Vec<Value> = output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        assert_eq!(told.len(), 3);
        for mut told in told {
            let reader = told.as_object_mut().unwrap().remove("reader").unwrap();
            assert_eq!(told, expected(&facts), "{reader}");
        }
    }
}
