//! What Sentry's SDKs send, byte for byte, and what the collector makes of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use epitaph_crash_model::{CrashId, NoteReason, ProjectId, Protocol, Role};
use epitaph_test_dumps::{linux, of_27_kilobytes, windows};
use support::{
    EVENT, EVENT_ID, House, Packing, chunked, dump_item, envelope, event_item, has_no_id, head, item,
    log_item, note, pack, post,
};
use tokio::io::AsyncWriteExt as _;

/// An envelope as `sentry-sdk` for Python writes it: an item with its length, and a line break behind it.
fn python_envelope() -> (Vec<u8>, Vec<u8>) {
    let event = format!(
        r#"{{"level": "error", "exception": {{"values": [{{"type": "ZeroDivisionError", "value": "division by zero"}}]}}, "event_id": "{EVENT_ID}", "timestamp": "2026-01-31T23:59:59.999999Z", "platform": "python"}}"#
    );
    let head = format!(
        r#"{{"event_id":"{EVENT_ID}","sent_at":"2026-01-31T23:59:59.999999Z","trace":{{"trace_id":"771a43a4192642f0b136d5159a501700"}}}}"#
    );
    let length = event.len();
    let body = format!(
        "{head}\n{{\"type\":\"event\",\"content_type\":\"application/json\",\"length\":{length}}}\n{event}\n"
    );
    (body.into_bytes(), event.into_bytes())
}

