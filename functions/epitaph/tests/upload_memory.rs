//! Many large uploads at once: what the server holds is bounded by its own limits, not by what clients send.
//!
//! `EPITAPH_TEST_UPLOAD_MB` sets the size of each upload; 50 writes 5 GB, which are deleted again.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use std::{convert::Infallible, time::Instant};

use bytes::Bytes;
use epitaph_test_dumps::linux;
use epitaph_test_services::Aws;
use futures_util::{StreamExt as _, stream};
use reqwest::{
    Body,
    multipart::{Form, Part},
};
use support::{House, Server, load::unlike_others};
use tokio::task::JoinSet;

/// How many upload at once.
const CLIENTS: u64 = 100;
/// What one write of a client brings.
const PIECE: u64 = 64 << 10;
/// What the server may hold of a hundred uploads to a directory, and what it is without them: 64 MB together.
const UPLOADS: u64 = 36_000_000;
const PROGRAM: u64 = 28_000_000;
/// A part that an upload to S3 gathers.
const PART: u64 = 5 << 20;

fn upload_size() -> u64 {
    let megabytes = std::env::var_os("EPITAPH_TEST_UPLOAD_MB");
    megabytes.map_or(5, |text| text.to_str().unwrap().parse::<u64>().unwrap()) * 1_000_000
}

/// A file that no packing makes smaller, unlike that of every other client; made as it is sent.
fn noise(client: u64, size: u64) -> impl futures_util::Stream<Item = Bytes> + Send + 'static {
    let state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(client + 1) | 1;
    stream::unfold((state, size), |(mut state, left)| async move {
        let length = usize::try_from(left.min(PIECE)).unwrap();
        let mut piece = Vec::with_capacity(length + 8);
        while piece.len() < length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            piece.extend_from_slice(&state.to_le_bytes());
        }
        piece.truncate(length);
        (length > 0).then(|| (Bytes::from(piece), (state, left - length as u64)))
    })
}

/// A report with a large attachment; gives its id.
async fn upload(client: reqwest::Client, post: String, number: u64, size: u64) -> String {
    let dump = Part::bytes(unlike_others(linux())).file_name("crash.dmp");
    let file = Body::wrap_stream(noise(number, size).map(Ok::<_, Infallible>));
    let file = Part::stream_with_length(file, size).file_name("save.bin");
    let form = Form::new().part("upload_file_minidump", dump).part("save", file);
    let answer = support::answer(client.post(post).multipart(form)).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text
}

/// What was stored of a client's file is what it sent.
async fn assert_is_whole(server: &Server, id: &str, number: u64, size: u64) {
    let crash = server.crash(id).await;
    let payloads = crash["payloads"].as_array().unwrap();
    let index = payloads.iter().position(|payload| payload["name"] == "save").unwrap_or(1);
    let url = format!("{}/api/v1/projects/1/crashes/{id}/payloads/{index}", server.url);
    let response = server.client.get(url).bearer_auth(&server.token).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let mut stored = response.bytes_stream();
    let mut sent = Box::pin(noise(number, size));
    let (mut ahead, mut bytes) = (Bytes::new(), 0);
    while let Some(mut piece) = stored.next().await.map(Result::unwrap) {
        while !piece.is_empty() {
            if ahead.is_empty() {
                ahead = sent.next().await.unwrap_or_default();
                assert!(!ahead.is_empty(), "more was stored than was sent");
            }
            let length = piece.len().min(ahead.len());
            assert!(piece.split_to(length) == ahead.split_to(length), "other bytes at about {bytes}");
            bytes += length as u64;
        }
    }
    assert_eq!(bytes, size);
}

/// Uploads from all clients at once, and asserts that the server held no more for them than so many bytes.
async fn assert_memory_of_uploads(server: &Server, place: &str, most: u64) {
    let size = upload_size();
    let before = server.memory("VmHWM:");
    let begun = Instant::now();
    let mut uploads = JoinSet::new();
    for number in 0..CLIENTS {
        let one = upload(server.client.clone(), server.post.clone(), number, size);
        uploads.spawn(async move { (number, one.await) });
    }
    let reports = uploads.join_all().await;
    let seconds = begun.elapsed().as_secs_f64();
    for (number, id) in reports.iter().take(3) {
        assert_is_whole(server, id, *number, size).await;
    }
    for (_, id) in &reports {
        server.crash(id).await;
    }
    let after = server.memory("VmHWM:");
    println!(
        "{place}: {CLIENTS} uploads of {} MB in {seconds:.1} s; {:.1} MB held at the start, {:.1} MB at the most",
        size / 1_000_000,
        before as f64 / 1e6,
        after as f64 / 1e6,
    );
    assert!(after - before < most, "for uploads, the server held {} bytes", after - before);
    // Without optimisation the program itself takes more than half of it.
    assert!(cfg!(debug_assertions) || after < PROGRAM + most, "the server held {after} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_large_uploads_at_once_take_little_memory_where_the_bucket_is_a_directory() {
    let house = House::new();
    let server = house.serve();
    assert_memory_of_uploads(&server, "file://", UPLOADS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_large_uploads_at_once_to_s3_take_no_more_than_the_parts_that_are_allowed() {
    for parts in [16, 4] {
        // It holds what it is given in memory.
        let Some(aws) = Aws::ministack() else { return };
        aws.bucket("crashes");
        let mut house = House::with(&[("EPITAPH_BUCKET", "s3://crashes")]);
        for (name, value) in aws.environment() {
            house.set(name, &value);
        }
        house.set("EPITAPH_LIMIT_PARTS", &parts.to_string());
        let server = house.serve();
        let place = format!("s3://, {parts} parts");
        assert_memory_of_uploads(&server, &place, UPLOADS + parts * PART).await;
    }
}
