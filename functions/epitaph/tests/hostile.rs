//! Clients and reports that mean harm, or are merely broken: each gets its clear answer, memory stays bounded, and good
//! reports go on being accepted meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, also in its helpers")]

mod support;

use std::{cell::Cell, time::Duration};

use epitaph_test_dumps::{crashpad, eats_memory, spins};
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use support::{
    Answer, House, Server, answer, bombs,
    load::unlike_others,
    until,
    wire::{self, Wire},
};

/// What the server may hold at the most, in this unoptimised build.
const MOST_MEMORY: u64 = 150 << 20;

/// A good dump, unlike those before: the same one again would not be a crash of its own.
fn windows() -> Vec<u8> {
    unlike_others(epitaph_test_dumps::windows())
}

/// Does the work while good reports are posted, each of which must be accepted and processed. Tells how many there were,
/// and the most memory that the server ever held.
async fn amid_good_reports<T>(server: &Server, what: &str, work: impl Future<Output = T>) -> T {
    let over = Cell::new(false);
    let good = async {
        let mut accepted = 0;
        while !over.get() || accepted < 2 {
            // In turns as curl posts, and packed as Crashpad does.
            let answer = if accepted % 2 == 0 {
                server.post_dump(windows()).await.unwrap()
            } else {
                let body = bombs::gzip(&crashpad::form(&[("prod", "MyGame")], &windows()));
                let boundary = format!("multipart/form-data; boundary={}", crashpad::BOUNDARY);
                let request = server.client.post(&server.post).header("content-type", boundary);
                answer_of(request.header("content-encoding", "gzip").body(body)).await
            };
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(server.crash(&answer.text).await["reason"], "EXCEPTION_ACCESS_VIOLATION_WRITE");
            accepted += 1;
        }
        accepted
    };
    let work = async {
        let done = work.await;
        over.set(true);
        done
    };
    let (done, accepted) = tokio::join!(work, good);
    let most = server.memory("VmHWM:");
    println!("{what}: {accepted} good reports meanwhile, at most {:.1} MB held", most as f64 / 1e6);
    assert!(most < MOST_MEMORY, "the server held {most} bytes");
    done
}

/// The server's words, of which there must be some, for a request that was refused for one cause.
fn assert_refused(answer: &Answer, status: u16, cause: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    let told: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(told["causes"][0], cause, "{told}");
    assert!(told["detail"].as_str().is_some_and(|detail| detail.len() > 20), "{told}");
}

async fn post(server: &Server, encoding: Option<&str>, body: Vec<u8>) -> Answer {
    let request = server.client.post(&server.post).header("content-type", "application/octet-stream");
    let request = match encoding {
        Some(encoding) => request.header("content-encoding", encoding),
        None => request,
    };
    answer(request.body(body)).await.unwrap()
}

fn dump_part(dump: Vec<u8>) -> Form {
    Form::new().part("upload_file_minidump", Part::bytes(dump).file_name("crash.dmp"))
}

/// The ids of all crashes that were processed.
async fn all_crashes(server: &Server) -> Vec<String> {
    let (_, issues) = server.api("/issues?period=all&limit=1000").await;
    let mut ids = Vec::new();
    for issue in issues["issues"].as_array().unwrap() {
        let (_, crashes) = server.api(&format!("/issues/{}/crashes?limit=1000", issue["id"])).await;
        let listed = crashes["crashes"].as_array().unwrap().iter();
        ids.extend(listed.map(|crash| crash["id"].as_str().unwrap().to_owned()));
    }
    ids
}

#[tokio::test]
async fn what_is_no_minidump_is_refused_and_the_answer_says_what_was_expected() {
    let house = House::new();
    let server = house.serve();
    for body in [&b""[..], b"MD", b"hello, I am a log file", &[0; 100_000]] {
        assert_refused(&post(&server, None, body.to_vec()).await, 400, "not_a_minidump");
        let answer = server.post_form(dump_part(body.to_vec())).await.unwrap();
        assert_refused(&answer, 400, "not_a_minidump");
    }
    let answer = server.post_form(Form::new().text("prod", "MyGame")).await.unwrap();
    assert_refused(&answer, 400, "not_a_minidump");
    assert!(answer.text.contains("upload_file_minidump"), "{}", answer.text);
    let no_form = server.client.post(&server.post).header("content-type", "multipart/form-data; boundary=b");
    assert_refused(&answer_of(no_form.body(windows())).await, 400, "malformed");
    assert!(all_crashes(&server).await.is_empty());
}

