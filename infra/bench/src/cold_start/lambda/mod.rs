//! How long functions take on AWS Lambda from their start to their first event, and how long for that; beside the least
//! that a function there can be. Lambda is a stub of its runtime interface on this machine.
//!
//! All take turns, so that whatever else the machine does meets them alike. Engines are embedded ones in an empty data
//! directory, but for functions that need a catalog, which `maintain` has made there before.

mod function;
mod runtime_api;

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use flate2::{Compression, write::DeflateEncoder};
use indicatif::ProgressBar;

use self::function::{FunctionError, Round, run_once};
use crate::statistics::{Sorted, mib};

/// What the keys and signatures of the sample events were made with.
const ENVIRONMENT: [(&str, &str); 3] = [
    ("EPITAPH_SECRET", "the secret of the sample events"),
    ("EPITAPH_TOKEN", "the-token-of-the-sample-events"),
    ("EPITAPH_MIN_FREE_DISK", "1M"),
];
/// The functions, and whether they need a catalog that is there already.
const FUNCTIONS: [(&str, bool); 7] = [
    ("minidump", false),
    ("envelope", false),
    ("unreal", false),
    ("report", false),
    ("process", true),
    ("maintain", false),
    ("dashboard", true),
];
/// Rounds that fill the page cache and are not counted.
const WARM_UP: u32 = 2;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder with the functions' binaries; those that are missing are left out.
    #[arg(long)]
    functions: PathBuf,
    /// The least that a function can be: `bare-lambda`, an example of epitaph-host.
    #[arg(long)]
    bare: PathBuf,
    /// The folder with one event for each function.
    #[arg(long, default_value = "events")]
    events: PathBuf,
    /// How often each is started.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum LambdaColdStartError {
    #[error("cannot read {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("there is no runtime")]
    Runtime(#[source] io::Error),
    #[error("there is no folder for data")]
    Data(#[source] io::Error),
    #[error("{name} failed in round {round}")]
    Function { name: &'static str, round: u32, source: FunctionError },
}

struct Measured {
    name: &'static str,
    program: PathBuf,
    event: Bytes,
    needs_catalog: bool,
    binary_bytes: u64,
    zip_bytes: u64,
    rounds: Vec<Round>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<String, LambdaColdStartError> {
    let any_request = arguments.events.join("minidump.json");
    let mut all = vec![measured("bare lambda_http", &arguments.bare, &any_request, false)?];
    for (name, needs_catalog) in FUNCTIONS {
        let program = arguments.functions.join(name);
        if program.is_file() {
            let event = arguments.events.join(name).with_extension("json");
            all.push(measured(name, &program, &event, needs_catalog)?);
        }
    }
    let maintain =
        all.iter().find(|one| one.name == "maintain").map(|one| (one.program.clone(), one.event.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(LambdaColdStartError::Runtime)?;
    let progress = ProgressBar::new(u64::from(WARM_UP + arguments.rounds));
    for round in 0..WARM_UP + arguments.rounds {
        for one in &mut all {
            let failed = |source| LambdaColdStartError::Function { name: one.name, round, source };
            let folder = tempfile::tempdir().map_err(LambdaColdStartError::Data)?;
            if let Some((maintain, schedule)) = maintain.as_ref().filter(|_| one.needs_catalog) {
                let made = run_once(maintain, folder.path(), &ENVIRONMENT, schedule.clone());
                runtime.block_on(made).map_err(failed)?;
            }
            let result = run_once(&one.program, folder.path(), &ENVIRONMENT, one.event.clone());
            let result = runtime.block_on(result).map_err(failed)?;
            if round >= WARM_UP {
                one.rounds.push(result);
            }
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(table(&all))
}

fn measured(
    name: &'static str,
    program: &Path,
    event: &Path,
    needs_catalog: bool,
) -> Result<Measured, LambdaColdStartError> {
    let read = |path: &Path| {
        fs::read(path).map_err(|source| LambdaColdStartError::File { path: path.to_owned(), source })
    };
    let binary = read(program)?;
    Ok(Measured {
        name,
        program: program.to_owned(),
        event: read(event)?.into(),
        needs_catalog,
        binary_bytes: binary.len() as u64,
        zip_bytes: deflated(&binary).map_err(LambdaColdStartError::Data)?,
        rounds: Vec::new(),
    })
}

/// What is uploaded to Lambda: the binary packed, without the few bytes of a zip's directory.
fn deflated(binary: &[u8]) -> io::Result<u64> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    io::Write::write_all(&mut encoder, binary)?;
    Ok(encoder.finish()?.len() as u64)
}

fn table(all: &[Measured]) -> String {
    let mut text = String::new();
    let milliseconds = |times: &mut dyn Iterator<Item = Duration>| {
        let sorted = Sorted::new(times.map(|time| time.as_secs_f64() * 1000.0));
        format!("{:.2} | {:.2} | {:.2}", sorted.median(), sorted.p95(), sorted.least())
    };
    let rounds = all.first().map_or(0, |one| one.rounds.len());
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "From spawn to the first `next`, and from there to the first answer, {rounds} rounds each in turn:\n\n\
         | function | to `next`: median ms | p95 ms | least ms | of the bare one | first answer: median ms | p95 ms | \
         least ms | memory | binary | zip |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    );
    for one in all {
        let bare = all.iter().flat_map(|bare| &bare.rounds);
        let ratios = one
            .rounds
            .iter()
            .zip(bare)
            .map(|(own, bare)| own.to_next.as_secs_f64() / bare.to_next.as_secs_f64());
        let memory = Sorted::new(one.rounds.iter().map(|round| mib(round.resident_bytes)));
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {} | {:.2} MiB | {:.2} MiB | {:.2} MiB |",
            one.name,
            milliseconds(&mut one.rounds.iter().map(|round| round.to_next)),
            Sorted::new(ratios).median(),
            milliseconds(&mut one.rounds.iter().map(|round| round.first_invoke)),
            memory.median(),
            mib(one.binary_bytes),
            mib(one.zip_bytes),
        );
    }
    text
}
