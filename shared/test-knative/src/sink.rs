//! A server that takes what is posted, and answers as it is told.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response, header::RETRY_AFTER};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// What was posted.
#[derive(Debug, Clone)]
pub struct Posted {
    /// With the query.
    pub path: String,
    /// The request's header.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What the poster meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// An empty answer of this status.
    Status(u16),
    /// The same, with `Retry-After` in seconds.
    RetryAfter(u16, u64),
    /// The connection is closed without an answer.
    Nothing,
    /// The connection stays open, and no answer comes.
    Never,
}

/// A running server. It ends, with its connections, when this is dropped.
pub struct Sink {
    address: SocketAddr,
    scheme: &'static str,
    tasks: JoinSet<()>,
}

type Answering = dyn Fn(Posted) -> BoxFuture<'static, Answer> + Send + Sync;

impl Sink {
    /// Starts a server on a port of the loopback interface.
    pub fn start(answer: impl Fn(Posted) -> BoxFuture<'static, Answer> + Send + Sync + 'static) -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), None, Arc::new(answer))
    }

    /// The same, with TLS under a certificate of this authority, for `localhost`.
    pub fn start_tls(
        authority: &TlsAuthority,
        answer: impl Fn(Posted) -> BoxFuture<'static, Answer> + Send + Sync + 'static,
    ) -> Self {
        let acceptor = TlsAcceptor::from(Arc::clone(&authority.server));
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), Some(acceptor), Arc::new(answer))
    }

    /// Starts a server where one was before.
    pub(crate) fn at(address: SocketAddr, tls: Option<TlsAcceptor>, answer: Arc<Answering>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(1024).unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, tls, answer));
        Self { address, scheme, tasks }
    }

    /// Ends it; its port is free again.
    pub(crate) async fn close(mut self) {
        self.tasks.shutdown().await;
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, without a path.
    pub fn url(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.address.port())
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, answer: Arc<Answering>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                let _ = socket.set_nodelay(true);
                let (answer, tls) = (Arc::clone(&answer), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(socket, answer).await,
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                serve(socket, answer).await;
                            }
                        }
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin, answer: Arc<Answering>) {
    let exchange = service_fn(|request: Request<Incoming>| {
        let answer = Arc::clone(&answer);
        async move {
            let (parts, body) = request.into_parts();
            let Ok(body) = body.collect().await else { return Err("the body broke off") };
            let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
            let posted = Posted { path, headers: parts.headers, body: body.to_bytes() };
            let mut response = Response::new(Full::<Bytes>::default());
            let (status, wait) = match answer(posted).await {
                Answer::Status(status) => (status, None),
                Answer::RetryAfter(status, wait) => (status, Some(wait)),
                Answer::Nothing => return Err("closed"),
                Answer::Never => std::future::pending().await,
            };
            *response.status_mut() = status.try_into().unwrap();
            response.headers_mut().extend(wait.map(|wait| (RETRY_AFTER, wait.into())));
            Ok(response)
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), exchange).await;
}

/// A private authority, and a server's certificate from it.
pub struct TlsAuthority {
    pem: String,
    server: Arc<ServerConfig>,
}

impl TlsAuthority {
    /// An authority that nobody knows yet.
    pub fn new() -> Self {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let server = ServerConfig::builder().with_no_client_auth();
        let server = server.with_single_cert(vec![own.der().clone()], secret).unwrap();
        Self { pem: certificate.pem(), server: Arc::new(server) }
    }

    /// Its certificate in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }
}

impl Default for TlsAuthority {
    fn default() -> Self {
        Self::new()
    }
}
