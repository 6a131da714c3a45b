//! `epitaph send`: minidumps from files, as a game would send them.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use epitaph_test_dumps::{linux, windows};
use support::{House, Server, until};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A directory of dumps, and a journal beside it.
struct Dumps(tempfile::TempDir);

impl Dumps {
    fn new(names: &[&str]) -> Self {
        let dumps = Self(tempfile::tempdir().unwrap());
        fs::create_dir(dumps.directory()).unwrap();
        for name in names {
            dumps.write(name, &support::load::unlike_others(linux()));
        }
        dumps
    }

    fn directory(&self) -> PathBuf {
        self.0.path().join("dumps")
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn journal(&self) -> PathBuf {
        self.0.path().join("journal")
    }

    /// What the journal says was sent: file names and ids, sorted.
    fn sent(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.journal()).unwrap_or_default();
        let mut sent: Vec<_> = text
            .lines()
            .map(|line| {
                let fields: Vec<_> = line.split('\t').collect();
                let name = Path::new(fields[4]).file_name().unwrap().to_string_lossy().into_owned();
                (name, fields[3].to_owned())
            })
            .collect();
        sent.sort();
        sent
    }

    fn command(&self, dsn: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_epitaph"));
        command.env_clear().current_dir(self.0.path()).args(["send", "dumps", "--journal", "journal"]);
        command.args(["--dsn", dsn]).args(more);
        command
    }

    async fn send(&self, dsn: &str, more: &[&str]) -> Sent {
        let mut command = self.command(dsn, more);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        Sent::of(&output)
    }
}

/// How a run ended, and what it said.
#[derive(Debug)]
struct Sent {
    code: Option<i32>,
    out: String,
    errors: String,
}

impl Sent {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), out: text(&output.stdout), errors: text(&output.stderr) }
    }

    fn ended_well(&self, summary: &str) {
        assert_eq!((self.code, self.out.trim(), &*self.errors), (Some(0), summary, ""));
    }

    /// The one reason that was told.
    fn refusal(&self, summary: &str) -> &str {
        assert_eq!((self.code, self.out.trim()), (Some(1), summary), "{self:?}");
        let told: Vec<_> = self.errors.lines().filter(|line| line.starts_with("refused: ")).collect();
        assert_eq!(told.len(), 1, "{self:?}");
        told[0]
    }
}

fn dsn(server: &Server) -> String {
    format!("http://{}@{}/1", server.key, server.url.strip_prefix("http://").unwrap())
}

/// A server that answers the n-th request as it is told to; `None`: never.
struct Stub {
    dsn: String,
    asked: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

impl Stub {
    async fn start(answer: impl Fn(usize) -> Option<u16> + Send + Sync + 'static) -> Self {
        Self::start_with("", answer).await
    }

    /// With these headers in each answer.
    async fn start_with(
        headers: &'static str,
        answer: impl Fn(usize) -> Option<u16> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dsn = format!("http://{KEY}@{}/1", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (Arc::clone(&asked), Arc::new(answer));
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (count, answer) = (Arc::clone(&count), Arc::clone(&answer));
                connections.spawn(async move {
                    let mut stream = stream;
                    read_request(&mut stream).await;
                    let number = count.fetch_add(1, Ordering::SeqCst);
                    let Some(status) = answer(number) else { return std::future::pending().await };
                    let body = format!("the answer to request {number}");
                    let head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n", body.len());
                    let answer = format!("{head}Connection: close\r\n\r\n{body}");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                });
            }
        });
        Self { dsn, asked, _server: server }
    }
}

async fn read_request(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    stream.read_exact(&mut vec![0; length.parse().unwrap()]).await.unwrap();
}

