//! Uploads that share memory, in time that passes only while all of them wait. They go to a directory, as if that took
//! no part but whole ones: the store in memory would keep the pieces themselves.
#![cfg(feature = "embedded")]

use std::{collections::BTreeMap, ops::Range};

use epitaph_crash_model::{CrashId, ProjectId};
use futures_util::{
    TryStreamExt as _,
    future::{join, join_all, select},
};
use proptest::prelude::*;
use tokio::time::sleep;

use super::*;
use crate::{
    memory::{Memory, Shape},
    open::{Location, REMOTE},
};

const MIB: usize = 1 << 20;
/// Three parts of four pieces, of eight bytes each.
const TINY: Shape = Shape { piece: 8, part: 4, parts: 3, whole: true };

fn bucket(shape: Shape) -> (tempfile::TempDir, Bucket) {
    let directory = tempfile::tempdir().unwrap();
    let place = Location::Directory(directory.path().join("bucket"));
    (directory, Bucket::at(place, Memory::new(shape), 0))
}

fn key() -> Key {
    Key::payload(ProjectId::FIRST, CrashId::new(), 0)
}

/// Bytes that differ from place to place, and from number to number.
fn bytes(number: usize, range: Range<usize>) -> Bytes {
    range.map(|at| u8::try_from((at * 31 + at / 251 + number * 7) % 256).unwrap()).collect()
}

async fn stored(bucket: &Bucket) -> BTreeMap<Key, u64> {
    let trees = Key::crash_trees();
    bucket.list(&trees[0]).map_ok(|listed| (listed.key, listed.size)).try_collect().await.unwrap()
}

/// Who was not waited for may still be at it for a moment.
async fn until_quiet(bucket: &Bucket) {
    let begun = std::time::Instant::now();
    while !bucket.shared.memory.is_quiet() {
        assert!(begun.elapsed() < Duration::from_secs(60), "memory is still held");
        sleep(Duration::from_millis(1)).await;
    }
}

async fn assert_is(bucket: &Bucket, key: &Key, expected: &Bytes) {
    let found = bucket.get(key, u64::MAX).await.unwrap();
    assert!(found == *expected, "{} bytes of {} differ", found.len(), expected.len());
}

/// Collectors do all this on several threads; that this compiles is the test.
#[test]
fn what_an_upload_does_may_move_between_threads() {
    fn may_move<T: Send>(_: T) {}
    let (_directory, bucket) = bucket(TINY);
    let mut upload = bucket.upload(&key());
    may_move(upload.write(Bytes::new()));
    may_move(upload.finish());
    may_move(bucket.upload(&key()).abort());
}

#[tokio::test(start_paused = true)]
async fn seventeen_clients_that_hardly_send_do_not_keep_an_eighteenth_from_sending() {
    let (_directory, bucket) = bucket(REMOTE);
    let (begun, slow_keys): (_, Vec<Key>) = (Instant::now(), (0..17).map(|_| key()).collect());
    let slow = slow_keys.iter().enumerate().map(async |(number, key)| {
        let mut upload = bucket.upload(key).with_patience(Duration::from_secs(4));
        upload.write(bytes(number, 0..4 * MIB)).await.unwrap();
        for at in 0..60 {
            sleep(Duration::from_millis(900)).await;
            upload.write(bytes(number, 4 * MIB + at * 1024..4 * MIB + (at + 1) * 1024)).await.unwrap();
        }
        assert_eq!(upload.finish().await.unwrap(), (4 * MIB + 60 * 1024) as u64);
    });
    let quick_key = key();
    let quick = async {
        sleep(Duration::from_millis(500)).await;
        let mut upload = bucket.upload(&quick_key).with_patience(Duration::from_secs(4));
        for at in 0..30 {
            upload.write(bytes(99, at * MIB..(at + 1) * MIB)).await.unwrap();
        }
        upload.finish().await.unwrap();
        begun.elapsed()
    };
    let (_, took) = join(join_all(slow), quick).await;
    assert!(took < Duration::from_secs(4), "it took {took:?}");
    assert_is(&bucket, &quick_key, &bytes(99, 0..30 * MIB)).await;
    for (number, key) in slow_keys.iter().enumerate() {
        assert_is(&bucket, key, &bytes(number, 0..4 * MIB + 60 * 1024)).await;
    }
    assert_eq!(stored(&bucket).await.len(), 18, "what was put aside is gone");
    until_quiet(&bucket).await;
}

