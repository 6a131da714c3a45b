//! What was seen, for people.

use super::{Arguments, Seen, p95};
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
        "## Statistics\n\n{} facts in {} segments, on {}. {:.1} bytes a fact, ids and user hashes counted; {:.0} MiB of memory \
         at most while asking. p95 in milliseconds, of {} and {} turns; DataFusion's is the median, all files known to it. CPU: milliseconds of the \
         processors for a first answer.\n\n\
         | question | first | again | first, {} ms a read | again, {} ms a read | CPU | MiB read | DataFusion | its CPU | first / DataFusion | CPU / its CPU |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        grouped(float(seen.facts)),
        seen.segments,
        place.machine.told(),
        bytes_a_fact(seen),
        mib(seen.peak),
        arguments.first,
        arguments.again,
        arguments.far_milliseconds,
        arguments.far_milliseconds,
    );
    let ratio = |ours: f64, theirs: f64| match theirs.is_nan() {
        true => "–".to_owned(),
        false => format!("{:.2}", ours / theirs),
    };
    let shown = |number: f64| if number.is_nan() { "–".to_owned() } else { format!("{number:.1}") };
    for times in &seen.times {
        let beside = Sorted::new(times.datafusion.iter().copied()).median();
        let first = Sorted::new(times.first.iter().copied()).median();
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            times.name,
            shown(p95(&times.first)),
            shown(p95(&times.again)),
            shown(p95(&times.far_first)),
            shown(p95(&times.far_again)),
            shown(times.cpu),
            shown(mib(times.bytes)),
            shown(beside),
            shown(times.datafusion_cpu),
            ratio(first, beside),
            ratio(times.cpu, times.datafusion_cpu),
        ));
    }
    for missing in &seen.missing {
        text.push_str(&format!("\n{missing}\n"));
    }
    text
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
        let median = |times: &[f64]| Sorted::new(times.iter().copied()).median();
        let (own, beside) = (median(&times.first), median(&times.datafusion));
        if own > beside {
            missed.push(format!("{}: {own:.0} ms first, DataFusion {beside:.0}", times.name));
        }
    }
    if bytes_a_fact(seen) > BYTES {
        missed.push(format!("{:.1} bytes a fact, not {BYTES}", bytes_a_fact(seen)));
    }
    if seen.peak > MEMORY {
        missed.push(format!("{:.0} MiB of memory, not {:.0}", mib(seen.peak), mib(MEMORY)));
    }
    missed
}

fn bytes_a_fact(seen: &Seen) -> f64 {
    float(seen.bytes) / float(seen.facts.max(1))
}
