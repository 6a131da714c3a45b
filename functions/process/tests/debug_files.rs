//! Debug files that were uploaded: converted in a child, published, and noted, whatever they are and whatever dies.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, also in its helpers"
)]

mod common;

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use bytes::Bytes;
use common::{
    debug_files::{digest, message, uploaded},
    house::House,
};
use epitaph_bucket::Key;
use epitaph_catalog::{SymbolUpload, UploadState};
use epitaph_crash_model::{ProjectId, UPLOADED_FILE_VERSION, UploadedFile};
use epitaph_queue::Outcome;
use epitaph_symbolicate::{DebugId, DiskCache, Freshness, Store};
use tokio::task::spawn_blocking;

const ID: &str = "5A9832E5287241C1838ED98914E9B7FF1";
const PROJECT: ProjectId = ProjectId::FIRST;

fn sym() -> Vec<u8> {
    format!(
        "MODULE Linux x86_64 {ID} game\nFILE 0 main.c\nFUNC 10 20 0 main\n10 20 7 0\n\
         STACK CFI INIT 10 20 .cfa: $rsp 8 + .ra: .cfa -8 + ^\n"
    )
    .into_bytes()
}

async fn handled(house: &House, uploaded: &UploadedFile) -> SymbolUpload {
    assert_eq!(house.processor.handle(&message(house, uploaded), 1).await, Outcome::Done);
    house.catalog.symbol_upload(PROJECT, &uploaded.digest).await.unwrap().unwrap()
}

/// The function at an address, as a machine finds it that has only the bucket.
async fn function(house: &House) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(house.bucket.clone(), DiskCache::open(folder.path(), 1 << 20).unwrap());
    let id = DebugId::from_breakpad(ID).unwrap();
    let symbols = store.symbols(PROJECT, id, Freshness::Now).await.unwrap();
    symbols.lookup(0x18).first().map(|location| location.function.to_owned())
}

async fn parts_left(house: &House) -> usize {
    use futures_util::TryStreamExt as _;
    house.bucket.list(&Key::all_symbol_parts()).try_collect::<Vec<_>>().await.unwrap().len()
}

#[tokio::test]
async fn a_debug_file_becomes_symbols_and_its_parts_go() {
    let house = House::new().await;
    let uploaded = uploaded(&house, &sym()).await;
    assert!(uploaded.parts.len() > 1);
    let noted = handled(&house, &uploaded).await;
    assert_eq!((noted.state, noted.reason), (UploadState::Done, None));
    assert_eq!(function(&house).await.as_deref(), Some("main"));
    let rows = house.catalog.debug_files_of(PROJECT, ID).await.unwrap();
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((row.lines.as_deref(), row.unwind.as_deref()), (Some("full"), Some("full")));
    assert_eq!((row.format.as_str(), row.release.as_deref()), ("Breakpad", Some("1.0")));
    assert_eq!(parts_left(&house).await, 0);
    // Delivered again, with nothing left to read.
    assert_eq!(handled(&house, &uploaded).await.state, UploadState::Done);
}

#[tokio::test]
async fn what_came_by_one_digest_is_known_by_the_other() {
    let house = House::new().await;
    let mut uploaded = uploaded(&house, &sym()).await;
    let sha256 = std::mem::replace(&mut uploaded.digest, digest::<sha1::Sha1>("sha1", &sym()));
    assert_eq!(handled(&house, &uploaded).await.state, UploadState::Done);
    let other = house.catalog.symbol_upload(PROJECT, &sha256).await.unwrap().unwrap();
    assert_eq!(other.state, UploadState::Done);
}

#[tokio::test]
async fn what_is_not_what_was_announced_is_refused_and_may_come_again() {
    let house = House::new().await;
    let whole = uploaded(&house, &sym()).await;
    let other = UploadedFile { digest: digest::<sha2::Sha256>("sha256", b"other"), ..whole.clone() };
    let noted = handled(&house, &other).await;
    assert_eq!(noted.state, UploadState::Refused);
    assert!(noted.reason.unwrap().contains("broke on its way"));

    let short = UploadedFile { size: whole.size + 1, ..uploaded(&house, &sym()).await };
    assert!(handled(&house, &short).await.reason.unwrap().contains("were announced"));
    let noted = handled(&house, &whole).await;
    assert!(noted.reason.unwrap().contains("upload it again"), "its parts went with the one before");
    assert_eq!(handled(&house, &uploaded(&house, &sym()).await).await.state, UploadState::Done);
}