async fn answer_of(request: reqwest::RequestBuilder) -> Answer {
    answer(request).await.unwrap()
}

#[tokio::test]
async fn a_truncated_dump_is_kept_and_shown_as_far_as_it_goes_or_with_the_reason_why_it_cannot_be_read() {
    let house = House::new();
    let server = house.serve();
    let whole = windows();
    for (kept, reason) in [
        (4, "the file is shorter than the header of a minidump"),
        (40, "the minidump ends before its directory; it was cut off on its way or as it was written"),
        (whole.len() / 2, "the minidump has no readable list of threads; it was cut off, or is malformed"),
    ] {
        let answer = server.post_dump(whole[..kept].to_vec()).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        let crash = server.crash(&answer.text).await;
        assert_eq!(crash["unreadable"], reason, "{kept} bytes");
        assert_eq!(crash["release"], "1.2.3", "what came beside the dump is kept");
        let url = format!("{}/api/v1/projects/1/crashes/{}/payloads/0", server.url, answer.text);
        let raw = server.client.get(url).bearer_auth(&server.token).send().await.unwrap();
        assert_eq!(raw.bytes().await.unwrap(), whole[..kept], "and so is the dump");
    }
    let packed = bombs::gzip(&whole);
    let answer = server.post_dump(packed[..packed.len() - 20].to_vec()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    let crash = server.crash(&answer.text).await;
    assert!(crash["unreadable"].is_string() || !crash["threads"].as_array().unwrap().is_empty(), "{crash}");
}

#[tokio::test]
async fn a_key_that_is_wrong_missing_or_not_alone_is_told_apart() {
    let house = House::new();
    let server = house.serve();
    let address = format!("{}/api/1/minidump/", server.url);
    let wrong = "0123456789abcdef0123456789abcdef";
    let post = |url: String| server.client.post(url).body(windows());
    let with_key = |key: &str| format!("{address}?sentry_key={key}");

    assert_refused(&answer_of(post(address.clone())).await, 401, "unauthorized");
    assert_refused(&answer_of(post(with_key("game"))).await, 401, "unauthorized");
    assert_refused(&answer_of(post(with_key(wrong))).await, 403, "forbidden");
    let of_another_project = server.post.replace("/api/1/", "/api/2/");
    assert_refused(&answer_of(post(of_another_project)).await, 403, "forbidden");
    let header = format!("Sentry sentry_version=7, sentry_key={wrong}");
    let two = post(server.post.clone()).header("x-sentry-auth", header);
    assert_refused(&answer_of(two).await, 401, "unauthorized");
    let two = post(format!("{}&sentry_key={wrong}", server.post));
    assert_refused(&answer_of(two).await, 401, "unauthorized");

    let header = format!("Sentry sentry_version=7, sentry_key={}", server.key);
    let twice_the_same = post(server.post.clone()).header("x-sentry-auth", header);
    assert_eq!(answer_of(twice_the_same).await.status, 200);
}

#[tokio::test]
async fn what_is_too_large_costs_a_report_only_itself() {
    let settings =
        [("EPITAPH_LIMIT_FILE", "64K"), ("EPITAPH_LIMIT_REQUEST", "256K"), ("EPITAPH_LIMIT_EVENT", "64K")];
    let house = House::with(&settings);
    let server = house.serve();
    let large = || [&b"MDMP"[..], &[7; 65_536]].concat();
    let attachment = |bytes: usize, name: &'static str| Part::bytes(vec![7; bytes]).file_name(name);

    assert_refused(&post(&server, None, large()).await, 413, "too_large");
    assert_refused(&server.post_dump(large()).await.unwrap(), 413, "too_large");
    let packed = bombs::gzip(&large());
    assert_refused(&post(&server, None, packed.clone()).await, 413, "too_large");
    assert_refused(&post(&server, Some("gzip"), packed).await, 413, "too_large");

    let before = Form::new().part("log", attachment(65_537, "game.log"));
    let before = before.part("upload_file_minidump", Part::bytes(windows()).file_name("crash.dmp"));
    let after = dump_part(windows()).part("log", attachment(65_537, "game.log"));
    for form in [before, after] {
        let form = form.part("shot", attachment(100, "shot.png"));
        let answer = server.post_form(form).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        let crash = server.crash(&answer.text).await;
        assert_eq!(crash["reason"], "EXCEPTION_ACCESS_VIOLATION_WRITE");
        assert_eq!(crash["notes"], serde_json::json!([{ "name": "game.log", "reason": "file-too-large" }]));
        let files = crash["payloads"].as_array().unwrap();
        assert!(files.len() == 2 && files.iter().any(|file| file["name"] == "shot.png"), "{files:?}");
    }

    let mut form = dump_part(windows());
    for name in ["1.log", "2.log", "3.log", "4.log", "5.log"] {
        form = form.part("log", attachment(60_000, name));
    }
    // Chunked: a length that is announced and too large is refused before anything is read.
    let body = wire_form(&[("upload_file_minidump", "crash.dmp", &windows())], 5);
    let mut wire = Wire::to(&server).await;
    let chunked = format!(
        "content-type: multipart/form-data; boundary={}\r\ntransfer-encoding: chunked\r\n",
        wire::BOUNDARY
    );
    wire.send(wire::post(&server, &chunked).as_bytes()).await;
    wire.send(format!("{:x}\r\n", body.len()).as_bytes()).await;
    wire.send(&body).await;
    wire.send(b"\r\n0\r\n\r\n").await;
    let answer = wire.answer().await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    let crash = server.crash(&answer.text).await;
    assert_eq!(crash["reason"], "EXCEPTION_ACCESS_VIOLATION_WRITE");
    assert_eq!(crash["notes"][0]["reason"], "request-too-large");
    let announced = server.post_form(form).await.unwrap();
    assert_refused(&announced, 413, "too_large");
}

/// A form with these files, and with attachments of 60,000 bytes.
fn wire_form(files: &[(&str, &str, &[u8])], attachments: usize) -> Vec<u8> {
    let mut body: Vec<u8> =
        files.iter().flat_map(|(field, name, bytes)| wire::file(field, name, bytes)).collect();
    for _ in 0..attachments {
        body.extend(wire::file("log", "game.log", &[7; 60_000]));
    }
    body.extend(wire::end_of_form());
    body
}

#[tokio::test]
async fn a_gigabyte_of_zeros_that_is_packed_small_is_refused_without_being_held() {
    let house = House::new();
    let server = house.serve();
    let [gzip, zstd] = [bombs::gzip_of_zeros, bombs::zstd_of_zeros].map(|pack| {
        [pack(b""), pack(b"MDMP"), pack(&wire::file("upload_file_minidump", "crash.dmp", b"MDMP"))]
    });
    println!("1 GB of zeros: {} bytes of gzip, {} bytes of zstd", gzip[0].len(), zstd[0].len());
    let throw = async |encoding: &'static str, [zeros, dump, form]: [Vec<u8>; 3]| {
        // As the body's encoding: no minidump; one that is too large; a form whose minidump is.
        let encoded = Some(encoding);
        assert_refused(&post(&server, encoded, zeros.clone()).await, 400, "not_a_minidump");
        assert_refused(&post(&server, encoded, dump.clone()).await, 413, "too_large");
        let request = server.client.post(&server.post).header("content-encoding", encoding).body(form);
        let boundary = format!("multipart/form-data; boundary={}", wire::BOUNDARY);
        assert_refused(&answer_of(request.header("content-type", boundary)).await, 413, "too_large");
        // As the packing of the minidump itself, as a body and in a form.
        assert_refused(&post(&server, None, zeros.clone()).await, 400, "not_a_minidump");
        assert_refused(&post(&server, None, dump.clone()).await, 413, "too_large");
        assert_refused(&server.post_dump(zeros).await.unwrap(), 400, "not_a_minidump");
        assert_refused(&server.post_dump(dump).await.unwrap(), 413, "too_large");
    };
    let work = async { tokio::join!(throw("gzip", gzip), throw("zstd", zstd)) };
    amid_good_reports(&server, "bombs", work).await;
    let left = files_below(&house.data().join("bucket"));
    assert!(left.iter().all(|file| !file.contains('#')), "staged files were left: {left:?}");
}

