//! The bucket in S3, as far as MiniStack imitates it.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]
#![cfg(feature = "s3")]

mod stores;

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use bytes::Bytes;
use epitaph_bucket::{Bucket, BucketError, Environment, OpenOptions};
use epitaph_test_services::Aws;
use stores::{bytes, key};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn given(variables: &[(&str, &str)]) -> Environment {
    Environment::Given(variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn credentials() -> [(&'static str, &'static str); 2] {
    [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]
}

fn open(location: &str, variables: &[(&str, &str)], parts: usize) -> Bucket {
    let options = OpenOptions { parts, environment: given(variables), ..OpenOptions::default() };
    Bucket::open_with(location, options).unwrap()
}

/// A bucket of this URL in MiniStack.
fn open_in(aws: &Aws, location: &str, parts: usize) -> Bucket {
    let variables = aws.environment();
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    open(location, &variables, parts)
}

/// What a plain HTTP client gets at a URL.
async fn download(url: &str) -> (String, Vec<u8>) {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut socket = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..end].to_vec()).unwrap().to_ascii_lowercase(), answer[end + 4..].to_vec())
}

/// One after another, as they share one MiniStack.
#[tokio::test]
async fn s3_does_what_every_store_does() {
    let Some(aws) = Aws::ministack() else { return };
    aws.bucket("crashes");
    let bucket = open_in(&aws, "s3://crashes", 16);
    stores::what_was_put_can_be_read_listed_and_deleted(bucket.clone()).await;
    stores::more_objects_than_one_answer_of_a_store_names_are_all_listed(bucket.clone()).await;
    stores::an_object_larger_than_the_reader_takes_is_not_read(bucket.clone()).await;
    stores::ranges_of_an_object_are_what_lies_there(bucket.clone()).await;
    stores::a_write_that_is_repeated_is_as_if_it_was_done_once(bucket.clone()).await;
    stores::an_upload_of_many_pieces_is_there_only_when_it_is_finished(bucket.clone()).await;
    stores::uploads_of_every_length_are_whole(bucket.clone()).await;
    stores::an_upload_that_is_given_up_leaves_nothing(bucket.clone()).await;
    let prefixed = open_in(&aws, "s3://crashes/game%20one/live", 16);
    stores::what_was_put_can_be_read_listed_and_deleted(prefixed.clone()).await;
    stores::an_upload_of_many_pieces_is_there_only_when_it_is_finished(prefixed).await;
}

#[tokio::test]
async fn buckets_below_different_prefixes_do_not_see_each_other() {
    let Some(aws) = Aws::ministack() else { return };
    aws.bucket("crashes");
    let [one, two] = ["s3://crashes/one", "s3://crashes/two/"].map(|location| open_in(&aws, location, 16));
    let key = key();
    one.put(&key, Bytes::from_static(b"MDMP")).await.unwrap();
    assert!(one.exists(&key).await.unwrap() && !two.exists(&key).await.unwrap());
}

#[tokio::test]
async fn uploads_of_slow_clients_give_way_and_are_whole_in_the_end() {
    let Some(aws) = Aws::ministack() else { return };
    aws.bucket("crashes");
    let bucket = open_in(&aws, "s3://crashes", 2);
    let sent = bytes(7_000_000);
    let mut slow: Vec<_> = (0..3).map(|_| (key(), None)).collect();
    for (key, upload) in &mut slow {
        let mut begun = bucket.upload(key);
        begun.write(sent.slice(..3_000_000)).await.unwrap();
        *upload = Some(begun);
    }
    let (quick, begun) = (key(), Instant::now());
    let mut upload = bucket.upload(&quick);
    upload.write(sent.clone()).await.unwrap();
    upload.finish().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!(bucket.get(&quick, 7_000_000).await.unwrap() == sent);
    for (key, upload) in slow {
        let mut upload = upload.unwrap();
        upload.write(sent.slice(3_000_000..)).await.unwrap();
        upload.finish().await.unwrap();
        assert!(bucket.get(&key, 7_000_000).await.unwrap() == sent);
        let (project, crash) = key.crash().unwrap();
        let names = bucket.list(&epitaph_bucket::Key::payloads_of(project, crash));
        let left: Vec<_> = futures_util::TryStreamExt::try_collect(names).await.unwrap();
        assert_eq!(left.len(), 1, "what was put aside is gone: {left:?}");
    }
}

