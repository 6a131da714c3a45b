//! An invented game: who plays it on what, and how it ends.

use epitaph_crash_model::Kind;
use serde_json::json;

use super::dice::Dice;

/// A computer or a phone.
pub(crate) struct Machine {
    pub(crate) os: &'static str,
    pub(crate) os_version: &'static str,
    pub(crate) arch: &'static str,
    pub(crate) device: &'static str,
    pub(crate) gpu: &'static str,
    pub(crate) driver: &'static str,
    pub(crate) memory: u64,
    pub(crate) store: &'static str,
}

/// A way to end, and when and where it does.
pub(crate) struct Way {
    pub(crate) kind: Kind,
    pub(crate) reason: &'static str,
    pub(crate) frames: &'static [(&'static str, &'static str, &'static str, u32)],
    /// The releases that have it.
    pub(crate) releases: &'static [&'static str],
    /// The system, graphics processor and driver that have it together; empty for all.
    pub(crate) only: &'static [&'static str],
    /// With at most so much memory, in GiB; 0 for any.
    pub(crate) most_memory: u64,
    /// The level that it happens in most; empty for any.
    pub(crate) level: &'static str,
    /// Minutes into the game.
    pub(crate) minutes: u64,
    /// What a visitor is told about it; empty for what every game has.
    pub(crate) story: &'static str,
}

impl Way {
    /// Whether a game of that release can end so on that machine.
    pub(crate) fn is_possible(&self, machine: &Machine, release: &Release) -> bool {
        let has_module = match self.frames.first() {
            Some((module, ..)) if module.ends_with(".exe") || module.ends_with(".dll") => {
                machine.os == "Windows"
            }
            _ => machine.os != "Windows",
        };
        has_module
            && self.only.iter().all(|only| [machine.os, machine.gpu, machine.driver].contains(only))
            && (self.most_memory == 0 || machine.memory <= self.most_memory)
            && self.releases.contains(&release.name)
    }
}

const GAME: &str = "Hollowmere-Win64-Shipping.exe";
/// The level that the hang is in.
const ARCHIVE: &str = "/Maps/SunkenArchive";
pub(crate) const LEVELS: [(u64, &str); 5] = [
    (30, "/Maps/Harbor"),
    (25, "/Maps/Marsh"),
    (20, ARCHIVE),
    (15, "/Maps/Lighthouse"),
    (10, "/Maps/MainMenu"),
];
pub(crate) const COUNTRIES: [(u64, (&str, &str)); 8] = [
    (30, ("KR", "ko-KR")),
    (22, ("US", "en-US")),
    (12, ("JP", "ja-JP")),
    (10, ("DE", "de-DE")),
    (8, ("BR", "pt-BR")),
    (7, ("GB", "en-GB")),
    (6, ("TW", "zh-TW")),
    (5, ("FR", "fr-FR")),
];
/// A version that players get.
pub(crate) struct Release {
    pub(crate) name: &'static str,
    pub(crate) build: &'static str,
    /// For how many hours it has been out.
    out: u16,
    /// How many percent of the players take it in the end.
    taken: u64,
}

/// The oldest first. The second one was a bad one, and the third one mends it.
pub(crate) const RELEASES: [Release; 3] = [
    Release { name: "1.0.3", build: "88120", out: 1440, taken: 100 },
    Release { name: "1.1.0", build: "90377", out: 12 * 24 + 5, taken: 90 },
    Release { name: "1.1.1", build: "90512", out: 9 * 24 - 7, taken: 97 },
];

/// How many percent of the players who might take a release had it at an hour before now.
pub(crate) fn share_of(release: &Release, hours_ago: u16) -> u64 {
    let hours = release.out.checked_sub(hours_ago).map_or(0, u64::from);
    (hours * 4).min(release.taken)
}

const ALL: &[&str] = &["1.0.3", "1.1.0", "1.1.1"];

const fn windows(gpu: &'static str, driver: &'static str, version: &'static str, memory: u64) -> Machine {
    let (device, store) = ("", "steam");
    Machine { os: "Windows", os_version: version, arch: "amd64", device, gpu, driver, memory, store }
}

