//! What a broker is answered, so that it redelivers what it should and nothing else.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up should fail")]

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use epitaph_crash_model::{Message, MessageKind, ProjectId, Timestamp};
use epitaph_host::{HttpSettings, Limits, Metrics, bind, serve};
use epitaph_process::{SubscriberSettings, subscriber};
use epitaph_queue::{Handler, Outcome, Undeliverable};
use epitaph_secrets::{Purpose, Secret};
use epitaph_test_knative::{Reply, post, root};
use http::{HeaderMap, HeaderName};
use tokio::{sync::Semaphore, task::JoinSet};

/// What the handler makes of every message.
#[derive(Clone)]
enum Verdict {
    Is(Outcome),
    DeadAndNotBuried,
    Panic,
    /// Done, when it is let.
    Waits(Arc<Semaphore>),
}

#[derive(Clone)]
struct Told {
    verdict: Verdict,
    handled: Arc<AtomicUsize>,
    buried: Arc<Mutex<Vec<Undeliverable>>>,
}

impl Handler for Told {
    async fn handle(&self, _: Message, _: u32) -> Outcome {
        self.handled.fetch_add(1, Ordering::Relaxed);
        match &self.verdict {
            Verdict::Is(outcome) => outcome.clone(),
            Verdict::DeadAndNotBuried => Outcome::Dead("it is dead".to_owned()),
            Verdict::Panic => panic!("on purpose"),
            Verdict::Waits(let_go) => {
                let_go.acquire().await.unwrap().forget();
                Outcome::Done
            }
        }
    }

    async fn bury(&self, undeliverable: Undeliverable) -> Result<(), String> {
        if matches!(self.verdict, Verdict::DeadAndNotBuried) {
            return Err("the bucket is down".to_owned());
        }
        self.buried.lock().unwrap().push(undeliverable);
        Ok(())
    }
}

/// A subscriber on a real server.
struct House {
    address: SocketAddr,
    told: Told,
    metrics: Metrics,
    _server: JoinSet<()>,
}

fn secret() -> Secret {
    root().derive(Purpose::Message)
}

impl House {
    fn new(verdict: Verdict) -> Self {
        let told = Told { verdict, handled: Arc::default(), buried: Arc::default() };
        let metrics = Metrics::new();
        let settings = SubscriberSettings {
            message_secret: secret(),
            largest_message: 64 << 10,
            at_once: 1,
            longest_wait: Duration::from_millis(50),
            metrics: metrics.clone(),
        };
        let router = subscriber(told.clone(), settings);
        let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let http = HttpSettings::new("process", &Limits::default(), Metrics::new());
        let mut server = JoinSet::new();
        server.spawn(async move {
            serve(listener, router, http, std::future::pending()).await;
        });
        Self { address, told, metrics, _server: server }
    }

    async fn post(&self, headers: &HeaderMap, body: impl Into<Bytes>) -> Reply {
        post(self.address, "/", headers, body.into()).await.unwrap()
    }

    async fn deliver(&self) -> Reply {
        let message = message();
        self.post(&headers(&message), message.data.get().to_owned()).await
    }

    fn handled(&self) -> usize {
        self.told.handled.load(Ordering::Relaxed)
    }
}

fn message() -> Message {
    let (id, time) = ("an-id".to_owned(), Timestamp::from_millis(1_769_903_999_999));
    let mut message =
        Message::new(MessageKind::Report, ProjectId::FIRST, id, time, &"the last words").unwrap();
    secret().sign_message(&mut message);
    message
}

fn headers(message: &Message) -> HeaderMap {
    let pairs = [
        ("ce-specversion", "1.0"),
        ("ce-id", &message.id),
        ("ce-source", &message.source),
        ("ce-type", "report"),
        ("ce-time", &message.time.to_string()),
        ("ce-epitaphmac", &message.epitaphmac),
        ("content-type", "application/json"),
    ];
    pairs.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).into_iter().collect()
}

/// A body would be taken for an event in reply.
fn is_taken(reply: &Reply) {
    assert_eq!(reply.status, 204);
    assert!(reply.body.is_empty());
    assert!(!reply.headers.keys().any(|name| name.as_str().starts_with("ce-")), "{:?}", reply.headers);
}

