//! The collector on a real server, talked to in bytes; what it accepted is read back from the queue.
#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set itself up should fail")]

mod pack;

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use epitaph_bucket::{Bucket, Key};
use epitaph_crash_model::{Content, Note, NoteReason, ProjectId, Report, Role};
use epitaph_host::{
    Context, Drained, HttpSettings, Limits, Metrics, Role as HostRole, Settings, bind, serve,
};
use epitaph_ingest::Collector;
use epitaph_queue::embedded::{Consumer, ConsumerSettings};
use epitaph_test_dumps::crashpad;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

pub(crate) use self::pack::{Packing, pack};

/// Longer than anything here takes on a slow machine: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

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

    /// With other limits than the usual ones. Must be called on a runtime.
    pub(crate) fn with(change: impl FnOnce(&mut Limits)) -> Self {
        Self::at(tempfile::tempdir().unwrap(), change)
    }

    /// With a file where the queue should be, and one where the bucket should be.
    pub(crate) fn without_engines() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("queue"), "").unwrap();
        fs::write(directory.path().join("bucket"), "").unwrap();
        Self::at(directory, |_| {})
    }

    fn at(directory: tempfile::TempDir, change: impl FnOnce(&mut Limits)) -> Self {
        let mut settings = Settings::read(HostRole::Function("minidump"), |name| match name {
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
            Context { name: "minidump", settings: settings.clone(), secrets, metrics: metrics.clone() };
        let router = epitaph_minidump::router(Collector::open(&context).unwrap());
        let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        let http = HttpSettings::new("minidump", &settings.limits, metrics.clone());
        server.spawn(serve(listener, router, http, std::future::pending()));
        Self { directory, address, metrics, key, settings, consumer: None, _server: server }
    }

    pub(crate) fn key_of(&self, project: u64) -> String {
        let project = ProjectId::try_from(project).unwrap();
        self.settings.load_secrets().unwrap().ingest.project_key(project, 0)
    }

    pub(crate) fn queue_directory(&self) -> PathBuf {
        self.directory.path().join("queue")
    }

    pub(crate) fn bucket_directory(&self) -> PathBuf {
        self.directory.path().join("bucket")
    }

    pub(crate) fn bucket(&self) -> Bucket {
        Bucket::open(&self.settings.bucket, 0).unwrap()
    }

    /// The path that Crashpad's URL has, with the key.
    pub(crate) fn path(&self) -> String {
        format!("/api/1/minidump/?sentry_key={}", self.key)
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

    /// Posts a form as Crashpad's bytes, plain, with a length.
    pub(crate) async fn send_form(&self, form: &[u8]) -> Answer {
        let content_type = format!("Content-Type: multipart/form-data; boundary={}", crashpad::BOUNDARY);
        self.send(&post(&self.path(), &[&content_type], form)).await
    }

    pub(crate) async fn send_raw(&self, headers: &[&str], body: &[u8]) -> Answer {
        self.send(&post(&self.path(), headers, body)).await
    }

    /// The next report that was accepted.
    pub(crate) async fn accepted(&mut self) -> Report {
        let directory = self.queue_directory();
        let consumer = self
            .consumer
            .get_or_insert_with(|| Consumer::open(&directory, ConsumerSettings::default()).unwrap());
        let delivery = timeout(PATIENCE, consumer.receive()).await.expect("nothing was accepted").unwrap();
        let message = delivery.message().unwrap();
        delivery.done();
        let secrets = self.settings.load_secrets().unwrap();
        assert!(secrets.message.is_signed(&message));
        let report: Report = message.read().unwrap();
        assert_eq!((message.id, message.time), (report.id.to_string(), report.received_at));
        report
    }

    /// The report that an answer is about, which must be the next one: whatever was refused before it left nothing.
    pub(crate) async fn report_of(&mut self, answer: &Answer) -> Report {
        assert_eq!(answer.status, 200, "{answer:?}");
        let report = self.accepted().await;
        assert_eq!(answer.body, report.id.to_string());
        report
    }

    /// The bytes of a payload, wherever they travelled.
    pub(crate) async fn bytes(&self, report: &Report, index: usize) -> Vec<u8> {
        let payload = &report.payloads[index];
        let bytes = match &payload.content {
            Content::Inline(bytes) => bytes.clone(),
            Content::Stored { key, .. } => {
                let key: Key = key.parse().unwrap();
                assert!(key.is_payload_of(report.project, report.id));
                self.bucket().get(&key, u64::MAX).await.unwrap().to_vec()
            }
        };
        assert_eq!(bytes.len() as u64, payload.size);
        bytes
    }

    /// The bytes of the minidump, of which there must be one.
    pub(crate) async fn dump(&self, report: &Report) -> Vec<u8> {
        let dumps: Vec<_> =
            (0..report.payloads.len()).filter(|&at| report.payloads[at].role == Role::Minidump).collect();
        assert_eq!(dumps.len(), 1, "{:?}", report.payloads);
        self.bytes(report, dumps[0]).await
    }
}

/// One answer, as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Reads one answer with a length off a connection, and no byte more. Each must say what its body is.
    pub(crate) async fn read(stream: &mut TcpStream) -> Self {
        let answer = timeout(PATIENCE, async {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("the connection ended without an answer"));
            }
            let mut answer = Self::parse(String::from_utf8(head).unwrap());
            if answer.status != 100 {
                let length =
                    answer.header("content-length").expect("an answer has a length").parse().unwrap();
                let mut body = vec![0; length];
                stream.read_exact(&mut body).await.unwrap();
                answer.body = String::from_utf8(body).unwrap();
                assert!(answer.header("content-type").is_some(), "{answer:?}");
            }
            answer
        });
        answer.await.expect("the server did not answer")
    }

    fn parse(head: String) -> Self {
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, head, body: String::new() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The causes and the detail of a refusal in JSON.
    pub(crate) fn refusal(&self) -> (String, String) {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        let keys: Vec<_> = body.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["causes", "detail"]);
        let causes = body["causes"].as_array().unwrap();
        assert_eq!(causes.len(), 1);
        (causes[0].as_str().unwrap().to_owned(), body["detail"].as_str().unwrap().to_owned())
    }

    pub(crate) fn is_refused(&self, status: u16, cause: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let (told, detail) = self.refusal();
        assert_eq!(told, cause, "{self:?}");
        assert!(detail.len() > 20, "a refusal says what was wrong and what to do: {detail}");
    }
}

