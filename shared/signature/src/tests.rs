use epitaph_crash_model::Address;
use proptest::prelude::*;

use super::*;

fn function(name: &str) -> Frame {
    Frame { function: Some(name.to_owned()), module: Some("game".to_owned()), ..Frame::default() }
}

fn text(names: &[&str]) -> String {
    let frames: Vec<Frame> = names.iter().map(|name| function(name)).collect();
    sign(&Unsigned { frames: &frames, kind: Kind::Crash, reason: Some("SIGSEGV"), ..Unsigned::default() })
        .text
}

#[test]
fn the_first_three_frames_that_say_something_make_the_name() {
    assert_eq!(text(&["a", "b", "c", "d"]), "a | b | c");
    assert_eq!(text(&["_int_malloc", "malloc", "operator new", "a", "std::__throw_bad_alloc", "b"]), "a | b");
}

#[test]
fn what_abort_calls_is_left_out_whatever_it_is() {
    let frames = [
        "CrashReporter::onSignal",
        "__restore_rt",
        "gsignal",
        "abort",
        "std::terminate",
        "Save::load",
        "main",
    ];
    assert_eq!(text(&frames), "Save::load | main");
    assert_eq!(
        text(&[
            "backtrace",
            "hook",
            "rust_panic",
            "core::panicking::panic_fmt::h0123456789abcdef",
            "game::load"
        ]),
        "game::load"
    );
}

#[test]
fn nothing_outside_of_a_threads_beginning_is_part_of_the_name() {
    assert_eq!(text(&["a", "main", "__libc_start_main", "_start", "b"]), "a | main");
    assert_eq!(text(&["a", "BaseThreadInitThunk", "RtlUserThreadStart"]), "a");
    assert_eq!(
        text(&["a", "start_thread", "abort"]),
        "a",
        "an abort beyond the beginning of the thread explains nothing"
    );
}

#[test]
fn a_crash_without_telling_frames_is_named_by_its_reason_and_else_by_its_kind() {
    let sign = |frames: &[Frame], reason| {
        sign(&Unsigned { frames, kind: Kind::Hang, reason, ..Unsigned::default() }).text
    };
    assert_eq!(sign(&[function("abort")], Some("SIGABRT")), "SIGABRT");
    assert_eq!(sign(&[Frame::default()], Some("SIGSEGV / SEGV_MAPERR")), "SIGSEGV / SEGV_MAPERR");
    assert_eq!(sign(&[], None), "hang");
    assert_eq!(sign(&[], Some("  ")), "hang");
}

#[test]
fn a_jump_to_a_wild_address_is_part_of_the_name_once() {
    let wild = Frame { address: Address(0x10), ..Frame::default() };
    let frames = [wild.clone(), wild, function("Actor::Tick")];
    let signature = sign(&Unsigned { frames: &frames, ..Unsigned::default() });
    assert_eq!(signature.text, "unknown | Actor::Tick");
}

#[test]
fn every_frame_that_was_looked_at_is_explained() {
    let frames = ["raise", "abort", "free", "a", "b", "c", "d"].map(function);
    let signature = sign(&Unsigned { frames: &frames, ..Unsigned::default() });
    let decisions: Vec<_> = signature.steps.iter().map(|step| (step.frame, step.decision)).collect();
    use StepDecision::{Skipped, Used};
    assert_eq!(decisions, [(0, Skipped), (1, Skipped), (2, Skipped), (3, Used), (4, Used), (5, Used)]);
    assert_eq!(
        signature.steps[0].because,
        "called by frame 1: abort ends the process because its caller asked for it"
    );
}

/// Signatures are stored for ever: this must never change while the version is 2.
#[test]
fn the_id_is_the_hash_of_the_version_and_the_names() {
    let frames = ["a", "b"].map(function);
    let signature = sign(&Unsigned { frames: &frames, ..Unsigned::default() });
    // printf '2\0a\0b' | sha256sum
    assert_eq!(signature.id.to_string(), "64efe2d5234001a5bb2f27376b8f63a1");
    assert_eq!(signature.rules, RULES);
}

#[test]
fn unreadable_crashes_of_one_class_have_one_signature() {
    assert_eq!(unreadable("not a minidump"), unreadable("not a minidump"));
    assert_ne!(unreadable("not a minidump").id, unreadable("too large").id);
}

#[test]
fn a_text_that_is_cut_still_has_an_id_of_its_own() {
    let long = |end: &str| [function(&format!("{}{end}", "ü".repeat(400)))];
    let sign = |frames: &[Frame]| sign(&Unsigned { frames, ..Unsigned::default() });
    let (one, other) = (sign(&long("a")), sign(&long("b")));
    assert_eq!(one.text.chars().count(), LONGEST_TEXT);
    assert_eq!(one.text, other.text);
    assert_ne!(one.id, other.id);
}

fn exception(kind: &str, message: &str) -> Exception {
    Exception { kind: Some(kind.to_owned()), message: Some(message.to_owned()), ..Exception::default() }
}

fn own(name: &str) -> Frame {
    Frame { in_app: Some(true), ..function(name) }
}

#[test]
fn an_exceptions_type_goes_before_the_games_own_frames() {
    let exceptions = [exception("LevelError", "no spawn point"), exception("KeyError", "7")];
    let frames = [function("raise"), own("load"), function("run"), own("start")];
    let signature = sign(&Unsigned { frames: &frames, exceptions: &exceptions, ..Unsigned::default() });
    assert_eq!(signature.text, "LevelError | game.load | game.start");
    assert_eq!(signature.steps[2].because, "not the game's own code, as the client tells");
}

