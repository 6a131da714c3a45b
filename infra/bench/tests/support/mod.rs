//! A folder in which the bench finds programs and leaves its results.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

pub(crate) struct House(TempDir);

impl House {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn results(&self) -> PathBuf {
        self.folder().join("results")
    }

    /// Puts a program into the folder of programs.
    pub(crate) fn put(&self, name: &str, program: &str) {
        let place = self.folder().join("bins").join(name);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        symlink(program, place).unwrap();
    }

    /// Runs the bench in the folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_epitaph-bench"))
            .args(["--bins", "bins", "--data", "data", "--results", "results"])
            .args(arguments)
            .current_dir(self.folder())
            .output()
            .unwrap()
    }

    /// What it prints.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it says went wrong.
    pub(crate) fn fail(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    }
}
