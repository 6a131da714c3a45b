//! A server that answers as SQS, S3 and a Knative broker answer, and keeps nothing: what a function costs where its
//! engines are elsewhere.
//!
//! It runs on a thread of its own in this process. What it takes it counts; nothing it was given can be asked for.

mod s3;
mod sqs;

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::oneshot,
    task::JoinSet,
};

/// Where messages are posted as to a broker.
const BROKER: &str = "/broker";
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

/// A running stand-in. It ends when this is dropped.
pub(crate) struct StandIn {
    address: SocketAddr,
    taken: Arc<Taken>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What it took.
#[derive(Debug, Default)]
struct Taken {
    messages: AtomicU64,
    message_bytes: AtomicU64,
    calls: AtomicU64,
}

/// What a stand-in took so far.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Counts {
    /// Messages.
    pub(crate) messages: u64,
    /// Bytes of calls that brought messages.
    pub(crate) message_bytes: u64,
    /// Calls that brought messages.
    pub(crate) calls: u64,
}

impl StandIn {
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
            socket.listen(BACKLOG)
        })?;
        let address = listener.local_addr()?;
        let taken = Arc::new(Taken::default());
        let (stop, stopped) = oneshot::channel();
        let counted = Arc::clone(&taken);
        let thread = thread::Builder::new().name("stand-in".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, counted) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, taken, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn counts(&self) -> Counts {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Counts {
            messages: read(&self.taken.messages),
            message_bytes: read(&self.taken.message_bytes),
            calls: read(&self.taken.calls),
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Taken {
    fn count(&self, messages: u64, bytes: usize) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.message_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

async fn serve(listener: TcpListener, taken: Arc<Taken>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let _ = socket.set_nodelay(true);
        let taken = Arc::clone(&taken);
        let service = service_fn(move |request| answer(request, Arc::clone(&taken)));
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(request: Request<Incoming>, taken: Arc<Taken>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, mut body) = request.into_parts();
    let action = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let answer = match (action, &head.method) {
        (Some(action), _) => match body.collect().await {
            Ok(body) => sqs::answer(action, &body.to_bytes(), &taken),
            Err(_) => status(StatusCode::BAD_REQUEST),
        },
        (None, &Method::POST) if head.uri.path() == BROKER => {
            taken.count(1, length_of(&mut body).await);
            status(StatusCode::ACCEPTED)
        }
        (None, method) => {
            length_of(&mut body).await;
            s3::answer(method, head.uri.query().unwrap_or_default())
        }
    };
    Ok(answer)
}

/// Reads a body to its end, and keeps nothing of it.
async fn length_of(body: &mut Incoming) -> usize {
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, Bytes::len);
    }
    length
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpStream,
    };

    use super::*;

    fn ask(stand_in: &StandIn, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(stand_in.address()).unwrap();
        let length = body.len();
        let request =
            format!("{head}\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn messages_are_counted_however_they_come() {
        let stand_in = StandIn::start().unwrap();
        let one = ask(
            &stand_in,
            "POST / HTTP/1.1\r\nX-Amz-Target: AmazonSQS.SendMessage",
            r#"{"QueueUrl":"u","MessageBody":"{\"Id\":1}"}"#,
        );
        assert!(one.starts_with("HTTP/1.1 200 ") && one.contains("MessageId"), "{one}");
        let two = ask(
            &stand_in,
            "POST / HTTP/1.1\r\nX-Amz-Target: AmazonSQS.SendMessageBatch",
            r#"{"QueueUrl":"u","Entries":[{"Id":"0","MessageBody":"a"},{"Id":"1","MessageBody":"b"}]}"#,
        );
        assert!(two.contains(r#""Id":"0""#) && two.contains(r#""Id":"1""#), "{two}");
        let posted = ask(&stand_in, "POST /broker HTTP/1.1\r\nCe-Id: 1", "{}");
        assert!(posted.starts_with("HTTP/1.1 202 "), "{posted}");
        let counts = stand_in.counts();
        assert_eq!((counts.messages, counts.calls), (4, 3));
    }

    #[test]
    fn an_object_is_taken_and_none_is_there() {
        let stand_in = StandIn::start().unwrap();
        assert!(ask(&stand_in, "PUT /bench/a HTTP/1.1", "bytes").contains("etag"));
        assert!(ask(&stand_in, "GET /bench/a HTTP/1.1", "").starts_with("HTTP/1.1 404 "));
        assert!(ask(&stand_in, "POST /bench/a?uploads HTTP/1.1", "").contains("<UploadId>"));
        assert_eq!(stand_in.counts().messages, 0);
    }
}