#[tokio::test]
async fn an_event_in_an_envelope_is_accepted_and_answered_with_its_own_id() {
    let mut house = House::new();
    let (body, event) = python_envelope();
    let headers = [
        "User-Agent: sentry.python/2.20.0",
        "Content-Type: application/x-sentry-envelope",
        "Content-Encoding: gzip",
        &format!(
            "X-Sentry-Auth: Sentry sentry_key={}, sentry_version=7, sentry_client=sentry.python/2.20.0",
            house.key
        ),
    ];
    let answer = house.send(&post("/api/1/envelope/", &headers, &pack(Packing::Gzip, &body))).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, &*format!("{{\"id\":\"{EVENT_ID}\"}}")));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-sentry-rate-limits"), None);
    let report = house.report_of(&answer).await;
    assert_eq!((report.project, report.protocol), (ProjectId::FIRST, Protocol::Envelope));
    assert_eq!(report.client_id.as_deref(), Some(EVENT_ID));
    assert_eq!(report.client.as_deref(), Some("sentry.python/2.20.0"));
    assert_eq!(house.payloads(&report).await, [("event.json".into(), Role::Event, event)]);
    assert_eq!(report.payloads[0].content_type.as_deref(), Some("application/json"));
    assert_eq!(report.notes, []);
    assert!(house.metrics.text().contains(r#"function="envelope",outcome="accepted",reason=""} 1"#));
}

#[tokio::test]
async fn an_envelope_is_the_same_in_one_piece_in_chunks_and_in_segments_of_one_byte() {
    let mut house = House::new();
    let body = [python_envelope().0, dump_item(&linux())].concat();
    let target = house.path("envelope");
    let in_chunks = [head("POST", &target, &["Transfer-Encoding: chunked"]), chunked(&body, 100)].concat();
    for (request, step) in
        [(post(&target, &[], &body), usize::MAX), (in_chunks.clone(), usize::MAX), (in_chunks, 1)]
    {
        let mut stream = house.connect().await;
        for piece in request.chunks(step) {
            stream.write_all(piece).await.unwrap();
        }
        let answer = support::read(&mut stream).await;
        let report = house.report_of(&answer).await;
        let payloads = house.payloads(&report).await;
        assert_eq!(payloads[0].2, python_envelope().1);
        assert_eq!(payloads[1], ("crash.dmp".into(), Role::Minidump, linux()));
    }
}

#[tokio::test]
async fn the_paths_are_the_same_with_and_without_their_trailing_slash() {
    let mut house = House::new();
    for (path, body) in [
        ("/api/1/envelope/", envelope(&[event_item()])),
        ("/api/1/envelope", envelope(&[event_item()])),
        ("/api/1/store/", EVENT.to_vec()),
        ("/api/1/store", EVENT.to_vec()),
    ] {
        let answer = house.send(&post(&format!("{path}?sentry_key={}", house.key), &[], &body)).await;
        let report = house.report_of(&answer).await;
        assert_eq!(house.bytes(&report, 0).await, EVENT, "{path}");
    }
}

#[tokio::test]
async fn a_body_may_be_packed_in_every_way_that_clients_know() {
    let mut house = House::new();
    for (encoding, packing) in [
        ("identity", None),
        ("gzip", Some(Packing::Gzip)),
        ("deflate", Some(Packing::Zlib)),
        ("deflate", Some(Packing::Deflate)),
        ("br", Some(Packing::Brotli)),
        ("zstd", Some(Packing::Zstd)),
    ] {
        for (endpoint, body) in [("envelope", envelope(&[event_item()])), ("store", EVENT.to_vec())] {
            let header = format!("Content-Encoding: {encoding}");
            let body = packing.map_or(body.clone(), |packing| pack(packing, &body));
            let answer = house.send(&post(&house.path(endpoint), &[&header], &body)).await;
            let report = house.report_of(&answer).await;
            assert_eq!(house.bytes(&report, 0).await, EVENT, "{endpoint} {encoding} {packing:?}");
        }
    }
}

#[tokio::test]
async fn the_id_is_the_envelopes_or_the_events_or_made_and_always_the_one_in_the_answer() {
    let mut house = House::new();
    let other = "0123456789abcdef0123456789abcdef";
    let event = |id: &str| item("\"type\":\"event\"", format!("{{\"event_id\":{id}}}").as_bytes());
    for (head, event, expected) in [
        (format!("{{\"event_id\":\"{EVENT_ID}\"}}\n"), event(&format!("{other:?}")), Some(EVENT_ID)),
        ("{}\n".to_owned(), event(&format!("{other:?}")), Some(other)),
        ("{}\n".to_owned(), event("\"01234567-89AB-CDEF-0123-456789ABCDEF\""), Some(other)),
        ("{\"event_id\":\"not an id\"}\n".to_owned(), event("7"), None),
        (format!("{{\"event_id\":\"{}\"}}\n", "0".repeat(32)), event("null"), None),
    ] {
        let answer = house.send_envelope(&[head.as_bytes(), &event].concat()).await;
        let report = house.report_of(&answer).await;
        assert_eq!(report.client_id.as_deref(), expected, "{head}");
        let answered: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let answered = answered["id"].as_str().unwrap();
        assert_eq!((answered.len(), answered), (32, answered.to_lowercase().as_str()));
        if expected.is_none() {
            assert_eq!(answered.parse::<CrashId>().unwrap(), report.id);
        }
    }
}

#[tokio::test]
async fn everything_that_tells_of_the_crash_is_kept_with_its_role() {
    let mut house = House::new();
    let attachment = |kind: &str, name: &str, payload: &[u8]| {
        let head = format!(
            r#""type":"attachment","attachment_type":"{kind}","filename":"{name}","content_type":"text/x""#
        );
        item(&head, payload)
    };
    let body = envelope(&[
        item(r#""type":"attachment","filename":"C:\\logs\\game.log""#, b"line\nline\r\n\n"),
        event_item(),
        attachment("event.minidump", "crash.dmp", &of_27_kilobytes()),
        attachment("event.attachment", "second.DMP", b"MDMP and more"),
        attachment("event.attachment", "a.dmp", b"no dump"),
        attachment("event.attachment", "b.dmp", b"MD"),
        attachment("unreal.context", "CrashContext.runtime-xml", b"<xml/>"),
        item(r#""type":"unreal.context""#, b"<xml></xml>"),
        attachment("unreal.logs", "Game.log", b"log"),
        item(r#""type":"view_hierarchy""#, b"{}"),
        attachment("event.attachment", "__sentry-event", b"\x81"),
        attachment("event.attachment", "__sentry-breadcrumb1", b"\x82"),
        attachment("event.attachment", "", b""),
        b"{\"type\":\"attachment\",\"filename\":\"the last one\"}\nto the end".to_vec(),
    ]);
    let answer = house.send_envelope(&body).await;
    let report = house.report_of(&answer).await;
    let expected: Vec<(String, Role, Vec<u8>)> = [
        ("game.log", Role::Attachment, &b"line\nline\r\n\n"[..]),
        ("event.json", Role::Event, EVENT),
        ("crash.dmp", Role::Minidump, &of_27_kilobytes()),
        ("second.DMP", Role::Attachment, b"MDMP and more"),
        ("a.dmp", Role::Attachment, b"no dump"),
        ("b.dmp", Role::Attachment, b"MD"),
        ("CrashContext.runtime-xml", Role::UnrealContext, b"<xml/>"),
        ("CrashContext.runtime-xml", Role::UnrealContext, b"<xml></xml>"),
        ("Game.log", Role::Attachment, b"log"),
        ("view-hierarchy.json", Role::Attachment, b"{}"),
        ("__sentry-event", Role::EventMsgpack, b"\x81"),
        ("__sentry-breadcrumb1", Role::BreadcrumbsMsgpack, b"\x82"),
        ("attachment", Role::Attachment, b""),
        ("the last one", Role::Attachment, b"to the end"),
    ]
    .into_iter()
    .map(|(name, role, bytes)| (name.to_owned(), role, bytes.to_vec()))
    .collect();
    assert_eq!(house.payloads(&report).await, expected);
    assert_eq!(report.payloads[2].content_type.as_deref(), Some("text/x"));
    assert_eq!(report.notes, [note(Some("second.DMP"), NoteReason::SecondMinidump)]);
}

#[tokio::test]
async fn a_minidump_alone_is_a_crash_whether_packed_or_known_by_its_name_only() {
    let mut house = House::new();
    let named = |dump: &[u8]| item(r#""type":"attachment","filename":"x.dmp""#, dump);
    let typed = |dump: &[u8]| item(r#""type":"event.minidump""#, dump);
    for (body, dump) in [
        (dump_item(&windows()), windows()),
        (named(&windows()), windows()),
        (typed(b"PMDM"), b"PMDM".to_vec()),
        (dump_item(&pack(Packing::Gzip, &of_27_kilobytes())), of_27_kilobytes()),
        (dump_item(&pack(Packing::Zstd, &of_27_kilobytes())), of_27_kilobytes()),
    ] {
        let answer = house.send_envelope(&envelope(&[body])).await;
        let report = house.report_of(&answer).await;
        let payloads = house.payloads(&report).await;
        assert_eq!((payloads[0].1, &payloads[0].2), (Role::Minidump, &dump));
    }
}

#[tokio::test]
async fn what_is_sent_as_a_minidump_and_is_none_does_not_cost_the_event() {
    let mut house = House::new();
    let answer = house.send_envelope(&envelope(&[dump_item(b"no dump"), event_item()])).await;
    let report = house.report_of(&answer).await;
    assert_eq!(house.payloads(&report).await[0], ("crash.dmp".into(), Role::Attachment, b"no dump".to_vec()));
    assert_eq!(report.notes, [note(Some("crash.dmp"), NoteReason::NotReadable)]);
    for packed in [pack(Packing::Gzip, b"no dump"), b"\x1f\x8b\x08 damaged".to_vec()] {
        let answer = house.send_envelope(&envelope(&[dump_item(&packed), event_item()])).await;
        let report = house.report_of(&answer).await;
        assert_eq!(report.payloads.len(), 1, "{:?}", report.payloads);
        assert_eq!(report.notes, [note(Some("crash.dmp"), NoteReason::RequestBrokeOff)]);
        let alone = house.send_envelope(&envelope(&[dump_item(&packed)])).await;
        assert_eq!(alone.status, 400, "{alone:?}");
    }
    house.nothing_was_kept().await;
}

#[tokio::test]
async fn sessions_are_counted_declined_and_asked_not_to_be_sent() {
    let mut house = House::new();
    let session = item(r#""type":"session""#, br#"{"sid":"1","init":true,"status":"ok"}"#);
    let sessions = b"{\"type\":\"sessions\"}\n{\"aggregates\":[]}\n".to_vec();
    let answer = house.send_envelope(&envelope(&[session.clone(), session, sessions])).await;
    has_no_id(&answer);
    assert_eq!(answer.header("x-sentry-rate-limits"), Some("3600:session:organization"));
    let metrics = house.metrics.text();
    assert!(metrics.contains(r#"epitaph_declined_total{function="envelope",what="session"} 3"#), "{metrics}");
    house.nothing_was_kept().await;
}

#[tokio::test]
async fn what_does_not_tell_of_a_crash_is_declined_and_the_event_beside_it_is_kept() {
    let mut house = House::new();
    for (kind, limits) in [
        ("session", Some("3600:session:organization")),
        ("transaction", Some("3600:transaction:organization")),
        ("span", Some("3600:span:organization")),
        ("profile", Some("3600:profile;profile_chunk;profile_chunk_ui:organization")),
        ("profile_chunk", Some("3600:profile;profile_chunk;profile_chunk_ui:organization")),
        ("replay_event", Some("3600:replay:organization")),
        ("replay_recording", Some("3600:replay:organization")),
        ("check_in", Some("3600:monitor:organization")),
        ("log", Some("3600:log_item;log_byte:organization")),
        ("trace_metric", Some("3600:metric;trace_metric;metric_bucket:organization")),
        ("client_report", None),
        ("something_of_tomorrow", None),
    ] {
        let declined = item(&format!("\"type\":\"{kind}\""), b"{\"x\":\n1}");
        let alone = house.send_envelope(&envelope(std::slice::from_ref(&declined))).await;
        has_no_id(&alone);
        assert_eq!(alone.header("x-sentry-rate-limits"), limits, "{kind}");
        let answer = house.send_envelope(&envelope(&[declined, event_item()])).await;
        assert_eq!(answer.header("x-sentry-rate-limits"), limits, "{kind}");
        let report = house.report_of(&answer).await;
        assert_eq!(report.payloads.len(), 1, "{kind}");
    }
    let metrics = house.metrics.text();
    for what in ["client_report", "unknown", "log"] {
        let line = format!(r#"epitaph_declined_total{{function="envelope",what="{what}"}} 2"#);
        assert!(metrics.contains(&line), "{metrics}");
    }
}

#[tokio::test]
async fn what_a_player_writes_is_kept_with_and_without_an_event() {
    let mut house = House::new();
    let words =
        format!(r#"{{"event_id":"{EVENT_ID}","name":"A","email":"a@example.com","comments":"it broke"}}"#);
    let user_report = item(r#""type":"user_report""#, words.as_bytes());
    let feedback = item(r#""type":"feedback""#, br#"{"contexts":{"feedback":{"message":"it broke"}}}"#);
    let answer = house.send_envelope(&envelope(&[event_item(), user_report.clone(), feedback.clone()])).await;
    let report = house.report_of(&answer).await;
    let payloads = house.payloads(&report).await;
    assert_eq!(payloads[1], ("user_report.json".into(), Role::Feedback, words.into_bytes()));
    assert_eq!((&*payloads[2].0, payloads[2].1), ("feedback.json", Role::Feedback));

    let answer = house.send_envelope(&[b"{}\n".to_vec(), user_report].concat()).await;
    let report = house.report_of(&answer).await;
    assert_eq!((report.client_id.as_deref(), report.payloads.len()), (Some(EVENT_ID), 1));

    let answer = house.send_envelope(&[b"{}\n".to_vec(), feedback].concat()).await;
    has_no_id(&answer);
    assert_eq!(house.accepted().await.payloads[0].role, Role::Feedback);
}

#[tokio::test]
async fn an_event_over_the_limit_is_413_unless_there_is_something_worth_keeping() {
    let mut house = House::with(|settings| settings.limits.event = 2000);
    let event = |size: usize| {
        let json = format!("{{\"a\":\"{}\"}}", "x".repeat(size - 8));
        assert_eq!(json.len(), size);
        item(r#""type":"event""#, json.as_bytes())
    };
    let answer = house.send_envelope(&envelope(&[event(2000)])).await;
    assert_eq!(house.report_of(&answer).await.payloads[0].size, 2000);
    for rest in [vec![], vec![log_item("game.log", 10)], vec![item(r#""type":"session""#, b"{}")]] {
        let answer = house.send_envelope(&envelope(&[vec![event(2001)], rest].concat())).await;
        let detail = answer.is_refused(413, "too_large");
        assert!(detail.contains("2000 bytes") && detail.contains("EPITAPH_LIMIT_EVENT"), "{detail}");
    }
    house.nothing_was_kept().await;
    let answer = house.send_envelope(&envelope(&[event(2001), dump_item(&linux())])).await;
    let report = house.report_of(&answer).await;
    assert_eq!(report.payloads.iter().map(|payload| payload.role).collect::<Vec<_>>(), [Role::Minidump]);
    assert_eq!(report.notes, [note(Some("event.json"), NoteReason::FileTooLarge)]);
}

#[tokio::test]
async fn attachments_that_are_too_large_or_too_many_are_noted_and_the_event_is_kept() {
    let mut house = House::with(|settings| (settings.limits.file, settings.limits.files) = (10_000, 3));
    let dump = dump_item(&[b"MDMP".as_slice(), &[0; 10_000]].concat());
    let items = [dump, event_item(), log_item("large", 10_001), log_item("one too many", 1)];
    let answer = house.send_envelope(&envelope(&items)).await;
    let report = house.report_of(&answer).await;
    assert_eq!(report.payloads.iter().map(|payload| &*payload.name).collect::<Vec<_>>(), ["event.json"]);
    let expected = [
        note(Some("crash.dmp"), NoteReason::FileTooLarge),
        note(Some("large"), NoteReason::FileTooLarge),
        note(Some("one too many"), NoteReason::TooManyFiles),
    ];
    assert_eq!(report.notes, expected);
}

#[tokio::test]
async fn whatever_goes_wrong_after_the_event_is_whole_is_noted_and_the_event_is_kept() {
    let mut house = House::with(|settings| settings.limits.request = 100_000);
    let whole = envelope(&[event_item()]);
    let overflowing = [whole.clone(), log_item("game.log", 100_000)].concat();
    let head = head("POST", &house.path("envelope"), &["Transfer-Encoding: chunked"]);
    let answer = house.send(&[head, chunked(&overflowing, 4096)].concat()).await;
    let report = house.report_of(&answer).await;
    assert_eq!(report.notes, [note(Some("game.log"), NoteReason::RequestTooLarge)]);

    let log = log_item("game.log", 1000);
    for (rest, name) in [
        (log[..500].to_vec(), Some("game.log")),
        ([log, b"{}\n".to_vec()].concat(), None),
        (b"{\"type\":\"x\",\"length\":1}\nxyz\n".to_vec(), None),
        (b"{\"type\":\"event\",\"length\":100}\n{\"a\":".to_vec(), Some("event.json")),
    ] {
        let answer = house.send_envelope(&[whole.clone(), rest].concat()).await;
        let report = house.report_of(&answer).await;
        assert_eq!(house.bytes(&report, 0).await, EVENT);
        assert_eq!(report.notes, [note(name, NoteReason::RequestBrokeOff)]);
    }
}

#[tokio::test]
async fn a_client_that_goes_away_after_the_event_is_whole_has_not_died_for_nothing() {
    let mut house = House::new();
    let request = post(&house.path("envelope"), &[], &envelope(&[event_item(), log_item("late.log", 100)]));
    let mut stream = house.connect().await;
    stream.write_all(&request[..request.len() - 50]).await.unwrap();
    drop(stream);
    let report = house.accepted().await;
    assert_eq!(house.bytes(&report, 0).await, EVENT);
    assert_eq!(report.notes, [note(Some("late.log"), NoteReason::RequestBrokeOff)]);
}

#[tokio::test]
async fn what_is_not_an_envelope_is_400_and_leaves_nothing() {
    let mut house = House::new();
    let event =
        |payload: &[u8]| envelope(&[log_item("large.log", 600_000), item(r#""type":"event""#, payload)]);
    let long = format!("{{\"a\":\"{}\"}}\n", "x".repeat(20_000));
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    for body in [
        b"".to_vec(),
        b"\n".to_vec(),
        b"hello".to_vec(),
        b"[]\n".to_vec(),
        linux(),
        long.into_bytes(),
        envelope(&[b"no header\n".to_vec()]),
        envelope(&[b"{\"length\":3}\nabc\n".to_vec()]),
        envelope(&[b"{\"type\":\"event\",\"length\":30}\n{}\n".to_vec()]),
        envelope(&[b"{\"type\":\"event\",\"length\":1}\n{}\n".to_vec()]),
        event(b""),
        event(b"[]"),
        event(b"{\"message\":"),
        event(b"{\"message\":NaN}"),
        event(deep.as_bytes()),
        envelope(&[item(r#""type":"user_report""#, b"it broke")]),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
        let answer = house.send_envelope(&body).await;
        assert!(answer.is_refused(400, "malformed").contains("cannot be read"), "{shown}");
    }
    let header = "Content-Encoding: gzip";
    house.send(&post(&house.path("envelope"), &[header], b"{}\n")).await.is_refused(400, "malformed");
    house.nothing_was_kept().await;
}

#[tokio::test]
async fn an_event_that_is_no_json_is_kept_as_it_is_beside_a_minidump() {
    let mut house = House::new();
    let broken = item(r#""type":"event""#, b"{\"message\":");
    let answer = house.send_envelope(&envelope(&[broken, dump_item(&linux())])).await;
    let report = house.report_of(&answer).await;
    let payloads = house.payloads(&report).await;
    assert_eq!(payloads[0], ("event.json".into(), Role::Attachment, b"{\"message\":".to_vec()));
    assert_eq!(payloads[1].1, Role::Minidump);
    assert_eq!(report.notes, [note(Some("event.json"), NoteReason::NotReadable)]);
}

#[tokio::test]
async fn attachments_without_a_crash_are_declined_and_leave_nothing() {
    let mut house = House::new();
    let answer = house.send_envelope(&envelope(&[log_item("small", 10), log_item("large", 600_000)])).await;
    has_no_id(&answer);
    assert_eq!(answer.header("x-sentry-rate-limits"), None);
    has_no_id(&house.send_envelope(b"{}").await);
    let metrics = house.metrics.text();
    assert!(
        metrics.contains(r#"epitaph_declined_total{function="envelope",what="attachment"} 2"#),
        "{metrics}"
    );
    house.nothing_was_kept().await;
}