#[test]
fn where_the_games_own_frames_say_nothing_all_frames_count() {
    let text = |frames: &[Frame]| sign(&Unsigned { frames, ..Unsigned::default() }).text;
    assert_eq!(text(&[function("draw"), own("main")]), "draw | main");
    assert_eq!(text(&[own("abort"), function("draw")]), "draw");
    assert_eq!(text(&[function("memcpy"), function("draw"), own("tick")]), "tick");
}

#[test]
fn the_systems_word_for_an_end_is_no_part_of_the_name_whichever_client_tells_it() {
    let native = Exception { mechanism: Some("mach".into()), ..exception("EXC_BAD_ACCESS", "at 0x10") };
    let frames = ["a", "b"].map(function);
    let bare = sign(&Unsigned { frames: &frames, ..Unsigned::default() });
    assert_eq!(sign(&Unsigned { frames: &frames, exceptions: &[native], ..Unsigned::default() }), bare);
}

#[test]
fn without_frames_an_exception_and_then_a_message_name_the_crash_by_what_they_always_say() {
    let of = |exceptions: &[Exception], message, reason| {
        sign(&Unsigned { exceptions, message, reason, ..Unsigned::default() }).text
    };
    let timeout = [exception("Timeout", "after 30 s\nat 12:00")];
    assert_eq!(of(&timeout, Some("passed over"), Some("passed over")), "Timeout | after # s");
    assert_eq!(of(&[], Some("lost player 17"), Some("passed over")), "lost player #");
    assert_eq!(of(&[], Some(" "), Some("SIGABRT")), "SIGABRT");
}

#[test]
fn a_clients_fingerprint_goes_before_all_and_may_ask_for_what_would_be() {
    let frames = ["a", "b"].map(function);
    let of = |fingerprint: &[&str]| {
        let fingerprint: Vec<String> = fingerprint.iter().map(|&part| part.to_owned()).collect();
        sign(&Unsigned { frames: &frames, fingerprint: &fingerprint, ..Unsigned::default() })
    };
    let plain = of(&[]);
    assert_eq!(of(&["{{ default }}"]), plain);
    assert_eq!(of(&[" "]), plain, "a fingerprint that says nothing is none");
    assert_eq!((of(&["database"]).text.as_str(), of(&["database"]).steps.len()), ("database", 0));
    assert_eq!(of(&["{{default}}", "eu"]).text, "a | b | eu");
    assert_ne!(of(&["a", "b"]).id, plain.id, "what a client calls a crash is not what its frames are called");
}

/// Text that looks like names, so that the brackets and suffixes are met.
fn names() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "<",
        ">",
        "(",
        ")",
        "::",
        "operator",
        "{lambda",
        "{closure",
        "}",
        "'lambda",
        "'",
        "$_1",
        ".cold",
        "[clone ",
        "]",
        " ",
        "+0x1",
        "@",
        "::h0123456789abcdef",
        "a",
        "é",
        "_deadbeef1",
        "->",
        " const",
        "abort",
        "+[",
        "`",
        "*",
    ]);
    prop_oneof![any::<String>(), prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())]
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let frame = (
        prop::option::of(names()),
        prop::option::of(names()),
        prop::option::of(0_u64..1 << 40),
        prop::option::of(any::<bool>()),
    );
    let frame = frame.prop_map(|(function, module, offset, in_app)| Frame {
        function,
        module,
        offset: offset.map(Address),
        in_app,
        ..Frame::default()
    });
    prop::collection::vec(frame, 0..12)
}

proptest! {
    #[test]
    fn every_input_is_signed_and_alike_each_time(
        frames in frames(),
        reason in prop::option::of(any::<String>()),
        exceptions in prop::collection::vec((prop::option::of(any::<String>()), any::<String>()), 0..3),
        message in prop::option::of(any::<String>()),
        fingerprint in prop::collection::vec(prop_oneof![any::<String>(), Just("{{ default }}".to_owned())], 0..3),
    ) {
        let exceptions: Vec<Exception> = exceptions
            .into_iter()
            .map(|(kind, message)| Exception { kind, message: Some(message), ..Exception::default() })
            .collect();
        let crash = Unsigned {
            frames: &frames,
            kind: Kind::Crash,
            reason: reason.as_deref(),
            exceptions: &exceptions,
            message: message.as_deref(),
            fingerprint: &fingerprint,
        };
        let signature = sign(&crash);
        prop_assert_eq!(&signature, &sign(&crash));
        prop_assert!(!signature.text.is_empty());
        prop_assert!(signature.text.chars().count() <= LONGEST_TEXT);
        prop_assert!(signature.steps.iter().all(|step| step.frame < frames.len() && !step.because.is_empty()));
        let used = signature.steps.iter().filter(|step| step.decision == StepDecision::Used).count();
        prop_assert!(used <= FRAMES);
    }

    #[test]
    fn where_the_process_was_loaded_makes_no_difference(frames in frames(), slide: u64) {
        let moved: Vec<Frame> = frames
            .iter()
            .map(|frame| Frame { address: Address(frame.address.0.wrapping_add(slide)), ..frame.clone() })
            .collect();
        let sign = |frames: &[Frame]| sign(&Unsigned { frames, ..Unsigned::default() });
        prop_assert_eq!(sign(&frames), sign(&moved));
    }

    #[test]
    fn a_normalised_name_has_nothing_left_to_normalise(name in "[a-z_:]{1,12}(<[a-z, ]{0,6}>)?(\\([a-z]{0,4}\\))?( const)?(\\.cold)?") {
        let once = name::normalised(&name);
        prop_assert_eq!(name::normalised(&once), once);
    }
}
