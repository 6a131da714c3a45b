//! What sort of end a crash was.

use std::collections::BTreeMap;

use epitaph_crash_model::Kind;

use crate::parsed::Parsed;

/// Annotations by which games and crash clients say that a process hung. Mozilla's clients send the last two.
const HANG_NAMES: [&str; 5] = ["hang", "is_hang", "anr", "Hang", "PluginHang"];

/// What Windows, macOS and Mozilla's clients say when memory ran out.
const OOM_REASONS: [&str; 5] = [
    "Out of Memory",
    "STATUS_NO_MEMORY",
    "ERROR_NOT_ENOUGH_MEMORY",
    "ERROR_OUTOFMEMORY",
    "EXC_RESOURCE / RESOURCE_TYPE_MEMORY",
];

/// The number of bytes that Mozilla's clients could not allocate.
const OOM_NAME: &str = "OOMAllocationSize";

const ASSERT_REASONS: [&str; 2] = ["STATUS_ASSERTION_FAILURE", "EXCEPTION_ASSERTION"];

/// What Crashpad writes as the exception of a dump that a program asked for (`DumpWithoutCrash`) and survived.
const SURVIVED_REASONS: [&str; 2] = ["Simulated Exception", "DUMP_REQUESTED"];

/// The first of these that tells: the client's own word (an annotation `kind` with one of ours), a hang that it
/// announces, memory that ran out, an assertion, a dump that was asked for. Whatever tells nothing counts as a crash:
/// a dump without an exception may be one whose end was cut off.
pub(crate) fn of(parsed: &Parsed, annotations: &BTreeMap<String, String>) -> Kind {
    if let Some(kind) = annotations.get("kind").and_then(|word| word.trim().to_lowercase().parse().ok()) {
        return kind;
    }
    if HANG_NAMES.iter().any(|name| annotations.get(*name).is_some_and(|value| says_yes(value))) {
        return Kind::Hang;
    }
    let reason = parsed.reason.as_deref().unwrap_or_default();
    let is_one_of = |reasons: &[&str]| reasons.iter().any(|known| reason.starts_with(known));
    if is_one_of(&OOM_REASONS) || annotations.contains_key(OOM_NAME) {
        Kind::Oom
    } else if is_one_of(&ASSERT_REASONS) || parsed.assertion.is_some() {
        Kind::Assert
    } else if is_one_of(&SURVIVED_REASONS) {
        Kind::Error
    } else {
        Kind::Crash
    }
}

fn says_yes(value: &str) -> bool {
    !matches!(value.trim().to_lowercase().as_str(), "" | "0" | "false" | "no")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(reason: &str, annotations: &[(&str, &str)]) -> Kind {
        let parsed = Parsed { reason: Some(reason.to_owned()), ..Parsed::default() };
        let annotations = annotations.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        of(&parsed, &annotations.collect())
    }

    #[test]
    fn the_reason_tells_the_kind_unless_the_client_does() {
        assert_eq!(kind("SIGSEGV / SEGV_MAPERR", &[]), Kind::Crash);
        assert_eq!(kind("Out of Memory", &[]), Kind::Oom);
        assert_eq!(kind("DUMP_REQUESTED", &[]), Kind::Error);
        assert_eq!(kind("DUMP_REQUESTED / 0x00000000", &[]), Kind::Error);
        assert_eq!(kind("Simulated Exception", &[("hang", "1")]), Kind::Hang);
        assert_eq!(kind("Simulated Exception", &[("hang", "0")]), Kind::Error);
        assert_eq!(kind("Simulated Exception", &[("kind", "Ensure")]), Kind::Ensure);
        assert_eq!(kind("SIGSEGV", &[("kind", "of magic")]), Kind::Crash);
        assert_eq!(kind("SIGABRT", &[("OOMAllocationSize", "4096")]), Kind::Oom);
    }

    #[test]
    fn a_failed_assertion_is_one_whatever_the_reason() {
        let parsed = Parsed { assertion: Some("a == b".into()), ..Parsed::default() };
        assert_eq!(of(&parsed, &BTreeMap::new()), Kind::Assert);
        assert_eq!(of(&Parsed::default(), &BTreeMap::new()), Kind::Crash);
    }
}
