//! Events as nobody should write them: whatever comes is a crash, within bounds.

use epitaph_crash_model::{Crash, Role};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::{crash, crash_of};
use crate::bounds;

#[test]
fn an_event_of_nothing_but_one_sort_of_thing_is_told_within_bounds() {
    let frames: Vec<Value> = (0..20_000).map(|line| json!({"function": "f", "lineno": line})).collect();
    let threads: Vec<Value> =
        (0..3_000).map(|id| json!({"id": id, "stacktrace": {"frames": &frames[..20]}})).collect();
    let exceptions: Vec<Value> =
        (0..300).map(|_| json!({"type": "E", "stacktrace": {"frames": &frames[..300]}})).collect();
    let many: serde_json::Map<String, Value> =
        (0..5_000).map(|key| (format!("k{key}"), json!("v".repeat(400)))).collect();
    let contexts: serde_json::Map<String, Value> =
        (0..500).map(|key| (format!("c{key}"), json!({"a": 1}))).collect();
    for event in [
        json!({"stacktrace": {"frames": frames}}),
        json!({"threads": {"values": threads}}),
        json!({"exception": {"values": exceptions}}),
        json!({"tags": many, "extra": many, "contexts": {"a": many}}),
        json!({"contexts": contexts}),
        json!({"breadcrumbs": vec![json!({"message": "x".repeat(100_000)}); 500]}),
        json!({"debug_meta": {"images": vec![json!({"type": "elf"}); 9_000]}}),
        json!({"message": "x".repeat(1 << 20), "release": "y".repeat(1 << 20), "fingerprint": vec!["z"; 1_000]}),
    ] {
        is_bounded(&crash(&event));
    }
}

fn is_bounded(crash: &Crash) {
    let frames: usize = crash.threads.iter().map(|thread| thread.frames.len()).sum();
    let thrown: usize = crash.exceptions.iter().map(|exception| exception.frames.len()).sum();
    assert!(frames <= bounds::ALL_FRAMES && thrown <= bounds::ALL_FRAMES, "{frames}, {thrown}");
    assert!(crash.threads.len() <= bounds::THREADS + 1);
    assert!(crash.exceptions.len() <= bounds::EXCEPTIONS);
    assert!(crash.breadcrumbs.len() <= bounds::BREADCRUMBS);
    assert!(crash.modules.len() <= bounds::MODULES);
    assert!(crash.contexts.len() <= bounds::CONTEXTS);
    let size = serde_json::to_vec(crash).unwrap().len();
    assert!(size < 8 << 20, "{size}");
}

/// JSON with the names that events have, in places where they may or may not belong.
fn events() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 52] = [
        "event_id",
        "exception",
        "values",
        "threads",
        "stacktrace",
        "frames",
        "type",
        "value",
        "mechanism",
        "handled",
        "meta",
        "signal",
        "mach_exception",
        "name",
        "code_name",
        "data",
        "relevant_address",
        "thread_id",
        "id",
        "crashed",
        "current",
        "function",
        "module",
        "package",
        "filename",
        "lineno",
        "colno",
        "context_line",
        "in_app",
        "instruction_addr",
        "image_addr",
        "addr_mode",
        "debug_meta",
        "images",
        "image_size",
        "code_id",
        "debug_id",
        "breadcrumbs",
        "timestamp",
        "category",
        "level",
        "message",
        "formatted",
        "contexts",
        "os",
        "device",
        "tags",
        "key",
        "user",
        "fingerprint",
        "registers",
        "feedback",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "0x1000",
            "0xffffffffffffffff",
            "rel:0",
            "rel:x",
            "elf",
            "macho",
            "{{ default }}",
            "fatal",
            "1e9",
            "2026-01-15T08:00:01Z",
            "451a38b5-0679-79d2-0738-22a5ceb24c4b"
        ])
        .prop_map(Value::from),
    ];
    let name = prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned);
    leaf.prop_recursive(7, 120, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..7)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_a_crash_within_bounds_and_the_same_each_time(event in events()) {
        let once = crash(&event);
        is_bounded(&once);
        prop_assert_eq!(once.unreadable.is_some(), !event.is_object());
        let again = crash(&event);
        prop_assert_eq!((once.signature, once.threads), (again.signature, again.threads));
    }

    #[test]
    fn json_and_messagepack_say_the_same(event in events()) {
        let packed = rmp_serde::to_vec(&event)?;
        let (json, msgpack) = (crash(&event), crash_of(Role::EventMsgpack, &packed));
        prop_assert_eq!(json.signature, msgpack.signature);
        prop_assert_eq!((json.exceptions, json.tags, json.contexts), (msgpack.exceptions, msgpack.tags, msgpack.contexts));
    }

    #[test]
    fn any_bytes_are_a_crash(bytes: Vec<u8>) {
        for role in [Role::Event, Role::EventMsgpack, Role::BreadcrumbsMsgpack, Role::Feedback] {
            is_bounded(&crash_of(role, &bytes));
        }
    }
}
