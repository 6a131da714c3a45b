//! The API's description: that it is one, and that the API does what it says.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod server;

use std::{collections::BTreeSet, path::Path, process::Command};

use epitaph_test_services::{Python, python, succeed};
use server::{Server, TOKEN, crash};

fn checkers() -> Option<Python> {
    python(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi/requirements.txt"))
}

/// Waits without keeping the server from answering.
async fn run(mut command: Command) {
    tokio::task::spawn_blocking(move || succeed(&mut command)).await.unwrap();
}

#[tokio::test]
async fn the_description_is_valid_openapi_and_names_every_address() {
    let server = Server::start().await;
    let answer = server.send("GET", "/api/openapi.json", &[], "").await;
    assert_eq!((answer.status, answer.json()["openapi"].as_str()), (200, Some("3.1.0")));
    let source = include_str!("../src/api/mod.rs");
    let routed: BTreeSet<&str> = source.split('"').filter(|text| text.starts_with("/api/")).collect();
    let described = answer.json()["paths"].as_object().unwrap().clone();
    assert_eq!(routed, described.keys().map(String::as_str).collect());

    let Some(python) = checkers() else { return };
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("openapi.json");
    std::fs::write(&file, answer.body).unwrap();
    let mut command = python.module("openapi_spec_validator");
    command.arg(file);
    run(command).await;
}

#[tokio::test]
async fn the_api_answers_as_its_description_says() {
    let Some(python) = checkers() else { return };
    let server = Server::start().await;
    for function in ["Renderer::draw", "Audio::mix"] {
        server.record(&crash(function)).await;
    }
    let place = tempfile::tempdir().unwrap();
    let mut command = python.module("schemathesis.cli");
    command.current_dir(place.path()).arg("run").arg(format!("http://{}/api/openapi.json", server.address));
    command.args(["--header", &format!("Authorization: Bearer {TOKEN}")]);
    // The same questions each time.
    command.args(["--seed", "1", "--generation-deterministic", "--max-examples", "15"]);
    command.args(["--phases", "examples,fuzzing", "--no-color", "--suppress-health-check", "all"]);
    let checks = [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ];
    command.args(["--checks", &checks.join(",")]);
    run(command).await;
}
