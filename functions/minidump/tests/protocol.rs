//! What clients send, byte for byte, and what the collector makes of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use bytes::Bytes;
use epitaph_crash_model::{Content, CrashId, NoteReason, ProjectId, Protocol, Role};
use epitaph_test_dumps::{crashpad, linux, of_27_kilobytes, windows};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{
    Answer, House, Packing, chunked, dump_part, field_part, file_part, form, head, note, pack, post,
};
use tokio::{io::AsyncWriteExt as _, task::JoinSet};

const FORM: &str =
    "Content-Type: multipart/form-data; boundary=---MultipartBoundary-0123456789abcdefghijklmnopqrstuv---";
const GUID: &str = "6a1e9a6c-0f2c-4f3a-9d0e-3b1f0d7c5a21";

/// Crashpad's request as it leaves libcurl: chunked and packed, without a length, without `Expect`.
fn crashpads_head(version: &str, house: &House) -> Vec<u8> {
    let target = format!("{}&product=My%20Game&version=1.2.3%2B4&guid={GUID}", house.path());
    let headers = [
        "User-Agent: crashpad/0.8.0 libcurl/7.88.1 OpenSSL/3.0.17 zlib/1.2.13 Linux/6.8.0 (x86_64)",
        "Accept: */*",
        "Accept-Encoding: deflate, gzip, br, zstd",
        "Content-Encoding: gzip",
        FORM,
        "Transfer-Encoding: chunked",
    ];
    head(version, &target, &headers)
}

fn crashpads_body() -> Vec<u8> {
    let names = [("100% \"sure\"\r\nor not", "escaped"), ("guid", GUID), ("list_annotations", "a\r\nb")];
    crashpad::form(&names, &linux())
}

async fn crashpads_report_is_accepted(house: &mut House, request: &[u8]) -> Answer {
    let answer = house.send(request).await;
    let report = house.report_of(&answer).await;
    let expected = [
        ("100% \"sure\"\r\nor not", "escaped"),
        ("guid", GUID),
        ("list_annotations", "a\r\nb"),
        ("product", "My Game"),
        ("version", "1.2.3+4"),
    ];
    let annotations: Vec<_> = report.annotations.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(annotations, expected);
    assert_eq!(house.dump(&report).await, linux());
    assert_eq!(report.payloads[0].name, "minidump.dmp");
    assert_eq!(report.payloads[0].content_type.as_deref(), Some("application/octet-stream"));
    assert_eq!((report.project, report.protocol), (ProjectId::FIRST, Protocol::Multipart));
    assert!(report.client.unwrap().starts_with("crashpad/0.8.0 libcurl/7.88.1"));
    assert_eq!(report.notes, []);
    answer
}

#[tokio::test]
async fn crashpads_own_bytes_packed_and_in_chunks_without_a_length_are_accepted_whole() {
    let mut house = House::new();
    let body = chunked(&pack(Packing::Gzip, &crashpads_body()), 32 * 1024);
    let request = [crashpads_head("HTTP/1.1", &house), body].concat();
    crashpads_report_is_accepted(&mut house, &request).await;
}

/// Crashpad's own transport over a socket, which Linux and Fuchsia builds without libcurl have, writes chunks although
/// it says HTTP/1.0. It finds the length of the answer by the name `Content-Length` in exactly these letters, and
/// otherwise reads until the connection ends.
#[tokio::test]
async fn crashpad_without_libcurl_which_sends_chunks_over_http_1_0_is_understood_and_understands() {
    let mut house = House::new();
    let body = chunked(&pack(Packing::Gzip, &crashpads_body()), 32 * 1024);
    let request = [crashpads_head("HTTP/1.0", &house), body].concat();
    let answer = crashpads_report_is_accepted(&mut house, &request).await;
    assert!(answer.head.contains("\r\nContent-Length: 36\r\n"), "{}", answer.head);
    let mut stream = house.connect().await;
    stream.write_all(&request).await.unwrap();
    support::everything(&mut stream).await;
}

#[tokio::test]
async fn a_report_that_comes_in_segments_of_one_byte_is_the_same_report() {
    let mut house = House::new();
    let body = chunked(&pack(Packing::Gzip, &crashpads_body()), 100);
    let request = [crashpads_head("HTTP/1.1", &house), body].concat();
    let mut stream = house.connect().await;
    for byte in request {
        stream.write_all(&[byte]).await.unwrap();
    }
    let answer = Answer::read(&mut stream).await;
    let report = house.report_of(&answer).await;
    assert_eq!(report.annotations["product"], "My Game");
    assert_eq!(house.dump(&report).await, linux());
}

