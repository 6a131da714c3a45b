//! Events as the clients of each family write them.

use epitaph_crash_model::{Crash, Frame, Kind, Role, Timestamp};
use serde_json::{Value, json};

use crate::{
    assemble::{self, tests::report},
    parsed::{Parsed, Unreadable, Verdict},
    sources::Source,
};

pub(super) fn crash_of(role: Role, bytes: &[u8]) -> Crash {
    assemble::crash(report(&[]), None, &[Source::of(role, bytes)], Vec::new())
}

pub(super) fn crash(event: &Value) -> Crash {
    crash_of(Role::Event, event.to_string().as_bytes())
}

/// What a person would write down of a stack: module, function, file, line.
fn shown(frames: &[Frame]) -> Vec<String> {
    let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "-".to_owned());
    let show = |frame: &Frame| {
        let place =
            frame.line.map_or_else(|| part(&frame.file), |line| format!("{}:{line}", part(&frame.file)));
        format!("{} {} {place}", part(&frame.module), part(&frame.function))
    };
    frames.iter().map(show).collect()
}

fn stack(crash: &Crash) -> Vec<String> {
    crash.crashing_thread.map(|index| shown(&crash.threads[index].frames)).unwrap_or_default()
}

struct Expected {
    event: &'static str,
    kind: Kind,
    exceptions: &'static [(&'static str, &'static str)],
    stack: &'static [&'static str],
    signature: &'static str,
}

const CORPUS: [Expected; 11] = [
    Expected {
        event: include_str!("../../tests/events/python.json"),
        kind: Kind::Crash,
        exceptions: &[("LevelError", "level e1m1 has no spawn point"), ("KeyError", "'spawn'")],
        stack: &[
            "server.world load_level server/world.py:41",
            "asyncio.runners run asyncio/runners.py:194",
            "__main__ <module> main.py:12",
        ],
        signature: "LevelError | server.world.load_level | __main__.<module>",
    },
    Expected {
        event: include_str!("../../tests/events/browser.json"),
        kind: Kind::Crash,
        exceptions: &[("TypeError", "Cannot read properties of undefined (reading 'hp')")],
        stack: &[
            "- Player.damage https://play.example/assets/game.js:77",
            "- Game.tick https://play.example/assets/game.js:120",
            "- - https://play.example/index.html:9",
        ],
        signature: "TypeError | Player.damage | Game.tick",
    },
    Expected {
        event: include_str!("../../tests/events/node.json"),
        kind: Kind::Crash,
        exceptions: &[("Error", "connect ECONNREFUSED 10.0.0.7:6379")],
        stack: &[
            "net TCPConnectWrap.afterConnect [as oncomplete] node:net:1611",
            "match Match.save /srv/match/dist/match.js:31",
            "timers process.processTimers node:internal/timers:523",
        ],
        signature: "Error | match.Match.save",
    },
    Expected {
        event: include_str!("../../tests/events/android.json"),
        kind: Kind::Crash,
        exceptions: &[
            ("IllegalStateException", "tick failed"),
            (
                "NullPointerException",
                "Attempt to invoke virtual method 'int Weapon.damage()' on a null object reference",
            ),
        ],
        stack: &[
            "com.studio.game.Loop tick Loop.java:61",
            "com.studio.game.Loop$1 lambda$start$0 Loop.java:40",
            "android.os.Handler dispatchMessage Handler.java:106",
        ],
        signature: "IllegalStateException | com.studio.game.Loop.tick | com.studio.game.Loop$.lambda$start$",
    },
    Expected {
        event: include_str!("../../tests/events/anr.json"),
        kind: Kind::Hang,
        exceptions: &[("ApplicationNotResponding", "Application Not Responding for at least 5000 ms.")],
        stack: &["java.io.FileDescriptor sync -", "com.studio.game.Save writeAll Save.java:31"],
        signature: "ApplicationNotResponding | com.studio.game.Save.writeAll",
    },
    Expected {
        event: include_str!("../../tests/events/cocoa.json"),
        kind: Kind::Crash,
        exceptions: &[("EXC_BAD_ACCESS", "KERN_INVALID_ADDRESS at 0x10.")],
        stack: &["Metal -[MTLDebugDevice newBufferWithLength:] -", "Game - -", "Game main -", "dyld start -"],
        signature: "Game+0x2020 | main",
    },
    Expected {
        event: include_str!("../../tests/events/watchdog.json"),
        kind: Kind::Oom,
        exceptions: &[(
            "WatchdogTermination",
            "The OS watchdog terminated your app, possibly because it overused RAM.",
        )],
        stack: &[],
        signature: "WatchdogTermination | The OS watchdog terminated your app, possibly because it overused RAM.",
    },
    Expected {
        event: include_str!("../../tests/events/rust.json"),
        kind: Kind::Crash,
        exceptions: &[("panic", "index out of bounds: the len is 3 but the index is 7")],
        stack: &[
            "game core::panicking::panic_bounds_check panicking.rs:280",
            "game game::inventory::Inventory::take inventory.rs:58",
            "game game::main main.rs:12",
            "game main -",
        ],
        signature: "panic | game::inventory::Inventory::take | game::main",
    },
    Expected {
        event: include_str!("../../tests/events/unity.json"),
        kind: Kind::Crash,
        exceptions: &[("NullReferenceException", "Object reference not set to an instance of an object.")],
        stack: &[
            "Game.Inventory Show Assets/Scripts/Inventory.cs:44",
            "Game.Inventory+<>c__DisplayClass7_0 <Open>b__2 Assets/Scripts/Inventory.cs:91",
            "UnityEngine.EventSystems.ExecuteEvents Execute -",
        ],
        signature: "NullReferenceException | Game.Inventory.Show | Game.Inventory+<>c__DisplayClass_.<Open>b__",
    },
    Expected {
        event: include_str!("../../tests/events/dotnet.json"),
        kind: Kind::Error,
        exceptions: &[("System.IO.IOException", "There is not enough space on the disk.")],
        stack: &[
            "System.IO.RandomAccess void RandomAccess.WriteAtOffset(...) -",
            "Game.SaveService async Task SaveService.Save(int slot) SaveService.cs:77",
        ],
        signature: "System.IO.IOException | Game.SaveService.Save",
    },
    Expected {
        event: include_str!("../../tests/events/native.json"),
        kind: Kind::Crash,
        exceptions: &[("SIGSEGV", "Segfault")],
        stack: &["game - -", "game - -", "libc.so.6 - -"],
        signature: "game+0x1111 | game+0x3333 | libc.so.6+0x2222",
    },
];

