//! The command line.

use clap::{Parser, Subcommand};

use crate::{
    all, cold_start, cost, drain,
    error::BenchError,
    load,
    place::{Place, PlaceArguments},
    record, soak, stats, surge, symbols,
};

/// Measures Epitaph. Each bench prints its section of RESULTS.md and keeps it; run from the root of the repository.
#[derive(Parser)]
#[command(name = "epitaph-bench")]
struct Arguments {
    #[command(flatten)]
    place: PlaceArguments,
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// From the start of each function to its first durable answer, on each host, beside bare servers.
    ColdStart(cold_start::Arguments),
    /// Reports a second, waiting, processor time and memory, for each kind of report and each queue.
    Load(load::Arguments),
    /// Memory over a long time of full load with a capped backlog; and what happens when the disk is full.
    Soak(soak::Arguments),
    /// A day and a launch night with instances that start on demand: what is lost while they do.
    Surge(surge::Arguments),
    /// What `process` takes to make a crash of a report.
    Drain(drain::Arguments),
    /// US dollars, from what `load` and `drain` measured.
    Cost(cost::Arguments),
    /// Questions to millions of facts; fails where an aim is missed.
    Stats(stats::Arguments),
    /// Ready crashes into the catalog at a steady rate, while facts are sealed and pages are read; fails where an aim is missed.
    Record(record::Arguments),
    /// From a dump to functions and lines, where debug information is large; fails where an aim is missed.
    Symbols(symbols::Arguments),
    /// Everything, one after another; writes RESULTS.md.
    All(all::Arguments),
}

/// Does what the command line says; gives what to print.
pub(crate) fn run() -> Result<String, BenchError> {
    let Arguments { place, bench } = Arguments::parse();
    let place = Place::prepare(&place)?;
    match bench {
        Bench::ColdStart(arguments) => cold_start::run(&arguments, &place),
        Bench::Load(arguments) => load::run(&arguments, &place),
        Bench::Soak(arguments) => soak::run(&arguments, &place),
        Bench::Surge(arguments) => surge::run(&arguments, &place),
        Bench::Drain(arguments) => drain::run(&arguments, &place),
        Bench::Cost(arguments) => cost::run(&arguments, &place),
        Bench::Stats(arguments) => stats::run(&arguments, &place),
        Bench::Record(arguments) => record::run(&arguments, &place),
        Bench::Symbols(arguments) => symbols::run(&arguments, &place),
        Bench::All(arguments) => all::run(&arguments, &place),
    }
}
