//! A whole function as a process: this test program runs itself again.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    convert::Infallible,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, ChildStderr, Command, ExitCode, Stdio},
};

use axum::{Router, routing::get};
use epitaph_host::{EXIT_BAD_CONFIGURATION, metrics::Outcome, run_function};
use rustix::process::{Pid, Signal, kill_process};

const MARK: &str = "RUN_AS_FUNCTION";

/// Not a test: what [`start`] runs.
#[test]
fn the_function_itself() {
    if std::env::var_os(MARK).is_none() {
        return;
    }
    let code = run_function("example", async |context| {
        context.metrics.count(context.name, Outcome::Accepted, "");
        async fn fail() -> &'static str {
            panic!("on purpose")
        }
        let key = context.secrets.ingest.project_key(1_u64.try_into().unwrap(), 0);
        let router = Router::new().route("/key", get(async move || key)).route("/panic", get(fail));
        Ok::<_, Infallible>(router)
    });
    std::process::exit(if code == ExitCode::SUCCESS {
        0
    } else if code == ExitCode::from(EXIT_BAD_CONFIGURATION) {
        i32::from(EXIT_BAD_CONFIGURATION)
    } else {
        1
    });
}

fn start(variables: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_function_itself", "--nocapture", "--test-threads=1"])
        .env_clear()
        .env(MARK, "yes")
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn event(stderr: &mut BufReader<ChildStderr>) -> serde_json::Value {
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

/// The port that the first line on stderr tells.
fn port(stderr: &mut BufReader<ChildStderr>) -> u16 {
    let event = event(stderr);
    assert_eq!(event["message"], "listening");
    let address = event["fields"]["address"].as_str().unwrap();
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

fn fetch(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_function_logs_json_serves_shows_metrics_and_ends_well_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    // A free port for the metrics: it is free again once this listener is gone.
    let metrics = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = start(&[
        ("PORT", "0"),
        ("EPITAPH_BIND", "127.0.0.1"),
        ("EPITAPH_DATA", folder.path().to_str().unwrap()),
        ("EPITAPH_SECRET", "an example of a root secret"),
        ("EPITAPH_METRICS_PORT", &metrics.to_string()),
    ]);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let port = port(&mut stderr);
    assert!(fetch(port, "/key").ends_with("e3eef2ea1f10b74f04097ef23258097a"));
    assert!(fetch(port, "/metrics").starts_with("HTTP/1.1 404 "));
    assert!(fetch(port, "/panic").starts_with("HTTP/1.1 500 "));
    let panic = event(&mut stderr);
    assert_eq!(panic["message"], "panic: on purpose");
    assert_eq!(panic["level"], "error");
    let text = fetch(metrics, "/metrics");
    assert!(text.contains("Content-Type: application/openmetrics-text"), "{text}");
    assert!(
        text.contains(r#"epitaph_outcomes_total{function="example",outcome="accepted",reason=""} 1"#),
        "{text}"
    );
    assert!(text.contains(r#"epitaph_http_requests_total{function="example",status="404"} 1"#), "{text}");

    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn bad_configuration_is_one_line_and_exit_code_64() {
    let child = start(&[("PORT", "http"), ("EPITAPH_LOG", "loud")]);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("epitaph: bad configuration: PORT is \"http\", expected "), "{text}");
}

#[test]
fn a_port_that_is_taken_is_one_line_and_exit_code_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let child = start(&[
        ("PORT", &port.to_string()),
        ("EPITAPH_BIND", "127.0.0.1"),
        ("EPITAPH_SECRET", "an example of a root secret"),
    ]);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.starts_with(&format!("epitaph: example could not start: cannot listen on 127.0.0.1:{port}: ")),
        "{text}"
    );
}
