//! A small balancer: connections go to its instances in turn, and on to the next where one does not accept them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};

/// A running balancer. It ends, with its connections, when this is dropped.
pub struct Balancer {
    address: SocketAddr,
    instances: Arc<Mutex<Vec<SocketAddr>>>,
    _tasks: JoinSet<()>,
}

impl Balancer {
    /// A balancer of nothing, on a port of the loopback interface.
    pub fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1024).unwrap();
        let address = listener.local_addr().unwrap();
        let instances = Arc::<Mutex<Vec<_>>>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&instances)));
        Self { address, instances, _tasks: tasks }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Balances over one more.
    pub fn add(&self, instance: SocketAddr) {
        self.instances.lock().unwrap().push(instance);
    }

    /// Balances over one less.
    pub fn remove(&self, instance: SocketAddr) {
        self.instances.lock().unwrap().retain(|known| *known != instance);
    }
}

async fn accept(listener: TcpListener, instances: Arc<Mutex<Vec<SocketAddr>>>) {
    let turn = Arc::new(AtomicUsize::new(0));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((mut client, _)) = accepted else { continue };
                let (instances, turn) = (Arc::clone(&instances), Arc::clone(&turn));
                connections.spawn(async move {
                    let mut instance = connect(&instances, &turn).await;
                    let _ = client.set_nodelay(true);
                    let _ = copy_bidirectional(&mut client, &mut instance).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connect(instances: &Mutex<Vec<SocketAddr>>, turn: &AtomicUsize) -> TcpStream {
    loop {
        let known = instances.lock().unwrap().clone();
        for _ in 0..known.len() {
            let next = known[turn.fetch_add(1, Ordering::Relaxed) % known.len()];
            if let Ok(instance) = TcpStream::connect(next).await {
                let _ = instance.set_nodelay(true);
                return instance;
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
