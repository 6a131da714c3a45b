//! A collector on one host, the broker and all behind it on another, and a link between them that is cut, slowed down and
//! healed while games post. What was answered 200 is recorded, once.
//!
//! The hosts are network name spaces, which need root and `ip`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up should fail")]

mod knative_house;

use std::{
    collections::BTreeSet,
    fs::File,
    net::SocketAddr,
    os::fd::AsFd as _,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use epitaph_crash_model::CrashId;
use epitaph_test_services::left_out;
use knative_house::{House, collector, context, report};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp},
    sync::oneshot,
    task::JoinSet,
};

/// Games that post at the same time.
const GAMES: u64 = 8;
/// How long a client waits for its answer (Unreal: 10 s, Crashpad: 20 s).
const CLIENT_PATIENCE: Duration = Duration::from_secs(10);
/// What the core is called by the edge.
const CORE: &str = "10.203.7.2";

/// Two hosts with a link between them. They go when this is dropped.
struct Hosts {
    names: [String; 2],
}

fn ip(arguments: &str) -> bool {
    Command::new("ip").args(arguments.split(' ')).output().is_ok_and(|output| output.status.success())
}

impl Hosts {
    /// `None` where this process may not make them.
    fn new() -> Option<Self> {
        let number = std::process::id();
        let hosts = Self { names: ["edge", "core"].map(|host| format!("epitaph-{host}-{number}")) };
        let [edge, core] = &hosts.names;
        if !ip(&format!("netns add {edge}")) {
            return None;
        }
        for arguments in [
            format!("netns add {core}"),
            format!("-n {edge} link add link0 type veth peer name link0 netns {core}"),
            format!("-n {edge} addr add 10.203.7.1/30 dev link0"),
            format!("-n {core} addr add {CORE}/30 dev link0"),
            format!("-n {edge} link set lo up"),
            format!("-n {core} link set lo up"),
            format!("-n {edge} link set link0 up"),
            format!("-n {core} link set link0 up"),
        ] {
            assert!(ip(&arguments), "ip {arguments}");
        }
        Some(hosts)
    }

    fn link(&self, state: &str) {
        assert!(ip(&format!("-n {} link set link0 {state}", self.names[1])));
    }

    /// A thread on one of the hosts, and a runtime on it.
    fn on<T: Send + 'static, F: Future<Output = T>>(
        &self,
        host: usize,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let place = Path::new("/run/netns").join(&self.names[host]);
        thread::spawn(move || {
            let name_space = File::open(place).unwrap();
            move_into_link_name_space(name_space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(work())
        })
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            ip(&format!("netns del {name}"));
        }
    }
}

/// What stands between the link and the broker: it passes bytes on, after a while.
#[derive(Clone, Default)]
struct Relay {
    delay: Arc<AtomicU64>,
}

impl Relay {
    fn delay(&self, delay: Duration) {
        self.delay.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Passes on what comes to the core's address, until this is dropped. Gives the address.
    async fn start(&self, to: SocketAddr) -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind((CORE, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let relay = self.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (edge, _) = listener.accept().await.unwrap();
                let relay = relay.clone();
                connections.spawn(async move {
                    let Ok(core) = TcpStream::connect(to).await else { return };
                    let ((from_edge, to_edge), (from_core, to_core)) = (edge.into_split(), core.into_split());
                    tokio::join!(relay.pass(from_edge, to_core), relay.pass(from_core, to_edge));
                });
            }
        });
        (address, tasks)
    }

    async fn pass(&self, mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf) {
        let mut bytes = vec![0; 16 << 10];
        while let Ok(length @ 1..) = from.read(&mut bytes).await {
            tokio::time::sleep(Duration::from_millis(self.delay.load(Ordering::Relaxed))).await;
            if to.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    }
}

/// Games post at a collector on the edge until they are told to stop. Gives what was answered.
async fn edge(directory: std::path::PathBuf, sink: String, stop: Arc<AtomicBool>) -> Vec<CrashId> {
    let collector = collector(&context(&directory, &sink, "report"));
    let mut games = JoinSet::new();
    for game in 0..GAMES {
        let (address, stop) = (collector.address, Arc::clone(&stop));
        games.spawn(async move {
            let mut answered = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let number = usize::try_from(game).unwrap() + answered.len();
                let answer = tokio::time::timeout(CLIENT_PATIENCE, report(address, number)).await;
                answered.push(answer.unwrap_or_else(|_| panic!("a game has given up")));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            answered
        });
    }
    games.join_all().await.into_iter().flatten().collect()
}

#[test]
fn whatever_becomes_of_the_link_every_answered_report_is_recorded_once() {
    let Some(hosts) = Hosts::new() else {
        left_out("making network name spaces needs root and ip (iproute2)");
        return;
    };
    let (relay, stop) = (Relay::default(), Arc::new(AtomicBool::new(false)));
    let (said, heard) = oneshot::channel();
    let (posted, all_posted) = oneshot::channel::<Vec<CrashId>>();
    let core = hosts.on(1, {
        let relay = relay.clone();
        move || async move {
            let house = House::new().await;
            let (process, maintain) = (house.process(None), house.maintain());
            house.trigger(&process, &maintain, 1_000_000);
            let broker = house.broker.url();
            let broker = url::Url::parse(&broker).unwrap();
            let address = broker.socket_addrs(|| None).unwrap()[0];
            let (relayed, _relay) = relay.start(address).await;
            let sink = format!("http://{relayed}{}", broker.path());
            said.send((house.directory().to_owned(), sink)).unwrap();

            let answered = all_posted.await.unwrap();
            let ids: BTreeSet<_> = answered.iter().copied().collect();
            assert_eq!(ids.len(), answered.len(), "an id was given twice");
            let parked = house.parked().await;
            let taken = house.broker.taken();
            house.settled(&maintain).await;
            house.holds_exactly(&ids).await;
            (answered.len(), parked, taken.len())
        }
    });
    let (directory, sink) = heard.blocking_recv().unwrap();
    let games = hosts.on(0, {
        let stop = Arc::clone(&stop);
        move || edge(directory, sink, stop)
    });
    #[expect(clippy::disallowed_methods, reason = "how long a link is down is what is tested")]
    let pause = |seconds: f64| thread::sleep(Duration::from_secs_f64(seconds));
    pause(1.0);
    hosts.link("down");
    pause(4.0);
    hosts.link("up");
    pause(2.0);
    // Later than a collector waits for the queue: the broker takes what is parked as well.
    relay.delay(Duration::from_millis(2500));
    pause(6.0);
    // Cut in the middle of that.
    hosts.link("down");
    relay.delay(Duration::from_millis(100));
    pause(1.0);
    hosts.link("up");
    pause(3.0);
    relay.delay(Duration::ZERO);
    pause(1.0);
    stop.store(true, Ordering::Relaxed);
    posted.send(games.join().unwrap()).unwrap();
    let (answered, parked, taken) = core.join().unwrap();
    println!(
        "{answered} answered; {parked} of them parked and {taken} taken by the broker when games stopped"
    );
    assert!(parked > 0 && taken > 0, "the link was not cut, or never whole");
}
