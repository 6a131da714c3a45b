//! What the runs gave, for people.

use std::{fmt::Write as _, time::Duration};

use super::{Arguments, NAME, PAYLOAD, Ran, variant::Studio};
use crate::{
    error::BenchError,
    place::Place,
    plot::{Lines, Series},
    statistics::{Sorted, float, grouped},
};

/// Where no process was started: what the model takes ours to be.
const ASSUMED_START_UP: Duration = Duration::from_millis(5);
const ASSUMED_ANSWER: Duration = Duration::from_millis(3);
/// Of each report on an instance's processor, generously.
const CPU: Duration = Duration::from_micros(400);
/// The part of a day that is drawn around its launch, in seconds.
const DRAWN: std::ops::Range<f64> = 64_500.0..68_000.0;

/// What real processes took, for the model.
pub(super) struct MeasuredStart {
    /// Of 100 starts, 99 took less.
    pub(super) start_up: Duration,
    pub(super) cpu: Duration,
    /// What an answer takes beside processor time, median.
    pub(super) rest: Duration,
}

pub(super) fn measured(launches: &[Ran]) -> MeasuredStart {
    let ours = launches.iter().filter(|ran| ran.variant.start_up.is_none());
    let (mut start_ups, mut answers) = (Vec::new(), Vec::new());
    for ran in ours {
        start_ups.extend(ran.outcome.start_ups.iter().map(Duration::as_secs_f64));
        answers.push(ran.outcome.figures().p50_ms / 1e3);
    }
    let known = |seconds: f64, assumed| Duration::try_from_secs_f64(seconds).unwrap_or(assumed);
    let answer = known(Sorted::new(answers).median(), ASSUMED_ANSWER);
    MeasuredStart {
        start_up: known(Sorted::new(start_ups).per_mille(990), ASSUMED_START_UP),
        cpu: CPU,
        rest: answer.saturating_sub(CPU),
    }
}

pub(super) fn section(
    arguments: &Arguments,
    place: &Place,
    launches: &[Ran],
    days: &[(&Studio, Vec<Ran>)],
    measured: &MeasuredStart,
) -> Result<String, BenchError> {
    let mut text = format!(
        "## Surge\n\nAn activator and an autoscaler in miniature, which do as Knative's: requests are held while no instance \
         takes them; concurrency is averaged over 60 s and over 6 s, an instance is meant to have 70 of 100 of its target, \
         more than twice what is ready is a panic, and after 60 s without a request none is left. Clients give up after \
         {} s, and do not come again. What differs is the start-up; the platform's own delay, for scheduling and pulling an \
         image, is what no program can change.\n\n",
        arguments.patience_seconds
    );
    if !launches.is_empty() {
        let _ = writeln!(
            text,
            "A launch from zero, at real speed: {} s, from {} reports a second to {} and back, `{PAYLOAD}`, real processes of \
             the function on {}, which all of them share with the clients. A slower start-up is a pause before the process is \
             made. The target is 40 requests at the same time. The queue is a broker's stand-in; it took at least as many \
             messages as clients were answered 200.\n",
            arguments.real_seconds,
            arguments.real_few,
            arguments.real_peak,
            place.machine.told()
        );
        text.push_str(&table(launches));
        let lines = |points: fn(&Ran) -> Vec<(f64, f64)>| {
            let lines = launches.iter().map(move |ran| Series { name: name(ran), points: points(ran) });
            lines.collect()
        };
        let lost = lines(|ran| ran.outcome.lost_so_far());
        let lost = plot("Lost so far in a launch from zero", "reports", lost);
        text.push_str(&place.results.keep_plot("surge-lost", "Reports lost in a launch from zero", &lost)?);
        text.push('\n');
        let ready = plot("Ready in a launch from zero", "instances", lines(|ran| ran.outcome.ready()));
        text.push_str(&place.results.keep_plot(
            "surge-instances",
            "Instances in a launch from zero",
            &ready,
        )?);
        text.push('\n');
    }
    if !days.is_empty() {
        let _ = writeln!(
            text,
            "A day, on a clock that jumps, in front of a model of instances: start-up {:.1} ms (of 100 starts above, 99 took \
             less), {:.1} ms of processor time a report, one after another, and {:.1} ms of waiting beside it. Reports arrive \
             at random around a mean that is five times lower at night than in the evening ({} minidumps and {} handled \
             errors a month); at 18:00 a launch brings {} times the mean within a minute, for ten minutes, and a third of that \
             twenty minutes later. Nothing else is compressed or left out. The last table is the system that this one follows, \
             as it was run: 250 ms an answer, at most ten requests at the same time in each of 30 instances, 15 of them kept \
             or none.\n",
            measured.start_up.as_secs_f64() * 1e3,
            measured.cpu.as_secs_f64() * 1e3,
            measured.rest.as_secs_f64() * 1e3,
            grouped(f64::from(arguments.dumps_a_month)),
            grouped(f64::from(arguments.events_a_month)),
            arguments.launch_times,
        );
        for (studio, runs) in days {
            let _ = writeln!(text, "Of {}, {:.2} a second on average:\n", studio.name, studio.mean);
            text.push_str(&table(runs));
        }
        let lost = plot("Lost so far around the launch of a day", "reports", around_launch(days));
        text.push_str(&place.results.keep_plot(
            "surge-day",
            "Reports lost around the launch of a day",
            &lost,
        )?);
    }
    place.results.keep_section(NAME, &text)?;
    Ok(text)
}

