//! Debug files that nobody uses go, and those that somebody uses or pins stay.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod support;

use std::{
    fs::File,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use epitaph_bucket::Key;
use epitaph_catalog::DebugFileRow;
use epitaph_crash_model::{ProjectId, Timestamp};
use support::{House, debug_file};

const PROJECT: ProjectId = ProjectId::FIRST;
const DAY: i64 = 24 * 60 * 60 * 1000;

/// A debug file that was last used so many days ago: a row, and objects as they are written.
async fn used(house: &House, debug_id: &str, sha256: &str, days_ago: i64, release: &str) {
    let at = Timestamp::now().plus_millis(-days_ago * DAY);
    let row = DebugFileRow { release: Some(release.to_owned()), ..debug_file(debug_id, sha256, at) };
    house.catalog.add_debug_file(&row).await.unwrap();
    let short = &sha256[..32];
    for key in [
        Key::symbol_file(PROJECT, sha256),
        Key::symbols(PROJECT, debug_id, "files", short),
        Key::symbols(PROJECT, debug_id, "lines-1", &format!("3-7-100-{short}")),
    ] {
        house.bucket.put(&key, Bytes::from_static(b"some")).await.unwrap();
    }
}

#[tokio::test]
async fn debug_files_go_when_nobody_has_used_or_pinned_them_for_long() {
    let house = House::new().await;
    let files = ["a", "b", "c"].map(|letter| letter.repeat(64));
    used(&house, "AA1", &files[0], 400, "1.0").await;
    used(&house, "AA1", &files[1], 1, "1.0").await;
    used(&house, "AA2", &files[0], 400, "2.0").await;
    used(&house, "AA3", &files[2], 400, "1.0").await;
    house.catalog.pin_debug_files(PROJECT, "2.0", true).await.unwrap();
    house.maintenance().run().await.unwrap();

    let left = async |id: &str| {
        let rows = house.catalog.debug_files_of(PROJECT, id).await.unwrap();
        rows.into_iter().map(|row| row.sha256).collect::<Vec<_>>()
    };
    assert_eq!(left("AA1").await, [files[1].clone()]);
    assert_eq!(left("AA2").await, [files[0].clone()], "it is pinned");
    assert_eq!(left("AA3").await, Vec::<String>::new());
    let exists = async |key: Key| house.bucket.exists(&key).await.unwrap();
    assert!(exists(Key::symbol_file(PROJECT, &files[0])).await, "AA2 has it too");
    assert!(exists(Key::symbol_file(PROJECT, &files[1])).await);
    assert!(!exists(Key::symbol_file(PROJECT, &files[2])).await);
    let lines =
        |id: &str, file: &str| Key::symbols(PROJECT, id, "lines-1", &format!("3-7-100-{}", &file[..32]));
    assert!(!exists(lines("AA1", &files[0])).await);
    assert!(exists(lines("AA1", &files[1])).await);
    assert!(exists(lines("AA2", &files[0])).await);
}

#[tokio::test]
async fn parts_of_uploads_go_when_no_message_can_name_them() {
    let house = House::new().await;
    let [old, new] = ["old", "new"].map(|name| Key::symbol_part(PROJECT, "an upload", name));
    for key in [&old, &new] {
        house.bucket.put(key, Bytes::from_static(b"some")).await.unwrap();
    }
    let days_ago = |days: u64| SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
    let set = |key: &Key, days: u64| {
        let file = File::options().write(true).open(house.bucket_directory().join(key.to_string())).unwrap();
        file.set_modified(days_ago(days)).unwrap();
    };
    set(&old, 30);
    set(&new, 28);
    house.maintenance().sweep().await.unwrap();
    assert!(!house.bucket.exists(&old).await.unwrap());
    assert!(house.bucket.exists(&new).await.unwrap());
}
