//! What only a directory does.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use std::fs;

use bytes::Bytes;
use epitaph_bucket::{Bucket, BucketError, Key};
use epitaph_crash_model::{CrashId, ProjectId};

fn bucket() -> (tempfile::TempDir, Bucket) {
    let directory = tempfile::tempdir().unwrap();
    let location = format!("file://{}", directory.path().join("data/bucket").display());
    (directory, Bucket::open(&location, 0).unwrap())
}

fn key() -> Key {
    Key::payload(ProjectId::FIRST, CrashId::new(), 0)
}

#[tokio::test]
async fn what_a_dead_writer_left_is_swept_and_nothing_else() {
    let (directory, bucket) = bucket();
    let (kept, dropped) = (key(), key());
    bucket.put(&kept, Bytes::from_static(b"kept")).await.unwrap();
    let mut upload = bucket.upload(&dropped);
    upload.write(Bytes::from(vec![7; 1_000_000])).await.unwrap();
    drop(upload);
    // The object store may remove its staged file on its own when the upload is dropped; a killed process cannot.
    let staged = directory.path().join(format!("data/bucket/{dropped}#99"));
    fs::create_dir_all(staged.parent().unwrap()).unwrap();
    fs::write(&staged, b"half").unwrap();
    assert_eq!(bucket.sweep_unfinished(3600).await.unwrap(), 0, "younger than an hour");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    for path in [&staged, &directory.path().join(format!("data/bucket/{kept}"))] {
        fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    assert_eq!(bucket.sweep_unfinished(3600).await.unwrap(), 1);
    assert!(bucket.exists(&kept).await.unwrap());
    assert!(!staged.exists());
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_writes_and_still_reads() {
    let (directory, bucket) = bucket();
    let key = key();
    bucket.put(&key, Bytes::from_static(b"MDMP")).await.unwrap();
    let location = format!("file://{}", directory.path().join("data/bucket").display());
    let full = Bucket::open(&location, u64::MAX).unwrap();
    assert!(matches!(full.put(&key, Bytes::from_static(b"more")).await, Err(BucketError::NoSpace { .. })));
    assert_eq!(full.get(&key, 4).await.unwrap().as_ref(), b"MDMP");
}

#[test]
fn a_location_that_cannot_be_used_says_what_can() {
    for location in ["", "bucket", "ftp://host/path", "file:relative"] {
        let error = Bucket::open(location, 0).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(location == "file:relative" || error.contains("expected file:///"), "{location}: {error}");
    }
}

#[tokio::test]
async fn a_directory_that_went_away_is_an_engine_that_is_down_and_is_not_made_anew() {
    let (directory, bucket) = bucket();
    let key = key();
    bucket.put(&key, Bytes::from_static(b"MDMP")).await.unwrap();
    let (place, away) = (directory.path().join("data/bucket"), directory.path().join("away"));
    fs::rename(&place, &away).unwrap();
    for failed in [
        bucket.get(&key, 4).await.map(drop),
        bucket.put(&key, Bytes::from_static(b"MDMP")).await,
        bucket.upload(&key).finish().await.map(drop),
    ] {
        assert!(failed.is_err_and(|error| error.is_unavailable()));
    }
    let mut upload = bucket.upload(&key);
    assert!(upload.write(Bytes::from(vec![0; 1 << 20])).await.is_err_and(|error| error.is_unavailable()));
    assert!(!place.exists());
    fs::rename(&away, &place).unwrap();
    assert_eq!(bucket.get(&key, 4).await.unwrap().as_ref(), b"MDMP");
}
