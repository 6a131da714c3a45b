//! The HTTP server: hyper with its connections watched, capped and drained.

mod connection;
mod first_request;
mod phase;
mod service;
mod signals;
mod stream;

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::Router;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};

pub(crate) use self::service::Host;
pub use self::{service::FunctionName, signals::Signals};
use crate::{metrics::Metrics, settings::Limits};

/// Connections that the system keeps for us while we are busy: a surge should wait, not be refused. Linux lowers it to
/// `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// How long to wait when the system has no file descriptor or memory for another connection. One will be closed soon.
const BACK_OFF: Duration = Duration::from_millis(100);

/// File descriptors that are wanted; more are no use, and some programs walk through all that are allowed.
const WANTED_FILES: u64 = 65_536;

/// File descriptors that are kept for what is not a connection.
const OTHER_FILES: u64 = 64;

/// How a server treats its connections.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The function that answers are counted for, unless an answer says otherwise by a [`FunctionName`].
    pub function: &'static str,
    /// Open connections; more wait to be accepted.
    pub connections: usize,
    /// The longest time for a request's header, from the connection or from the header's first byte.
    pub header_time: Duration,
    /// How long a connection may rest between requests.
    pub keep_alive: Duration,
    /// How long requests may finish once the server is told to stop.
    pub drain: Duration,
    /// Where requests are counted.
    pub metrics: Metrics,
}

impl HttpSettings {
    /// As the limits say.
    pub fn new(function: &'static str, limits: &Limits, metrics: Metrics) -> Self {
        Self {
            function,
            connections: limits.connections,
            header_time: limits.header_time,
            keep_alive: limits.keep_alive,
            drain: limits.drain,
            metrics,
        }
    }
}

/// How a drain went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// How long it took.
    pub took: Duration,
    /// Connections that had to be cut off.
    pub cut: usize,
}

/// Listens on an address. Must be called on a tokio runtime with I/O.
///
/// # Errors
/// When the address is taken, or is not this machine's.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for connections of the process before.
    socket.set_reuseaddr(true)?;
    socket
        .bind(address)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))?;
    socket.listen(BACKLOG)
}

/// Serves `router` over HTTP/1.1 and HTTP/2 with prior knowledge until `shutdown` is over, then drains: no new
/// connections, and requests that have begun may finish within `settings.drain`.
///
/// `GET /health/liveness` and `GET /health/readiness` are answered here, before the router and uncounted. A handler that
/// panics answers 500. Bodies are the router's own to limit and time; while one is read or an answer is made, the
/// connection has no deadline.
///
/// Dropping the future cuts all connections.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: HttpSettings,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let room = settings.connections.min(raise_file_limit()).max(1);
    let settings = Arc::new(settings);
    let host = Arc::new(Host::new(router, settings.function, settings.metrics.clone()));
    let (drain, draining) = watch::channel(false);
    let mut connections = JoinSet::new();
    let begin = |connections: &mut JoinSet<()>, socket: TcpStream| {
        connections.spawn(connection::run(
            socket,
            Arc::clone(&host),
            Arc::clone(&settings),
            draining.clone(),
        ));
    };

    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < room => match accepted {
                Ok((socket, _)) => begin(&mut connections, socket),
                Err(error) if is_one_connections_fault(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, connections = connections.len(), "cannot accept a connection");
                    tokio::time::sleep(BACK_OFF).await;
                }
            },
        }
    }

    let started = Instant::now();
    host.draining.store(true, Ordering::Relaxed);
    // Connections that the system has made already would be reset with the listener, and their requests lost. The
    // runtime does not know of the latest: the system is asked, until there is none.
    if let Ok(listener) = listener.into_std() {
        while connections.len() < room {
            match listener.accept().and_then(|(socket, _)| connected(socket)) {
                Ok(socket) => begin(&mut connections, socket),
                Err(error) if is_one_connections_fault(&error) => {}
                Err(_) => break,
            }
        }
    }
    let _ = drain.send(true);
    let _ = timeout(settings.drain, async { while connections.join_next().await.is_some() {} }).await;
    let drained = Drained { took: started.elapsed(), cut: connections.len() };
    if drained.cut > 0 {
        tracing::warn!(cut = drained.cut, "requests did not finish in time and were cut off");
    }
    connections.shutdown().await;
    drained
}

fn connected(socket: std::net::TcpStream) -> io::Result<TcpStream> {
    socket.set_nonblocking(true)?;
    TcpStream::from_std(socket)
}

/// The client went away between its connection and our taking it: the next one is as good as ever.
fn is_one_connections_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Raises the soft limit of open files as far as it is useful and allowed, and gives how many connections fit.
fn raise_file_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(WANTED_FILES).min(WANTED_FILES);
    let current = limit.current.unwrap_or(WANTED_FILES);
    let raised = current < wanted
        && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).is_ok();
    let files = if raised { wanted } else { current };
    usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX)
}
