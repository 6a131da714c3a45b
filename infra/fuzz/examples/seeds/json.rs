//! Events, reports, annotations, rules: JSON and MessagePack.

use serde_json::{Value, json};

use crate::Seed;

pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |target, name: &str, bytes: Vec<u8>| seeds.push((target, name.to_owned(), bytes));
    for (name, event) in events() {
        add("event", name, event.to_string().into_bytes());
        add("store", name, [&[7][..], event.to_string().as_bytes()].concat());
        add("msgpack", name, rmp_serde::to_vec(&event).unwrap());
    }
    add("event", "cut-surrogate", br#"{"message":"\ud83d","level":"fatal"}"#.to_vec());
    add(
        "event",
        "feedback",
        br#"{"event_id":"9ec79c33ec9942ab8353589fcb2e04dc","name":"Ann","comments":"It froze."}"#.to_vec(),
    );
    let crumbs = [json!({"message": "one"}), json!([{"message": "two"}])];
    add(
        "msgpack",
        "breadcrumbs",
        crumbs.iter().flat_map(|crumb| rmp_serde::to_vec(crumb).unwrap()).collect(),
    );
    add("msgpack", "a-map-as-a-key", b"\x81\x81\xa1a\x01\x02".to_vec());
    add("msgpack", "extensions", b"\x83\xa1a\xd4\x01\x02\xa1b\xc7\x02\x01ab\xa1c\xca\x7f\x80\0\0".to_vec());
    for (name, report) in reports() {
        add("report", name, report.to_string().into_bytes());
    }
    add(
        "extra",
        "annotations",
        br#"{"ProductName":"Game","Version":"1.2","n":1.50,"o":{"a":[1,null]},"e":"\u0041"}"#.to_vec(),
    );
    add("extra", "twice", br#"{"a":"1","a":"2"} "#.to_vec());
    add("extra", "no-object", b"[1]".to_vec());
    for (name, rules, glob) in rules() {
        add("rules", name, [rules.to_string().as_bytes(), b"\0", glob].concat());
    }
    seeds
}

fn events() -> Vec<(&'static str, Value)> {
    let frames = json!([{"function": "f", "module": "m", "filename": "a.py", "lineno": 12, "colno": 3, "in_app": true, "context_line": "x()"},
        {"instruction_addr": "0x1010", "package": "/lib/game.so", "addr_mode": "rel:0", "platform": "native"}]);
    let image = json!({"type": "elf", "image_addr": "0x1000", "image_size": 4096, "debug_id": "451a38b5-0679-79d2-0738-22a5ceb24c4b", "code_id": "aa", "code_file": "/lib/game.so"});
    let exception = json!({"type": "ValueError", "value": "bad", "module": "game", "thread_id": 1, "stacktrace": {"frames": frames},
        "mechanism": {"type": "signalhandler", "handled": false, "meta": {"signal": {"number": 11, "code": 1, "name": "SIGSEGV", "code_name": "SEGV_MAPERR"}}, "data": {"relevant_address": "0x1"}}});
    vec![
        (
            "exception",
            json!({"event_id": "9ec79c33-ec99-42ab-8353-589fcb2e04dc", "timestamp": 1_768_435_200.5, "platform": "python", "level": "fatal",
            "exception": {"values": [exception]}, "release": "game@1.2+3", "dist": "3", "environment": "live", "fingerprint": ["{{ default }}", "x"]}),
        ),
        (
            "threads",
            json!({"timestamp": "2026-01-15T08:00:01Z", "threads": [{"id": 1, "name": "main", "crashed": true, "current": true, "stacktrace": {"frames": frames, "registers": {"rip": "0x1010"}}}],
            "debug_meta": {"images": [image]}, "exception": [{"type": "ANR", "mechanism": {"type": "AppExitInfo"}}]}),
        ),
        (
            "about",
            json!({"message": {"formatted": "x"}, "logentry": {"message": "%s", "params": [1]}, "user": {"id": 7, "username": "ann", "email": "a@b.c", "ip_address": "1.2.3.4"},
            "tags": [["a", "b"], {"key": "c", "value": 1}], "extra": {"deep": {"er": {"x": [1, {"y": null}]}}},
            "contexts": {"os": {"name": "Windows", "version": "10"}, "device": {"arch": "x86_64", "memory_size": 1}, "gpu": {"name": "g"}, "app": {"app_start_time": "2026-01-15T08:00:00Z"}}}),
        ),
        (
            "breadcrumbs",
            json!({"breadcrumbs": {"values": [{"timestamp": 1, "category": "ui", "level": "info", "message": "click", "type": "default", "data": {"a": {"b": 1}}}]}, "type": "error"}),
        ),
    ]
}

fn reports() -> Vec<(&'static str, Value)> {
    let frames = json!([{"function": "f", "module": "m", "file": "a.gd", "line": "12", "column": 1, "in_app": "false"}]);
    vec![
        (
            "text",
            json!({"version": 1, "type": "X", "message": "Y: z", "stack": "X: y\n  at Foo.Bar () [0x00012] in <0a>:0", "stack_format": "unity", "kind": "hang"}),
        ),
        (
            "exceptions",
            json!({"version": 1, "id": "9ec79c33ec9942ab8353589fcb2e04dc", "exceptions": [{"type": "A", "frames": frames, "handled": true}, {"stack": "ERROR: x\n   at: f (res://x.gd:1)"}]}),
        ),
        (
            "threads",
            json!({"version": "1", "message": null, "threads": [{"id": 1, "name": "main", "crashed": true, "frames": frames}], "user": {"id": 1}, "tags": {"a": 1},
            "breadcrumbs": [{"time": 1, "message": "m", "data": {"k": true}}], "occurred_at": "2026-01-15T08:00:00+01:00", "uptime_seconds": 7}),
        ),
        ("wrong", json!({"version": 1, "exceptions": [{"frames": [{"line": {}}]}]})),
    ]
}

fn rules() -> Vec<(&'static str, Value, &'static [u8])> {
    vec![
        (
            "drop",
            json!({"version": 1, "projects": {"1": {"key_generations": [0, 1], "rules": [{"name": "old", "match": {"release": "1.*", "kind": "error", "annotations": {"a": "?"}}, "action": "drop"}]}}}),
            b"1.?.*\n1.2.3",
        ),
        (
            "sample",
            json!({"version": 1, "revision": 7, "projects": {"2": {"rules": [{"name": "few", "match": {"platform": "win*"}, "action": {"sample": 12.5}, "first_per_signature_and_hour": 10}], "limits": {"file": 1000, "files": 3}}}}),
            b"*a*b*\nAxxB",
        ),
        (
            "keep",
            json!({"version": 1, "projects": {"3": {"rules": [{"name": "all", "action": "keep"}]}}}),
            "?ü*\nüü".as_bytes(),
        ),
    ]
}
