//! Debug files that somebody made to do harm, or that broke on their way.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod workshop;

use std::fs;

use epitaph_symbolicate::{CacheKind, Limits, Quality, SymbolError, Worth, convert, identify};
use epitaph_test_services::{Target, Workshop};
use proptest::prelude::*;
use workshop::{Reading as _, addresses, cache, lines};

const ID: &str = "5A9832E5287241C1838ED98914E9B7FF1";

/// A program whose debug information says what we like: `dies` and `rows` are assembler.
fn with_dwarf(workshop: &Workshop, dies: &str, rows: &str) -> Option<std::path::PathBuf> {
    let text = format!(
        r#"
        .text
        .globl f
        .type f, @function
f:      .fill 64, 1, 0x90
        .size f, 64
        .section .debug_abbrev, "", @progbits
        .byte 1, 0x11, 1, 0x10, 0x17, 0x11, 1, 0x12, 6, 0, 0            # unit: lines, from, size
        .byte 2, 0x2e, 1, 3, 8, 0x11, 1, 0x12, 6, 0, 0                  # function: name, from, size
        .byte 3, 0x1d, 1, 0x31, 0x13, 0x11, 1, 0x12, 6, 0, 0            # inlined: origin, from, size
        .byte 4, 0x2e, 0, 0x31, 0x13, 0x11, 1, 0x12, 6, 0, 0            # function: origin, from, size
        .byte 0
        .section .debug_info, "", @progbits
unit:   .long unit_end - version
version: .short 4
        .long 0
        .byte 8
        .byte 1
        .long 0
        .quad f
        .long 64
{dies}
        .byte 0
unit_end:
        .section .debug_line, "", @progbits
        .long lines_end - lines
lines:  .short 4
        .long program - header
header: .byte 1, 1, 1, -1, 4, 10, 0, 1, 1, 1, 1, 0, 0, 0, 1
        .byte 0
        .asciz "hostile.c"
        .byte 0, 0, 0, 0
program: .byte 0, 9, 2
        .quad f
{rows}
        .byte 2, 64, 0, 1, 1
lines_end:
"#
    );
    workshop.write("hostile.s", text);
    workshop.run(&["gcc"], "-shared -nostdlib -Wl,--build-id -o hostile.so hostile.s")?;
    Some(workshop.path("hostile.so"))
}

/// An instruction further on, and a line.
const ROW: &str = ".byte 0x10\n";

#[test]
fn functions_that_are_their_own_origin_are_read_once() {
    let workshop = Workshop::new();
    let cycles = "
one:    .byte 4
        .long two - unit
        .quad f
        .long 32
two:    .byte 4
        .long one - unit
        .quad f + 32
        .long 32
self:   .byte 4
        .long self - unit
        .quad f
        .long 16
";
    let Some(file) = with_dwarf(&workshop, cycles, ROW) else { return };
    let converted = workshop.convert(&file);
    let lines = lines(&converted);
    assert!(lines.lookup(addresses(&lines, "f").start).len() <= 2);
}

#[test]
fn functions_that_are_inlined_a_hundred_thousand_deep_are_cut_off() {
    let workshop = Workshop::new();
    let dies = "
fun:    .byte 2
        .asciz \"deep\"
        .quad f
        .long 64
        .rept 100000
        .byte 3
        .long fun - unit
        .quad f
        .long 64
        .endr
        .fill 100001, 1, 0
";
    let Some(file) = with_dwarf(&workshop, dies, ROW) else { return };
    let converted = workshop.convert(&file);
    let lines = lines(&converted);
    let deepest = addresses(&lines, "f").map(|address| lines.lookup(address).len()).max();
    assert!(deepest.is_some_and(|deepest| (1..=256).contains(&deepest)), "{deepest:?}");
}

#[test]
fn more_of_anything_than_the_limit_is_refused_by_name() {
    let workshop = Workshop::new();
    let dies = "
        .byte 2
        .asciz \"long\"
        .quad f
        .long 64
        .byte 0
";
    let Some(file) = with_dwarf(&workshop, dies, &ROW.repeat(60)) else { return };
    let into = workshop.path("into");
    fs::create_dir(&into).unwrap();
    let unlimited = Limits::default();
    let refused = |limits| match convert(&file, "hostile.so", &into, limits) {
        Ok(converted) => converted[0].faults.join("; "),
        Err(error) => error.to_string(),
    };
    assert_eq!(refused(unlimited), "");
    let told = refused(Limits { ranges: 20, ..unlimited });
    assert!(told.contains("more than 20 ranges of instructions with a line"), "{told}");
    let told = refused(Limits { functions: 0, ..unlimited });
    assert!(told.contains("more than 0 functions"), "{told}");
    let sym = format!("MODULE Linux x86_64 {ID} a\n{}", "STACK CFI INIT 10 10 .cfa: $rsp 8 +\n".repeat(9));
    let sym = workshop.write("a.sym", sym);
    let refused = convert(&sym, "a.sym", &into, Limits { unwind_records: 8, ..unlimited });
    assert!(matches!(refused, Err(SymbolError::TooMuch { limit: 8, .. })), "{refused:?}");
}

