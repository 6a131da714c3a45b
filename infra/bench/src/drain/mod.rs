//! What `process` takes to make crashes of a backlog: with one process, embedded engines, and the parser isolated in a
//! child, as it is deployed.
//!
//! A collector fills the queue and ends; then `process` is started, and is done when it has removed all files of the
//! queue, which it does when all that is in them is handled.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use epitaph_catalog::Catalog;
use serde::{Deserialize, Serialize};

use crate::{
    backlog::queue_bytes,
    client::ClosedLoop,
    error::BenchError,
    payload::{Payload, payload},
    place::Place,
    progress::Progress,
    server::Server,
    statistics::{float, grouped, mib},
};

pub(crate) const NAME: &str = "drain";
/// How often it is looked whether the queue is empty.
const LOOK: Duration = Duration::from_millis(50);
/// Clients that fill the queue.
const CLIENTS: usize = 10;

#[derive(clap::Args, Clone)]
pub(crate) struct Arguments {
    /// Reports of each kind, at least.
    #[arg(long, default_value_t = 2_000)]
    reports: u64,
    /// Which kinds.
    #[arg(long, value_delimiter = ',', default_value = "event-2k,report-1k,dump-27k,dump-400k")]
    payloads: Vec<String>,
    /// The longest that one kind may take, in seconds.
    #[arg(long, default_value_t = 600.0)]
    patience_seconds: f64,
}

/// What one kind of report gave.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Drained {
    pub(crate) payload: String,
    pub(crate) crashes: u64,
    pub(crate) per_second: f64,
    /// Of `process` and of its parsers.
    pub(crate) cpu_us_per_crash: f64,
    pub(crate) peak_mib: f64,
    /// What a crash takes in the bucket: payloads and document.
    pub(crate) bucket_bytes_per_crash: f64,
    pub(crate) bucket_objects_per_crash: f64,
    /// What a crash takes in the catalog.
    pub(crate) catalog_bytes_per_crash: f64,
}

pub(crate) fn run(arguments: &Arguments, place: &Place) -> Result<String, BenchError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BenchError::Own)?;
    let mut records = place.results.records(NAME)?;
    records.add(&place.machine)?;
    let progress = Progress::new(arguments.payloads.len() as u64);
    let mut all = Vec::new();
    for name in &arguments.payloads {
        progress.says(format!("a backlog of {name}"));
        let drained = runtime.block_on(drain(arguments, place, &payload(name)?))?;
        records.add(&drained)?;
        all.push(drained);
        progress.step();
    }
    drop(progress);
    let mut text = format!(
        "## From report to crash\n\nWhat `process` takes for a backlog of reports, with embedded engines on the same disk, \
         on {}. One process; each minidump is parsed in an isolated child.\n\n\
         | payload | crashes | crashes/s | CPU µs a crash | memory, most | in the bucket | objects | in the catalog |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        place.machine.told()
    );
    for one in &all {
        text.push_str(&format!(
            "| {} | {} | {} | {} | {:.1} MiB | {} bytes | {:.1} | {} bytes |\n",
            one.payload,
            one.crashes,
            grouped(one.per_second),
            grouped(one.cpu_us_per_crash),
            one.peak_mib,
            grouped(one.bucket_bytes_per_crash),
            one.bucket_objects_per_crash,
            grouped(one.catalog_bytes_per_crash),
        ));
    }
    text.push_str("\nMemory is that of `process` itself; a parser is a process of its own.\n");
    place.results.keep_section(NAME, &text)?;
    Ok(text)
}

async fn drain(arguments: &Arguments, place: &Place, payload: &Payload) -> Result<Drained, BenchError> {
    let folder = place.scratch()?;
    let data = folder.path().join("data");
    let crashes = fill(arguments, place, folder.path(), payload).await?;
    tidy_catalog(&data).await?;
    let (catalog_before, _) = tree(&data, "catalog.db");

    let failed = || BenchError::of_server("process");
    let mut process = start(place, "process", folder.path())?;
    let begun = Instant::now();
    while queue_bytes(&data) > 0 {
        process.check().map_err(failed())?;
        if begun.elapsed().as_secs_f64() > arguments.patience_seconds {
            return Err(BenchError::Unusable(format!(
                "process did not empty the queue of {} in {} s; its error output was: {}",
                payload.name,
                arguments.patience_seconds,
                process.error_output()
            )));
        }
        tokio::time::sleep(LOOK).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let cpu = process.cpu_time().map_err(failed())?;
    let peak_mib = mib(process.memory().map_err(failed())?.peak);
    process.stop();
    tidy_catalog(&data).await?;
    let each = |number: u64| float(number) / float(crashes.max(1));
    let (bucket_bytes, objects) = tree(&data.join("bucket"), "");
    Ok(Drained {
        payload: payload.name.to_owned(),
        crashes,
        per_second: float(crashes) / seconds,
        cpu_us_per_crash: cpu.as_secs_f64() * 1e6 / float(crashes.max(1)),
        peak_mib,
        bucket_bytes_per_crash: each(bucket_bytes),
        bucket_objects_per_crash: each(objects),
        catalog_bytes_per_crash: each(tree(&data, "catalog.db").0.saturating_sub(catalog_before)),
    })
}

/// Fills the queue; gives how many reports are in it.
async fn fill(
    arguments: &Arguments,
    place: &Place,
    folder: &Path,
    payload: &Payload,
) -> Result<u64, BenchError> {
    let mut collector = start(place, payload.function, folder)?;
    collector.connect().map_err(BenchError::of_server(payload.function))?;
    let clients = ClosedLoop::start(collector.address(), &Arc::clone(&payload.request), CLIENTS);
    while clients.so_far().0 < arguments.reports {
        collector.check().map_err(BenchError::of_server(payload.function))?;
        tokio::time::sleep(LOOK).await;
    }
    let (accepted, _) = clients.stop().await.ever;
    collector.stop();
    Ok(accepted)
}

/// Makes the catalog if it is not there, and leaves it in one file, without what SQLite keeps beside it at work.
async fn tidy_catalog(data: &Path) -> Result<(), BenchError> {
    let catalog = Catalog::open(&format!("sqlite://{}", data.join("catalog.db").display()))?;
    catalog.migrate().await?;
    catalog.close().await;
    Ok(())
}

fn start(place: &Place, function: &str, folder: &Path) -> Result<Server, BenchError> {
    let program = place.bins.function(function)?;
    let environment = [("EPITAPH_TOKEN", "a-token-that-only-benches-use".to_owned())];
    Server::start(&program, folder, &environment).map_err(BenchError::of_server(function))
}

/// The bytes and the number of all files in a folder whose name begins so, and in those folders below it.
fn tree(folder: &Path, prefix: &str) -> (u64, u64) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let wanted = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    let trees = wanted.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => tree(&entry.path(), ""),
        _ => (entry.metadata().map_or(0, |metadata| metadata.len()), 1),
    });
    trees.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
}