/// A POST with a length.
pub(crate) fn post(target: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}", body.len());
    let mut request = head("HTTP/1.1", target, &[headers, &[&length]].concat());
    request.extend_from_slice(body);
    request
}

/// The line and the headers of a POST.
pub(crate) fn head(version: &str, target: &str, headers: &[&str]) -> Vec<u8> {
    let mut head = format!("POST {target} {version}\r\nHost: crashes.example.com\r\n");
    for header in headers {
        head += header;
        head += "\r\n";
    }
    head += "\r\n";
    head.into_bytes()
}

/// A body as chunks of so many bytes, their sizes without leading zeros, as Crashpad writes them.
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

pub(crate) fn note(name: Option<&str>, reason: NoteReason) -> Note {
    Note { name: name.map(str::to_owned), reason }
}

/// Everything until the server closes, which it must do by itself.
pub(crate) async fn everything(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server did not close");
    read.unwrap();
    String::from_utf8(bytes).unwrap()
}

impl Answer {
    pub(crate) fn report_is_accepted(&self) {
        assert_eq!(self.status, 200, "{self:?}");
        assert!(self.body.parse::<epitaph_crash_model::CrashId>().is_ok(), "{self:?}");
    }
}

/// Posts until the collector probes the queue again and a report gets there; gives that report's answer.
pub(crate) async fn until_queued(house: &House, form: &[u8]) -> Answer {
    let attempt = async {
        loop {
            let answer = house.send_form(form).await;
            answer.report_is_accepted();
            let parked = house.bucket_directory().join(format!("parked/1/{}.json", answer.body));
            if !parked.exists() {
                return answer;
            }
        }
    };
    timeout(PATIENCE, attempt).await.expect("the queue was not tried again")
}
