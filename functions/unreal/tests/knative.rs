//! What Knative asks of every container, asked of this function's own binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use std::io::Write as _;

use epitaph_test_dumps::unreal;
use epitaph_test_knative::{Contract, container, key};
use http::Request;

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn contract(directory: &tempfile::TempDir) -> Contract {
    let container = container(env!("CARGO_BIN_EXE_unreal"), "unreal", directory.path());
    let path = format!("/api/1/unreal/{}/?AppID=CrashReporter", key());
    let crash = unreal::container(
        unreal::Layout::HeaderFirst,
        &[("CrashContext.runtime-xml", b"<FGenericCrashContext/>")],
    );
    let body = bytes::Bytes::from(zlib(&crash));
    Contract::new(container, true, 200, move |_| {
        let request = Request::post(&path).header("content-type", "application/octet-stream");
        request.body(body.clone().into()).unwrap()
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