#[tokio::test(start_paused = true)]
async fn small_uploads_hold_little_so_that_hundreds_run_at_once() {
    let (_directory, bucket) = bucket(REMOTE);
    let begun = Instant::now();
    // As minidumps are: 300 KB each, and clients that take ten seconds for them.
    let uploads = (0..150).map(async |number| {
        let mut upload = bucket.upload(&key());
        for at in 0..10 {
            upload.write(bytes(number, at * 30_000..(at + 1) * 30_000)).await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
        upload.finish().await.unwrap();
    });
    join_all(uploads).await;
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert_eq!(stored(&bucket).await.len(), 150);
}

#[tokio::test(start_paused = true)]
async fn who_waits_where_no_memory_comes_back_is_told_within_seconds() {
    let memory = Arc::new(Memory::new(TINY));
    // At work, so not slow: as where the bucket hangs.
    let places: Vec<Place> = (0..3).map(|_| memory.enter()).collect();
    let mut held = Vec::new();
    for place in &places {
        while let Some(piece) = place.take_now() {
            held.push(piece);
        }
    }
    assert_eq!(held.len(), TINY.part * TINY.parts);
    let begun = Instant::now();
    let waiting = memory.enter();
    assert!(matches!(waiting.take(begun).await, Err(BucketError::Busy)));
    assert!(begun.elapsed() < Duration::from_millis(3500), "{:?}", begun.elapsed());
    let frees = async {
        sleep(Duration::from_secs(2)).await;
        drop(held);
    };
    let (took, ()) = join(waiting.take(Instant::now()), frees).await;
    assert!(took.is_ok());
}

#[tokio::test(start_paused = true)]
async fn no_more_than_four_parts_are_sent_at_once_and_the_rest_waits_while_they_move() {
    let memory = Arc::new(Memory::new(REMOTE));
    let begun = Instant::now();
    let sends = (0..30).map(async |_| {
        let place = memory.enter();
        let turn = place.turn_to_send(REMOTE.part, begun).await.unwrap();
        // A part of 5 MiB takes a slow bucket two seconds.
        sleep(Duration::from_secs(2)).await;
        place.moved();
        drop(turn);
    });
    join_all(sends).await;
    assert_eq!(begun.elapsed().as_secs(), 2 * 30_u64.div_ceil(4));
    let (place, waits) = (memory.enter(), memory.enter());
    let mut hangs = Vec::new();
    for _ in 0..4 {
        hangs.push(place.turn_to_send(REMOTE.part, begun).await.unwrap());
    }
    let begun = Instant::now();
    assert!(matches!(waits.turn_to_send(REMOTE.part, begun).await, Err(BucketError::Busy)));
    assert!(begun.elapsed() < Duration::from_millis(3500), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_was_aborted_or_dropped_gives_its_memory_back() {
    let (_directory, bucket) = bucket(TINY);
    for number in 0..10 {
        let mut upload = bucket.upload(&key());
        upload.write(bytes(number, 0..70)).await.unwrap();
        if number % 2 == 0 {
            upload.abort().await;
        }
    }
    until_quiet(&bucket).await;
    assert!(stored(&bucket).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn where_the_bucket_fails_a_slow_upload_keeps_what_it_has() {
    let (directory, bucket) = bucket(TINY);
    let (place, away) = (directory.path().join("bucket"), directory.path().join("away"));
    bucket.put(&key(), Bytes::new()).await.unwrap();
    let keys: Vec<Key> = (0..3).map(|_| key()).collect();
    let mut slow = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        let mut upload = bucket.upload(key);
        upload.write(bytes(number, 0..24)).await.unwrap();
        slow.push(upload);
    }
    std::fs::rename(&place, &away).unwrap();
    let mut quick = bucket.upload(&key());
    assert!(matches!(quick.write(bytes(9, 0..32)).await, Err(BucketError::Busy)));
    drop(quick);
    std::fs::rename(&away, &place).unwrap();
    for (number, (mut upload, key)) in slow.into_iter().zip(&keys).enumerate() {
        upload.write(bytes(number, 24..100)).await.unwrap();
        upload.finish().await.unwrap();
        assert_is(&bucket, key, &bytes(number, 0..100)).await;
    }
    until_quiet(&bucket).await;
}

/// What a client does: pieces of these lengths, and milliseconds before each.
type Client = Vec<(usize, u64)>;

fn clients() -> impl Strategy<Value = Vec<(Client, Option<u64>)>> {
    let client = prop::collection::vec((0_usize..60, prop_oneof![Just(0), 0_u64..5000]), 0..8);
    // Some are gone after a while.
    prop::collection::vec((client, prop::option::weighted(0.2, 0_u64..8000)), 1..14)
}

async fn send_all(clients: Vec<(Client, Option<u64>)>) {
    let (_directory, bucket) = bucket(TINY);
    let sent = clients.into_iter().enumerate().map(async |(number, (client, gone_after))| {
        let key = key();
        let upload = Box::pin(async {
            let mut upload = bucket.upload(&key);
            let mut size = 0;
            for (length, pause) in client {
                sleep(Duration::from_millis(pause)).await;
                upload.write(bytes(number, size..size + length)).await.unwrap();
                size += length;
            }
            upload.finish().await.unwrap();
            size
        });
        let Some(gone_after) = gone_after else { return Some((number, key.clone(), upload.await)) };
        let gone = Box::pin(sleep(Duration::from_millis(gone_after)));
        select(upload, gone).await;
        None
    });
    let sent = join_all(sent).await;
    for (number, key, size) in sent.into_iter().flatten() {
        assert_is(&bucket, &key, &bytes(number, 0..size)).await;
    }
    until_quiet(&bucket).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// None of them fails, whoever is slow or gone; each object is what its client sent.
    #[test]
    fn however_clients_send_all_of_it_arrives_in_order(clients in clients()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        runtime.block_on(send_all(clients));
    }
}
