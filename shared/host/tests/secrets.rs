//! Secret files: made once, kept private, agreed on by all processes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, thread};

use epitaph_host::{Role, SecretFileError, Settings};

fn settings(data: &Path, variables: &[(&str, &str)]) -> Settings {
    let data = data.to_str().unwrap().to_owned();
    Settings::read(Role::OneProcess, |name| {
        if name == "EPITAPH_DATA" {
            return Some(data.clone());
        }
        variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
    })
    .ok()
    .unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_secret_is_made_once_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new/data");
    let first = settings(&data, &[]).load_secrets().unwrap();
    let again = settings(&data, &[]).load_secrets().unwrap();
    assert_eq!(first.ingest.to_hex(), again.ingest.to_hex());
    assert_eq!(first.message.to_hex(), again.message.to_hex());
    assert_ne!(first.ingest.to_hex(), first.message.to_hex());
    assert!(first.root.is_some());

    let text = fs::read_to_string(data.join("secret")).unwrap();
    assert_eq!(text.trim().len(), 64);
    assert_eq!(mode(&data.join("secret")), 0o600);
    assert_eq!(mode(&data), 0o700);
    let names: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["secret"], "a draft was left behind");
}

#[test]
fn two_installations_have_different_secrets() {
    let [one, two] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]
        .map(|folder| settings(folder.path(), &[]).load_secrets().unwrap());
    assert_ne!(one.ingest.to_hex(), two.ingest.to_hex());
}

#[test]
fn processes_that_start_together_agree() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), &[]);
    let found: Vec<String> = thread::scope(|scope| {
        let tasks: Vec<_> =
            (0..16).map(|_| scope.spawn(|| settings.load_token().unwrap().reveal().to_owned())).collect();
        tasks.into_iter().map(|task| task.join().unwrap()).collect()
    });
    assert!(found.iter().all(|token| *token == found[0]), "{found:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a draft was left behind");
}

#[test]
fn a_secret_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, "an example of a root secret\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = settings(folder.path(), &[]).load_secrets().unwrap_err();
    assert!(error.to_string().contains("can be read by others (mode 640), expected mode 600"), "{error}");

    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(settings(folder.path(), &[]).load_secrets().is_ok());
}

#[test]
fn a_file_without_a_secret_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let error = settings(folder.path(), &[]).load_secrets().unwrap_err();
    assert!(matches!(error, SecretFileError::Secret { .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
}

#[test]
fn what_is_set_needs_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let hex = "ab".repeat(32);
    let settings = settings(
        folder.path(),
        &[
            ("EPITAPH_INGEST_SECRET", &hex),
            ("EPITAPH_MESSAGE_SECRET", &hex),
            ("EPITAPH_TOKEN", "an-example-of-a-token"),
        ],
    );
    let secrets = settings.load_secrets().unwrap();
    assert_eq!(secrets.ingest.to_hex(), hex);
    assert!(secrets.root.is_none());
    assert_eq!(settings.load_token().unwrap().reveal(), "an-example-of-a-token");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_data_directory_that_cannot_be_made_is_told_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = settings(&file.join("data"), &[]).load_secrets().unwrap_err();
    assert!(matches!(error, SecretFileError::Io { .. }), "{error}");
    assert!(error.to_string().contains("file/data"), "{error}");
}
