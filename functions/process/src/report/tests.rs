use epitaph_crash_model::{CrashId, ProjectId, Protocol};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::bounds;

fn unsigned() -> Crash {
    let signature = epitaph_signature::unreadable("");
    Crash::new(CrashId::new(), ProjectId::FIRST, Protocol::Report, signature)
}

fn applied(report: &Value) -> Crash {
    let mut crash = unsigned();
    apply(&mut crash, report.to_string().as_bytes()).unwrap();
    crash
}

fn functions(crash: &Crash) -> Vec<&str> {
    let thread = &crash.threads[crash.crashing_thread.unwrap()];
    thread.frames.iter().map(|frame| frame.function.as_deref().unwrap_or("?")).collect()
}

#[test]
fn what_unity_hands_over_becomes_an_exception_with_frames() {
    let crash = applied(&json!({
        "version": 1,
        "message": "NullReferenceException: Object reference not set to an instance of an object",
        "stack": "Game.Player.Update () (at Assets/Player.cs:12)\nUnityEngine.Internal:Tick()\n",
        "stack_format": "unity",
        "release": "1.2.3", "build": 512, "environment": "live", "engine": "Unity 2022.3.20f1",
    }));
    let exception = &crash.exceptions[0];
    assert_eq!(exception.kind.as_deref(), Some("NullReferenceException"));
    assert_eq!(exception.message.as_deref(), Some("Object reference not set to an instance of an object"));
    assert_eq!(functions(&crash), ["Game.Player.Update", "UnityEngine.Internal.Tick"]);
    let in_app: Vec<_> = exception.frames.iter().map(|frame| frame.in_app).collect();
    assert_eq!(in_app, [Some(true), Some(false)]);
    assert_eq!((crash.kind, crash.reason.as_deref()), (Kind::Crash, Some("NullReferenceException")));
    assert_eq!((crash.release.as_deref(), crash.build.as_deref()), (Some("1.2.3"), Some("512")));
    assert_eq!(crash.contexts["engine"]["name"], "Unity 2022.3.20f1");
}

#[test]
fn causes_in_the_text_follow_what_they_caused() {
    let crash = applied(&json!({
        "version": 1,
        "stack": "a.B: outer\n\tat c.D.e(D.java:1)\nCaused by: a.C: inner\n\tat c.F.g(F.java:2)",
    }));
    let kinds: Vec<_> = crash.exceptions.iter().map(|exception| exception.kind.as_deref().unwrap()).collect();
    assert_eq!(kinds, ["a.B", "a.C"]);
    assert_eq!(functions(&crash), ["c.D.e"]);
}

#[test]
fn frames_that_the_client_names_win_over_those_of_its_text() {
    let crash = applied(&json!({
        "version": 1, "type": "Oops", "message": "x",
        "stack": "TypeError: y\n    at f (https://x/a.js:1:2)",
        "frames": [{"function": "g", "file": "src/g.ts", "line": 3, "in_app": false}],
    }));
    assert_eq!(functions(&crash), ["g"]);
    assert_eq!(crash.exceptions[0].kind.as_deref(), Some("Oops"));
    assert_eq!(crash.exceptions[0].message.as_deref(), Some("x"));
    assert_eq!(crash.exceptions[0].frames[0].in_app, Some(false));
}

#[test]
fn a_chain_and_threads_may_be_given_as_they_are() {
    let crash = applied(&json!({
        "version": 1,
        "exceptions": [
            {"type": "A", "message": "a", "handled": true},
            {"type": "B", "stack": "Traceback (most recent call last):\n  File \"x.py\", line 1, in f\nB: b"},
        ],
        "threads": [{"id": 1, "name": "render", "frames": [{"function": "draw"}]}, {"id": 2, "name": "main", "crashed": true}],
    }));
    assert_eq!(crash.exceptions[1].message.as_deref(), Some("b"));
    assert_eq!((crash.kind, crash.crashing_thread), (Kind::Error, Some(1)));
    assert_eq!(functions(&crash), ["f"]);
    assert_eq!(crash.threads[0].frames[0].function.as_deref(), Some("draw"));
}

#[test]
fn a_hang_is_its_threads_and_the_first_runs_the_game() {
    let stack = "   at System.Threading.Monitor.Wait(Object o)\n   at Game.Loader.Wait()";
    let crash =
        applied(&json!({"version": 1, "kind": "hang", "threads": [{"name": "main", "stack": stack}]}));
    assert_eq!((crash.kind, crash.crashing_thread), (Kind::Hang, Some(0)));
    assert_eq!(functions(&crash), ["System.Threading.Monitor.Wait", "Game.Loader.Wait"]);
    assert!(crash.exceptions.is_empty());
}

#[test]
fn the_kind_is_the_clients_word_or_what_the_exception_tells() {
    let kind = |report: Value| applied(&report).kind;
    assert_eq!(kind(json!({"version": 1, "type": "X"})), Kind::Crash);
    assert_eq!(kind(json!({"version": 1, "type": "X", "handled": true})), Kind::Error);
    assert_eq!(kind(json!({"version": 1, "message": "x", "handled": true})), Kind::Error);
    assert_eq!(kind(json!({"version": 1, "type": "System.OutOfMemoryException"})), Kind::Oom);
    assert_eq!(kind(json!({"version": 1, "type": "AssertionException"})), Kind::Assert);
    assert_eq!(kind(json!({"version": 1, "type": "ApplicationNotResponding"})), Kind::Hang);
    assert_eq!(
        kind(json!({"version": 1, "type": "System.OutOfMemoryException", "kind": "error"})),
        Kind::Error
    );
    let ensure = applied(&json!({"version": 1, "kind": "ensure", "message": "hp >= 0"}));
    assert_eq!((ensure.kind, ensure.assertion.as_deref()), (Kind::Ensure, Some("hp >= 0")));
}

