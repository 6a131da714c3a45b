//! What is in `events/`: one event of AWS Lambda for each function, made of known parts.
#![allow(dead_code, reason = "each test file uses a part of it")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use epitaph_crash_model::{
    Content, CrashId, Message, MessageKind, Payload, ProjectId, Protocol, REPORT_VERSION, Report, Role,
    Timestamp,
};
use epitaph_secrets::{Purpose, RootSecret};
use epitaph_test_dumps::{crashpad, unreal};
use serde_json::{Value, json};

/// What their keys and signatures were made with.
pub(crate) const SECRET: &str = "the secret of the sample events";
/// The token that the dashboard's event carries.
pub(crate) const TOKEN: &str = "the-token-of-the-sample-events";
/// The crashes that the batch for `process` brings: 2100-01-01, since a message that is too old is not acted on.
pub(crate) const PROCESSED: [&str; 2] =
    ["03bb2cc3-d800-7000-8000-000000000001", "03bb2cc3-d800-7000-8000-000000000002"];
/// What the third record of that batch holds.
pub(crate) const NO_MESSAGE: &str = "this is no message";

/// All of them, by the function's name.
pub(crate) fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("minidump", minidump()),
        ("envelope", envelope()),
        ("unreal", unreal_crash()),
        ("report", report()),
        ("process", batch()),
        ("maintain", schedule()),
        ("dashboard", question()),
        ("symbols", announcement()),
    ]
}

fn key() -> String {
    RootSecret::new(SECRET).unwrap().derive(Purpose::Ingest).project_key(ProjectId::FIRST, 0)
}

fn minidump() -> Value {
    let annotations = [("prod", "MyGame"), ("ver", "1.2.3"), ("environment", "live")];
    let body = crashpad::form(&annotations, &epitaph_test_dumps::linux());
    let content_type = format!("multipart/form-data; boundary={}", crashpad::BOUNDARY);
    let query = format!("sentry_key={}", key());
    request("POST", "/api/1/minidump/", &query, &[("content-type", &content_type)], &body)
}

fn envelope() -> Value {
    let id = "9ec79c33ec9942ab8353589fcb2e04dc";
    let event = json!({
        "event_id": id, "platform": "csharp", "level": "fatal", "release": "my-game@1.2.3",
        "exception": {"values": [{"type": "NullReferenceException", "value": "the chest is empty", "stacktrace": {
            "frames": [{"function": "Game.Chest.Open", "filename": "Chest.cs", "lineno": 42, "in_app": true}],
        }}]},
    });
    let body = format!("{}\n{}\n{event}\n", json!({"event_id": id}), json!({"type": "event"}));
    let authorization = format!("Sentry sentry_version=7, sentry_client=sample/1.0, sentry_key={}", key());
    let headers =
        [("content-type", "application/x-sentry-envelope"), ("x-sentry-auth", authorization.as_str())];
    request("POST", "/api/1/envelope/", "", &headers, body.as_bytes())
}

fn unreal_crash() -> Value {
    let context = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<FGenericCrashContext><RuntimeProperties>\
        <CrashType>Crash</CrashType><ErrorMessage>Assertion failed: Chest != nullptr</ErrorMessage>\
        <GameName>UE-MyGame</GameName><EngineVersion>5.4.4-35576357+++UE5+Release-5.4</EngineVersion>\
        </RuntimeProperties></FGenericCrashContext>\n";
    let files: [(&str, &[u8]); 2] =
        [("CrashContext.runtime-xml", context.as_bytes()), ("MyGame.log", b"LogInit: the last line\r\n")];
    let container = unreal::container(unreal::Layout::HeaderFirst, &files);
    let path = format!("/api/1/unreal/{}/", key());
    let query = "AppID=CrashReporter&AppVersion=5.4.4&AppEnvironment=Release&UploadType=crashreports";
    request("POST", &path, query, &[("content-type", "application/octet-stream")], &zlib(&container))
}

