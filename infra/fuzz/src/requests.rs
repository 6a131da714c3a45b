//! Whole requests, as the collectors' routes take them: forms in forms, items, pieces of events, packed files.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use axum::{Router, body::Body};
use bytes::Bytes;
use epitaph_crash_model::{Content, CrashId, Message, ProjectId, Report};
use epitaph_host::{Context, Metrics, Role, Settings};
use epitaph_ingest::{Collector, Engines};
use epitaph_queue::{SendError, Sender};
use futures_util::{future::BoxFuture, stream};
use http::Request;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use crate::pieces::Pieces;

/// The routes, and the type that their body is said to be of. `{key}` is the key.
const ROUTES: [(&str, &str, &str); 8] = [
    ("minidump", "/api/1/minidump/?sentry_key={key}", "multipart/form-data; boundary=b"),
    ("minidump", "/api/1/minidump/?sentry_key={key}", "application/octet-stream"),
    ("minidump", "/submit?sentry_key={key}", "multipart/form-data; boundary=b"),
    ("envelope", "/api/1/envelope/?sentry_key={key}", "application/x-sentry-envelope"),
    ("envelope", "/api/1/store/?sentry_key={key}", "application/json"),
    ("unreal", "/api/1/unreal/{key}/", "application/octet-stream"),
    ("report", "/api/1/report/?sentry_key={key}", "application/json"),
    ("report", "/api/1/report/?sentry_key={key}", "multipart/form-data; boundary=b"),
];
/// How the body is said to be packed.
const ENCODINGS: [&str; 6] = ["identity", "identity", "gzip", "deflate", "br", "zstd"];
/// More than any input of a fuzzer, so that it is never the whole request that is too large, which it may be at whichever
/// piece.
const REQUEST: u64 = 1 << 20;
const FILE: u64 = 20_000;
const EVENT: u64 = 5_000;
const FILES: usize = 5;

/// A request is answered, within what the protocols allow; what is accepted is a report within its limits, and the same
/// however the request arrives.
///
/// The first byte cuts the body into pieces, the second chooses the route, the third how the body is packed.
pub fn requests(data: &[u8]) {
    let (pieces, rest) = Pieces::of(data);
    let [route, encoding, body @ ..] = rest else { return };
    let route = usize::from(*route) % ROUTES.len();
    let encoding = ENCODINGS[usize::from(*encoding) % ENCODINGS.len()];
    let whole = send(route, encoding, [body].into_iter());
    let cut = send(route, encoding, pieces.cut(body));
    // How much is unpacked before a fault in the packing depends on the pieces.
    let is_packed = encoding != "identity" || body.first().is_some_and(|first| first & 0x0f == 8);
    if !is_packed {
        assert_eq!(whole, cut, "in pieces");
    }
}

/// Sends a request; gives the status and the report, without what is another one each time.
fn send<'a>(route: usize, encoding: &str, pieces: impl Iterator<Item = &'a [u8]>) -> (u16, Option<Report>) {
    let house = house();
    let (name, path, content_type) = ROUTES[route];
    let pieces: Vec<Result<Bytes, Infallible>> =
        pieces.map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let request = Request::post(path.replace("{key}", &house.key))
        .header("content-type", content_type)
        .header("content-encoding", encoding)
        .body(Body::from_stream(stream::iter(pieces)))
        .expect("a request");
    let (_, router) = house.routers.iter().find(|(known, _)| *known == name).expect("a function");
    let answer = house.runtime.block_on(router.clone().oneshot(request));
    let status = answer.unwrap_or_else(|never| match never {}).status().as_u16();
    assert!([200, 400, 413].contains(&status), "{path} answers {status}");
    let message = house.sent.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    // An envelope that holds nothing of a crash is answered so, too.
    assert!(message.is_none() || status == 200, "{status}, and a report");
    (status, message.map(|message| report(&message)))
}

/// The report in a message, which is within its limits.
fn report(message: &Message) -> Report {
    let mut report: Report = message.read().expect("a message holds a report");
    assert!(report.payloads.len() <= FILES, "{} files", report.payloads.len());
    for payload in &report.payloads {
        assert!(payload.size <= FILE, "{} has {} bytes", payload.name, payload.size);
        assert!(payload.name.len() <= 4 * 512, "{}", payload.name);
        match &payload.content {
            Content::Inline(bytes) => assert_eq!(bytes.len() as u64, payload.size),
            Content::Stored { .. } => panic!("nothing here is too large for a message"),
        }
    }
    assert!(report.notes.len() <= FILES + 10, "{} notes", report.notes.len());
    assert_eq!(report.id.to_string(), message.id);
    report.id = CrashId::from_bytes(*b"\x01\x98\xc5\xa0\0\0\x70\0\x80\0\0\0\0\0\0\x01").expect("a UUID");
    report.received_at = report.id.accepted_at();
    report
}

/// The collectors, and the end of their queue.
struct House {
    runtime: Runtime,
    routers: [(&'static str, Router); 4],
    key: String,
    sent: Arc<Sent>,
}

fn house() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(|| {
        let sent = Arc::new(Sent::default());
        let router = |name, router: fn(Collector) -> Router| (name, router(collector(name, &sent).0));
        House {
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"),
            routers: [
                router("minidump", epitaph_minidump::router),
                router("envelope", epitaph_envelope::router),
                router("unreal", epitaph_unreal::router),
                router("report", epitaph_report::router),
            ],
            key: collector("minidump", &sent).1,
            sent: Arc::clone(&sent),
        }
    })
}

/// A collector that can write nowhere, and the key of project 1.
fn collector(name: &'static str, sent: &Arc<Sent>) -> (Collector, String) {
    let mut settings = Settings::read(Role::Function(name), |variable| match variable {
        "EPITAPH_DATA" => Some("/dev/null".to_owned()),
        "EPITAPH_SECRET" => Some("a secret for tests only".to_owned()),
        _ => None,
    })
    .expect("settings");
    let limits = &mut settings.limits;
    (limits.request, limits.file, limits.event, limits.files) = (REQUEST, FILE, EVENT, FILES);
    limits.inline = FILES as u64 * FILE;
    let queue: Arc<dyn Sender> = Arc::<Sent>::clone(sent);
    let engines = Engines::with_queue(&settings, queue).expect("engines that nothing was asked of");
    let secrets = settings.load_secrets().expect("a secret");
    let key = secrets.ingest.project_key(ProjectId::FIRST, 0);
    let context = Context { name, settings, secrets, metrics: Metrics::new() };
    (Collector::new(&context, engines), key)
}

/// A queue of the last message.
#[derive(Default)]
struct Sent(Mutex<Option<Message>>);

impl Sender for Sent {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.clone());
        Box::pin(std::future::ready(Ok(())))
    }

    fn largest_message(&self) -> usize {
        4 << 20
    }
}
