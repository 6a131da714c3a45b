//! US dollars: for a million reports of each kind and for a month of a studio, on Lambda and on Knative, from what
//! `load` and `drain` measured on this machine and from list prices. Every assumption is in the table.

mod knative;
mod lambda;
mod prices;

use std::fmt::Write as _;

use crate::{
    drain::{self, Drained},
    error::BenchError,
    load::{self, Kind},
    place::Place,
    statistics::{Sorted, grouped},
};

pub(crate) const NAME: &str = "cost";
/// A launch as `surge` has it: 60 s of rise, 600 s of peak, and what follows, as seconds of its peak.
const LAUNCH_SECONDS: f64 = 30.0 + 600.0 + 1200.0;
const MONTH_SECONDS: f64 = 30.0 * 86_400.0;

#[derive(clap::Args, Clone)]
pub(crate) struct Arguments {
    /// Handled errors in a month, and what stands for them.
    #[arg(long, default_value_t = 20_000_000)]
    events_a_month: u32,
    #[arg(long, default_value = "event-2k")]
    event: String,
    /// Minidumps in a month, and what stands for them.
    #[arg(long, default_value_t = 1_000_000)]
    dumps_a_month: u32,
    #[arg(long, default_value = "dump-400k")]
    dump: String,
    /// How long crashes are kept.
    #[arg(long, default_value_t = 90)]
    retention_days: u32,
    /// How many times the mean of the month its one launch night brings.
    #[arg(long, default_value_t = 100.0)]
    launch_times: f64,
    /// Milliseconds that a function waits for each: SQS, S3, PostgreSQL.
    #[arg(long, default_value_t = 10.0)]
    sqs_ms: f64,
    #[arg(long, default_value_t = 30.0)]
    s3_ms: f64,
    #[arg(long, default_value_t = 10.0)]
    database_ms: f64,
}

/// What a kind of report takes, as measured.
struct Taken {
    payload: String,
    request_bytes: f64,
    message_bytes: f64,
    /// Whether the payload goes to the bucket rather than into the message.
    claim_check: bool,
    collector_cpu_ms: f64,
    process_cpu_ms: f64,
    bucket_bytes: f64,
    bucket_objects: f64,
    catalog_bytes: f64,
}

/// A line of a bill.
struct Line {
    what: String,
    how: String,
    dollars: f64,
}

fn line(what: &str, how: String, dollars: f64) -> Line {
    Line { what: what.to_owned(), how, dollars }
}

/// How many reports of a kind there are in the month that is billed.
fn with_launch(arguments: &Arguments, a_month: u32) -> f64 {
    let mean = f64::from(a_month) / MONTH_SECONDS;
    f64::from(a_month) + mean * arguments.launch_times * LAUNCH_SECONDS
}

/// How many months' worth is stored.
fn months_kept(arguments: &Arguments) -> f64 {
    f64::from(arguments.retention_days) / 30.0
}

pub(crate) fn run(arguments: &Arguments, place: &Place) -> Result<String, BenchError> {
    let loads: Vec<load::Measured> = place.results.read(load::NAME)?;
    let drains: Vec<Drained> = place.results.read(drain::NAME)?;
    let event = taken(&arguments.event, &loads, &drains)?;
    let dump = taken(&arguments.dump, &loads, &drains)?;
    let mut text = format!(
        "## Cost\n\nUS dollars, from list prices of us-east-1 as pages of {} give them, no free tier counted, and from what was measured \
         here. A month of {} handled errors and {} minidumps, kept {} days, with one launch night of {} times the mean, \
         which adds {:.1} of 100.\n\n",
        prices::DATE,
        grouped(f64::from(arguments.events_a_month)),
        grouped(f64::from(arguments.dumps_a_month)),
        arguments.retention_days,
        arguments.launch_times,
        100.0 * arguments.launch_times * LAUNCH_SECONDS / MONTH_SECONDS,
    );
    text.push_str(&measured_table(&[&event, &dump]));
    let _ = writeln!(
        text,
        "Assumed: a call to SQS takes {} ms, one to S3 {} ms, a transaction of PostgreSQL {} ms; a function waits for them one \
         after another, and Lambda bills waiting as it bills work. The processor time above is that of this machine. What a \
         crash takes in the catalog was measured with SQLite, before facts are sealed into segments.\n",
        arguments.sqs_ms, arguments.s3_ms, arguments.database_ms
    );
    let (of_event, of_dump) = (lambda::per_report(arguments, &event), lambda::per_report(arguments, &dump));
    for (kind, lines) in [("handled errors", &of_event), ("minidumps", &of_dump)] {
        text.push_str(&bill(&format!("Lambda, SQS, S3, PostgreSQL: a million {kind}"), lines, 1e6));
    }
    text.push_str(&lambda::month(arguments, &of_event, &of_dump, [&event, &dump]));
    text.push_str(&knative::told(arguments, &event, &dump));
    place.results.keep_section(NAME, &text)?;
    Ok(text)
}

fn taken(payload: &str, loads: &[load::Measured], drains: &[Drained]) -> Result<Taken, BenchError> {
    let lacking = |bench: &str| {
        BenchError::Unusable(format!(
            "{bench} has not measured {payload} here; run `epitaph-bench {bench}` first"
        ))
    };
    let rounds: Vec<_> =
        loads.iter().filter(|one| one.payload == payload && one.server == Kind::Aws.name()).collect();
    let first = rounds.first().ok_or_else(|| lacking(load::NAME))?;
    let drained = drains.iter().find(|one| one.payload == payload).ok_or_else(|| lacking(drain::NAME))?;
    let median =
        |value: fn(&load::Measured) -> f64| Sorted::new(rounds.iter().map(|one| value(one))).median();
    let request_bytes = median(|one| f64::from(u32::try_from(one.request_bytes).unwrap_or(u32::MAX)));
    let message_bytes = median(|one| one.message_bytes.unwrap_or_default());
    Ok(Taken {
        payload: first.payload.clone(),
        request_bytes,
        message_bytes,
        claim_check: message_bytes < request_bytes / 2.0,
        collector_cpu_ms: median(|one| one.cpu_us_per_report) / 1e3,
        process_cpu_ms: drained.cpu_us_per_crash / 1e3,
        bucket_bytes: drained.bucket_bytes_per_crash,
        bucket_objects: drained.bucket_objects_per_crash,
        catalog_bytes: drained.catalog_bytes_per_crash,
    })
}

fn measured_table(kinds: &[&Taken]) -> String {
    let mut text = String::from(
        "| measured | request | message | CPU, collector | CPU, process | in the bucket | objects | in the catalog |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for one in kinds {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| `{}` | {} bytes | {} bytes | {:.2} ms | {:.2} ms | {} bytes | {:.1} | {} bytes |",
            one.payload,
            grouped(one.request_bytes),
            grouped(one.message_bytes),
            one.collector_cpu_ms,
            one.process_cpu_ms,
            grouped(one.bucket_bytes),
            one.bucket_objects,
            grouped(one.catalog_bytes)
        );
    }
    text.push('\n');
    text
}

/// A table of lines, each times so much, and their sum.
fn bill(title: &str, lines: &[Line], times: f64) -> String {
    let mut text = format!("{title}:\n\n| line | how it is counted | dollars |\n| --- | --- | ---: |\n");
    for line in lines {
        let _ = writeln!(text, "| {} | {} | {:.2} |", line.what, line.how, line.dollars * times);
    }
    let sum: f64 = lines.iter().map(|line| line.dollars).sum();
    let _ = writeln!(text, "| **sum** | | **{:.2}** |\n", sum * times);
    text
}
