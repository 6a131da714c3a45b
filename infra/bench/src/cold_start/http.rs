//! Functions that listen: on a plain host and on Knative.

use std::{fmt::Write as _, path::PathBuf, sync::Arc, time::Duration};

use serde_json::json;

use super::{Arguments, WARM_UP, disk, milliseconds};
use crate::{
    bins::{COLLECTORS, Features, size},
    error::BenchError,
    payload::{Request, payload},
    place::Place,
    plot::Group,
    progress::Progress,
    results::Records,
    server::{Engines, Server},
    stand_in::StandIn,
    statistics::{Sorted, mib},
};

/// Asked for after the last round: what a function holds when it has nothing to do.
const REST: Duration = Duration::from_secs(1);

/// What is started.
pub(super) struct Subject {
    function: &'static str,
    /// `None`: the bare server, which takes the same report.
    build: Option<(Features, Host)>,
    program: PathBuf,
    environment: Vec<(&'static str, String)>,
    request: Arc<Request>,
}

impl Subject {
    pub(super) fn is_bare(&self) -> bool {
        self.build.is_none()
    }

    fn build(&self) -> String {
        match self.build {
            None => "bare hyper".into(),
            Some((features, host)) => format!("{features}, {}", host.name()),
        }
    }
}

/// Where a function thinks that it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    Plain,
    Knative,
}

impl Host {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Knative => "knative",
        }
    }
}

/// What is started, and what came of it.
pub(super) struct Started {
    subject: Subject,
    binary_bytes: u64,
    first_answers: Vec<Duration>,
    resident_mib: Vec<f64>,
    rested_mib: f64,
}

/// What is sent to each collector first.
pub(super) fn first_payload(function: &str) -> &'static str {
    match function {
        "envelope" => "event-2k",
        "unreal" => "unreal-100k",
        "report" => "report-1k",
        _ => "dump-27k",
    }
}

/// Bare servers and functions, those of one function side by side. A build that is not there is left out.
pub(super) fn subjects(
    arguments: &Arguments,
    place: &Place,
    stand_in: &StandIn,
) -> Result<Vec<Subject>, BenchError> {
    let builds = [
        (Features::Embedded, Host::Plain),
        (Features::All, Host::Plain),
        (Features::Knative, Host::Knative),
        (Features::All, Host::Knative),
    ];
    let mut subjects = Vec::new();
    for function in COLLECTORS.into_iter().filter(|function| arguments.wants(function)) {
        let request = payload(first_payload(function))?.request;
        let bare = Subject {
            function,
            build: None,
            program: place.bins.bare("bare-hyper")?,
            environment: Vec::new(),
            request: Arc::clone(&request),
        };
        let built = builds.into_iter().filter(|(_, host)| arguments.wants_host(host.name()));
        let built = built.filter_map(|(features, host)| {
            let engines = match host {
                Host::Plain => Engines::Embedded,
                Host::Knative => Engines::Broker(stand_in.address()),
            };
            Some(Subject {
                function,
                build: Some((features, host)),
                program: place.bins.find(function, features)?,
                environment: engines.environment(),
                request: Arc::clone(&request),
            })
        });
        let built: Vec<_> = built.collect();
        if !built.is_empty() {
            subjects.push(bare);
            subjects.extend(built);
        }
    }
    Ok(subjects)
}

pub(super) fn start_all(
    arguments: &Arguments,
    place: &Place,
    subjects: Vec<Subject>,
    progress: &Progress,
    records: &mut Records,
) -> Result<Vec<Started>, BenchError> {
    let mut all = Vec::new();
    for subject in subjects {
        let binary_bytes = size(&subject.program).map_err(BenchError::of_file(&subject.program))?;
        let (first_answers, resident_mib) = (Vec::new(), Vec::new());
        all.push(Started { subject, binary_bytes, first_answers, resident_mib, rested_mib: 0.0 });
    }
    for round in 1..=WARM_UP + arguments.rounds {
        progress.says(format!("servers, round {round}"));
        for one in &mut all {
            let counted = round > WARM_UP;
            let last = round == WARM_UP + arguments.rounds;
            one.start(place, counted, last, records)?;
        }
        progress.step();
    }
    Ok(all)
}

