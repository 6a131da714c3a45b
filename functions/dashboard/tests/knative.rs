//! What Knative asks of every container, asked of this function's own binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use epitaph_test_knative::{Contract, container};
use http::Request;
use http_body_util::Full;

fn contract(directory: &tempfile::TempDir) -> Contract {
    let container = container(env!("CARGO_BIN_EXE_dashboard"), "dashboard", directory.path());
    Contract::new(container, false, 200, |_| Request::get("/login").body(Full::default()).unwrap())
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
async fn it_drops_no_request_while_instances_are_replaced() {
    let directory = tempfile::tempdir().unwrap();
    contract(&directory).drops_no_request_while_instances_are_replaced().await;
}
