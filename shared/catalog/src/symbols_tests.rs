use epitaph_crash_model::{ProjectId, Timestamp};

use crate::{
    DebugFileRow, SymbolUpload, UploadState,
    sample::{Engine, T0, catalog, on_each_engine},
};

const PROJECT: ProjectId = ProjectId::FIRST;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(T0 + millis)
}

pub(crate) fn file(debug_id: &str, sha256: &str, uploaded_at: i64) -> DebugFileRow {
    DebugFileRow {
        project: PROJECT,
        debug_id: debug_id.to_owned(),
        sha256: sha256.to_owned(),
        code_id: Some("5ab380779000".to_owned()),
        name: "game.pdb".to_owned(),
        uploaded_as: "game-release.pdb".to_owned(),
        format: "pdb".to_owned(),
        arch: Some("x86_64".to_owned()),
        size: 5_000_000_000,
        lines: Some("full".to_owned()),
        unwind: None,
        release: Some("1.0".to_owned()),
        pinned: false,
        uploaded_at: at(uploaded_at),
        last_used_at: at(uploaded_at),
    }
}

async fn an_upload_is_what_was_noted_of_it_last(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    assert_eq!(catalog.symbol_upload(PROJECT, "sha256:aa").await.unwrap(), None);
    let waiting = SymbolUpload {
        digest: "sha256:aa".to_owned(),
        name: "game.pdb".to_owned(),
        size: 5_000_000_000,
        release: None,
        state: UploadState::Waiting,
        reason: None,
        changed_at: at(0),
    };
    catalog.note_symbol_upload(PROJECT, &waiting).await.unwrap();
    assert!(!catalog.other_symbol_uploads_wait(PROJECT, "sha256:aa").await.unwrap());
    assert!(catalog.other_symbol_uploads_wait(PROJECT, "sha256:bb").await.unwrap());
    let refused = SymbolUpload {
        state: UploadState::Refused,
        reason: Some("no debug file\0".to_owned()),
        changed_at: at(1),
        ..waiting
    };
    catalog.note_symbol_upload(PROJECT, &refused).await.unwrap();
    let expected = SymbolUpload { reason: Some("no debug file\u{fffd}".to_owned()), ..refused };
    assert_eq!(catalog.symbol_upload(PROJECT, "sha256:aa").await.unwrap(), Some(expected));
    assert!(!catalog.other_symbol_uploads_wait(PROJECT, "sha256:bb").await.unwrap());
}

async fn debug_files_are_found_by_their_ids_and_listed_latest_first(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let other = catalog.add_project(None, "Other").await.unwrap().id;
    let files = [file("A1", "cc", 3), file("A1", "bb", 2), file("A0", "bb", 2), file("A1", "aa", 1)];
    for file in &files {
        catalog.add_debug_file(file).await.unwrap();
    }
    let expected = [files[3].clone(), files[1].clone(), files[0].clone()];
    assert_eq!(catalog.debug_files_of(PROJECT, "A1").await.unwrap(), expected);
    assert_eq!(catalog.debug_files_of_code(PROJECT, "5ab380779000").await.unwrap().len(), 4);
    assert_eq!(catalog.debug_files(PROJECT, None, 9).await.unwrap(), files);
    let second = Some((files[1].uploaded_at, files[1].debug_id.as_str(), files[1].sha256.as_str()));
    assert_eq!(catalog.debug_files(PROJECT, second, 1).await.unwrap(), files[2..3]);
    let asked: Vec<String> = (0..1200).map(|number| format!("A{number}")).collect();
    let mut known = catalog.known_debug_ids(PROJECT, &asked).await.unwrap();
    known.sort();
    assert_eq!(known, ["A0", "A1"]);
    assert!(catalog.known_debug_ids(other, &asked).await.unwrap().is_empty());
    assert_eq!(catalog.debug_files_of(other, "A1").await.unwrap(), []);
    assert_eq!(catalog.debug_files_of_code(other, "5ab380779000").await.unwrap(), []);
    assert_eq!(catalog.debug_files(other, None, 9).await.unwrap(), []);
}

async fn a_file_that_comes_again_keeps_its_release_and_its_pin(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let first = file("A1", "aa", 1);
    catalog.add_debug_file(&first).await.unwrap();
    assert_eq!(catalog.pin_debug_files(PROJECT, "1.0", true).await.unwrap(), 1);
    assert_eq!(catalog.pin_debug_files(PROJECT, "1.0", true).await.unwrap(), 0);
    let again = DebugFileRow { release: None, unwind: Some("full".to_owned()), ..file("A1", "aa", 5) };
    catalog.add_debug_file(&again).await.unwrap();
    let expected =
        DebugFileRow { release: first.release, pinned: true, uploaded_at: first.uploaded_at, ..again };
    assert_eq!(catalog.debug_files_of(PROJECT, "A1").await.unwrap(), [expected]);
}

async fn what_nobody_uses_or_pins_is_found_and_removed(engine: Engine) {
    let (_place, catalog) = catalog(engine).await;
    let pinned = DebugFileRow { release: Some("2.0".to_owned()), ..file("A2", "bb", 0) };
    for file in [&file("A0", "aa", 0), &file("A1", "aa", 0), &pinned, &file("A3", "cc", 0)] {
        catalog.add_debug_file(file).await.unwrap();
    }
    catalog.pin_debug_files(PROJECT, "2.0", true).await.unwrap();
    catalog.use_debug_files(PROJECT, &["A3".to_owned()], at(50), at(10)).await.unwrap();
    catalog.use_debug_files(PROJECT, &["A3".to_owned()], at(60), at(40)).await.unwrap();
    assert_eq!(catalog.debug_files_of(PROJECT, "A3").await.unwrap()[0].last_used_at, at(50));
    let unused = catalog.unused_debug_files(at(50), 9).await.unwrap();
    assert_eq!(unused.iter().map(|file| file.debug_id.as_str()).collect::<Vec<_>>(), ["A0", "A1"]);
    assert!(!catalog.remove_debug_file(PROJECT, "A0", "aa").await.unwrap(), "A1 is of the same file");
    assert!(catalog.remove_debug_file(PROJECT, "A1", "aa").await.unwrap());
    assert_eq!(catalog.unused_debug_files(at(50), 9).await.unwrap(), []);
}

on_each_engine! {
    an_upload_is_what_was_noted_of_it_last,
    debug_files_are_found_by_their_ids_and_listed_latest_first,
    a_file_that_comes_again_keeps_its_release_and_its_pin,
    what_nobody_uses_or_pins_is_found_and_removed,
}
