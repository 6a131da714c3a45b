//! Files that are larger than an answer may be where the dashboard runs.

mod server;

use epitaph_bucket::{Bucket, Environment, OpenOptions};
use epitaph_crash_model::Encoding;
use epitaph_test_services::Aws;
use server::{Server, crash};

const LARGEST: u64 = 1000;

#[tokio::test]
async fn a_file_that_is_too_large_for_an_answer_is_downloaded_from_the_bucket_itself() {
    let Some(aws) = Aws::ministack() else { return };
    aws.bucket("crashes");
    let variables = aws.environment().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let options = OpenOptions { environment: Environment::Given(variables), ..OpenOptions::default() };
    let bucket = Bucket::open_with("s3://crashes/live", options).unwrap();
    let place = tempfile::tempdir().unwrap();
    let server = Server::start_over(bucket, place, |settings| settings.largest_answer = Some(LARGEST)).await;
    let mut crash = crash("Renderer::draw");
    server.keep(&mut crash, &[7; 1000], Encoding::Identity, "upload_file_minidump").await;
    server.keep(&mut crash, &[7; 1001], Encoding::Identity, "save.bin").await;
    server.keep(&mut crash, &[7; 1001], Encoding::Zstd, "game.log").await;
    server.record(&crash).await;
    let address = format!("/api/v1/projects/1/crashes/{}/payloads", crash.id);

    let small = server.get(&format!("{address}/0")).await;
    assert_eq!((small.status, small.body.len()), (200, 1000));
    for (index, name) in [(1, "save.bin"), (2, "game.log.zst")] {
        let large = server.get(&format!("{address}/{index}")).await;
        assert_eq!((large.status, large.body.len()), (302, 0));
        let location = large.header("location");
        let key = &crash.payloads[index].key;
        assert!(location.starts_with(&format!("{}/crashes/live/{key}?", aws.endpoint())), "{location}");
        assert!(location.contains(&format!("filename%3D%22{name}%22")), "{location}");
        assert!(location.contains("X-Amz-Signature="), "{location}");
    }
    let lost = epitaph_bucket::Key::payload(crash.project, crash.id, 1);
    server.bucket.delete(&lost).await.unwrap();
    assert_eq!(server.get(&format!("{address}/1")).await.status, 404);
}

#[tokio::test]
async fn a_directory_answers_itself_however_large_the_file_is() {
    let server = Server::start_with(|settings| settings.largest_answer = Some(LARGEST)).await;
    let mut crash = crash("Renderer::draw");
    server.keep(&mut crash, &[7; 2000], Encoding::Identity, "save.bin").await;
    server.record(&crash).await;
    let answer = server.get(&format!("/api/v1/projects/1/crashes/{}/payloads/0", crash.id)).await;
    assert_eq!((answer.status, answer.body.len()), (200, 2000));
}
