//! Reports that arrive while instances start: how many are lost, with our start-up and with slower ones.
//!
//! Twice the same activator and autoscaler, which do as Knative's. First in front of real processes on this machine: a
//! launch from zero, at real speed. Then in front of a model with the figures that the first part gave, on a clock that
//! jumps: a whole day with a launch in its evening.

mod activator;
mod arrivals;
mod autoscaler;
mod outcome;
mod platform;
mod told;
mod variant;

use std::{cell::Cell, sync::Arc, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use tokio::task::LocalSet;

pub(crate) use self::variant::OURS;
use self::{
    activator::Activator,
    arrivals::Curve,
    outcome::{Figures, Outcome},
    platform::{Model, Processes},
    variant::{Studio, Variant},
};
use crate::{
    error::BenchError, payload::payload, place::Place, progress::Progress, server::Engines, stand_in::StandIn,
};

pub(crate) const NAME: &str = "surge";
/// What clients send to real processes.
const PAYLOAD: &str = "dump-27k";
/// The same arrivals in every run.
const SEED: u64 = 20_260_131;

#[derive(clap::Args, Clone)]
pub(crate) struct Arguments {
    /// How long the launch in front of real processes lasts; none if 0.
    #[arg(long, default_value_t = 130.0)]
    real_seconds: f64,
    /// Reports a second at its peak. This machine's cores carry all instances.
    #[arg(long, default_value_t = 300.0)]
    real_peak: f64,
    /// Reports a second before it.
    #[arg(long, default_value_t = 0.5)]
    real_few: f64,
    /// Seconds from asking for an instance until it begins to start up: scheduling, pulling an image.
    #[arg(long, value_delimiter = ',', default_value = "0,1,5")]
    platform_delays: Vec<f64>,
    /// Seconds of start-up that are compared to ours.
    #[arg(long, value_delimiter = ',', default_value = "1.9,50")]
    start_ups: Vec<f64>,
    /// Seconds after which clients give up.
    #[arg(long, default_value_t = 10.0)]
    patience_seconds: f64,
    /// Minidumps and handled errors that a studio has in a month.
    #[arg(long, default_value_t = 1_000_000)]
    dumps_a_month: u32,
    #[arg(long, default_value_t = 20_000_000)]
    events_a_month: u32,
    /// How many times the mean of a month the launch brings.
    #[arg(long, default_value_t = 100.0)]
    launch_times: f64,
    /// Leaves the model of a day out.
    #[arg(long)]
    no_day: bool,
}

/// One run, for the raw data.
#[derive(Serialize)]
struct Run<'a> {
    part: &'a str,
    variant: &'a str,
    platform_delay: f64,
    figures: &'a Figures,
    /// Those at which the number of instances changed.
    moments: Vec<outcome::Moment>,
}

/// What one run gave.
struct Ran {
    variant: Variant,
    platform_delay: f64,
    outcome: Outcome,
}

pub(crate) fn run(arguments: &Arguments, place: &Place) -> Result<String, BenchError> {
    let mut records = place.results.records(NAME)?;
    records.add(&place.machine)?;
    let real = variant::real(arguments);
    let studios = variant::studios(arguments);
    let days: usize = studios.iter().map(|studio| studio.variants.len()).sum();
    let runs = arguments.platform_delays.len() * (real.len() + days);
    let progress = Progress::new(runs as u64);
    let mut keep = |part: &str, ran: &Ran| {
        records.add(&Run {
            part,
            variant: &ran.variant.name,
            platform_delay: ran.platform_delay,
            figures: &ran.outcome.figures(),
            moments: ran.outcome.changes(),
        })
    };

    let stand_in = StandIn::start().map_err(BenchError::Own)?;
    raise_file_limit();
    let mut launches = Vec::new();
    for &platform_delay in &arguments.platform_delays {
        for variant in &real {
            progress.says(format!("real processes, {}, platform {platform_delay} s", variant.name));
            let before = stand_in.counts().messages;
            let ran = launch(arguments, place, &stand_in, variant, platform_delay)?;
            let (answered, taken) = (ran.outcome.figures().answered, stand_in.counts().messages - before);
            if taken < answered {
                return Err(BenchError::Unusable(format!(
                    "{answered} were answered 200, but the broker took {taken}"
                )));
            }
            keep("launch, real processes", &ran)?;
            launches.push(ran);
            progress.step();
        }
    }
    let measured = told::measured(&launches);
    let mut modelled = Vec::new();
    for studio in &studios {
        let mut runs = Vec::new();
        for &platform_delay in &arguments.platform_delays {
            for variant in &studio.variants {
                progress.says(format!("{}, {}, platform {platform_delay} s", studio.name, variant.name));
                let ran = day(arguments, studio, variant, platform_delay, &measured)?;
                keep(studio.name, &ran)?;
                runs.push(ran);
                progress.step();
            }
        }
        modelled.push((studio, runs));
    }
    drop(progress);
    told::section(arguments, place, &launches, &modelled, &measured)
}

/// A launch in front of real processes.
fn launch(
    arguments: &Arguments,
    place: &Place,
    stand_in: &StandIn,
    variant: &Variant,
    platform_delay: f64,
) -> Result<Ran, BenchError> {
    let payload = payload(PAYLOAD)?;
    let folder = place.scratch()?;
    let processes = Processes {
        program: place.bins.function(payload.function)?,
        folder: folder.path().to_owned(),
        environment: Engines::Broker(stand_in.address()).environment(),
        request: Arc::clone(&payload.request),
        extra_start_up: variant.start_up.unwrap_or_default(),
        numbers: Cell::new(0),
    };
    let curve =
        Curve::Launch { seconds: arguments.real_seconds, few: arguments.real_few, peak: arguments.real_peak };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BenchError::Own)?;
    let service = variant.service(arguments, platform_delay);
    let run = Activator::run(processes, service, curve, SEED);
    let outcome = LocalSet::new().block_on(&runtime, run);
    Ok(Ran { variant: variant.clone(), platform_delay, outcome })
}

/// A day in front of a model.
fn day(
    arguments: &Arguments,
    studio: &Studio,
    variant: &Variant,
    platform_delay: f64,
    measured: &told::MeasuredStart,
) -> Result<Ran, BenchError> {
    let model = Model {
        start_up: variant.start_up.unwrap_or(measured.start_up),
        cpu: variant.response.map_or(measured.cpu, |_| Duration::ZERO),
        rest: variant.response.unwrap_or(measured.rest),
    };
    let curve = Curve::Day { mean: studio.mean, times: arguments.launch_times };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(BenchError::Own)?;
    let service = variant.service(arguments, platform_delay);
    let outcome = LocalSet::new().block_on(&runtime, Activator::run(model, service, curve, SEED));
    Ok(Ran { variant: variant.clone(), platform_delay, outcome })
}

/// Each request that is served at the same time has a connection.
fn raise_file_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
