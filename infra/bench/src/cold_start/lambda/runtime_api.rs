//! The least of Lambda's runtime interface that a function needs: it is given one event, and answers it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};

/// How long the function is told that it has.
const FUNCTION_TIME: Duration = Duration::from_secs(60);

/// What became of the event.
pub(super) struct Invocation {
    /// When the function asked for its first event.
    pub(super) asked: Instant,
    /// When it had answered it.
    pub(super) answered: Instant,
    /// The answer, or what the function says went wrong.
    pub(super) answer: Result<Bytes, Bytes>,
}

/// An interface with one event to give.
pub(super) struct RuntimeApi {
    listener: TcpListener,
    state: Arc<State>,
    done: oneshot::Receiver<Invocation>,
}

struct State {
    event: Bytes,
    asked: Mutex<Option<Instant>>,
    done: Mutex<Option<oneshot::Sender<Invocation>>>,
}

impl RuntimeApi {
    pub(super) async fn new(event: Bytes) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (sender, done) = oneshot::channel();
        let state = Arc::new(State { event, asked: Mutex::default(), done: Mutex::new(Some(sender)) });
        Ok(Self { listener, state, done })
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the event is answered; `None` if the function never did, and the interface was dropped.
    pub(super) async fn invocation(self) -> Option<Invocation> {
        let Self { listener, state, mut done } = self;
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                invocation = &mut done => return invocation.ok(),
                accepted = listener.accept() => {
                    let Ok((socket, _)) = accepted else { continue };
                    // Otherwise what is measured may be how long the two ends wait for each other.
                    let _ = socket.set_nodelay(true);
                    let state = Arc::clone(&state);
                    let service = service_fn(move |request| answer(Arc::clone(&state), request));
                    connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
                }
            }
        }
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let now = Instant::now();
    let path = request.uri().path().to_owned();
    if path.ends_with("/invocation/next") {
        if state.asked.lock().unwrap_or_else(PoisonError::into_inner).replace(now).is_some() {
            // There is no second event.
            return std::future::pending().await;
        }
        return Ok(event(&state.event));
    }
    let body = request.into_body().collect().await?.to_bytes();
    let answer = if path.ends_with("/response") { Ok(body) } else { Err(body) };
    let asked = *state.asked.lock().unwrap_or_else(PoisonError::into_inner);
    let done = state.done.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(done) = done {
        let _ = done.send(Invocation { asked: asked.unwrap_or(now), answered: now, answer });
    }
    let mut accepted = Response::new(Full::default());
    *accepted.status_mut() = StatusCode::ACCEPTED;
    Ok(accepted)
}

fn event(event: &Bytes) -> Response<Full<Bytes>> {
    let deadline = (SystemTime::now() + FUNCTION_TIME).duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut answer = Response::new(Full::new(event.clone()));
    let headers = answer.headers_mut();
    let deadline = deadline.as_millis().to_string();
    for (name, value) in [
        ("content-type", "application/json"),
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:bench"),
        ("lambda-runtime-deadline-ms", deadline.as_str()),
    ] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    answer
}
