//! Symbols of other servers: asked for by crashes that lack them, and never waited for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use std::{
    collections::HashMap,
    io::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{
    debug_files,
    house::{House, payload, report},
};
use epitaph_bucket::Key;
use epitaph_crash_model::{Message, ProjectId, Protocol, Report, Role};
use epitaph_queue::Outcome;
use epitaph_test_dumps::windows;
use futures_util::TryStreamExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

const PROJECT: ProjectId = ProjectId::FIRST;
/// The debug id of the game in the dump, whose debug file is `Game.pdb`.
const ID: &str = "443322116655887799AABBCCDDEEFF002";
/// Where a source of Breakpad's layout has it.
const SYM: &str = "/Game.pdb/443322116655887799AABBCCDDEEFF002/Game.sym";

fn sym(id: &str) -> Vec<u8> {
    format!(
        "MODULE windows x86_64 {id} Game.pdb\nFILE 0 render.cpp\nFUNC 1000 20 0 draw_mesh\n1000 20 7 0\n\
         FUNC 2000 20 0 run_frame\n2000 20 11 0\n"
    )
    .into_bytes()
}

/// How a source answers.
#[derive(Clone)]
enum Answer {
    /// A whole answer, header and body.
    Is(Vec<u8>),
    /// A body without an end.
    Endless,
    /// Nothing, for as long as it is asked.
    Silence,
    /// That it is busy, when a permit says that it may.
    BusyLater(Arc<Semaphore>),
}

/// A symbol server on this machine.
#[derive(Clone)]
struct Source {
    port: u16,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// A permit for each request that came.
    came: Arc<Semaphore>,
}

