//! For tests: reads what `infra/lambda` and `infra/knative` say.
//!
//! YAML is read by Python, which the linters and schemas need anyway. Overlays are put together by a small reader of
//! ours, since there is no kustomize to install; it knows what they use, and refuses the rest.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set itself up should fail")]

pub mod kustomize;
mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};

use epitaph_test_services::{Python, python, succeed};
use serde_json::Value;

pub use crate::tree::{objects, strings};

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The functions, by the names of their folders; not `epitaph`, which is all of them.
pub fn functions() -> BTreeSet<String> {
    let folders = fs::read_dir(root().join("functions")).unwrap();
    let names = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "epitaph").collect()
}

/// The functions that receive reports.
pub const COLLECTORS: [&str; 4] = ["envelope", "minidump", "report", "unreal"];

/// The routes of a function, as its source writes them.
pub fn routes(function: &str) -> BTreeSet<String> {
    let source = fs::read_to_string(root().join("functions").join(function).join("src/lib.rs")).unwrap();
    let routes = source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    let routes: BTreeSet<String> = routes.collect();
    assert!(!routes.is_empty(), "{function} has no route");
    routes
}

/// The settings that there are.
pub fn settings() -> BTreeSet<String> {
    let table = fs::read_to_string(root().join("shared/host/SETTINGS.md")).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.map(str::to_owned).collect()
}

/// A Python with the packages of one of this crate's lists. `None` leaves a test out.
pub fn packages(list: &str) -> Option<Python> {
    python(&Path::new(env!("CARGO_MANIFEST_DIR")).join("requirements").join(list))
}

/// One of this crate's scripts.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(name)
}

/// The template of `infra/lambda`.
pub fn template() -> PathBuf {
    root().join("infra/lambda/template.yaml")
}

/// A SAM template, in JSON.
pub struct Template {
    /// As it is written.
    pub written: Value,
    /// As CloudFormation gets it.
    pub translated: Value,
}

impl Template {
    /// Reads and translates ours. `None` leaves a test out.
    pub fn read() -> Option<Self> {
        let mut command = packages("aws.txt")?.script(&script("template.py"));
        let output = succeed(command.arg(template()));
        let mut both: Value = serde_json::from_slice(&output.stdout).unwrap();
        Some(Self { written: both["written"].take(), translated: both["translated"].take() })
    }
}

/// Packs programs as the functions that they are named after: `folder/NAME/bootstrap.zip`. `None` leaves a test out.
pub fn zip(folder: &Path, programs: &[PathBuf]) -> Option<()> {
    let mut command = packages("aws.txt")?.script(&script("zips.py"));
    succeed(command.arg(folder).args(programs));
    Some(())
}

/// The YAML files below `infra/knative`, by their paths in it, with their documents. `None` leaves a test out.
pub fn knative_files() -> Option<BTreeMap<String, Vec<Value>>> {
    let mut command = packages("kubernetes.txt")?.script(&script("documents.py"));
    let output = succeed(command.arg(root().join("infra/knative")));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// What the schemas say about documents.
pub struct Verdict {
    /// What is wrong.
    pub problems: Vec<String>,
    /// Kinds that no schema is known of.
    pub unknown: Vec<String>,
}

/// Checks documents against the schemas of Kubernetes, and Knative's kinds against those in the folder, if there is
/// one. `None` leaves a test out.
pub fn check(documents: &[Value], knative_schemas: Option<&Path>) -> Option<Verdict> {
    let mut command = packages("kubernetes.txt")?.script(&script("schemas.py"));
    command.arg("1.34").args(knative_schemas).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(documents).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    Some(Verdict { problems: strings(&verdict["problems"]), unknown: strings(&verdict["unknown"]) })
}
