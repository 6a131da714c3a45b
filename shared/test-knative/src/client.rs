//! A client for one request at a time.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its header.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Posts over a connection of its own.
///
/// # Errors
/// When no answer came.
pub async fn post(
    address: SocketAddr,
    path: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Reply, String> {
    let mut request = Request::post(path).body(Full::new(body)).unwrap();
    *request.headers_mut() = headers.clone();
    send(address, request, false).await
}

pub(crate) fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

/// Sends one request over HTTP/1.1, or over HTTP/2 with prior knowledge.
pub(crate) async fn send(
    address: SocketAddr,
    mut request: Request<Full<Bytes>>,
    h2c: bool,
) -> Result<Reply, String> {
    let socket = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let _ = socket.set_nodelay(true);
    let socket = TokioIo::new(socket);
    let in_words = |error: hyper::Error| format!("{error:?}");
    if h2c {
        *request.uri_mut() = format!("http://{address}{}", request.uri()).parse().unwrap();
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), socket).await.map_err(in_words)?;
        let answer = async { read(sender.send_request(request).await.map_err(in_words)?).await };
        driven(connection, answer).await
    } else {
        request.headers_mut().entry("host").or_insert_with(|| address.to_string().parse().unwrap());
        request.headers_mut().insert("connection", "close".parse().unwrap());
        let (mut sender, connection) = http1::handshake(socket).await.map_err(in_words)?;
        let answer = async { read(sender.send_request(request).await.map_err(in_words)?).await };
        driven(connection, answer).await
    }
}

async fn read(response: http::Response<hyper::body::Incoming>) -> Result<Reply, String> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| format!("{error:?}"))?;
    Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body: body.to_bytes() })
}

/// Drives a connection for as long as its one answer takes.
async fn driven<T>(connection: impl Future, answer: impl Future<Output = T>) -> T {
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
}
