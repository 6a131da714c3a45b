//! An invented game and how it crashes.

use std::collections::BTreeMap;

use epitaph_crash_model::{
    Address, Crash, CrashId, Encoding, Frame, Kind, Module, Note, NoteReason, ProjectId, Protocol, Role,
    StoredPayload, System, Thread, Timestamp, Trust,
};
use epitaph_signature::{Unsigned, sign};

const HOUR: u64 = 60 * 60 * 1000;
const GAME: &str = "StonefallClient.exe";

/// One way to crash: how often, of what kind, with what word of the system, where, in which builds, on what.
struct Way {
    weight: u64,
    kind: Kind,
    reason: &'static str,
    frames: &'static [(&'static str, &'static str, &'static str, u32)],
    builds: &'static [&'static str],
    systems: &'static [usize],
    /// How far back it goes, in hours.
    hours: u64,
}

const SYSTEMS: [(&str, &str, &str, &str, &str); 5] = [
    ("Windows", "10.0.22631", "amd64", "AMD Ryzen 7 7800X3D 8-Core Processor", "NVIDIA GeForce RTX 4070"),
    ("Windows", "10.0.19045", "amd64", "Intel(R) Core(TM) i5-12400F", "NVIDIA GeForce GTX 1660 SUPER"),
    ("Windows", "10.0.26100", "amd64", "13th Gen Intel(R) Core(TM) i7-13700K", "AMD Radeon RX 7800 XT"),
    ("Android", "14", "arm64", "Qualcomm SM8550", "Adreno 740"),
    ("Linux", "6.11.0-steamos", "amd64", "AMD Custom APU 0405", "AMD Custom GPU 0405"),
];

const OLD: &[&str] = &["1.41.2", "1.42.0", "1.42.1"];
const ALL: &[&str] = &["1.41.2", "1.42.0", "1.42.1", "1.43.0"];
const NEW: &[&str] = &["1.43.0"];
const DESKTOP: &[usize] = &[0, 0, 1, 1, 2, 4];