const fn phone(device: &'static str, gpu: &'static str, version: &'static str, memory: u64) -> Machine {
    let (driver, store) = ("", "google-play");
    Machine { os: "Android", os_version: version, arch: "arm64", device, gpu, driver, memory, store }
}

pub(crate) const MACHINES: [(u64, Machine); 16] = [
    (11, windows("Corvid R70", "31.0.2211", "10.0.22631", 16)),
    (5, windows("Corvid R70", "31.0.2240", "10.0.22631", 16)),
    (3, windows("Corvid R70", "31.0.2240", "10.0.26100", 32)),
    (5, windows("Corvid R55", "31.0.2240", "10.0.26100", 16)),
    (3, windows("Corvid R55", "31.0.2240", "10.0.19045", 8)),
    (12, windows("Vantage 4060", "552.12", "10.0.22631", 16)),
    (8, windows("Vantage 4060", "560.70", "10.0.26100", 16)),
    (9, windows("Vantage 3050", "552.12", "10.0.19045", 8)),
    (5, windows("Vantage 4090", "560.70", "10.0.26100", 64)),
    (5, windows("Lumen Xe", "101.5590", "10.0.22631", 8)),
    (
        3,
        Machine {
            os: "Linux",
            os_version: "6.11",
            arch: "amd64",
            device: "Pocket Deck",
            gpu: "Corvid Van",
            driver: "24.1.3",
            memory: 16,
            store: "steam",
        },
    ),
    (10, phone("Nova S9", "Mali-G78", "14", 8)),
    (9, phone("Nova A12", "PowerVR GE8320", "12", 3)),
    (6, phone("Redwood 9C", "PowerVR GE8320", "11", 2)),
    (6, phone("Pebble 7", "Adreno 730", "14", 8)),
    (4, phone("Tab Lite", "Mali-G52", "13", 4)),
];

/// A way to end of every release on every computer with Windows.
pub(crate) const ANYWHERE: usize = 4;

