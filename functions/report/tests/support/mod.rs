//! The collector on a real server, talked to in bytes; what it accepted is read back from the queue.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set itself up should fail")]

use std::{net::SocketAddr, time::Duration};

use compression_codecs::{
    EncodeV2 as _, GzipEncoder,
    core::{
        Level,
        util::{PartialBuffer, WriteBuffer},
    },
};
use epitaph_bucket::{Bucket, Key};
use epitaph_crash_model::{Content, ProjectId, Report};
use epitaph_host::{
    Context, Drained, HttpSettings, Limits, Metrics, Role as HostRole, Settings, bind, serve,
};
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

pub(crate) const BOUNDARY: &str = "----a boundary";

/// One collector, its queue and its bucket, in a directory that lasts as long as the test.
pub(crate) struct House {
    directory: tempfile::TempDir,
    address: SocketAddr,
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

    /// With other limits than the usual ones. Must be called on a runtime.
    pub(crate) fn with(change: impl FnOnce(&mut Limits)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = Settings::read(HostRole::Function("report"), |name| match name {
            "EPITAPH_DATA" => Some(directory.path().to_str().unwrap().to_owned()),
            "EPITAPH_SECRET" => Some("a secret for tests only".to_owned()),
            "EPITAPH_MIN_FREE_DISK" => Some("1M".to_owned()),
            _ => None,
        })
        .unwrap();
        change(&mut settings.limits);
        let (secrets, metrics) = (settings.load_secrets().unwrap(), Metrics::new());
        let key = secrets.ingest.project_key(ProjectId::FIRST, 0);
        let context =
            Context { name: "report", settings: settings.clone(), secrets, metrics: metrics.clone() };
        let router = epitaph_report::router(Collector::open(&context).unwrap());
        let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        let http = HttpSettings::new("report", &settings.limits, metrics);
        server.spawn(serve(listener, router, http, std::future::pending()));
        Self { directory, address, key, settings, consumer: None, _server: server }
    }

    pub(crate) fn key_of(&self, project: u64) -> String {
        let project = ProjectId::try_from(project).unwrap();
        self.settings.load_secrets().unwrap().ingest.project_key(project, 0)
    }

    /// The path with the key.
    pub(crate) fn path(&self) -> String {
        format!("/api/1/report/?sentry_key={}", self.key)
    }

    /// Sends one request on a connection of its own.
    pub(crate) async fn send(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        Answer::read(&mut stream).await
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

    /// The next report that was accepted.
    pub(crate) async fn accepted(&mut self) -> Report {
        let directory = self.directory.path().join("queue");
        let consumer = self
            .consumer
            .get_or_insert_with(|| Consumer::open(&directory, ConsumerSettings::default()).unwrap());
        let delivery = timeout(PATIENCE, consumer.receive()).await.expect("nothing was accepted").unwrap();
        let message = delivery.message().unwrap();
        delivery.done();
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

    /// The bytes of the file of a name, wherever they travelled.
    pub(crate) async fn bytes(&self, report: &Report, name: &str) -> Vec<u8> {
        let payload =
            report.payloads.iter().find(|payload| payload.name == name).expect("no file of this name");
        match &payload.content {
            Content::Inline(bytes) => bytes.clone(),
            Content::Stored { key, .. } => {
                let key: Key = key.parse().unwrap();
                assert!(key.is_payload_of(report.project, report.id));
                let bucket = Bucket::open(&self.settings.bucket, 0).unwrap();
                bucket.get(&key, u64::MAX).await.unwrap().to_vec()
            }
        }
    }
}

/// One answer, as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    async fn read(stream: &mut TcpStream) -> Self {
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
            assert!(answer.header("content-type").is_some(), "{answer:?}");
            answer
        });
        answer.await.expect("the server did not answer")
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

    /// The detail of a refusal of this status and cause. A page in a browser can read it.
    pub(crate) fn is_refused(&self, status: u16, cause: &str) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert_eq!(self.header("access-control-allow-origin"), Some("*"), "{self:?}");
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(body["causes"], serde_json::json!([cause]), "{self:?}");
        body["detail"].as_str().unwrap().to_owned()
    }
}

/// A POST with a length.
pub(crate) fn post(target: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}", body.len());
    let mut request = head("POST", target, &[headers, &[&length]].concat());
    request.extend_from_slice(body);
    request
}

/// The first line and the headers of a request.
pub(crate) fn head(method: &str, target: &str, headers: &[&str]) -> Vec<u8> {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("{method} {target} HTTP/1.1\r\nHost: crashes.example.com\r\n{headers}\r\n").into_bytes()
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
    let mut encoder = GzipEncoder::new(Level::Default.into());
    let (mut packed, mut piece) = (Vec::new(), vec![0; 4096]);
    let mut input = PartialBuffer::new(plain);
    while !input.unwritten().is_empty() {
        let mut output = WriteBuffer::new_initialized(&mut piece);
        encoder.encode(&mut input, &mut output).unwrap();
        packed.extend_from_slice(output.written());
    }
    loop {
        let mut output = WriteBuffer::new_initialized(&mut piece);
        let done = encoder.finish(&mut output).unwrap();
        packed.extend_from_slice(output.written());
        if done {
            return packed;
        }
    }
}
