//! Debug files, and the caches that are made of them.

use std::{fs, path::Path};

use epitaph_symbolicate::{CacheKind, Converted, Limits, Lines, Managed, Unwind, convert, identify};
use minidump_unwind::SymbolFile;

const ID: &str = "5A9832E5287241C1838ED98914E9B7FF1";
/// Addresses that are asked for.
const ADDRESSES: u64 = 0x400;

/// Small enough that a file of a few kilobytes reaches them.
const LIMITS: Limits = Limits {
    functions: 1000,
    ranges: 5000,
    inline_depth: 20,
    unwind_records: 500,
    name_bytes: 100_000,
    rule_bytes: 20_000,
    section_bytes: 1 << 20,
};

/// Whatever a file is, it is refused, or the caches that come of it keep to the limits and can be asked.
pub fn debug_files(data: &[u8]) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let file = folder.path().join("file");
    fs::write(&file, data).expect("there is room for a file");
    let Ok(files) = identify(&file, "game") else { return };
    assert!(!files.is_empty());
    for described in &files {
        assert!(described.name.chars().count() <= 260 && !described.name.contains('\n'), "{described:?}");
        assert_eq!(described.debug_id.is_some(), described.id().is_some());
    }
    let Ok(converted) = convert(&file, "game", folder.path(), LIMITS) else { return };
    assert_eq!(converted.len(), files.len());
    for Converted { caches, .. } in converted {
        for made in caches {
            assert!(u64::from(made.quality.ranges) <= LIMITS.ranges + LIMITS.functions, "{made:?}");
            assert_eq!(fs::metadata(&made.path).map(|about| about.len()).ok(), Some(made.size));
            ask(made.kind, &made.path);
        }
    }
}

fn ask(kind: CacheKind, path: &Path) {
    let opened = "what was just made can be opened";
    match kind {
        CacheKind::Lines => asked_for_lines(&Lines::open(path).expect(opened)),
        CacheKind::Unwind => asked_to_unwind(&Unwind::open(path).expect(opened)),
        CacheKind::Managed => {
            Managed::open(path).expect(opened).lookup("a.cpp", 5);
        }
    }
}

fn asked_for_lines(lines: &Lines) {
    for address in (0..ADDRESSES).chain([u64::from(u32::MAX), u64::MAX]) {
        let found = lines.lookup(address);
        assert!(found.len() <= 256);
        let inlined: Vec<bool> = found.iter().map(|location| location.inline).collect();
        assert!(inlined.iter().rev().skip(1).all(|inline| *inline) && inlined.last() != Some(&true));
    }
    let mut text = Vec::new();
    epitaph_symbolicate::write_sym(Some(lines), None, &mut text).expect("memory takes everything");
}

fn asked_to_unwind(unwind: &Unwind) {
    for address in (0..ADDRESSES).chain([u64::from(u32::MAX), u64::MAX]) {
        unwind.text_at(address);
        unwind.parameter_size(address, address / 16 * 16);
    }
}

/// A cache whose checksums are right, whatever is in it, is refused or can be asked: it may have been forged.
///
/// The data is a byte for the kind, then the payload.
pub fn symbol_caches(data: &[u8]) {
    let Some((kind, payload)) = data.split_first() else { return };
    match kind % 4 {
        0 => {
            if let Some(lines) = Lines::from_bytes(cache(1, payload)) {
                asked_for_lines(&lines);
            }
        }
        1 => {
            if let Some(unwind) = Unwind::from_bytes(cache(2, payload)) {
                asked_to_unwind(&unwind);
                let mut text = Vec::new();
                let written = epitaph_symbolicate::write_sym(None, Some(&unwind), &mut text);
                written.expect("memory takes everything");
            }
        }
        2 => {
            if let Some(managed) = Managed::from_bytes(cache(3, payload)) {
                for line in [0, 1, 60, u32::MAX] {
                    managed.lookup("", line);
                    managed.lookup("a.cpp", line);
                }
            }
        }
        _ => {
            let _ = Lines::from_bytes(payload.to_vec());
            let _ = Unwind::from_bytes(payload.to_vec());
        }
    }
}

/// A cache around a payload, as the writer makes it.
fn cache(kind: u32, payload: &[u8]) -> Vec<u8> {
    let subject = format!(
        r#"{{"debug_id":"{ID}","arch":"x86_64","os":"Linux","name":"game","format":"elf","quality":{{"worth":"full","ranges":1}}}}"#
    );
    let mut bytes = b"EPITSYM1".to_vec();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(u32::try_from(subject.len()).unwrap_or_default().to_le_bytes());
    bytes.extend((payload.len() as u64).to_le_bytes());
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(payload);
    checksum.update(subject.as_bytes());
    bytes.extend(checksum.finalize().to_le_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes.resize(64, 0);
    bytes.extend(payload);
    bytes.extend(subject.as_bytes());
    bytes
}

/// Records of unwind information say through the index what they say to the library that reads them whole.
///
/// The data is the lines of a Breakpad file after its first.
pub fn cfi_index(data: &[u8]) {
    let records = String::from_utf8_lossy(data);
    let text = format!("MODULE Linux x86_64 {ID} game\n{records}\n");
    let Ok(whole) = SymbolFile::from_bytes(text.as_bytes()) else { return };
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let file = folder.path().join("game.sym");
    fs::write(&file, &text).expect("there is room for a file");
    let converted = convert(&file, "game.sym", folder.path(), Limits::default()).unwrap_or_default();
    let caches = converted.iter().flat_map(|converted| &converted.caches);
    let made = caches.into_iter().find(|made| made.kind == CacheKind::Unwind);
    let unwind = made.map(|made| Unwind::open(&made.path).expect("what was just made can be opened"));
    for address in 0..ADDRESSES {
        let text = unwind.as_ref().map(|unwind| unwind.text_at(address)).unwrap_or_default();
        let some =
            SymbolFile::from_bytes(format!("INFO none\n{text}").as_bytes()).expect("it is well formed");
        let of = |file: &SymbolFile| {
            let cfi = file.cfi_stack_info.get(address).map(|info| {
                // A line that begins before its record is left out of the index.
                let within = info.init.address..=address;
                let more = info.add_rules.iter().filter(|more| within.contains(&more.address)).cloned();
                (info.init.clone(), more.collect::<Vec<_>>())
            });
            let frame_data = file.win_stack_framedata_info.get(address).cloned();
            (cfi, frame_data, file.win_stack_fpo_info.get(address).cloned())
        };
        assert_eq!(of(&some), of(&whole), "at {address:x} of\n{records}");
    }
}
