//! `maintain` on Knative: asked by a PingSource, and given what a broker gives up.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use std::net::SocketAddr;

use bytes::Bytes;
use epitaph_bucket::Key;
use epitaph_catalog::DeadLetter;
use epitaph_crash_model::{CrashId, Message, MessageKind, ProjectId, Timestamp};
use epitaph_host::{HttpSettings, Limits, Metrics, bind, serve};
use epitaph_maintain::subscriber;
use epitaph_test_knative::{Reply, post};
use http::{HeaderMap, HeaderName};
use support::{House, secret};
use tokio::task::JoinSet;

struct Served {
    house: House,
    address: SocketAddr,
    metrics: Metrics,
    _server: JoinSet<()>,
}

impl Served {
    async fn new() -> Self {
        let house = House::new().await;
        let metrics = Metrics::new();
        let router = subscriber(house.maintenance(), 1 << 20, metrics.clone());
        let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let http = HttpSettings::new("maintain", &Limits::default(), Metrics::new());
        let mut server = JoinSet::new();
        server.spawn(async move {
            serve(listener, router, http, std::future::pending()).await;
        });
        Self { house, address, metrics, _server: server }
    }

    async fn post(&self, path: &str, headers: &[(&'static str, &str)], body: &str) -> Reply {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        post(self.address, path, &headers, Bytes::copy_from_slice(body.as_bytes())).await.unwrap()
    }

    async fn ping(&self) -> Reply {
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/apis/v1/namespaces/games/pingsources/maintain"),
            ("ce-type", "dev.knative.sources.ping"),
            ("content-type", "application/json"),
        ];
        self.post("/", &headers, "{}").await
    }

    async fn give_up(&self, message: &Message, said: &[(&'static str, &str)]) -> Reply {
        self.give_up_at("/dead", message, said).await
    }

    async fn give_up_at(&self, path: &str, message: &Message, said: &[(&'static str, &str)]) -> Reply {
        let time = message.time.to_string();
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", message.id.as_str()),
            ("ce-source", &message.source),
            ("ce-type", "report"),
            ("ce-time", &time),
            ("ce-epitaphmac", &message.epitaphmac),
            ("content-type", "application/json"),
        ];
        self.post(path, &[&headers, said].concat(), message.data.get()).await
    }

    async fn letters(&self) -> Vec<DeadLetter> {
        self.house.catalog.dead_letters(10_000).await.unwrap()
    }
}

fn unsigned() -> Message {
    let id = CrashId::new();
    Message::new(MessageKind::Report, ProjectId::FIRST, id.to_string(), id.accepted_at(), &"a report")
        .unwrap()
}

fn message() -> Message {
    let mut message = unsigned();
    secret().sign_message(&mut message);
    message
}

#[tokio::test]
async fn a_ping_is_answered_when_all_that_is_due_is_done() {
    let served = Served::new().await;
    let parked = message();
    let bytes = serde_json::to_vec(&parked).unwrap();
    let key = Key::parked(ProjectId::FIRST, &parked.id);
    served.house.bucket.put(&key, Bytes::from(bytes)).await.unwrap();
    let reply = served.ping().await;
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    assert_eq!(served.house.queue.taken(), [parked.id]);
}

#[tokio::test]
async fn what_is_neither_a_ping_nor_a_message_is_refused() {
    let served = Served::new().await;
    let headers = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "other")];
    assert_eq!(served.post("/", &headers, "{}").await.status, 400);
    assert_eq!(served.post("/", &[], "{}").await.status, 400);
}

#[tokio::test]
async fn what_a_broker_gives_up_becomes_a_dead_letter_with_its_reason() {
    let served = Served::new().await;
    let message = message();
    let said = [
        ("ce-knativeerrorcode", "503"),
        ("ce-knativeerrordest", "http://process.games.svc"),
        ("ce-knativeerrordata", "dGhlIGNhdGFsb2cKaXMgZG93bg=="),
    ];
    for _ in 0..2 {
        assert_eq!(served.give_up(&message, &said).await.status, 204);
    }
    let letters = served.letters().await;
    assert_eq!(letters.len(), 1, "the same message is one letter");
    assert_eq!(
        letters[0].reason,
        "the broker gave it up: it was answered 503 by http://process.games.svc: the catalog is down"
    );
    assert_eq!(letters[0].first_at, message.time);
    let key = Key::dead_letter(&letters[0].id);
    let kept: Message =
        serde_json::from_slice(&served.house.bucket.get(&key, 1 << 20).await.unwrap()).unwrap();
    assert!(secret().is_signed(&kept), "it can be sent on its way again");
    let silent = reason_when_nothing_is_said(&served).await;
    assert_eq!(silent, "the broker gave it up, and does not say why");
}

/// The reason of a letter of which nothing is said.
async fn reason_when_nothing_is_said(served: &Served) -> String {
    let message = message();
    assert_eq!(served.give_up(&message, &[]).await.status, 204);
    let letters = served.letters().await;
    letters.into_iter().find(|letter| letter.id.starts_with(&message.id)).unwrap().reason
}

#[tokio::test]
async fn a_sink_without_a_path_of_its_own_gets_its_dead_letters_too() {
    let served = Served::new().await;
    assert_eq!(served.give_up_at("/", &message(), &[]).await.status, 204);
    assert_eq!(served.letters().await.len(), 1);
}

#[tokio::test]
async fn a_strangers_message_replaces_none_of_ours_and_fills_nothing() {
    let served = Served::new().await;
    let ours = message();
    let mut forged = ours.clone();
    forged.epitaphmac = "00".repeat(32);
    assert_eq!(served.give_up(&forged, &[]).await.status, 204);
    assert_eq!(served.give_up(&ours, &[]).await.status, 204);
    assert_eq!(served.letters().await.len(), 2, "each is a letter of its own");

    for number in 0..998 {
        let now = Timestamp::now();
        let letter = DeadLetter {
            id: format!("letter-{number}"),
            project: None,
            kind: "report".to_owned(),
            reason: "a test".to_owned(),
            attempts: 1,
            first_at: now,
            dead_at: now,
            key: format!("dead/letter-{number}.json"),
        };
        served.house.catalog.add_dead_letter(&letter).await.unwrap();
    }
    assert_eq!(served.give_up(&unsigned(), &[]).await.status, 403);
    assert!(served.metrics.text().contains("reason=\"forged\"} 1"), "{}", served.metrics.text());
    assert_eq!(served.give_up(&message(), &[]).await.status, 204, "ours are kept whatever their number");
    assert_eq!(served.letters().await.len(), 1001);
}

#[tokio::test]
async fn an_engine_that_is_down_makes_the_broker_come_again() {
    let served = Served::new().await;
    served.house.catalog.close().await;
    let reply = served.give_up(&message(), &[]).await;
    assert_eq!((reply.status, reply.headers["retry-after"].to_str().unwrap()), (503, "5"));
    assert_eq!(served.ping().await.status, 503);
}