impl Source {
    #[expect(clippy::disallowed_methods, reason = "it ends with the runtime of its test")]
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let came = Arc::new(Semaphore::new(0));
        let source = Self { port, answers: Arc::default(), asked: Arc::default(), came };
        let server = source.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move { server.serve(connection).await });
            }
        });
        source
    }

    async fn serve(&self, mut connection: TcpStream) {
        let mut header = Vec::new();
        while !header.ends_with(b"\r\n\r\n") {
            match connection.read_u8().await {
                Ok(byte) => header.push(byte),
                Err(_) => return,
            }
        }
        let header = String::from_utf8(header).unwrap();
        let path = header.split(' ').nth(1).unwrap().to_owned();
        self.asked.lock().unwrap().push(path.clone());
        self.came.add_permits(1);
        let answer = self.answers.lock().unwrap().get(&path).cloned();
        match answer.unwrap_or_else(|| Answer::Is(answer_of("404 Not Found", "", b""))) {
            // Whoever asked may be gone.
            Answer::Is(bytes) => drop(connection.write_all(&bytes).await),
            Answer::Endless => {
                let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await;
                while connection.write_all(&[b'x'; 4096]).await.is_ok() {}
            }
            Answer::Silence => drop(connection.read_u8().await),
            Answer::BusyLater(may) => {
                may.acquire().await.unwrap().forget();
                let answer = answer_of("503 Service Unavailable", "", b"");
                connection.write_all(&answer).await.unwrap();
            }
        }
    }

    fn set(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    fn has(&self, path: &str, body: &[u8]) {
        self.set(path, Answer::Is(answer_of("200 OK", "", body)));
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn answer_of(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let header =
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    [header.as_bytes(), body].concat()
}

/// An installation that may ask servers on this machine, of which the project names these, in Breakpad's layout.
async fn house(sources: &[&Source], files: &str) -> House {
    let house = House::with(|settings| {
        settings.symbols.sources.hosts = vec!["127.0.0.1".to_owned()];
        settings.symbols.sources.time = Duration::from_secs(20);
        settings.symbols.sources.largest = 1 << 20;
    })
    .await;
    name(&house, sources, files).await;
    house
}

async fn name(house: &House, sources: &[&Source], files: &str) {
    let sources: Vec<String> = sources
        .iter()
        .map(|source| {
            let url = source.url();
            format!(r#"{{"url":"{url}","layout":"breakpad","files":["{files}"]}}"#)
        })
        .collect();
    house.set_rules(&format!(r#"{{"symbol_sources":[{}]}}"#, sources.join(","))).await;
}

/// A crash, whose report is another each time.
async fn crash(house: &House) -> Report {
    let report = report(&[windows(), uuid()].concat());
    assert_eq!(house.handle(&report).await, Outcome::Done);
    report
}

fn uuid() -> Vec<u8> {
    epitaph_crash_model::CrashId::new().to_string().into_bytes()
}

/// What crashes have parked, as `maintain` sends it on.
async fn parked(house: &House) -> Vec<Message> {
    let listed: Vec<_> = house.bucket.list(&Key::all_parked()).try_collect().await.unwrap();
    let mut messages = Vec::new();
    for object in listed {
        let bytes = house.bucket.get(&object.key, 1 << 20).await.unwrap();
        messages.push(serde_json::from_slice(&bytes).unwrap());
        house.bucket.delete(&object.key).await.unwrap();
    }
    messages
}

/// Sends on what crashes have parked, and handles it. Gives the number.
async fn sent_on(house: &House) -> usize {
    let messages = parked(house).await;
    for message in &messages {
        assert_eq!(house.processor.handle(message, 1).await, Outcome::Done);
    }
    messages.len()
}

async fn function(house: &House, report: &Report) -> Option<String> {
    house.crash(report).await.threads[0].frames[0].function.clone()
}

async fn has_symbols(house: &House) -> bool {
    !house.catalog.debug_files_of(PROJECT, ID).await.unwrap().is_empty()
}

#[tokio::test]
async fn what_a_source_has_gives_later_crashes_their_lines() {
    let source = Source::new().await;
    source.has(SYM, &sym(ID));
    let house = house(&[&source], "*.PDB").await;
    let before = crash(&house).await;
    assert_eq!(function(&house, &before).await, None);
    assert_eq!(source.asked(), [""; 0], "a crash asks nobody itself");
    // Another crash does not ask for the same.
    crash(&house).await;
    assert_eq!(sent_on(&house).await, 1);
    assert_eq!(source.asked(), [SYM]);
    let after = crash(&house).await;
    assert_eq!(function(&house, &after).await.as_deref(), Some("draw_mesh"));
    assert_eq!(sent_on(&house).await, 0);
    let rows = house.catalog.debug_files_of(PROJECT, ID).await.unwrap();
    assert_eq!((rows[0].uploaded_as.as_str(), rows[0].lines.as_deref()), ("Game.sym", Some("full")));
    let file = Key::symbol_file(PROJECT, &rows[0].sha256);
    assert_eq!(house.bucket.get(&file, 1 << 20).await.unwrap(), sym(ID));
}

#[tokio::test]
async fn modules_of_events_are_asked_for_as_well() {
    let source = Source::new().await;
    source.has(SYM, &sym(ID));
    let house = house(&[&source], "Game.pdb").await;
    let event = br#"{"platform":"native","exception":{"values":[{"type":"SIGSEGV","stacktrace":{"frames":[
        {"instruction_addr":"0x401000"}]}}]},"debug_meta":{"images":[
        {"type":"pe","code_file":"Game.exe","debug_file":"Game.pdb","image_addr":"0x400000","image_size":1048576,
        "debug_id":"44332211-6655-8877-99aa-bbccddeeff00-2"},
        {"type":"pe","code_file":"b.dll","debug_file":"b.pdb","image_addr":"0x800000","image_size":4096,
        "debug_id":"54332211-6655-8877-99aa-bbccddeeff00-2"}]}}"#;
    let payloads = vec![payload(Role::Event, "item", event)];
    let report = Report { protocol: Protocol::Envelope, payloads, ..report(b"") };
    assert_eq!(house.handle(&report).await, Outcome::Done);
    assert_eq!(sent_on(&house).await, 1);
    assert!(has_symbols(&house).await);
}

#[tokio::test]
async fn a_source_that_has_nothing_is_not_asked_again_so_soon_and_the_next_one_is() {
    let (first, second) = (Source::new().await, Source::new().await);
    let house = house(&[&first], "*").await;
    crash(&house).await;
    assert_eq!(sent_on(&house).await, 1);
    crash(&house).await;
    assert_eq!(sent_on(&house).await, 0);
    assert_eq!(first.asked(), [SYM]);
    second.has(SYM, &sym(ID));
    name(&house, &[&first, &second], "*").await;
    crash(&house).await;
    assert_eq!(sent_on(&house).await, 1);
    assert_eq!((first.asked().len(), second.asked().len()), (1, 1));
    assert!(has_symbols(&house).await);
}

