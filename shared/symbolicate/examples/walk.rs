//! Walks the stacks of a minidump with symbols from debug files, and prints what `minidump-stackwalk --json` prints:
//! `cargo run -p epitaph-symbolicate --example walk -- DUMP DEBUG-FILE...`
#![expect(clippy::unwrap_used, reason = "a tool for the hand")]

use std::{env, io, path::Path, time::Instant};

use epitaph_symbolicate::{Limits, Provider, convert};
use minidump::Minidump;
use minidump_processor::ProcessorOptions;

fn main() {
    let mut arguments = env::args().skip(1);
    let Some(dump) = arguments.next() else {
        eprintln!("expected a minidump, and debug files");
        std::process::exit(64)
    };
    let folder = tempfile::tempdir().unwrap();
    for file in arguments {
        let name = Path::new(&file).file_name().unwrap().to_str().unwrap();
        let start = Instant::now();
        match convert(Path::new(&file), name, folder.path(), Limits::default()) {
            Ok(converted) => eprintln!("{file}: {:?}, {converted:#?}", start.elapsed()),
            Err(error) => eprintln!("{file}: {error}"),
        }
    }
    let provider = Provider::open(folder.path()).unwrap();
    let dump = Minidump::read_path(dump).unwrap();
    let start = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let walked =
        minidump_processor::process_minidump_with_options(&dump, &provider, ProcessorOptions::stable_basic());
    let state = runtime.block_on(walked).unwrap();
    eprintln!("walked in {:?}", start.elapsed());
    state.print_json(&mut io::stdout().lock(), true).unwrap();
}
