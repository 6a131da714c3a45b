//! How long it takes from starting a function to its first 200, which says that a report is durable: for every
//! collector, build and host, beside the least that a server there can be.
//!
//! All take turns, so that whatever else the machine does meets them alike. Each start has an empty data directory: the
//! first answer of a function makes its queue as well.

mod disk;
mod http;
mod lambda;
mod steps;

use std::{path::PathBuf, time::Duration};

pub(crate) use self::lambda::FunctionError;
use crate::{
    error::BenchError, place::Place, plot::Bars, progress::Progress, stand_in::StandIn, statistics::Sorted,
};

pub(crate) const NAME: &str = "cold-start";
/// Rounds that fill the page cache and are not counted.
const WARM_UP: u32 = 2;

#[derive(clap::Args, Clone)]
pub(crate) struct Arguments {
    /// How often each is started.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Only these functions.
    #[arg(long, value_delimiter = ',')]
    functions: Vec<String>,
    /// Only these hosts: plain, knative, lambda.
    #[arg(long, value_delimiter = ',')]
    hosts: Vec<String>,
    /// The folder with one event for each function, as AWS Lambda hands it over.
    #[arg(long, default_value = "events")]
    events: PathBuf,
}

impl Arguments {
    fn wants(&self, function: &str) -> bool {
        self.functions.is_empty() || self.functions.iter().any(|wanted| wanted == function)
    }

    fn wants_host(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|wanted| wanted == host)
    }
}

pub(crate) fn run(arguments: &Arguments, place: &Place) -> Result<String, BenchError> {
    let stand_in = StandIn::start().map_err(BenchError::Own)?;
    let mut records = place.results.records(NAME)?;
    records.add(&place.machine)?;
    let http = http::subjects(arguments, place, &stand_in)?;
    let lambda = lambda::subjects(arguments, place, &stand_in)?;
    if http.iter().all(http::Subject::is_bare) && lambda.iter().all(lambda::Subject::is_bare) {
        return Err(BenchError::Unusable("there is no function to start; see --bins and --build".into()));
    }
    let rounds = u64::from(WARM_UP + arguments.rounds);
    let progress = Progress::new(2 * rounds + 1);
    let mut text = format!(
        "## Cold start\n\nFrom the start of a process to the first byte of its first 200, which says that the report is \
         durable, on {}. {} rounds in turn, each with an empty data directory, after {WARM_UP} that are not counted. \
         \"Of bare\" is round by round.\n\n",
        place.machine.told(),
        arguments.rounds
    );
    let started = http::start_all(arguments, place, http, &progress, &mut records)?;
    text.push_str(&http::told(&started));
    if arguments.wants_host("plain") {
        progress.says("where the time goes");
        text.push_str(&steps::told(arguments, place, &mut records)?);
    }
    progress.step();
    let invoked = lambda::start_all(arguments, place, lambda, &progress, &mut records)?;
    text.push_str(&lambda::told(&invoked));
    drop(progress);
    let (names, groups) = http::bars(&started);
    let plot = Bars { title: "Milliseconds from spawn to the first 200, median".into(), names, groups };
    text.push_str(&place.results.keep_plot(NAME, "Cold start", &plot.svg())?);
    place.results.keep_section(NAME, &text)?;
    Ok(text)
}

/// Median, p95 and least of some times, as cells of a table in milliseconds.
fn milliseconds(times: impl Iterator<Item = Duration>) -> String {
    let sorted = Sorted::new(times.map(|time| time.as_secs_f64() * 1000.0));
    format!("{:.2} | {:.2} | {:.2}", sorted.median(), sorted.p95(), sorted.least())
}
