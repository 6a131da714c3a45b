//! The collector on a real server, talked to in bytes; what it accepted is read back from the queue.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set itself up should fail")]

pub(crate) mod pack;

use std::{net::SocketAddr, time::Duration};

use epitaph_bucket::{Bucket, Key};
use epitaph_crash_model::{Content, Note, NoteReason, ProjectId, Report, Role};
use epitaph_host::{Context, Drained, HttpSettings, Metrics, Role as HostRole, Settings, bind, serve};
use epitaph_ingest::Collector;
use epitaph_queue::embedded::{Consumer, ConsumerSettings};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

/// Longer than anything here takes on a slow machine: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// An id as SDKs make them.
pub(crate) const EVENT_ID: &str = "9ec79c33ec9942ab8353589fcb2e04dc";

/// One collector, its queue and its bucket, in a directory that lasts as long as the test.
pub(crate) struct House {
    directory: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    /// The key of project 1.
    pub(crate) key: String,
    settings: Settings,
    consumer: Option<Consumer>,
    _server: JoinSet<Drained>,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With other settings than the usual ones. Must be called on a runtime.
    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings::read(HostRole::Function("envelope"), |name| match name {
            "EPITAPH_DATA" => Some(directory.path().to_str().unwrap().to_owned()),
            "EPITAPH_SECRET" => Some("a secret for tests only".to_owned()),
            "EPITAPH_MIN_FREE_DISK" => Some("1M".to_owned()),
            _ => None,
        })
        .unwrap();
        change(&mut settings);
        let (secrets, metrics) = (settings.load_secrets().unwrap(), Metrics::new());
        let key = secrets.ingest.project_key(ProjectId::FIRST, 0);
        let context =
            Context { name: "envelope", settings: settings.clone(), secrets, metrics: metrics.clone() };
        let router = epitaph_envelope::router(Collector::open(&context).unwrap());
        let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        let http = HttpSettings::new("envelope", &settings.limits, metrics.clone());
        server.spawn(serve(listener, router, http, std::future::pending()));
        Self { directory, address, metrics, key, settings, consumer: None, _server: server }
    }

    pub(crate) fn key_of(&self, project: u64) -> String {
        let project = ProjectId::try_from(project).unwrap();
        self.settings.load_secrets().unwrap().ingest.project_key(project, 0)
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Sends one request on a connection of its own.
    pub(crate) async fn send(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        Answer::read(&mut stream).await
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

    /// The next report that was accepted.
    pub(crate) async fn accepted(&mut self) -> Report {
        let directory = self.directory.path().join("queue");
        let consumer = self
            .consumer
            .get_or_insert_with(|| Consumer::open(&directory, ConsumerSettings::default()).unwrap());
        let delivery = timeout(PATIENCE, consumer.receive()).await.expect("nothing was accepted").unwrap();
        let message = delivery.message().unwrap();
        delivery.done();
        assert!(self.settings.load_secrets().unwrap().message.is_signed(&message));
        message.read().unwrap()
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
        assert_eq!(files_below(&self.directory.path().join("bucket")), Vec::<String>::new());
    }

    /// The bytes of a payload, wherever they travelled.
    pub(crate) async fn bytes(&self, report: &Report, index: usize) -> Vec<u8> {
        let payload = &report.payloads[index];
        let bytes = match &payload.content {
            Content::Inline(bytes) => bytes.clone(),
            Content::Stored { key, .. } => {
                let key: Key = key.parse().unwrap();
                assert!(key.is_payload_of(report.project, report.id));
                let bucket = Bucket::open(&self.settings.bucket, 0).unwrap();
                bucket.get(&key, u64::MAX).await.unwrap().to_vec()
            }
        };
        assert_eq!(bytes.len() as u64, payload.size);
        bytes
    }

    /// Names, roles and bytes of the payloads.
    pub(crate) async fn payloads(&self, report: &Report) -> Vec<(String, Role, Vec<u8>)> {
        let mut payloads = Vec::new();
        for (index, payload) in report.payloads.iter().enumerate() {
            payloads.push((payload.name.clone(), payload.role, self.bytes(report, index).await));
        }
        payloads
    }
}

fn files_below(folder: &std::path::Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(
            |path| {
                if path.is_dir() { files_below(&path) } else { vec![path.to_string_lossy().into_owned()] }
            },
        )
        .collect()
}

/// One answer, as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// Reads one answer with a length off a connection, and no byte more. Each must say what its body is, and let any
    /// page read it.
    pub(crate) async fn read(stream: &mut TcpStream) -> Self {
        let answer = timeout(PATIENCE, async {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("the connection ended without an answer"));
            }
            let mut answer = Self::parse(&String::from_utf8(head).unwrap());
            let length = answer.header("content-length").expect("an answer has a length").parse().unwrap();
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            answer.body = String::from_utf8(body).unwrap();
            answer
        });
        let answer = answer.await.expect("the server did not answer");
        assert!(answer.header("content-type").is_some(), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{answer:?}");
        assert_eq!(
            answer.header("access-control-expose-headers"),
            Some("X-Sentry-Rate-Limits, Retry-After, X-Sentry-Error"),
            "{answer:?}"
        );
        answer
    }

    fn parse(head: &str) -> Self {
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body: String::new() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Asserts a refusal in JSON, whose words are also where SDKs look for them. Gives the words.
    pub(crate) fn is_refused(&self, status: u16, cause: &str) -> String {
        assert_eq!(
            (self.status, self.header("content-type")),
            (status, Some("application/json")),
            "{self:?}"
        );
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        let detail = body["detail"].as_str().unwrap();
        assert_eq!(body, serde_json::json!({ "detail": detail, "causes": [cause] }));
        assert!(detail.len() > 20, "a refusal says what was wrong and what to do: {detail}");
        assert_eq!(self.header("x-sentry-error"), Some(detail));
        detail.to_owned()
    }

    /// Asserts 200 for what is no report.
    pub(crate) fn has_no_id(&self) {
        assert_eq!((self.status, self.body.as_str()), (200, "{}"), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
    }
}

/// A request with a length.
pub(crate) fn request(method: &str, target: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}", body.len());
    let mut request = head(method, target, &[headers, &[&length]].concat());
    request.extend_from_slice(body);
    request
}

pub(crate) fn post(target: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    request("POST", target, headers, body)
}

/// The line and the headers of a request.
pub(crate) fn head(method: &str, target: &str, headers: &[&str]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: crashes.example.com\r\n");
    for header in headers {
        head += header;
        head += "\r\n";
    }
    head += "\r\n";
    head.into_bytes()
}

/// A body as chunks of so many bytes.
pub(crate) fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut chunks = Vec::new();
    for chunk in body.chunks(size) {
        chunks.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunks.extend_from_slice(chunk);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    chunks
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

pub(crate) fn note(name: Option<&str>, reason: NoteReason) -> Note {
    Note { name: name.map(str::to_owned), reason }
}