#[tokio::test]
async fn every_dump_below_a_directory_is_sent_and_becomes_a_crash() {
    let house = House::new();
    let server = house.serve();
    let dumps = Dumps::new(&["a.dmp", "below/b.mdmp", "below/further/C.DMP"]);
    dumps.write("d.dmp.zst", &zstd::encode_all(&windows()[..], 3).unwrap());
    dumps.write("readme.txt", b"not sent");
    let run = dumps.send(&dsn(&server), &["-a", "ver=9.9", "-a", "prod=Sent=Game"]).await;
    run.ended_well("4 sent, 0 refused, 0 sent before");
    let sent = dumps.sent();
    assert_eq!(
        sent.iter().map(|(name, _)| &**name).collect::<Vec<_>>(),
        ["C.DMP", "a.dmp", "b.mdmp", "d.dmp.zst"]
    );
    for (name, id) in &sent {
        let crash = server.crash(id).await;
        assert_eq!(crash["release"], "9.9", "{name}");
        assert_eq!(crash["annotations"]["prod"], "Sent=Game");
        assert_eq!(crash["unreadable"], serde_json::Value::Null);
        let reason = crash["reason"].as_str().unwrap();
        assert_eq!(reason.contains("EXCEPTION_ACCESS_VIOLATION"), name == "d.dmp.zst", "{reason}");
    }
    assert_eq!(server.total().await, 4);
}

#[tokio::test]
async fn what_was_sent_is_not_sent_again_unless_it_changed_or_goes_elsewhere() {
    let stub = Stub::start(|_| Some(200)).await;
    let dumps = Dumps::new(&["a.dmp", "b.dmp"]);
    dumps.send(&stub.dsn, &[]).await.ended_well("2 sent, 0 refused, 0 sent before");
    dumps.send(&stub.dsn, &[]).await.ended_well("0 sent, 0 refused, 2 sent before");
    dumps.write("a.dmp", &windows());
    // Named three times, it is still one file.
    let again = ["dumps/a.dmp", "dumps/../dumps/a.dmp"];
    dumps.send(&stub.dsn, &again).await.ended_well("1 sent, 0 refused, 1 sent before");
    assert_eq!(stub.asked.load(Ordering::SeqCst), 3);
    let elsewhere = Stub::start(|_| Some(200)).await;
    dumps.send(&elsewhere.dsn, &[]).await.ended_well("2 sent, 0 refused, 0 sent before");
    let other_project = stub.dsn.replace("/1", "/2");
    assert_ne!(other_project, stub.dsn);
    dumps.send(&other_project, &[]).await.ended_well("2 sent, 0 refused, 0 sent before");
    let journal = fs::read_to_string(dumps.journal()).unwrap();
    assert!(!journal.contains(KEY), "a key is not written down");
}

#[tokio::test]
async fn a_run_that_was_killed_goes_on_where_it_stopped() {
    let stub = Stub::start(|number| (!(2..4).contains(&number)).then_some(200)).await;
    let dumps = Dumps::new(&["a.dmp", "b.dmp", "c.dmp", "d.dmp", "e.dmp"]);
    let mut command = dumps.command(&stub.dsn, &["--parallel", "2"]);
    let mut killed = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("two files are sent and two hang", async || {
        (dumps.sent().len() == 2 && stub.asked.load(Ordering::SeqCst) == 4).then_some(())
    })
    .await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    // As if it had died while it wrote a third line.
    let mut journal = fs::read(dumps.journal()).unwrap();
    journal.extend_from_slice(b"http://127.0.0.1");
    fs::write(dumps.journal(), journal).unwrap();
    dumps.send(&stub.dsn, &[]).await.ended_well("3 sent, 0 refused, 2 sent before");
    dumps.send(&stub.dsn, &[]).await.ended_well("0 sent, 0 refused, 5 sent before");
}

#[tokio::test]
async fn what_is_refused_is_told_with_its_reason_and_tried_again_the_next_time() {
    let house = House::new();
    let server = house.serve();
    let dumps = Dumps::new(&["good.dmp"]);
    let bad = dumps.write("bad.dmp", b"not a dump");
    let run = dumps.send(&dsn(&server), &[]).await;
    let refusal = run.refusal("1 sent, 1 refused, 0 sent before");
    assert!(refusal.contains("bad.dmp") && refusal.contains("400 Bad Request"), "{refusal}");
    assert!(refusal.contains("this is not a minidump"), "{refusal}");
    let again = dumps.send(&dsn(&server), &[]).await;
    again.refusal("0 sent, 1 refused, 1 sent before");
    fs::write(bad, windows()).unwrap();
    dumps.send(&dsn(&server), &[]).await.ended_well("1 sent, 0 refused, 1 sent before");

    let stranger = dsn(&server).replace(&server.key, KEY);
    let elsewhere = Dumps::new(&["a.dmp"]);
    let run = elsewhere.send(&stranger, &[]).await;
    assert!(run.refusal("0 sent, 1 refused, 0 sent before").contains("403 Forbidden"));
}

