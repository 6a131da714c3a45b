//! The functions' own programs. Cargo gives a test those of its own package only.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::clients::succeed;

/// Builds these functions, as this test is built; each is in the folder, under its name.
pub fn functions(names: &[&str]) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).unwrap();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--bins", "--target-dir"]).arg(target);
    for name in names {
        build.arg("--package").arg(format!("epitaph-{name}"));
    }
    succeed(build.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))));
    target.join("debug")
}
