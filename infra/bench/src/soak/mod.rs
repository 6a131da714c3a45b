//! Memory over a long time of full load; and what happens when nobody takes the backlog away.
//!
//! First the backlog is capped: what is oldest is removed, as if it had been processed. Then, in a second function, it is
//! not: the disk fills up to the mark that `EPITAPH_MIN_FREE_DISK` keeps free, and reports are refused until a consumer
//! reads the queue. Every report that was answered 200 must then be in it.

mod full;
mod told;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    backlog::{Cap, queue_bytes},
    client::ClosedLoop,
    error::BenchError,
    payload::payload,
    place::{Place, bytes},
    progress::Progress,
    server::Server,
    statistics::{float, mib},
};

pub(crate) const NAME: &str = "soak";
/// What is sent.
const PAYLOAD: &str = "dump-27k";

#[derive(clap::Args, Clone)]
pub(crate) struct Arguments {
    /// How long the load lasts.
    #[arg(long, default_value_t = 600.0)]
    seconds: f64,
    /// What the queue may hold on the disk before its oldest files are removed.
    #[arg(long, default_value = "10G", value_parser = bytes)]
    cap: u64,
    /// What the queue may hold, in the second part, before the disk counts as full.
    #[arg(long, default_value = "1G", value_parser = bytes)]
    room: u64,
    /// How long reports are refused, in the second part, before a consumer comes.
    #[arg(long, default_value_t = 20.0)]
    full_seconds: f64,
    /// Clients at the same time.
    #[arg(long, default_value_t = 10)]
    connections: usize,
    /// How often the function is looked at.
    #[arg(long, default_value_t = 1.0)]
    sample_seconds: f64,
}

/// What was seen at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sample {
    seconds: f64,
    resident_mib: f64,
    backlog_mib: f64,
    /// Reports accepted and refused a second, since the sample before.
    accepted_per_second: f64,
    refused_per_second: f64,
}

pub(crate) fn run(arguments: &Arguments, place: &Place) -> Result<String, BenchError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BenchError::Own)?;
    let mut records = place.results.records(NAME)?;
    records.add(&place.machine)?;
    let progress = Progress::new(2);
    progress.says(format!("full load with a capped backlog, {} s", arguments.seconds));
    let capped = runtime.block_on(capped(arguments, place))?;
    capped.iter().try_for_each(|sample| records.add(sample))?;
    progress.step();
    progress.says("a disk that fills up, and a consumer that comes late");
    let full = runtime.block_on(full::run(arguments, place))?;
    records.add(&full)?;
    progress.step();
    drop(progress);
    told::section(arguments, place, &capped, &full)
}

/// The first part.
async fn capped(arguments: &Arguments, place: &Place) -> Result<Vec<Sample>, BenchError> {
    let folder = place.scratch()?;
    let data = folder.path().join("data");
    let (server, clients) = loaded(arguments, place, &folder, &[])?;
    let cap = Cap::keep(&data, arguments.cap).map_err(BenchError::Own)?;
    let watch = Watch::new(&server, &clients);
    let samples = watch.until(arguments, &data, |seconds, _| seconds >= arguments.seconds).await?;
    clients.stop().await;
    drop(cap);
    Ok(samples)
}

/// A function that clients send reports to.
fn loaded(
    arguments: &Arguments,
    place: &Place,
    folder: &tempfile::TempDir,
    environment: &[(&str, String)],
) -> Result<(Server, ClosedLoop), BenchError> {
    let payload = payload(PAYLOAD)?;
    let program = place.bins.function(payload.function)?;
    let failed = || BenchError::of_server(payload.function);
    let mut server = Server::start(&program, folder.path(), environment).map_err(failed())?;
    server.connect().map_err(failed())?;
    let clients = ClosedLoop::start(server.address(), &Arc::clone(&payload.request), arguments.connections);
    Ok((server, clients))
}

/// Looks at a function again and again.
struct Watch<'a> {
    server: &'a Server,
    clients: &'a ClosedLoop,
    begun: Instant,
    before: (f64, u64, u64),
}

impl<'a> Watch<'a> {
    fn new(server: &'a Server, clients: &'a ClosedLoop) -> Self {
        Self { server, clients, begun: Instant::now(), before: (0.0, 0, 0) }
    }

    /// Until `done` says so, which is given the seconds that have passed, and what was seen last.
    async fn until(
        mut self,
        arguments: &Arguments,
        data: &std::path::Path,
        mut done: impl FnMut(f64, &Sample) -> bool,
    ) -> Result<Vec<Sample>, BenchError> {
        let mut samples = Vec::new();
        loop {
            tokio::time::sleep(Duration::from_secs_f64(arguments.sample_seconds)).await;
            let sample = self.sample(data)?;
            let is_done = done(sample.seconds, &sample);
            samples.push(sample);
            if is_done {
                return Ok(samples);
            }
        }
    }

    fn sample(&mut self, data: &std::path::Path) -> Result<Sample, BenchError> {
        let memory = self.server.memory().map_err(BenchError::of_server("the function under load"))?;
        let seconds = self.begun.elapsed().as_secs_f64();
        let (accepted, refused) = self.clients.so_far();
        let (then, accepted_then, refused_then) = self.before;
        self.before = (seconds, accepted, refused);
        let rate = |now: u64, before: u64| float(now - before) / (seconds - then);
        Ok(Sample {
            seconds,
            resident_mib: mib(memory.resident),
            backlog_mib: mib(queue_bytes(data)),
            accepted_per_second: rate(accepted, accepted_then),
            refused_per_second: rate(refused, refused_then),
        })
    }
}