#[test]
fn an_event_of_each_client_becomes_the_crash_that_a_person_would_write_down() {
    for expected in CORPUS {
        let crash = crash_of(Role::Event, expected.event.as_bytes());
        assert_eq!(crash.unreadable, None);
        assert_eq!(crash.signature.text, expected.signature);
        assert_eq!(crash.kind, expected.kind, "{}", expected.signature);
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let exceptions: Vec<_> = crash
            .exceptions
            .iter()
            .map(|exception| (text(&exception.kind), text(&exception.message)))
            .collect();
        let exceptions: Vec<_> = exceptions.iter().map(|(kind, message)| (&**kind, &**message)).collect();
        assert_eq!(exceptions, expected.exceptions);
        assert_eq!(stack(&crash), expected.stack);
    }
}

#[test]
fn all_that_an_event_says_of_its_surroundings_is_kept_but_what_is_private() {
    let crash = crash_of(Role::Event, include_bytes!("../../tests/events/python.json"));
    assert_eq!(crash.client_id.as_deref(), Some("9c0d1f8a4b7e4d1f8a4b7e4d1f8a4b7e"));
    assert_eq!(crash.occurred_at, "2026-01-15T08:00:01.250Z".parse::<Timestamp>().ok());
    assert_eq!(crash.release.as_deref(), Some("server@2.4.0"));
    assert_eq!((crash.build.as_deref(), crash.environment.as_deref()), (Some("1188"), Some("live")));
    assert_eq!(crash.tags.get("region").map(String::as_str), Some("eu"));
    assert_eq!(crash.client.as_deref(), Some("sentry.python/2.20.0"));
    let user = crash.user.clone().unwrap();
    assert_eq!((user.id.as_deref(), user.name.as_deref()), (Some("4711"), Some("ann")));
    let annotation = |name: &str| crash.annotations.get(name).map(String::as_str);
    assert_eq!(annotation("world.seed"), Some("42"));
    assert_eq!((annotation("level"), annotation("server_name")), (Some("error"), Some("eu-7")));
    assert_eq!(crash.contexts["runtime"]["version"], "3.12.3");
    assert_eq!(crash.contexts["sdk"]["platform"], "python");
    assert!(!crash.contexts.contains_key("trace"));
    let messages: Vec<_> = crash.breadcrumbs.iter().map(|breadcrumb| breadcrumb.message.as_deref()).collect();
    assert_eq!(messages, [None, Some("loading e1m1")], "oldest first");
    assert_eq!(crash.breadcrumbs[0].data["status_code"], "200");
    assert_eq!(crash.breadcrumbs[1].category.as_deref(), Some("server"));
    assert_eq!(
        crash.exceptions[0].frames[0].source.as_deref(),
        Some("raise LevelError(f\"level {name} has no spawn point\") from error")
    );
    assert_eq!(crash.exceptions[0].handled, Some(false));
    assert_eq!(crash.exceptions[0].mechanism.as_deref(), Some("excepthook"));
    let told = serde_json::to_string(&crash).unwrap();
    for private in ["ann@example.com", "192.0.2.7", "<World>"] {
        assert!(!told.contains(private), "{private}");
    }
}

