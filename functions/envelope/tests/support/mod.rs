//! The collector on a real server, and envelopes as SDKs write them.
#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set itself up should fail")]

use std::{
    ops::{Deref, DerefMut},
    path::PathBuf,
};

use epitaph_crash_model::{Report, Role};
use epitaph_host::Settings;
pub(crate) use epitaph_test_collector::{Answer, Packing, chunked, note, pack, request};
use tokio::net::TcpStream;

/// An id as SDKs make them.
pub(crate) const EVENT_ID: &str = "9ec79c33ec9942ab8353589fcb2e04dc";

/// One collector, as the shared house, and what is special about envelopes.
pub(crate) struct House(epitaph_test_collector::House);

impl Deref for House {
    type Target = epitaph_test_collector::House;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for House {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With other settings than the usual ones. Must be called on a runtime.
    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self(epitaph_test_collector::House::new("envelope", epitaph_envelope::router, change))
    }

    /// Sends one request on a connection of its own.
    pub(crate) async fn send(&self, request: &[u8]) -> Answer {
        let answer = self.0.send(request).await;
        is_for_any_page(&answer);
        answer
    }

    /// The path of an endpoint, with the key.
    pub(crate) fn path(&self, endpoint: &str) -> String {
        format!("/api/1/{endpoint}/?sentry_version=7&sentry_key={}", self.key)
    }

    /// Posts an envelope, plain, with a length.
    pub(crate) async fn send_envelope(&self, envelope: &[u8]) -> Answer {
        self.send(&post(&self.path("envelope"), &[], envelope)).await
    }

    /// Posts an event to `store`.
    pub(crate) async fn send_store(&self, body: &[u8]) -> Answer {
        self.send(&post(&self.path("store"), &[], body)).await
    }

    /// The report that an answer is about, which must be the next one: whatever was refused before it left nothing.
    pub(crate) async fn report_of(&mut self, answer: &Answer) -> Report {
        assert_eq!(answer.status, 200, "{answer:?}");
        let report = self.accepted().await;
        let id = report.client_id.clone().unwrap_or_else(|| report.id.simple());
        assert_eq!(answer.body, format!("{{\"id\":\"{id}\"}}"));
        report
    }

    /// Asserts that nothing was accepted so far, and nothing is left in the bucket.
    pub(crate) async fn nothing_was_kept(&mut self) {
        let probe = "00000000000000000000000000000001";
        let answer = self.send_store(format!("{{\"event_id\":\"{probe}\"}}").as_bytes()).await;
        assert_eq!(self.report_of(&answer).await.client_id.as_deref(), Some(probe));
        assert_eq!(self.bucket_files(), Vec::<PathBuf>::new());
    }

    /// The bytes of a payload, by its place.
    pub(crate) async fn bytes(&self, report: &Report, index: usize) -> Vec<u8> {
        self.0.bytes(report, &report.payloads[index]).await
    }

    /// Names, roles and bytes of the payloads.
    pub(crate) async fn payloads(&self, report: &Report) -> Vec<(String, Role, Vec<u8>)> {
        let mut payloads = Vec::new();
        for payload in &report.payloads {
            payloads.push((payload.name.clone(), payload.role, self.0.bytes(report, payload).await));
        }
        payloads
    }
}

/// Reads an answer that any page may read.
pub(crate) async fn read(stream: &mut TcpStream) -> Answer {
    let answer = Answer::read(stream).await;
    is_for_any_page(&answer);
    answer
}

/// Every answer lets any page read it; a refusal's words are also where SDKs look for them.
fn is_for_any_page(answer: &Answer) {
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{answer:?}");
    let exposed = answer.header("access-control-expose-headers");
    assert_eq!(exposed, Some("X-Sentry-Rate-Limits, Retry-After, X-Sentry-Error"), "{answer:?}");
    let body = serde_json::from_str(&answer.body).unwrap_or(serde_json::Value::Null);
    if let Some(detail) = body.get("detail") {
        assert_eq!(answer.header("x-sentry-error"), detail.as_str(), "{answer:?}");
    }
}

/// Asserts 200 for what is no report.
pub(crate) fn has_no_id(answer: &Answer) {
    assert_eq!((answer.status, answer.body.as_str()), (200, "{}"), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

pub(crate) fn post(target: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    request("POST", target, headers, body)
}

/// The line and the headers of a request.
pub(crate) fn head(method: &str, target: &str, headers: &[&str]) -> Vec<u8> {
    epitaph_test_collector::head(method, target, "HTTP/1.1", headers)
}

/// An envelope of items, its header with an event's id.
pub(crate) fn envelope(items: &[Vec<u8>]) -> Vec<u8> {
    let head = format!("{{\"event_id\":\"{EVENT_ID}\",\"sent_at\":\"2026-01-31T23:59:59.999Z\"}}\n");
    [head.into_bytes(), items.concat()].concat()
}

/// An item with its length. `head` is what its header says beside it, such as `"type":"event"`.
pub(crate) fn item(head: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("{{{head},\"length\":{}}}\n", payload.len());
    [head.as_bytes(), payload, b"\n"].concat()
}

pub(crate) fn event_item() -> Vec<u8> {
    item("\"type\":\"event\"", EVENT)
}

/// An event of a few bytes.
pub(crate) const EVENT: &[u8] = br#"{"message":"it broke","level":"error"}"#;

/// A minidump as far as the collector looks.
pub(crate) fn dump_item(dump: &[u8]) -> Vec<u8> {
    let head = r#""type":"attachment","attachment_type":"event.minidump","filename":"crash.dmp""#;
    item(head, dump)
}

/// A log of so many bytes.
pub(crate) fn log_item(name: &str, size: usize) -> Vec<u8> {
    item(&format!("\"type\":\"attachment\",\"filename\":\"{name}\""), &vec![b'x'; size])
}
