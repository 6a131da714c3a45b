//! From a report and its verdict to a crash.

use epitaph_crash_model::{Crash, Frame, Report, Signature, StoredPayload};
use epitaph_rules::labels;
use epitaph_signature::Unsigned;

use crate::{
    kind,
    parsed::{Parsed, Unreadable, Verdict},
    sources::{self, Source},
};

/// A crash that is not signed yet, and why it could not be read if nothing of it could.
pub(crate) struct Assembled {
    pub(crate) crash: Crash,
    unreadable: Option<Unreadable>,
}

/// Puts a crash together from what its minidump and its other sources tell. `payloads` is where the report's files are
/// kept now.
pub(crate) fn assemble(
    report: Report,
    verdict: Option<Verdict>,
    sources: &[Source],
    payloads: Vec<StoredPayload>,
) -> Assembled {
    let (parsed, unreadable) = match verdict {
        Some(Verdict::Parsed(parsed)) => (Some(*parsed), None),
        Some(Verdict::Unreadable(unreadable)) => (None, Some(unreadable)),
        None => (None, None),
    };
    let readable = parsed.is_some();
    let mut crash = of_dump(report, parsed.unwrap_or_default(), payloads);
    let told = sources::apply(&mut crash, sources);
    let unreadable = unreadable.or_else(|| match told {
        Err(fault) if !readable => Some(fault.unwrap_or_else(nothing)),
        _ => None,
    });
    Assembled { crash, unreadable }
}

impl Assembled {
    /// Signs the crash, once it has all that it will have.
    pub(crate) fn signed(self) -> Crash {
        let Self { mut crash, unreadable } = self;
        crash.signature = sign(&crash, unreadable.as_ref());
        crash.unreadable = unreadable.map(|unreadable| unreadable.message);
        crash
    }
}

/// What the rules call a crash that was read before, with the frames that it has now.
pub(crate) fn signed_again(crash: &Crash) -> Signature {
    sign(crash, None)
}

/// All that the signature of a crash depends on.
pub(crate) fn unsigned<'a>(crash: &'a Crash, frames: &'a [Frame]) -> Unsigned<'a> {
    Unsigned {
        frames,
        kind: crash.kind,
        reason: crash.reason.as_deref(),
        exceptions: &crash.exceptions,
        message: crash.message.as_deref(),
        fingerprint: &crash.fingerprint,
    }
}

/// The frames of the thread that ended the process.
pub(crate) fn crashing_frames(crash: &Crash) -> &[Frame] {
    let thread = crash.crashing_thread.and_then(|index| crash.threads.get(index));
    thread.map(|thread| thread.frames.as_slice()).unwrap_or_default()
}

/// A crash that nobody changes.
#[cfg(test)]
pub(crate) fn crash(
    report: Report,
    verdict: Option<Verdict>,
    sources: &[Source],
    payloads: Vec<StoredPayload>,
) -> Crash {
    assemble(report, verdict, sources, payloads).signed()
}

/// What a report is that holds nothing to read.
fn nothing() -> Unreadable {
    Unreadable::new("no minidump", "the report holds no minidump, and nothing else that tells of a crash")
}

/// A crash as far as the request and the minidump tell, not signed yet.
fn of_dump(report: Report, parsed: Parsed, payloads: Vec<StoredPayload>) -> Crash {
    // The request's annotations win over the dump's: an uploader may correct what the game wrote long before.
    let mut annotations = parsed.annotations.clone();
    annotations.extend(report.annotations);
    let kind = kind::of(&parsed, &annotations);
    let unsigned = epitaph_signature::unreadable("");
    Crash {
        kind,
        client_id: report.client_id,
        client: report.client,
        received_at: report.received_at,
        occurred_at: parsed.occurred_at,
        release: labels::release(&annotations),
        environment: labels::environment(&annotations),
        reason: parsed.reason,
        address: parsed.address,
        assertion: parsed.assertion,
        crashing_thread: parsed.crashing_thread,
        threads: parsed.threads,
        modules: parsed.modules,
        system: parsed.system,
        uptime_seconds: parsed.uptime_seconds,
        annotations,
        payloads,
        notes: report.notes,
        weight: report.weight,
        ..Crash::new(report.id, report.project, report.protocol, unsigned)
    }
}

/// Signs a crash by all that is known of it. One that cannot be read, and of which nothing else tells, falls together
/// with those of its sort.
fn sign(crash: &Crash, unreadable: Option<&Unreadable>) -> Signature {
    let frames = crashing_frames(crash);
    let says_nothing = frames.is_empty() && crash.exceptions.is_empty() && crash.fingerprint.is_empty();
    if let Some(unreadable) = unreadable.filter(|_| says_nothing) {
        return epitaph_signature::unreadable(&unreadable.class);
    }
    epitaph_signature::sign(&unsigned(crash, frames))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use epitaph_crash_model::{CrashId, Kind, ProjectId, Protocol, REPORT_VERSION};

    use super::*;

    /// A report of nothing but annotations.
    pub(crate) fn report(annotations: &[(&str, &str)]) -> Report {
        let id = CrashId::new();
        Report {
            version: REPORT_VERSION,
            id,
            project: ProjectId::FIRST,
            received_at: id.accepted_at(),
            protocol: Protocol::Multipart,
            client_id: None,
            client: None,
            annotations: owned(annotations),
            payloads: Vec::new(),
            notes: Vec::new(),
            weight: 3,
            sampled_by: None,
            outcomes: Vec::new(),
        }
    }

    fn owned(annotations: &[(&str, &str)]) -> BTreeMap<String, String> {
        annotations.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_requests_annotations_win_and_the_dumps_fill_in() {
        let parsed = Parsed { annotations: owned(&[("ver", "1"), ("map", "e1m1")]), ..Parsed::default() };
        let crash = crash(
            report(&[("ver", "2"), ("env", " qa\n")]),
            Some(Verdict::Parsed(Box::new(parsed))),
            &[],
            Vec::new(),
        );
        assert_eq!(crash.annotations, owned(&[("env", " qa\n"), ("map", "e1m1"), ("ver", "2")]));
        assert_eq!(crash.release.as_deref(), Some("2"));
        assert_eq!(crash.environment.as_deref(), Some("qa"));
        assert_eq!(crash.weight, 3);
    }

    #[test]
    fn a_game_made_with_electron_reports_its_own_version_not_electrons() {
        let verdict = Some(Verdict::Parsed(Box::default()));
        let crash = crash(report(&[("ver", "30.0.1"), ("_version", "1.2.3")]), verdict, &[], Vec::new());
        assert_eq!(crash.release.as_deref(), Some("1.2.3"));
    }

    #[test]
    fn an_unreadable_crash_keeps_what_the_request_said() {
        let unreadable = Unreadable::new("not a minidump", "the file is empty");
        let crash = crash(
            report(&[("ver", "2"), ("hang", "yes")]),
            Some(Verdict::Unreadable(unreadable)),
            &[],
            Vec::new(),
        );
        assert_eq!(crash.unreadable.as_deref(), Some("the file is empty"));
        assert_eq!(crash.signature.text, "unreadable: not a minidump");
        assert_eq!((crash.kind, crash.release.as_deref()), (Kind::Hang, Some("2")));
        assert!(crash.threads.is_empty());
    }
}