const WAYS: [Way; 12] = [
    Way {
        weight: 30,
        kind: Kind::Crash,
        reason: "EXCEPTION_ACCESS_VIOLATION_READ",
        frames: &[
            (
                GAME,
                "FStaticMeshSceneProxy::GetDynamicMeshElements",
                "Engine/Private/StaticMeshRender.cpp",
                1284,
            ),
            (GAME, "FSceneRenderer::GatherDynamicMeshElements", "Renderer/Private/SceneVisibility.cpp", 3391),
            (GAME, "FSceneRenderer::ComputeViewVisibility", "Renderer/Private/SceneVisibility.cpp", 4470),
            (GAME, "FDeferredShadingSceneRenderer::InitViews", "Renderer/Private/SceneVisibility.cpp", 5012),
            (
                GAME,
                "FDeferredShadingSceneRenderer::Render",
                "Renderer/Private/DeferredShadingRenderer.cpp",
                1933,
            ),
            (GAME, "RenderViewFamily_RenderThread", "Renderer/Private/SceneRendering.cpp", 4127),
            (GAME, "FNamedTaskThread::ProcessTasksUntilQuit", "Core/Private/Async/TaskGraph.cpp", 668),
            (GAME, "FRenderingThread::Run", "RenderCore/Private/RenderingThread.cpp", 540),
        ],
        builds: NEW,
        systems: DESKTOP,
        hours: 60,
    },
    Way {
        weight: 22,
        kind: Kind::Crash,
        reason: "EXCEPTION_ACCESS_VIOLATION_WRITE",
        frames: &[
            (
                GAME,
                "inventory::Grid::move_item(inventory::Slot, inventory::Slot)",
                "game/inventory/grid.cpp",
                212,
            ),
            (GAME, "ui::InventoryPanel::on_drop(ui::DragEvent const&)", "game/ui/inventory_panel.cpp", 487),
            (GAME, "ui::Widget::dispatch(ui::Event const&)", "engine/ui/widget.cpp", 151),
            (GAME, "ui::Root::pump(input::Queue&)", "engine/ui/root.cpp", 88),
            (GAME, "app::Frame::tick(double)", "engine/app/frame.cpp", 301),
        ],
        builds: ALL,
        systems: &[0, 1, 2, 3, 4],
        hours: 24 * 80,
    },
    Way {
        weight: 16,
        kind: Kind::Hang,
        reason: "App did not answer for 10 s",
        frames: &[
            ("ntdll.dll", "NtWaitForSingleObject", "", 0),
            ("KERNELBASE.dll", "WaitForSingleObjectEx", "", 0),
            (GAME, "net::Session::flush_blocking(std::chrono::milliseconds)", "engine/net/session.cpp", 644),
            (GAME, "match::Lobby::leave()", "game/match/lobby.cpp", 93),
            (GAME, "app::Frame::tick(double)", "engine/app/frame.cpp", 297),
        ],
        builds: ALL,
        systems: DESKTOP,
        hours: 24 * 30,
    },
    Way {
        weight: 13,
        kind: Kind::Oom,
        reason: "Out of memory: 268,435,456 bytes",
        frames: &[
            (
                GAME,
                "std::vector<gfx::Texel, mem::Arena>::_M_default_append(unsigned long)",
                "vector.tcc",
                635,
            ),
            (GAME, "gfx::TextureStreamer::grow_pool(unsigned long)", "engine/gfx/texture_streamer.cpp", 377),
            (
                GAME,
                "gfx::TextureStreamer::request(gfx::TextureId, int)",
                "engine/gfx/texture_streamer.cpp",
                219,
            ),
            (GAME, "world::Chunk::stream_in(world::Lod)", "engine/world/chunk.cpp", 528),
        ],
        builds: &["1.42.1", "1.43.0"],
        systems: &[3, 3, 1, 4],
        hours: 24 * 14,
    },
    Way {
        weight: 9,
        kind: Kind::Crash,
        reason: "DXGI_ERROR_DEVICE_HUNG",
        frames: &[
            ("nvwgf2umx.dll", "", "", 0),
            ("d3d12core.dll", "D3D12CoreCreateLayeredDevice", "", 0),
            (GAME, "gfx::d3d12::Queue::submit(gfx::CommandList&)", "engine/gfx/d3d12/queue.cpp", 140),
            (GAME, "gfx::FrameGraph::execute(gfx::Device&)", "engine/gfx/frame_graph.cpp", 902),
        ],
        builds: ALL,
        systems: &[0, 0, 1, 2],
        hours: 24 * 80,
    },
    Way {
        weight: 8,
        kind: Kind::Assert,
        reason: "Assertion failed: slot < capacity()",
        frames: &[
            (GAME, "ecs::Archetype::row(unsigned int)", "engine/ecs/archetype.cpp", 77),
            (GAME, "combat::apply_damage(ecs::World&, combat::Hit const&)", "game/combat/damage.cpp", 341),
            (GAME, "combat::System::resolve(ecs::World&)", "game/combat/system.cpp", 118),
        ],
        builds: &["1.42.0", "1.42.1"],
        systems: DESKTOP,
        hours: 24 * 20,
    },
    Way {
        weight: 6,
        kind: Kind::Crash,
        reason: "SIGSEGV / SEGV_MAPERR",
        frames: &[
            (
                "libstonefall.so",
                "audio::Mixer::mix_voice(audio::Voice&, float*, int)",
                "engine/audio/mixer.cpp",
                266,
            ),
            ("libstonefall.so", "audio::Mixer::render(float*, int)", "engine/audio/mixer.cpp", 401),
            ("libaaudio_internal.so", "", "", 0),
            ("libc.so", "__pthread_start(void*)", "", 0),
        ],
        builds: ALL,
        systems: &[3],
        hours: 24 * 40,
    },
    Way {
        weight: 5,
        kind: Kind::Ensure,
        reason: "Ensure: Quest->State != EQuestState::Done",
        frames: &[
            (GAME, "UQuestComponent::AdvanceObjective", "Stonefall/Quests/QuestComponent.cpp", 408),
            (GAME, "AStonefallPlayerState::OnKill", "Stonefall/Player/PlayerState.cpp", 256),
        ],
        builds: &["1.42.1", "1.43.0"],
        systems: DESKTOP,
        hours: 24 * 9,
    },
    Way {
        weight: 4,
        kind: Kind::Crash,
        reason: "EXCEPTION_STACK_OVERFLOW",
        frames: &[
            (GAME, "ai::Planner::expand(ai::Node const&, int)", "game/ai/planner.cpp", 190),
            (GAME, "ai::Planner::plan(ai::Goal const&)", "game/ai/planner.cpp", 74),
        ],
        builds: OLD,
        systems: DESKTOP,
        hours: 24 * 60,
    },
    Way {
        weight: 3,
        kind: Kind::Error,
        reason: "Shader cache is not readable",
        frames: &[(
            GAME,
            "gfx::PipelineCache::load(std::filesystem::path const&)",
            "engine/gfx/pipeline_cache.cpp",
            61,
        )],
        builds: ALL,
        systems: &[2, 4],
        hours: 24 * 85,
    },
    Way {
        weight: 3,
        kind: Kind::Crash,
        reason: "SIGABRT",
        frames: &[
            ("libc.so.6", "__pthread_kill_implementation", "./nptl/pthread_kill.c", 44),
            ("libc.so.6", "abort", "./stdlib/abort.c", 79),
            ("libstdc++.so.6", "__gnu_cxx::__verbose_terminate_handler()", "", 0),
            ("stonefall", "save::Profile::parse(json::Value const&)", "game/save/profile.cpp", 133),
            ("stonefall", "save::load(save::Slot)", "game/save/save.cpp", 58),
        ],
        builds: ALL,
        systems: &[4],
        hours: 24 * 75,
    },
    Way {
        weight: 2,
        kind: Kind::Crash,
        reason: "EXCEPTION_ACCESS_VIOLATION_READ",
        frames: &[
            ("steamclient64.dll", "", "", 0),
            ("gameoverlayrenderer64.dll", "OverlayHookD3D3", "", 0),
            (GAME, "platform::steam::pump_callbacks()", "engine/platform/steam.cpp", 35),
        ],
        builds: ALL,
        systems: &[0, 1, 2],
        hours: 24 * 3,
    },
];

