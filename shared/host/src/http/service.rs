//! One request: health checks answered here, everything else by the router, panics turned into a 500.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use axum::{Router, body::Body};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE},
};
use hyper::{
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    service::Service,
};
use tower::Service as _;

use super::phase::{InFlight, Phase};
use crate::metrics::Metrics;

const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Put into an answer's extensions by a router of the one process, it says which function the answer is counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionName(pub &'static str);

/// What all connections of a server share, or all events of a function.
pub(crate) struct Host {
    router: Router,
    function: &'static str,
    metrics: Metrics,
    pub(super) draining: AtomicBool,
}

impl Host {
    pub(crate) fn new(router: Router, function: &'static str, metrics: Metrics) -> Self {
        Self { router, function, metrics, draining: AtomicBool::new(false) }
    }

    /// The router's answer, or the host's own; always with a media type, and counted.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        if let Some(answer) = self.health(&request) {
            return answer;
        }
        let started = Instant::now();
        let mut router = self.router.clone();
        // A router's state outlives a panic in a handler just as it outlives a handler that is dropped half way.
        let answer = AssertUnwindSafe(async move { router.call(request).await }).catch_unwind().await;
        let mut answer = answer.map_or_else(
            |_| text(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n"),
            |answer| answer.unwrap_or_else(|never| match never {}),
        );
        // A router's own 404 says nothing of what it is; no client should have to guess.
        answer.headers_mut().entry(CONTENT_TYPE).or_insert(PLAIN_TEXT);
        let function = answer.extensions().get().map_or(self.function, |&FunctionName(name)| name);
        self.metrics.answered(function, answer.status().as_u16(), started.elapsed());
        answer
    }

    fn health(&self, request: &Request<Body>) -> Option<Response<Body>> {
        let ready = match request.uri().path() {
            "/health/liveness" => true,
            "/health/readiness" => !self.draining.load(Ordering::Relaxed),
            _ => return None,
        };
        Some(match *request.method() {
            Method::GET | Method::HEAD if ready => text(StatusCode::OK, "ok\n"),
            Method::GET | Method::HEAD => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
            _ => text(StatusCode::METHOD_NOT_ALLOWED, "expected GET\n"),
        })
    }
}

fn text(status: StatusCode, body: &'static str) -> Response<Body> {
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, PLAIN_TEXT);
    answer
}

/// The service of one connection.
#[derive(Clone)]
pub(super) struct Exchange {
    host: Arc<Host>,
    phase: Arc<Phase>,
    /// The connection ends with its first answer.
    last: bool,
}

impl Exchange {
    pub(super) fn new(host: Arc<Host>, phase: Arc<Phase>, last: bool) -> Self {
        Self { host, phase, last }
    }
}

impl Service<Request<Incoming>> for Exchange {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let in_flight = self.phase.begin();
        let host = Arc::clone(&self.host);
        let phase = Arc::clone(&self.phase);
        let last = self.last;
        let request = request.map(|body| {
            // Most requests without a body need no watching.
            if body.is_end_stream() {
                Body::empty()
            } else {
                Body::new(RequestBody { body, phase, ended: false })
            }
        });
        Box::pin(async move {
            let mut answer = host.answer(request).await;
            if last {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(answer.map(|body| AnswerBody { body, _in_flight: in_flight }))
        })
    }
}

/// A request's body that tells its connection when it is given up before its end.
struct RequestBody {
    body: Incoming,
    phase: Arc<Phase>,
    ended: bool,
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.ended = matches!(frame, Poll::Ready(None));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.ended && !self.body.is_end_stream() {
            self.phase.leave_body();
        }
    }
}

/// An answer's body that keeps its request in flight until it is sent.
pub(super) struct AnswerBody {
    body: Body,
    _in_flight: InFlight,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(host: &Host, method: Method, path: &str) -> Option<u16> {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        host.health(&request).map(|answer| answer.status().as_u16())
    }

    #[test]
    fn a_draining_server_is_alive_but_not_ready() {
        let host = Host::new(Router::new(), "test", Metrics::new());
        assert_eq!(status(&host, Method::GET, "/health/readiness"), Some(200));
        host.draining.store(true, Ordering::Relaxed);
        assert_eq!(status(&host, Method::HEAD, "/health/readiness"), Some(503));
        assert_eq!(status(&host, Method::GET, "/health/liveness"), Some(200));
        assert_eq!(status(&host, Method::POST, "/health/liveness"), Some(405));
        assert_eq!(status(&host, Method::GET, "/health"), None);
    }
}