#[tokio::test]
async fn a_server_that_has_no_room_at_the_moment_is_asked_again() {
    let stub = Stub::start(|number| Some(if number == 0 { 503 } else { 200 })).await;
    let dumps = Dumps::new(&["a.dmp"]);
    dumps.send(&stub.dsn, &[]).await.ended_well("1 sent, 0 refused, 0 sent before");
    assert_eq!(stub.asked.load(Ordering::SeqCst), 2);
    assert_eq!(dumps.sent(), [("a.dmp".to_owned(), "the answer to request 1".to_owned())]);
}

#[tokio::test]
async fn a_server_that_wants_to_be_left_alone_for_longer_than_there_is_time_is_not_asked_again() {
    let stub = Stub::start_with("Retry-After: 3600\r\n", |_| Some(503)).await;
    let dumps = Dumps::new(&["a.dmp"]);
    let run = dumps.send(&stub.dsn, &["--timeout", "60"]).await;
    let refusal = run.refusal("0 sent, 1 refused, 0 sent before");
    assert!(
        refusal.contains("503") && refusal.contains("3600 s from now is beyond --timeout 60"),
        "{refusal}"
    );
    assert_eq!(stub.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_says_when_it_has_room_is_asked_then() {
    let stub =
        Stub::start_with("Retry-After: 0\r\n", |number| Some(if number < 3 { 429 } else { 200 })).await;
    let dumps = Dumps::new(&["a.dmp"]);
    // Less than the pauses that it would make of its own.
    dumps.send(&stub.dsn, &["--timeout", "6"]).await.ended_well("1 sent, 0 refused, 0 sent before");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_after_the_time_that_one_file_may_take() {
    let stub = Stub::start(|_| None).await;
    let dumps = Dumps::new(&["a.dmp"]);
    let run = dumps.send(&stub.dsn, &["--timeout", "1"]).await;
    let refusal = run.refusal("0 sent, 1 refused, 0 sent before");
    assert!(refusal.contains("not done within 1 s (--timeout)"), "{refusal}");
}

#[tokio::test]
async fn a_server_that_never_has_room_is_given_up_and_what_it_said_last_is_told() {
    let stub = Stub::start(|_| Some(503)).await;
    let dumps = Dumps::new(&["a.dmp"]);
    let run = dumps.send(&stub.dsn, &[]).await;
    let refusal = run.refusal("0 sent, 1 refused, 0 sent before");
    assert!(refusal.contains("503") && refusal.contains("the answer to request 3"), "{refusal}");
    assert_eq!(stub.asked.load(Ordering::SeqCst), 4);
    assert_eq!(dumps.sent(), []);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_without_the_key() {
    // Bound, so that nobody else gets it, and not listening.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let gone = socket.local_addr().unwrap();
    let dumps = Dumps::new(&["a.dmp"]);
    let run = dumps.send(&format!("http://{KEY}@{gone}/1"), &[]).await;
    let refusal = run.refusal("0 sent, 1 refused, 0 sent before");
    assert!(refusal.contains("refused (os error"), "{refusal}");
    assert!(!run.errors.contains(KEY) && !run.out.contains(KEY), "{run:?}");
}

#[tokio::test]
async fn a_dsn_or_a_path_that_cannot_be_used_is_told_at_once() {
    let dumps = Dumps::new(&["a.dmp"]);
    for dsn in ["http://127.0.0.1:9/1", "ftp://key@127.0.0.1/1", "http://key@127.0.0.1"] {
        let run = dumps.send(dsn, &[]).await;
        assert_eq!(run.code, Some(1));
        assert!(run.errors.contains("expected http(s)://KEY@HOST/PROJECT"), "{run:?}");
    }
    let dsn = format!("http://{KEY}@127.0.0.1:9/1");
    let run = dumps.send(&dsn, &["nowhere.dmp"]).await;
    assert_eq!(run.code, Some(1));
    assert!(run.errors.contains("nowhere.dmp cannot be read"), "{run:?}");
    let run = dumps.send(&dsn, &["-a", "ver"]).await;
    assert_eq!(run.code, Some(1));
    assert!(run.errors.contains("is not NAME=VALUE"), "{run:?}");
}
