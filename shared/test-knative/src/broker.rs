//! A broker that keeps what it has taken, and delivers it until it is told that it is handled.

use std::{
    collections::{BTreeSet, VecDeque},
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt as _;
use http::{HeaderValue, header::CONTENT_LENGTH};
use tokio::{sync::Notify, task::JoinSet};

use crate::{Answer, Posted, Sink, post};

/// How the broker treats those who post, and those it posts to. Numbers are of a hundred.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weather {
    /// Refuses so many, with 503.
    pub refused: u64,
    /// Closes the connection of so many without an answer, whether it has taken the event or not.
    pub unanswered: u64,
    /// Answers after up to this.
    pub delay: Duration,
    /// Delivers so many twice, at the same time.
    pub duplicated: u64,
    /// Delivers in no order.
    pub reordered: bool,
}

/// Where events go.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// The subscriber.
    pub subscriber: SocketAddr,
    /// Where events go that the subscriber did not take, with the path.
    pub dead_letters: Option<(SocketAddr, String)>,
    /// How often an event is delivered anew.
    pub retry: u32,
    /// The pause before that.
    pub pause: Duration,
}

/// A broker. What it has taken survives [`Broker::die`], as on a disk.
pub struct Broker {
    state: Arc<State>,
    address: SocketAddr,
    running: Option<(Sink, JoinSet<()>)>,
}

struct State {
    weather: Mutex<Weather>,
    trigger: Mutex<Option<Trigger>>,
    log: Mutex<Log>,
    changed: Notify,
}

#[derive(Default)]
struct Log {
    taken: Vec<Posted>,
    /// Indices into `taken`, with the number of deliveries that failed.
    waiting: VecDeque<(usize, u32)>,
    handled: BTreeSet<usize>,
    /// What the subscriber answered, and how often.
    dropped: Vec<(usize, u16)>,
}

/// So many deliveries at the same time.
const DELIVERIES: usize = 8;

impl Broker {
    /// Starts a broker, in good weather, with nobody to deliver to.
    pub fn start() -> Self {
        let state = Arc::new(State {
            weather: Mutex::default(),
            trigger: Mutex::default(),
            log: Mutex::default(),
            changed: Notify::new(),
        });
        let mut broker = Self { state, address: (Ipv4Addr::LOCALHOST, 0).into(), running: None };
        broker.revive();
        broker
    }

    /// What functions are given as `K_SINK`.
    pub fn url(&self) -> String {
        format!("http://{}/games/default", self.address)
    }

    /// Changes the weather.
    pub fn turn(&self, weather: Weather) {
        *self.state.weather.lock().unwrap() = weather;
    }

    /// Delivers to this subscriber from now on.
    pub fn trigger(&self, trigger: Trigger) {
        *self.state.trigger.lock().unwrap() = Some(trigger);
        self.state.changed.notify_waiters();
    }

    /// Ends at once: nobody is answered any more, nor does it learn what became of its deliveries.
    pub async fn die(&mut self) {
        if let Some((sink, mut deliveries)) = self.running.take() {
            sink.close().await;
            deliveries.shutdown().await;
        }
    }

    /// Starts again, after [`Broker::die`], with what it had taken, and delivers all of which it does not know that it was handled.
    pub fn revive(&mut self) {
        let mut log = self.state.log.lock().unwrap();
        log.waiting = (0..log.taken.len())
            .filter(|index| !log.handled.contains(index))
            .map(|index| (index, 0))
            .collect();
        drop(log);
        let state = Arc::clone(&self.state);
        let sink = Sink::at(
            self.address,
            None,
            Arc::new(move |posted| {
                let state = Arc::clone(&state);
                async move { state.take(posted).await }.boxed()
            }),
        );
        self.address = sink.address();
        let mut deliveries = JoinSet::new();
        for _ in 0..DELIVERIES {
            deliveries.spawn(Arc::clone(&self.state).deliver_all());
        }
        self.running = Some((sink, deliveries));
    }

    /// What it has taken so far.
    pub fn taken(&self) -> Vec<Posted> {
        self.state.log.lock().unwrap().taken.clone()
    }

    /// The ids of what it has taken so far.
    pub fn taken_ids(&self) -> BTreeSet<String> {
        self.state.log.lock().unwrap().taken.iter().map(id_of).collect()
    }

    /// Takes an event for itself, whoever posts it.
    pub fn put(&self, posted: Posted) {
        self.state.keep(posted);
    }

