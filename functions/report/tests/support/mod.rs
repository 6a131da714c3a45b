//! The collector on a real server, and reports as games post them.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set itself up should fail")]

use std::ops::{Deref, DerefMut};

use epitaph_crash_model::Report;
use epitaph_host::Limits;
pub(crate) use epitaph_test_collector::Answer;
use epitaph_test_collector::{Packing, pack};

pub(crate) const BOUNDARY: &str = "----a boundary";

/// One collector, as the shared house, and what is special about reports.
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

    /// With other limits than the usual ones. Must be called on a runtime.
    pub(crate) fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let change = |settings: &mut epitaph_host::Settings| change(&mut settings.limits);
        Self(epitaph_test_collector::House::new("report", epitaph_report::router, change))
    }

    /// The path with the key.
    pub(crate) fn path(&self) -> String {
        format!("/api/1/report/?sentry_key={}", self.key)
    }

    /// Sends one request on a connection of its own. A page in a browser can read every refusal.
    pub(crate) async fn send(&self, request: &[u8]) -> Answer {
        let answer = self.0.send(request).await;
        if answer.status >= 400 {
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{answer:?}");
        }
        answer
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, json: &str) -> Answer {
        self.send(&post(&self.path(), &["Content-Type: application/json"], json.as_bytes())).await
    }

    /// Posts the parts of a form.
    pub(crate) async fn post_form(&self, parts: &[Vec<u8>]) -> Answer {
        let body = [parts.concat(), format!("--{BOUNDARY}--\r\n").into_bytes()].concat();
        self.send(&post(&self.path(), &[&form_type()], &body)).await
    }

    /// The report that an answer is about, which must be the next one: whatever was refused before it left nothing.
    pub(crate) async fn report_of(&mut self, answer: &Answer) -> Report {
        assert_eq!(answer.status, 200, "{answer:?}");
        let report = self.accepted().await;
        let id = report.client_id.clone().unwrap_or_else(|| report.id.simple());
        assert_eq!(answer.body, format!("{{\"id\":\"{id}\"}}"));
        report
    }

    /// The bytes of the file of a name.
    pub(crate) async fn bytes(&self, report: &Report, name: &str) -> Vec<u8> {
        self.bytes_named(report, name).await
    }
}

/// A POST with a length.
pub(crate) fn post(target: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    epitaph_test_collector::request("POST", target, headers, body)
}

/// The first line and the headers of a request.
pub(crate) fn head(method: &str, target: &str, headers: &[&str]) -> Vec<u8> {
    epitaph_test_collector::head(method, target, "HTTP/1.1", headers)
}

pub(crate) fn form_type() -> String {
    format!("Content-Type: multipart/form-data; boundary=\"{BOUNDARY}\"")
}

/// A file in a form.
pub(crate) fn file(name: &str, file_name: &str, content_type: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\n\
         Content-Type: {content_type}\r\n\r\n"
    );
    [head.as_bytes(), bytes, b"\r\n"].concat()
}

/// A field in a form.
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").into_bytes()
}

/// Packs with gzip.
pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    pack(Packing::Gzip, plain)
}