#[tokio::test]
async fn a_gigabyte_of_zeros_behind_a_good_dump_costs_the_report_nothing_but_itself() {
    let house = House::new();
    let server = house.serve();
    let body =
        [wire::file("upload_file_minidump", "crash.dmp", &windows()), wire::file("log", "game.log", b"")];
    let body = bombs::gzip_of_zeros(&body.concat());
    let request = server.client.post(&server.post).header("content-encoding", "gzip").body(body);
    let boundary = format!("multipart/form-data; boundary={}", wire::BOUNDARY);
    let work = answer_of(request.header("content-type", boundary));
    let answer = amid_good_reports(&server, "a bomb behind a dump", work).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let crash = server.crash(&answer.text).await;
    assert_eq!(crash["reason"], "EXCEPTION_ACCESS_VIOLATION_WRITE");
    assert_eq!(crash["notes"][0], serde_json::json!({ "name": "game.log", "reason": "file-too-large" }));
    assert_eq!(crash["notes"][1]["reason"], "request-too-large");
}

#[tokio::test]
async fn many_clients_that_hold_large_windows_share_what_all_requests_may_hold() {
    const CLIENTS: usize = 60;
    let house = House::with(&[("EPITAPH_LIMIT_BODY_IDLE_SECONDS", "2")]);
    let server = house.serve();
    // Enough to fill a window of 8 MiB.
    let packed = bombs::zstd_with_large_window(&[b"MDMP".to_vec(), vec![0; 12 << 20]].concat());
    let head = |encoding: &str| {
        wire::post(
            &server,
            &format!("content-type: application/x-dmp\r\n{encoding}content-length: 1000000\r\n"),
        )
    };
    // Each is answered that it is too slow, or that others hold the memory, and comes again.
    let come_again = async |client: usize| {
        let encoding = if client.is_multiple_of(2) { "" } else { "content-encoding: zstd\r\n" };
        let mut refused = Vec::new();
        for _ in 0..3 {
            let mut wire = Wire::to(&server).await;
            wire.send(head(encoding).as_bytes()).await;
            wire.send(&packed).await;
            refused.push(wire.answer().await.unwrap().status);
        }
        refused
    };
    let work = async { futures((0..CLIENTS).map(come_again)).await.concat() };
    let refused = amid_good_reports(&server, "60 large windows", work).await;
    assert!(refused.iter().all(|status| [408, 503].contains(status)), "{refused:?}");
}

