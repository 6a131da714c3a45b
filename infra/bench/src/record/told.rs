//! What was seen, for people.

use super::{Arguments, Count, Sample, Seen};
use crate::{
    place::Place,
    statistics::{float, grouped, mib},
};

/// The part of the run that it may take longer than planned, and the seconds that it always may.
const LATE: f64 = 0.01;
const LATE_SECONDS: f64 = 1.0;
/// A run must be so long, in seconds, that its rate says something.
const SHORT: u32 = 10;
/// The catalog may be so many times as large in the last third of a run as in the second.
const GROWTH: f64 = 1.5;
/// A run must be so long, in seconds, that facts were sealed in each third of it.
const LONG: u32 = 240;

pub(super) fn section(arguments: &Arguments, place: &Place, all: &[Seen], missing: Option<&str>) -> String {
    let mut text = format!(
        "## Recording while pages are read\n\n{} crashes get ready each second for {} s, and are recorded by {} at once, each in a \
         transaction of its own; meanwhile maintenance seals facts as in `epitaph serve`, and a visitor asks for one page after \
         another, resting for {} ms after each. All in one process, on {}.\n",
        grouped(f64::from(arguments.rate)),
        arguments.seconds,
        arguments.in_flight(),
        arguments.pause_milliseconds,
        place.machine.told(),
    );
    for seen in all {
        text.push_str(&format!(
            "\n### {}\n\n| second | recorded a second | wait, p95 | page, p95 | facts not sealed | catalog | segments | memory |\n\
             | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
            seen.catalog
        ));
        seen.samples.iter().for_each(|sample| text.push_str(&row(sample)));
        text.push_str(&totals(arguments, seen));
    }
    if all.len() > 1 {
        text.push_str(
            "\nPostgreSQL came second, in the same process: what the first run left in memory counts with it. Its server has four \
             connections from this process, as the product has, syncs each commit, and keeps its data in the system's directory for \
             temporary files; its size is without its log.\n",
        );
    }
    if let Some(missing) = missing {
        text.push_str(&format!("\n{missing}.\n"));
    }
    let missed = missed(arguments, all);
    text.push_str("\n### Aims\n\n");
    if arguments.seconds < LONG {
        text.push_str(&format!(
            "The rate is not judged in less than {SHORT} s, growth not in less than {LONG} s. "
        ));
    }
    text.push_str(if missed.is_empty() { "All are met.\n" } else { "Some are missed.\n\n" });
    missed.iter().for_each(|missed| text.push_str(&format!("- Missed: {missed}\n")));
    text
}

/// The section as a document of its own.
pub(super) fn document(section: &str) -> String {
    format!(
        "# Recording\n\nWritten by `cargo run --release -p epitaph-bench -- record`, with `--postgres` for PostgreSQL.\n\n{section}"
    )
}

fn row(sample: &Sample) -> String {
    format!(
        "| {:.0} | {} | {} | {} | {} | {:.1} MiB | {} | {:.0} MiB |\n",
        sample.second,
        grouped(sample.per_second),
        shown(sample.wait_p95_ms),
        shown(sample.page_p95_ms),
        grouped(float(sample.unsealed)),
        mib(sample.catalog_bytes),
        sample.segments,
        mib(sample.resident_bytes),
    )
}

