//! Ready crashes into the catalog at a steady rate, while facts are sealed and pages are read.
//!
//! In one process, as `epitaph serve` has it: as many crashes at once as `process` has in flight, each recorded by
//! `Catalog::record` in a transaction of its own; maintenance, which seals facts and joins segments on its own schedule;
//! and a visitor, who asks for pages one after another. A crash is ready at a moment that was fixed before: where the
//! recorder falls behind, those that wait are counted as waiting.

mod database;
mod house;
mod ready;
mod recording;
mod told;
mod visitor;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};

use self::{
    database::Database,
    house::House,
    recording::Recording,
    visitor::{Asked, Page, visit},
};
use crate::{
    error::BenchError,
    place::Place,
    process,
    progress::Progress,
    statistics::{Sorted, float},
};

pub(crate) const NAME: &str = "record";
const DOCUMENT: &str = "RECORDING.md";
/// A recorder that is slower than this many times what was planned is not waited for.
const PATIENCE: f64 = 3.0;

#[derive(clap::Args, Clone)]
pub(crate) struct Arguments {
    /// Crashes that get ready in a second.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// For so long.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// A line of the table for each so many seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    every_seconds: u32,
    /// How many crashes are recorded at once; twice the cores if it is not given, as in `process`.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    in_flight: Option<u32>,
    /// How long the visitor rests after each page.
    #[arg(long, default_value_t = 100)]
    pause_milliseconds: u64,
    /// So many facts are sealed at once when there are as many; as in the product if it is not given.
    #[arg(long)]
    enough: Option<u64>,
    /// Also records into a PostgreSQL server, which is started for this.
    #[arg(long)]
    postgres: bool,
}

impl Arguments {
    fn in_flight(&self) -> u32 {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.in_flight.unwrap_or_else(|| u32::try_from(cores() * 2).unwrap_or(u32::MAX))
    }

    fn offered(&self) -> u64 {
        u64::from(self.rate) * u64::from(self.seconds)
    }
}

/// What was seen in a stretch of the run.
#[derive(Debug, Clone, Serialize)]
struct Sample {
    catalog: &'static str,
    /// When it ended.
    second: f64,
    per_second: f64,
    /// From ready to recorded.
    wait_p95_ms: f64,
    /// Of all pages.
    page_p95_ms: f64,
    /// Facts in no segment, as rows of the catalog.
    unsealed: u64,
    catalog_bytes: u64,
    segments: usize,
    resident_bytes: u64,
}

/// What was seen in all.
#[derive(Debug, Clone, Serialize)]
struct Seen {
    catalog: &'static str,
    #[serde(skip)]
    samples: Vec<Sample>,
    recorded: u64,
    /// Until the last was recorded.
    seconds: f64,
    waits: Waits,
    /// How often a crash was sent back, since the catalog was unavailable.
    sent_back: u64,
    pages: Vec<PageTimes>,
    /// Answers that counted crashes that were not there, or missed some that were.
    miscounted: u64,
    counted: Counted,
    peak_bytes: u64,
}

/// From ready to recorded, in milliseconds.
#[derive(Debug, Clone, Serialize)]
struct Waits {
    median: f64,
    p95: f64,
    per_mille_999: f64,
    most: f64,
}

/// What a page took, in milliseconds.
#[derive(Debug, Clone, Serialize)]
struct PageTimes {
    page: &'static str,
    asked: usize,
    median: f64,
    p95: f64,
    most: f64,
    /// Of that, until the catalog had given what it knows.
    catalog_p95: f64,
}

/// What questions counted when all was recorded, and when all of it was sealed.
#[derive(Debug, Clone, Copy, Serialize)]
struct Counted {
    weight_recorded: u64,
    before_sealing: Count,
    sealed: Count,
    /// Facts that were in no segment even then.
    unsealed: u64,
}

/// Crashes, and the reports that they stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Count {
    crashes: u64,
    reports: u64,
}

pub(crate) fn run(arguments: &Arguments, place: &Place) -> Result<String, BenchError> {
    let mut records = place.results.records(NAME)?;
    records.add(&place.machine)?;
    let progress = Progress::new(1 + u64::from(arguments.postgres));
    let mut all = Vec::new();
    let mut missing = None;
    for open in [Database::sqlite, Database::postgres].into_iter().take(1 + usize::from(arguments.postgres)) {
        let Some(database) = open() else {
            missing = Some("PostgreSQL was not recorded into: it is not on this machine");
            continue;
        };
        progress.says(database.name());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(BenchError::Own)?;
        let seen = runtime.block_on(record(arguments, place, &database))?;
        seen.samples.iter().try_for_each(|sample| records.add(sample))?;
        records.add(&seen)?;
        all.push(seen);
        progress.step();
    }
    drop(progress);
    let text = told::section(arguments, place, &all, missing);
    place.results.keep_section(NAME, &text)?;
    place.results.write(DOCUMENT, &told::document(&text))?;
    match told::missed(arguments, &all) {
        missed if missed.is_empty() => Ok(text),
        missed => {
            print!("{text}");
            Err(BenchError::Unusable(format!("aims were missed: {}", missed.join("; "))))
        }
    }
}