#[tokio::test]
async fn the_answer_is_200_and_the_hyphenated_id_as_text_and_nothing_else() {
    let house = House::new();
    let answer = house.send_form(&form(&[dump_part(&linux())])).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    let id: CrashId = answer.body.parse().unwrap();
    assert_eq!(answer.body, id.to_string());
    assert_eq!((answer.body.len(), answer.body.matches('-').count()), (36, 4));
}

#[tokio::test]
async fn the_path_is_the_same_with_and_without_its_trailing_slash() {
    let mut house = House::new();
    for path in ["/api/1/minidump/", "/api/1/minidump"] {
        let target = format!("{path}?sentry_key={}", house.key);
        let answer = house.send(&post(&target, &[FORM], &form(&[dump_part(&linux())]))).await;
        assert_eq!(house.report_of(&answer).await.project, ProjectId::FIRST);
    }
}

#[tokio::test]
async fn a_body_may_be_packed_in_every_way_that_clients_know() {
    let mut house = House::new();
    let plain = form(&[field_part("prod", "MyGame"), dump_part(&of_27_kilobytes())]);
    for (encoding, packing) in [
        ("identity", None),
        ("gzip", Some(Packing::Gzip)),
        ("x-gzip", Some(Packing::Gzip)),
        ("deflate", Some(Packing::Zlib)),
        ("deflate", Some(Packing::Deflate)),
        ("br", Some(Packing::Brotli)),
        ("zstd", Some(Packing::Zstd)),
    ] {
        let encoding = format!("Content-Encoding: {encoding}");
        let body = packing.map_or_else(|| plain.clone(), |packing| pack(packing, &plain));
        let answer = house.send_raw(&[FORM, &encoding], &body).await;
        let report = house.report_of(&answer).await;
        assert_eq!(report.annotations["prod"], "MyGame", "{encoding} {packing:?}");
        assert_eq!(house.dump(&report).await, of_27_kilobytes(), "{encoding} {packing:?}");
    }
}

#[tokio::test]
async fn a_bare_minidump_is_a_report_too() {
    let mut house = House::new();
    for content_type in ["application/octet-stream", "application/x-dmp"] {
        let content_type = format!("Content-Type: {content_type}");
        let target = format!("{}&version=7", house.path());
        let answer = house.send(&post(&target, &[&content_type, "User-Agent: mine/1"], &windows())).await;
        let report = house.report_of(&answer).await;
        assert_eq!(house.dump(&report).await, windows());
        assert_eq!(report.protocol, Protocol::RawMinidump);
        assert_eq!(report.annotations.into_iter().collect::<Vec<_>>(), [("version".into(), "7".into())]);
        assert_eq!(report.client.as_deref(), Some("mine/1"));
    }
    let head = head("HTTP/1.1", &house.path(), &["Content-Encoding: gzip", "Transfer-Encoding: chunked"]);
    let answer = house.send(&[head, chunked(&pack(Packing::Gzip, &windows()), 1000)].concat()).await;
    let report = house.report_of(&answer).await;
    assert_eq!(house.dump(&report).await, windows());
}

#[tokio::test]
async fn a_dump_that_is_packed_itself_is_kept_unpacked() {
    let mut house = House::new();
    for packing in [Packing::Gzip, Packing::Zstd, Packing::Xz, Packing::Bzip2] {
        let packed = pack(packing, &of_27_kilobytes());
        let bare = house.send_raw(&["Content-Type: application/octet-stream"], &packed).await;
        let in_a_form = house.send_form(&form(&[dump_part(&packed)])).await;
        let twice = pack(Packing::Gzip, &form(&[dump_part(&packed)]));
        let twice = house.send_raw(&[FORM, "Content-Encoding: gzip"], &twice).await;
        for answer in [bare, in_a_form, twice] {
            let report = house.report_of(&answer).await;
            assert_eq!(house.dump(&report).await, of_27_kilobytes(), "{packing:?}");
        }
    }
}

#[tokio::test]
async fn a_dump_of_a_big_endian_machine_is_a_dump() {
    let mut house = House::new();
    let answer = house.send_raw(&[], b"PMDM and the rest").await;
    let report = house.report_of(&answer).await;
    assert_eq!(house.dump(&report).await, b"PMDM and the rest");
}

#[tokio::test]
async fn a_large_dump_goes_to_the_bucket_and_a_small_log_travels_along() {
    let mut house = House::new();
    let dump = [linux(), vec![7; 600_000]].concat();
    let log = file_part("log", r"C:\Games\My Game\game.log", "text/plain", b"the last line");
    let answer = house.send_form(&form(&[log, dump_part(&dump)])).await;
    let report = house.report_of(&answer).await;
    assert_eq!(house.dump(&report).await, dump);
    assert!(matches!(report.payloads[1].content, Content::Stored { .. }));
    let log = &report.payloads[0];
    assert_eq!((log.role, log.name.as_str()), (Role::Attachment, "game.log"));
    assert_eq!(log.content_type.as_deref(), Some("text/plain"));
    assert_eq!(log.content, Content::Inline(b"the last line".to_vec()));
}

