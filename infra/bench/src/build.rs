//! Builds what is measured as it is deployed: static, stripped, optimised as a whole.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    bins::{COLLECTORS, Features},
    error::BenchError,
};

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Static; random numbers are asked of the kernel at once, which a static binary otherwise reads from a device file; equal
/// code is kept once, and what is relocated when a program is loaded is packed.
const FLAGS: &str = "-C target-feature=+crt-static --cfg getrandom_backend=\"linux_getrandom\" \
                     -C link-arg=-Wl,--icf=all -C link-arg=-Wl,-z,pack-relative-relocs";
/// Functions that are not collectors, and are measured too.
const WORKERS: [&str; 4] = ["process", "maintain", "dashboard", "symbols"];
const BARE: [&str; 2] = ["bare-hyper", "bare-durable"];

/// Builds all programs, package by package, since building several at once would unite their features.
pub(crate) fn into_folder(folder: &Path) -> Result<(), BenchError> {
    for features in Features::EACH {
        for name in COLLECTORS {
            let chosen: &[&str] = match features {
                Features::All => &[],
                _ => &["--no-default-features", "--features", features.folder()],
            };
            function(name, chosen, &folder.join(features.folder()))?;
        }
    }
    for name in WORKERS {
        function(name, &[], &folder.join(Features::All.folder()))?;
    }
    let bench = folder.join("bench");
    for name in BARE {
        cargo(&["-p", "epitaph-bench", "--bin", name])?;
        keep(name, name, &bench)?;
    }
    cargo(&["-p", "epitaph-host", "--features", "lambda", "--example", "bare-lambda"])?;
    keep("examples/bare-lambda", "bare-lambda", &bench)
}

fn function(name: &str, features: &[&str], folder: &Path) -> Result<(), BenchError> {
    let package = format!("epitaph-{name}");
    cargo(&[&["-p", &package, "--bin", name], features].concat())?;
    keep(name, name, folder)
}

fn cargo(arguments: &[&str]) -> Result<(), BenchError> {
    eprintln!("cargo build --profile dist --target {TARGET} {}", arguments.join(" "));
    let status = Command::new("cargo")
        .args(["build", "--profile", "dist", "--target", TARGET])
        .args(arguments)
        .env("RUSTFLAGS", FLAGS)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(BenchError::Own)?;
    if status.success() {
        Ok(())
    } else {
        Err(BenchError::Unusable(format!("cargo build {} ended with {status}", arguments.join(" "))))
    }
}

fn keep(built: &str, name: &str, folder: &Path) -> Result<(), BenchError> {
    let from = Path::new("target").join(TARGET).join("dist").join(built);
    fs::create_dir_all(folder).map_err(BenchError::of_file(folder))?;
    fs::copy(&from, folder.join(name)).map(drop).map_err(BenchError::of_file(&from))
}
