//! What Knative asks of every container, asked of this function's own binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use epitaph_test_knative::{Contract, container, key};
use http::Request;

fn contract(directory: &tempfile::TempDir) -> Contract {
    let container = container(env!("CARGO_BIN_EXE_minidump"), "minidump", directory.path());
    let path = format!("/api/1/minidump/?sentry_key={}", key());
    Contract::new(container, true, 200, move |number| {
        let dump = format!("MDMP and nothing that could be read, number {number}");
        let request = Request::post(&path).header("content-type", "application/octet-stream");
        request.body(dump.into()).unwrap()
    })
}

#[tokio::test]
async fn it_is_ready_once_it_is_bound_and_speaks_both_protocols() {
    let directory = tempfile::tempdir().unwrap();
    contract(&directory).is_ready_once_it_is_bound_and_speaks_both_protocols().await;
}

#[test]
fn it_says_what_is_missing() {
    contract(&tempfile::tempdir().unwrap()).says_what_is_missing();
}

#[tokio::test]
async fn it_writes_nowhere_but_in_tmp() {
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    contract(&directory).writes_nowhere_but_in_tmp().await;
}

#[tokio::test]
async fn it_hands_over_what_it_answers_while_instances_are_replaced() {
    let directory = tempfile::tempdir().unwrap();
    contract(&directory).hands_over_what_it_answers_while_instances_are_replaced().await;
}