#[test]
fn a_browsers_request_is_told_without_its_cookies_and_tags_may_be_pairs() {
    let crash = crash_of(Role::Event, include_bytes!("../../tests/events/browser.json"));
    assert_eq!(crash.contexts["request"]["user_agent"], "Mozilla/5.0 (X11; Linux x86_64)");
    assert_eq!(
        crash.tags,
        [("mode".to_owned(), "coop".to_owned()), ("room".to_owned(), "7".to_owned())].into()
    );
    assert_eq!(crash.occurred_at.map(Timestamp::as_millis), Some(1_768_464_001_250));
    assert_eq!(crash.breadcrumbs[1].level.as_deref(), Some("warning"));
    assert!(!serde_json::to_string(&crash).unwrap().contains("session=secret"));
}

#[test]
fn contexts_tell_the_system_and_never_what_a_player_calls_the_device() {
    let android = crash_of(Role::Event, include_bytes!("../../tests/events/android.json"));
    assert_eq!(android.system.os.as_deref(), Some("Android"));
    assert_eq!(android.system.os_version.as_deref(), Some("15 AP4A.250105.002"));
    assert_eq!((android.system.arch.as_deref(), android.system.cpu_count), (Some("arm64"), Some(8)));
    assert_eq!((android.uptime_seconds, android.build.as_deref()), (Some(600), Some("308")));
    assert_eq!(android.contexts["device"]["model"], "Pixel 9");
    let unity = crash_of(Role::Event, include_bytes!("../../tests/events/unity.json"));
    assert_eq!(unity.system.os.as_deref(), Some("Windows 11  (10.0.22631) 64bit"));
    assert_eq!(unity.system.cpu.as_deref(), Some("AMD Ryzen 7 7800X3D"));
    assert_eq!(unity.contexts["gpu"]["name"], "NVIDIA GeForce RTX 4070");
    assert_eq!(unity.contexts["unity"].get("type"), None, "it says no more than the name");
    for (crash, owner) in [(android, "Ann"), (unity, "ANN")] {
        assert!(!serde_json::to_string(&crash).unwrap().contains(owner), "{owner}");
    }
}

#[test]
fn native_frames_keep_what_symbols_are_found_by() {
    let crash = crash_of(Role::Event, include_bytes!("../../tests/events/cocoa.json"));
    let frame = &crash.threads[0].frames[1];
    assert_eq!(frame.debug_id.as_deref(), Some("9C77FBC82C8F3C2A9A5A1C2D3E4F5A6B0"));
    assert_eq!((frame.address.0, frame.offset.map(|offset| offset.0)), (0x1_04a8_2020, Some(0x2020)));
    assert_eq!(
        crash.threads[0].frames[3].offset.map(|offset| offset.0),
        Some(0x24500),
        "without its image too"
    );
    assert_eq!(crash.threads[1].frames[0].offset.map(|offset| offset.0), Some(0x3030));
    assert_eq!(crash.threads[1].name.as_deref(), Some("com.studio.audio"));
    assert_eq!(crash.reason.as_deref(), Some("EXC_BAD_ACCESS / KERN_INVALID_ADDRESS"));
    assert_eq!(crash.address.map(|address| address.0), Some(0x10));
    assert_eq!(crash.modules.len(), 2);

    let unity = crash_of(Role::Event, include_bytes!("../../tests/events/unity.json"));
    let frame = &unity.threads[0].frames[0];
    assert_eq!(frame.debug_id.as_deref(), Some("CA7EE1FC9E1F4D6C8F4D2F7B0F9E0D110"));
    assert_eq!((frame.address.0, frame.offset.map(|offset| offset.0)), (0, Some(0x1a)));

    let native = crash_of(Role::Event, include_bytes!("../../tests/events/native.json"));
    assert_eq!(native.reason.as_deref(), Some("SIGSEGV / SEGV_MAPERR"));
    assert_eq!(native.client_id.as_deref(), Some("ad0d1f8a4b7e4d1f8a4b7e4d1f8a4b7e"));
    assert_eq!(native.user.and_then(|user| user.id).as_deref(), Some("42"));
}