fn table(runs: &[Ran]) -> String {
    let mut text = String::from(
        "| variant | platform's delay | reports | lost | of 1,000 | waited over 1 s | p99 wait | longest wait | instances, most \
         | instance-seconds |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for ran in runs {
        let figures = ran.outcome.figures();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {} s | {} | {} | {:.2} | {} | {} ms | {} ms | {} | {} |",
            ran.variant.name,
            ran.platform_delay,
            grouped(float(figures.reports)),
            grouped(float(figures.lost)),
            float(figures.lost) * 1000.0 / float(figures.reports.max(1)),
            grouped(float(figures.waited)),
            milliseconds(figures.p99_ms),
            milliseconds(figures.longest_ms),
            figures.most_instances,
            grouped(figures.instance_seconds),
        );
    }
    text.push('\n');
    text
}

/// Where nothing was answered, nothing waited.
fn milliseconds(wait: f64) -> String {
    if wait.is_finite() { grouped(wait) } else { "-".into() }
}

fn name(ran: &Ran) -> String {
    format!("{}, platform {} s", ran.variant.name, ran.platform_delay)
}

/// What each variant loses around a day's launch, where the platform's delay is that in the middle.
fn around_launch(days: &[(&Studio, Vec<Ran>)]) -> Vec<Series> {
    let mut delays: Vec<f64> = days.iter().flat_map(|(_, runs)| runs).map(|ran| ran.platform_delay).collect();
    delays.sort_by(f64::total_cmp);
    let middle = delays.get(delays.len() / 2).copied().unwrap_or_default();
    let runs = days.iter().flat_map(|(studio, runs)| runs.iter().map(|ran| (studio.name, ran)));
    let drawn = runs.filter(|(_, ran)| ran.platform_delay.total_cmp(&middle).is_eq());
    let series = drawn.map(|(studio, ran)| {
        let lost = ran.outcome.lost_so_far().into_iter().filter(|point| DRAWN.contains(&point.0));
        let before = lost.clone().next().map_or(0.0, |point| point.1);
        let points = lost.map(|(second, lost)| (second - DRAWN.start, lost - before));
        Series { name: format!("{studio}: {}", ran.variant.name), points: points.collect() }
    });
    series.collect()
}

fn plot(title: &str, y: &str, series: Vec<Series>) -> String {
    let (title, x, y) = (title.to_owned(), "seconds".to_owned(), y.to_owned());
    Lines { title, x, y, logarithmic: false, series }.svg()
}
