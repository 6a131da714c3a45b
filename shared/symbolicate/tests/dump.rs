//! A process that really crashed: its stack through the caches of its own file, and through the Breakpad file that is made
//! of them by the library that reads such files whole.
#![cfg(feature = "unwind")]
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

mod workshop;

use std::collections::HashMap;

use epitaph_symbolicate::Provider;
use epitaph_test_services::Workshop;
use minidump::Minidump;
use minidump_processor::ProcessState;
use minidump_unwind::{FrameTrust, StackFrame, SymbolProvider, Symbolizer, string_symbol_supplier};
use workshop::{Reading as _, lines, sym, unwind};

/// What one frame says.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    instruction: u64,
    trust: &'static str,
    function: Option<(String, Option<u64>)>,
    source: (Option<String>, Option<u32>),
    inlined: Vec<(String, Option<String>, Option<u32>)>,
}

impl Told {
    fn of(frame: &StackFrame) -> Self {
        let inlined = frame.inlines.iter();
        Self {
            instruction: frame.instruction,
            trust: frame.trust.as_str(),
            function: frame.function_name.clone().map(|name| (name, frame.function_base)),
            source: (frame.source_file_name.clone(), frame.source_line),
            inlined: inlined
                .map(|frame| (frame.function_name.clone(), frame.source_file_name.clone(), frame.source_line))
                .collect(),
        }
    }
}

async fn walk(dump: &[u8], provider: &(impl SymbolProvider + Sync)) -> ProcessState {
    let dump = Minidump::read(dump.to_vec()).unwrap();
    minidump_processor::process_minidump(&dump, provider).await.unwrap()
}

fn crashed(state: &ProcessState) -> Vec<Told> {
    state.threads[state.requesting_thread.unwrap()].frames.iter().map(Told::of).collect()
}

#[tokio::test]
async fn a_stack_without_frame_pointers_is_walked_by_the_programs_own_file() {
    let workshop = Workshop::new();
    let program = workshop.path("crashing-game");
    let options = ["-O2", "-g", "-fomit-frame-pointer", "-fno-ipa-cp", "-Wl,--build-id"];
    epitaph_test_dumps::crash::compile_what_crashes(&options, &program);
    let dump = epitaph_test_dumps::crash::dump_of(&program);
    let converted = workshop.convert(&program);

    let ours = crashed(&walk(&dump, &workshop.provider(&program)).await);
    let text = sym(Some(&lines(&converted)), Some(&unwind(&converted)));
    let texts = HashMap::from([(program.to_str().unwrap().to_owned(), text)]);
    let theirs = crashed(&walk(&dump, &Symbolizer::new(string_symbol_supplier(texts))).await);
    assert_eq!(ours, theirs);

    let names: Vec<_> =
        ours.iter().filter_map(|frame| frame.function.as_ref()).map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..3], ["load_level", "start_game", "main"], "{ours:#?}");
    assert_eq!(ours[1].trust, FrameTrust::CallFrameInfo.as_str());
    let source = ours[0].source.0.as_deref().unwrap_or_default();
    assert!(source.ends_with("crashing-game.c") && ours[0].source.1 > Some(0), "{ours:#?}");

    let nothing = crashed(&walk(&dump, &Provider::new()).await);
    assert!(nothing.iter().all(|frame| frame.function.is_none()));
}
