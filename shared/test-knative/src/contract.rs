//! What Knative asks of every container, asked of a function's own binary.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::task::JoinSet;

use crate::{
    Balancer, Broker, Container, Reply,
    client::{get, send},
};

/// Requests while instances are replaced, and how often one is.
const REQUESTS: usize = 10_000;
const RESTARTS: usize = 20;
/// Clients at the same time.
const CLIENTS: usize = 16;
/// Longer than any instance needs to finish what it has begun here.
const DRAIN: Duration = Duration::from_secs(20);

type MakeRequest = dyn Fn(usize) -> Request<Full<Bytes>> + Send + Sync;

/// A function, and a request that it answers well.
pub struct Contract {
    /// With everything that it needs, but for `K_SINK`.
    pub container: Container,
    /// Whether it posts messages, and so needs a broker.
    pub needs_sink: bool,
    request: Arc<MakeRequest>,
    expected: u16,
}

impl Contract {
    /// A function that answers these requests with this status.
    pub fn new(
        container: Container,
        needs_sink: bool,
        expected: u16,
        request: impl Fn(usize) -> Request<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self { container, needs_sink, request: Arc::new(request), expected }
    }

    fn bound_to(&self, broker: &Broker) -> Container {
        let mut container = self.container.clone();
        container.set("K_SINK", broker.url());
        container
    }

    fn holds(&self, reply: &Reply) {
        assert_eq!(reply.status, self.expected, "{}", String::from_utf8_lossy(&reply.body));
    }

    /// The socket is bound when the function is ready, and not before; it speaks HTTP/1.1 and h2c; SIGTERM ends it well.
    pub async fn is_ready_once_it_is_bound_and_speaks_both_protocols(&self) {
        let broker = Broker::start();
        let instance = self.bound_to(&broker).serve().await;
        for h2c in [false, true] {
            for path in ["/health/readiness", "/health/liveness"] {
                let reply = send(instance.address(), get(path), h2c).await.unwrap();
                assert_eq!(reply.status, 200, "{path}");
            }
            self.holds(&send(instance.address(), (self.request)(0), h2c).await.unwrap());
        }
        let begun = Instant::now();
        let (status, said) = instance.terminate().await;
        assert!(status.success(), "{status}: {said}");
        assert!(begun.elapsed() < DRAIN, "it drained for {:?} with nothing to do", begun.elapsed());
    }

    /// What is missing ends it with 64, and one line that names it.
    pub fn says_what_is_missing(&self) {
        let mut cases = vec!["EPITAPH_SECRET", "EPITAPH_BUCKET"];
        if self.needs_sink {
            cases.push("K_SINK");
        }
        for name in cases {
            let mut container = self.container.clone();
            container.set("K_SINK", "http://broker.example.com/games/default");
            container.unset(name);
            let (said, code) = container.run_to_end();
            assert_eq!(code, Some(64), "{said}");
            assert!(said.contains(name) && said.lines().count() == 1, "{said}");
        }
    }

    /// Nothing but `/tmp` need be writable.
    pub async fn writes_nowhere_but_in_tmp(&self) {
        if !Container::can_be_read_only() {
            epitaph_test_services::left_out("this machine lets nobody mount");
            return;
        }
        let broker = Broker::start();
        let mut container = self.bound_to(&broker);
        container.read_only = true;
        let instance = container.serve().await;
        self.holds(&send(instance.address(), (self.request)(0), false).await.unwrap());
        let (status, said) = instance.terminate().await;
        assert!(status.success(), "{status}: {said}");
    }

    /// Two instances behind a balancer, replaced one after the other by SIGTERM, without notice to the balancer: every
    /// request is answered well. Gives the broker, which has taken what was answered.
    pub async fn drops_no_request_while_instances_are_replaced(&self) -> Broker {
        let broker = Broker::start();
        let container = self.bound_to(&broker);
        let balancer = Balancer::start();
        let mut instances = [container.serve().await, container.serve().await];
        instances.iter().for_each(|instance| balancer.add(instance.address()));

        let (begun, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (address, expected) = (balancer.address(), self.expected);
            let (begun, answered, request) =
                (Arc::clone(&begun), Arc::clone(&answered), Arc::clone(&self.request));
            clients.spawn(async move {
                loop {
                    let number = begun.fetch_add(1, Ordering::Relaxed);
                    if number >= REQUESTS {
                        return;
                    }
                    let reply = send(address, request(number), false).await;
                    let reply = reply.unwrap_or_else(|error| panic!("request {number} was dropped: {error}"));
                    assert_eq!(reply.status, expected, "{}", String::from_utf8_lossy(&reply.body));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for restart in 0..RESTARTS {
            // In the midst of the load, however long it takes.
            while answered.load(Ordering::Relaxed) < REQUESTS * (restart + 1) / (RESTARTS + 2) {
                assert!(!clients.is_empty());
                if let Some(Err(error)) = clients.try_join_next() {
                    std::panic::resume_unwind(error.into_panic());
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let fresh = container.serve();
            let old = &mut instances[restart % 2];
            let old_address = old.address();
            let fresh = fresh.await;
            balancer.add(fresh.address());
            let (status, said) = std::mem::replace(old, fresh).terminate().await;
            balancer.remove(old_address);
            assert!(status.success(), "{status}: {said}");
        }
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
        assert_eq!(answered.load(Ordering::Relaxed), REQUESTS);
        for instance in instances {
            let (status, said) = instance.terminate().await;
            assert!(status.success(), "{status}: {said}");
        }
        broker
    }

    /// As [`Contract::drops_no_request_while_instances_are_replaced`], for a function that posts one message for each
    /// request: the broker has taken exactly as many as were answered.
    pub async fn hands_over_what_it_answers_while_instances_are_replaced(&self) {
        let broker = self.drops_no_request_while_instances_are_replaced().await;
        let ids = broker.taken_ids();
        assert_eq!(ids.len(), REQUESTS, "messages were lost, or came from nowhere");
    }
}