#[tokio::test]
async fn files_and_fields_that_are_empty_or_alike_lose_nothing() {
    let mut house = House::new();
    let attachment = |bytes| file_part("attachment", "a.txt", "text/plain", bytes);
    let parts = [
        field_part("empty", ""),
        field_part("twice", "first"),
        field_part("twice", "second"),
        attachment(b"one"),
        attachment(b""),
        // What looks like the end of the part, but is not.
        attachment(b"\r\n-----MultipartBoundary-0123456789abcdefghijklmnopqrstuv---X\r\n--"),
        dump_part(&linux()),
    ];
    let answer = house.send_form(&form(&parts)).await;
    let report = house.report_of(&answer).await;
    let annotations: Vec<_> = report.annotations.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(annotations, [("empty", ""), ("twice", "first")]);
    assert_eq!(report.payloads.len(), 4);
    assert_eq!(house.bytes(&report, 0).await, b"one");
    assert_eq!(house.bytes(&report, 1).await, b"");
    assert!(house.bytes(&report, 2).await.ends_with(b"X\r\n--"));
    assert_eq!(report.notes, []);
}

#[tokio::test]
async fn a_second_minidump_is_kept_as_an_attachment_and_noted() {
    let mut house = House::new();
    let second = file_part("upload_file_minidump", "second.dmp", "application/x-dmp", &windows());
    let answer = house.send_form(&form(&[dump_part(&linux()), second])).await;
    let report = house.report_of(&answer).await;
    assert_eq!(house.dump(&report).await, linux());
    assert_eq!((report.payloads[1].role, &*report.payloads[1].name), (Role::Attachment, "second.dmp"));
    assert_eq!(house.bytes(&report, 1).await, windows());
    assert_eq!(report.notes, [note(Some("second.dmp"), NoteReason::SecondMinidump)]);
}

