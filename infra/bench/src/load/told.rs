//! What the turns gave, for people.

use std::fmt::Write as _;

use super::{Arguments, Kind, Measured, NAME};
use crate::{
    error::BenchError,
    payload::Payload,
    place::Place,
    plot::{Bars, Group, Lines, Series},
    statistics::{Sorted, grouped},
};

/// Figures that are not of this run: what others reached on a machine like this one, with two cores.
const PEERS: &str = "Others, measured before on a machine of this class, not in this run: Mozilla's Antenna with two \
gunicorn workers took 1,440 minidumps of 27 KB a second without syncing them, in 132 MB; Bugsink took 218 events of 2 KB \
a second, in 275 MB.";

pub(super) fn section(
    place: &Place,
    arguments: &Arguments,
    payloads: &[Payload],
    all: &[Measured],
) -> Result<String, BenchError> {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "## Load\n\nOn {}. {} clients, each sending its next report when the last is answered; {} rounds of {} s in turn, \
         after {} s of warming up. Client, server, stand-in and kernel share all cores; nothing is pinned. The backlog may \
         grow to {} GiB in each run and is gone after it. Medians of the rounds; \"of bare\" is round by round.\n",
        place.machine.told(),
        arguments.connections,
        arguments.rounds,
        arguments.seconds,
        arguments.warm_up_seconds,
        arguments.backlog >> 30,
    );
    for payload in payloads {
        let _ = write!(text, "{}", table(payload, all));
    }
    text.push_str(PEERS);
    text.push_str("\n\n");
    text.push_str(&place.results.keep_plot("load", "Reports a second", &rates(payloads, all))?);
    text.push('\n');
    text.push_str(&place.results.keep_plot("load-memory", "Memory under load", &memory(payloads, all))?);
    place.results.keep_section(NAME, &text)?;
    Ok(text)
}

fn of<'a>(all: &'a [Measured], payload: &'a Payload, kind: Kind) -> impl Iterator<Item = &'a Measured> {
    all.iter().filter(move |one| one.payload == payload.name && one.server == kind.name())
}

fn table(payload: &Payload, all: &[Measured]) -> String {
    let size = payload.request.bytes().len();
    let mut text = format!(
        "`{}`: {}; a request of {} bytes.\n\n\
         | server | reports/s | of bare | p50 ms | p99 ms | p99.9 ms | CPU µs a report | memory, most | not accepted |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        payload.name,
        payload.told,
        grouped(f64::from(u32::try_from(size).unwrap_or(u32::MAX)))
    );
    for kind in Kind::EACH {
        let rounds: Vec<_> = of(all, payload, kind).collect();
        if rounds.is_empty() {
            continue;
        }
        let median = |value: fn(&Measured) -> f64| Sorted::new(rounds.iter().map(|one| value(one))).median();
        let bare = of(all, payload, Kind::Bare);
        let ratios = rounds.iter().zip(bare).map(|(own, bare)| own.per_second / bare.per_second);
        let failed: u64 = rounds.iter().map(|one| one.refused + one.broken).sum();
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {:.1} MiB | {failed} |",
            kind.told(),
            grouped(median(|one| one.per_second)),
            Sorted::new(ratios).median(),
            median(|one| one.p50_ms),
            median(|one| one.p99_ms),
            median(|one| one.p999_ms),
            median(|one| one.cpu_us_per_report),
            Sorted::new(rounds.iter().map(|one| one.peak_mib)).most(),
        );
    }
    text.push('\n');
    text
}

fn rates(payloads: &[Payload], all: &[Measured]) -> String {
    let groups = payloads.iter().map(|payload| {
        let values = Kind::EACH.map(|kind| {
            let rate = Sorted::new(of(all, payload, kind).map(|one| one.per_second)).median();
            rate.is_finite().then_some(rate)
        });
        Group { name: payload.name.to_owned(), values: values.to_vec() }
    });
    let names = Kind::EACH.map(|kind| kind.name().to_owned()).to_vec();
    Bars { title: "Reports a second, one instance".into(), names, groups: groups.collect() }.svg()
}

fn memory(payloads: &[Payload], all: &[Measured]) -> String {
    let series = payloads.iter().filter_map(|payload| {
        let last = of(all, payload, Kind::Embedded).last()?;
        Some(Series { name: format!("{}, embedded queue", payload.name), points: last.resident_mib.clone() })
    });
    let plot = Lines {
        title: "What a function holds in memory under full load".into(),
        x: "seconds".into(),
        y: "MiB".into(),
        logarithmic: false,
        series: series.collect(),
    };
    plot.svg()
}
