//! A whole function behind a stub of AWS Lambda's runtime interface: this test program runs itself again.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

use std::{
    convert::Infallible,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, ExitCode, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    http::header::{CONTENT_TYPE, SET_COOKIE},
    response::AppendHeaders,
    routing::{get, post},
};
use bytes::Bytes;
use epitaph_host::{
    Context, EXIT_BAD_CONFIGURATION, Invocations, Work, metrics::Outcome, run_function, run_worker,
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json, value::RawValue};
use tokio::time::Instant;

const MARK: &str = "RUN_AS_FUNCTION";
const LAMBDA: [(&str, &str); 3] = [
    ("AWS_LAMBDA_FUNCTION_NAME", "example"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
];

/// Not a test: what [`Lambda::run`] runs.
#[test]
fn the_function_itself() {
    let code = match std::env::var_os(MARK).as_ref().and_then(|mark| mark.to_str()) {
        Some("function") => run_function("example", async |context| Ok::<_, Infallible>(router(&context))),
        Some("worker") => {
            run_worker("example", async |_, _| Ok::<_, Infallible>(Work::Invoke(Box::new(Echo))))
        }
        _ => return,
    };
    let codes = [ExitCode::SUCCESS, ExitCode::from(EXIT_BAD_CONFIGURATION)];
    let code = codes.iter().position(|known| *known == code);
    std::process::exit([0, i32::from(EXIT_BAD_CONFIGURATION)].get(code.unwrap_or(2)).copied().unwrap_or(1));
}

fn router(context: &Context) -> Router {
    async fn fail() -> &'static str {
        panic!("on purpose")
    }
    let (name, metrics) = (context.name, context.metrics.clone());
    let count = async move |body: Bytes| {
        metrics.count(name, Outcome::Accepted, "");
        (AppendHeaders([(SET_COOKIE, "a=1"), (SET_COOKIE, "b=2")]), body)
    };
    Router::new()
        .route("/count", post(count))
        .route("/bare", get(async || ([(CONTENT_TYPE, "image/png")], &b"\x89PNG"[..])))
        .route("/panic", get(fail))
}

/// Answers what it is given; an event that says `fail` fails.
struct Echo;

impl Invocations for Echo {
    fn invoke<'a>(&'a self, event: &'a RawValue, deadline: Instant) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move {
            let left = deadline.saturating_duration_since(Instant::now()).as_secs();
            match event.get() {
                r#""fail""# => Err("told to fail".to_owned()),
                r#""panic""# => panic!("on purpose"),
                event => Ok(json!({"event": event, "seconds_left": left})),
            }
        })
    }
}

/// The interface, and the function that runs on it.
struct Lambda {
    listener: TcpListener,
    child: Child,
}

impl Lambda {
    fn run(what: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let child = command(what, &listener.local_addr().unwrap().to_string()).envs(LAMBDA).spawn().unwrap();
        Self { listener, child }
    }

    /// Gives the function events, each when it asks for one; what it says of each: the end of the path, and the body.
    fn invoke(&self, events: &[Value]) -> Vec<(String, Value)> {
        let mut said = Vec::new();
        let mut events = events.iter();
        loop {
            let (stream, _) = self.listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            let mut stream = BufReader::new(stream);
            while let Some((path, body)) = request(&mut stream) {
                if !path.ends_with("/next") {
                    let body = serde_json::from_slice(&body).unwrap();
                    said.push((path.rsplit('/').next().unwrap().to_owned(), body));
                    respond(&mut stream, "202 Accepted", "", "{}");
                } else if let Some(event) = events.next() {
                    let minute = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() + 60_000;
                    let headers = format!(
                        "Lambda-Runtime-Aws-Request-Id: {}\r\nLambda-Runtime-Deadline-Ms: {minute}\r\n\
                         Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-west-1:1:function:example\r\n",
                        said.len()
                    );
                    respond(&mut stream, "200 OK", &headers, &event.to_string());
                } else {
                    return said;
                }
            }
        }
    }

    /// What it had written to its standard output and its standard error when it was ended.
    fn end(mut self) -> (String, String) {
        self.child.kill().unwrap();
        let output = self.child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr))
    }
}

fn command(what: &str, api: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "the_function_itself", "--nocapture", "--test-threads=1"])
        .env_clear()
        .env(MARK, what)
        .env("AWS_LAMBDA_RUNTIME_API", api)
        .env("EPITAPH_SECRET", "an example of a root secret")
        .env("EPITAPH_DATA", std::env::temp_dir())
        .env("EPITAPH_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The path and the body of a request; `None` when the connection is closed.
fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|&length| length > 0)?;
    let path = line.split(' ').nth(1).unwrap().to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).unwrap();
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Some((path, body))
}

