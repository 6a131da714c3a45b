//! What the parser makes of dumps, good and bad. Every dump is parsed in a child process, as in earnest.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use common::{parsed, unreadable, verdict};
use epitaph_crash_model::{Address, Trust};
use epitaph_process::Verdict;
use epitaph_test_dumps::{GAME_BASE, linux, requested, windows};

#[tokio::test]
async fn a_windows_crash_is_read_in_full() {
    let parsed = parsed(verdict(&windows()).await);
    assert_eq!(parsed.reason.as_deref(), Some("EXCEPTION_ACCESS_VIOLATION_WRITE"));
    assert_eq!(parsed.address, Some(Address(0x20)));
    assert_eq!(parsed.crashing_thread, Some(0));
    assert_eq!(parsed.system.os.as_deref(), Some("Windows"));
    assert_eq!(parsed.system.os_version.as_deref(), Some("10.0.22621"));
    assert_eq!(parsed.system.arch.as_deref(), Some("amd64"));
    assert_eq!(parsed.system.cpu_count, Some(8));
    assert_eq!(parsed.occurred_at.map(|time| time.to_string()).as_deref(), Some("2010-01-06T19:15:09.000Z"));

    let [crashed, waiting] = parsed.threads.as_slice() else { panic!("two threads: {:?}", parsed.threads) };
    assert_eq!((crashed.id, crashed.name.as_deref()), (7, None));
    assert_eq!((waiting.id, waiting.name.as_deref()), (8, Some("AudioMixer")));
    assert_eq!(crashed.registers["rip"], Address(GAME_BASE + 0x1000));

    let places: Vec<_> = crashed.frames.iter().map(|frame| (frame.offset, frame.trust)).collect();
    let offset = |offset| Some(Address(offset));
    assert_eq!(places[0], (offset(0x1000), Trust::Context));
    // The call before the return address.
    assert_eq!(places[1..3], [(offset(0x2000), Trust::FramePointer), (offset(0x3000), Trust::FramePointer)]);
    assert_eq!(crashed.frames[0].module.as_deref(), Some("Game.exe"));

    let [module] = parsed.modules.as_slice() else { panic!("one module: {:?}", parsed.modules) };
    assert_eq!((module.name.as_str(), module.code_file.as_str()), ("Game.exe", r"C:\Games\Game.exe"));
    assert_eq!((module.base, module.size), (Address(GAME_BASE), 0x10_0000));
    assert_eq!(module.debug_id.as_deref(), Some("443322116655887799AABBCCDDEEFF002"));
    assert_eq!(module.debug_id, crashed.frames[0].debug_id);
    assert_eq!(module.code_id.as_deref(), Some("6716baf5100000"));
}

#[tokio::test]
async fn a_linux_crash_brings_crashpads_annotations() {
    let parsed = parsed(verdict(&linux()).await);
    assert_eq!(parsed.reason.as_deref(), Some("SIGSEGV / SEGV_MAPERR"));
    assert_eq!(parsed.system.os.as_deref(), Some("Linux"));
    let annotations: Vec<_> =
        parsed.annotations.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        annotations,
        [
            ("guid", "00000001-0002-0003-0404-040404040404"),
            ("linux_distribution", "SteamOS 3"),
            ("list_annotations", "assertion failed: world != nullptr"),
            ("map", "e1m1"),
            ("prod", "MyGame"),
            ("ver", "1.2.3"),
        ],
        "the process's own value wins over its module's, and bytes of an unknown type are left out"
    );
    assert_eq!(parsed.modules[0].code_id.as_deref(), Some("ab".repeat(20).as_str()));
}

#[tokio::test]
async fn a_dump_that_was_asked_for_says_so() {
    let parsed = parsed(verdict(&requested()).await);
    assert!(
        parsed.reason.as_deref().is_some_and(|reason| reason.starts_with("DUMP_REQUESTED")),
        "{:?}",
        parsed.reason
    );
}

#[tokio::test]
async fn what_is_not_a_minidump_is_told_apart_from_one_that_was_cut_off() {
    for (bytes, class, message) in [
        (&b""[..], "not a minidump", "the file is empty"),
        (b"garbage", "not a minidump", "the file begins with garb; a minidump begins with MDMP"),
        (b"MDMP", "incomplete minidump", "the file is shorter than the header of a minidump"),
        (
            &b"\x7fELF".repeat(64),
            "not a minidump",
            "the file begins with \\x7fELF; a minidump begins with MDMP",
        ),
        (
            &windows()[..40],
            "incomplete minidump",
            "the minidump ends before its directory; it was cut off on its way or as it was written",
        ),
    ] {
        let unreadable = unreadable(verdict(bytes).await);
        assert_eq!((unreadable.class.as_str(), unreadable.message.as_str()), (class, message));
    }
}

/// Classes of verdicts on the dump itself; those about the parser all begin with "the parser".
fn is_about_the_dump(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Parsed(_) => true,
        Verdict::Unreadable(unreadable) => ["not a minidump", "incomplete minidump", "malformed minidump"]
            .contains(&unreadable.class.as_str()),
    }
}

#[tokio::test]
async fn a_dump_cut_anywhere_gives_a_verdict_or_what_is_left_of_it() {
    let whole = linux();
    let mut partial = 0;
    for fiftieth in 0..50 {
        let cut = verdict(&whole[..whole.len() * fiftieth / 50]).await;
        assert!(is_about_the_dump(&cut), "cut at {fiftieth}/50: {cut:?}");
        partial += u32::from(matches!(cut, Verdict::Parsed(_)));
    }
    assert!(partial > 0, "a dump that lacks only its last stream is worth something");
}

#[tokio::test]
async fn a_dump_damaged_anywhere_gives_a_verdict_or_what_is_left_of_it() {
    let whole = windows();
    let mut partial = 0;
    for hundredth in 0..100 {
        let mut damaged = whole.clone();
        let at = damaged.len() * hundredth / 100;
        let end = (at + 8).min(damaged.len());
        damaged[at..end].fill(0xff);
        let verdict = verdict(&damaged).await;
        assert!(is_about_the_dump(&verdict), "damaged at {at}: {verdict:?}");
        partial += u32::from(matches!(verdict, Verdict::Parsed(_)));
    }
    assert!(partial > 50, "most damage leaves most of a dump readable, but only {partial} of 100 were read");
}
