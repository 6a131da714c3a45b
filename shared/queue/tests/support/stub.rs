//! A server in SQS's place that answers as a test wants it to.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// How it answers a call.
#[derive(Clone)]
pub(crate) enum Answer {
    /// It takes all messages.
    Takes,
    /// It takes them, after a while.
    TakesAfter(Duration),
    /// It takes all of a batch but those whose body holds the first text; they fail with this code.
    TakesAllBut(&'static str, &'static str),
    /// An error of this status and code.
    Fails(u16, &'static str),
    /// No answer, ever.
    Nothing,
    /// The connection ends instead of an answer.
    BreaksOff,
}

/// A call, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Such as `SendMessage`.
    pub(crate) action: String,
    /// Its input.
    pub(crate) input: Value,
}

/// The server. It ends when this is dropped.
pub(crate) struct Stub {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    /// The answers to the next calls.
    next: Mutex<VecDeque<Answer>>,
    /// The answer to all others.
    usual: Mutex<Answer>,
    calls: Mutex<Vec<Call>>,
}

impl Stub {
    pub(crate) async fn start(usual: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared { next: Mutex::default(), usual: Mutex::new(usual), calls: Mutex::default() };
        let shared = Arc::new(shared);
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { address, shared, task }
    }

    /// The URL of the queue in it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/000000000000/reports", self.address)
    }

    /// From now on.
    pub(crate) fn answer(&self, usual: Answer) {
        *self.shared.usual.lock().unwrap() = usual;
    }

    /// Once, before all others.
    pub(crate) fn answer_next(&self, answer: Answer) {
        self.shared.next.lock().unwrap().push_back(answer);
    }

    /// What came until now.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().clone()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Call {
    /// The bodies of the messages that it sends.
    pub(crate) fn bodies(&self) -> Vec<String> {
        let text = |value: &Value| value["MessageBody"].as_str().unwrap().to_owned();
        match self.action.as_str() {
            "SendMessage" => vec![text(&self.input)],
            "SendMessageBatch" => self.input["Entries"].as_array().unwrap().iter().map(text).collect(),
            _ => Vec::new(),
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| answer(Arc::clone(&shared), request));
        tokio::spawn(async move {
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// What ends a connection without an answer.
#[derive(Debug)]
struct BrokenOff;

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("broken off")
    }
}

impl std::error::Error for BrokenOff {}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, BrokenOff> {
    let target = request.headers()["x-amz-target"].to_str().unwrap().to_owned();
    let action = target.split_once('.').unwrap().1.to_owned();
    let input = request.into_body().collect().await.map_err(|_| BrokenOff)?.to_bytes();
    let call = Call { action, input: serde_json::from_slice(&input).unwrap() };
    shared.calls.lock().unwrap().push(call.clone());
    let next = shared.next.lock().unwrap().pop_front();
    let answer = next.unwrap_or_else(|| shared.usual.lock().unwrap().clone());
    Ok(match answer {
        Answer::Takes => taken(&call, None),
        Answer::TakesAfter(pause) => {
            tokio::time::sleep(pause).await;
            taken(&call, None)
        }
        Answer::TakesAllBut(text, code) => taken(&call, Some((text, code))),
        Answer::Fails(status, code) => failed(status, code),
        Answer::Nothing => pending::<Result<_, Infallible>>().await.unwrap_or_else(|never| match never {}),
        Answer::BreaksOff => return Err(BrokenOff),
    })
}

fn taken(call: &Call, but: Option<(&str, &str)>) -> Response<Full<Bytes>> {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (index, body) in call.bodies().iter().enumerate() {
        let id = index.to_string();
        match but {
            Some((text, code)) if body.contains(text) => {
                if call.action == "SendMessage" {
                    return self::failed(400, code);
                }
                failed.push(json!({ "Id": id, "SenderFault": true, "Code": code, "Message": "no" }));
            }
            _ => successful.push(json!({ "Id": id, "MessageId": id, "MD5OfMessageBody": "0" })),
        }
    }
    let body = match call.action.as_str() {
        "SendMessage" => json!({ "MessageId": "0", "MD5OfMessageBody": "0" }),
        "SendMessageBatch" => json!({ "Successful": successful, "Failed": failed }),
        _ => json!({}),
    };
    response(200, &body)
}

fn failed(status: u16, code: &str) -> Response<Full<Bytes>> {
    response(status, &json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": "no" }))
}

fn response(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header("content-type", "application/x-amz-json-1.0");
    response.body(Full::new(Bytes::from(body.to_string()))).unwrap()
}