fn respond(stream: &mut BufReader<TcpStream>, status: &str, headers: &str, body: &str) {
    let length = body.len();
    let stream = stream.get_mut();
    write!(stream, "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").unwrap();
}

fn event(method: &str, path: &str, body: &str) -> Value {
    let http = json!({"method": method, "path": path, "protocol": "HTTP/1.1", "userAgent": "test"});
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "sentry_key=hush",
        "headers": {"host": "localhost", "content-type": "text/plain"},
        "requestContext": {"accountId": "1", "apiId": "a", "stage": "live", "requestId": "r",
            "routeKey": "$default", "timeEpoch": 1, "http": http},
        "body": body, "isBase64Encoded": false,
    })
}

#[test]
fn a_router_answers_events_and_a_panic_ends_nothing() {
    let lambda = Lambda::run("function");
    let said = lambda.invoke(&[
        event("GET", "/live/panic", ""),
        event("POST", "/live/count", "hello"),
        event("GET", "/live/bare", ""),
        event("GET", "/live/nothing", ""),
    ]);
    let (stdout, stderr) = lambda.end();
    assert!(said.iter().all(|(path, _)| path == "response"), "{said:?}");
    let answers: Vec<&Value> = said.iter().map(|(_, answer)| answer).collect();
    assert_eq!(answers[0]["statusCode"], 500);
    assert_eq!(answers[1]["statusCode"], 200);
    assert_eq!(answers[1]["cookies"], json!(["a=1", "b=2"]));
    assert_eq!((&answers[1]["body"], &answers[1]["isBase64Encoded"]), (&"hello".into(), &false.into()));
    assert_eq!((&answers[2]["body"], &answers[2]["isBase64Encoded"]), (&"iVBORw==".into(), &true.into()));
    assert_eq!(answers[3]["statusCode"], 404);
    for answer in answers {
        assert!(answer["headers"]["content-type"].is_string(), "{answer}");
    }
    // What runs it says a word of its own before the first line.
    let objects = stdout.lines().filter_map(|line| line.get(line.find('{')?..));
    let shown: Vec<Value> = objects.filter_map(|line| serde_json::from_str(line).ok()).collect();
    let accepted: Vec<_> = shown.iter().filter(|line| line["outcome"] == "accepted").collect();
    assert_eq!(accepted.len(), 1, "{stdout}");
    assert_eq!(accepted[0]["Reports"], 1);
    let statuses: Vec<_> = shown.iter().filter_map(|line| line["status"].as_str()).collect();
    assert_eq!(statuses, ["500", "200", "200", "404"], "{stdout}");
    let mut logged = stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let panic = logged.find(|line| line["message"] == "panic: on purpose").unwrap();
    // Of what Lambda tells of an event, the log has its id.
    assert_eq!(panic["fields"]["requestId"], "0", "{panic}");
    assert!(!stderr.contains("hush"), "{stderr}");
}

#[test]
fn a_worker_is_given_events_and_a_failure_fails_one_alone() {
    let lambda = Lambda::run("worker");
    let said = lambda.invoke(&[json!("fail"), json!("panic"), json!({"a": 1})]);
    lambda.end();
    let paths: Vec<_> = said.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["error", "error", "response"]);
    assert_eq!(said[0].1["errorMessage"], "told to fail");
    assert_eq!(said[2].1["event"], r#"{"a":1}"#);
    let left = said[2].1["seconds_left"].as_u64().unwrap();
    assert!((50..60).contains(&left), "{left}");
}

#[test]
fn a_bad_configuration_ends_with_64_before_lambda_is_asked_for_an_event() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = listener.local_addr().unwrap().to_string();
    let output = command("function", &api).envs(LAMBDA).env_remove("EPITAPH_SECRET").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("epitaph: bad configuration: EPITAPH_SECRET is not set"), "{text}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "Lambda was asked for an event");
}

#[test]
fn what_lambda_itself_sets_is_missed_with_one_line() {
    let output = command("function", "127.0.0.1:1").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    // The steps of its start are told for those who ask, as here.
    let said: Vec<_> = text.lines().filter(|line| !line.contains("epitaph_host::start")).collect();
    assert!(matches!(said[..], [line] if line.contains("expected AWS_LAMBDA_FUNCTION_NAME, ")), "{text}");
}