#[test]
fn mechanism_type_and_level_tell_the_kind() {
    let kind = |kind: &str, mechanism: Value, level: &str| {
        let exception = json!([{"type": kind, "value": "x", "mechanism": mechanism}]);
        crash(&json!({"exception": exception, "level": level})).kind
    };
    let unhandled = json!({"type": "onerror", "handled": false});
    let handled = json!({"type": "generic", "handled": true});
    assert_eq!(kind("Error", unhandled.clone(), "error"), Kind::Crash);
    assert_eq!(kind("Error", handled.clone(), "fatal"), Kind::Error, "it went on");
    assert_eq!(kind("Error", Value::Null, "error"), Kind::Error);
    assert_eq!(kind("Error", Value::Null, "fatal"), Kind::Crash);
    assert_eq!(kind("SIGABRT", json!({"type": "signalhandler"}), "error"), Kind::Crash);
    assert_eq!(kind("App Hanging", json!({"type": "AppHang"}), "error"), Kind::Hang);
    assert_eq!(kind("ANR", json!({"type": "AppExitInfo", "handled": false}), "error"), Kind::Hang);
    assert_eq!(kind("java.lang.OutOfMemoryError", unhandled.clone(), "fatal"), Kind::Oom);
    assert_eq!(kind("Ensure failed", json!({"type": "unreal", "handled": true}), "error"), Kind::Ensure);
    assert_eq!(kind("Assertion failed", Value::Null, "fatal"), Kind::Assert);
    assert_eq!(kind("UnityEngine.Assertions.AssertionException", unhandled, "error"), Kind::Assert);
    assert_eq!(kind("AssertionError", handled, "error"), Kind::Error);
    assert_eq!(crash(&json!({"message": "x", "level": "warning"})).kind, Kind::Error);
    assert_eq!(crash(&json!({"threads": [{"crashed": true}]})).kind, Kind::Crash);
}

#[test]
fn a_message_alone_is_named_by_what_it_always_says() {
    let one = crash(&json!({"logentry": {"message": "lost %s", "formatted": "lost player 17"}}));
    let other = crash(&json!({"message": "lost player 4711"}));
    assert_eq!(one.message.as_deref(), Some("lost player 17"));
    assert_eq!(one.signature.text, "lost player #");
    assert_eq!(one.signature.id, other.signature.id);
}

#[test]
fn a_clients_fingerprint_groups_and_may_ask_for_ours_within() {
    let exception =
        json!([{"type": "Timeout", "stacktrace": {"frames": [{"function": "wait", "module": "net"}]}}]);
    let signed =
        |fingerprint: Value| crash(&json!({"exception": exception, "fingerprint": fingerprint})).signature;
    assert_eq!(signed(json!(["database", 7])).text, "database | 7");
    assert_eq!(signed(json!(["{{ default }}", "eu"])).text, "Timeout | net.wait | eu");
    assert_eq!(signed(json!(["{{default}}"])), signed(Value::Null));
    assert_ne!(signed(json!(["Timeout", "net.wait"])).id, signed(Value::Null).id);
}

