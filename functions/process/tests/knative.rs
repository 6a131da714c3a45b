//! `process` as Knative runs it: its own binary, messages posted by a broker, and by somebody else's CloudEvents.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use common::house::report;
use epitaph_catalog::Catalog;
use epitaph_crash_model::{CrashId, Message, MessageKind, ProjectId, Report};
use epitaph_queue::{
    Sender,
    cloud_events::{BrokerSender, BrokerSettings},
};
use epitaph_secrets::{Purpose, Secret};
use epitaph_test_dumps::linux;
use epitaph_test_knative::{Answer, Contract, Sink, container, post, root};
use epitaph_test_services::python;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, Request};
use serde_json::{Value, json};

fn secret() -> Secret {
    root().derive(Purpose::Message)
}

fn signed(report: &Report) -> Message {
    let (id, time) = (report.id.to_string(), report.received_at);
    let mut message = Message::new(MessageKind::Report, report.project, id, time, report).unwrap();
    secret().sign_message(&mut message);
    message
}

async fn catalog(directory: &Path) -> Catalog {
    let catalog = Catalog::open(&format!("sqlite://{}", directory.join("catalog.db").display())).unwrap();
    catalog.migrate().await.unwrap();
    catalog
}

/// A function that is posted the same message again and again.
async fn contract(directory: &tempfile::TempDir) -> (Contract, Catalog, CrashId) {
    let catalog = catalog(directory.path()).await;
    let report = report(&linux());
    let message = serde_json::to_string(&signed(&report)).unwrap();
    let container = container(env!("CARGO_BIN_EXE_process"), "process", directory.path());
    let contract = Contract::new(container, false, 204, move |_| {
        let request = Request::post("/").header("content-type", "application/cloudevents+json");
        request.body(message.clone().into()).unwrap()
    });
    (contract, catalog, report.id)
}

async fn is_counted_once(catalog: &Catalog, crash: CrashId) {
    let row = catalog.crash(ProjectId::FIRST, crash).await.unwrap().expect("it is recorded");
    let issue = catalog.issue(ProjectId::FIRST, row.issue, None).await.unwrap().unwrap();
    assert_eq!(issue.count, 1);
}

#[tokio::test]
async fn it_is_ready_once_it_is_bound_and_speaks_both_protocols() {
    let directory = tempfile::tempdir().unwrap();
    let (contract, catalog, crash) = contract(&directory).await;
    contract.is_ready_once_it_is_bound_and_speaks_both_protocols().await;
    is_counted_once(&catalog, crash).await;
}

#[tokio::test]
async fn it_says_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    contract(&directory).await.0.says_what_is_missing();
}

#[tokio::test]
async fn it_parses_and_writes_nowhere_but_in_tmp() {
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    contract(&directory).await.0.writes_nowhere_but_in_tmp().await;
}

#[tokio::test]
async fn it_drops_no_message_while_instances_are_replaced_and_counts_one_that_comes_again_once() {
    let directory = tempfile::tempdir().unwrap();
    let (contract, catalog, crash) = contract(&directory).await;
    contract.drops_no_request_while_instances_are_replaced().await;
    is_counted_once(&catalog, crash).await;
}

/// Asks the peer; `None` leaves a test out.
fn ask(request: &Value) -> Option<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer");
    let python = python(&folder.join("requirements.txt"))?;
    let mut script = python.script(&folder.join("peer.py"));
    let mut peer = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    peer.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
    let output = peer.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[tokio::test]
async fn a_peer_reads_what_is_sent() {
    let seen = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&seen);
    let sink = Sink::start(move |posted| {
        *kept.lock().unwrap() = Some(posted);
        async { Answer::Status(202) }.boxed()
    });
    let settings = BrokerSettings {
        sink: sink.url(),
        extensions: BTreeMap::from([("cluster".to_owned(), "서울 1".to_owned())]),
        ca_certs: None,
        largest_event: 1 << 20,
    };
    let report = report(&linux());
    let message = signed(&report);
    BrokerSender::new(&settings).unwrap().send(&message).await.unwrap();
    let posted = seen.lock().unwrap().take().unwrap();
    let headers: BTreeMap<_, _> =
        posted.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let request = json!({ "do": "read", "headers": headers, "body": STANDARD.encode(&posted.body) });
    let Some(read) = ask(&request) else { return };
    let attributes = &read["attributes"];
    assert_eq!(attributes["id"], report.id.to_string());
    assert_eq!((&attributes["source"], &attributes["type"]), (&json!("/projects/1"), &json!("report")));
    assert_eq!(attributes["epitaphmac"], message.epitaphmac);
    let data: Value = serde_json::from_str(message.data.get()).unwrap();
    assert_eq!(read["data"], data);
    assert_eq!(read["newer"]["id"], report.id.to_string());
    assert_eq!(read["newer"]["data"], data);
}

#[tokio::test]
async fn what_a_peer_writes_in_either_mode_becomes_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let catalog = catalog(directory.path()).await;
    let report = report(&linux());
    let message = signed(&report);
    let ids = ["binary", "structured", "structured_base64"].map(|form| (form, CrashId::new()));
    let request = json!({
        "do": "write",
        "secret": secret().to_hex(),
        "attributes": {
            "id": message.id, "source": message.source, "type": "report", "time": message.time.to_string(),
            "cluster": "seoul",
        },
        "ids": ids.iter().map(|(form, id)| (*form, id.to_string())).collect::<BTreeMap<_, _>>(),
        "data": serde_json::from_str::<Value>(message.data.get()).unwrap(),
    });
    let Some(forms) = ask(&request) else { return };
    let instance = container(env!("CARGO_BIN_EXE_process"), "process", directory.path()).serve().await;
    for (form, id) in ids {
        let headers = forms[form]["headers"].as_object().unwrap().iter();
        let headers: HeaderMap = headers
            .map(|(name, value)| {
                (name.parse::<HeaderName>().unwrap(), value.as_str().unwrap().parse().unwrap())
            })
            .collect();
        let body = Bytes::from(STANDARD.decode(forms[form]["body"].as_str().unwrap()).unwrap());
        let reply = post(instance.address(), "/", &headers, body).await.unwrap();
        assert_eq!(reply.status, 204, "{form}: {}", String::from_utf8_lossy(&reply.body));
        // The dump is the same, so the later ones are known as other reports of the first one's crash.
        assert!(catalog.was_seen(ProjectId::FIRST, id).await.unwrap(), "{form}");
    }
    assert!(catalog.dead_letters(1).await.unwrap().is_empty());
}
