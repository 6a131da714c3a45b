//! What sort of end a context tells of, and in which words.

use epitaph_crash_model::{Address, Crash, Kind};

use super::xml::{Context, is_true};
use crate::bounds;

/// How the clock of .NET counts: hundreds of nanoseconds since the year 1.
const TICKS_AT_1970: i64 = 621_355_968_000_000_000;
const TICKS_A_MILLI: i64 = 10_000;

/// Sets what sort of end it was, its reason, and what was said about it.
pub(super) fn apply(crash: &mut Crash, context: &Context) {
    let told = kind(context);
    // Unreal knows its own ends best: a check that fails is to the system an exception like others, or a dump that was
    // asked for. Only the client's own word counts more, and where Unreal knows no more than a crash, the system's.
    let has_said = crash.annotations.contains_key("kind");
    if !has_said && (told != Kind::Crash || crash.kind == Kind::Error) {
        crash.kind = told;
    }
    let message = context.runtime("ErrorMessage").and_then(bounds::text);
    if crash.address.is_none() {
        crash.address = message.as_deref().and_then(address);
    }
    // Where the engine ended the game itself, the system only tells by which exception it did so.
    if let Some(reason) = engine_reason(context, told).filter(|_| !has_said) {
        crash.reason = Some(reason.to_owned());
    } else if crash.reason.is_none() {
        crash.reason = message.as_deref().and_then(system_reason);
    }
    match told {
        Kind::Assert | Kind::Ensure => crash.assertion = crash.assertion.take().or(message),
        _ => crash.message = crash.message.take().or(message),
    }
    crash.comment =
        crash.comment.take().or_else(|| context.runtime("UserDescription").and_then(bounds::text));
    if crash.occurred_at.is_none() {
        let ticks = context.runtime("TimeOfCrash").and_then(|ticks| ticks.parse::<i64>().ok());
        let millis = ticks.map(|ticks| ticks.saturating_sub(TICKS_AT_1970) / TICKS_A_MILLI);
        // Beyond the year 9999 it is no time.
        let millis = millis.filter(|millis| (1..253_402_300_800_000).contains(millis));
        crash.occurred_at = millis.map(epitaph_crash_model::Timestamp::from_millis);
    }
    if crash.uptime_seconds.is_none() {
        let seconds = context.runtime("SecondsSinceStart").and_then(|seconds| seconds.parse().ok());
        // Unreal counts from its first tick; a game that crashes before that has run for no time that is known.
        crash.uptime_seconds = seconds.filter(|seconds| *seconds > 0);
    }
}

fn kind(context: &Context) -> Kind {
    let is = |name| context.flag(name) == Some(true);
    if is("IsOOM") || is("MemoryStats.bIsOOM") {
        return Kind::Oom;
    }
    match crash_type(context).as_str() {
        "assert" => Kind::Assert,
        "ensure" => Kind::Ensure,
        "stall" | "hang" => Kind::Hang,
        "outofmemory" | "outofvideomemory" => Kind::Oom,
        // An ensure is a check too, and a stall comes as an ensure.
        _ if is("IsStall") => Kind::Hang,
        _ if is("IsEnsure") => Kind::Ensure,
        _ if is("IsAssert") => Kind::Assert,
        _ => Kind::Crash,
    }
}

fn crash_type(context: &Context) -> String {
    context.runtime("CrashType").unwrap_or_default().chars().take(64).collect::<String>().to_lowercase()
}

/// The engine's word for an end of its own making.
fn engine_reason(context: &Context, kind: Kind) -> Option<&'static str> {
    match (kind, crash_type(context).as_str()) {
        (Kind::Assert, _) => Some("Assertion failed"),
        (Kind::Ensure, _) => Some("Ensure condition failed"),
        (Kind::Hang, _) => Some("Stall"),
        (Kind::Oom, _) => Some("Out of memory"),
        (_, "gpucrash") => Some("GPU crash"),
        (_, "abnormalshutdown") => Some("Abnormal shutdown"),
        _ => None,
    }
}

/// `EXCEPTION_ACCESS_VIOLATION` of `Unhandled Exception: EXCEPTION_ACCESS_VIOLATION reading address 0x00000020`;
/// `SEGV_MAPERR` of `SEGV_MAPERR at 0x88`. What is no such word is a message.
fn system_reason(message: &str) -> Option<String> {
    let message = message.trim().trim_start_matches("Unhandled Exception:").trim_start();
    let message = message.trim_start_matches("Caught signal ").trim_start();
    let word: String =
        message.chars().take_while(|next| next.is_ascii_alphanumeric() || *next == '_').take(64).collect();
    let is_system = ["EXCEPTION_", "SIG", "SEGV_", "BUS_", "FPE_", "ILL_", "EXC_"]
        .iter()
        .any(|start| word.starts_with(start));
    (is_system && word.chars().all(|next| !next.is_ascii_lowercase())).then_some(word)
}

/// The address that a message is about: `... address 0x00000020`, `... at 0x88`.
fn address(message: &str) -> Option<Address> {
    let (_, rest) = message.rsplit_once(" address 0x").or_else(|| message.rsplit_once(" at 0x"))?;
    let digits: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    format!("0x{digits}").parse().ok()
}

/// Whether the graphics processor crashed rather than the game.
pub(super) fn is_gpu_crash(context: &Context) -> bool {
    crash_type(context) == "gpucrash" || context.engine("RHI.IsGPUCrashed").is_some_and(is_true)
}