/// Ways to end, by how frequent each is where it can happen at all.
pub(crate) const WAYS: [(u64, Way); 12] = [
    (
        420,
        Way {
            kind: Kind::Crash,
            reason: "EXCEPTION_ACCESS_VIOLATION_READ",
            frames: &[
                (GAME, "UQuestLog::MigrateSave", "Hollowmere/Private/QuestLog.cpp", 218),
                (GAME, "USaveGameSubsystem::LoadSlot", "Hollowmere/Private/SaveGameSubsystem.cpp", 97),
                (GAME, "AHollowmereGameMode::BeginPlay", "Hollowmere/Private/HollowmereGameMode.cpp", 61),
            ],
            releases: &["1.1.0"],
            only: &[],
            most_memory: 0,
            level: "",
            minutes: 2,
            story: "a bad rollout, release 1.1.0",
        },
    ),
    (
        240,
        Way {
            kind: Kind::Crash,
            reason: "EXCEPTION_ACCESS_VIOLATION_WRITE",
            frames: &[
                ("cvdumdx12.dll", "", "", 0),
                ("cvdumdx12.dll", "", "", 0),
                ("D3D12Core.dll", "D3D12CoreSubmitWork", "", 0),
                (
                    GAME,
                    "FD3D12CommandListManager::ExecuteCommandLists",
                    "D3D12RHI/Private/CommandList.cpp",
                    512,
                ),
                (GAME, "FRHIThread::Run", "RHI/Private/RHIThread.cpp", 88),
            ],
            releases: ALL,
            only: &["Corvid R70", "31.0.2240"],
            most_memory: 0,
            level: "",
            minutes: 40,
            story: "a driver bug on one GPU",
        },
    ),
    (
        24,
        Way {
            kind: Kind::Hang,
            reason: "The game thread did not answer for 10 s",
            frames: &[
                ("ntdll.dll", "NtWaitForAlertByThreadId", "", 0),
                ("KERNELBASE.dll", "SleepConditionVariableSRW", "", 0),
                (GAME, "FStreamableManager::WaitUntilComplete", "Engine/Private/StreamableManager.cpp", 1410),
                (GAME, "ULevelLoader::BlockOnArchive", "Hollowmere/Private/LevelLoader.cpp", 176),
            ],
            releases: ALL,
            only: &[],
            most_memory: 0,
            level: ARCHIVE,
            minutes: 15,
            story: "a hang while a level loads",
        },
    ),
    (
        230,
        Way {
            kind: Kind::Oom,
            reason: "Out of memory: 134,217,728 bytes for textures",
            frames: &[
                ("libUnreal.so", "FMallocBinned2::MallocExternal", "Core/Private/MallocBinned2.cpp", 640),
                (
                    "libUnreal.so",
                    "FTexture2DStreamIn::AllocateMips",
                    "Engine/Private/Texture2DStreamIn.cpp",
                    133,
                ),
                ("libUnreal.so", "FRenderAssetStreamingManager::Update", "Engine/Private/Streaming.cpp", 902),
            ],
            releases: ALL,
            only: &["Android"],
            most_memory: 3,
            level: "/Maps/Marsh",
            minutes: 25,
            story: "out of memory on small phones",
        },
    ),
    (
        30,
        Way {
            kind: Kind::Crash,
            reason: "EXCEPTION_ACCESS_VIOLATION_READ",
            frames: &[
                (GAME, "UInventoryComponent::MoveItem", "Hollowmere/Private/InventoryComponent.cpp", 344),
                (GAME, "SInventoryGrid::OnDrop", "Hollowmere/Private/SInventoryGrid.cpp", 120),
                (GAME, "FSlateApplication::ProcessReply", "Slate/Private/SlateApplication.cpp", 3350),
            ],
            releases: ALL,
            only: &[],
            most_memory: 0,
            level: "",
            minutes: 60,
            story: "",
        },
    ),
    (
        22,
        Way {
            kind: Kind::Assert,
            reason: "Assertion failed: Slot < Capacity",
            frames: &[
                (GAME, "FEntityArchetype::Row", "Hollowmere/Private/EntityArchetype.cpp", 52),
                (GAME, "UCombatSystem::ApplyDamage", "Hollowmere/Private/CombatSystem.cpp", 410),
            ],
            releases: ALL,
            only: &[],
            most_memory: 0,
            level: "/Maps/Lighthouse",
            minutes: 50,
            story: "",
        },
    ),
    (
        18,
        Way {
            kind: Kind::Crash,
            reason: "SIGSEGV / SEGV_MAPERR",
            frames: &[
                ("libUnreal.so", "FAudioMixer::MixVoice", "AudioMixer/Private/AudioMixer.cpp", 771),
                ("libUnreal.so", "FAudioMixer::Render", "AudioMixer/Private/AudioMixer.cpp", 690),
                ("libaaudio.so", "aaudio::AudioStream::callback", "", 0),
            ],
            releases: ALL,
            only: &["Android"],
            most_memory: 0,
            level: "",
            minutes: 30,
            story: "",
        },
    ),
    (
        16,
        Way {
            kind: Kind::Ensure,
            reason: "Ensure condition failed: Objective.IsValid()",
            frames: &[
                (GAME, "UQuestComponent::AdvanceObjective", "Hollowmere/Private/QuestComponent.cpp", 205),
                (GAME, "AHollowmerePlayerState::OnKill", "Hollowmere/Private/HollowmerePlayerState.cpp", 133),
            ],
            releases: &["1.1.0", "1.1.1"],
            only: &[],
            most_memory: 0,
            level: "",
            minutes: 45,
            story: "",
        },
    ),
    (
        12,
        Way {
            kind: Kind::Crash,
            reason: "EXCEPTION_INT_DIVIDE_BY_ZERO",
            frames: &[
                (GAME, "FWeather::Interpolate", "Hollowmere/Private/Weather.cpp", 77),
                (GAME, "AWeatherDirector::Tick", "Hollowmere/Private/WeatherDirector.cpp", 41),
            ],
            releases: &["1.0.3"],
            only: &[],
            most_memory: 0,
            level: "/Maps/Harbor",
            minutes: 35,
            story: "",
        },
    ),
    (
        10,
        Way {
            kind: Kind::Error,
            reason: "Lobby does not answer",
            frames: &[
                (GAME, "UOnlineLobby::OnTimeout", "Hollowmere/Private/OnlineLobby.cpp", 288),
                (GAME, "FHttpManager::Tick", "Online/Private/HttpManager.cpp", 310),
            ],
            releases: ALL,
            only: &[],
            most_memory: 0,
            level: "/Maps/MainMenu",
            minutes: 1,
            story: "",
        },
    ),
    (
        14,
        Way {
            kind: Kind::Crash,
            reason: "EXCEPTION_ACCESS_VIOLATION_READ",
            frames: &[
                ("overlay64.dll", "", "", 0),
                ("dxgi.dll", "CDXGISwapChain::Present", "", 0),
                (GAME, "FD3D12Viewport::Present", "D3D12RHI/Private/Viewport.cpp", 1205),
            ],
            releases: ALL,
            only: &["Windows"],
            most_memory: 0,
            level: "",
            minutes: 20,
            story: "",
        },
    ),
    (
        60,
        Way {
            kind: Kind::Crash,
            reason: "SIGABRT",
            frames: &[
                ("radv.so", "radv_amdgpu_winsys_submit", "", 0),
                ("libUnreal.so", "FVulkanQueue::Submit", "VulkanRHI/Private/VulkanQueue.cpp", 166),
            ],
            releases: &["1.1.1"],
            only: &["Linux"],
            most_memory: 0,
            level: "",
            minutes: 12,
            story: "",
        },
    ),
];

