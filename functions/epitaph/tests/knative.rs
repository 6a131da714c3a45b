//! The way of a report on Knative: collector, broker, `process`, `maintain`, each on a server of its own, and a broker in
//! all kinds of weather. What was answered 200 is recorded, once.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up should fail")]

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use bytes::Bytes;
use epitaph_bucket::{Bucket, Key};
use epitaph_catalog::{Catalog, IssueQuery};
use epitaph_crash_model::{CrashId, ProjectId};
use epitaph_dead_letters::DeadLetters;
use epitaph_host::{Context, HttpSettings, Metrics, QueueUrl, Role, Settings, bind, serve};
use epitaph_ingest::{Collector, Engines};
use epitaph_maintain::{Maintenance, MaintenanceSettings};
use epitaph_process::{Puller, SubscriberSettings};
use epitaph_test_knative::{Broker, Posted, SECRET, Trigger, Weather, key, post};
use futures_util::TryStreamExt as _;
use http::HeaderMap;
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_secs(120);

/// An installation: its engines in a directory, and a broker.
struct House {
    directory: tempfile::TempDir,
    broker: Broker,
    catalog: Catalog,
}

/// One function on a server. What is under way ends at once when this is dropped, as with a process that is killed.
struct Served {
    address: SocketAddr,
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

    async fn kill(mut self) {
        self.server.shutdown().await;
    }
}

