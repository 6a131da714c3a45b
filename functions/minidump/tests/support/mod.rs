//! The collector on a real server, and forms as Crashpad writes them.
#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set itself up should fail")]

use std::ops::{Deref, DerefMut};

use epitaph_crash_model::{CrashId, Report, Role};
use epitaph_host::Limits;
pub(crate) use epitaph_test_collector::{Answer, PATIENCE, Packing, chunked, everything, note, pack};
use epitaph_test_dumps::crashpad;
use tokio::time::timeout;

/// One collector, as the shared house, and what is special about minidumps.
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
        Self(epitaph_test_collector::House::new("minidump", epitaph_minidump::router, change))
    }

    /// With a file where the queue should be, and one where the bucket should be.
    pub(crate) fn without_engines() -> Self {
        Self(epitaph_test_collector::House::without_engines("minidump", epitaph_minidump::router))
    }

    /// The path that Crashpad's URL has, with the key.
    pub(crate) fn path(&self) -> String {
        format!("/api/1/minidump/?sentry_key={}", self.key)
    }

    /// Posts a form as Crashpad's bytes, plain, with a length.
    pub(crate) async fn send_form(&self, form: &[u8]) -> Answer {
        let content_type = format!("Content-Type: multipart/form-data; boundary={}", crashpad::BOUNDARY);
        self.send(&post(&self.path(), &[&content_type], form)).await
    }

    pub(crate) async fn send_raw(&self, headers: &[&str], body: &[u8]) -> Answer {
        self.send(&post(&self.path(), headers, body)).await
    }

    /// The report that an answer is about, which must be the next one: whatever was refused before it left nothing.
    pub(crate) async fn report_of(&mut self, answer: &Answer) -> Report {
        assert_eq!(answer.status, 200, "{answer:?}");
        let report = self.accepted().await;
        assert_eq!(answer.body, report.id.to_string());
        report
    }

    /// The bytes of a payload, by its place.
    pub(crate) async fn bytes(&self, report: &Report, index: usize) -> Vec<u8> {
        self.0.bytes(report, &report.payloads[index]).await
    }

    /// The bytes of the minidump, of which there must be one.
    pub(crate) async fn dump(&self, report: &Report) -> Vec<u8> {
        let dumps: Vec<_> = report.payloads.iter().filter(|payload| payload.role == Role::Minidump).collect();
        assert_eq!(dumps.len(), 1, "{:?}", report.payloads);
        self.0.bytes(report, dumps[0]).await
    }
}

/// A POST with a length.
pub(crate) fn post(target: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    epitaph_test_collector::request("POST", target, headers, body)
}

/// The line and the headers of a POST.
pub(crate) fn head(version: &str, target: &str, headers: &[&str]) -> Vec<u8> {
    epitaph_test_collector::head("POST", target, version, headers)
}

/// A file in a form.
pub(crate) fn file_part(name: &str, file_name: &str, content_type: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\n\
         Content-Type: {content_type}\r\n\r\n",
        crashpad::BOUNDARY
    );
    [head.as_bytes(), bytes, b"\r\n"].concat()
}

pub(crate) fn dump_part(dump: &[u8]) -> Vec<u8> {
    file_part("upload_file_minidump", "crash.dmp", "application/octet-stream", dump)
}

pub(crate) fn field_part(name: &str, value: &str) -> Vec<u8> {
    format!("--{}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n", crashpad::BOUNDARY)
        .into_bytes()
}

/// The parts, and the end of the form.
pub(crate) fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    let end = format!("--{}--\r\n", crashpad::BOUNDARY).into_bytes();
    [parts.concat(), end].concat()
}

/// Asserts that an answer says that a report is safe.
pub(crate) fn is_accepted(answer: &Answer) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.parse::<CrashId>().is_ok(), "{answer:?}");
}

/// Posts until the collector probes the queue again and a report gets there; gives that report's answer.
pub(crate) async fn until_queued(house: &House, form: &[u8]) -> Answer {
    let attempt = async {
        loop {
            let answer = house.send_form(form).await;
            is_accepted(&answer);
            let parked = house.bucket_directory().join(format!("parked/1/{}.json", answer.body));
            if !parked.exists() {
                return answer;
            }
        }
    };
    timeout(PATIENCE, attempt).await.expect("the queue was not tried again")
}
