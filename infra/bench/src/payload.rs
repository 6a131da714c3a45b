//! What clients send: one request for each kind of report.

use std::{fs, io, path::PathBuf, sync::Arc};

use epitaph_crash_model::ProjectId;
use epitaph_secrets::{Purpose, RootSecret};
use epitaph_test_dumps::{NUMBER, crashpad, unreal};
use flate2::{Compression, write::ZlibEncoder};
use memchr::memmem;

use crate::server::SECRET;

/// A crash of Unreal: how many threads its dump has, and how many bytes its log adds to.
const SMALL_UNREAL: (u32, usize) = (5, 100_000);
const UNREAL: (u32, usize) = (250, 5_000_000);

/// Why there is nothing to send.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PayloadError {
    #[error("cannot read {}", path.display())]
    Dump { path: PathBuf, source: io::Error },
    #[error("the bench's own secret is refused")]
    Secret(#[from] epitaph_secrets::SecretError),
    #[error("there is no payload {0}")]
    Unknown(String),
    #[error("a body could not be packed")]
    Packed(#[from] io::Error),
}

/// A whole request, with places for a number that makes each unlike the others.
#[derive(Debug)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    numbers_at: Vec<usize>,
}

impl Request {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        let numbers_at = memmem::find_iter(&bytes, NUMBER).collect();
        Self { bytes, numbers_at }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes a number into a copy of it, as 32 hex digits.
    pub(crate) fn number(&self, copy: &mut [u8], number: u64) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for &at in &self.numbers_at {
            let mut rest = number;
            for digit in copy.iter_mut().skip(at).take(NUMBER.len()).rev() {
                *digit = DIGITS[(rest & 15) as usize];
                rest >>= 4;
            }
        }
    }
}

/// A kind of report, and the function that takes it.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    /// For tables and files.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) told: &'static str,
    pub(crate) function: &'static str,
    pub(crate) request: Arc<Request>,
}

/// One payload of each kind; a dump of one's own is one more.
pub(crate) fn payloads(own_dump: Option<&PathBuf>) -> Result<Vec<Payload>, PayloadError> {
    let project = ProjectId::FIRST;
    let key = RootSecret::new(SECRET)?.derive(Purpose::Ingest).project_key(project, 0);
    let minidump = format!("/api/{project}/minidump/?sentry_key={key}");
    let unreal = format!("/api/{project}/unreal/{key}/");
    let payload = |name, told, function, bytes| Payload {
        name,
        told,
        function,
        request: Arc::new(Request::new(bytes)),
    };
    let mut payloads = vec![
        payload(
            "event-2k",
            "an event of 2 KB in an envelope, as an SDK of Sentry sends a handled error",
            "envelope",
            event(&format!("/api/{project}/envelope/?sentry_key={key}")),
        ),
        payload(
            "report-1k",
            "a JSON report of 1 KB, as a game of Unity sends it",
            "report",
            report(&format!("/api/{project}/report/?sentry_key={key}")),
        ),
        payload(
            "dump-27k",
            "a minidump of 27 KB in a form, as Crashpad sends it",
            "minidump",
            crashpad::request(&minidump, &epitaph_test_dumps::of_27_kilobytes()),
        ),
        payload(
            "dump-400k",
            "a minidump of 400 KB in a form",
            "minidump",
            crashpad::request(&minidump, &epitaph_test_dumps::of_400_kilobytes()),
        ),
        payload(
            "unreal-100k",
            "a crash of Unreal, 100 KB with dump and log, packed with zlib",
            "unreal",
            unreal_crash(&unreal, SMALL_UNREAL)?,
        ),
        payload(
            "unreal-5m",
            "a crash of Unreal, 5 MB with dump and log, packed with zlib",
            "unreal",
            unreal_crash(&unreal, UNREAL)?,
        ),
    ];
    if let Some(path) = own_dump {
        let dump = fs::read(path).map_err(|source| PayloadError::Dump { path: path.clone(), source })?;
        payloads.push(payload(
            "dump-own",
            "a minidump of one's own in a form",
            "minidump",
            crashpad::request(&minidump, &dump),
        ));
    }
    Ok(payloads)
}

