//! A client that costs little: a request is bytes that are ready, and of an answer only the status is looked at.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use crate::payload::Request;

/// The longest header of an answer.
const LONGEST_HEADER: usize = 16 << 10;
/// Headers that an answer may have.
const MOST_HEADERS: usize = 32;

/// A connection that is used for one request after another.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Whether the server will take another request.
    open: bool,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; LONGEST_HEADER], open: true })
    }

    /// Whether the server will take another request.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Sends a request and reads its answer to the end; gives the status.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<u16> {
        self.open = false;
        let written = self.stream.write_all(request).await;
        // A server that refuses a body may have answered and closed before it is all sent.
        let answer = self.answer().await;
        let (status, keep_alive) = written.and(answer)?;
        self.open = keep_alive;
        Ok(status)
    }

    async fn answer(&mut self) -> io::Result<(u16, bool)> {
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            filled += read;
            let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
            let mut answer = httparse::Response::new(&mut headers);
            let parsed = answer.parse(&self.buffer[..filled]).map_err(io::Error::other)?;
            let httparse::Status::Complete(length) = parsed else {
                if read == 0 || filled == self.buffer.len() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                continue;
            };
            let header = |name: &str| {
                let found = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
                found.and_then(|header| std::str::from_utf8(header.value).ok())
            };
            let body: usize = header("content-length").and_then(|text| text.parse().ok()).unwrap_or_default();
            let closes = header("connection").is_some_and(|text| text.eq_ignore_ascii_case("close"));
            let status = answer.code.unwrap_or_default();
            let mut left = body.saturating_sub(filled - length);
            while left > 0 {
                let room = left.min(self.buffer.len());
                match self.stream.read(&mut self.buffer[..room]).await? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    read => left -= read,
                }
            }
            return Ok((status, !closes));
        }
    }
}

/// What became of the requests that were answered while it was measured.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How long each took that was answered 200, in microseconds.
    pub(crate) accepted: Vec<u32>,
    /// Answers of another status.
    pub(crate) refused: u64,
    /// No answers.
    pub(crate) broken: u64,
    /// All that were ever answered 200, and all that were refused, measured or not.
    pub(crate) ever: (u64, u64),
}

/// Clients that each send their next request when the last one is answered.
pub(crate) struct ClosedLoop {
    shared: Arc<Shared>,
    tasks: JoinSet<Tally>,
}

#[derive(Default)]
struct Shared {
    measuring: AtomicBool,
    stopped: AtomicBool,
    /// All that were ever answered 200, measured or not.
    accepted: AtomicU64,
    refused: AtomicU64,
}

impl ClosedLoop {
    /// Starts so many clients, each with a connection of its own.
    pub(crate) fn start(address: SocketAddr, request: &Arc<Request>, connections: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        for number in 0..connections {
            let client = Client {
                address,
                request: Arc::clone(request),
                shared: Arc::clone(&shared),
                next: (number as u64) << 40,
            };
            tasks.spawn(client.run());
        }
        Self { shared, tasks }
    }

    /// From now on what is answered counts.
    pub(crate) fn measure(&self) {
        self.shared.measuring.store(true, Ordering::Relaxed);
    }

    /// All that were answered 200 so far, and all that were refused.
    pub(crate) fn so_far(&self) -> (u64, u64) {
        (self.shared.accepted.load(Ordering::Relaxed), self.shared.refused.load(Ordering::Relaxed))
    }

    /// No more counts. Waits for the last answers, and gives the tally of all.
    pub(crate) async fn stop(mut self) -> Tally {
        self.shared.measuring.store(false, Ordering::Relaxed);
        self.shared.stopped.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        while let Some(tally) = self.tasks.join_next().await {
            let Ok(tally) = tally else { continue };
            all.accepted.extend(tally.accepted);
            all.refused += tally.refused;
            all.broken += tally.broken;
        }
        all.ever = self.so_far();
        all
    }
}

struct Client {
    address: SocketAddr,
    request: Arc<Request>,
    shared: Arc<Shared>,
    /// The number in the next request.
    next: u64,
}

impl Client {
    async fn run(mut self) -> Tally {
        let mut tally = Tally::default();
        let mut bytes = self.request.bytes().to_vec();
        let mut connection = None;
        while !self.shared.stopped.load(Ordering::Relaxed) {
            self.request.number(&mut bytes, self.next);
            self.next += 1;
            let begun = Instant::now();
            let answer = ask(&mut connection, self.address, &bytes).await;
            let took = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
            let measuring = self.shared.measuring.load(Ordering::Relaxed);
            match answer {
                Ok(200) => {
                    self.shared.accepted.fetch_add(1, Ordering::Relaxed);
                    if measuring {
                        tally.accepted.push(took);
                    }
                }
                Ok(_) => {
                    self.shared.refused.fetch_add(1, Ordering::Relaxed);
                    tally.refused += u64::from(measuring);
                    // A client that is refused does not try again at once.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(_) => {
                    tally.broken += u64::from(measuring);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
        tally
    }
}

async fn ask(connection: &mut Option<Connection>, address: SocketAddr, request: &[u8]) -> io::Result<u16> {
    let mut current = match connection.take() {
        Some(current) => current,
        None => Connection::open(address).await?,
    };
    let status = current.ask(request).await?;
    *connection = Some(current).filter(Connection::is_open);
    Ok(status)
}