/// Chance that comes out the same each time.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 20) % end.max(1)
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::try_from(self.below(list.len() as u64)).unwrap_or(0)]
    }
}

fn id_at(time: Timestamp, number: u64) -> CrashId {
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&time.as_millis().to_be_bytes()[2..]);
    bytes[6] = 0x70;
    bytes[8] = 0x80;
    bytes[9..].copy_from_slice(&(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes()[1..]);
    CrashId::from_bytes(bytes).unwrap_or_default()
}

/// One more crash of the game, some time before `now`.
pub(crate) fn crash(dice: &mut Dice, project: ProjectId, number: u64, now: Timestamp) -> Crash {
    let mut pick = dice.below(WAYS.iter().map(|way| way.weight).sum());
    let mut ways = WAYS.iter();
    let way = loop {
        match ways.next() {
            Some(way) if pick >= way.weight => pick -= way.weight,
            Some(way) => break way,
            None => break &WAYS[0],
        }
    };
    // More lately than long ago, more in the evening than in the morning.
    let mut ago = dice.below(way.hours * HOUR);
    while dice.below(3) == 0 || dice.below(24 * HOUR) < (ago + 5 * HOUR) % (24 * HOUR) / 2 {
        ago = ago * (60 + dice.below(40)) / 100;
    }
    let received = now.plus_millis(-i64::try_from(ago).unwrap_or_default());
    let build = if ago < 60 * HOUR { way.builds[way.builds.len() - 1] } else { dice.of(way.builds) };
    let (os, os_version, arch, cpu, gpu) = SYSTEMS[dice.of(way.systems)];

    let base = 0x7ff6_1c40_0000_u64;
    let frame = |(index, &(module, function, file, line)): (usize, &(&str, &str, &str, u32))| {
        let offset = 0x1000 + (function.len() as u64 * 0x3a71 + index as u64 * 0x1d0) % 0x40_0000;
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Frame {
            module: Some(module.to_owned()),
            debug_id: Some("5A1C0E2F9B7D4E6C8F3A21B04D9E77C11".to_owned()),
            function: some(function),
            file: some(file).map(|file| format!("D:\\build\\stonefall\\{file}")),
            line: (line > 0).then_some(line),
            address: Address(base + offset),
            offset: Some(Address(offset)),
            trust: if index == 0 { Trust::Context } else { Trust::Cfi },
            inline: function.contains("move_item"),
            ..Frame::default()
        }
    };
    let mut frames: Vec<_> = way.frames.iter().enumerate().map(frame).collect();
    let tail: [(&str, &str, &str, u32); 5] = [
        (GAME, "WinMain", "engine/app/main_windows.cpp", 41),
        (GAME, "__scrt_common_main_seh", "exe_common.inl", 288),
        ("KERNEL32.DLL", "BaseThreadInitThunk", "", 0),
        ("ntdll.dll", "RtlUserThreadStart", "", 0),
        ("ntdll.dll", "", "", 0),
    ];
    frames.extend(tail.iter().enumerate().map(|(index, entry)| frame((index + 8, entry))));
    if let Some(last) = frames.last_mut() {
        last.trust = Trust::Scan;
    }

    let signature =
        sign(&Unsigned { frames: &frames, kind: way.kind, reason: Some(way.reason), ..Unsigned::default() });
    let waiting = |name: &str, id: u64| Thread {
        id,
        name: Some(name.to_owned()),
        frames: frames.iter().rev().skip(1).take(3).rev().cloned().collect(),
        ..Thread::default()
    };
    let registers =
        ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "rip"];
    let crashing = Thread {
        id: 18_244,
        name: Some("RenderThread 1".to_owned()),
        registers: registers
            .iter()
            .enumerate()
            .map(|(index, &name)| (name.to_owned(), Address(base.wrapping_mul(index as u64) >> 3)))
            .collect(),
        frames: frames.clone(),
        incomplete: None,
    };
    let mut threads = vec![waiting("GameThread", 11_020), waiting("AudioMixer", 11_480), crashing];
    threads.extend((0..18).map(|index| waiting(&format!("TaskWorker {index}"), 12_000 + index * 4)));
    Crash {
        kind: way.kind,
        client: Some("Crashpad/1.0".to_owned()),
        received_at: received,
        occurred_at: Some(received.plus_millis(-4_210)),
        release: Some(build.to_owned()),
        environment: Some(if dice.below(10) == 0 { "qa" } else { "live" }.to_owned()),
        reason: Some(way.reason.to_owned()),
        address: (way.kind == Kind::Crash).then_some(Address(dice.of(&[0x18, 0x0, 0xffff_ffff_ffff_ffff]))),
        assertion: (way.kind == Kind::Assert).then(|| way.reason.to_owned()),
        crashing_thread: Some(2),
        threads,
        modules: modules(base),
        system: System {
            os: Some(os.to_owned()),
            os_version: Some(os_version.to_owned()),
            arch: Some(arch.to_owned()),
            cpu: Some(cpu.to_owned()),
            cpu_count: Some(16),
        },
        uptime_seconds: Some(40 + dice.below(9_000)),
        annotations: annotations(dice, build, gpu),
        payloads: vec![
            payload(Role::Minidump, "upload_file_minidump", 214_312),
            payload(Role::Attachment, "Stonefall.log", 48_201),
        ],
        ..Crash::new(id_at(received, number), project, Protocol::Multipart, signature)
    }
}

