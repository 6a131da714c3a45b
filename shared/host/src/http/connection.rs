//! One connection, from its first bytes to its end.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use super::{
    HttpSettings, first_request,
    phase::{Expired, Phase, Watch},
    service::{Exchange, Host},
    stream::Stream,
};

/// How an HTTP/2 client begins (RFC 9113, 3.4). No HTTP/1.1 method begins like it.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection may still say when a drain begins before its first byte has been seen: its request may be in the
/// socket already, or on its way through a busy balancer.
const GRACE: Duration = Duration::from_secs(5);

/// hyper's buffer for one HTTP/1.1 connection, and so the largest header.
const HTTP1_BUFFER: usize = 64 << 10;

/// HTTP/2: what one connection, and one request on it, may send before somebody reads it.
const HTTP2_CONNECTION_WINDOW: u32 = 1 << 20;
const HTTP2_REQUEST_WINDOW: u32 = 256 << 10;
const HTTP2_REQUESTS: u32 = 128;
const HTTP2_HEADER: u32 = 16 << 10;
const HTTP2_SEND_BUFFER: usize = 64 << 10;
const HTTP2_PING: Duration = Duration::from_secs(30);

/// After an answer that came before the end of its request: how long the client may go on sending, and how long it may
/// pause.
const LINGER: Duration = Duration::from_secs(30);
const LINGER_PAUSE: Duration = Duration::from_secs(5);

/// What a client reads whose header does not end in time.
const TOO_SLOW: &str = "the header of the request came too slowly: expected its end within seconds\n";

type Draining = watch::Receiver<bool>;

pub(super) async fn run(socket: TcpStream, host: Arc<Host>, settings: Arc<HttpSettings>, draining: Draining) {
    // Answers are small and whole; waiting to fill a segment only delays them. A failure means a socket that is gone.
    let _ = socket.set_nodelay(true);
    let header_end = Instant::now() + settings.header_time;
    let mut socket = socket;
    let Some(first) = first_bytes(&mut socket, header_end, draining.clone()).await else { return };
    let multiplexed = first.as_ref() == PREFACE;
    let (first, last) = if multiplexed {
        (first, false)
    } else {
        let head = first_request::read(&mut socket, first, HTTP1_BUFFER);
        match timeout_at(header_end, head).await {
            Ok(head) => (head.bytes, head.last),
            Err(_) => return refuse_slow(socket, draining).await,
        }
    };
    let phase = Phase::new(header_end, settings.header_time, settings.keep_alive, multiplexed);
    let stream = Stream::new(socket, first, Arc::clone(&phase));
    let exchange = Exchange::new(host, Arc::clone(&phase), last);
    // Boxed, so that a connection that has sent nothing holds nothing but its socket and a timer.
    if multiplexed {
        Box::pin(http2(stream, exchange, phase, draining)).await;
    } else {
        Box::pin(http1(stream, exchange, phase, draining)).await;
    }
}

/// Reads until the protocol is known. `None` when the client says nothing, or too slowly.
async fn first_bytes(socket: &mut TcpStream, until: Instant, mut draining: Draining) -> Option<Bytes> {
    let mut bytes = [0; PREFACE.len()];
    let mut length = 0;
    let read = async {
        while length < bytes.len() && PREFACE.starts_with(&bytes[..length]) {
            match socket.read(&mut bytes[length..]).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => length += read,
            }
        }
        Some(Bytes::copy_from_slice(&bytes[..length]))
    };
    let told = async {
        // An error means that the server is gone, which is a drain as well.
        let _ = draining.wait_for(|draining| *draining).await;
        tokio::time::sleep(GRACE).await;
    };
    timeout_at(until, async {
        tokio::select! {
            first = read => first,
            () = told => None,
        }
    })
    .await
    .ok()
    .flatten()
}

