//! What CrashReportClient sends, byte for byte, and what the collector makes of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use epitaph_crash_model::{Content, CrashId, NoteReason, Protocol, Role};
use epitaph_test_dumps::{
    linux,
    unreal::{Layout, container},
    windows,
};
use support::{Answer, House, gzip, names, note, post, request, zlib};
use tokio::io::AsyncWriteExt as _;

const CONTEXT: &[u8] =
    b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<FGenericCrashContext><RuntimeProperties/></FGenericCrashContext>";
const INI: &[u8] = b"[CrashReportClient]\nbHideLogFilesOption=false";
const USER: &str =
    "b87d5d41e2b34b5a9bd2d0b7d1c1a2b3%7C2e7d369327054a448be6c8d3601213cb%7C6B5EF42F48669C4D7DFE11B7F59BB6AC";

/// The files of a crash on Windows, in the order in which CrashReportClient sends them.
fn files(dump: &[u8]) -> [(&'static str, &[u8]); 4] {
    [
        ("CrashContext.runtime-xml", CONTEXT),
        ("CrashReportClient.ini", INI),
        ("MyGame.log", b"LogInit: the last line"),
        ("UEMinidump.dmp", dump),
    ]
}

#[tokio::test]
async fn crash_report_clients_body_is_accepted_whole_wherever_its_header_stands() {
    let mut house = House::new();
    let dump = windows();
    for layout in [Layout::HeaderFirst, Layout::HeaderLast] {
        let answer = house.post(&container(layout, &files(&dump))).await;
        let report = house.report_of(&answer).await;
        assert_eq!((report.project.get(), report.protocol), (1, Protocol::Unreal));
        assert_eq!(report.client.as_deref(), Some("CrashReportClient/5.4"));
        let roles: Vec<_> = report.payloads.iter().map(|file| (file.role, file.name.as_str())).collect();
        let expected = [
            (Role::UnrealContext, "CrashContext.runtime-xml"),
            (Role::Attachment, "CrashReportClient.ini"),
            (Role::Attachment, "MyGame.log"),
            (Role::Minidump, "UEMinidump.dmp"),
        ];
        assert_eq!(roles, expected, "{layout:?}");
        for (name, bytes) in files(&dump) {
            assert_eq!(house.bytes(&report, name).await, bytes, "{name}");
        }
        assert_eq!(report.notes, []);
    }
}

#[tokio::test]
async fn the_answer_is_200_and_the_hyphenated_id_as_text_and_nothing_else() {
    let house = House::new();
    let answer = house.post(&container(Layout::HeaderFirst, &files(&linux()))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    let id: CrashId = answer.body.parse().unwrap();
    assert_eq!(answer.body, id.to_string());
    assert_eq!((answer.body.len(), answer.body.matches('-').count()), (36, 4));
}

#[tokio::test]
async fn the_query_tells_application_and_user() {
    let mut house = House::new();
    let target = format!(
        "{}?AppID=CrashReporter&AppVersion=5.4.3-34507850%2B%2B%2BUE5%2BRelease-5.4&AppEnvironment=Release\
         &UploadType=crashreports&UserID={USER}",
        house.path()
    );
    let body = zlib(&container(Layout::HeaderFirst, &files(&linux())));
    let answer = house.send(&post(&target, &[], &body)).await;
    let report = house.report_of(&answer).await;
    let annotations: Vec<_> = report.annotations.iter().map(|(name, value)| (&**name, &**value)).collect();
    let expected = [
        ("AppEnvironment", "Release"),
        ("AppID", "CrashReporter"),
        ("AppVersion", "5.4.3-34507850+++UE5+Release-5.4"),
        ("EpicAccountId", "2e7d369327054a448be6c8d3601213cb"),
        ("LoginId", "b87d5d41e2b34b5a9bd2d0b7d1c1a2b3"),
        ("MachineId", "6B5EF42F48669C4D7DFE11B7F59BB6AC"),
        ("UploadType", "crashreports"),
        ("user_id", "2e7d369327054a448be6c8d3601213cb"),
    ];
    assert_eq!(annotations, expected);
}

#[tokio::test]
async fn a_player_without_an_epic_account_is_known_by_the_machine() {
    let mut house = House::new();
    let body = zlib(&container(Layout::HeaderFirst, &files(&linux())));
    for (user, known) in
        [("%7C%7Cmachine", Some("machine")), ("login%7C%7C", Some("login")), ("%7C%7C", None)]
    {
        let answer = house.send(&post(&format!("{}?UserID={user}", house.path()), &[], &body)).await;
        let report = house.report_of(&answer).await;
        assert_eq!(report.annotations.get("user_id").map(String::as_str), known, "{user}");
    }
}

#[tokio::test]
async fn the_path_is_the_same_with_and_without_its_trailing_slash_and_the_key_in_capitals() {
    let mut house = House::new();
    let body = zlib(&container(Layout::HeaderFirst, &files(&linux())));
    let key = house.key_of(7);
    for path in [
        format!("/api/7/unreal/{key}/"),
        format!("/api/7/unreal/{key}"),
        format!("/api/7/unreal/{}", key.to_uppercase()),
    ] {
        let answer = house.send(&post(&path, &[], &body)).await;
        assert_eq!(house.report_of(&answer).await.project.get(), 7, "{path}");
    }
}

#[tokio::test]
async fn a_key_that_is_none_or_disagrees_is_401_and_that_of_another_project_403() {
    let mut house = House::new();
    let (own, other) = (house.key.clone(), house.key_of(7));
    let body = zlib(&container(Layout::HeaderFirst, &files(&linux())));
    let send = async |path: String, header: &str| {
        let headers = if header.is_empty() { vec![] } else { vec![header] };
        house.send(&post(&path, &headers, &body)).await
    };
    let sentry = |key: &str| format!("X-Sentry-Auth: Sentry sentry_version=7, sentry_key={key}");
    send("/api/1/unreal/abc/".into(), "").await.is_refused(401, "unauthorized");
    send(format!("/api/zero/unreal/{own}/"), "").await.is_refused(401, "unauthorized");
    send(format!("/api/%FF/unreal/{own}/"), "").await.is_refused(401, "unauthorized");
    send(format!("/api/1/unreal/{own}/?sentry_key={other}"), "").await.is_refused(401, "unauthorized");
    send(format!("/api/1/unreal/{own}/"), &sentry(&other)).await.is_refused(401, "unauthorized");
    send(format!("/api/1/unreal/{other}/"), "").await.is_refused(403, "forbidden");
    let agreed = send(format!("/api/1/unreal/{own}/?sentry_key={own}"), &sentry(&own)).await;
    let report = house.report_of(&agreed).await;
    assert!(report.annotations.is_empty(), "{:?}", report.annotations);
}

#[tokio::test]
async fn another_method_is_405_and_says_what_is_expected() {
    let house = House::new();
    let answer = house.send(&request("GET", &house.path(), &[], &[])).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    assert!(answer.body.contains("POST"), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_is_not_packed_or_packed_once_more_is_the_same_body() {
    let mut house = House::new();
    let dump = linux();
    for layout in [Layout::HeaderFirst, Layout::HeaderLast] {
        let plain = container(layout, &files(&dump));
        let as_it_is = house.send(&post(&house.path(), &[], &plain)).await;
        let twice = post(&house.path(), &["Content-Encoding: gzip"], &gzip(&zlib(&plain)));
        let twice = house.send(&twice).await;
        for answer in [as_it_is, twice] {
            let report = house.report_of(&answer).await;
            assert_eq!(house.bytes(&report, "UEMinidump.dmp").await, dump);
        }
    }
}

#[tokio::test]
async fn what_is_no_report_is_400() {
    let mut house = House::new();
    let log: (&str, &[u8]) = ("MyGame.log", b"MDMP is how a minidump begins; this is a log");
    house.post(&container(Layout::HeaderFirst, &[log])).await.is_refused(400, "malformed");
    house.post(&container(Layout::HeaderLast, &[])).await.is_refused(400, "malformed");
    house.post(b"MDMP, and no container").await.is_refused(400, "malformed");
    let send = async |body: &[u8]| house.send(&post(&house.path(), &[], body)).await;
    send(b"").await.is_refused(400, "broke_off");
    send(b"x\x9cand no zlib").await.is_refused(400, "malformed");
    let whole = zlib(&container(Layout::HeaderFirst, &files(&linux())));
    send(&whole[..40]).await.is_refused(400, "broke_off");
    // None of them left anything in the queue.
    let answer = house.post(&container(Layout::HeaderFirst, &files(&linux()))).await;
    house.report_of(&answer).await;
}

#[tokio::test]
async fn a_report_without_a_minidump_is_one_if_it_has_a_context() {
    let mut house = House::new();
    // On Apple's systems the file of this name is a report in text.
    let apple: (&str, &[u8]) = ("minidump.dmp", b"Incident Identifier: 5C32DF84");
    let files = [apple, ("info.txt", b"i"), ("CrashContext.runtime-xml", CONTEXT)];
    let answer = house.post(&container(Layout::HeaderLast, &files)).await;
    let report = house.report_of(&answer).await;
    let roles: Vec<_> = report.payloads.iter().map(|file| file.role).collect();
    assert_eq!(roles, [Role::Attachment, Role::Attachment, Role::UnrealContext]);
    assert_eq!(house.bytes(&report, "minidump.dmp").await, apple.1);
}

#[tokio::test]
async fn a_second_minidump_is_kept_as_an_attachment_and_noted() {
    let mut house = House::new();
    let (first, second) = (windows(), linux());
    let answer =
        house.post(&container(Layout::HeaderFirst, &[("UEMinidump.dmp", &first), ("b.dmp", &second)])).await;
    let report = house.report_of(&answer).await;
    let roles: Vec<_> = report.payloads.iter().map(|file| file.role).collect();
    assert_eq!(roles, [Role::Minidump, Role::Attachment]);
    assert_eq!(house.bytes(&report, "b.dmp").await, second);
    assert_eq!(report.notes, [note(Some("b.dmp"), NoteReason::SecondMinidump)]);
}

#[tokio::test]
async fn a_log_of_20_megabytes_comes_along_with_the_minidump() {
    let mut house = House::new();
    let (dump, log) = (windows(), b"LogRHI: a line of a long log\r\n".repeat(700_000));
    assert!(log.len() > 20_000_000);
    for files in [
        [("MyGame.log", &log[..]), ("UEMinidump.dmp", &dump[..])],
        [("UEMinidump.dmp", &dump[..]), ("MyGame.log", &log[..])],
    ] {
        let answer = house.post(&container(Layout::HeaderFirst, &files)).await;
        let report = house.report_of(&answer).await;
        assert_eq!(house.bytes(&report, "UEMinidump.dmp").await, dump);
        assert!(house.bytes(&report, "MyGame.log").await == log);
        let log = report.payloads.iter().find(|file| file.role == Role::Attachment).unwrap();
        assert!(matches!(log.content, Content::Stored { .. }));
        assert_eq!(report.notes, []);
    }
}

#[tokio::test]
async fn a_file_over_its_limit_costs_that_file_and_nothing_else() {
    let mut house = House::with(|limits| limits.file = 50_000);
    let (dump, log) = (linux(), vec![b'x'; 50_001]);
    let files: [(&str, &[u8]); 4] = [
        ("large.log", &log),
        ("CrashContext.runtime-xml", CONTEXT),
        ("largest.log", &log[1..]),
        ("UE4Minidump.dmp", &dump),
    ];
    let answer = house.post(&container(Layout::HeaderLast, &files)).await;
    let report = house.report_of(&answer).await;
    assert_eq!(names(&report), ["CrashContext.runtime-xml", "largest.log", "UE4Minidump.dmp"]);
    assert_eq!(house.bytes(&report, "UE4Minidump.dmp").await, dump);
    assert_eq!(report.notes, [note(Some("large.log"), NoteReason::FileTooLarge)]);
}

#[tokio::test]
async fn a_minidump_over_its_limit_leaves_the_context_and_without_one_is_413() {
    let mut house = House::with(|limits| limits.file = 50_000);
    let dump = [linux(), vec![0; 50_000]].concat();
    let with = [("UEMinidump.dmp", &dump[..]), ("CrashContext.runtime-xml", CONTEXT)];
    let answer = house.post(&container(Layout::HeaderFirst, &with)).await;
    let report = house.report_of(&answer).await;
    assert_eq!(names(&report), ["CrashContext.runtime-xml"]);
    assert_eq!(report.notes, [note(Some("UEMinidump.dmp"), NoteReason::FileTooLarge)]);
    house.post(&container(Layout::HeaderFirst, &with[..1])).await.is_refused(413, "too_large");
}

#[tokio::test]
async fn files_beyond_their_number_never_cost_the_minidump_or_the_context() {
    let mut house = House::with(|limits| limits.files = 4);
    let dump = linux();
    let mut files: Vec<(&str, &[u8])> =
        ["1.txt", "2.txt", "3.txt", "4.png"].map(|name| (name, &b"more"[..])).into();
    files.extend([("UEMinidump.dmp", &dump[..]), ("CrashContext.runtime-xml", CONTEXT)]);
    let answer = house.post(&container(Layout::HeaderFirst, &files)).await;
    let report = house.report_of(&answer).await;
    assert_eq!(names(&report), ["1.txt", "2.txt", "UEMinidump.dmp", "CrashContext.runtime-xml"]);
    let too_many = |name| note(Some(name), NoteReason::TooManyFiles);
    assert_eq!(report.notes, [too_many("3.txt"), too_many("4.png")]);
}

#[tokio::test]
async fn a_request_over_its_limit_is_413_unless_the_minidump_is_whole() {
    let mut house = House::with(|limits| limits.request = 60_000);
    let (dump, log) = (linux(), vec![b'x'; 60_000]);
    let log_last = [("UEMinidump.dmp", &dump[..]), ("MyGame.log", &log[..])];
    let answer = house.post(&container(Layout::HeaderFirst, &log_last)).await;
    let report = house.report_of(&answer).await;
    assert_eq!(names(&report), ["UEMinidump.dmp"]);
    assert_eq!(report.notes, [note(Some("MyGame.log"), NoteReason::RequestTooLarge)]);
    let log_first = [("MyGame.log", &log[..]), ("UEMinidump.dmp", &dump[..])];
    house.post(&container(Layout::HeaderFirst, &log_first)).await.is_refused(413, "too_large");
}

#[tokio::test]
async fn what_breaks_off_after_the_minidump_or_the_context_is_whole_is_kept_and_noted() {
    let mut house = House::new();
    let dump = linux();
    for layout in [Layout::HeaderFirst, Layout::HeaderLast] {
        let dump_first = container(layout, &[("UEMinidump.dmp", &dump), ("MyGame.log", &[b'x'; 5000])]);
        let answer = house.post(&dump_first[..dump_first.len() - 2000]).await;
        let report = house.report_of(&answer).await;
        assert_eq!(house.bytes(&report, "UEMinidump.dmp").await, dump);
        assert_eq!(report.notes, [note(Some("MyGame.log"), NoteReason::RequestBrokeOff)], "{layout:?}");

        let dump_last =
            container(layout, &[("CrashContext.runtime-xml", CONTEXT), ("UEMinidump.dmp", &dump)]);
        let answer = house.post(&dump_last[..dump_last.len() - 1000]).await;
        let report = house.report_of(&answer).await;
        assert_eq!(names(&report), ["CrashContext.runtime-xml"]);
        assert_eq!(report.notes, [note(Some("UEMinidump.dmp"), NoteReason::RequestBrokeOff)], "{layout:?}");
    }
    let trailing =
        [container(Layout::HeaderFirst, &[("UEMinidump.dmp", &dump)]), b"and more".to_vec()].concat();
    let answer = house.post(&trailing).await;
    let report = house.report_of(&answer).await;
    assert_eq!(report.notes, [note(None, NoteReason::RequestBrokeOff)]);
}

#[tokio::test]
async fn a_client_that_goes_away_after_the_dump_is_whole_has_not_died_for_nothing() {
    let mut house = House::new();
    let dump = linux();
    // Not packed, so that what was sent is what can be read.
    let body = container(Layout::HeaderFirst, &[("UEMinidump.dmp", &dump), ("late.log", &[b'x'; 500])]);
    let whole = post(&house.path(), &[], &body);
    let mut stream = house.connect().await;
    stream.write_all(&whole[..whole.len() - 100]).await.unwrap();
    drop(stream);
    let report = house.accepted().await;
    assert_eq!(house.bytes(&report, "UEMinidump.dmp").await, dump);
    assert_eq!(report.notes, [note(Some("late.log"), NoteReason::RequestBrokeOff)]);
}

#[tokio::test]
async fn a_container_that_comes_in_segments_of_one_byte_is_the_same_container() {
    let mut house = House::new();
    let dump = linux();
    let request = post(&house.path(), &[], &zlib(&container(Layout::HeaderLast, &files(&dump))));
    let mut stream = house.connect().await;
    for byte in request {
        stream.write_all(&[byte]).await.unwrap();
    }
    let answer = Answer::read(&mut stream).await;
    let report = house.report_of(&answer).await;
    assert_eq!(house.bytes(&report, "UEMinidump.dmp").await, dump);
}