async fn record(arguments: &Arguments, place: &Place, database: &Database) -> Result<Seen, BenchError> {
    let folder = place.scratch()?;
    let house = House::open(arguments, folder.path(), database).await?;
    process::forget_peak().map_err(BenchError::Own)?;
    let recording = Arc::new(Recording::begin(arguments, house.catalog().clone()));
    let asked = Arc::new(Asked::default());

    let (stop, stopped) = watch::channel(false);
    let mut maintaining = JoinSet::new();
    maintaining.spawn(house.maintenance()?.keep_running(stopped.clone()));
    let mut visiting = JoinSet::new();
    let pause = Duration::from_millis(arguments.pause_milliseconds);
    visiting.spawn(visit(house.facts().clone(), Arc::clone(&recording), Arc::clone(&asked), pause, stopped));
    let mut workers = JoinSet::new();
    for _ in 0..arguments.in_flight() {
        workers.spawn(Arc::clone(&recording).work());
    }

    let watching = Watching { database, house: &house, recording: &recording, asked: &asked };
    let samples = watching.until_recorded(arguments, &mut workers, &mut visiting).await?;
    let seconds = recording.seconds();
    let _ = stop.send(true);
    while let Some(ended) = visiting.join_next().await {
        ended.map_err(ended_early)??;
    }
    while let Some(ended) = maintaining.join_next().await {
        ended.map_err(ended_early)?;
    }

    let before_sealing = house.count().await?;
    house.seal_all().await?;
    let counted = Counted {
        weight_recorded: recording.weight(),
        before_sealing,
        sealed: house.count().await?,
        unsealed: house.unsealed().await?,
    };
    let waits = Sorted::new(recording.waits());
    Ok(Seen {
        catalog: database.name(),
        samples,
        recorded: recording.recorded(),
        seconds,
        waits: Waits {
            median: waits.median(),
            p95: waits.p95(),
            per_mille_999: waits.per_mille(999),
            most: waits.most(),
        },
        sent_back: recording.sent_back(),
        pages: Page::ALL.map(|page| page_times(page, &asked)).into(),
        miscounted: asked.miscounted(),
        counted,
        peak_bytes: process::memory(std::process::id()).map_err(BenchError::Own)?.peak,
    })
}

fn page_times(page: Page, asked: &Asked) -> PageTimes {
    let times = asked.of(page);
    let all = Sorted::new(times.iter().map(|times| times.all));
    let catalog = Sorted::new(times.iter().map(|times| times.catalog));
    PageTimes {
        page: page.name(),
        asked: times.len(),
        median: all.median(),
        p95: all.p95(),
        most: all.most(),
        catalog_p95: catalog.p95(),
    }
}

/// Whoever looks on.
struct Watching<'a> {
    database: &'a Database,
    house: &'a House,
    recording: &'a Recording,
    asked: &'a Asked,
}

impl Watching<'_> {
    /// Looks on until all is recorded.
    async fn until_recorded(
        &self,
        arguments: &Arguments,
        workers: &mut JoinSet<Result<(), BenchError>>,
        visiting: &mut JoinSet<Result<(), BenchError>>,
    ) -> Result<Vec<Sample>, BenchError> {
        let every = Duration::from_secs(u64::from(arguments.every_seconds));
        let mut ticks = tokio::time::interval(every);
        ticks.tick().await;
        let (mut samples, mut last) = (Vec::new(), Instant::now());
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    samples.push(self.sample(last.elapsed()).await?);
                    last = Instant::now();
                }
                Some(ended) = visiting.join_next() => ended.map_err(ended_early)??,
                ended = workers.join_next() => match ended {
                    Some(ended) => ended.map_err(ended_early)??,
                    None => break,
                },
            }
        }
        // The rest of the last stretch, unless there is hardly any.
        if last.elapsed() > every / 10 {
            samples.push(self.sample(last.elapsed()).await?);
        }
        Ok(samples)
    }

    /// What was seen in the stretch that ends now.
    async fn sample(&self, stretch: Duration) -> Result<Sample, BenchError> {
        let waits = self.recording.new_waits();
        let (second, per_second) =
            (self.recording.seconds(), float(waits.len() as u64) / stretch.as_secs_f64());
        let pages = self.asked.new_times();
        Ok(Sample {
            catalog: self.database.name(),
            second,
            per_second,
            wait_p95_ms: Sorted::new(waits).p95(),
            page_p95_ms: Sorted::new(pages).p95(),
            unsealed: self.house.unsealed().await?,
            catalog_bytes: self.house.catalog_bytes(self.database)?,
            segments: self.house.segments().await?,
            resident_bytes: process::resident_bytes(std::process::id()).map_err(BenchError::Own)?,
        })
    }
}

fn ended_early(error: JoinError) -> BenchError {
    BenchError::Own(std::io::Error::other(error))
}
