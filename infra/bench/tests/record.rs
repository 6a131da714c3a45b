//! Recording at a tiny size, with the real catalog, maintenance and questions.
#![cfg(target_os = "linux")]

mod support;

use std::fs;

use serde_json::Value;
use support::House;

#[test]
fn crashes_that_are_recorded_are_counted_before_and_after_they_are_sealed() {
    let house = House::new();
    let text = house.succeed(&[
        "record",
        "--rate",
        "20",
        "--seconds",
        "2",
        "--every-seconds",
        "1",
        "--enough",
        "10",
        "--pause-milliseconds",
        "10",
    ]);
    let raw = fs::read_to_string(house.results().join("raw/record.jsonl")).unwrap();
    let seen: Value = serde_json::from_str(raw.lines().last().unwrap()).unwrap();
    assert_eq!(seen["recorded"], 40, "{seen}");
    assert_eq!(seen["miscounted"], 0, "{seen}");
    assert_eq!(seen["counted"]["before_sealing"]["crashes"], 40, "{seen}");
    assert_eq!(seen["counted"]["before_sealing"], seen["counted"]["sealed"], "{seen}");
    assert_eq!(seen["counted"]["unsealed"], 0, "{seen}");
    for page in seen["pages"].as_array().unwrap() {
        assert!(page["asked"].as_u64().unwrap() > 0, "{page}");
        assert!(page["catalog_p95"].as_f64().unwrap() <= page["most"].as_f64().unwrap(), "{page}");
    }
    assert!(text.contains("40 of 40 crashes were recorded"), "{text}");
}