fn totals(arguments: &Arguments, seen: &Seen) -> String {
    let (waits, counted) = (&seen.waits, &seen.counted);
    let mut text = format!(
        "\n{} of {} crashes were recorded, within {:.1} s. From ready to recorded: {} at the median, {} at p95, {} for 999 of \
         1,000, {} at most. {} times one was sent back.\n\n\
         Questions then counted {} crashes of {} reports, and {} of {} when all were sealed; {} of {} were recorded. {} answers \
         before had counted too few or too many.\n\n\
         | page | asked | median | p95 | most | p95 of the catalog's part |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
        grouped(float(seen.recorded)),
        grouped(float(arguments.offered())),
        seen.seconds,
        shown(waits.median),
        shown(waits.p95),
        shown(waits.per_mille_999),
        shown(waits.most),
        seen.sent_back,
        grouped(float(counted.before_sealing.crashes)),
        grouped(float(counted.before_sealing.reports)),
        grouped(float(counted.sealed.crashes)),
        grouped(float(counted.sealed.reports)),
        grouped(float(seen.recorded)),
        grouped(float(counted.weight_recorded)),
        seen.miscounted,
    );
    for page in &seen.pages {
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            page.page,
            page.asked,
            shown(page.median),
            shown(page.p95),
            shown(page.most),
            shown(page.catalog_p95),
        ));
    }
    let (first, second) = seen.samples.split_at(seen.samples.len() / 2);
    let facts = |samples: &[Sample]| grouped(float(most(samples, |sample| sample.unsealed)));
    let size = |samples: &[Sample]| mib(most(samples, |sample| sample.catalog_bytes));
    text.push_str(&format!(
        "\nFacts in the catalog: {} at most in the first half, {} in the second. The catalog: {:.1} MiB at most in the first half, \
         {:.1} MiB in the second. Memory: {:.0} MiB at most.\n",
        facts(first),
        facts(second),
        size(first),
        size(second),
        mib(seen.peak_bytes),
    ));
    if let Some(bytes) = growth(seen).filter(|_| arguments.seconds >= LONG) {
        text.push_str(&format!(
            "\nFrom the second to the last third its greatest size grew by {} bytes for each crash recorded between. Of a crash \
             that is sealed the catalog keeps that it was seen, and its names, until the retention of each is over.\n",
            grouped(bytes)
        ));
    }
    text
}

/// Milliseconds.
fn shown(number: f64) -> String {
    if number.is_nan() { "–".to_owned() } else { format!("{number:.1} ms") }
}

fn most(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> u64 {
    samples.iter().map(of).max().unwrap_or_default()
}

/// The second and the last third of a run.
fn thirds(seen: &Seen) -> (&[Sample], &[Sample]) {
    let third = seen.samples.len() / 3;
    let (before, last) = seen.samples.split_at(seen.samples.len() - third);
    (&before[before.len() - third..], last)
}

/// By how many bytes the catalog's greatest size grew from the second third to the last, for each crash recorded between.
fn growth(seen: &Seen) -> Option<f64> {
    let (middle, last) = thirds(seen);
    let seconds = last.last()?.second - middle.last()?.second;
    let recorded = seconds * float(seen.recorded) / seen.seconds;
    let grown =
        most(last, |sample| sample.catalog_bytes).saturating_sub(most(middle, |sample| sample.catalog_bytes));
    Some(float(grown) / recorded)
}

/// The aims that were missed.
pub(super) fn missed(arguments: &Arguments, all: &[Seen]) -> Vec<String> {
    all.iter().flat_map(|seen| missed_by(arguments, seen)).collect()
}

fn missed_by(arguments: &Arguments, seen: &Seen) -> Vec<String> {
    let mut missed = Vec::new();
    let mut miss = |what: String| missed.push(format!("{}: {what}", seen.catalog));
    let offered = arguments.offered();
    if seen.recorded != offered {
        miss(format!("{} of {offered} crashes were recorded", seen.recorded));
    }
    let planned = f64::from(arguments.seconds);
    if arguments.seconds >= SHORT && seen.seconds > planned * (1.0 + LATE) + LATE_SECONDS {
        miss(format!("the rate was not held: {planned} s of crashes took {:.1} s", seen.seconds));
    }
    let recorded = Count { crashes: seen.recorded, reports: seen.counted.weight_recorded };
    for (when, counted) in
        [("before they were sealed", seen.counted.before_sealing), ("sealed", seen.counted.sealed)]
    {
        if counted != recorded {
            miss(format!(
                "{} crashes of {} reports were counted {when}, of {} of {} that were recorded",
                counted.crashes, counted.reports, recorded.crashes, recorded.reports
            ));
        }
    }
    if seen.counted.unsealed > 0 {
        miss(format!("{} facts were left when all were to be sealed", seen.counted.unsealed));
    }
    if seen.miscounted > 0 {
        miss(format!("{} answers counted too few or too many", seen.miscounted));
    }
    if arguments.seconds >= LONG {
        let (middle, last) = thirds(seen);
        for (what, of) in [
            ("bytes of the catalog", (|sample| sample.catalog_bytes) as fn(&Sample) -> u64),
            ("facts that were not sealed", |sample| sample.unsealed),
        ] {
            let (before, after) = (most(middle, of), most(last, of));
            if float(after) > GROWTH * float(before) {
                miss(format!("{after} {what} in the last third, {before} in the one before"));
            }
        }
        if most(last, |sample| sample.segments as u64) == 0 {
            miss("nothing was sealed".to_owned());
        }
    }
    missed
}