#[tokio::test]
async fn a_client_that_sends_one_byte_a_second_is_told_that_it_is_too_slow() {
    const CLIENTS: usize = 20;
    let settings = [("EPITAPH_LIMIT_BODY_IDLE_SECONDS", "2"), ("EPITAPH_LIMIT_HEADER_SECONDS", "3")];
    let house = House::with(&settings);
    let server = house.serve();
    let in_body = wire::post(&server, "content-length: 100000\r\n");
    let drip = async |sent_at_once: &[u8]| {
        let mut wire = Wire::to(&server).await;
        wire.send(sent_at_once).await;
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                _ = wire.socket.readable() => return wire.answer().await,
                // The server may have closed already; what it said is still to be read.
                _ = clock.tick() => drop(wire.socket.try_write(b"M")),
            }
        }
    };
    let work = async {
        let clients = (0..CLIENTS).map(|client| {
            let whole_header = client % 2 == 0;
            let sent = if whole_header { &in_body[..] } else { "POST /api/1/minidump/ HTTP/1.1\r\nhost: " };
            drip(sent.as_bytes())
        });
        futures(clients).await
    };
    for answer in amid_good_reports(&server, "drips", work).await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 408, "{}", answer.text);
        assert!(answer.text.contains("slow"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_request_that_breaks_off_after_its_minidump_keeps_it() {
    let house = House::new();
    let server = house.serve();
    let dump = || wire::file("upload_file_minidump", "crash.dmp", &windows());
    let cut = [dump(), wire::file("log", "game.log", b"the first line")].concat();
    for (body, name) in [(cut, Some("game.log")), (dump(), None)] {
        let seen = all_crashes(&server).await;
        let mut wire = Wire::to(&server).await;
        wire.send(wire::post(&server, &wire::form_of(100_000)).as_bytes()).await;
        wire.send(&body).await;
        if name.is_none() {
            // Only what follows a minidump says that it is whole.
            wire.send(format!("\r\n--{}\r\n", wire::BOUNDARY).as_bytes()).await;
        }
        drop(wire);
        let id = until("the crash is kept", async || {
            all_crashes(&server).await.into_iter().find(|id| !seen.contains(id))
        });
        let crash = server.crash(&id.await).await;
        assert_eq!(crash["reason"], "EXCEPTION_ACCESS_VIOLATION_WRITE");
        assert_eq!(crash["notes"][0]["reason"], "request-broke-off");
        assert_eq!(crash["notes"][0]["name"], serde_json::json!(name));
    }
    // One whose minidump is cut is none; the next good one shows that it was passed over.
    let mut wire = Wire::to(&server).await;
    wire.send(wire::post(&server, &wire::form_of(100_000)).as_bytes()).await;
    let dump = dump();
    wire.send(&dump[..dump.len() - 1]).await;
    drop(wire);
    let good = server.post_dump(windows()).await.unwrap();
    server.crash(&good.text).await;
    assert_eq!(all_crashes(&server).await.len(), 3);
}

#[tokio::test]
async fn a_client_that_hangs_up_once_it_has_sent_everything_has_sent_it() {
    let house = House::new();
    let server = house.serve();
    let request = || {
        let body = wire_form(&[("upload_file_minidump", "crash.dmp", &windows())], 1);
        [wire::post(&server, &wire::form_of(body.len())).into_bytes(), body].concat()
    };
    // It says that it will send no more, and waits for its answer.
    let mut wire = Wire::to(&server).await;
    wire.send(&request()).await;
    tokio::io::AsyncWriteExt::shutdown(&mut wire.socket).await.unwrap();
    let answer = wire.answer().await.expect("an answer to a client that has closed its half");
    assert_eq!(answer.status, 200, "{}", answer.text);
    server.crash(&answer.text).await;
    // It waits for nothing.
    for _ in 0..20 {
        let mut wire = Wire::to(&server).await;
        wire.send(&request()).await;
    }
    until("all are kept", async || (all_crashes(&server).await.len() == 21).then_some(())).await;
}

#[tokio::test]
async fn two_thousand_idle_connections_keep_nobody_out() {
    const CONNECTIONS: usize = 2_000;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    // All of them stay until the end.
    let house =
        House::with(&[("EPITAPH_LIMIT_HEADER_SECONDS", "600"), ("EPITAPH_LIMIT_KEEP_ALIVE_SECONDS", "600")]);
    let server = house.serve();
    let before = server.memory("VmRSS:");
    let health = b"GET /health/readiness HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let work = async {
        let mut idle = Vec::new();
        for connection in 0..CONNECTIONS {
            let mut wire = Wire::to(&server).await;
            // Half of them never say a word; the others have had an answer, and rest.
            if connection % 2 == 0 {
                wire.send(health).await;
                assert_eq!(wire.answer().await.unwrap().status, 200);
            }
            idle.push(wire);
        }
        idle
    };
    let mut idle = amid_good_reports(&server, "connecting", work).await;
    let grown = server.memory("VmRSS:").saturating_sub(before);
    println!("{CONNECTIONS} idle connections: {} KB more", grown / 1000);
    let still_there = async {
        for wire in &mut idle {
            wire.send(health).await;
            assert_eq!(wire.answer().await.unwrap().status, 200);
        }
    };
    amid_good_reports(&server, "2,000 idle connections", still_there).await;
}

#[tokio::test]
async fn a_dump_that_eats_memory_or_spins_is_an_unreadable_crash_and_hurts_nobody() {
    let settings = [("EPITAPH_PARSER_MEMORY", "64M"), ("EPITAPH_PARSER_CPU_SECONDS", "2")];
    let house = House::with(&settings);
    let server = house.serve();
    let dumps = [
        (eats_memory(16, 40_000), "the parser ran out of memory (limit 64 MiB)"),
        (spins(20_000, 20_000), "the parser used more than 2 s of processor time"),
    ];
    let work = async {
        for (dump, reason) in dumps {
            let answer = server.post_dump(dump).await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text);
            let crash = server.crash(&answer.text).await;
            assert_eq!(crash["unreadable"], reason);
            assert_eq!(crash["payloads"].as_array().unwrap().len(), 1, "the dump is kept");
        }
    };
    amid_good_reports(&server, "dumps that eat and spin", work).await;
}

/// Paths of all files below a directory.
fn files_below(directory: &std::path::Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path.display().to_string()) }
    }
    files
}

/// All of them at the same time.
async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures_util::future::join_all(all).await
}
