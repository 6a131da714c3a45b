//! On what it ran, in which build, for whom, and what else the engine and the game say.

use std::collections::BTreeMap;

use epitaph_crash_model::{Crash, User};

use super::{
    ending,
    xml::{Context, Texts, said},
};
use crate::bounds;

/// The longest release, build or environment, in characters: they are labels, and every fact holds them.
const LONGEST_LABEL: usize = 200;

/// Texts that have a place of their own on a crash, or that name the player or the player's folders.
const NOT_KEPT: [&str; 20] = [
    "Modules",
    "Threads",
    "UserName",
    "BaseDir",
    "RootDir",
    "MachineId",
    "LoginId",
    "EpicAccountId",
    "CommandLine",
    "UserDescription",
    "ErrorMessage",
    "SecondsSinceStart",
    "TimeOfCrash",
    "AppDefaultLocale",
    "Misc.CPUBrand",
    "Misc.CPUVendor",
    "Misc.PrimaryGPUBrand",
    "Misc.OSVersionMajor",
    "Misc.OSVersionMinor",
    "PCallStackHash",
];

/// What games call their players in their own data.
const GAME_USERS: [&str; 8] =
    ["UserId", "UserID", "user_id", "user.id", "PlayerId", "PlayerID", "player_id", "AccountId"];

/// Names in the engine's data, and what they are in the context of the graphics processor.
const GPU: [(&str, &str); 8] = [
    ("RHI.AdapterName", "name"),
    ("RHI.GPUVendor", "vendor_name"),
    ("RHI.DeviceId", "device_id"),
    ("RHI.UserDriverVersion", "driver_version"),
    ("RHI.InternalDriverVersion", "internal_driver_version"),
    ("RHI.DriverDate", "driver_date"),
    ("RHI.RHIName", "api_type"),
    ("RHI.FeatureLevel", "feature_level"),
];

pub(super) fn apply(crash: &mut Crash, context: &Context) {
    labels(crash, context);
    system(crash, context);
    // The account, then the game's own word, then the machine: the login is the machine's where there is none.
    let of_game = || GAME_USERS.iter().find_map(|name| said(&context.game, name));
    let of_machine = || ["MachineId", "LoginId"].iter().find_map(|name| context.runtime(name));
    let id = context.runtime("EpicAccountId").or_else(of_game).or_else(of_machine).and_then(bounds::name);
    if id.is_some() && crash.user.is_none() {
        crash.user = Some(User { id, name: None });
    }
    if let Some(line) = context.runtime("CommandLine") {
        bounds::add(&mut crash.annotations, "CommandLine", line);
    }
    gpu(crash, context);
    device(crash, context);
    let app = [
        ("name", context.runtime("GameName").map(game_name)),
        ("executable", context.runtime("ExecutableName")),
        ("version", context.runtime("BuildVersion")),
        ("configuration", context.runtime("BuildConfiguration")),
    ];
    add(crash, "app", app);
    add(crash, "culture", [("locale", context.runtime("AppDefaultLocale"))]);
    let engine = [("name", Some("Unreal Engine")), ("version", context.runtime("EngineVersion"))];
    add(crash, "engine", engine);
    add(crash, "engine", texts(&context.engine, |name| GPU.iter().all(|(known, _)| *known != name)));
    // Beside a minidump's frames, the engine's own: it may have had symbols that we have not.
    add(crash, "unreal", texts(&context.runtime, |name| !NOT_KEPT.contains(&name)));
    add(crash, "unreal", texts(&context.platform, |_| true));
    add(crash, "game", texts(&context.game, |name| !GAME_USERS.contains(&name)));
}

fn labels(crash: &mut Crash, context: &Context) {
    let label =
        |text: &str| -> Option<String> { Some(bounds::name(text)?.chars().take(LONGEST_LABEL).collect()) };
    let annotation = |name: &str| crash.annotations.get(name).map(String::as_str);
    let version = context.runtime("BuildVersion");
    let release = version.and_then(label).or_else(|| label(annotation("AppVersion")?));
    let environment = annotation("AppEnvironment").and_then(label);
    let environment = environment.or_else(|| label(context.runtime("BuildConfiguration")?));
    crash.release = crash.release.take().or(release);
    crash.environment = crash.environment.take().or(environment);
    crash.build = crash.build.take().or_else(|| label(changelist(version?)?));
}

/// The changelist in `++UE5+Release-5.4-CL-34507850`.
fn changelist(version: &str) -> Option<&str> {
    let (_, rest) = version.rsplit_once("-CL-")?;
    let end = rest.find(|next: char| !next.is_ascii_digit()).unwrap_or(rest.len());
    Some(&rest[..end]).filter(|digits| !digits.is_empty() && *digits != "0")
}

/// The game's name: Unreal writes `UE4-MyGame` or `UE-MyGame`.
fn game_name(name: &str) -> &str {
    let bare = ["UE4-", "UE5-", "UE-"].iter().find_map(|prefix| name.strip_prefix(prefix));
    bare.filter(|bare| !bare.is_empty()).unwrap_or(name)
}