/// Errors of the game's companion app, by how frequent each is: type, message, stack.
const ERRORS: [(u64, (&str, &str, &str)); 5] = [
    (
        5,
        (
            "NullReferenceException",
            "Object reference not set to an instance of an object",
            "Companion.Chest.Open () (at Assets/Chest.cs:42)\nCompanion.Tab.Show () (at Assets/Tab.cs:118)",
        ),
    ),
    (
        4,
        (
            "TimeoutException",
            "The lobby did not answer within 15 s",
            "Companion.Lobby.Join () (at Assets/Lobby.cs:88)\nCompanion.Friends.Visit () (at Assets/Friends.cs:51)",
        ),
    ),
    (
        3,
        (
            "KeyNotFoundException",
            "The given key 'lantern' was not present in the dictionary",
            "Companion.Shop.Price (System.String item) (at Assets/Shop.cs:77)\nCompanion.Shop.Show () (at Assets/Shop.cs:31)",
        ),
    ),
    (
        2,
        (
            "IndexOutOfRangeException",
            "Index was outside the bounds of the array",
            "Companion.Map.Tile (System.Int32 x) (at Assets/Map.cs:203)\nCompanion.Map.Draw () (at Assets/Map.cs:64)",
        ),
    ),
    (
        1,
        (
            "FormatException",
            "Input string was not in a correct format",
            "Companion.Mail.Date () (at Assets/Mail.cs:19)\nCompanion.Mail.List () (at Assets/Mail.cs:73)",
        ),
    ),
];
/// Device, system and its version.
const PHONES: [(u64, (&str, &str, &str)); 4] = [
    (5, ("Nova S9", "Android", "14")),
    (4, ("Pebble 7", "Android", "14")),
    (3, ("Nova A12", "Android", "12")),
    (2, ("Redwood 9C", "Android", "11")),
];

/// A report as the companion app posts it: one JSON object.
pub(crate) fn report(dice: &mut Dice, number: u64) -> String {
    let (kind, message, stack) = ERRORS[dice.index(&ERRORS)].1;
    let (device, os, os_version) = PHONES[dice.index(&PHONES)].1;
    let country = COUNTRIES[dice.index(&COUNTRIES)].1;
    json!({
        // The same each time: what is sent again counts once.
        "version": 1, "id": format!("{number:032x}"), "kind": "error", "type": kind, "message": message, "stack": stack,
        "stack_format": "unity", "release": "1.1.1", "build": "90512", "environment": "live", "platform": os,
        "os_version": os_version, "arch": "arm64", "device": device, "engine": "Unity 6", "store": "google-play",
        "uptime_seconds": 5 + dice.below(900), "user": {"id": format!("player-{}", dice.below(9_000))},
        "tags": {"app": "companion"}, "annotations": {"country": country.0, "locale": country.1},
    })
    .to_string()
}