/// Packed without being made smaller, so that the bytes are the same whatever packs them.
fn zlib(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn report() -> Value {
    let body = json!({
        "version": 1, "type": "NullReferenceException", "message": "the chest is empty",
        "stack": "Game.Chest.Open () (at Assets/Chest.cs:42)", "release": "1.2.3", "platform": "Windows",
    });
    let query = format!("sentry_key={}", key());
    let headers = [("content-type", "application/json")];
    request("POST", "/api/1/report/", &query, &headers, body.to_string().as_bytes())
}

fn question() -> Value {
    let authorization = format!("Bearer {TOKEN}");
    request("GET", "/api/v1/projects/1/issues", "period=all", &[("authorization", &authorization)], &[])
}

/// A debug file that is to be uploaded.
fn announcement() -> Value {
    let token = RootSecret::new(SECRET).unwrap().derive(Purpose::Upload).project_token(ProjectId::FIRST, 0);
    let body =
        json!({"name": "MyGame.pdb", "size": 5_000_000, "sha256": "5a".repeat(32), "release": "1.2.3"});
    let authorization = format!("Bearer {token}");
    let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
    request("POST", "/api/1/symbols/", "", &headers, body.to_string().as_bytes())
}

/// As a function URL or an HTTP API hands on a request, in format 2.0.
fn request(method: &str, path: &str, query: &str, headers: &[(&str, &str)], body: &[u8]) -> Value {
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "localhost", "user-agent": "sample/1.0", "x-forwarded-proto": "https"},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "sample",
            "domainName": "localhost",
            "domainPrefix": "sample",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "userAgent": "sample/1.0"},
            "requestId": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1_767_225_600_000_u64,
        },
        "isBase64Encoded": !body.is_empty(),
    });
    for &(name, value) in headers {
        event["headers"][name] = value.into();
    }
    if !body.is_empty() {
        event["headers"]["content-length"] = body.len().to_string().into();
        event["body"] = STANDARD.encode(body).into();
    }
    event
}

/// Two good messages and one thing that is none.
fn batch() -> Value {
    let json = json!({"version": 1, "type": "IndexOutOfRangeException", "message": "17", "release": "1.2.3"});
    let dump = epitaph_test_dumps::windows();
    let ids = PROCESSED.map(|id| id.parse().unwrap());
    let dump =
        message(ProjectId::FIRST, ids[0], Protocol::RawMinidump, Role::Minidump, "minidump.dmp", &dump);
    let bodies = [dump, report_message(ProjectId::FIRST, ids[1], &json), NO_MESSAGE.to_owned()];
    let records = bodies.iter().enumerate().map(|(index, body)| {
        json!({
            "messageId": format!("059f36b4-87a3-44ab-83d2-66197{:07}", 5_100_000 + index),
            "receiptHandle": "sample",
            "body": body,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": "1767225600000",
                "SenderId": "sample",
                "ApproximateFirstReceiveTimestamp": "1767225600001",
            },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:epitaph",
            "awsRegion": "eu-west-1",
        })
    });
    json!({"Records": records.collect::<Vec<_>>()})
}

/// What the collector of plain reports sends on.
pub(crate) fn report_message(project: ProjectId, id: CrashId, report: &Value) -> String {
    message(project, id, Protocol::Report, Role::Report, "report.json", report.to_string().as_bytes())
}

fn message(
    project: ProjectId,
    id: CrashId,
    protocol: Protocol,
    role: Role,
    name: &str,
    bytes: &[u8],
) -> String {
    let payload = Payload {
        role,
        name: name.to_owned(),
        content_type: None,
        size: bytes.len() as u64,
        content: Content::Inline(bytes.to_vec()),
    };
    let report = Report {
        version: REPORT_VERSION,
        id,
        project,
        received_at: id.accepted_at(),
        protocol,
        client_id: None,
        client: Some("sample/1.0".to_owned()),
        annotations: [("ver".to_owned(), "1.2.3".to_owned())].into(),
        payloads: vec![payload],
        notes: Vec::new(),
        weight: 1,
        sampled_by: None,
        outcomes: Vec::new(),
    };
    let at: Timestamp = report.received_at;
    let mut message = Message::new(MessageKind::Report, project, id.to_string(), at, &report).unwrap();
    RootSecret::new(SECRET).unwrap().derive(Purpose::Message).sign_message(&mut message);
    serde_json::to_string(&message).unwrap()
}

fn schedule() -> Value {
    json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-01-01T00:00:00Z",
        "region": "eu-west-1",
        "resources": ["arn:aws:events:eu-west-1:123456789012:rule/epitaph"],
        "detail": {},
    })
}
