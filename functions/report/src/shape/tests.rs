use proptest::prelude::*;
use serde_json::json;

use super::*;

fn fault(json: &str) -> String {
    check(json.as_bytes()).unwrap_err().to_string()
}

/// A report with one more field.
fn fault_of(field: &str, value: serde_json::Value) -> String {
    let mut report = json!({"version": 1, "message": "x"});
    report[field] = value;
    fault(&report.to_string())
}

#[test]
fn a_report_that_uses_every_field_is_taken() {
    let frame = json!({"function": "f", "module": "m", "file": "a.cs", "line": 1, "column": "2", "source": "x", "in_app": true});
    let report = json!({
        "version": 1, "id": "9EC79C33-ec99-42ab-8353-589fcb2e04dc", "kind": "hang", "type": "T", "message": "m",
        "handled": false, "stack": "at x", "stack_format": "unity", "frames": [frame],
        "exceptions": [{"type": "T", "message": null, "mechanism": "x", "handled": true, "stack": "", "frames": [frame]}],
        "threads": [{"id": 7, "name": "main", "crashed": true, "stack": "", "frames": []}],
        "release": 1.2, "build": 512, "environment": "qa", "platform": "Windows", "os_version": "10", "arch": "x64",
        "device": "PC", "gpu": "G", "engine": "Unity 6", "map": "canyon", "user": {"id": 17, "name": "Ann"},
        "session": "s", "uptime_seconds": 1.5, "occurred_at": "2026-01-31T23:59:59Z", "foreground": true,
        "tags": {"a": "b", "c": 1, "d": true, "e": null}, "annotations": {},
        "breadcrumbs": [{"time": 1.5, "category": "c", "level": "info", "message": "m", "data": {"a": 1}}],
        "of a later version": {"anything": [1, {}]}, "and another": null,
    });
    let id = check(report.to_string().as_bytes()).unwrap();
    assert_eq!(id.as_deref(), Some("9EC79C33-ec99-42ab-8353-589fcb2e04dc"));
    assert_eq!(check(br#"{"version":1.0,"stack":"x","id":null}"#), Ok(None));
}

#[test]
fn a_fault_says_where_it_is_what_was_expected_and_what_was_found() {
    for (field, value, expected) in [
        (
            "kind",
            json!("Crash"),
            "`kind`: expected one of crash, hang, oom, assert, ensure, error, found the text \"Crash\"",
        ),
        ("id", json!("17"), "`id`: expected 32 hexadecimal digits, or a UUID, found the text \"17\""),
        ("version", json!(2), "`version`: expected the number 1, found the number 2"),
        ("handled", json!(1), "`handled`: expected true or false, found the number 1"),
        ("frames", json!({}), "`frames`: expected a list, found an object"),
        (
            "frames",
            json!([{"line": 1}, {"line": -1}]),
            "`frames[1].line`: expected a number from 0, found the number -1",
        ),
        (
            "exceptions",
            json!([{"frames": ["f"]}]),
            "`exceptions[0].frames[0]`: expected an object, found the text \"f\"",
        ),
        ("user", json!("ann"), "`user`: expected an object, found the text \"ann\""),
        ("tags", json!({"a": {}}), "`tags.a`: expected a text, found an object"),
        ("tags", json!([]), "`tags`: expected an object of texts, found a list"),
        ("message", json!(["x"]), "`message`: expected a text, found a list"),
        (
            "uptime_seconds",
            json!("long"),
            "`uptime_seconds`: expected a number from 0, found the text \"long\"",
        ),
        (
            "breadcrumbs",
            json!([{"time": true}]),
            "`breadcrumbs[0].time`: expected a time as in 2026-01-31T23:59:59Z, or in seconds since 1970, found true or false",
        ),
    ] {
        assert_eq!(fault_of(field, value), expected);
    }
}

#[test]
fn what_is_no_report_at_all_is_told_apart() {
    assert_eq!(fault("[]"), "expected an object, found a list");
    assert_eq!(fault("null"), "expected an object, found null");
    assert_eq!(fault(r#"{"message":"x"}"#), "`version`: it is missing; expected 1");
    assert!(fault(r#"{"version":1,"tags":{"message":"x"}}"#).starts_with("it says nothing;"));
    assert!(fault(r#"{"version":1,"message":null}"#).starts_with("it says nothing;"));
    assert!(fault(r#"{"version":1,"message":}"#).starts_with("it is not JSON: expected value at line 1"));
    assert!(fault("").starts_with("it is not JSON: EOF"));
    assert!(fault(r#"{"version":1,"message":"x"} x"#).starts_with("it is not JSON: trailing"));
    let nested = |depth: usize| {
        format!(r#"{{"version":1,"message":"x","more":{}{}}}"#, "[".repeat(depth), "]".repeat(depth))
    };
    for depth in [1, 100, 126, 127, 128, 1000] {
        let read = serde_json::from_str::<serde_json::Value>(&nested(depth));
        assert_eq!(check(nested(depth).as_bytes()).is_ok(), read.is_ok(), "{depth}");
    }
    let deep = format!(r#"{{"version":1,"message":"x","more":{}"#, "[".repeat(100_000));
    assert!(fault(&deep).starts_with("it is not JSON: recursion limit"));
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    let name = prop_oneof![
        "[a-z]{0,4}",
        prop::sample::select(&["type", "frames", "line", "tags", "user", "id", "version"][..])
            .prop_map(str::to_owned)
    ];
    leaf.prop_recursive(4, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = check(&bytes);
    }

    #[test]
    fn any_json_is_taken_or_refused_with_a_field(value in value(), stack in value()) {
        let json = json!({"version": 1, "message": "x", "exceptions": value, "stack": stack}).to_string();
        if let Err(fault) = check(json.as_bytes()) {
            let names_it = matches!(fault, Fault::Field { .. });
            prop_assert!(names_it, "{}", fault);
            prop_assert!(fault.to_string().len() < 500);
        }
    }
}
