//! The rules of the house: what may depend on what, and how large things may grow.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Functions that receive reports. They start from zero in milliseconds, so they link little.
const COLLECTORS: [&str; 4] = ["epitaph-envelope", "epitaph-minidump", "epitaph-report", "epitaph-unreal"];
/// What a collector never links.
const HEAVY: [&str; 8] = [
    "epitaph-catalog",
    "epitaph-facts",
    "epitaph-symbolicate",
    "sqlx-core",
    "datafusion",
    "parquet",
    "minidump",
    "minidump-processor",
];
/// Engines, and the one crate of ours that may know each.
const KNOWN_BY_ONE: [(&str, &str); 11] = [
    ("sqlx", "epitaph-catalog"),
    ("object_store", "epitaph-bucket"),
    ("datafusion", "epitaph-facts"),
    ("parquet", "epitaph-facts"),
    ("aws-sdk-sqs", "epitaph-queue"),
    ("aws-config", "epitaph-queue"),
    ("lambda_http", "epitaph-host"),
    ("lambda_runtime", "epitaph-host"),
    ("hmac", "epitaph-secrets"),
    ("symbolic-debuginfo", "epitaph-symbolicate"),
    ("symbolic-symcache", "epitaph-symbolicate"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Everything that a package links, with its own default features.
fn linked(package: &str) -> BTreeSet<String> {
    let tree =
        cargo(&["tree", "--locked", "-e", "normal", "--prefix", "none", "--format", "{p}", "-p", package]);
    tree.lines().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect()
}

/// The workspace's packages: name, folder below the root, and names of direct dependencies (but those of tests).
fn packages() -> BTreeMap<String, (PathBuf, BTreeSet<String>)> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--locked", "--no-deps", "--format-version", "1"]))
            .unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let package = |package: &Value| {
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let folder = manifest.parent().unwrap().strip_prefix(root()).unwrap().to_owned();
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let normal = dependencies.filter(|dependency| dependency["kind"].is_null());
        (text(&package["name"]), (folder, normal.map(|dependency| text(&dependency["name"])).collect()))
    };
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

#[test]
fn packages_are_named_after_their_folders() {
    for (name, (folder, _)) in packages() {
        let expected = folder.file_name().unwrap().to_str().unwrap();
        assert_eq!(name.strip_prefix("epitaph-").unwrap_or(&name), expected);
    }
}

#[test]
fn the_crash_model_depends_on_nothing_of_ours() {
    let (_, dependencies) = &packages()["epitaph-crash-model"];
    assert!(!dependencies.iter().any(|name| name.starts_with("epitaph")), "{dependencies:?}");
    for io in ["tokio", "axum", "hyper", "object_store", "sqlx"] {
        assert!(!linked("epitaph-crash-model").contains(io), "it does no I/O, and links {io}");
    }
}

#[test]
fn shared_crates_never_depend_on_functions() {
    let packages = packages();
    for (name, (folder, dependencies)) in
        packages.iter().filter(|(_, (folder, _))| folder.starts_with("shared"))
    {
        let functions = dependencies.iter().filter(|dependency| {
            packages.get(*dependency).is_some_and(|(folder, _)| folder.starts_with("functions"))
        });
        let functions: Vec<_> = functions.collect();
        assert!(functions.is_empty(), "{name} in {} depends on {functions:?}", folder.display());
    }
}

#[test]
fn a_collector_links_nothing_that_it_does_not_need() {
    for collector in COLLECTORS {
        let linked = linked(collector);
        let heavy: Vec<_> = HEAVY.iter().filter(|name| linked.contains(**name)).collect();
        assert!(heavy.is_empty(), "{collector} links {heavy:?}");
    }
}

#[test]
fn every_engine_is_known_by_one_crate() {
    for (name, (_, dependencies)) in packages() {
        for (engine, owner) in KNOWN_BY_ONE {
            assert!(
                name == owner || !dependencies.contains(engine),
                "{name} depends on {engine}; only {owner} may"
            );
        }
    }
}

#[test]
fn a_functions_main_is_a_screenful_or_less() {
    for (name, (folder, _)) in packages().iter().filter(|(_, (folder, _))| folder.starts_with("functions")) {
        let main = root().join(folder).join("src/main.rs");
        let lines = fs::read_to_string(main).unwrap().lines().count();
        assert!(lines <= 50, "{name}'s main.rs has {lines} lines");
    }
}

#[test]
fn no_source_file_grows_beyond_what_a_reader_holds() {
    let mut waiting = vec![root().join("functions"), root().join("shared"), root().join("infra")];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            if path.extension().is_some_and(|extension| extension == "rs") {
                let lines = fs::read_to_string(&path).unwrap().lines().count();
                assert!(lines <= 550, "{} has {lines} lines", path.display());
                assert_ne!(path.file_stem().unwrap(), "utils", "{}", path.display());
            }
        }
    }
}

/// Licences that would bind those who link this.
#[test]
fn nothing_that_is_linked_has_a_licence_that_binds() {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--locked", "--format-version", "1"])).unwrap();
    for package in metadata["packages"].as_array().unwrap() {
        let licence = package["license"].as_str().unwrap_or("none");
        let binds =
            |choice: &str| ["GPL", "SSPL", "FSL", "BUSL", "none"].iter().any(|word| choice.contains(word));
        let all_bind = licence.replace('/', " OR ").split(" OR ").all(binds);
        assert!(!all_bind, "{} is under {licence}", package["name"]);
    }
}

/// No IP address is kept because none is ever looked at: neither the connection's nor what a proxy says of it.
#[test]
fn no_code_reads_the_ip_address_of_a_client() {
    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let packages = packages();
    for (folder, _) in packages.values() {
        let folder = root().join(folder).join("src");
        let mut files = Vec::new();
        if folder.is_dir() {
            sources(&folder, &mut files);
        }
        for file in files {
            let text = fs::read_to_string(&file).unwrap().to_ascii_lowercase();
            for word in [
                "connectinfo",
                "peer_addr",
                "x-forwarded-for",
                "x-real-ip",
                "cf-connecting-ip",
                "sourceip",
                "source_ip",
            ] {
                assert!(!text.contains(word), "{} reads {word}", file.display());
            }
        }
    }
}