#[tokio::test]
async fn what_is_done_is_taken_and_the_answer_is_empty() {
    let house = House::new(Verdict::Is(Outcome::Done));
    is_taken(&house.deliver().await);
    assert_eq!(house.handled(), 1);
}

#[tokio::test]
async fn what_has_to_wait_for_an_engine_comes_again() {
    let house = House::new(Verdict::Is(Outcome::Later("the catalog is down".to_owned())));
    let reply = house.deliver().await;
    assert_eq!((reply.status, reply.headers["retry-after"].to_str().unwrap()), (503, "5"));
    assert!(house.told.buried.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_dead_is_buried_first_and_taken_then() {
    let house = House::new(Verdict::Is(Outcome::Dead("it holds no report".to_owned())));
    is_taken(&house.deliver().await);
    let buried = house.told.buried.lock().unwrap().pop().unwrap();
    assert_eq!(
        (buried.reason.as_str(), buried.place.as_str(), buried.attempts),
        ("it holds no report", "broker", 1)
    );
    let message: Message = serde_json::from_slice(&buried.bytes).unwrap();
    assert!(secret().is_signed(&message));

    let house = House::new(Verdict::DeadAndNotBuried);
    let reply = house.deliver().await;
    assert_eq!(reply.status, 503, "it is not to be lost");
}

#[tokio::test]
async fn a_message_that_ends_its_handler_comes_again_and_is_buried_at_last() {
    let house = House::new(Verdict::Panic);
    for _ in 1..20 {
        assert_eq!(house.deliver().await.status, 500);
    }
    is_taken(&house.deliver().await);
    assert_eq!(house.told.buried.lock().unwrap().pop().unwrap().attempts, 20);
    assert_eq!(house.deliver().await.status, 500, "what was forgotten has its attempts again");
}

#[tokio::test]
async fn a_forged_message_is_refused_for_good_and_counted_and_nobody_sees_it() {
    let house = House::new(Verdict::Is(Outcome::Done));
    let message = message();
    let mut forged = headers(&message);
    forged.insert("ce-epitaphmac", "00".repeat(32).parse().unwrap());
    let reply = house.post(&forged, message.data.get().to_owned()).await;
    assert_eq!(reply.status, 403);
    assert_eq!(house.post(&headers(&message), "\"other words\"").await.status, 403);
    forged.remove("ce-epitaphmac");
    assert_eq!(house.post(&forged, message.data.get().to_owned()).await.status, 403);
    assert_eq!(house.handled(), 0);
    assert!(house.told.buried.lock().unwrap().is_empty());
    assert!(house.metrics.text().contains("reason=\"forged\"} 3"), "{}", house.metrics.text());
}

#[tokio::test]
async fn what_is_no_message_is_refused_for_good() {
    let house = House::new(Verdict::Is(Outcome::Done));
    let mut foreign = headers(&message());
    foreign.insert("ce-type", "dev.knative.sources.ping".parse().unwrap());
    let mut batch = HeaderMap::new();
    batch.insert("content-type", "application/cloudevents-batch+json".parse().unwrap());
    for (headers, body, status) in [
        (&foreign, "{}".to_owned(), 400),
        (&HeaderMap::new(), "{}".to_owned(), 400),
        (&headers(&message()), "{".to_owned(), 400),
        (&batch, "[]".to_owned(), 415),
        (&headers(&message()), "1".repeat(200 << 10), 413),
    ] {
        let reply = house.post(headers, body).await;
        assert_eq!(reply.status, status, "{}", String::from_utf8_lossy(&reply.body));
        assert!(!reply.body.is_empty(), "it is said why");
    }
    assert_eq!(house.handled(), 0);
    assert_eq!(post(house.address, "/other", &HeaderMap::new(), Bytes::new()).await.unwrap().status, 404);
}

#[tokio::test]
async fn messages_wait_for_their_turn_and_not_for_ever() {
    let let_go = Arc::new(Semaphore::new(0));
    let house = House::new(Verdict::Waits(Arc::clone(&let_go)));
    let (first, second) = tokio::join!(house.deliver(), async {
        while house.handled() == 0 {
            tokio::task::yield_now().await;
        }
        let busy = house.deliver().await;
        let_go.add_permits(2);
        busy
    });
    is_taken(&first);
    assert_eq!((second.status, second.headers["retry-after"].to_str().unwrap()), (503, "1"));
    is_taken(&house.deliver().await);
}
