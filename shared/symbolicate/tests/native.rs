//! Programs of every system: what their debug files say of functions, lines and unwinding.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod workshop;

use std::{fs, path::Path};

use epitaph_symbolicate::{CacheKind, Converted, Limits, Quality, Worth, convert, identify};
use epitaph_test_services::{Target, Workshop};
use workshop::{Reading as _, addresses, lines, plain, told, unwind};

/// That the lines of the program are there: `inner` in `outer` in `crash_here`.
fn has_the_lines(converted: &Converted) {
    let lines = lines(converted);
    let mut deepest = Vec::new();
    for address in addresses(&lines, "crash_here") {
        let found = lines.lookup(address);
        assert_eq!(found.last().map(|outermost| plain(outermost.function)), Some("crash_here"));
        let file = found.last().and_then(|outermost| outermost.file.as_deref()).unwrap_or_default();
        assert!(file.ends_with("game.c"), "{file}");
        if found.len() > deepest.len() {
            deepest = told(&found).iter().map(|(name, line)| (plain(name).to_owned(), *line)).collect();
        }
    }
    let expected = [("inner", Some(3)), ("outer", Some(6)), ("crash_here", Some(9))];
    assert_eq!(deepest, expected.map(|(name, line)| (name.to_owned(), line)));
}

fn worth(converted: &Converted, kind: CacheKind) -> Option<Worth> {
    let made = converted.caches.iter().find(|made| made.kind == kind);
    made.map(|made| made.quality).map(|Quality { worth, .. }| worth)
}

#[test]
fn a_linux_program_has_lines_and_unwind_information() {
    let workshop = Workshop::new();
    let Some(game) = workshop.build(Target::LinuxGcc) else { return };
    let converted = workshop.convert(&game);
    has_the_lines(&converted);
    assert_eq!(converted.faults, Vec::<String>::new());
    let start = addresses(&lines(&converted), "caller").start;
    let text = unwind(&converted).text_at(start + 2);
    assert!(text.starts_with("STACK CFI INIT ") && text.contains(".cfa: $rsp 8 +"), "{text}");
    let symbols = workshop.run(&["nm"], "game").unwrap();
    let symbol = symbols.lines().find(|line| line.ends_with(" caller")).unwrap();
    assert_eq!(u64::from_str_radix(symbol.split(' ').next().unwrap(), 16), Ok(start));
}

#[test]
fn compressed_debug_information_says_the_same() {
    let workshop = Workshop::new();
    if workshop.build(Target::LinuxGcc).is_none() {
        return;
    }
    let plain = workshop.convert(&workshop.path("game"));
    for (packing, name) in [("zlib", "packed"), ("zlib-gnu", "packed-of-old")] {
        workshop.run(&["objcopy"], &format!("--compress-debug-sections={packing} game {name}")).unwrap();
        let packed = workshop.path(name);
        assert_ne!(fs::read(&packed).unwrap(), fs::read(workshop.path("game")).unwrap());
        let packed = workshop.convert(&packed);
        has_the_lines(&packed);
        assert_eq!(worth(&packed, CacheKind::Lines), Some(Worth::Full));
        assert_eq!(packed.file.debug_id, plain.file.debug_id);
    }
}

#[test]
fn a_stripped_program_and_its_debug_file_have_one_id_and_half_of_it_each() {
    let workshop = Workshop::new();
    if workshop.build(Target::LinuxGcc).is_none() {
        return;
    }
    workshop.run(&["objcopy"], "--only-keep-debug game game.debug").unwrap();
    workshop.run(&["objcopy"], "--strip-all --add-gnu-debuglink=game.debug game stripped").unwrap();
    let debug = workshop.convert(&workshop.path("game.debug"));
    let stripped = workshop.convert(&workshop.path("stripped"));
    assert_eq!(debug.file.debug_id, stripped.file.debug_id);
    assert_eq!((debug.file.name.as_str(), stripped.file.name.as_str()), ("game", "stripped"));
    has_the_lines(&debug);
    assert_eq!(worth(&debug, CacheKind::Unwind), None);
    assert_eq!(worth(&stripped, CacheKind::Unwind), Some(Worth::Full));
    assert!(worth(&stripped, CacheKind::Lines) < worth(&debug, CacheKind::Lines));
}

#[test]
fn an_android_library_has_lines_and_unwind_information() {
    let workshop = Workshop::new();
    let Some(library) = workshop.build(Target::LinuxArm64) else { return };
    let converted = workshop.convert(&library);
    has_the_lines(&converted);
    assert_eq!(converted.file.arch.as_deref(), Some("arm64"));
    let start = addresses(&lines(&converted), "caller").start;
    assert!(unwind(&converted).text_at(start).contains(".cfa: sp 0 + .ra: x30"));
}

