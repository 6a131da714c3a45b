//! Where the time of a start goes: what the function's own traces say, between what is seen from outside.

use std::{
    fmt::Write as _,
    time::{Duration, Instant, SystemTime},
};

use serde::Deserialize;
use serde_json::json;

use super::{Arguments, http::first_payload};
use crate::{
    bins::{COLLECTORS, Features},
    error::BenchError,
    payload::payload,
    place::Place,
    results::Records,
    server::Server,
    statistics::Sorted,
};

/// Starts of each function that are traced. They are not those of the table above: writing a trace takes time too.
const ROUNDS: usize = 15;
/// Where a function tells the steps of its start.
const TARGET: &str = "epitaph_host::start";
/// The steps that a function tells, in their order, and what has happened since the one before.
const TOLD: [(&str, &str); 5] = [
    ("main", "loader: the binary is mapped, relocated, its first pages are read"),
    ("settings", "settings are read and checked"),
    ("runtime", "secrets, metrics, runtime"),
    ("engines", "engines are opened, the router is made"),
    ("listening", "the socket is bound"),
];

/// A line of a function's log.
#[derive(Deserialize)]
struct Line {
    target: String,
    #[serde(default)]
    fields: Fields,
}

#[derive(Deserialize, Default)]
struct Fields {
    step: Option<String>,
    at_us: Option<u64>,
}

pub(super) fn told(
    arguments: &Arguments,
    place: &Place,
    records: &mut Records,
) -> Result<String, BenchError> {
    let mut columns = Vec::new();
    for function in COLLECTORS.into_iter().filter(|function| arguments.wants(function)) {
        let builds = [Features::Embedded, Features::All];
        let Some(program) = builds.into_iter().find_map(|features| place.bins.find(function, features))
        else {
            continue;
        };
        let request = payload(first_payload(function))?.request;
        let failed = || BenchError::of_server(function);
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let folder = place.scratch()?;
            let environment = [("EPITAPH_LOG", "debug".to_owned())];
            let mut server = Server::start(&program, folder.path(), &environment).map_err(failed())?;
            let made = Instant::now() - server.started();
            let first_answer = server.first_answer(request.bytes()).map_err(failed())?;
            if let Some(steps) = steps(&server.error_output(), server.started_at(), made, first_answer) {
                records.add(&json!({ "function": function, "steps_us": steps }))?;
                rounds.push(steps);
            }
        }
        if !rounds.is_empty() {
            columns.push((function, rounds));
        }
    }
    Ok(table(&columns))
}

/// Microseconds: for the process to be made, for each step that is told, and from there to the first answer.
fn steps(log: &str, started_at: SystemTime, made: Duration, first_answer: Duration) -> Option<Vec<f64>> {
    let started = started_at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let lines: Vec<Line> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let made = made.as_secs_f64() * 1e6;
    let mut steps = vec![made];
    let mut before = made;
    for (name, _) in TOLD {
        let line =
            lines.iter().find(|line| line.target == TARGET && line.fields.step.as_deref() == Some(name))?;
        let at = Duration::from_micros(line.fields.at_us?).checked_sub(started)?.as_secs_f64() * 1e6;
        // The parent may learn that the process was made after it has begun.
        steps.push((at - before).max(0.0));
        before = at;
    }
    steps.push(first_answer.as_secs_f64() * 1e6 - before);
    Some(steps)
}

fn table(columns: &[(&str, Vec<Vec<f64>>)]) -> String {
    if columns.is_empty() {
        return String::new();
    }
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let mut text = format!(
        "Where the time goes, in microseconds: medians of {ROUNDS} starts with traces switched on, which make them a little \
         longer.\n\n| step | {} |\n| --- |{}\n",
        names.join(" | "),
        " ---: |".repeat(names.len())
    );
    let first = ("made", "fork and exec, until the parent goes on");
    let last = ("answer", "first request: accepted, read, made durable, answered");
    for (index, (_, told)) in [first].into_iter().chain(TOLD).chain([last]).enumerate() {
        let medians = columns.iter().map(|(_, rounds)| {
            let values = rounds.iter().filter_map(|steps| steps.get(index).copied());
            format!("{:.0}", Sorted::new(values).median())
        });
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {told} | {} |", medians.collect::<Vec<_>>().join(" | "));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_the_times_between_what_a_function_tells() {
        let started = SystemTime::UNIX_EPOCH + Duration::from_micros(1_000_000);
        let at = [1_000_500, 1_000_600, 1_000_700, 1_000_900, 1_001_000];
        let log: String = TOLD
            .iter()
            .zip(at)
            .map(|((step, _), at)| {
                format!("{{\"target\":\"{TARGET}\",\"fields\":{{\"step\":\"{step}\",\"at_us\":{at}}}}}\n")
            })
            .collect();
        let steps = steps(&log, started, Duration::from_micros(300), Duration::from_micros(1_700)).unwrap();
        let rounded: Vec<_> = steps.iter().map(|step| step.round()).collect();
        assert_eq!(rounded, [300.0, 200.0, 100.0, 100.0, 200.0, 100.0, 700.0]);
    }
}