#[tokio::test]
async fn symbols_of_another_debug_id_or_of_none_are_refused() {
    for body in [sym("543322116655887799AABBCCDDEEFF002"), b"<html>Please log in</html>".to_vec(), Vec::new()]
    {
        let source = Source::new().await;
        source.has(SYM, &body);
        let house = house(&[&source], "*").await;
        crash(&house).await;
        assert_eq!(sent_on(&house).await, 1);
        assert!(house.catalog.debug_files(PROJECT, None, 9).await.unwrap().is_empty());
        crash(&house).await;
        assert_eq!((sent_on(&house).await, source.asked().len()), (0, 1));
    }
}

#[tokio::test]
async fn a_packed_answer_is_unpacked_and_one_that_unpacks_without_end_is_cut() {
    let pack = |bytes: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(bytes).unwrap();
        answer_of("200 OK", "Content-Encoding: gzip\r\n", &packer.finish().unwrap())
    };
    let bomb = [sym(ID), vec![b'\n'; 2 << 20]].concat();
    for (body, expected) in [(sym(ID), true), (bomb, false)] {
        let source = Source::new().await;
        source.set(SYM, Answer::Is(pack(&body)));
        let house = house(&[&source], "*").await;
        crash(&house).await;
        assert_eq!(sent_on(&house).await, 1);
        assert_eq!(has_symbols(&house).await, expected);
    }
}

#[tokio::test]
async fn redirects_are_followed_three_times_and_never_to_a_private_address() {
    let redirect = |to: &str| Answer::Is(answer_of("302 Found", &format!("Location: {to}\r\n"), b""));
    let (source, other) = (Source::new().await, Source::new().await);
    other.has(SYM, &sym(ID));
    let port = other.port;
    for place in [
        format!("http://localhost:{port}{SYM}"),
        format!("https://localhost:{port}{SYM}"),
        format!("http://127.0.0.1:{port}{SYM}"),
        "https://127.0.0.2/".to_owned(),
        "https://localhost/".to_owned(),
        "https://[::1]/".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let house = house(&[&source], "*").await;
        source.set(SYM, redirect(&place));
        crash(&house).await;
        assert_eq!(sent_on(&house).await, 1);
        assert!(!has_symbols(&house).await && other.asked().is_empty(), "{place}");
    }
    for (last, expected) in [("/3", true), ("/4", false)] {
        let source = Source::new().await;
        let house = house(&[&source], "*").await;
        source.set(SYM, redirect("/1"));
        for (from, to) in [("/1", "2"), ("/2", "/3"), ("/3", "/4")] {
            source.set(from, redirect(to));
        }
        source.has(last, &sym(ID));
        crash(&house).await;
        assert_eq!(sent_on(&house).await, 1);
        assert_eq!(has_symbols(&house).await, expected, "{last}");
    }
}

#[tokio::test]
async fn a_private_source_is_not_asked_unless_a_setting_names_it() {
    let source = Source::new().await;
    source.has(SYM, &sym(ID));
    let house = House::new().await;
    name(&house, &[&source], "*").await;
    crash(&house).await;
    assert_eq!(sent_on(&house).await, 1);
    assert_eq!(source.asked(), [""; 0]);
}

#[tokio::test]
async fn a_body_without_an_end_is_cut() {
    let source = Source::new().await;
    source.set(SYM, Answer::Endless);
    let house = house(&[&source], "*").await;
    crash(&house).await;
    assert_eq!(sent_on(&house).await, 1);
    assert!(!has_symbols(&house).await);
}