#[test]
fn a_windows_program_unwinds_and_its_pdb_has_the_lines() {
    let workshop = Workshop::new();
    let Some(program) = workshop.build(Target::WindowsX64) else { return };
    let pdb = workshop.convert(&workshop.path("game.pdb"));
    has_the_lines(&pdb);
    assert_eq!(worth(&pdb, CacheKind::Unwind), None);
    let program = workshop.convert(&program);
    assert_eq!(program.file.debug_id, pdb.file.debug_id);
    assert_eq!(program.file.name, "game.pdb", "crashes call it by the name of its PDB");
    assert_eq!(worth(&program, CacheKind::Lines), None, "nothing is exported");
    let start = addresses(&lines(&pdb), "caller").start;
    let text = unwind(&program).text_at(start);
    assert!(text.starts_with("STACK CFI INIT ") && text.contains("$rsp"), "{text}");
}

#[test]
fn a_32_bit_windows_program_unwinds_by_its_pdb() {
    let workshop = Workshop::new();
    if workshop.build(Target::WindowsX86).is_none() {
        return;
    }
    let pdb = workshop.convert(&workshop.path("game.pdb"));
    has_the_lines(&pdb);
    let start = addresses(&lines(&pdb), "caller").start;
    let text = unwind(&pdb).text_at(start);
    assert!(text.starts_with("STACK WIN 4 "), "{text}");
}

#[test]
fn a_mac_library_unwinds_and_its_dsym_has_the_lines() {
    for target in [Target::MacX64, Target::MacArm64] {
        let workshop = Workshop::new();
        let Some(library) = workshop.build(target) else { return };
        let dsym = workshop.convert(&workshop.path("game.dSYM/Contents/Resources/DWARF/game.dylib"));
        has_the_lines(&dsym);
        let library = workshop.convert(&library);
        assert_eq!(library.file.debug_id, dsym.file.debug_id);
        assert_eq!(worth(&library, CacheKind::Unwind), Some(Worth::Full), "{target:?}: {library:?}");
        let start = addresses(&lines(&dsym), "crash_here").start;
        assert!(unwind(&library).text_at(start).starts_with("STACK CFI INIT "), "{target:?}");
    }
}

#[test]
fn a_library_for_two_processors_is_two_debug_files() {
    let [x64, arm64] = [Target::MacX64, Target::MacArm64].map(|target| {
        let workshop = Workshop::new();
        workshop.build(target).map(|path| (workshop, path))
    });
    let (Some((_x64, first)), Some((workshop, second))) = (x64, arm64) else { return };
    let arguments = format!("-create {} {} -output both", first.display(), second.display());
    let Some(_) = workshop.run(&["llvm-lipo", "llvm-lipo-14", "llvm-lipo-16", "llvm-lipo-19"], &arguments)
    else {
        return;
    };
    let files = identify(&workshop.path("both"), "both").unwrap();
    let told: Vec<_> = files.iter().map(|file| file.arch.as_deref().unwrap()).collect();
    assert_eq!(told, ["x86_64", "arm64"]);
    assert_eq!(files[0].debug_id, one(&first).debug_id);
    assert_eq!(files[1].debug_id, one(&second).debug_id);
}

#[test]
fn of_two_parts_with_one_id_the_first_is_used() {
    let workshop = Workshop::new();
    let Some(library) = workshop.build(Target::MacX64) else { return };
    let part = fs::read(&library).unwrap();
    // Both parts of a file for two processors are the same bytes.
    let (size, start) = (u32::try_from(part.len()).unwrap(), 4096_u32);
    let mut both: Vec<u8> = [0xcafe_babe_u32, 2].iter().flat_map(|word| word.to_be_bytes()).collect();
    for processor in [0x0100_0007_u32, 0x0100_000c] {
        both.extend([processor, 3, start, size, 12].iter().flat_map(|word| word.to_be_bytes()));
    }
    both.resize(4096, 0);
    both.extend(part);
    let both = workshop.write("both", both);
    let into = workshop.path("into");
    fs::create_dir(&into).unwrap();
    let converted = convert(&both, "both", &into, Limits::default()).unwrap();
    assert_eq!(converted.len(), 2);
    assert_eq!(converted[0].faults, Vec::<String>::new());
    assert!(!converted[0].caches.is_empty() && converted[1].caches.is_empty());
    assert_eq!(converted[1].faults.len(), 1);
}

fn one(path: &Path) -> epitaph_symbolicate::DebugFile {
    identify(path, "one").unwrap().remove(0)
}
