//! What every crash must be, whatever it was made of.

use epitaph_crash_model::{Crash, CrashId, ProjectId, Protocol, Role};
use epitaph_process::bounds;
use epitaph_scrub::{ScrubRules, scrub};
use epitaph_signature::{LONGEST_TEXT, Unsigned, sign, unreadable};

/// A crash's document is no larger than this, in bytes, whatever a client sends within its limits.
const LARGEST: usize = 8 << 20;

/// A crash of which nothing is known.
pub(crate) fn empty() -> Crash {
    let id = CrashId::from_bytes(*b"\x01\x98\xc5\xa0\0\0\x70\0\x80\0\0\0\0\0\0\x01");
    Crash::new(id.expect("a UUID of version 7"), ProjectId::FIRST, Protocol::Envelope, unreadable("nothing"))
}

/// What a payload of a role tells; `None` if it cannot be read. Either way it is sound, and the same each time.
pub(crate) fn told_by(role: Role, bytes: &[u8]) -> Option<Crash> {
    let tell = || {
        let mut crash = empty();
        let read = epitaph_process::sources::add(&mut crash, role, bytes);
        (crash, read)
    };
    let (mut crash, read) = tell();
    is_sound(&crash);
    assert_eq!((&crash, &read), (&tell().0, &read), "the same payload is the same crash");
    if let Err(unreadable) = &read {
        assert!(unreadable.message.len() < 1_000, "a reason that a person can read: {}", unreadable.message);
    }
    let told = crash.clone();
    scrub(&mut crash, &ScrubRules::default());
    is_signed(&crash);
    read.is_ok().then_some(told)
}

fn is_sound(crash: &Crash) {
    let frames: usize = crash.threads.iter().map(|thread| thread.frames.len()).sum();
    let thrown: usize = crash.exceptions.iter().map(|exception| exception.frames.len()).sum();
    assert!(frames <= bounds::ALL_FRAMES && thrown <= bounds::ALL_FRAMES, "{frames}, {thrown}");
    assert!(crash.threads.len() <= bounds::THREADS + 1, "{} threads", crash.threads.len());
    assert!(crash.exceptions.len() <= bounds::EXCEPTIONS, "{} exceptions", crash.exceptions.len());
    assert!(crash.breadcrumbs.len() <= bounds::BREADCRUMBS, "{} breadcrumbs", crash.breadcrumbs.len());
    assert!(crash.modules.len() <= bounds::MODULES, "{} modules", crash.modules.len());
    assert!(crash.contexts.len() <= bounds::CONTEXTS, "{} contexts", crash.contexts.len());
    let maps = [&crash.tags, &crash.annotations].into_iter().chain(crash.contexts.values());
    assert!(maps.into_iter().all(|map| map.len() <= bounds::ENTRIES));
    assert!(crash.crashing_thread.is_none_or(|index| index < crash.threads.len()));
    let document = serde_json::to_vec(crash).expect("a crash has a document");
    assert!(document.len() <= LARGEST, "{} bytes", document.len());
    let read: Crash = serde_json::from_slice(&document).expect("a document can be read");
    assert_eq!(read, *crash, "a document reads back as it was");
}

fn is_signed(crash: &Crash) {
    let thread = crash.crashing_thread.and_then(|index| crash.threads.get(index));
    let unsigned = Unsigned {
        frames: thread.map(|thread| thread.frames.as_slice()).unwrap_or_default(),
        kind: crash.kind,
        reason: crash.reason.as_deref(),
        exceptions: &crash.exceptions,
        message: crash.message.as_deref(),
        fingerprint: &crash.fingerprint,
    };
    let signature = sign(&unsigned);
    assert_eq!(signature, sign(&unsigned));
    assert!(
        signature.text.chars().count() <= LONGEST_TEXT && !signature.text.is_empty(),
        "{}",
        signature.text
    );
}
