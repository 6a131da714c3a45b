//! From a dump to a crash with functions and lines, where a program has much debug information.
//!
//! The program's file is uploaded as a build machine does it, and converted. Then its dump is posted: cold, after a
//! restart, when no symbol is on the server's disk but in the bucket; and warm, again and again. Beside it
//! `minidump-stackwalk` does the same with the text that `dump_syms` makes of the program, where both are on the path.

mod beside;
mod family;
mod house;
mod told;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use serde::Serialize;

use self::{
    beside::{Beside, Others},
    family::{Memory, Watch},
    house::House,
};
use crate::{error::BenchError, place::Place, progress::Progress};

pub(crate) const NAME: &str = "symbols";
const DOCUMENT: &str = "SYMBOLS.md";

#[derive(clap::Args, Clone)]
pub(crate) struct Arguments {
    /// A program that crashed, or its debug file. May be given several times, with a dump each.
    #[arg(long, required = true)]
    program: Vec<PathBuf>,
    /// The minidump of its crash.
    #[arg(long, required = true)]
    dump: Vec<PathBuf>,
    /// How many dumps are posted, one after another, when all is warm.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How often `minidump-stackwalk` walks the dump; 0 leaves it out.
    #[arg(long, default_value_t = 5)]
    walks: usize,
}

/// What was seen of one program.
#[derive(Debug, Serialize)]
struct Seen {
    program: String,
    bytes: u64,
    dump_bytes: u64,
    /// Seconds until the file had been sent and converted.
    converting: f64,
    memory_converting: Memory,
    /// Milliseconds from dump to crash.
    cold: f64,
    memory_cold: Memory,
    warm: Vec<f64>,
    memory_warm: Memory,
    /// Before the first dump.
    memory_at_rest: Memory,
    /// Frames of the crashing thread that have a function and a line.
    named: usize,
    beside: Option<Beside>,
}

pub(crate) fn run(arguments: &Arguments, place: &Place) -> Result<String, BenchError> {
    if arguments.program.len() != arguments.dump.len() {
        return Err(BenchError::Unusable(format!(
            "{} programs and {} dumps were given; expected a --dump for each --program, in the same order",
            arguments.program.len(),
            arguments.dump.len()
        )));
    }
    let mut records = place.results.records(NAME)?;
    records.add(&place.machine)?;
    let others = Others::find().filter(|_| arguments.walks > 0);
    let progress = Progress::new(arguments.program.len() as u64);
    let mut all = Vec::new();
    for (program, dump) in arguments.program.iter().zip(&arguments.dump) {
        progress.says(program.display().to_string());
        let seen = measure(arguments, place, others.as_ref(), program, dump)?;
        records.add(&seen)?;
        all.push(seen);
        progress.step();
    }
    drop(progress);
    let text = told::section(arguments, place, &all);
    place.results.keep_section(NAME, &text)?;
    place.results.write(DOCUMENT, &told::document(&text))?;
    match told::missed(&all) {
        missed if missed.is_empty() => Ok(text),
        missed => {
            print!("{text}");
            Err(BenchError::Unusable(format!("aims were missed: {}", missed.join("; "))))
        }
    }
}

fn measure(
    arguments: &Arguments,
    place: &Place,
    others: Option<&Others>,
    program: &Path,
    dump: &Path,
) -> Result<Seen, BenchError> {
    let bytes = program.metadata().map_err(BenchError::of_file(program))?.len();
    let given = fs::read(dump).map_err(BenchError::of_file(dump))?;
    let folder = place.scratch()?;
    let house = House { epitaph: place.bins.function("epitaph")?, folder: folder.path() };

    let running = house.serve()?;
    let watch = Watch::begin(running.process());
    let begun = Instant::now();
    house.upload(&running, program)?;
    running.wait_for_symbols(bytes)?;
    let converting = begun.elapsed().as_secs_f64();
    let memory_converting = watch.end().map_err(BenchError::Own)?;
    running.stop();

    house.forget_symbols()?;
    let running = house.serve()?;
    let memory_at_rest = running.memory()?;
    let watch = Watch::begin(running.process());
    let cold = running.crash(&given, 0)?;
    let memory_cold = watch.end().map_err(BenchError::Own)?;
    let watch = Watch::begin(running.process());
    let mut warm = Vec::new();
    for number in 1..=arguments.rounds {
        warm.push(running.crash(&given, number)?.took);
    }
    let memory_warm = watch.end().map_err(BenchError::Own)?;
    running.stop();

    let beside = others.map(|others| others.measure(program, dump, arguments.walks, folder.path()));
    Ok(Seen {
        program: program.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        bytes,
        dump_bytes: given.len() as u64,
        converting,
        memory_converting,
        cold: cold.took,
        memory_cold,
        warm,
        memory_warm,
        memory_at_rest,
        named: cold.named,
        beside: beside.transpose()?,
    })
}
