//! What was seen, for people.

use super::{Arguments, NAME, PAYLOAD, Sample, full::Full};
use crate::{
    error::BenchError,
    place::Place,
    plot::{Lines, Series},
    statistics::{Sorted, float, grouped},
};

pub(super) fn section(
    arguments: &Arguments,
    place: &Place,
    capped: &[Sample],
    full: &Full,
) -> Result<String, BenchError> {
    let tenth = capped.len().div_ceil(10).max(1);
    let resident = |samples: &[Sample]| Sorted::new(samples.iter().map(|sample| sample.resident_mib));
    let early = capped.get(tenth..2 * tenth).filter(|samples| !samples.is_empty()).unwrap_or(capped);
    let late = &capped[capped.len() - tenth.min(capped.len())..];
    let accepted = Sorted::new(capped.iter().map(|sample| sample.accepted_per_second));
    let at_mark: Vec<Sample> =
        full.samples.iter().filter(|sample| sample.seconds >= full.first_refused_at).cloned().collect();
    let mut text = format!(
        "## Soak\n\n`{PAYLOAD}` from {} clients at full load, on {}.\n\n\
         | what | figure |\n| --- | ---: |\n\
         | time under load | {:.0} s |\n\
         | reports accepted a second, median | {} |\n\
         | memory, second tenth of the time, median | {:.2} MiB |\n\
         | memory, last tenth of the time, median | {:.2} MiB |\n\
         | memory, most | {:.2} MiB |\n\
         | backlog, most (cap {} MiB) | {} MiB |\n\
         | refused | {} |\n\n",
        arguments.connections,
        place.machine.told(),
        capped.last().map_or(0.0, |sample| sample.seconds),
        grouped(accepted.median()),
        resident(early).median(),
        resident(late).median(),
        resident(capped).most(),
        grouped(float(arguments.cap >> 20)),
        grouped(Sorted::new(capped.iter().map(|sample| sample.backlog_mib)).most()),
        grouped(capped.iter().map(|sample| sample.refused_per_second * arguments.sample_seconds).sum()),
    );
    text.push_str(
        "The cap is this bench's: it removes what is oldest, as `process` would once it is handled. The embedded queue has \
         none of its own. What bounds it is the disk: while fewer than `EPITAPH_MIN_FREE_DISK` bytes (256 MiB unless set) \
         are free, reports are refused with 503 and `Retry-After`, since neither the queue nor the bucket takes them; what \
         was accepted stays, and reports are accepted again as soon as there is room. A second function is brought there, \
         by a mark that lies just below what is free at its start:\n\n",
    );
    text.push_str(&format!(
        "| what | figure |\n| --- | ---: |\n\
         | accepted before the first refusal, MiB | {} |\n\
         | memory while refusing, most | {:.2} MiB |\n\
         | refused | {} |\n\
         | from a consumer's start until reports were accepted again | {:.1} s |\n\
         | answered 200, all in all | {} |\n\
         | of these, found in the queue or parked in the bucket | {} |\n\
         | lost | {} |\n\n",
        grouped(full.samples.iter().map(|sample| sample.backlog_mib).fold(0.0, f64::max)),
        resident(&at_mark).most(),
        grouped(float(full.refused)),
        full.accepted_again_after,
        grouped(float(full.accepted)),
        grouped(float(full.found)),
        grouped(float(full.accepted.saturating_sub(full.found))),
    ));
    text.push_str(&place.results.keep_plot(NAME, "Memory under full load", &plot(capped, full))?);
    place.results.keep_section(NAME, &text)?;
    Ok(text)
}

fn plot(capped: &[Sample], full: &Full) -> String {
    let points = |samples: &[Sample]| samples.iter().map(|one| (one.seconds, one.resident_mib)).collect();
    let plot = Lines {
        title: "What a function holds in memory under full load".into(),
        x: "seconds".into(),
        y: "MiB".into(),
        logarithmic: false,
        series: vec![
            Series { name: "capped backlog".into(), points: points(capped) },
            Series { name: "a disk that fills up".into(), points: points(&full.samples) },
        ],
    };
    plot.svg()
}
