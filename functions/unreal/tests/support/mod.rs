//! The collector on a real server, and requests as CrashReportClient makes them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set itself up should fail")]

use std::ops::{Deref, DerefMut};

use epitaph_crash_model::Report;
use epitaph_host::Limits;
pub(crate) use epitaph_test_collector::{Answer, note};
use epitaph_test_collector::{Packing, pack};

/// One collector, as the shared house, and what is special about Unreal.
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
        Self(epitaph_test_collector::House::new("unreal", epitaph_unreal::router, change))
    }

    /// The path of CrashReportClient's URL.
    pub(crate) fn path(&self) -> String {
        format!("/api/1/unreal/{}/", self.key)
    }

    /// Posts a body, packed as CrashReportClient packs it.
    pub(crate) async fn post(&self, container: &[u8]) -> Answer {
        self.send(&post(&self.path(), &[], &zlib(container))).await
    }

    /// The report that an answer is about, which must be the next one: whatever was refused before it left nothing.
    pub(crate) async fn report_of(&mut self, answer: &Answer) -> Report {
        assert_eq!(answer.status, 200, "{answer:?}");
        let report = self.accepted().await;
        assert_eq!(answer.body, report.id.to_string());
        report
    }

    /// The bytes of the file of a name.
    pub(crate) async fn bytes(&self, report: &Report, name: &str) -> Vec<u8> {
        self.bytes_named(report, name).await
    }
}

/// The names of a report's files.
pub(crate) fn names(report: &Report) -> Vec<&str> {
    report.payloads.iter().map(|payload| payload.name.as_str()).collect()
}

/// A POST with a length.
pub(crate) fn post(target: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    request("POST", target, headers, body)
}

pub(crate) fn request(method: &str, target: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let usual = ["Content-Type: application/octet-stream", "User-Agent: CrashReportClient/5.4"];
    epitaph_test_collector::request(method, target, &[&usual, headers].concat(), body)
}

/// Packs as CrashReportClient does.
pub(crate) fn zlib(plain: &[u8]) -> Vec<u8> {
    pack(Packing::Zlib, plain)
}

pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    pack(Packing::Gzip, plain)
}
