//! How many reports one instance takes in a second, how long each waits, and what each costs: for every kind of report
//! and every queue, beside bare servers that read the same bodies.
//!
//! Clients send their next report when the last is answered. The servers take turns, so that whatever else the machine
//! does meets them alike. Client, server, stand-in and kernel share all cores; nothing is pinned.

mod kind;
mod run;
mod told;

use std::path::PathBuf;

use crate::{
    error::BenchError,
    payload::payloads,
    place::{Place, bytes},
    progress::Progress,
    stand_in::StandIn,
};

pub(crate) use self::{kind::Kind, run::Measured};

pub(crate) const NAME: &str = "load";

#[derive(clap::Args, Clone)]
pub(crate) struct Arguments {
    /// How long each server is measured in a round.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How long it is under load before.
    #[arg(long, default_value_t = 1.0)]
    warm_up_seconds: f64,
    /// How often each server has its turn.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Clients at the same time.
    #[arg(long, default_value_t = 10)]
    connections: usize,
    /// What the queue and the bucket may hold on the disk before their oldest files are removed.
    #[arg(long, default_value = "10G", value_parser = bytes)]
    backlog: u64,
    /// Only these kinds of reports.
    #[arg(long, value_delimiter = ',')]
    payloads: Vec<String>,
    /// Only these servers.
    #[arg(long, value_delimiter = ',')]
    servers: Vec<String>,
    /// A minidump of your own, sent beside the others.
    #[arg(long)]
    dump: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, place: &Place) -> Result<String, BenchError> {
    let payloads = chosen(payloads(arguments.dump.as_ref())?, &arguments.payloads, |payload| payload.name)?;
    let kinds = chosen(Kind::EACH.to_vec(), &arguments.servers, |kind| kind.name())?;
    let stand_in = StandIn::start().map_err(BenchError::Own)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BenchError::Own)?;
    let mut records = place.results.records(NAME)?;
    records.add(&place.machine)?;
    let turns = u64::from(arguments.rounds) * (payloads.len() * kinds.len()) as u64;
    let progress = Progress::new(turns);
    let mut all = Vec::new();
    for payload in &payloads {
        for round in 1..=arguments.rounds {
            for &kind in &kinds {
                progress.says(format!("{}, {kind}, round {round}", payload.name));
                let turn = run::Turn { place, arguments, stand_in: &stand_in, payload, kind, round };
                let measured = runtime.block_on(turn.measure())?;
                records.add(&measured)?;
                all.push(measured);
                progress.step();
            }
        }
    }
    drop(progress);
    told::section(place, arguments, &payloads, &all)
}

/// Those of the names that were asked for; all if none was.
fn chosen<T>(
    all: Vec<T>,
    names: &[String],
    name_of: impl Fn(&T) -> &'static str,
) -> Result<Vec<T>, BenchError> {
    let known: Vec<_> = all.iter().map(&name_of).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(BenchError::Unusable(format!(
            "there is no {unknown} to measure, expected some of {}",
            known.join(", ")
        )));
    }
    Ok(all
        .into_iter()
        .filter(|one| names.is_empty() || names.iter().any(|name| name == name_of(one)))
        .collect())
}
