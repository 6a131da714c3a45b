//! What the bucket does wherever it is. Each takes a bucket that others may use as well.

use std::collections::BTreeSet;

use bytes::Bytes;
use epitaph_bucket::{Bucket, BucketError, Key, Listed};
use epitaph_crash_model::{CrashId, ProjectId};
use futures_util::TryStreamExt;

/// More than two parts of a remote store.
pub(crate) const LARGE: usize = 12_000_000;

pub(crate) fn key() -> Key {
    Key::payload(ProjectId::FIRST, CrashId::new(), 0)
}

/// Bytes of which no two places look alike for long.
pub(crate) fn bytes(length: usize) -> Bytes {
    (0_usize..length).map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap()).collect()
}

async fn listed(bucket: &Bucket, prefix: &Key) -> Vec<Listed> {
    bucket.list(prefix).try_collect().await.unwrap()
}

pub(crate) async fn what_was_put_can_be_read_listed_and_deleted(bucket: Bucket) {
    let (key, crash) = (key(), CrashId::new());
    bucket.put(&key, Bytes::from_static(b"MDMP")).await.unwrap();
    assert_eq!(bucket.get(&key, 4).await.unwrap().as_ref(), b"MDMP");
    assert!(bucket.exists(&key).await.unwrap());
    let (project, of) = key.crash().unwrap();
    let found = listed(&bucket, &Key::payloads_of(project, of)).await;
    assert_eq!(found.iter().map(|listed| (&listed.key, listed.size)).collect::<Vec<_>>(), [(&key, 4)]);
    assert!(listed(&bucket, &Key::payloads_of(project, crash)).await.is_empty());
    let [tree, _] = Key::crash_trees();
    assert_eq!(bucket.list_names(&tree).await.unwrap(), ["1"]);
    bucket.delete(&key).await.unwrap();
    bucket.delete(&key).await.unwrap();
    assert!(matches!(bucket.get(&key, 4).await, Err(BucketError::NotFound(_))));
    assert!(!bucket.exists(&key).await.unwrap());
}

pub(crate) async fn more_objects_than_one_answer_of_a_store_names_are_all_listed(bucket: Bucket) {
    let crash = CrashId::new();
    let keys: BTreeSet<Key> = (0..1100).map(|index| Key::payload(ProjectId::FIRST, crash, index)).collect();
    for key in &keys {
        bucket.put(key, Bytes::new()).await.unwrap();
    }
    let found = listed(&bucket, &Key::payloads_of(ProjectId::FIRST, crash)).await;
    assert_eq!(found.len(), keys.len());
    assert_eq!(found.into_iter().map(|listed| listed.key).collect::<BTreeSet<_>>(), keys);
}

pub(crate) async fn an_object_larger_than_the_reader_takes_is_not_read(bucket: Bucket) {
    let key = key();
    bucket.put(&key, Bytes::from_static(b"MDMP")).await.unwrap();
    assert!(matches!(bucket.get(&key, 3).await, Err(BucketError::TooLarge { size: 4, limit: 3, .. })));
}

pub(crate) async fn ranges_of_an_object_are_what_lies_there(bucket: Bucket) {
    let (key, whole) = (key(), bytes(3_000_000));
    bucket.put(&key, whole.clone()).await.unwrap();
    let ranges = [0..1, 5..100, 2_000_000..2_999_999, 100..100_000, 2_999_999..3_000_000];
    let found = bucket.get_ranges(&key, &ranges).await.unwrap();
    for (range, found) in ranges.into_iter().zip(found) {
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        assert!(found == whole.slice(range.clone()), "{range:?}");
    }
    bucket.delete(&key).await.unwrap();
    let one = 0..1;
    let missing = bucket.get_ranges(&key, std::slice::from_ref(&one)).await;
    assert!(matches!(missing, Err(BucketError::NotFound(_))));
}

pub(crate) async fn a_write_that_is_repeated_is_as_if_it_was_done_once(bucket: Bucket) {
    let key = key();
    for _ in 0..2 {
        bucket.put(&key, Bytes::from_static(b"MDMP")).await.unwrap();
    }
    assert_eq!(bucket.get(&key, 4).await.unwrap().as_ref(), b"MDMP");
}

pub(crate) async fn an_upload_of_many_pieces_is_there_only_when_it_is_finished(bucket: Bucket) {
    let (key, sent) = (key(), bytes(LARGE));
    let mut upload = bucket.upload(&key);
    for piece in sent.chunks(1_000_000) {
        upload.write(sent.slice_ref(piece)).await.unwrap();
        assert!(!bucket.exists(&key).await.unwrap());
    }
    assert_eq!(upload.finish().await.unwrap(), LARGE as u64);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("copy");
    assert_eq!(bucket.download(&key, &file).await.unwrap(), LARGE as u64);
    assert!(std::fs::read(file).unwrap() == sent);
}

pub(crate) async fn uploads_of_every_length_are_whole(bucket: Bucket) {
    let part = 5 << 20;
    for length in [0, 1, 131_072, part - 1, part, part + 1, 2 * part] {
        let (key, sent) = (key(), bytes(length));
        let mut upload = bucket.upload(&key);
        upload.write(sent.clone()).await.unwrap();
        assert_eq!(upload.finish().await.unwrap(), length as u64);
        assert!(bucket.get(&key, length as u64).await.unwrap() == sent, "{length}");
    }
}

pub(crate) async fn an_upload_that_is_given_up_leaves_nothing(bucket: Bucket) {
    let key = key();
    let mut upload = bucket.upload(&key);
    upload.write(bytes(LARGE)).await.unwrap();
    upload.abort().await;
    let (project, crash) = key.crash().unwrap();
    assert!(listed(&bucket, &Key::payloads_of(project, crash)).await.is_empty());
}
