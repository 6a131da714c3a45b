//! Functions on AWS Lambda, which a stub of its runtime interface on this machine plays: from their start to their first
//! `next`, and from there to their first answer.
//!
//! Collectors have SQS and S3 as stand-ins play them. The others have embedded engines; where they need a catalog,
//! `maintain` has made it before.

mod function;
mod runtime_api;

use std::{fmt::Write as _, fs, io, path::PathBuf};

use bytes::Bytes;
use flate2::{Compression, write::DeflateEncoder};
use serde_json::json;

pub(crate) use self::function::FunctionError;
use self::function::{Round, run_once};
use super::{Arguments, WARM_UP, milliseconds};
use crate::{
    bins::{COLLECTORS, Features},
    error::BenchError,
    place::Place,
    progress::Progress,
    results::Records,
    server::Engines,
    stand_in::StandIn,
    statistics::{Sorted, mib},
};

/// What the keys and signatures of the sample events were made with.
const ENVIRONMENT: [(&str, &str); 3] = [
    ("EPITAPH_SECRET", "the secret of the sample events"),
    ("EPITAPH_TOKEN", "the-token-of-the-sample-events"),
    ("EPITAPH_MIN_FREE_DISK", "1M"),
];
/// Functions that are no collectors, and whether they need a catalog that is there already.
const OTHERS: [(&str, bool); 4] =
    [("process", true), ("maintain", false), ("dashboard", true), ("symbols", true)];

/// What is started.
pub(super) struct Subject {
    name: &'static str,
    /// `None`: the least that a function can be.
    features: Option<Features>,
    program: PathBuf,
    environment: Vec<(&'static str, String)>,
    event: Bytes,
    needs_catalog: bool,
}

impl Subject {
    pub(super) fn is_bare(&self) -> bool {
        self.features.is_none()
    }
}

/// What is started, and what came of it.
pub(super) struct Invoked {
    subject: Subject,
    binary_bytes: u64,
    zip_bytes: u64,
    rounds: Vec<Round>,
}

/// The bare one, collectors, others; what is not there is left out.
pub(super) fn subjects(
    arguments: &Arguments,
    place: &Place,
    stand_in: &StandIn,
) -> Result<Vec<Subject>, BenchError> {
    if !arguments.wants_host("lambda") {
        return Ok(Vec::new());
    }
    let subject =
        |name: &'static str, features: Option<Features>, program, engines: Engines, needs_catalog| {
            // The bare one takes any request.
            let event = if features.is_none() { "minidump" } else { name };
            let event = arguments.events.join(event).with_extension("json");
            let own = ENVIRONMENT.map(|(name, value)| (name, value.to_owned()));
            Ok::<_, BenchError>(Subject {
                name,
                features,
                program,
                environment: own.into_iter().chain(engines.environment()).collect(),
                event: fs::read(&event).map_err(BenchError::of_file(&event))?.into(),
                needs_catalog,
            })
        };
    let mut subjects = Vec::new();
    for name in COLLECTORS.into_iter().filter(|name| arguments.wants(name)) {
        for features in [Features::Lambda, Features::All] {
            if let Some(program) = place.bins.find(name, features) {
                let engines = Engines::Aws(stand_in.address());
                subjects.push(subject(name, Some(features), program, engines, false)?);
            }
        }
    }
    for (name, needs_catalog) in OTHERS.into_iter().filter(|(name, _)| arguments.wants(name)) {
        if let Some(program) = place.bins.find(name, Features::All) {
            subjects.push(subject(name, Some(Features::All), program, Engines::Embedded, needs_catalog)?);
        }
    }
    if !subjects.is_empty() {
        let program = place.bins.bare("bare-lambda")?;
        subjects.insert(0, subject("bare lambda_http", None, program, Engines::Embedded, false)?);
    }
    Ok(subjects)
}

pub(super) fn start_all(
    arguments: &Arguments,
    place: &Place,
    subjects: Vec<Subject>,
    progress: &Progress,
    records: &mut Records,
) -> Result<Vec<Invoked>, BenchError> {
    let mut all = Vec::new();
    for subject in subjects {
        let binary = fs::read(&subject.program).map_err(BenchError::of_file(&subject.program))?;
        let zip_bytes = deflated(&binary).map_err(BenchError::Own)?;
        all.push(Invoked { subject, binary_bytes: binary.len() as u64, zip_bytes, rounds: Vec::new() });
    }
    let maintain = place.bins.find("maintain", Features::All);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BenchError::Own)?;
    for round in 1..=WARM_UP + arguments.rounds {
        progress.says(format!("functions on Lambda, round {round}"));
        for one in &mut all {
            let Subject { name, ref program, ref environment, ref event, needs_catalog, .. } = one.subject;
            let failed = |source| BenchError::Function { what: format!("{name} in round {round}"), source };
            let folder = place.scratch()?;
            if needs_catalog && let Some(maintain) = &maintain {
                let schedule = arguments.events.join("maintain.json");
                let schedule = fs::read(&schedule).map_err(BenchError::of_file(&schedule))?;
                let made = run_once(maintain, folder.path(), environment, schedule.into());
                runtime.block_on(made).map_err(failed)?;
            }
            let result = run_once(program, folder.path(), environment, event.clone());
            let result = runtime.block_on(result).map_err(failed)?;
            if round > WARM_UP {
                records.add(&json!({
                    "function": name,
                    "build": one.subject.features.map_or("bare", Features::folder),
                    "host": "lambda",
                    "to_next_ms": result.to_next.as_secs_f64() * 1e3,
                    "first_invoke_ms": result.first_invoke.as_secs_f64() * 1e3,
                    "resident_mib": mib(result.resident_bytes),
                    "binary_bytes": one.binary_bytes,
                    "zip_bytes": one.zip_bytes,
                }))?;
                one.rounds.push(result);
            }
        }
        progress.step();
    }
    Ok(all)
}

/// What is uploaded to Lambda: the binary packed, without the few bytes of a zip's directory.
fn deflated(binary: &[u8]) -> io::Result<u64> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    io::Write::write_all(&mut encoder, binary)?;
    Ok(encoder.finish()?.len() as u64)
}

pub(super) fn told(all: &[Invoked]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "On AWS Lambda, played by a stub of its runtime interface: from the start to the first `next`, and from there to \
         the first answer. Collectors put reports into stand-ins of SQS and S3; the others have embedded engines.\n\n\
         | function | build | to `next`: median ms | p95 ms | least ms | of bare | first answer: median ms | p95 ms | \
         least ms | memory | binary | zip |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let bare = || all.iter().filter(|one| one.subject.is_bare()).flat_map(|bare| &bare.rounds);
    for one in all {
        let ratios = one.rounds.iter().zip(bare());
        let ratios = ratios.map(|(own, bare)| own.to_next.as_secs_f64() / bare.to_next.as_secs_f64());
        let memory = Sorted::new(one.rounds.iter().map(|round| mib(round.resident_bytes)));
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.2} | {} | {:.2} MiB | {:.2} MiB | {:.2} MiB |",
            one.subject.name,
            one.subject.features.map_or("", Features::folder),
            milliseconds(one.rounds.iter().map(|round| round.to_next)),
            Sorted::new(ratios).median(),
            milliseconds(one.rounds.iter().map(|round| round.first_invoke)),
            memory.median(),
            mib(one.binary_bytes),
            mib(one.zip_bytes),
        );
    }
    text.push('\n');
    text
}