#[test]
fn a_minidump_beside_an_event_tells_the_threads_and_the_event_the_rest() {
    let dump = crash_of(Role::Event, include_bytes!("../../tests/events/native.json"));
    let parsed = Parsed {
        reason: Some("SIGABRT".into()),
        threads: dump.threads.clone(),
        crashing_thread: Some(0),
        ..Parsed::default()
    };
    let event = json!({"level": "error", "release": "2", "tags": {"a": "b"}, "user": {"id": "ann"},
        "threads": [{"crashed": true, "stacktrace": {"frames": [{"function": "other"}]}}]});
    let msgpack = rmp_serde::to_vec(&event).unwrap();
    for source in
        [Source::of(Role::Event, event.to_string().as_bytes()), Source::of(Role::EventMsgpack, &msgpack)]
    {
        let verdict = Some(Verdict::Parsed(Box::new(parsed.clone())));
        let crash = assemble::crash(report(&[("ver", "1")]), verdict, &[source], Vec::new());
        assert_eq!(crash.threads, parsed.threads);
        assert_eq!((crash.reason.as_deref(), crash.kind), (Some("SIGABRT"), Kind::Crash));
        assert_eq!(crash.signature.text, "game+0x1111 | game+0x3333 | libc.so.6+0x2222");
        assert_eq!(crash.release.as_deref(), Some("1"), "known before");
        assert_eq!(crash.tags["a"], "b");
        assert_eq!(crash.user.and_then(|user| user.id).as_deref(), Some("ann"));
    }
}

#[test]
fn breadcrumbs_of_two_files_are_told_by_time_and_only_the_newest() {
    let file = |from: u32, count: u32| -> Vec<u8> {
        (from..from + count)
            .flat_map(|second| {
                let breadcrumb = json!({"timestamp": second, "message": second.to_string()});
                rmp_serde::to_vec(&breadcrumb).unwrap()
            })
            .collect()
    };
    let (newer, mut older) = (file(100, 60), file(1, 99));
    older.extend(b"\x82\xa9timestamp");
    let sources = [
        Source::of(Role::Event, b"{\"breadcrumbs\":{\"values\":[{\"timestamp\":99,\"message\":\"99\"}]}}"),
        Source::of(Role::BreadcrumbsMsgpack, &newer),
        Source::of(Role::BreadcrumbsMsgpack, &older),
    ];
    let crash = assemble::crash(report(&[]), None, &sources, Vec::new());
    let told: Vec<u32> =
        crash.breadcrumbs.iter().filter_map(|breadcrumb| breadcrumb.message.as_ref()?.parse().ok()).collect();
    assert_eq!(told, (60..160).collect::<Vec<_>>());
    assert_eq!(crash.notes, [], "a last one that broke off costs nothing");
}

#[test]
fn what_cannot_be_read_is_unreadable_unless_something_else_tells() {
    let crash = crash_of(Role::Event, b"{\"event_id\":");
    assert!(crash.unreadable.as_deref().is_some_and(|why| why.starts_with("the event is not JSON: EOF")));
    assert_eq!(crash.signature.text, "unreadable: malformed event");
    assert_eq!(crash_of(Role::Event, b"[]").unreadable.as_deref(), Some("the event is no object"));
    assert!(crash_of(Role::EventMsgpack, b"\xc1").unreadable.is_some());
    assert!(crash_of(Role::Feedback, b"{\"comments\":\"x\"}").unreadable.is_some());

    let sources = [Source::of(Role::EventMsgpack, b"\xc1"), Source::of(Role::Event, b"{\"message\":\"x\"}")];
    let crash = assemble::crash(report(&[]), None, &sources, Vec::new());
    assert_eq!((crash.unreadable, crash.notes.len()), (None, 1));

    let lost = Some(Verdict::Unreadable(Unreadable::new("payload lost", "gone")));
    let sources = [Source::of(Role::Event, include_bytes!("../../tests/events/rust.json"))];
    let crash = assemble::crash(report(&[]), lost, &sources, Vec::new());
    assert_eq!(crash.unreadable.as_deref(), Some("gone"), "it says what is missing");
    assert_eq!(crash.signature.text, "panic | game::inventory::Inventory::take | game::main");
}

#[test]
fn feedback_that_comes_with_a_crash_is_its_comment() {
    let sources = [
        Source::of(Role::Event, b"{}"),
        Source::of(Role::Feedback, b"{\"comments\":\"It froze.\",\"email\":\"ann@example.com\"}"),
    ];
    let crash = assemble::crash(report(&[]), None, &sources, Vec::new());
    assert_eq!(crash.comment.as_deref(), Some("It froze."));
}
