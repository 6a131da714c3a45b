//! A small Knative: collector, broker, `process` and `maintain`, each on a server of its own.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use bytes::Bytes;
use epitaph_bucket::{Bucket, Key};
use epitaph_catalog::{Catalog, IssueQuery};
use epitaph_crash_model::{CrashId, ProjectId};
use epitaph_facts::Facts;
use epitaph_host::{Context, HttpSettings, Metrics, QueueUrl, Role, Settings, bind, serve};
use epitaph_ingest::{Collector, Engines};
use epitaph_maintain::{Maintenance, MaintenanceSettings, Sealing};
use epitaph_process::{Puller, SubscriberSettings};
use epitaph_secrets::{Purpose, RootSecret};
use epitaph_symbols::Symbols;
use epitaph_test_knative::{Broker, SECRET, Trigger, key, post};
use futures_util::TryStreamExt as _;
use http::HeaderMap;
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(120);

/// An installation: its engines in a directory, and a broker.
pub(crate) struct House {
    directory: tempfile::TempDir,
    pub(crate) broker: Broker,
    pub(crate) catalog: Catalog,
}

/// One function on a server. What is under way ends at once when this is dropped, as with a process that is killed.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    server: JoinSet<()>,
}

impl Served {
    fn new(name: &'static str, router: Router, address: Option<SocketAddr>, settings: &Settings) -> Self {
        let listener = bind(address.unwrap_or_else(|| ([127, 0, 0, 1], 0).into())).unwrap();
        let address = listener.local_addr().unwrap();
        let http = HttpSettings::new(name, &settings.limits, Metrics::new());
        let mut server = JoinSet::new();
        server.spawn(async move {
            serve(listener, router, http, std::future::pending()).await;
        });
        Self { address, server }
    }

    pub(crate) async fn kill(mut self) {
        self.server.shutdown().await;
    }
}

/// What a function is told, with its engines below this directory.
pub(crate) fn context(directory: &Path, sink: &str, name: &'static str) -> Context {
    let path = directory.display();
    let settings = Settings::read(Role::Function(name), |variable| {
        Some(match variable {
            "K_SERVICE" => name.to_owned(),
            "K_SINK" => sink.to_owned(),
            "EPITAPH_SECRET" => SECRET.to_owned(),
            "EPITAPH_DATA" => format!("{path}/data"),
            "EPITAPH_BUCKET" => format!("file://{path}/bucket"),
            "EPITAPH_CATALOG" => format!("sqlite://{path}/catalog.db"),
            "EPITAPH_MIN_FREE_DISK" => "1M".to_owned(),
            "EPITAPH_PARSER" => env!("CARGO_BIN_EXE_epitaph").to_owned(),
            _ => return None,
        })
    })
    .unwrap();
    let secrets = settings.load_secrets().unwrap();
    Context { name, settings, secrets, metrics: Metrics::new() }
}

/// The collector of plain JSON.
pub(crate) fn collector(context: &Context) -> Served {
    let collector = Collector::open(context).unwrap();
    Served::new("report", epitaph_report::router(collector), None, &context.settings)
}

