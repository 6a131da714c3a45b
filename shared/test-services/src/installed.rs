//! What is on this machine, and what was installed for tests.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The first of these programs that this machine has.
///
/// `None` leaves a test out, and says so. Where `CI` is set nothing is left out: it fails.
pub fn program(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
    let found =
        names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|it| it.is_file()));
    if found.is_none() {
        left_out(&format!("there is none of {names:?} on this machine"));
    }
    found
}

/// Says that a test is left out; where `CI` is set it fails instead.
pub fn left_out(why: &str) {
    assert!(env::var_os("CI").is_none(), "{why}; .ci/run installs it");
    println!("skipped: {why}");
}

/// A folder below the target directory for what stays from one run of the tests to the next.
pub fn kept(name: &str) -> PathBuf {
    // target/debug/deps/some_test: the target directory may be anywhere.
    let program = env::current_exe().unwrap();
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let folder = target.unwrap_or_else(|| Path::new("target")).join("tmp/services").join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs a command that must succeed.
pub fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{command:?}: {}\n{}\n{}", output.status, said[0], said[1]);
    output
}