#[tokio::test]
async fn what_is_no_debug_file_is_refused_with_its_reason() {
    let house = House::new().await;
    for (content, expected) in [
        (b"Dear diary, ".repeat(40), "this is no debug file"),
        (b"\x7fELF and so on".to_vec(), "ELF"),
        (br#"{"Main.cpp":{"Main.cs":{"5":17}}}"#.to_vec(), "no crash can name it"),
    ] {
        let noted = handled(&house, &uploaded(&house, &content).await).await;
        assert_eq!(noted.state, UploadState::Refused);
        let reason = noted.reason.unwrap();
        assert!(reason.contains(expected), "{reason}");
        assert_eq!(parts_left(&house).await, 0);
    }
}

#[tokio::test]
async fn a_file_that_takes_more_than_it_may_is_refused_and_the_process_lives() {
    let house = House::with(|settings| settings.symbols.converter.limits.data_bytes = 24 << 20).await;
    let mut content = format!("MODULE Linux x86_64 {ID} game\n").into_bytes();
    for index in 0..400_000_u64 {
        content.extend(
            format!("FUNC {:x} 8 0 a function with the number {index}\n", 0x1000 + 8 * index).bytes(),
        );
    }
    let key = Key::symbol_part(PROJECT, "large", "0");
    house.bucket.put(&key, Bytes::from(content.clone())).await.unwrap();
    let large = UploadedFile {
        digest: digest::<sha2::Sha256>("sha256", &content),
        size: content.len() as u64,
        parts: vec![key.to_string()],
        ..uploaded(&house, b"").await
    };
    let noted = handled(&house, &large).await;
    assert_eq!(noted.state, UploadState::Refused, "{noted:?}");
    let reason = noted.reason.unwrap();
    assert!(reason.contains("more memory than it may"), "{reason}");
    assert_eq!(handled(&house, &uploaded(&house, &sym()).await).await.state, UploadState::Done);
}

#[tokio::test]
async fn a_debug_file_that_must_wait_for_its_turn_is_given_back_to_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    // The converter, which says that it has begun and waits until it may go on.
    let (begun, go_on, program) =
        (folder.path().join("begun"), folder.path().join("go-on"), folder.path().join("converter"));
    assert!(Command::new("mkfifo").args([&begun, &go_on]).status().unwrap().success());
    let [begins, waits] = [&begun, &go_on].map(|pipe| pipe.display().to_string());
    let real = env!("CARGO_BIN_EXE_process");
    let script = format!("#!/bin/sh\necho >{begins}\nread line <{waits}\nexec {real} \"$@\"\n");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let house = House::with(|settings| settings.symbols.converter.program = program).await;
    // Their parts have the same names: those of the first are there.
    let second = uploaded(&house, b"another").await;
    let first = uploaded(&house, &sym()).await;
    let converted = handled(&house, &first);
    let tried = async {
        spawn_blocking(move || fs::read(begun)).await.unwrap().unwrap();
        let outcome = house.processor.handle(&message(&house, &second), 1).await;
        spawn_blocking(move || fs::write(go_on, "\n")).await.unwrap().unwrap();
        outcome
    };
    let (converted, outcome) = tokio::join!(converted, tried);
    assert_eq!((converted.state, outcome), (UploadState::Done, Outcome::Busy));
}

#[tokio::test]
async fn messages_that_name_what_is_not_theirs_are_dead() {
    let house = House::new().await;
    let other = house.catalog.add_project(None, "Other").await.unwrap().id;
    let good = uploaded(&house, &sym()).await;
    for key in [
        Key::symbol_part(other, "an upload", "0").to_string(),
        Key::symbol_file(PROJECT, "a file").to_string(),
        "crashes/1/x/y".to_owned(),
        "../../etc/passwd".to_owned(),
    ] {
        let uploaded = UploadedFile { parts: vec![key], ..good.clone() };
        house.is_dead(&message(&house, &uploaded), "not its project's").await;
    }
    let moved = UploadedFile { project: other, ..good.clone() };
    house.is_dead(&message(&house, &moved), "another project").await;
    let newer = UploadedFile { version: UPLOADED_FILE_VERSION + 1, ..good.clone() };
    house.is_dead(&message(&house, &newer), "update it").await;
    assert_eq!(house.catalog.debug_files_of(PROJECT, ID).await.unwrap(), []);
}
