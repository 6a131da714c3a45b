//! Everything that a fuzzer found worth keeping, again: it takes seconds, and no fuzzer.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use epitaph_fuzz::TARGETS;

/// The most bytes of a file, and the most files of a target: what a fuzzer finds is chosen from, not collected.
const LARGEST: u64 = 4 << 10;
const MOST: usize = 50;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn files(target: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(corpus().join(target)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_input_of_the_corpus_is_taken_as_it_should_be() {
    let mut wrong = Vec::new();
    for (name, target) in TARGETS {
        for file in files(name) {
            let bytes = fs::read(&file).unwrap();
            if std::panic::catch_unwind(|| target(&bytes)).is_err() {
                wrong.push(file.strip_prefix(corpus()).unwrap().to_owned());
            }
        }
    }
    assert_eq!(wrong, Vec::<PathBuf>::new(), "see above");
}

#[test]
fn the_corpus_has_inputs_for_every_target_and_stays_small() {
    let folders = fs::read_dir(corpus()).unwrap();
    let folders: BTreeSet<String> =
        folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(folders, TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect());
    for (name, _) in TARGETS {
        let files = files(name);
        assert!((1..=MOST).contains(&files.len()), "{name} has {} files", files.len());
        for file in files {
            let size = file.metadata().unwrap().len();
            assert!(size <= LARGEST, "{} has {size} bytes", file.display());
        }
    }
}

#[test]
fn every_target_has_a_fuzzer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("libfuzzer");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in the manifest");
        let shim = fs::read_to_string(folder.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(shim.contains(&format!("epitaph_fuzz::{name}(data)")), "{shim}");
    }
}
