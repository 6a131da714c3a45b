//! What is read from the debug files of a workshop.
#![expect(dead_code, reason = "each test uses its part")]
#![expect(clippy::panic, reason = "a test that cannot set itself up should fail")]

use std::{fs, path::Path};

use epitaph_symbolicate::{CacheKind, Converted, Limits, Lines, Location, Provider, Unwind, convert};
use epitaph_test_services::Workshop;

/// Reads what a workshop has built.
pub(crate) trait Reading {
    /// Converts a file that gives one set of caches.
    fn convert(&self, file: &Path) -> Converted;
    /// The symbols of a file, and nothing else.
    fn provider(&self, file: &Path) -> Provider;
}

impl Reading for Workshop {
    fn convert(&self, file: &Path) -> Converted {
        let name = file.file_name().unwrap().to_str().unwrap();
        let into = self.path(&format!("caches-of-{name}"));
        fs::create_dir_all(&into).unwrap();
        let mut converted = convert(file, name, &into, Limits::default()).unwrap();
        assert_eq!(converted.len(), 1);
        converted.remove(0)
    }

    fn provider(&self, file: &Path) -> Provider {
        let name = file.file_name().unwrap().to_str().unwrap();
        self.convert(file);
        Provider::open(&self.path(&format!("caches-of-{name}"))).unwrap()
    }
}

pub(crate) fn lines(converted: &Converted) -> Lines {
    Lines::open(cache(converted, CacheKind::Lines).unwrap()).unwrap()
}

pub(crate) fn unwind(converted: &Converted) -> Unwind {
    Unwind::open(cache(converted, CacheKind::Unwind).unwrap()).unwrap()
}

pub(crate) fn cache(converted: &Converted, kind: CacheKind) -> Option<&Path> {
    converted.caches.iter().find(|made| made.kind == kind).map(|made| made.path.as_path())
}

/// Functions and their lines at an address, the innermost first.
pub(crate) fn told<'a>(locations: &'a [Location<'a>]) -> Vec<(&'a str, Option<u32>)> {
    locations.iter().map(|location| (location.function, location.line)).collect()
}

/// The name of a function without its parameters, which only some formats tell.
pub(crate) fn plain(name: &str) -> &str {
    name.split('(').next().unwrap_or(name)
}

/// The addresses of a function, as a Breakpad file made of the caches has them.
pub(crate) fn addresses(lines: &Lines, function: &str) -> std::ops::Range<u64> {
    let sym = sym(Some(lines), None);
    let line = sym.lines().find(|line| {
        let name = line.strip_prefix("FUNC ").and_then(|record| record.splitn(4, ' ').nth(3));
        name.is_some_and(|name| plain(name) == function)
    });
    let fields: Vec<&str> = line.unwrap_or_else(|| panic!("no {function} in\n{sym}")).split(' ').collect();
    let number = |field: &str| u64::from_str_radix(field, 16).unwrap();
    let start = number(fields[1]);
    start..start + number(fields[2])
}

pub(crate) fn sym(lines: Option<&Lines>, unwind: Option<&Unwind>) -> String {
    let mut text = Vec::new();
    epitaph_symbolicate::write_sym(lines, unwind, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}