#[tokio::test]
async fn what_is_too_large_beside_the_dump_is_noted_and_the_dump_is_kept() {
    let mut house = House::with(|limits| {
        (limits.file, limits.files, limits.annotations) = (20_000, 3, 4);
        (limits.annotation_name, limits.annotation_value, limits.annotation_total) = (20, 100, 250);
    });
    let file = |name: &str, size| file_part("attachment", name, "text/plain", &vec![b'x'; size]);
    let parts = [
        field_part("a name that is far too long", "value"),
        field_part("value", &"v".repeat(101)),
        field_part("a", &"v".repeat(100)),
        field_part("b", &"v".repeat(100)),
        field_part("total", &"v".repeat(100)),
        field_part("c", ""),
        field_part("d", ""),
        field_part("one too many", ""),
        file("large", 20_001),
        file("largest", 20_000),
        dump_part(&linux()),
        file("a fourth", 1),
    ];
    let answer = house.send_form(&form(&parts)).await;
    let report = house.report_of(&answer).await;
    assert_eq!(report.annotations.keys().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    assert_eq!(report.payloads.iter().map(|file| &*file.name).collect::<Vec<_>>(), ["largest", "crash.dmp"]);
    assert_eq!(house.dump(&report).await, linux());
    let too_large = |name| note(Some(name), NoteReason::AnnotationTooLarge);
    let expected = [
        too_large("a name that is far too long"),
        too_large("value"),
        too_large("total"),
        too_large("one too many"),
        note(Some("large"), NoteReason::FileTooLarge),
        note(Some("a fourth"), NoteReason::TooManyFiles),
    ];
    assert_eq!(report.notes, expected);
}

#[tokio::test]
async fn whatever_goes_wrong_after_the_dump_is_whole_is_noted_and_the_dump_is_kept() {
    let mut house = House::with(|limits| limits.request = 100_000);
    let begin = [field_part("prod", "MyGame"), dump_part(&linux())].concat();
    let log = file_part("log", "game.log", "text/plain", &vec![b'x'; 100_000]);

    let overflowing = [begin.clone(), log.clone()].concat();
    let head = head("HTTP/1.1", &house.path(), &[FORM, "Transfer-Encoding: chunked"]);
    let answer = house.send(&[head, chunked(&overflowing, 4096)].concat()).await;
    let report = house.report_of(&answer).await;
    assert_eq!(house.dump(&report).await, linux());
    assert_eq!(report.notes, [note(Some("game.log"), NoteReason::RequestTooLarge)]);

    for broken in [
        [begin.clone(), log[..1000].to_vec()].concat(),
        [begin.clone(), format!("--{}\r\n", crashpad::BOUNDARY).into_bytes()].concat(),
    ] {
        let answer = house.send_form(&broken).await;
        let report = house.report_of(&answer).await;
        assert_eq!(house.dump(&report).await, linux());
        assert_eq!(report.annotations["prod"], "MyGame");
        assert_eq!(report.notes.len(), 1);
        assert_eq!(report.notes[0].reason, NoteReason::RequestBrokeOff);
    }
    let unnamed = format!("--{}\r\nContent-Disposition: form-data\r\n\r\nx\r\n", crashpad::BOUNDARY);
    let answer = house.send_form(&form(&[begin, unnamed.into_bytes()])).await;
    let report = house.report_of(&answer).await;
    assert_eq!(report.notes, [note(None, NoteReason::RequestBrokeOff)]);
}

#[tokio::test]
async fn a_client_that_goes_away_after_the_dump_is_whole_has_not_died_for_nothing() {
    let mut house = House::new();
    let whole = post(&house.path(), &[FORM], &form(&[dump_part(&linux()), field_part("late", "x")]));
    let cut = whole.len() - 30;
    let mut stream = house.connect().await;
    stream.write_all(&whole[..cut]).await.unwrap();
    drop(stream);
    let report = house.accepted().await;
    assert_eq!(house.dump(&report).await, linux());
    assert_eq!(report.notes, [note(Some("late"), NoteReason::RequestBrokeOff)]);
}

#[tokio::test]
async fn socorros_clients_are_answered_in_their_words() {
    let mut house = House::new();
    let parts = [field_part("ProductName", "MyGame"), dump_part(&linux())];
    let target = format!("/submit?project=7&sentry_key={}&Version=9", house.key_of(7));
    let answer = house.send(&post(&target, &[FORM], &form(&parts))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    let report = house.accepted().await;
    assert_eq!(answer.body, format!("CrashID=bp-{}\n", report.id));
    assert_eq!((report.project.get(), report.protocol), (7, Protocol::Socorro));
    let annotations: Vec<_> = report.annotations.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(annotations, [("ProductName", "MyGame"), ("Version", "9")]);
    assert_eq!(house.dump(&report).await, linux());

    let first = format!("/submit?sentry_key={}", house.key);
    let answer = house.send(&post(&first, &[FORM], &form(&parts))).await;
    let report = house.accepted().await;
    assert_eq!((report.project, answer.body), (ProjectId::FIRST, format!("CrashID=bp-{}\n", report.id)));
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_to_go_on_is_told() {
    let mut house = House::new();
    let body = form(&[dump_part(&linux())]);
    let length = format!("Content-Length: {}", body.len());
    let mut stream = house.connect().await;
    stream
        .write_all(&head("HTTP/1.1", &house.path(), &[FORM, &length, "Expect: 100-continue"]))
        .await
        .unwrap();
    assert_eq!(Answer::read(&mut stream).await.status, 100);
    stream.write_all(&body).await.unwrap();
    let answer = Answer::read(&mut stream).await;
    house.report_of(&answer).await;
}

#[tokio::test]
async fn one_connection_carries_one_report_after_the_other() {
    let mut house = House::new();
    let mut stream = house.connect().await;
    for index in 0..3 {
        let parts = [field_part("index", &index.to_string()), dump_part(&linux())];
        stream.write_all(&post(&house.path(), &[FORM], &form(&parts))).await.unwrap();
        let answer = Answer::read(&mut stream).await;
        assert_eq!(house.report_of(&answer).await.annotations["index"], index.to_string());
    }
}

#[tokio::test]
async fn a_report_over_http_2_without_tls_is_a_report() {
    let mut house = House::new();
    let stream = TokioIo::new(house.connect().await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let request = http::Request::post(format!("http://crashes.example.com{}", house.path()))
        .header("content-type", &FORM["Content-Type: ".len()..])
        .body(Full::new(Bytes::from(form(&[dump_part(&of_27_kilobytes())]))))
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let report = house.accepted().await;
    assert_eq!(body, report.id.to_string());
    assert_eq!(house.dump(&report).await, of_27_kilobytes());
}

/// A control character is one byte here and six in JSON; a message that is too large for the queue could only be parked.
#[tokio::test]
async fn annotations_that_grow_in_json_still_travel_through_the_queue() {
    let mut house = House::new();
    let fields: Vec<_> =
        (0..17).map(|index| field_part(&format!("field {index}"), &"\u{1}".repeat(60_000))).collect();
    let dump = [linux(), vec![7; 200_000]].concat();
    let answer = house.send_form(&form(&[fields.concat(), dump_part(&dump)])).await;
    let report = house.report_of(&answer).await;
    assert_eq!(house.dump(&report).await, dump);
    assert!(!report.annotations.is_empty());
    assert!(report.annotations.values().all(|value| value.len() == 60_000));
    assert_eq!(report.annotations.len() + report.notes.len(), 17);
}