impl House {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&format!("sqlite://{}/catalog.db", directory.path().display())).unwrap();
        catalog.migrate().await.unwrap();
        Self { directory, broker: Broker::start(), catalog }
    }

    fn context(&self, name: &'static str) -> Context {
        context(self.directory.path(), &self.broker.url(), name)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn collector(&self) -> Served {
        collector(&self.context("report"))
    }

    pub(crate) fn process(&self, address: Option<SocketAddr>) -> Served {
        let context = self.context("process");
        let QueueUrl::Broker(broker) = &context.settings.queue else { panic!("no broker") };
        let settings = SubscriberSettings::new(&context, broker.largest_message);
        let router = epitaph_process::subscriber(Puller::open(&context).unwrap(), settings);
        Served::new("process", router, address, &context.settings)
    }

    pub(crate) fn maintain(&self) -> Served {
        let context = self.context("maintain");
        let engines = Engines::open(&context.settings).unwrap();
        let settings = MaintenanceSettings {
            retention_days: context.settings.retention_days,
            symbol_days: context.settings.symbols.days,
            message_secret: context.secrets.message.clone(),
            sealing: Sealing::default(),
        };
        let catalog = Catalog::open(&context.settings.catalog).unwrap();
        let facts = Facts::new(catalog, engines.bucket, context.settings.scratch().join("maintain"));
        let maintenance = Maintenance::new(settings, facts, engines.queue);
        let largest = context.settings.largest_event();
        let router = epitaph_maintain::subscriber(maintenance, largest, context.metrics.clone());
        Served::new("maintain", router, None, &context.settings)
    }

    pub(crate) fn symbols(&self) -> Served {
        let context = self.context("symbols");
        let router = epitaph_symbols::router(Symbols::open(&context).unwrap());
        Served::new("symbols", router, None, &context.settings)
    }

    pub(crate) fn queue(&self) -> Arc<dyn epitaph_queue::Sender> {
        Engines::open(&self.context("maintain").settings).unwrap().queue
    }

    pub(crate) fn bucket(&self) -> Bucket {
        Bucket::open(&self.context("maintain").settings.bucket, 0).unwrap()
    }

    /// Delivers to `process`, and what it does not take to `maintain`.
    pub(crate) fn trigger(&self, process: &Served, maintain: &Served, retry: u32) {
        self.broker.trigger(Trigger {
            subscriber: process.address,
            dead_letters: Some((maintain.address, "/dead".to_owned())),
            retry,
            pause: Duration::from_millis(20),
        });
    }

    pub(crate) async fn parked(&self) -> usize {
        self.bucket().list(&Key::all_parked()).try_collect::<Vec<_>>().await.unwrap().len()
    }

    /// Has `maintain` send on what is parked, until nothing is, and waits until the broker has delivered all.
    pub(crate) async fn settled(&self, maintain: &Served) {
        let begun = Instant::now();
        while self.parked().await > 0 {
            assert!(begun.elapsed() < PATIENCE, "{} messages are parked still", self.parked().await);
            ping(maintain.address).await;
        }
        tokio::time::timeout(PATIENCE, self.broker.settled()).await.unwrap();
    }

    pub(crate) async fn counted(&self) -> u64 {
        let query = IssueQuery { limit: 1000, ..IssueQuery::default() };
        let issues = self.catalog.issues(ProjectId::FIRST, &query).await.unwrap();
        issues.iter().map(|issue| issue.count).sum()
    }

    /// All of these are recorded, and nothing else is counted.
    pub(crate) async fn holds_exactly(&self, answered: &BTreeSet<CrashId>) {
        for &id in answered {
            assert!(self.catalog.crash(ProjectId::FIRST, id).await.unwrap().is_some(), "{id} is lost");
        }
        assert_eq!(self.counted().await, answered.len() as u64, "counted otherwise than answered");
        assert_eq!(self.broker.dropped(), []);
        assert!(self.catalog.dead_letters(10).await.unwrap().is_empty());
    }
}

/// What a PingSource posts.
async fn ping(maintain: SocketAddr) {
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "a-ping"),
        ("ce-source", "/apis/v1/namespaces/games/pingsources/maintain"),
        ("ce-type", "dev.knative.sources.ping"),
    ];
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let reply = post(maintain, "/", &headers, Bytes::new()).await.unwrap();
    assert!(matches!(reply.status, 204 | 503), "{}", reply.status);
}

/// Posts a report, as a game does that has one chance.
pub(crate) async fn report(collector: SocketAddr, number: usize) -> CrashId {
    let body = format!(r#"{{"version":1,"message":"Error {}: the last words","kind":"crash"}}"#, number % 7);
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    let path = format!("/api/1/report/?sentry_key={}", key());
    let reply = post(collector, &path, &headers, body.into()).await.unwrap();
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let answer: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    answer["id"].as_str().unwrap().parse().unwrap()
}

/// Uploads a debug file, as Breakpad's `sym_upload` does.
pub(crate) async fn upload(symbols: SocketAddr, content: &str) {
    let token = RootSecret::new(SECRET).unwrap().derive(Purpose::Upload).project_token(ProjectId::FIRST, 0);
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"symbol_file\"; filename=\"game.sym\"\r\n\r\n{content}\r\n--b--\r\n"
    );
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "multipart/form-data; boundary=b".parse().unwrap());
    let path = format!("/api/1/symbols/upload?token={token}");
    let reply = post(symbols, &path, &headers, body.into()).await.unwrap();
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
}

/// So many reports, from several games at the same time.
pub(crate) fn reports(collector: SocketAddr, count: usize) -> JoinSet<Vec<CrashId>> {
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut games = JoinSet::new();
    for _ in 0..8 {
        let next = Arc::clone(&next);
        games.spawn(async move {
            let mut answered = Vec::new();
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if number >= count {
                    return answered;
                }
                answered.push(report(collector, number).await);
            }
        });
    }
    games
}