/// What it ran on, as far as a minidump has not told.
fn system(crash: &mut Crash, context: &Context) {
    let platform = context.runtime("PlatformName").or_else(|| context.runtime("PlatformFullName"));
    let full = context.runtime("PlatformFullName").unwrap_or_default();
    let platform = platform.unwrap_or_default();
    let system = &mut crash.system;
    if system.os.is_none() {
        system.os = os(platform).map(str::to_owned).or_else(|| bounds::name(platform));
        system.os_version = system.os_version.take().or_else(|| os_version(context, system.os.as_deref()));
    }
    if system.arch.is_none() {
        system.arch = arch(platform).or_else(|| arch(full)).map(str::to_owned);
    }
    let cpu = known(context.runtime("Misc.CPUBrand"));
    system.cpu = system.cpu.take().or_else(|| bounds::name(cpu?));
    let counts = ["Misc.NumberOfCoresIncludingHyperthreads", "Misc.NumberOfCores"];
    let mut counts = counts.iter().filter_map(|name| context.runtime(name)?.parse().ok());
    system.cpu_count = system.cpu_count.or_else(|| counts.find(|count: &u32| *count > 0));
}

/// Unreal's names of platforms, by how they begin: `WindowsNoEditor`, `WindowsClient`, `Win64`, ...
fn os(platform: &str) -> Option<&'static str> {
    const NAMES: [(&str, &str); 9] = [
        ("Win", "Windows"),
        ("Mac", "macOS"),
        ("Linux", "Linux"),
        ("Android", "Android"),
        ("IOS", "iOS"),
        ("TVOS", "tvOS"),
        ("VisionOS", "visionOS"),
        ("XboxOne", "Xbox One"),
        ("XSX", "Xbox Series"),
    ];
    NAMES.iter().find(|(start, _)| platform.starts_with(start)).map(|(_, name)| *name)
}

fn arch(platform: &str) -> Option<&'static str> {
    let is = |words: &[&str]| words.iter().any(|word| platform.contains(word));
    if is(&["Arm64", "ARM64", "AArch64", "IOS"]) {
        Some("arm64")
    } else if is(&["Win64", "Windows", "Linux"]) && !is(&["Win32"]) {
        Some("amd64")
    } else if is(&["Win32"]) {
        Some("x86")
    } else {
        None
    }
}

/// `10.0.22631.3447` of `Windows 11 (23H2) [10.0.22631.3447]`, so that it is what a minidump says; else what there is,
/// without the system's name.
fn os_version(context: &Context, os: Option<&str>) -> Option<String> {
    let major = known(context.runtime("Misc.OSVersionMajor"));
    let minor = known(context.runtime("Misc.OSVersionMinor"));
    let bracketed =
        major.and_then(|major| major.strip_suffix(']')?.rsplit_once('[')).map(|(_, version)| version);
    if let Some(version) = bracketed.filter(|version| version.starts_with(|next: char| next.is_ascii_digit()))
    {
        return bounds::name(version);
    }
    let major = major.map(|major| os.and_then(|os| major.strip_prefix(os)).unwrap_or(major).trim());
    let parts: Vec<&str> = [major, minor].into_iter().flatten().filter(|part| !part.is_empty()).collect();
    bounds::name(&parts.join(" "))
}

/// What Unreal writes where a platform does not tell it is no knowledge.
fn known(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.starts_with("Generic"))
}

fn gpu(crash: &mut Crash, context: &Context) {
    let told = GPU.iter().map(|&(name, ours)| (ours, known(context.engine(name))));
    add(crash, "gpu", told);
    add(crash, "gpu", [("name", known(context.runtime("Misc.PrimaryGPUBrand")))]);
    if ending::is_gpu_crash(context) {
        add(crash, "gpu", [("crashed", Some("true"))]);
    }
}

fn device(crash: &mut Crash, context: &Context) {
    let memory =
        |name: &str| context.runtime(name).filter(|bytes| bytes.parse::<u64>().is_ok_and(|bytes| bytes > 0));
    let device = [
        ("memory_size", memory("MemoryStats.TotalPhysical")),
        ("free_memory", memory("MemoryStats.AvailablePhysical")),
        ("processor_count", context.runtime("Misc.NumberOfCores")),
        ("cpu_description", known(context.runtime("Misc.CPUBrand"))),
        ("cpu_vendor", known(context.runtime("Misc.CPUVendor"))),
    ];
    add(crash, "device", device);
}

/// Those texts of a section whose names are wanted.
fn texts<'a>(
    texts: &'a Texts,
    wanted: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
    texts
        .iter()
        .filter(move |(name, _)| wanted(name))
        .map(|(name, text)| (name.as_str(), Some(text.as_str())))
}

/// Adds to one context what it does not say yet.
fn add<'a>(crash: &mut Crash, subject: &str, told: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) {
    if crash.contexts.len() >= bounds::CONTEXTS && !crash.contexts.contains_key(subject) {
        return;
    }
    let mut context: BTreeMap<String, String> = crash.contexts.remove(subject).unwrap_or_default();
    for (name, text) in told {
        if let Some(text) = text {
            bounds::add(&mut context, name, text);
        }
    }
    if !context.is_empty() {
        crash.contexts.insert(subject.to_owned(), context);
    }
}
