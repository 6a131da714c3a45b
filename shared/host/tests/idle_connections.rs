//! Many connections that say nothing. In a test program of its own, since it measures the process.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use axum::{Router, routing::get};
use epitaph_host::{HttpSettings, Limits, Metrics, bind, serve};
use tokio::{sync::oneshot, task::spawn_blocking};

const CONNECTIONS: usize = 2_000;

/// A connection that has said nothing is a socket, a task and a timer.
const MOST_BYTES_EACH: usize = 4_096;

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// One request on a connection of its own; whether it was answered.
fn is_answered(address: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.ends_with("hello")
}

fn crowd(address: SocketAddr) {
    // What the first answer needs is not a connection's cost.
    assert!(is_answered(address));
    let before = resident_bytes();
    let silent: Vec<_> = (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
    // The accept queue is in order: when this is answered, all of them have been taken.
    assert!(is_answered(address));
    let grown = resident_bytes().saturating_sub(before);
    println!("{CONNECTIONS} silent connections: {} KiB, {} bytes each", grown >> 10, grown / CONNECTIONS);
    assert!(grown < CONNECTIONS * MOST_BYTES_EACH, "{} bytes each", grown / CONNECTIONS);

    for mut stream in silent {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert!(matches!(stream.read(&mut [0]), Ok(0)), "a silent connection was not closed");
    }
    assert!(is_answered(address));
}

#[tokio::test]
async fn two_thousand_silent_connections_cost_little_and_are_closed_by_the_header_timeout() {
    let listener = bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let mut settings = HttpSettings::new("test", &Limits::default(), Metrics::new());
    settings.header_time = Duration::from_secs(3);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = serve(listener, Router::new().route("/", get(async || "hello")), settings, async {
        let _ = stopped.await;
    });
    let clients = spawn_blocking(move || {
        crowd(address);
        drop(stop);
    });
    let (_, clients) = tokio::join!(server, clients);
    clients.unwrap();
}