    /// The ids of events that nobody took, and what the subscriber answered last (0: nothing).
    pub fn dropped(&self) -> Vec<(String, u16)> {
        let log = self.state.log.lock().unwrap();
        log.dropped.iter().map(|&(index, status)| (id_of(&log.taken[index]), status)).collect()
    }

    /// Waits until all that it has taken is handled, or given up.
    pub async fn settled(&self) {
        loop {
            let changed = self.state.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            {
                let log = self.state.log.lock().unwrap();
                if log.handled.len() == log.taken.len() {
                    return;
                }
            }
            changed.await;
        }
    }
}

fn id_of(posted: &Posted) -> String {
    posted.headers.get("ce-id").map(|id| id.to_str().unwrap().to_owned()).unwrap_or_default()
}

/// Whether one of a hundred, drawn anew, is among the first so many.
fn falls(among: u64) -> bool {
    drawn(100) < among
}

fn drawn(below: u64) -> u64 {
    RandomState::new().hash_one(below) % below.max(1)
}

impl State {
    async fn take(&self, posted: Posted) -> Answer {
        let weather = *self.weather.lock().unwrap();
        tokio::time::sleep(weather.delay.mul_f64(drawn(1000) as f64 / 1000.0)).await;
        if falls(weather.refused) {
            return Answer::Status(503);
        }
        let event = ["ce-id", "ce-source", "ce-type", "ce-specversion"];
        if !event.iter().all(|name| posted.headers.contains_key(*name)) {
            return Answer::Status(400);
        }
        let lost = falls(weather.unanswered);
        if lost && falls(50) {
            return Answer::Nothing;
        }
        self.keep(posted);
        if lost { Answer::Nothing } else { Answer::Status(202) }
    }

    fn keep(&self, posted: Posted) {
        let mut log = self.log.lock().unwrap();
        log.taken.push(posted);
        let index = log.taken.len() - 1;
        log.waiting.push_back((index, 0));
        drop(log);
        self.changed.notify_waiters();
    }

    async fn deliver_all(self: Arc<Self>) {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            let Some((trigger, index, failed)) = self.next() else {
                changed.await;
                continue;
            };
            self.deliver(&trigger, index, failed).await;
            self.changed.notify_waiters();
        }
    }

    fn next(&self) -> Option<(Trigger, usize, u32)> {
        let trigger = self.trigger.lock().unwrap().clone()?;
        let reordered = self.weather.lock().unwrap().reordered;
        let mut log = self.log.lock().unwrap();
        let waiting = log.waiting.len();
        let at = if reordered && waiting > 0 { usize::try_from(drawn(waiting as u64)).unwrap() } else { 0 };
        let (index, failed) = log.waiting.remove(at)?;
        Some((trigger, index, failed))
    }

    async fn deliver(&self, trigger: &Trigger, index: usize, failed: u32) {
        let weather = *self.weather.lock().unwrap();
        let mut event = self.log.lock().unwrap().taken[index].clone();
        event.headers.remove(CONTENT_LENGTH);
        event.headers.remove("host");
        let once = || post(trigger.subscriber, "/", &event.headers, event.body.clone());
        let answer = if falls(weather.duplicated) {
            let (first, second) = tokio::join!(once(), once());
            first.and(second)
        } else {
            once().await
        };
        if let Ok(reply) = &answer
            && (200..300).contains(&reply.status)
        {
            assert!(reply.body.is_empty(), "a broker takes a body for a reply event");
            assert!(!reply.headers.keys().any(|name| name.as_str().starts_with("ce-")));
            self.log.lock().unwrap().handled.insert(index);
            return;
        }
        let status = answer.as_ref().map_or(0, |reply| reply.status);
        let again = matches!(status, 0 | 404 | 408 | 409 | 429 | 500..);
        if again && failed < trigger.retry {
            tokio::time::sleep(trigger.pause).await;
            self.log.lock().unwrap().waiting.push_back((index, failed + 1));
            return;
        }
        if let Some((address, path)) = &trigger.dead_letters {
            let code = HeaderValue::from_str(&status.to_string()).unwrap();
            event.headers.insert("ce-knativeerrorcode", code);
            let destination = format!("http://{}/", trigger.subscriber);
            event.headers.insert("ce-knativeerrordest", destination.parse().unwrap());
            let answer = post(*address, path, &event.headers, event.body.clone()).await;
            if !answer.is_ok_and(|reply| (200..300).contains(&reply.status)) {
                self.log.lock().unwrap().dropped.push((index, status));
            }
        } else {
            self.log.lock().unwrap().dropped.push((index, status));
        }
        self.log.lock().unwrap().handled.insert(index);
    }
}
