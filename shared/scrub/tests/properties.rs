//! What holds for every text and every crash.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use std::time::{Duration, Instant};

use epitaph_crash_model::{
    Breadcrumb, Crash, CrashId, Exception, Frame, Module, ProjectId, Protocol, Signature, SignatureId,
    Thread, User,
};
use epitaph_scrub::{LineScrubber, ScrubRules, scrub, scrub_text};
use proptest::prelude::*;

/// Pieces that private things are made of, and what stands around them.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z0-9@.:/\\\\%\"'=<> -]{1,6}",
        "[0-9]{1,5}",
        ".{1,3}",
        proptest::sample::select(vec![
            "password",
            "token",
            "=",
            ": ",
            "\"",
            "\\\"",
            "'",
            "\\",
            "Authorization: ",
            "Cookie=",
            "Bearer ",
            "eyJhbGciOi.eyJhbGciOi.x",
            "://",
            "ann:pw@",
            "a@b.com",
            "%40",
            "@",
            "1.2.3.4",
            "10.0.0.1",
            "::",
            "fe80::1",
            "2001:db8::1",
            "C:\\Users\\",
            "/home/",
            "/Users/",
            "file://",
            "ann",
            " ",
            "\n",
            "4111111111111111",
            "4111 1111 1111 1111",
            "[secret]",
            "[user]",
            "[email]",
            "[ip]",
            "?key=",
            "--token ",
            "<token>",
            "user_id",
            "MachineId",
            "version ",
            "{",
            "}",
            ",",
            ".",
            "한글",
            "\u{0}",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

fn lines(text: &[u8], step: usize) -> Vec<u8> {
    let mut scrubber = LineScrubber::new(ScrubRules::default(), Vec::new());
    for piece in text.chunks(step) {
        scrubber.push(piece).unwrap();
    }
    scrubber.finish().unwrap().0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_was_scrubbed_stays_as_it_is(text in pieces()) {
        let once = scrub_text(&text, &ScrubRules::default()).into_owned();
        let twice = scrub_text(&once, &ScrubRules::default()).into_owned();
        prop_assert_eq!(&once, &twice, "of {:?}", text);
    }

    #[test]
    fn any_text_can_be_scrubbed(text: String) {
        let _ = scrub_text(&text, &ScrubRules::default());
    }

    #[test]
    fn words_and_small_numbers_stay_byte_for_byte(text in "([a-zA-Z가-힣]{1,9}|[0-9]{1,3}|[,;()\n\t !?])( ([a-zA-Z가-힣]{1,9}|[0-9]{1,3}|[,;()\n\t !?])){0,20}") {
        prop_assert_eq!(scrub_text(&text, &ScrubRules::default()), text.as_str());
    }

    #[test]
    fn a_log_comes_out_the_same_however_it_comes_in(text in pieces(), step in 1_usize..9) {
        let whole: String =
            text.split_inclusive('\n').map(|line| scrub_text(line, &ScrubRules::default()).into_owned()).collect();
        let streamed = String::from_utf8(lines(text.as_bytes(), step));
        prop_assert_eq!(streamed.as_deref(), Ok(whole.as_str()));
    }
}

#[test]
fn what_comes_to_light_beside_something_replaced_is_looked_at_too() {
    for text in ["fe80::1--token 0", "a@b.invalid token: abc"] {
        let once = scrub_text(text, &ScrubRules::default()).into_owned();
        assert_eq!(scrub_text(&once, &ScrubRules::default()), once, "of {text}");
    }
}

#[test]
fn a_log_without_an_end_of_line_is_scrubbed_in_pieces_and_none_is_lost() {
    let one = "{\"peer\":\"203.0.113.7\",\"token\":\"abc\"},";
    let text = one.repeat(100_000);
    let scrubbed = String::from_utf8(lines(text.as_bytes(), 70_000)).unwrap();
    assert_eq!(scrubbed, "{\"peer\":\"[ip]\",\"token\":\"[secret]\"},".repeat(100_000));
}

#[test]
fn what_is_not_text_passes_through_as_replacement_characters() {
    assert_eq!(lines(b"a\xff\xfe b@c.de\n\x80", 1), "a\u{fffd}\u{fffd} [email]\n\u{fffd}".as_bytes());
}

/// Texts that make a scrubber look far ahead or back again and again take about as long as any other of their length.
#[test]
fn hostile_texts_take_as_long_as_others() {
    let hostile = [
        "@",
        "a@",
        "a.",
        "%40",
        "password=\"",
        "password='\\\"",
        "token:",
        "1.",
        "1.1.1.1",
        ":",
        "::",
        "a:",
        "fe80:",
        "/home/",
        "C:\\Users\\",
        "\\",
        "eyJ",
        "eyJhbGciOi.",
        "4",
        "4 ",
        "4111-",
        "://",
        "://a:",
        "Bearer ",
        "<token>",
        "--token ",
        "-",
        "user_id=",
        "<UserId>",
        "a_b",
    ];
    for piece in hostile {
        let text = piece.repeat(400_000 / piece.len());
        let begun = Instant::now();
        let _ = scrub_text(&text, &ScrubRules::default());
        // A quadratic one takes many minutes.
        assert!(begun.elapsed() < Duration::from_secs(60), "{piece:?} took {:?}", begun.elapsed());
    }
}

fn crash_with(text: &str) -> Crash {
    let some = || Some(text.to_owned());
    let pairs = || [("name".to_owned(), text.to_owned())].into();
    let signature =
        Signature { id: SignatureId::from_bytes([7; 16]), rules: 1, text: "draw".into(), steps: Vec::new() };
    let frame = || Frame {
        module: some(),
        function: Some("Renderer::draw".to_owned()),
        file: some(),
        source: some(),
        ..Frame::default()
    };
    Crash {
        reason: some(),
        assertion: some(),
        message: some(),
        comment: some(),
        exceptions: vec![Exception { message: some(), frames: vec![frame()], ..Exception::default() }],
        breadcrumbs: vec![Breadcrumb { message: some(), data: pairs(), ..Breadcrumb::default() }],
        user: Some(User { id: some(), name: some() }),
        tags: pairs(),
        contexts: [("device".to_owned(), pairs())].into(),
        annotations: pairs(),
        threads: vec![Thread { frames: vec![frame()], ..Thread::default() }],
        modules: vec![Module { code_file: text.to_owned(), debug_file: some(), ..Module::default() }],
        ..Crash::new(CrashId::new(), ProjectId::FIRST, Protocol::Envelope, signature)
    }
}

#[test]
fn nothing_private_is_left_anywhere_in_a_crash() {
    let mut crash = crash_with("C:\\Users\\anna\\game.exe");
    scrub(&mut crash, &ScrubRules::default());
    let json = serde_json::to_string(&crash).unwrap();
    assert!(!json.contains("anna") && json.contains("[user]"), "{json}");
}

#[test]
fn whom_it_happened_to_is_not_told_unless_a_project_wants_it() {
    let sent = || {
        let mut crash = crash_with("player-7");
        for name in ["guid", "client_id", "server_name", "user.id", "EpicAccountId"] {
            crash.annotations.insert(name.to_owned(), "anna".to_owned());
        }
        crash
    };
    let (mut crash, mut open) = (sent(), sent());
    scrub(&mut crash, &ScrubRules::default());
    let json = serde_json::to_string(&crash).unwrap();
    assert!(crash.user.is_none() && !json.contains("anna"), "{json}");
    scrub(&mut open, &ScrubRules { user: false, ..ScrubRules::default() });
    assert_eq!((open.user, open.annotations), (sent().user, sent().annotations));
}

#[test]
fn a_crash_without_anything_private_stays_as_it_is() {
    let mut crash = crash_with("engine/render/draw.cpp");
    crash.release = Some("1.2.3.4".to_owned());
    crash.build = Some("10.0.0.1".to_owned());
    crash.user = None;
    let before = crash.clone();
    scrub(&mut crash, &ScrubRules::default());
    assert_eq!(crash, before);
}
