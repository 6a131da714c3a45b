//! Questions to millions of facts: first and again, in files at hand and in a bucket that is far away, beside DataFusion
//! over the same files and PostgreSQL with the same facts in the same run.
//!
//! First means: nothing is known of any segment and nothing is kept of earlier answers; the files are in the system's
//! memory. Again means: the same question to the same facts.

mod datafusion;
mod document;
mod far;
mod postgres;
mod questions;
mod segments;
mod told;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use epitaph_bucket::Bucket;
use epitaph_facts::{Engine, EngineOptions, Snapshot};
use serde::{Deserialize, Serialize};

use self::{
    questions::{Ask, Asked},
    segments::Made,
};
use crate::{
    error::BenchError,
    facts::signatures,
    place::Place,
    process,
    progress::Progress,
    statistics::{Sorted, float},
};

pub(crate) const NAME: &str = "stats";

#[derive(clap::Args, Clone)]
pub(crate) struct Arguments {
    /// How many facts.
    #[arg(long, default_value_t = 10_000_000)]
    facts: u64,
    /// Facts of a segment.
    #[arg(long, default_value_t = 1_000_000)]
    segment_rows: u64,
    /// How often each question is asked of an engine that knows nothing.
    #[arg(long, default_value_t = 5)]
    first: usize,
    /// How often each question is asked again.
    #[arg(long, default_value_t = 40)]
    again: usize,
    /// How many milliseconds each read of the far bucket waits; 0 leaves it out.
    #[arg(long, default_value_t = 20)]
    far_milliseconds: u64,
    /// A Python that has the package `datafusion`; without one DataFusion is left out.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Also asks a PostgreSQL server, which is started for this and takes about 1 KB of disk for each fact.
    #[arg(long)]
    postgres: bool,
    /// How often it is asked each question.
    #[arg(long, default_value_t = 2)]
    postgres_turns: usize,
    /// Leaves the facts where they are: the next run need not make them.
    #[arg(long)]
    keep: bool,
    /// Only questions whose names contain this.
    #[arg(long, default_value = "")]
    only: String,
}

/// What one question took, in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Times {
    name: String,
    first: Vec<f64>,
    again: Vec<f64>,
    far_first: Vec<f64>,
    far_again: Vec<f64>,
    /// The processor time of a first answer, on average.
    cpu: f64,
    /// What was read for the first answer.
    bytes: u64,
    /// The most memory that this process held while it asked, in bytes; also of the far bucket, which is in it.
    peak: u64,
    far_peak: u64,
    datafusion: Vec<f64>,
    datafusion_cpu: f64,
    postgres: Vec<f64>,
}

/// What some turns took.
#[derive(Default)]
struct Taken {
    first: Vec<f64>,
    again: Vec<f64>,
    cpu: f64,
    bytes: u64,
    peak: u64,
}

/// All that was seen.
struct Seen {
    times: Vec<Times>,
    facts: u64,
    bytes: u64,
    segments: usize,
    /// What PostgreSQL's table and indexes take, in bytes.
    postgres_bytes: Option<u64>,
    /// What was not asked, and why.
    missing: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments, place: &Place) -> Result<String, BenchError> {
    let made = segments::make(&place.data, arguments.facts, arguments.segment_rows)?;
    let mut asked = questions::questions(&made.one);
    asked.retain(|asked| asked.name.contains(&arguments.only));
    let seen = ask_all(arguments, place, &made, &asked);
    if !arguments.keep {
        fs::remove_dir_all(&made.directory).map_err(BenchError::of_file(&made.directory))?;
    }
    let seen = seen?;
    let name = format!("{NAME}-{}", arguments.facts);
    let mut records = place.results.records(&name)?;
    records.add(&place.machine)?;
    seen.times.iter().try_for_each(|times| records.add(times))?;
    let text = told::section(arguments, place, &seen);
    // A part of the questions is not worth keeping.
    if arguments.only.is_empty() {
        place.results.keep_section(&name, &text)?;
        document::write(&place.results, &asked)?;
    }
    match told::missed(arguments, &seen) {
        missed if missed.is_empty() => Ok(text),
        missed => {
            print!("{text}");
            Err(BenchError::Unusable(format!("aims were missed: {}", missed.join("; "))))
        }
    }
}