#[tokio::test]
async fn a_source_that_takes_its_time_holds_up_no_crash() {
    let (source, may) = (Source::new().await, Arc::new(Semaphore::new(0)));
    source.set(SYM, Answer::BusyLater(Arc::clone(&may)));
    let house = house(&[&source], "*").await;
    crash(&house).await;
    let [message] = parked(&house).await.try_into().unwrap();
    let meanwhile = async {
        source.came.acquire().await.unwrap().forget();
        crash(&house).await;
        // It has the turn of debug files, so an upload waits in the queue.
        let upload = debug_files::uploaded(&house, &sym(ID)).await;
        let uploaded = house.processor.handle(&debug_files::message(&house, &upload), 1).await;
        may.add_permits(1);
        uploaded
    };
    let (asked, uploaded) = tokio::join!(house.processor.handle(&message, 1), meanwhile);
    assert_eq!((asked, uploaded), (Outcome::Done, Outcome::Busy));
    crash(&house).await;
    assert_eq!((sent_on(&house).await, source.asked().len()), (0, 1));
}

#[tokio::test]
async fn a_source_that_does_not_answer_is_given_up_and_asked_for_nothing_for_a_while() {
    let (silent, other) = (Source::new().await, Source::new().await);
    silent.set(SYM, Answer::Silence);
    other.has(SYM, &sym(ID));
    let house = House::with(|settings| {
        settings.symbols.sources.hosts = vec!["127.0.0.1".to_owned()];
        settings.symbols.sources.time = Duration::from_millis(500);
    })
    .await;
    name(&house, &[&silent], "*").await;
    crash(&house).await;
    assert_eq!((sent_on(&house).await, silent.asked().len()), (1, 1));
    // Another project wants the same, and its other source has it.
    let project = house.catalog.add_project(None, "Other").await.unwrap().id;
    let sources = [&silent, &other]
        .map(|source| format!(r#"{{"url":"{}","layout":"breakpad","files":["*"]}}"#, source.url()));
    let rules = format!(r#"{{"version":1,"projects":{{"2":{{"symbol_sources":[{}]}}}}}}"#, sources.join(","));
    let revision = house.catalog.rules_revision().await.unwrap();
    assert!(house.catalog.set_rules(&rules, revision).await.unwrap().is_some());
    let report = Report { project, ..report(&windows()) };
    assert_eq!(house.handle(&report).await, Outcome::Done);
    assert_eq!((sent_on(&house).await, silent.asked().len()), (1, 1));
    assert_eq!(house.catalog.debug_files_of(project, ID).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_is_asked_where_nothing_names_them() {
    let source = Source::new().await;
    source.has(SYM, &sym(ID));
    let house = house(&[], "*").await;
    crash(&house).await;
    name(&house, &[&source], "ntdll.pdb").await;
    crash(&house).await;
    assert_eq!((sent_on(&house).await, source.asked().len()), (0, 0));
    // Who takes a name out again is heeded though the message is on its way.
    name(&house, &[&source], "Game.pdb").await;
    crash(&house).await;
    name(&house, &[&source], "ntdll.pdb").await;
    assert_eq!((sent_on(&house).await, source.asked().len()), (1, 0));
}

#[tokio::test]
async fn a_message_that_comes_twice_asks_once_and_one_that_is_not_right_is_dead() {
    let source = Source::new().await;
    source.has(SYM, &sym(ID));
    let house = house(&[&source], "*").await;
    crash(&house).await;
    let [message] = parked(&house).await.try_into().unwrap();
    for _ in 0..2 {
        assert_eq!(house.processor.handle(&message, 1).await, Outcome::Done);
    }
    assert_eq!(source.asked(), [SYM]);
    for (data, expected) in [
        (r#"{"version":2,"project":1,"debug_id":"A","name":"a"}"#, "update it"),
        (r#"{"version":1,"project":2,"debug_id":"A","name":"a"}"#, "another project"),
        (r#"{"version":1,"project":1,"debug_id":"A","name":"a"}"#, "no debug file"),
        (
            r#"{"version":1,"project":1,"debug_id":"443322116655887799AABBCCDDEEFF002","name":"../a"}"#,
            "no debug",
        ),
        (r#"{"version":1}"#, "no wanted symbols"),
    ] {
        let data = serde_json::value::RawValue::from_string(data.to_owned()).unwrap();
        let mut wrong = Message { data, ..message.clone() };
        house.secret.derive(epitaph_secrets::Purpose::Message).sign_message(&mut wrong);
        house.is_dead(&wrong, expected).await;
    }
}
