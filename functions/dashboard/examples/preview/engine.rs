//! A crash of a language with exceptions, with all that an engine's SDK tells.

use std::collections::BTreeMap;

use epitaph_crash_model::{
    Address, Breadcrumb, Crash, Encoding, Exception, Frame, Protocol, Role, StoredPayload, Thread, Trust,
    User,
};
use epitaph_signature::{Unsigned, sign};

fn frame(function: &str, file: &str, line: u32, source: &str, in_app: bool) -> Frame {
    Frame {
        module: Some(if in_app { "Assembly-CSharp" } else { "UnityEngine.CoreModule" }.to_owned()),
        function: Some(function.to_owned()),
        file: (!file.is_empty()).then(|| file.to_owned()),
        line: (line > 0).then_some(line),
        source: (!source.is_empty()).then(|| source.to_owned()),
        in_app: Some(in_app),
        address: Address(0),
        trust: Trust::Given,
        ..Frame::default()
    }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Makes of a crash one that an engine's SDK sent.
pub(crate) fn told_by_an_engine(crash: Crash) -> Crash {
    let frames = vec![
        frame(
            "Stonefall.Combat.Weapon.Fire(Target)",
            "Assets/Scripts/Combat/Weapon.cs",
            118,
            "            var armor = target.Equipment.Armor.Value;",
            true,
        ),
        frame("Stonefall.Combat.Turret.Update()", "Assets/Scripts/Combat/Turret.cs", 54, "", true),
        frame("UnityEngine.Events.InvokableCall.Invoke()", "", 0, "", false),
        frame("UnityEngine.Events.UnityEvent.Invoke()", "", 0, "", false),
        frame("UnityEngine.EventSystems.ExecuteEvents.Execute()", "", 0, "", false),
        frame("UnityEngine.PlayerLoop.Update()", "", 0, "", false),
    ];
    let exception = |kind: &str, message: &str, frames: &[Frame]| Exception {
        kind: Some(kind.to_owned()),
        message: Some(message.to_owned()),
        mechanism: Some("Unity.LogException".to_owned()),
        handled: Some(false),
        frames: frames.to_vec(),
    };
    let exceptions = vec![
        exception("Stonefall.Combat.CombatException", "The shot of turret 7 could not be resolved", &frames),
        exception(
            "System.NullReferenceException",
            "Object reference not set to an instance of an object",
            &frames[..2],
        ),
    ];
    let crumb = |(index, &(level, category, message)): (i64, &(&str, &str, &str))| Breadcrumb {
        time: Some(crash.received_at.plus_millis(-40_000 + index * 900)),
        category: Some(category.to_owned()),
        level: Some(level.to_owned()),
        message: Some(message.to_owned()),
        data: if category == "http" {
            map(&[
                ("method", "GET"),
                ("status_code", "503"),
                ("url", "https://match.example.com/v2/lobby?token=[secret]"),
            ])
        } else {
            BTreeMap::new()
        },
    };
    let steps = [
        ("info", "scene", "Loaded Quarry_Night in 2.4 s"),
        ("debug", "audio", "Music: quarry_night_02"),
        ("info", "ui.click", "HUD/Inventory/Slot 4"),
        ("warning", "streaming", "Texture pool is 96 % full"),
        ("error", "http", "Lobby does not answer"),
        ("info", "player", "Turret 7 sees [user]"),
    ];
    let breadcrumbs = (0..).zip(steps.iter().cycle().take(118)).map(crumb).collect();
    let payload = |role, name: &str, size| StoredPayload {
        role,
        name: name.to_owned(),
        content_type: None,
        size,
        key: String::new(),
        encoding: Encoding::Identity,
    };
    let mut told = Crash {
        protocol: Protocol::Envelope,
        client: Some("sentry.dotnet.unity/2.4.0".to_owned()),
        client_id: Some("9ec79c33ec9942ab8353589fcb2e04dc".to_owned()),
        build: Some("481266".to_owned()),
        reason: Some("CombatException".to_owned()),
        address: None,
        message: Some("The turret's script ended in the middle of a shot.".to_owned()),
        user: Some(User { id: Some("player-17".to_owned()), name: Some("Ann".to_owned()) }),
        comment: Some(
            "I was on the lift with two others,\nand everything froze when the turret fired.".to_owned(),
        ),
        tags: map(&[
            ("store", "steam"),
            ("scene", "Quarry_Night"),
            ("difficulty", "hard"),
            ("input", "gamepad"),
            ("team", "combat"),
        ]),
        contexts: [
            (
                "device".to_owned(),
                map(&[
                    ("model", "Steam Deck"),
                    ("memory_size", "16.0 GiB"),
                    ("battery_level", "61 %"),
                    ("processor_count", "8"),
                ]),
            ),
            (
                "gpu".to_owned(),
                map(&[("name", "AMD Custom GPU 0405"), ("api_type", "Vulkan"), ("driver_version", "23.3.1")]),
            ),
            (
                "os".to_owned(),
                map(&[("name", "SteamOS"), ("version", "3.5.7"), ("kernel_version", "6.1.52-valve9")]),
            ),
            (
                "unity".to_owned(),
                map(&[
                    ("editor_version", "2022.3.20f1"),
                    ("rendering_threading_mode", "MultiThreaded"),
                    ("active_scene_name", "Quarry_Night"),
                ]),
            ),
        ]
        .into(),
        crashing_thread: Some(0),
        threads: vec![Thread {
            id: 1,
            name: Some("Main".to_owned()),
            frames: frames.clone(),
            ..Thread::default()
        }],
        modules: Vec::new(),
        exceptions,
        breadcrumbs,
        payloads: vec![
            payload(Role::Event, "event.json", 18_233),
            payload(Role::Attachment, "screenshot.jpg", 84_120),
        ],
        ..crash
    };
    told.signature = sign(&Unsigned {
        frames: &frames,
        kind: told.kind,
        exceptions: &told.exceptions,
        ..Unsigned::default()
    });
    told
}