fn ask_all(arguments: &Arguments, place: &Place, made: &Made, asked: &[Asked]) -> Result<Seen, BenchError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(BenchError::Own)?;
    let snapshot = Snapshot {
        segments: Arc::new(made.segments.clone()),
        recent: Arc::default(),
        signatures: Arc::new(signatures()),
    };
    let near = Bucket::open(&made.location()?, 0)?;
    let far = match arguments.far_milliseconds {
        0 => None,
        wait => Some(far::Far::start(&made.directory, Duration::from_millis(wait)).map_err(BenchError::Own)?),
    };
    read_once(&made.files())?;
    let progress = Progress::new(asked.len() as u64 + 1);
    let mut times = Vec::new();
    for asked in asked {
        progress.says(asked.name);
        let scratch = place.scratch()?;
        let turns = Turns { runtime: &runtime, asked, snapshot: &snapshot, arguments };
        let near = turns.take(&near, &scratch.path().join("near"))?;
        let far = match &far {
            None => Taken::default(),
            Some(far) => turns.take(&far.bucket()?, &scratch.path().join("far"))?,
        };
        times.push(Times {
            name: asked.name.to_owned(),
            first: near.first,
            again: near.again,
            far_first: far.first,
            far_again: far.again,
            cpu: near.cpu,
            bytes: near.bytes,
            peak: near.peak,
            far_peak: far.peak,
            datafusion: Vec::new(),
            datafusion_cpu: f64::NAN,
            postgres: Vec::new(),
        });
        progress.step();
    }
    let mut missing = match &arguments.python {
        None => vec!["DataFusion was not asked: --python names none".to_owned()],
        Some(python) => {
            progress.says("DataFusion");
            datafusion::ask(python, made, asked, arguments.first, &mut times)?
        }
    };
    progress.step();
    let postgres_bytes = match arguments.postgres {
        true => postgres::ask(arguments.facts, asked, arguments.postgres_turns, &mut times)?,
        false => None,
    };
    if postgres_bytes.is_none() {
        missing.push("PostgreSQL was not asked: without --postgres, or not on this machine".to_owned());
    }
    let (bytes, segments) = (made.bytes(), made.segments.len());
    Ok(Seen { times, facts: arguments.facts, bytes, segments, postgres_bytes, missing })
}

/// So that all files are in the system's memory, as far as they fit.
fn read_once(directory: &Path) -> Result<(), BenchError> {
    for entry in fs::read_dir(directory).map_err(BenchError::of_file(directory))? {
        let path = entry.map_err(BenchError::of_file(directory))?.path();
        let mut file = fs::File::open(&path).map_err(BenchError::of_file(&path))?;
        std::io::copy(&mut file, &mut std::io::sink()).map_err(BenchError::of_file(&path))?;
    }
    Ok(())
}

/// One question, again and again.
struct Turns<'a> {
    runtime: &'a tokio::runtime::Runtime,
    asked: &'a Asked,
    snapshot: &'a Snapshot,
    arguments: &'a Arguments,
}

impl Turns<'_> {
    fn take(&self, bucket: &Bucket, scratch: &Path) -> Result<Taken, BenchError> {
        let mut taken = Taken::default();
        let mut last = None;
        // What earlier questions left in memory counts with this one.
        process::forget_peak().map_err(BenchError::Own)?;
        let firsts = self.arguments.first.max(1);
        let cpu = || process::cpu_time(std::process::id()).map_err(BenchError::Own);
        let before = cpu()?;
        for turn in 0..firsts {
            let directory = scratch.join(turn.to_string());
            let engine = Engine::new(bucket.clone(), &directory, &EngineOptions::default())?;
            let (took, bytes) = self.ask(&engine)?;
            taken.first.push(took);
            taken.bytes = bytes;
            last = Some(engine);
        }
        taken.cpu = (cpu()? - before).as_secs_f64() * 1000.0 / float(firsts as u64);
        if let Some(engine) = last {
            for _ in 0..self.arguments.again {
                taken.again.push(self.ask(&engine)?.0);
            }
        }
        taken.peak = process::memory(std::process::id()).map_err(BenchError::Own)?.peak;
        Ok(taken)
    }

    /// The milliseconds that an answer took, and the bytes that were read.
    fn ask(&self, engine: &Engine) -> Result<(f64, u64), BenchError> {
        self.runtime.block_on(async {
            let begun = Instant::now();
            let (found, bytes) = match &self.asked.ask {
                Ask::Question(question) => {
                    let answer = engine.ask(question, self.snapshot).await?;
                    (answer.totals.crashes > 0, answer.work.bytes)
                }
                Ask::Crashes(listing) => {
                    (!engine.crashes(listing, 50, self.snapshot).await?.facts.is_empty(), 0)
                }
                Ask::Find(crash) => {
                    (engine.find(&[*crash].into(), self.snapshot).await?.contains_key(crash), 0)
                }
            };
            let took = begun.elapsed().as_secs_f64() * 1000.0;
            match found {
                true => Ok((took, bytes)),
                false => Err(BenchError::Unusable(format!("nothing was found for {:?}", self.asked.name))),
            }
        })
    }
}

/// The most memory that was held while asking, in bytes.
fn peak(seen: &Seen) -> u64 {
    seen.times.iter().map(|times| times.peak.max(times.far_peak)).max().unwrap_or_default()
}

fn p95(times: &[f64]) -> f64 {
    Sorted::new(times.iter().copied()).p95()
}
