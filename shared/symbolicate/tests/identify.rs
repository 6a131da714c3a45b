//! What files are, and what they are good for.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use epitaph_symbolicate::{DebugFile, FileNote, Format, identify};
use epitaph_test_services::{Target, Workshop};

fn one(workshop: &Workshop, name: &str) -> DebugFile {
    let path = workshop.path(name);
    let mut files = identify(&path, path.file_name().unwrap().to_str().unwrap()).unwrap();
    assert_eq!(files.len(), 1);
    files.remove(0)
}

/// Whether it has: unwind information, lines, functions.
fn has(file: &DebugFile) -> [bool; 3] {
    [file.has_unwind, file.has_lines, file.has_functions]
}

#[test]
fn elf_files_say_what_they_have_and_where_the_rest_is() {
    let workshop = Workshop::new();
    if workshop.build(Target::LinuxGcc).is_none() {
        return;
    }
    workshop.run(&["objcopy"], "--only-keep-debug game game.debug").unwrap();
    workshop.run(&["objcopy"], "--compress-debug-sections game packed").unwrap();
    workshop.run(&["objcopy"], "--strip-all --add-gnu-debuglink=game.debug game stripped").unwrap();
    let [game, debug, packed, stripped] =
        ["game", "game.debug", "packed", "stripped"].map(|name| one(&workshop, name));
    assert_eq!(has(&game), [true, true, true]);
    assert_eq!((has(&debug), debug.name.as_str()), ([false, true, true], "game"));
    assert_eq!((has(&packed), packed.notes), ([true, true, true], vec![FileNote::Compressed]));
    assert_eq!(has(&stripped), [true, false, true], "what it imports and exports has names");
    assert_eq!(stripped.notes, [FileNote::DebugLink { file: "game.debug".to_owned() }]);
    let notes = workshop.run(&["readelf"], "-n game").unwrap();
    let code_id = notes.split("Build ID: ").nth(1).unwrap().lines().next().unwrap();
    assert_eq!(game.code_id.as_deref(), Some(code_id));
    for file in [&debug, &stripped] {
        assert_eq!((&file.debug_id, &file.code_id), (&game.debug_id, &game.code_id));
    }
    assert_eq!((game.arch.as_deref(), game.format), (Some("x86_64"), Format::Elf));
    assert_eq!(game.size, workshop.path("game").metadata().unwrap().len());
}

#[test]
fn split_debug_information_is_told_apart() {
    let workshop = Workshop::new();
    for version in ["-gdwarf-5", "-gdwarf-4"] {
        let Some(_) = workshop.run(&["gcc"], &format!("-g -gsplit-dwarf {version} -c -o part.o game.c"))
        else {
            return;
        };
        workshop.run(&["gcc"], "-Wl,--build-id -o split part.o").unwrap();
        let split = one(&workshop, "split");
        assert_eq!(
            (has(&split), split.notes),
            ([true, false, true], vec![FileNote::SplitDwarf]),
            "{version}"
        );
        let units = one(&workshop, "part.dwo");
        assert!(units.notes.contains(&FileNote::SplitUnits), "{version}: {units:?}");
        assert!(!units.has_lines);
    }
}

#[test]
fn windows_files_go_by_the_name_and_the_id_of_the_pdb() {
    let workshop = Workshop::new();
    if workshop.build(Target::WindowsX64).is_none() {
        return;
    }
    let (program, pdb) = (one(&workshop, "game.exe"), one(&workshop, "game.pdb"));
    assert_eq!((program.format, pdb.format), (Format::Pe, Format::Pdb));
    assert_eq!((has(&program), has(&pdb)), ([true, false, false], [false, true, true]));
    assert_eq!((program.debug_id, program.name.as_str()), (pdb.debug_id, "game.pdb"));
    let code_id = program.code_id.unwrap();
    assert!(code_id.len() > 8 && code_id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{code_id}");
}

#[test]
fn mac_files_have_the_uuid_that_the_linker_gave_them() {
    let workshop = Workshop::new();
    if workshop.build(Target::MacX64).is_none() {
        return;
    }
    let library = one(&workshop, "game.dylib");
    let dsym = one(&workshop, "game.dSYM/Contents/Resources/DWARF/game.dylib");
    assert_eq!((library.format, dsym.format), (Format::MachO, Format::MachO));
    assert_eq!((has(&library), has(&dsym)), ([true, false, true], [true, true, true]));
    assert!(library.debug_id.is_some() && library.debug_id == dsym.debug_id);
}

#[test]
fn breakpad_files_say_it_in_their_records() {
    let workshop = Workshop::new();
    let head =
        "MODULE windows x86 5A9832E5287241C1838ED98914E9B7FF1 game.pdb\nINFO CODE_ID 5AB38077A000 game.exe\n";
    for (records, expected) in [
        ("FILE 0 a.c\nFUNC 10 4 0 f\n10 4 1 0\n", [false, true, true]),
        ("FUNC 10 4 0 f\nPUBLIC 20 0 g\n", [false, false, true]),
        ("STACK WIN 4 10 4 0 0 0 0 0 0 1 $eip 4 + ^ =\n", [true, false, false]),
    ] {
        workshop.write("game.sym", format!("{head}{records}"));
        let file = one(&workshop, "game.sym");
        assert_eq!(has(&file), expected, "{records}");
        assert_eq!(file.debug_id.as_deref(), Some("5A9832E5287241C1838ED98914E9B7FF1"));
        assert_eq!((file.code_id.as_deref(), file.name.as_str()), (Some("5ab38077a000"), "game.pdb"));
    }
}

#[test]
fn a_file_without_an_id_says_so() {
    let workshop = Workshop::new();
    workshop.write("map.json", r#"{"Main.cpp":{"Main.cs":{"5":17}}}"#);
    let map = one(&workshop, "map.json");
    assert_eq!((map.format, map.notes), (Format::Il2cpp, vec![FileNote::NoDebugId]));
}
