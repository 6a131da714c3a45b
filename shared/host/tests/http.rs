//! The server over real sockets: protocols, deadlines, faults of handlers, drain.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on ends")]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Extension, Router,
    body::Body,
    extract::Request,
    response::IntoResponse as _,
    routing::{get, post},
};
use epitaph_host::FunctionName;
use http::StatusCode;
use http_body_util::BodyExt as _;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    sync::{Notify, Semaphore},
    time::{Instant, interval, timeout},
};

use self::support::{Client, PATIENCE, PROTOCOLS, Protocol, Server, read_until, rest};

const SHORT: Duration = Duration::from_millis(200);

async fn echo(request: Request) -> Body {
    let mut body = request.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.unwrap().into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    bytes.into()
}

fn router() -> Router {
    Router::new().route("/", get(async || "hello")).route("/echo", post(echo))
}

#[tokio::test]
async fn one_port_speaks_http1_and_http2_with_prior_knowledge() {
    let server = Server::start(router(), |_| {});
    for protocol in PROTOCOLS {
        let mut client = Client::new(protocol, &server).await;
        assert_eq!(client.send("GET", "/", "").await, Some((200, "hello".into())));
        assert_eq!(client.send("POST", "/echo", "a body").await, Some((200, "a body".into())));
        assert_eq!(client.send("GET", "/nowhere", "").await, Some((404, String::new())));
        assert_eq!(client.send("GET", "/health/liveness", "").await, Some((200, "ok\n".into())));
        assert_eq!(client.send("GET", "/health/readiness", "").await, Some((200, "ok\n".into())));
    }
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte_and_its_method_begin_like_http2() {
    let server = Server::start(router(), |_| {});
    let mut stream = server.connect().await;
    stream.set_nodelay(true).unwrap();
    for byte in b"PRI / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n" {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 405 "));
}

#[tokio::test]
async fn a_chunked_body_without_a_length_is_read() {
    let server = Server::start(router(), |_| {});
    let answer = server
        .talk("POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
        .await;
    assert!(answer.ends_with("abc"), "{answer}");
}

/// Crashpad without libcurl writes this; see `http/first_request.rs`.
#[tokio::test]
async fn chunks_over_http_1_0_are_read_and_the_connection_ends_with_the_answer() {
    let server = Server::start(router(), |_| {});
    let head = "POST /echo HTTP/1.0\r\nhost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let request = format!("{head}3\r\nabc\r\n0\r\n\r\n");
    let answer = server.talk(&format!("{request}GET / HTTP/1.1\r\nhost: test\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nabc"), "{answer}");
    assert!(answer.contains("\r\nContent-Length: 3\r\n"), "{answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "what follows is no request: {answer}");

    let mut stream = server.connect().await;
    stream.set_nodelay(true).unwrap();
    for byte in request.bytes() {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(rest(&mut stream).await.ends_with("\r\n\r\nabc"));
}

#[tokio::test]
async fn a_plain_request_of_http_1_0_is_answered_as_one() {
    let server = Server::start(router(), |_| {});
    let answer = server.talk("POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc").await;
    assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("\r\n\r\nabc"), "{answer}");
}

#[tokio::test]
async fn every_answer_says_what_its_body_is() {
    let server = Server::start(router(), |_| {});
    for path in ["/", "/nowhere", "/echo", "/health/liveness"] {
        assert!(server.get(path).await.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"), "{path}");
    }
}

#[tokio::test]
async fn a_header_that_trickles_in_is_cut_off() {
    let server = Server::start(router(), |settings| settings.header_time = SHORT);
    for begin in ["GET / HTTP/1.1\r\nx: ", "P", "PRI * HTTP/2.0\r\n"] {
        let mut stream = server.connect().await;
        stream.write_all(begin.as_bytes()).await.unwrap();
        let (mut read, mut write) = stream.split();
        let mut tick = interval(SHORT / 10);
        let trickle = async {
            loop {
                tick.tick().await;
                // The preface must be left unfinished, not broken.
                if begin.len() > 16 && write.write_all(b"x").await.is_err() {
                    return;
                }
            }
        };
        let mut bin = Vec::new();
        let ended = async { tokio::io::AsyncReadExt::read_to_end(&mut read, &mut bin).await };
        let cut = timeout(PATIENCE, async {
            tokio::select! { _ = ended => {}, () = trickle => {} }
        });
        cut.await.expect("the server let it trickle");
    }
}

#[tokio::test]
async fn a_header_that_does_not_end_is_answered() {
    let server = Server::start(router(), |settings| settings.header_time = SHORT);
    for (whole, begun) in
        [("", "GET /"), ("", "GET / HTTP/1.1\r\nx: "), ("GET / HTTP/1.1\r\nhost: test\r\n\r\n", "G")]
    {
        let mut stream = server.connect().await;
        if !whole.is_empty() {
            stream.write_all(whole.as_bytes()).await.unwrap();
            read_until(&mut stream, "\r\n\r\nhello").await;
        }
        stream.write_all(begun.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 408 ") && answer.ends_with("expected its end within seconds\n"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_handler_goes_on_when_its_client_has_closed_its_half_and_the_answer_arrives() {
    let (begun, told) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (begins, waits) = (Arc::clone(&begun), Arc::clone(&told));
    let handler = get(async move || {
        begins.add_permits(1);
        drop(waits.acquire().await.unwrap());
        "done"
    });
    let server = Server::start(Router::new().route("/", handler), |_| {});
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    drop(begun.acquire().await.unwrap());
    stream.shutdown().await.unwrap();
    // Another connection is accepted and answered, so the end of this one's has been seen.
    assert!(server.get("/health/liveness").await.contains(" 200 "));
    told.add_permits(1);
    assert!(rest(&mut stream).await.ends_with("\r\n\r\ndone"));
}

#[tokio::test]
async fn a_connection_rests_between_requests_longer_than_a_header_may_take() {
    let server = Server::start(router(), |settings| settings.header_time = SHORT);
    for protocol in PROTOCOLS {
        let mut client = Client::new(protocol, &server).await;
        assert!(client.send("GET", "/", "").await.is_some());
        // By the time a silent connection is cut, one header time has passed.
        assert_eq!(rest(&mut server.connect().await).await, "");
        assert!(client.send("GET", "/", "").await.is_some());
    }
}

#[tokio::test]
async fn a_connection_that_rests_too_long_is_closed() {
    let server = Server::start(router(), |settings| settings.keep_alive = SHORT);
    for protocol in PROTOCOLS {
        let mut client = Client::new(protocol, &server).await;
        assert!(client.send("GET", "/", "").await.is_some());
        client.ended().await;
    }
}

#[tokio::test]
async fn a_slow_handler_has_no_deadline_of_the_connections() {
    let released = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&released);
    let handler = get(async move || drop(held.acquire().await.unwrap()));
    let server = Server::start(Router::new().route("/", handler), |settings| {
        settings.header_time = SHORT;
        settings.keep_alive = SHORT;
    });
    for protocol in PROTOCOLS {
        let mut client = Client::new(protocol, &server).await;
        let silent = async {
            rest(&mut server.connect().await).await;
            released.add_permits(1);
        };
        let (answer, ()) = tokio::join!(client.send("GET", "/", ""), silent);
        assert_eq!(answer, Some((200, String::new())));
    }
}

#[tokio::test]
async fn a_header_that_is_too_large_is_refused() {
    let server = Server::start(router(), |_| {});
    let answer =
        server.talk(&format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(70_000))).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn a_handler_that_panics_answers_500_and_the_next_request_is_served() {
    async fn fail() -> &'static str {
        panic!("this is a test of panics")
    }
    let server = Server::start(router().route("/panic", get(fail)), |_| {});
    for protocol in PROTOCOLS {
        let mut client = Client::new(protocol, &server).await;
        assert_eq!(client.send("GET", "/panic", "").await, Some((500, "internal error\n".into())));
        assert_eq!(client.send("GET", "/", "").await, Some((200, "hello".into())));
    }
}

/// Without lingering, the socket is reset while the client sends, and the answer is lost with it.
#[tokio::test]
async fn a_client_that_is_still_sending_sees_why_it_was_refused() {
    let server =
        Server::start(Router::new().route("/", post(async || StatusCode::PAYLOAD_TOO_LARGE)), |_| {});
    let mut stream = server.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999\r\n\r\n").await.unwrap();
    let chunk = vec![0; 1 << 20];
    for _ in 0..32 {
        stream.write_all(&chunk).await.unwrap();
    }
    stream.shutdown().await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_their_turn() {
    let others = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&others);
    let handler = get(async move || seen.fetch_add(1, Ordering::SeqCst).to_string());
    let server = Server::start(router().route("/other", handler), |settings| settings.connections = 1);
    let mut first = Client::new(Protocol::Http1, &server).await;
    assert!(first.send("GET", "/", "").await.is_some());
    let mut second = Client::new(Protocol::Http1, &server).await;
    let waiting = second.send("GET", "/other", "");
    let busy = async {
        for _ in 0..20 {
            assert!(first.send("GET", "/", "").await.is_some());
        }
        assert_eq!(others.load(Ordering::SeqCst), 0);
        drop(first);
    };
    let (answer, ()) = tokio::join!(waiting, busy);
    assert_eq!(answer, Some((200, "0".into())));
}

struct Held {
    entered: Arc<Notify>,
    released: Arc<Notify>,
    router: Router,
}

/// A router whose handler says that it has begun, and ends when it is told.
fn held() -> Held {
    let (entered, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (enter, release) = (Arc::clone(&entered), Arc::clone(&released));
    let handler = get(async move || {
        enter.notify_one();
        release.notified().await;
        "finished"
    });
    Held { entered, released, router: Router::new().route("/", handler) }
}

/// Waits until the listener is gone.
async fn refused(server: &Server) {
    let refused = async { while TcpStream::connect(server.address).await.is_ok() {} };
    timeout(PATIENCE, refused).await.expect("connections were still taken");
}

#[tokio::test]
async fn a_drain_refuses_connections_and_finishes_what_has_begun() {
    for protocol in PROTOCOLS {
        let held = held();
        let mut server = Server::start(held.router, |_| {});
        let mut resting = Client::new(Protocol::Http1, &server).await;
        assert!(resting.send("GET", "/health/liveness", "").await.is_some());
        let mut client = Client::new(protocol, &server).await;
        let drain = async {
            held.entered.notified().await;
            server.stop();
            refused(&server).await;
            resting.ended().await;
            held.released.notify_one();
        };
        let (answer, ()) = tokio::join!(client.send("GET", "/", ""), drain);
        assert_eq!(answer, Some((200, "finished".into())));
        client.ended().await;
        assert_eq!(server.stopped().await.cut, 0);
    }
}

#[tokio::test]
async fn a_request_that_was_sent_before_the_drain_is_answered() {
    let mut server = Server::start(router(), |_| {});
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        clients.push(stream);
    }
    server.stop();
    for mut stream in clients {
        assert!(rest(&mut stream).await.ends_with("hello"));
    }
    assert_eq!(server.stopped().await.cut, 0);
}

#[tokio::test]
async fn a_header_that_has_begun_before_the_drain_may_end_and_is_answered() {
    let mut server = Server::start(router(), |_| {});
    let mut fresh = server.connect().await;
    let mut used = server.connect().await;
    used.write_all(b"GET /health/liveness HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_until(&mut used, "ok\n").await;
    for stream in [&mut fresh, &mut used] {
        stream.write_all(b"GET /health/readiness HTTP/1.1\r\nhost: a\r\n").await.unwrap();
    }
    // Answered after them, so their bytes have been seen.
    assert!(server.get("/").await.ends_with("hello"));
    server.stop();
    refused(&server).await;
    for mut stream in [fresh, used] {
        stream.write_all(b"\r\n").await.unwrap();
        assert!(rest(&mut stream).await.starts_with("HTTP/1.1 503 "));
    }
    assert_eq!(server.stopped().await.cut, 0);
}

#[tokio::test]
async fn a_drain_does_not_wait_for_silent_connections() {
    let mut server = Server::start(router(), |_| {});
    let mut silent = server.connect().await;
    server.stop();
    assert_eq!(rest(&mut silent).await, "");
    assert_eq!(server.stopped().await.cut, 0);
}

#[tokio::test]
async fn a_drain_is_bounded() {
    let held = held();
    let mut server = Server::start(held.router, |settings| settings.drain = SHORT);
    let mut client = Client::new(Protocol::Http1, &server).await;
    let stop = async {
        held.entered.notified().await;
        server.stop();
    };
    let (answer, ()) = tokio::join!(client.send("GET", "/", ""), stop);
    assert_eq!(answer, None);
    let started = Instant::now();
    let drained = server.stopped().await;
    assert_eq!(drained.cut, 1);
    assert!(drained.took >= SHORT, "{drained:?}");
    assert!(started.elapsed() < PATIENCE / 2);
}

#[tokio::test]
async fn answers_are_counted_for_their_function_and_health_checks_are_not() {
    let named = get(async || (Extension(FunctionName("minidump")), StatusCode::CREATED).into_response());
    let server = Server::start(router().route("/named", named), |_| {});
    for path in ["/", "/named", "/health/liveness", "/health/readiness"] {
        server.get(path).await;
    }
    let text = server.metrics.text();
    assert!(text.contains(r#"epitaph_http_requests_total{function="test",status="200"} 1"#), "{text}");
    assert!(text.contains(r#"epitaph_http_requests_total{function="minidump",status="201"} 1"#), "{text}");
}
