//! A collector with an address, and what is behind it.

use std::{fs, net::SocketAddr, path::PathBuf};

use axum::Router;
use epitaph_bucket::{Bucket, Key};
use epitaph_crash_model::{Content, Payload, ProjectId, Report};
use epitaph_host::{Context, Drained, HttpSettings, Metrics, Role, Settings, bind, serve};
use epitaph_ingest::Collector;
use epitaph_queue::embedded::{Consumer, ConsumerSettings};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::JoinSet, time::timeout};

use crate::{Answer, PATIENCE};

/// One collector, its queue and its bucket, in a directory that lasts as long as the test.
pub struct House {
    /// Where it listens: a free port of this machine alone.
    pub address: SocketAddr,
    /// What it counts.
    pub metrics: Metrics,
    /// The key of project 1.
    pub key: String,
    directory: tempfile::TempDir,
    settings: Settings,
    consumer: Option<Consumer>,
    _server: JoinSet<Drained>,
}

impl House {
    /// A house for a function's routes. `change` changes the usual settings. Must be called on a runtime.
    pub fn new(
        name: &'static str,
        router: impl FnOnce(Collector) -> Router,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::at(tempfile::tempdir().unwrap(), name, router, change)
    }

    /// With a file where the queue should be, and one where the bucket should be.
    pub fn without_engines(name: &'static str, router: impl FnOnce(Collector) -> Router) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("queue"), "").unwrap();
        fs::write(directory.path().join("bucket"), "").unwrap();
        Self::at(directory, name, router, |_| {})
    }

    fn at(
        directory: tempfile::TempDir,
        name: &'static str,
        router: impl FnOnce(Collector) -> Router,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = Settings::read(Role::Function(name), |variable| match variable {
            "EPITAPH_DATA" => Some(directory.path().to_str().unwrap().to_owned()),
            "EPITAPH_SECRET" => Some("a secret for tests only".to_owned()),
            "EPITAPH_MIN_FREE_DISK" => Some("1M".to_owned()),
            _ => None,
        })
        .unwrap();
        change(&mut settings);
        let (secrets, metrics) = (settings.load_secrets().unwrap(), Metrics::new());
        let key = secrets.ingest.project_key(ProjectId::FIRST, 0);
        let context = Context { name, settings: settings.clone(), secrets, metrics: metrics.clone() };
        let router = router(Collector::open(&context).unwrap());
        let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        let http = HttpSettings::new(name, &settings.limits, metrics.clone());
        server.spawn(serve(listener, router, http, std::future::pending()));
        Self { address, metrics, key, directory, settings, consumer: None, _server: server }
    }

    /// The key of a project.
    pub fn key_of(&self, project: u64) -> String {
        let project = ProjectId::try_from(project).unwrap();
        self.settings.load_secrets().unwrap().ingest.project_key(project, 0)
    }

    /// Where the queue's files are.
    pub fn queue_directory(&self) -> PathBuf {
        self.directory.path().join("queue")
    }

    /// Where the bucket's files are.
    pub fn bucket_directory(&self) -> PathBuf {
        self.directory.path().join("bucket")
    }

    /// The files in the bucket, by their paths.
    pub fn bucket_files(&self) -> Vec<PathBuf> {
        files_below(self.bucket_directory())
    }

    /// A connection to it.
    pub async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Sends one request on a connection of its own.
    pub async fn send(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        Answer::read(&mut stream).await
    }

    /// The next report that was accepted.
    pub async fn accepted(&mut self) -> Report {
        let directory = self.queue_directory();
        let consumer = self
            .consumer
            .get_or_insert_with(|| Consumer::open(&directory, ConsumerSettings::default()).unwrap());
        let delivery = timeout(PATIENCE, consumer.receive()).await.expect("nothing was accepted").unwrap();
        let message = delivery.message().unwrap();
        delivery.done();
        assert!(self.settings.load_secrets().unwrap().message.is_signed(&message));
        let report: Report = message.read().unwrap();
        assert_eq!((message.id, message.time), (report.id.to_string(), report.received_at));
        report
    }

    /// The bytes of a report's payload, wherever they travelled.
    pub async fn bytes(&self, report: &Report, payload: &Payload) -> Vec<u8> {
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

    /// The bytes of the payload of a name, which must be there.
    pub async fn bytes_named(&self, report: &Report, name: &str) -> Vec<u8> {
        let payload = report.payloads.iter().find(|payload| payload.name == name);
        assert!(payload.is_some(), "no {name} in {:?}", report.payloads);
        self.bytes(report, payload.unwrap()).await
    }
}

fn files_below(path: PathBuf) -> Vec<PathBuf> {
    match fs::read_dir(&path) {
        Ok(entries) => entries.flat_map(|entry| files_below(entry.unwrap().path())).collect(),
        Err(_) if path.is_file() => vec![path],
        Err(_) => Vec::new(),
    }
}
