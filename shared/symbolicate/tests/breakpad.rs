//! A Breakpad file says the same through its caches as to the library that reads it whole.
#![cfg(feature = "unwind")]
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod workshop;

use std::{collections::BTreeMap, fmt::Write as _};

use epitaph_symbolicate::{CacheKind, DebugId, Provider};
use epitaph_test_services::Workshop;
use futures_util::FutureExt;
use minidump_unwind::{FrameSymbolizer, FrameWalker, SymbolFile, SymbolProvider};
use proptest::prelude::*;
use workshop::{Reading as _, cache, lines, told, unwind};

const ID: &str = "5A9832E5287241C1838ED98914E9B7FF1";
/// Addresses that generated files speak of.
const END: u64 = 0x200;

fn module() -> (&'static str, DebugId) {
    ("game.pdb", DebugId::from_breakpad(ID).unwrap())
}

/// What is told of one address.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
struct Told {
    instruction: u64,
    function: Option<(String, u64, u32)>,
    source: Option<(String, u32)>,
    inlined: Vec<(String, Option<String>, Option<u32>)>,
}

impl FrameSymbolizer for Told {
    fn get_instruction(&self) -> u64 {
        self.instruction
    }

    fn set_function(&mut self, name: &str, base: u64, parameter_size: u32) {
        self.function = Some((name.to_owned(), base, parameter_size));
    }

    fn set_source_file(&mut self, file: &str, line: u32, _base: u64) {
        self.source = Some((file.to_owned(), line));
    }

    fn add_inline_frame(&mut self, name: &str, file: Option<&str>, line: Option<u32>) {
        self.inlined.push((name.to_owned(), file.map(str::to_owned), line));
    }
}

/// A thread whose registers and stack are made of numbers.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
struct Walker {
    instruction: u64,
    caller: BTreeMap<String, u64>,
    cleared: Vec<String>,
    cfa: Option<u64>,
    ra: Option<u64>,
}

impl FrameWalker for Walker {
    fn get_instruction(&self) -> u64 {
        self.instruction
    }

    fn has_grand_callee(&self) -> bool {
        true
    }

    fn get_grand_callee_parameter_size(&self) -> u32 {
        8
    }

    fn get_register_at_address(&self, address: u64) -> Option<u64> {
        Some(address.wrapping_mul(3) & 0xffff)
    }

    fn get_callee_register(&self, name: &str) -> Option<u64> {
        ["esp", "ebp", "ebx", "eip"]
            .iter()
            .position(|known| *known == name)
            .map(|place| 0x1000 * (place as u64 + 1))
    }

    fn set_caller_register(&mut self, name: &str, value: u64) -> Option<()> {
        self.caller.insert(name.to_owned(), value);
        Some(())
    }

    fn clear_caller_register(&mut self, name: &str) {
        self.cleared.push(name.to_owned());
    }

    fn set_cfa(&mut self, value: u64) -> Option<()> {
        self.cfa = Some(value);
        Some(())
    }

    fn set_ra(&mut self, value: u64) -> Option<()> {
        self.ra = Some(value);
        Some(())
    }
}

fn ours(provider: &Provider, instruction: u64) -> (Told, Walker, bool) {
    let mut told = Told { instruction, ..Told::default() };
    let mut walker = Walker { instruction, ..Walker::default() };
    let _ = provider.fill_symbol(&module(), &mut told).now_or_never().unwrap();
    let walked = provider.walk_frame(&module(), &mut walker).now_or_never().unwrap().is_some();
    (told, walker, walked)
}

fn theirs(file: &SymbolFile, instruction: u64) -> (Told, Walker, bool) {
    let mut told = Told { instruction, ..Told::default() };
    let mut walker = Walker { instruction, ..Walker::default() };
    file.fill_symbol(&module(), &mut told);
    let walked = file.walk_frame(&module(), &mut walker).is_some();
    (told, walker, walked)
}

/// Compares every address.
fn says_the_same(text: &str) -> Result<(), TestCaseError> {
    let workshop = Workshop::new();
    let provider = workshop.provider(&workshop.write("game.sym", text));
    let file = SymbolFile::from_bytes(text.as_bytes()).unwrap();
    for address in 0..END + 16 {
        prop_assert_eq!(ours(&provider, address), theirs(&file, address), "at {:x} of\n{}", address, text);
    }
    Ok(())
}

/// A function of up to 40 bytes: lines that cover all or most of it, and functions that are inlined into each other.
fn function(start: u64) -> impl Strategy<Value = String> {
    let lines = prop::collection::vec((1_u64..9, 1_u32..99, 0_u32..4, prop::bool::weighted(0.9)), 1..6);
    let inlined = prop::collection::vec((0_u64..20, 1_u64..20, 1_u32..99, 0_u32..4, 0_u32..3), 0..4);
    (lines, inlined, 0_u32..32).prop_map(move |(lines, inlined, parameters)| {
        let size: u64 = lines.iter().map(|line| line.0).sum();
        let mut text = format!("FUNC {start:x} {size:x} {parameters:x} function {start}\n");
        // What is inlined has lines: a compiler knows the one with the other.
        let all_known = !inlined.is_empty();
        // Each lies within the one before.
        let (mut from, mut until) = (start, start + size);
        for (depth, (skip, length, line, file, origin)) in inlined.into_iter().enumerate() {
            from = (from + skip).min(until - 1);
            until = (from + length).min(until);
            writeln!(text, "INLINE {depth} {line} {file} {origin} {from:x} {:x}", until - from).unwrap();
        }
        let mut at = start;
        for (length, line, file, known) in lines {
            if known || all_known {
                writeln!(text, "{at:x} {length:x} {line} {file}").unwrap();
            }
            at += length;
        }
        text
    })
}