impl House {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&format!("sqlite://{}/catalog.db", directory.path().display())).unwrap();
        catalog.migrate().await.unwrap();
        Self { directory, broker: Broker::start(), catalog }
    }

    fn context(&self, name: &'static str) -> Context {
        let path = self.directory.path().display();
        let settings = Settings::read(Role::Function(name), |variable| {
            Some(match variable {
                "K_SERVICE" => name.to_owned(),
                "K_SINK" => self.broker.url(),
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

    fn collector(&self) -> Served {
        let context = self.context("report");
        let collector = Collector::open(&context).unwrap();
        Served::new("report", epitaph_report::router(collector), None, &context.settings)
    }

    fn process(&self, address: Option<SocketAddr>) -> Served {
        let context = self.context("process");
        let QueueUrl::Broker(broker) = &context.settings.queue else { panic!("no broker") };
        let settings = SubscriberSettings::new(&context, broker.largest_message);
        let router = epitaph_process::subscriber(Puller::open(&context).unwrap(), settings);
        Served::new("process", router, address, &context.settings)
    }

    fn maintain(&self) -> Served {
        let context = self.context("maintain");
        let engines = Engines::open(&context.settings).unwrap();
        let settings = MaintenanceSettings {
            retention_days: context.settings.retention_days,
            message_secret: context.secrets.message.clone(),
        };
        let maintenance = Maintenance::new(
            settings,
            engines.bucket,
            Catalog::open(&context.settings.catalog).unwrap(),
            engines.queue,
        );
        let largest = context.settings.largest_event();
        let router = epitaph_maintain::subscriber(maintenance, largest, context.metrics.clone());
        Served::new("maintain", router, None, &context.settings)
    }

    fn bucket(&self) -> Bucket {
        Bucket::open(&self.context("maintain").settings.bucket, 0).unwrap()
    }

    /// Delivers to `process`, and what it does not take to `maintain`.
    fn trigger(&self, process: &Served, maintain: &Served, retry: u32) {
        self.broker.trigger(Trigger {
            subscriber: process.address,
            dead_letters: Some((maintain.address, "/dead".to_owned())),
            retry,
            pause: Duration::from_millis(20),
        });
    }

    async fn parked(&self) -> usize {
        self.bucket().list(&Key::all_parked()).try_collect::<Vec<_>>().await.unwrap().len()
    }

    /// Has `maintain` send on what is parked, until nothing is, and waits until the broker has delivered all.
    async fn settled(&self, maintain: &Served) {
        let begun = Instant::now();
        while self.parked().await > 0 {
            assert!(begun.elapsed() < PATIENCE, "{} messages are parked still", self.parked().await);
            ping(maintain.address).await;
        }
        tokio::time::timeout(PATIENCE, self.broker.settled()).await.unwrap();
    }

    async fn counted(&self) -> u64 {
        let query = IssueQuery { limit: 1000, ..IssueQuery::default() };
        let issues = self.catalog.issues(ProjectId::FIRST, &query).await.unwrap();
        issues.iter().map(|issue| issue.count).sum()
    }

    /// All of these are recorded, and nothing else is counted.
    async fn holds_exactly(&self, answered: &BTreeSet<CrashId>) {
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
async fn report(collector: SocketAddr, number: usize) -> CrashId {
    let body = format!(r#"{{"version":1,"message":"Error {}: the last words","kind":"crash"}}"#, number % 7);
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    let path = format!("/api/1/report/?sentry_key={}", key());
    let reply = post(collector, &path, &headers, body.into()).await.unwrap();
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let answer: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    answer["id"].as_str().unwrap().parse().unwrap()
}

/// So many reports, from several games at the same time.
fn reports(collector: SocketAddr, count: usize) -> JoinSet<Vec<CrashId>> {
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

#[tokio::test]
async fn whatever_the_broker_does_every_answered_report_is_recorded_once() {
    let mut house = House::new().await;
    let (collector, maintain) = (house.collector(), house.maintain());
    let mut process = house.process(None);
    house.trigger(&process, &maintain, 1_000_000);
    house.broker.turn(Weather {
        refused: 20,
        unanswered: 10,
        delay: Duration::from_millis(30),
        duplicated: 20,
        reordered: true,
    });
    let mut games = reports(collector.address, 400);
    let mut answered = BTreeSet::new();
    // The broker dies and comes back, and `process` is killed, while games post.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        house.broker.die().await;
        let address = process.address;
        process.kill().await;
        process = house.process(Some(address));
        tokio::time::sleep(Duration::from_millis(50)).await;
        house.broker.revive();
    }
    while let Some(ids) = games.join_next().await {
        answered.extend(ids.unwrap());
    }
    assert_eq!(answered.len(), 400);
    house.broker.turn(Weather::default());
    house.settled(&maintain).await;
    house.holds_exactly(&answered).await;
}

#[tokio::test]
async fn a_broker_that_dies_with_all_that_it_has_taken_delivers_it_when_it_is_back() {
    let mut house = House::new().await;
    let (collector, maintain) = (house.collector(), house.maintain());
    let mut answered = BTreeSet::new();
    for number in 0..20 {
        answered.insert(report(collector.address, number).await);
    }
    assert_eq!(house.broker.taken_ids(), answered.iter().map(ToString::to_string).collect());
    house.broker.die().await;
    // Nobody takes these: they are parked.
    for number in 0..5 {
        answered.insert(report(collector.address, number).await);
    }
    assert_eq!((house.counted().await, house.parked().await), (0, 5));
    let process = house.process(None);
    house.trigger(&process, &maintain, 1_000_000);
    house.broker.revive();
    house.settled(&maintain).await;
    house.holds_exactly(&answered).await;
}

#[tokio::test]
async fn what_process_could_not_take_for_too_long_is_a_dead_letter_and_can_be_sent_on() {
    let house = House::new().await;
    let (collector, maintain) = (house.collector(), house.maintain());
    let process = house.process(None);
    let address = process.address;
    house.trigger(&process, &maintain, 2);
    process.kill().await;
    let id = report(collector.address, 0).await;
    house.settled(&maintain).await;
    let letters = house.catalog.dead_letters(10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].reason.starts_with("the broker gave it up"), "{}", letters[0].reason);

    let _process = house.process(Some(address));
    let queue = Engines::open(&house.context("maintain").settings).unwrap().queue;
    DeadLetters::new(house.bucket(), house.catalog.clone()).redrive(&id.to_string(), &*queue).await.unwrap();
    house.settled(&maintain).await;
    house.holds_exactly(&BTreeSet::from([id])).await;
}

#[tokio::test]
async fn a_forged_message_is_no_crash_and_holds_up_nothing() {
    let house = House::new().await;
    let (collector, maintain) = (house.collector(), house.maintain());
    let ours = report(collector.address, 0).await;
    let Posted { path, mut headers, body } = house.broker.taken().pop().unwrap();
    // The same report once more, by somebody who does not know the secret.
    let stranger = CrashId::new();
    headers.insert("ce-id", stranger.to_string().parse().unwrap());
    let body = String::from_utf8(body.to_vec()).unwrap().replace(&ours.to_string(), &stranger.to_string());
    house.broker.put(Posted { path, headers, body: body.into() });
    let process = house.process(None);
    house.trigger(&process, &maintain, 1_000_000);
    house.settled(&maintain).await;
    assert!(house.catalog.crash(ProjectId::FIRST, ours).await.unwrap().is_some());
    assert!(house.catalog.crash(ProjectId::FIRST, stranger).await.unwrap().is_none());
    assert_eq!(house.counted().await, 1);
    let letters = house.catalog.dead_letters(10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].reason.contains("answered 403"), "{}", letters[0].reason);
}
