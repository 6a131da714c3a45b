//! From a debug file to caches, in a child process: a debug file is as hostile as a dump, and larger.

mod child;

use std::{ffi::OsString, fs::File, io, path::Path, path::PathBuf, time::Duration};

use epitaph_symbolicate::Converted;
use serde::{Deserialize, Serialize};

pub use self::child::worker_main;
use crate::{
    isolation::{Ended, ParserError, Worker, mebibytes, seconds, signal_name},
    parser::{Limits, exit},
};

/// The argument that makes a program of ours the converter.
pub const COMMAND: &str = "convert-debug-file";

/// How the converter is started and what it may use.
#[derive(Debug, Clone)]
pub struct ConverterSettings {
    /// The program.
    pub program: PathBuf,
    /// What it may use, in memory and processor time.
    pub limits: Limits,
    /// How long it may take by the clock.
    pub wall: Duration,
}

impl ConverterSettings {
    /// The converter that is part of `program`, with the usual limits: 3 GiB, half an hour of processor time, an hour.
    pub fn of(program: impl Into<PathBuf>) -> Self {
        let limits = Limits { data_bytes: 3 << 30, cpu_seconds: 30 * 60 };
        Self { program: program.into(), limits, wall: Duration::from_secs(60 * 60) }
    }
}

/// What the converter says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Conversion {
    /// What came of each object of the file.
    Converted(Vec<Converted>),
    /// Why the file cannot be used.
    Refused(String),
}

/// Converts a debug file, whole and from its beginning, into caches in a folder.
///
/// A converter that dies is the file's fault: it would die again. Dropping the future kills it.
///
/// # Errors
/// When no converter could be run, or it could not write: a fault of this machine.
pub(crate) async fn convert(
    settings: &ConverterSettings,
    file: &File,
    name: &str,
    into: &Path,
) -> Result<Conversion, ParserError> {
    let arguments = [OsString::from(COMMAND)].into_iter().chain(settings.limits.arguments());
    let arguments = arguments.chain([name.into(), into.into()]);
    let mut worker = Worker::start(&settings.program, arguments, file)?;
    let ended = tokio::time::timeout(settings.wall, worker.finish()).await;
    let ended = match ended {
        Ok(ended) => ended.map_err(ParserError::Pipe)?,
        Err(_) => {
            worker.kill();
            return Ok(Conversion::Refused(format!(
                "converting it took longer than {}",
                seconds(settings.wall)
            )));
        }
    };
    let Ended { status, said, complaint } = ended;
    if [exit::USAGE, exit::UNFIT].map(|code| Some(i32::from(code))).contains(&status.code()) {
        return Err(ParserError::Unfit { program: settings.program.clone(), complaint });
    }
    let said = said.ok_or_else(|| ParserError::Pipe(io::Error::other("it said too much")))?;
    match serde_json::from_slice(&said) {
        Ok(conversion) if status.code().is_some() => Ok(conversion),
        _ => Ok(Conversion::Refused(death(&settings.limits, status, &complaint))),
    }
}

/// In words, how a converter ended that said nothing.
fn death(limits: &Limits, status: std::process::ExitStatus, complaint: &str) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    // Rust's words before it aborts.
    if complaint.contains("memory allocation of") {
        let limit = mebibytes(limits.data_bytes);
        return format!("converting it takes more memory than it may ({limit}; EPITAPH_CONVERTER_MEMORY)");
    }
    match status.signal() {
        Some(signal) if signal == rustix::process::Signal::XCPU.as_raw() => format!(
            "converting it takes more than {} s of processor time (EPITAPH_CONVERTER_CPU_SECONDS)",
            limits.cpu_seconds
        ),
        Some(signal) => format!("it ends its reader by {}", signal_name(signal)),
        None => "it ends its reader".to_owned(),
    }
}

/// An error and its sources, in one line.
fn in_full(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| (*error).source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