async fn http1(stream: Stream, exchange: Exchange, phase: Arc<Phase>, draining: Draining) {
    let mut connection = http1::Builder::new()
        .max_buf_size(HTTP1_BUFFER)
        .header_read_timeout(None)
        // A client that closes its half has sent all it has, and may be gone without waiting for an answer. Without
        // this, hyper would drop the handler that is just making its report durable.
        .half_close(true)
        // Crashpad without libcurl looks for `Content-Length` in these very letters.
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), exchange);
    let may_still_send = match drive(&mut connection, &phase, draining.clone()).await {
        Ended::Done => phase.body_was_left(),
        Ended::Broken(error) => error.is_parse(),
        Ended::Cut(Expired::Header) => {
            let socket = connection.into_parts().io.into_inner().into_socket();
            return refuse_slow(socket, draining).await;
        }
        Ended::Cut(Expired::KeepAlive | Expired::Write) => return,
    };
    let mut socket = connection.into_parts().io.into_inner().into_socket();
    let _ = socket.shutdown().await;
    if may_still_send {
        linger(&mut socket, draining).await;
    }
}

async fn http2(stream: Stream, exchange: Exchange, phase: Arc<Phase>, draining: Draining) {
    let mut connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .initial_stream_window_size(HTTP2_REQUEST_WINDOW)
        .max_concurrent_streams(HTTP2_REQUESTS)
        .max_header_list_size(HTTP2_HEADER)
        .max_send_buf_size(HTTP2_SEND_BUFFER)
        .keep_alive_interval(HTTP2_PING)
        .serve_connection(TokioIo::new(stream), exchange);
    drive(&mut connection, &phase, draining).await;
}

/// What both kinds of hyper's connections can do.
trait Driven {
    /// Moves the connection on; ready when it has ended.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>>;

    /// Lets requests that have begun finish, and takes no others.
    fn drain(&mut self);
}

impl Driven for http1::Connection<TokioIo<Stream>, Exchange> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.poll_without_shutdown(context)
    }

    fn drain(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

impl Driven for http2::Connection<TokioIo<Stream>, Exchange, TokioExecutor> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        Future::poll(Pin::new(self), context)
    }

    fn drain(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

enum Ended {
    Done,
    Broken(hyper::Error),
    Cut(Expired),
}

/// Runs a connection until it ends, its phase has lasted too long, or a drain is over.
async fn drive(connection: &mut impl Driven, phase: &Arc<Phase>, mut draining: Draining) -> Ended {
    let mut told = pin!(draining.wait_for(|draining| *draining));
    let mut watch = Watch::new(Arc::clone(phase));
    // Whether hyper has been told of the drain, and whether we have.
    let (mut drained, mut stopping) = (false, false);
    poll_fn(|context| {
        loop {
            match connection.poll(context) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ended::Done),
                Poll::Ready(Err(error)) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
                    return Poll::Ready(Ended::Broken(error));
                }
                Poll::Pending => {}
            }
            stopping = stopping || told.as_mut().poll(context).is_ready();
            // hyper would take a header of which only a part has come for no request at all.
            if !stopping || drained || phase.is_in_header() {
                break;
            }
            drained = true;
            connection.drain();
        }
        watch.poll(context).map(|expired| {
            tracing::debug!(?expired, "a connection was cut");
            Ended::Cut(expired)
        })
    })
    .await
}

/// Answers a header that does not end, and closes. hyper answers only what it has a request for.
async fn refuse_slow(mut socket: TcpStream, draining: Draining) {
    let length = TOO_SLOW.len();
    let answer = format!(
        "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{TOO_SLOW}"
    );
    // It fits into the socket's buffer; a client that has not even room there is not waited for.
    if socket.try_write(answer.as_bytes()).is_ok() && socket.shutdown().await.is_ok() {
        linger(&mut socket, draining).await;
    }
}

/// Takes what a client still sends after its answer, and throws it away. Closing at once would reset the connection,
/// and a client that is still sending would see that instead of the answer that says what was wrong.
async fn linger(socket: &mut TcpStream, mut draining: Draining) {
    let mut bin = vec![0; 4 << 10];
    let discard = async { while let Ok(Ok(1..)) = timeout(LINGER_PAUSE, socket.read(&mut bin)).await {} };
    tokio::select! {
        _ = timeout(LINGER, discard) => {}
        _ = draining.wait_for(|draining| *draining) => {}
    }
}
