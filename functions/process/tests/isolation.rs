//! A parser that eats, spins, hangs, dies or lies harms nobody, and leaves nothing behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use std::{io::Read, path::PathBuf, time::Duration};

use common::{file, parsed, parser, script, unreadable, verdict_under};
use epitaph_process::parser::COMMAND;
use epitaph_process::{ParserError, ParserSettings, parse};
use epitaph_test_dumps::{eats_memory, spins, windows};
use tokio::{sync::oneshot, time::timeout};

/// More than anything here takes: a test that waits longer fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_dump_that_eats_memory_is_stopped_and_unreadable() {
    let mut settings = parser();
    settings.limits.data_bytes = 96 << 20;
    let dump = eats_memory(16, 40_000);
    assert!(dump.len() < 1 << 20, "{} bytes are not small", dump.len());
    let unreadable = unreadable(verdict_under(&settings, &dump).await);
    assert_eq!(unreadable.message, "the parser ran out of memory (limit 96 MiB)", "at once: it would again");
    assert_eq!(unreadable.class, "the parser ran out of memory");
}

#[tokio::test]
async fn a_stack_overflow_of_tens_of_thousands_of_frames_is_told_from_both_ends() {
    let parsed = parsed(verdict_under(&parser(), &eats_memory(1, 30_000)).await);
    assert_eq!(parsed.threads[0].frames.len(), 1_000);
    let incomplete = parsed.threads[0].incomplete.as_deref().unwrap_or_default();
    assert!(incomplete.ends_with("frames are left out before the outermost ones"), "{incomplete}");
}

#[tokio::test]
async fn a_dump_that_spins_is_stopped_and_unreadable() {
    let mut settings = parser();
    settings.limits.cpu_seconds = 1;
    settings.attempts = 1;
    let dump = spins(20_000, 20_000);
    assert!(dump.len() < 1 << 20, "{} bytes are not small", dump.len());
    let unreadable = unreadable(verdict_under(&settings, &dump).await);
    assert_eq!(unreadable.message, "the parser used more than 1 s of processor time");
    assert_eq!(unreadable.class, "the parser took too long");
}

/// Holds a pipe open as long as it or a child of it lives, and tells through it that it runs.
const HOLDS_A_PIPE: &str = r#"exec 9> "$0"; echo >&9; /bin/sleep 1000 & /bin/sleep 1000"#;

/// A named pipe, and the moments at which a script begins to hold it and at which nobody holds it any more.
struct Pipe {
    path: PathBuf,
    held: oneshot::Receiver<()>,
    let_go: oneshot::Receiver<()>,
    _directory: tempfile::TempDir,
}

impl Pipe {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (tell_held, held) = oneshot::channel();
        let (tell_let_go, let_go) = oneshot::channel();
        let reader = path.clone();
        std::thread::spawn(move || {
            let mut pipe = std::fs::File::open(reader).unwrap();
            pipe.read_exact(&mut [0]).unwrap();
            let _ = tell_held.send(());
            pipe.read_to_end(&mut Vec::new()).unwrap();
            let _ = tell_let_go.send(());
        });
        Self { path, held, let_go, _directory: directory }
    }
}

#[tokio::test]
async fn a_parser_that_never_ends_is_killed_with_its_children() {
    let pipe = Pipe::new();
    let mut settings = script(HOLDS_A_PIPE, &pipe.path);
    settings.wall = Duration::from_secs(1);
    settings.attempts = 1;
    let unreadable = unreadable(verdict_under(&settings, b"").await);
    assert_eq!(unreadable.message, "the parser took longer than 1 s");
    assert_eq!(unreadable.class, "the parser took too long");
    timeout(PATIENCE, pipe.let_go).await.expect("no process of the parser's is left").unwrap();
}

#[tokio::test]
async fn a_parser_that_nobody_waits_for_any_more_is_killed_with_its_children() {
    let pipe = Pipe::new();
    let settings = script(HOLDS_A_PIPE, &pipe.path);
    let dump = file(b"");
    tokio::select! {
        verdict = parse(&settings, &dump, None) => panic!("{verdict:?}"),
        held = timeout(PATIENCE, pipe.held) => held.expect("the parser runs").unwrap(),
    }
    timeout(PATIENCE, pipe.let_go).await.expect("no process of the parser's is left").unwrap();
}

#[tokio::test]
async fn a_parser_that_dies_is_tried_three_times() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("attempts");
    let settings = script(r#"echo >> "$0"; kill -9 $$"#, &log);
    let unreadable = unreadable(verdict_under(&settings, b"").await);
    assert_eq!(unreadable.message, "the parser was ended by SIGKILL, 3 times");
    assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 3);
}

#[tokio::test]
async fn a_parser_that_fails_once_is_forgiven() {
    let directory = tempfile::tempdir().unwrap();
    let once = directory.path().join("once");
    let text = format!(
        r#"if [ -e "$0" ]; then exec {} parse-minidump "$@"; fi; : > "$0"; exit 1"#,
        env!("CARGO_BIN_EXE_process")
    );
    let parsed = parsed(verdict_under(&script(&text, &once), &windows()).await);
    assert_eq!(parsed.threads.len(), 2);
}

#[tokio::test]
async fn a_parser_that_talks_nonsense_or_too_much_is_not_believed() {
    for (text, expected) in [
        ("echo hello", "the parser ended without a verdict, 3 times"),
        (r#"echo '{"parsed":{}}'; exit 65"#, "the parser ended without a verdict, 3 times"),
        (
            r#"echo '{"unreadable":{"class":"a","message":"b"}}'"#,
            "the parser ended without a verdict, 3 times",
        ),
        ("echo why >&2; exit 101", "the parser failed with code 101: why, 3 times"),
        ("exec /usr/bin/head -c 40000000 /dev/zero", "the parser said more than 32 MiB, 3 times"),
    ] {
        let unreadable = unreadable(verdict_under(&script(text, "-".as_ref()), b"").await);
        assert_eq!(unreadable.message, expected, "{text}");
    }
}

#[tokio::test]
async fn a_parser_finds_no_environment() {
    let mut settings = script("/bin/cat /proc/$$/environ >&2; exit 1", "-".as_ref());
    settings.attempts = 1;
    let unreadable = unreadable(verdict_under(&settings, b"").await);
    assert_eq!(unreadable.message, "the parser failed with code 1", "nothing follows, such as a variable");
}

#[tokio::test]
async fn a_parser_that_cannot_be_run_is_no_fault_of_the_dump() {
    let missing = parse(&ParserSettings::of("/no/such/program"), &file(b""), None).await;
    assert!(matches!(missing, Err(ParserError::Start { .. })), "{missing:?}");

    let other = ParserSettings { arguments: vec![COMMAND.into(), "--unknown".into()], ..parser() };
    let other = parse(&other, &file(b""), None).await;
    assert!(matches!(other, Err(ParserError::Unfit { .. })), "{other:?}");
}
