//! A real server on a port of its own, and plain clients.

use std::{net::SocketAddr, time::Duration};

use axum::Router;
use bytes::Bytes;
use epitaph_host::{Drained, HttpSettings, Limits, Metrics, bind, serve};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinSet,
    time::timeout,
};

/// Longer than anything here takes on a slow machine: a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    stop: Option<oneshot::Sender<()>>,
    running: JoinSet<Drained>,
}

impl Server {
    /// Must be called on a runtime.
    pub(crate) fn start(router: Router, change: impl FnOnce(&mut HttpSettings)) -> Self {
        let metrics = Metrics::new();
        let mut settings = HttpSettings::new("test", &Limits::default(), metrics.clone());
        change(&mut settings);
        let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let mut running = JoinSet::new();
        running.spawn(serve(listener, router, settings, async {
            let _ = stopped.await;
        }));
        Self { address, metrics, stop: Some(stop), running }
    }

    /// Begins the drain.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub(crate) async fn stopped(mut self) -> Drained {
        timeout(PATIENCE, self.running.join_next()).await.unwrap().unwrap().unwrap()
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends one HTTP/1.1 request on a connection of its own; gives all that came back.
    pub(crate) async fn talk(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        self.talk(&format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")).await
    }
}

/// Everything until the server closes.
pub(crate) async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server did not close");
    read.unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Reads until the text ends so.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) {
    let mut text = String::new();
    while !text.ends_with(end) {
        let byte = timeout(PATIENCE, stream.read_u8()).await.expect("the server said nothing");
        text.push(byte.unwrap().into());
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

pub(crate) const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// A client that keeps its connection.
pub(crate) enum Client {
    Http1(http1::SendRequest<Full<Bytes>>, JoinSet<()>),
    Http2(http2::SendRequest<Full<Bytes>>, JoinSet<()>),
}

impl Client {
    pub(crate) async fn new(protocol: Protocol, server: &Server) -> Self {
        let stream = TokioIo::new(server.connect().await);
        let mut tasks = JoinSet::new();
        match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(stream).await.unwrap();
                tasks.spawn(async move { drop(connection.await) });
                Self::Http1(sender, tasks)
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
                tasks.spawn(async move { drop(connection.await) });
                Self::Http2(sender, tasks)
            }
        }
    }

    /// The status and the body of an answer, or `None` when the connection ended without one.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: &'static str,
    ) -> Option<(u16, String)> {
        let request = Request::builder().method(method).header("host", "test");
        let exchange = async {
            let answer: Response<_> = match self {
                Self::Http1(sender, _) => {
                    let request = request.uri(path).body(Full::from(body)).unwrap();
                    sender.ready().await.ok()?;
                    sender.send_request(request).await.ok()?
                }
                Self::Http2(sender, _) => {
                    let uri = format!("http://test{path}");
                    let request = request.uri(uri).body(Full::from(body)).unwrap();
                    sender.ready().await.ok()?;
                    sender.send_request(request).await.ok()?
                }
            };
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.ok()?.to_bytes();
            Some((status, String::from_utf8(body.to_vec()).unwrap()))
        };
        timeout(PATIENCE, exchange).await.expect("no answer, and no end of the connection")
    }

    /// Waits until the server has ended the connection.
    pub(crate) async fn ended(self) {
        let (Self::Http1(_, mut tasks) | Self::Http2(_, mut tasks)) = self;
        timeout(PATIENCE, tasks.join_next()).await.expect("the server did not close");
    }
}