impl Started {
    fn start(
        &mut self,
        place: &Place,
        counted: bool,
        last: bool,
        records: &mut Records,
    ) -> Result<(), BenchError> {
        let subject = &self.subject;
        let failed = || BenchError::of_server(format!("{} ({})", subject.function, subject.build()));
        let folder = place.scratch()?;
        let mut server =
            Server::start(&subject.program, folder.path(), &subject.environment).map_err(failed())?;
        let first_answer = server.first_answer(subject.request.bytes()).map_err(failed())?;
        let resident_mib = mib(server.memory().map_err(failed())?.resident);
        if counted {
            // Between two starts, so that it meets the same disk as they do.
            let sync = disk::write_and_sync(&place.data, subject.request.bytes());
            let sync = sync.map_err(BenchError::of_file(&place.data))?;
            records.add(&json!({
                "function": subject.function,
                "build": subject.build(),
                "first_answer_ms": first_answer.as_secs_f64() * 1e3,
                "resident_mib": resident_mib,
                "binary_bytes": self.binary_bytes,
                "sync_ms": sync.as_secs_f64() * 1e3,
            }))?;
            self.first_answers.push(first_answer);
            self.resident_mib.push(resident_mib);
        }
        if last {
            self.rested_mib = mib(server.memory_after(REST).map_err(failed())?.resident);
            let (function, build) = (subject.function, subject.build());
            records.add(&json!({ "function": function, "build": build, "rested_mib": self.rested_mib }))?;
        }
        Ok(())
    }

    fn median_ms(&self) -> f64 {
        Sorted::new(self.first_answers.iter().map(|time| time.as_secs_f64() * 1e3)).median()
    }
}

/// The bare server that took the same report.
fn bare_of<'a>(all: &'a [Started], one: &Started) -> Option<&'a Started> {
    all.iter().find(|bare| bare.subject.is_bare() && bare.subject.function == one.subject.function)
}

pub(super) fn told(all: &[Started]) -> String {
    let mut text = String::from(
        "| function | build, host | median ms | p95 ms | least ms | of bare | memory after the answer | memory at rest \
         | binary |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for one in all {
        let bare = bare_of(all, one).into_iter().flat_map(|bare| &bare.first_answers);
        let ratios = one.first_answers.iter().zip(bare);
        let ratios = Sorted::new(ratios.map(|(own, bare)| own.as_secs_f64() / bare.as_secs_f64()));
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.2} | {:.2} MiB | {:.2} MiB | {:.2} MiB |",
            one.subject.function,
            one.subject.build(),
            milliseconds(one.first_answers.iter().copied()),
            ratios.median(),
            Sorted::new(one.resident_mib.iter().copied()).median(),
            one.rested_mib,
            mib(one.binary_bytes),
        );
    }
    text.push('\n');
    text
}

/// The names of bars, and the groups of them.
pub(super) fn bars(all: &[Started]) -> (Vec<String>, Vec<Group>) {
    let mut names: Vec<String> = Vec::new();
    for one in all {
        let build = one.subject.build();
        if !names.contains(&build) {
            names.push(build);
        }
    }
    let functions = COLLECTORS.into_iter().filter(|name| all.iter().any(|one| one.subject.function == *name));
    let groups = functions.map(|function| {
        let value = |build: &String| {
            let mut found = all.iter().filter(|one| one.subject.function == function);
            found.find(|one| one.subject.build() == *build).map(Started::median_ms)
        };
        Group { name: function.to_owned(), values: names.iter().map(value).collect() }
    });
    let groups = groups.collect();
    (names, groups)
}