fn payload(role: Role, name: &str, size: u64) -> StoredPayload {
    let (name, encoding) = (name.to_owned(), Encoding::Identity);
    StoredPayload { role, name, content_type: None, size, key: String::new(), encoding }
}

fn annotations(dice: &mut Dice, build: &str, gpu: &str) -> BTreeMap<String, String> {
    let pairs = [
        ("prod", "Stonefall".to_owned()),
        ("ver", build.to_owned()),
        ("guid", format!("user-{}", dice.below(220))),
        ("gpu", gpu.to_owned()),
        ("map", dice.of(&["/Maps/Ashfen", "/Maps/Quarry_Night", "/Maps/Citadel"]).to_owned()),
        ("shard", dice.of(&["kr-2", "jp-1", "eu-3"]).to_owned()),
        ("locale", dice.of(&["ko-KR", "ja-JP", "en-US"]).to_owned()),
        ("changelist", "481266".to_owned()),
        ("last_log", "LogNet: closing channel 3\nLogStreaming: 128 requests in flight".to_owned()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn modules(base: u64) -> Vec<Module> {
    let names =
        [GAME, "ntdll.dll", "KERNEL32.DLL", "KERNELBASE.dll", "d3d12core.dll", "nvwgf2umx.dll", "dxgi.dll"];
    let module = |(index, &name): (u64, &&str)| Module {
        name: name.to_owned(),
        code_file: format!("C:\\Program Files\\Stonefall\\{name}"),
        version: Some("10.0.22621.2506".to_owned()),
        base: Address(base + index * 0x200_0000),
        size: 0x1f_0000,
        debug_file: Some(name.replace(".dll", ".pdb")),
        debug_id: Some("5A1C0E2F9B7D4E6C8F3A21B04D9E77C11".to_owned()),
        code_id: Some("65f1a2b31f0000".to_owned()),
    };
    (0..).zip(&names).map(module).collect()
}

/// Crashes that are hard to show, and what each is about.
pub(crate) fn showcase(project: ProjectId, now: Timestamp) -> Vec<(Crash, &'static str)> {
    let mut dice = Dice::new(99);
    let mut made = |number: u64| {
        let mut crash = crash(&mut dice, project, 10_000 + number, now);
        crash.received_at = now.plus_millis(-90_000 - 1000 * i64::try_from(number).unwrap_or_default());
        crash.id = id_at(crash.received_at, 10_000 + number);
        crash.payloads.clear();
        crash
    };

    let mut unreadable = made(0);
    unreadable.kind = Kind::Crash;
    unreadable.unreadable =
        Some("the minidump ends in the middle of its thread list (12 of 48 threads)".to_owned());
    unreadable.threads.clear();
    unreadable.modules.clear();
    unreadable.crashing_thread = None;
    unreadable.reason = None;
    unreadable.address = None;
    unreadable.signature = epitaph_signature::unreadable("truncated minidump");
    unreadable.notes = vec![
        Note { name: Some("Stonefall.log".to_owned()), reason: NoteReason::FileTooLarge },
        Note { name: None, reason: NoteReason::RequestBrokeOff },
    ];

    let mut hostile = made(1);
    for frame in &mut hostile.threads[2].frames {
        frame.function = Some("<script>alert(1)</script>::\u{202e}gnp.exe\0<b>".to_owned());
    }
    hostile
        .annotations
        .insert("<img src=x onerror=alert(1)>".to_owned(), "\u{202e}\0\x1b[31m</td><script>".repeat(300));
    hostile.signature =
        sign(&Unsigned { frames: &hostile.threads[2].frames, kind: hostile.kind, ..Unsigned::default() });

    let mut deep = made(2);
    let frame = deep.threads[2].frames[0].clone();
    deep.threads[2].frames = vec![frame; 10_000];
    deep.signature =
        sign(&Unsigned { frames: &deep.threads[2].frames, kind: deep.kind, ..Unsigned::default() });

    let told = crate::engine::told_by_an_engine(made(3));
    vec![(unreadable, "unreadable"), (hostile, "hostile"), (deep, "a deep stack"), (told, "from an engine")]
}