fn symbols() -> impl Strategy<Value = String> {
    // Symbols of what is no function: a `PUBLIC` inside a `FUNC` means nothing.
    let between = (0_u64..5, 0x30_u64..0x60).prop_map(|(index, offset)| 0x20 + index * 0x60 + offset);
    let publics = prop::collection::btree_set(prop_oneof![0_u64..0x20, between], 0..4);
    (0_usize..5, publics).prop_flat_map(|(count, publics)| {
        let functions: Vec<_> = (0..count as u64).map(|index| function(0x20 + index * 0x60)).collect();
        functions.prop_map(move |functions| {
            let mut text = functions.concat();
            for public in &publics {
                writeln!(text, "PUBLIC {public:x} 8 public {public}").unwrap();
            }
            text
        })
    })
}

/// Records that overlap in all ways.
fn records() -> impl Strategy<Value = String> {
    let cfi = (0..END, 1_u64..40, prop::collection::vec((0_u64..40, 0_u32..3), 0..3)).prop_map(
        |(start, size, more)| {
            let mut text = format!("STACK CFI INIT {start:x} {size:x} .cfa: $esp 4 + .ra: .cfa 4 - ^\n");
            for (offset, rule) in more {
                writeln!(text, "STACK CFI {:x} .cfa: $esp {rule} + $ebx: .cfa {rule} - ^", start + offset)
                    .unwrap();
            }
            text
        },
    );
    let win =
        (0..END, 1_u64..40, 0_u32..16, any::<bool>()).prop_map(|(start, size, parameters, is_program)| {
            if is_program {
                let program = "$T0 $ebp = $eip $T0 4 + ^ = $ebp $T0 ^ = $esp $T0 8 + =";
                format!("STACK WIN 4 {start:x} {size:x} 0 0 {parameters:x} 0 0 0 1 {program}\n")
            } else {
                format!("STACK WIN 0 {start:x} {size:x} 0 0 {parameters:x} 4 8 0 0 0\n")
            }
        });
    prop::collection::vec(prop_oneof![cfi, win], 0..12).prop_map(|records| records.concat())
}

const HEAD: &str = "\
INFO CODE_ID 5AB380779000
FILE 0 c:\\game\\main.cpp
FILE 1 c:\\game/mixed\\..\\player.cpp
FILE 2 /usr/include//vector
FILE 3 odd.c
INLINE_ORIGIN 0 zero()
INLINE_ORIGIN 1 one()
INLINE_ORIGIN 2 two()
";

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_file_says_the_caches_say(symbols in symbols(), records in records()) {
        says_the_same(&format!("MODULE windows x86 {ID} game.pdb\n{HEAD}{symbols}{records}"))?;
    }
}

#[test]
fn a_file_without_names_unwinds_and_leaves_the_guessing_to_the_unwinder() {
    let workshop = Workshop::new();
    let text =
        format!("MODULE Linux x86_64 {ID} game\nSTACK CFI INIT 10 10 .cfa: $rsp 8 + .ra: .cfa -8 + ^\n");
    let converted = workshop.convert(&workshop.write("game.sym", text));
    assert_eq!(cache(&converted, CacheKind::Lines), None);
    assert_eq!(unwind(&converted).text_at(0xf), "");
    assert_eq!(unwind(&converted).text_at(0x1f), "STACK CFI INIT 10 10 .cfa: $rsp 8 + .ra: .cfa -8 + ^\n");
    let provider = workshop.provider(&workshop.path("game.sym"));
    let mut told = Told { instruction: 0x10, ..Told::default() };
    assert!(provider.fill_symbol(&module(), &mut told).now_or_never().unwrap().is_err());
}

#[test]
fn names_that_are_mangled_become_readable() {
    let workshop = Workshop::new();
    let text =
        format!("MODULE Linux x86_64 {ID} game\nFUNC 10 10 0 _ZN4Game6Player4hurtEi\nPUBLIC 40 0 main\n");
    let converted = workshop.convert(&workshop.write("game.sym", text));
    let lines = lines(&converted);
    assert_eq!(told(&lines.lookup(0x10)), [("Game::Player::hurt(int)", None)]);
    assert_eq!(told(&lines.lookup(0x20)), []);
    assert_eq!(told(&lines.lookup(0x4000)), [("main", None)], "a symbol without an end has none");
    assert_eq!(lines.lookup(u64::MAX), []);
}