#[test]
fn a_message_alone_is_no_exception() {
    let crash = applied(
        &json!({"version": 1, "message": "the level is empty", "stack": "A.B:C() (at Assets/B.cs:1)"}),
    );
    assert_eq!(crash.message.as_deref(), Some("the level is empty"));
    assert!(crash.exceptions.is_empty());
    assert_eq!(functions(&crash), ["A.B.C"]);
}

#[test]
fn a_stack_that_is_not_understood_stays_in_sight() {
    let crash = applied(
        &json!({"version": 1, "type": "lua error", "message": "x", "stack": "main.lua:12: in function"}),
    );
    assert_eq!(crash.annotations["stack"], "main.lua:12: in function");
    assert!(crash.threads[0].incomplete.as_deref().unwrap().contains("no frames"));
    assert_eq!(crash.exceptions[0].kind.as_deref(), Some("lua error"));
}

#[test]
fn all_that_a_report_says_of_itself_is_told() {
    let crash = applied(&json!({
        "version": 1, "message": "x", "platform": "Windows", "os_version": "10.0.19045", "arch": "x64",
        "device": "Steam Deck", "gpu": "RDNA 2", "map": "canyon", "session": "s1", "foreground": true,
        "user": {"id": 17, "name": "Ann"}, "uptime_seconds": 90.7, "occurred_at": 1_768_435_200.5,
        "tags": {"store": "steam", "slot": 2}, "annotations": {"seed": 7},
        "breadcrumbs": [
            {"time": "2026-01-15T00:00:01Z", "category": "level", "message": "second", "data": {"a": 1}},
            {"time": 1_768_435_200, "level": "info", "message": "first"},
        ],
    }));
    let system = &crash.system;
    assert_eq!(
        (system.os.as_deref(), system.os_version.as_deref(), system.arch.as_deref()),
        (Some("Windows"), Some("10.0.19045"), Some("amd64"))
    );
    assert_eq!(
        (crash.contexts["device"]["model"].as_str(), crash.contexts["gpu"]["name"].as_str()),
        ("Steam Deck", "RDNA 2")
    );
    let annotations: Vec<_> =
        crash.annotations.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(annotations, [("foreground", "true"), ("map", "canyon"), ("seed", "7"), ("session", "s1")]);
    let user = crash.user.unwrap();
    assert_eq!((user.id.as_deref(), user.name.as_deref()), (Some("17"), Some("Ann")));
    assert_eq!((crash.uptime_seconds, crash.occurred_at.unwrap().as_millis()), (Some(90), 1_768_435_200_500));
    assert_eq!((crash.tags["store"].as_str(), crash.tags["slot"].as_str()), ("steam", "2"));
    let messages: Vec<_> =
        crash.breadcrumbs.iter().map(|breadcrumb| breadcrumb.message.as_deref().unwrap()).collect();
    assert_eq!(messages, ["first", "second"]);
    assert_eq!(crash.breadcrumbs[1].data["a"], "1");
}

#[test]
fn what_is_known_already_is_not_overwritten() {
    let mut crash = unsigned();
    crash.release = Some("of the dump".into());
    crash.kind = Kind::Oom;
    crash.threads = vec![epitaph_crash_model::Thread::default()];
    let report = json!({"version": 1, "type": "X", "release": "2", "kind": "error", "stack": "A.B:C() (at Assets/B.cs:1)"});
    apply(&mut crash, report.to_string().as_bytes()).unwrap();
    assert_eq!(
        (crash.release.as_deref(), crash.kind, crash.threads.len()),
        (Some("of the dump"), Kind::Oom, 1)
    );
    assert_eq!(crash.exceptions.len(), 1);
}

#[test]
fn what_is_no_object_cannot_be_read() {
    for json in ["", "[]", "null", "{", "\"x\""] {
        assert_eq!(apply(&mut unsigned(), json.as_bytes()).unwrap_err().class, "malformed report");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        Just(Value::from("X: y\n  at A.B () (at Assets/X.cs:12)\nRethrow as Z: z\n  at C.D ()")),
    ];
    const NAMES: [&str; 11] = [
        "type",
        "message",
        "stack",
        "frames",
        "exceptions",
        "threads",
        "line",
        "tags",
        "user",
        "data",
        "kind",
    ];
    leaf.prop_recursive(4, 80, 8, |inner| {
        let name = prop_oneof![prop::sample::select(&NAMES[..]).prop_map(str::to_owned), any::<String>()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
            prop::collection::btree_map(name, inner, 0..8)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_read_and_gives_a_bounded_crash(
        fields in prop::collection::btree_map(prop::sample::select(&[
            "id", "kind", "type", "message", "stack", "frames", "exceptions", "threads", "user", "tags", "annotations",
            "breadcrumbs", "uptime_seconds", "occurred_at", "platform", "handled",
        ][..]), value(), 0..16),
    ) {
        let report: serde_json::Map<_, _> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let crash = applied(&Value::Object(report));
        prop_assert!(crash.exceptions.len() <= bounds::EXCEPTIONS);
        let frames: usize = crash.threads.iter().map(|thread| thread.frames.len()).sum();
        prop_assert!(frames <= 2 * bounds::ALL_FRAMES);
        prop_assert!(crash.crashing_thread.is_none_or(|index| index < crash.threads.len()));
        prop_assert!(crash.breadcrumbs.len() <= bounds::BREADCRUMBS);
    }
}
