//! A bucket that is far away: each read waits before it is answered. As much of S3 as reading takes.

use std::{
    convert::Infallible,
    io::{self, SeekFrom},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use bytes::Bytes;
use epitaph_bucket::{Bucket, Environment, OpenOptions};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header::HeaderValue, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
    net::TcpListener,
    sync::oneshot,
    task::JoinSet,
};

use crate::error::BenchError;

/// A running server of a directory's files. It ends when this is dropped.
pub(super) struct Far {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Far {
    pub(super) fn start(directory: &Path, wait: Duration) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let directory: Arc<Path> = directory.into();
        let thread = thread::Builder::new().name("far".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, directory, wait) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn bucket(&self) -> Result<Bucket, BenchError> {
        let variables = [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", "bench".into()),
            ("AWS_SECRET_ACCESS_KEY", "bench".into()),
        ];
        let environment = Environment::Given(variables.map(|(name, value)| (name.to_owned(), value)).into());
        Ok(Bucket::open_with("s3://bench", OpenOptions { environment, ..OpenOptions::default() })?)
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, directory: Arc<Path>, wait: Duration) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let _ = socket.set_nodelay(true);
        let directory = Arc::clone(&directory);
        let service = service_fn(move |request| answer(request, Arc::clone(&directory), wait));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(
    request: Request<Incoming>,
    directory: Arc<Path>,
    wait: Duration,
) -> Result<Response<Full<Bytes>>, Infallible> {
    tokio::time::sleep(wait).await;
    let mut answer = Response::new(Full::default());
    match read(&request, &directory).await {
        Some((bytes, told)) => {
            *answer.body_mut() = Full::from(bytes);
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            for (name, value) in [
                ("content-range", told.as_str()),
                ("etag", "\"e\""),
                ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
            ] {
                if let Ok(value) = HeaderValue::from_str(value) {
                    answer.headers_mut().insert(name, value);
                }
            }
        }
        None => *answer.status_mut() = StatusCode::NOT_FOUND,
    }
    Ok(answer)
}

/// The bytes that a request asks for, and which they are of how many.
async fn read(request: &Request<Incoming>, directory: &Path) -> Option<(Vec<u8>, String)> {
    let key = request.uri().path().strip_prefix("/bench/").filter(|key| !key.contains(".."))?;
    let range = request.headers().get("range")?.to_str().ok()?.strip_prefix("bytes=")?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let path: PathBuf = directory.join(key);
    let mut file = File::open(path).await.ok().filter(|_| request.method() == Method::GET)?;
    let size = file.metadata().await.ok()?.len();
    file.seek(SeekFrom::Start(first)).await.ok()?;
    let mut bytes = vec![0; usize::try_from(last.checked_sub(first)? + 1).ok()?];
    file.read_exact(&mut bytes).await.ok()?;
    Some((bytes, format!("bytes {first}-{last}/{size}")))
}