#[tokio::test]
async fn a_presigned_url_needs_no_credentials_and_names_the_file() {
    let Some(aws) = Aws::ministack() else { return };
    aws.bucket("crashes");
    let bucket = open_in(&aws, "s3://crashes/live", 16);
    let key = key();
    bucket.put(&key, Bytes::from_static(b"MDMP")).await.unwrap();
    let url = bucket.presigned(&key, Duration::from_secs(60), "crash.dmp").await.unwrap().unwrap();
    assert!(url.contains("X-Amz-Expires=60") && url.contains("X-Amz-Signature="), "{url}");
    let (head, body) = download(&url).await;
    assert!(head.starts_with("http/1.1 200") || head.starts_with("http/1.0 200"), "{head}");
    assert!(head.contains("attachment; filename=\"crash.dmp\""), "{head}");
    assert_eq!(body, b"MDMP");
}

#[tokio::test]
async fn whoever_has_a_presigned_url_can_put_this_object_and_no_other() {
    let Some(aws) = Aws::ministack() else { return };
    aws.bucket("crashes");
    let bucket = open_in(&aws, "s3://crashes/live", 16);
    let key = key();
    let url = bucket.presigned_put(&key, Duration::from_secs(60)).await.unwrap().unwrap();
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    assert!(path.starts_with(&format!("crashes/live/{key}?")), "{path}");
    let mut socket = tokio::net::TcpStream::connect(host).await.unwrap();
    let head =
        format!("PUT /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 4\r\n\r\n");
    socket.write_all(&[head.as_bytes(), b"MDMP"].concat()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(bucket.get(&key, 100).await.unwrap(), "MDMP");
    assert!(Bucket::in_memory().presigned_put(&key, Duration::from_secs(60)).await.unwrap().is_none());
}

#[tokio::test]
async fn without_an_endpoint_the_bucket_is_the_host_and_the_region_must_be_known() {
    let [id, secret] = credentials();
    let bucket = open("s3://crashes/live", &[id, secret, ("AWS_REGION", "ap-northeast-2")], 16);
    let presign = async |bucket: Bucket| bucket.presigned(&key(), Duration::from_secs(60), "a").await;
    let url = presign(bucket).await.unwrap().unwrap();
    assert!(url.starts_with("https://crashes.s3.ap-northeast-2.amazonaws.com/live/payloads/1/"), "{url}");
    let with_dots = open("s3://a.b", &[id, secret, ("AWS_REGION", "ap-northeast-2")], 16);
    let url = presign(with_dots).await.unwrap().unwrap();
    assert!(url.starts_with("https://s3.ap-northeast-2.amazonaws.com/a.b/payloads/1/"), "{url}");
    let nowhere = presign(open("s3://crashes", &[id, secret], 16)).await;
    assert!(nowhere.unwrap_err().to_string().contains("AWS_REGION is not set"));
    let own = ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000");
    let url = presign(open("s3://crashes", &[id, secret, own], 16)).await.unwrap().unwrap();
    assert!(url.starts_with("http://127.0.0.1:9000/crashes/payloads/1/"), "{url}");
}

#[tokio::test]
async fn a_store_that_refuses_connections_or_never_answers_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hangs = format!("http://{}", listener.local_addr().unwrap());
    let refuses = format!("http://127.0.0.1:{}", epitaph_test_services::free_port());
    let [id, secret] = credentials();
    for endpoint in [&hangs, &refuses] {
        let bucket = open("s3://crashes", &[id, secret, ("AWS_ENDPOINT_URL", endpoint)], 16);
        let begun = Instant::now();
        let mut upload = bucket.upload(&key()).with_patience(Duration::from_secs(2));
        let failed = upload.write(bytes(6 << 20)).await;
        assert!(matches!(failed, Err(BucketError::Unavailable(_))), "{failed:?}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        let again = upload.write(bytes(6 << 20)).await;
        assert!(again.is_err(), "what was not taken is not forgotten");
    }
}