#[test]
fn a_section_that_unpacks_to_a_thousand_times_its_size_is_refused() {
    let workshop = Workshop::new();
    let rows = ".fill 80000000, 1, 0\n";
    if with_dwarf(&workshop, "", rows).is_none() {
        return;
    }
    workshop.run(&["objcopy"], "--compress-debug-sections hostile.so bomb.so").unwrap();
    let bomb = workshop.path("bomb.so");
    let size = bomb.metadata().unwrap().len();
    assert!(size < 1 << 20, "{size}");
    let refused = convert(&bomb, "bomb.so", &workshop.path("."), Limits::default());
    let Err(SymbolError::Bomb { section, claimed, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((section.as_str(), claimed > 80_000_000), (".debug_line", true));
}

#[test]
fn what_is_no_debug_file_is_said_to_be_none() {
    let workshop = Workshop::new();
    for (name, content) in [
        ("empty", b"".as_slice()),
        ("text", b"Dear diary,\n"),
        ("json", b"{\"version\": 3, \"sources\": []}"),
        ("short", b"\x7fELF"),
        ("jar", b"PK\x03\x04 and so on and so on"),
        ("class", b"\xca\xfe\xba\xbe\x00\x00\x00\x34\x00\x00\x00\x00\x00\x00"),
    ] {
        let file = workshop.write(name, content);
        let identified = identify(&file, name);
        assert!(identified.as_ref().is_err_and(SymbolError::blames_the_file), "{name}: {identified:?}");
        assert!(convert(&file, name, &workshop.path("."), Limits::default()).is_err());
    }
}

/// Whatever becomes of a file, it is an error, or caches that can be asked.
fn is_harmless(workshop: &Workshop, bytes: &[u8]) {
    let file = workshop.write("damaged", bytes);
    let into = workshop.path("into");
    fs::create_dir_all(&into).unwrap();
    let _ = identify(&file, "damaged");
    for converted in convert(&file, "damaged", &into, Limits::default()).unwrap_or_default() {
        if cache(&converted, CacheKind::Lines).is_some() {
            let lines = lines(&converted);
            for address in 0..0x2000 {
                lines.lookup(address);
            }
        }
        if cache(&converted, CacheKind::Unwind).is_some() {
            let unwind = workshop::unwind(&converted);
            for address in 0..0x2000 {
                unwind.text_at(address);
            }
        }
    }
}

#[test]
fn files_that_are_cut_off_or_changed_do_no_harm() {
    for target in [Target::LinuxGcc, Target::WindowsX86, Target::WindowsX64, Target::MacX64] {
        let workshop = Workshop::new();
        let Some(file) = workshop.build(target) else { continue };
        let mut files = vec![file];
        files.push(workshop.path("game.pdb"));
        files.push(workshop.path("game.dSYM/Contents/Resources/DWARF/game.dylib"));
        for file in files.iter().filter(|file| file.exists()) {
            let whole = fs::read(file).unwrap();
            for part in 1..24 {
                is_harmless(&workshop, &whole[..whole.len() * part / 24]);
            }
            // The same changes in every run: a little generator, not chance.
            let mut state = 1_u64;
            for _ in 0..40 {
                let mut changed = whole.clone();
                for _ in 0..8 {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let at = usize::try_from(state >> 33).unwrap() % changed.len();
                    changed[at] = state.to_le_bytes()[3];
                }
                is_harmless(&workshop, &changed);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_breakpad_file_of_anything_does_no_harm(
        lines in prop::collection::vec("(FUNC|PUBLIC|FILE|INLINE|INLINE_ORIGIN|STACK CFI INIT|STACK CFI|STACK WIN|INFO)?( -?[0-9a-f]{0,17}){0,6}( \\PC{0,4})?", 0..24)
    ) {
        let workshop = Workshop::new();
        let text = format!("MODULE windows x86 {ID} game.pdb\n{}", lines.join("\n"));
        is_harmless(&workshop, text.as_bytes());
    }
}

#[test]
fn a_breakpad_file_with_lines_is_better_than_one_with_names() {
    let workshop = Workshop::new();
    let quality = |records: &str| {
        let file = workshop.write("a.sym", format!("MODULE Linux x86_64 {ID} a\n{records}"));
        let converted = workshop.convert(&file);
        converted.caches.iter().find(|made| made.kind == CacheKind::Lines).map(|made| made.quality)
    };
    let full = Quality { worth: Worth::Full, ranges: 1 };
    assert_eq!(quality("FILE 0 a.c\nFUNC 0 10 0 f\n0 10 1 0\n"), Some(full));
    let functions = quality("FUNC 0 10 0 f\nFUNC 10 10 0 g\n");
    assert_eq!(functions.map(|quality| quality.worth), Some(Worth::Functions));
    assert_eq!(quality("PUBLIC 0 0 f\n").map(|quality| quality.worth), Some(Worth::Names));
    assert_eq!(quality(""), None);
}