/// The payload of a name.
pub(crate) fn payload(name: &str) -> Result<Payload, PayloadError> {
    let found = payloads(None)?.into_iter().find(|payload| payload.name == name);
    found.ok_or_else(|| PayloadError::Unknown(name.to_owned()))
}

fn post(target: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn number() -> &'static str {
    std::str::from_utf8(NUMBER).unwrap_or_default()
}

fn event(target: &str) -> Vec<u8> {
    let id = number();
    let frames: Vec<_> = (0..12)
        .map(|line| {
            format!(
                r#"{{"function":"Game.Inventory.Chest.Step{line}","module":"Game.Inventory","filename":"Assets/Chest{line}.cs","lineno":{line},"in_app":true}}"#
            )
        })
        .collect();
    let event = format!(
        r#"{{"event_id":"{id}","level":"error","platform":"csharp","release":"my-game@1.2.3","environment":"live","user":{{"id":"7f1d"}},"contexts":{{"os":{{"name":"Windows","version":"10.0.19045"}},"gpu":{{"name":"GeForce RTX 3060"}}}},"exception":{{"values":[{{"type":"NullReferenceException","value":"the chest is empty","stacktrace":{{"frames":[{}]}}}}]}}}}"#,
        frames.join(",")
    );
    let body =
        format!("{{\"event_id\":\"{id}\"}}\n{{\"type\":\"event\",\"length\":{}}}\n{event}\n", event.len());
    post(target, "application/x-sentry-envelope", body.as_bytes())
}

fn report(target: &str) -> Vec<u8> {
    let id = number();
    let stack: Vec<_> = (0..16)
        .map(|line| format!("Game.Chest.Step{line} () (at Assets/Scripts/Chest{line}.cs:{line})"))
        .collect();
    let body = format!(
        r#"{{"version":1,"id":"{id}","type":"NullReferenceException","message":"the chest is empty","platform":"Windows","release":"1.2.3","stack":"{}"}}"#,
        stack.join("\\n")
    );
    post(target, "application/json", body.as_bytes())
}

/// A dump that packs badly, and a log that packs well, of so many bytes together.
fn unreal_crash(target: &str, (threads, bytes): (u32, usize)) -> io::Result<Vec<u8>> {
    let dump = epitaph_test_dumps::of_threads(threads);
    let mut log = Vec::with_capacity(bytes);
    for line in 0_u32.. {
        if log.len() + dump.len() >= bytes {
            break;
        }
        let noise = line.wrapping_mul(2_654_435_761);
        log.extend_from_slice(
            format!("[2026.01.31-23.59.59:{line:08}] LogStreaming: {noise:08x}\n").as_bytes(),
        );
    }
    let files: [(&str, &[u8]); 3] = [
        (
            "CrashContext.runtime-xml",
            b"<?xml version=\"1.0\"?>\n<FGenericCrashContext></FGenericCrashContext>",
        ),
        ("MyGame.log", &log),
        ("UEMinidump.dmp", &dump),
    ];
    let container = unreal::container(unreal::Layout::HeaderFirst, &files);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    io::Write::write_all(&mut encoder, &container)?;
    Ok(post(target, "application/octet-stream", &encoder.finish()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_as_large_as_they_say_and_unlike_each_other() {
        for payload in payloads(None).unwrap() {
            let bytes = payload.request.bytes();
            let size = bytes.len();
            let expected = match payload.name {
                "event-2k" => 1_800..2_700,
                "report-1k" => 900..1_500,
                "dump-27k" => 26_000..30_000,
                "dump-400k" => 380_000..420_000,
                // Packed.
                "unreal-100k" => 30_000..100_000,
                _ => 1_000_000..5_000_000,
            };
            assert!(expected.contains(&size), "{}: {size}", payload.name);
            let mut copy = bytes.to_vec();
            let number = (3 << 40) + 0xabc;
            payload.request.number(&mut copy, number);
            // What is packed cannot be changed.
            let is_numbered = payload.function != "unreal";
            assert_eq!(copy != bytes, is_numbered, "{}", payload.name);
            let found = memmem::find(&copy, format!("{number:032x}").as_bytes());
            assert_eq!(found.is_some(), is_numbered, "{}", payload.name);
        }
    }
}
