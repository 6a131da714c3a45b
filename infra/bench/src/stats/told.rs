//! What was seen, for people.

use super::{Arguments, Seen, p95, peak};
use crate::{
    place::Place,
    statistics::{Sorted, float, grouped, mib},
};

/// What a question may take at most, in milliseconds: first, and again.
fn aims(facts: u64) -> (f64, f64) {
    if facts <= 10_000_000 { (500.0, 150.0) } else { (f64::INFINITY, 1000.0) }
}
/// What a fact may take at most, in bytes.
const BYTES: f64 = 60.0;
/// The memory of this process, in bytes.
const MEMORY: u64 = 1 << 30;

pub(super) fn section(arguments: &Arguments, place: &Place, seen: &Seen) -> String {
    let mut text = format!(
        "## {} facts\n\nIn {} segments, on {}. {:.1} bytes a fact, ids and user hashes counted; {:.0} MiB of memory at most \
         while asking.\n\n### How long an answer takes\n\nMilliseconds, p95 of {} and {} turns.\n\n\
         | question | first | again | first, {far} ms a read | again, {far} ms a read | MiB read | MiB of memory | {far} ms a \
         read |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        grouped(float(seen.facts)),
        seen.segments,
        place.machine.told(),
        bytes_a_fact(seen),
        mib(peak(seen)),
        arguments.first,
        arguments.again,
        far = arguments.far_milliseconds,
    );
    let mut row =
        |name: &str, cells: &[String]| text.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
    for times in &seen.times {
        let taken =
            [&times.first, &times.again, &times.far_first, &times.far_again].map(|taken| shown(p95(taken)));
        let sizes = [times.bytes, times.peak, times.far_peak].map(|bytes| shown(mib(bytes)));
        row(&times.name, &[taken.as_slice(), &sizes].concat());
    }
    text.push_str(
        "\n### Beside DataFusion and PostgreSQL\n\nMedians of first answers, in milliseconds, and milliseconds of all \
         processors.\n\n\
         | question | ours | processors | DataFusion | processors | ours to it | processors | PostgreSQL | it to ours |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let mut row =
        |name: &str, cells: &[String]| text.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
    for times in &seen.times {
        let [ours, datafusion, postgres] =
            [&times.first, &times.datafusion, &times.postgres].map(|taken| median(taken));
        row(
            &times.name,
            &[
                shown(ours),
                shown(times.cpu),
                shown(datafusion),
                shown(times.datafusion_cpu),
                ratio(ours, datafusion),
                ratio(times.cpu, times.datafusion_cpu),
                shown(postgres),
                ratio(postgres, ours),
            ],
        );
    }
    if let Some(bytes) = seen.postgres_bytes {
        let each = float(bytes) / float(seen.facts.max(1));
        text.push_str(&format!("\nPostgreSQL's table and indexes take {each:.0} bytes a fact.\n"));
    }
    for missing in &seen.missing {
        text.push_str(&format!("\n{missing}.\n"));
    }
    let missed = missed(arguments, seen);
    text.push_str("\n### Aims\n\n");
    if missed.is_empty() {
        text.push_str("All are met.\n");
    }
    missed.iter().for_each(|missed| text.push_str(&format!("- Missed: {missed}\n")));
    text
}

fn median(times: &[f64]) -> f64 {
    Sorted::new(times.iter().copied()).median()
}

fn shown(number: f64) -> String {
    if number.is_nan() { "–".to_owned() } else { format!("{number:.1}") }
}

fn ratio(one: f64, other: f64) -> String {
    if other.is_nan() || one.is_nan() { "–".to_owned() } else { format!("{:.2}", one / other) }
}

/// The aims that were missed.
pub(super) fn missed(arguments: &Arguments, seen: &Seen) -> Vec<String> {
    let (first, again) = aims(arguments.facts);
    let mut missed = Vec::new();
    for times in &seen.times {
        for (what, times_of, aim) in [
            ("first", &times.first, first),
            ("again", &times.again, again),
            ("first, far away", &times.far_first, first),
            ("again, far away", &times.far_again, again),
        ] {
            let took = p95(times_of);
            if took > aim {
                missed.push(format!("{} ({what}): {took:.0} ms, not {aim:.0}", times.name));
            }
        }
        let (own, beside) = (median(&times.first), median(&times.datafusion));
        if own > beside {
            missed.push(format!("{}: {own:.0} ms first, DataFusion {beside:.0}", times.name));
        }
    }
    if bytes_a_fact(seen) > BYTES {
        missed.push(format!("{:.1} bytes a fact, not {BYTES}", bytes_a_fact(seen)));
    }
    if peak(seen) > MEMORY {
        missed.push(format!("{:.0} MiB of memory, not {:.0}", mib(peak(seen)), mib(MEMORY)));
    }
    missed
}

fn bytes_a_fact(seen: &Seen) -> f64 {
    float(seen.bytes) / float(seen.facts.max(1))
}
