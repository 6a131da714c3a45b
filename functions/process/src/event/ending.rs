//! What sort of end an event tells of, and in which words.

use epitaph_crash_model::{Crash, Exception, Kind};
use serde_json::Value;

use super::value;
use crate::bounds;

/// Mechanisms and types by which clients say that the game hung, without punctuation and in lower case.
const HANGS: [&str; 12] = [
    "anr",
    "appexitinfo",
    "applicationnotresponding",
    "applicationnotrespondingexception",
    "apphang",
    "apphanging",
    "apphangexception",
    "fatalapphang",
    "backgroundanr",
    "mainthreadwatchdog",
    "mxhangdiagnostic",
    "stall",
];

/// Mechanisms and types by which clients say that memory ran out.
const OOMS: [&str; 6] = [
    "watchdogtermination",
    "outofmemory",
    "outofmemoryerror",
    "outofmemoryexception",
    "insufficientmemoryexception",
    "memoryerror",
];

/// Types by which clients say that a fatal check failed. `Assertion failed` is Unreal's.
const ASSERTS: [&str; 5] =
    ["assertionfailed", "assertionerror", "assertionexception", "assertfailed", "assertionfailure"];

/// Types by which Unreal says that a check failed that the game survives.
const ENSURES: [&str; 2] = ["ensurefailed", "ensure"];

/// Mechanisms of ends that the system tells of: the exception's type is then the system's word, not a language's.
const NATIVE: [&str; 4] = ["mach", "signalhandler", "signal", "minidump"];

/// Sets what sort of end it was, and its reason. `has_dump` says that a minidump told: it was then more than an error.
pub(super) fn apply(crash: &mut Crash, event: &Value, has_dump: bool) {
    let told = kind(crash, event);
    let is_open = crash.kind == Kind::Crash && !crash.annotations.contains_key("kind");
    if is_open && !(has_dump && told == Kind::Error) {
        crash.kind = told;
    }
    let exceptions = value::list(value::field(event, "exception"));
    let mechanism = exceptions.last().and_then(|exception| value::field(exception, "mechanism"));
    if crash.reason.is_none() {
        let system = mechanism.and_then(system_reason);
        crash.reason = system.or_else(|| crash.exceptions.first()?.kind.clone());
    }
    if crash.address.is_none() {
        let data = mechanism.and_then(|mechanism| value::field(mechanism, "data"));
        crash.address = data.and_then(|data| value::address(data, "relevant_address"));
    }
}

fn kind(crash: &Crash, event: &Value) -> Kind {
    let fatal = value::field(event, "level").and_then(Value::as_str) == Some("fatal");
    let Some(exception) = crash.exceptions.first() else {
        let crashed = value::list(value::field(event, "threads"))
            .iter()
            .any(|thread| value::truth(thread, "crashed") == Some(true));
        return if fatal || crashed { Kind::Crash } else { Kind::Error };
    };
    of_exception(exception).unwrap_or(if fatal { Kind::Crash } else { Kind::Error })
}

/// What sort of end an exception tells of; `None` if it says nothing of it.
pub(crate) fn of_exception(exception: &Exception) -> Option<Kind> {
    let handled = exception.handled;
    if says(exception, &HANGS) {
        Some(Kind::Hang)
    } else if says(exception, &OOMS) {
        Some(Kind::Oom)
    } else if says(exception, &ENSURES) {
        Some(Kind::Ensure)
    } else if says(exception, &ASSERTS) && handled != Some(true) {
        Some(Kind::Assert)
    } else if handled == Some(false) || is_native(exception) {
        Some(Kind::Crash)
    } else {
        handled.map(|_| Kind::Error)
    }
}

fn says(exception: &Exception, words: &[&str]) -> bool {
    [&exception.mechanism, &exception.kind].into_iter().flatten().any(|said| {
        // Of a type with its package, such as `java.lang.OutOfMemoryError`, the type counts.
        let said = said.rsplit(['.', ':']).next().unwrap_or(said);
        let bare: String = said
            .chars()
            .filter(|next| next.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .take(64)
            .collect();
        words.contains(&bare.as_str())
    })
}

fn is_native(exception: &Exception) -> bool {
    exception.mechanism.as_deref().is_some_and(|mechanism| NATIVE.contains(&mechanism))
}

/// The system's word, such as `SIGSEGV / SEGV_MAPERR`.
fn system_reason(mechanism: &Value) -> Option<String> {
    let meta = value::field(mechanism, "meta")?;
    let of = |name: &str| {
        let about = value::field(meta, name)?;
        let word = value::name(about, "name")?;
        let detail = value::name(about, "code_name");
        Some(detail.map_or_else(|| word.clone(), |detail| format!("{word} / {detail}")))
    };
    // Apple's clients tell both; a Mach exception is what a minidump of the same crash tells.
    of("mach_exception").or_else(|| of("signal")).as_deref().and_then(bounds::name)
}
