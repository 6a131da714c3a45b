//! The parent's side of the parser: one child process per dump, that can neither take this process down nor outlive
//! its job.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Seek},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};

use crate::{
    parsed::{Unreadable, Verdict},
    parser::{COMMAND, Limits, STANDARD_INPUT, SYMBOLS, exit},
};

/// The longest verdict, in bytes.
const VERDICT_BYTES: u64 = 32 << 20;
/// What is kept of the parser's complaints, in bytes.
const COMPLAINT_BYTES: u64 = 4 << 10;

/// How the parser is started and what it may use.
#[derive(Debug, Clone)]
pub struct ParserSettings {
    /// The program.
    pub program: PathBuf,
    /// Its arguments before the parser's own.
    pub arguments: Vec<OsString>,
    /// What it may use, in memory and processor time.
    pub limits: Limits,
    /// How long it may take by the clock.
    pub wall: Duration,
    /// How often a dump is tried whose parser fails, at least 1.
    pub attempts: u32,
}

impl ParserSettings {
    /// The parser that is part of `program`, with the usual limits: 1 GiB, 20 s of processor time, 30 s, three times.
    pub fn of(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: vec![COMMAND.into()],
            limits: Limits::default(),
            wall: Duration::from_secs(30),
            attempts: 3,
        }
    }

    /// The parser that is part of this very program; also when its file has been replaced since it was started.
    ///
    /// # Errors
    /// When the system does not tell which program this is.
    pub fn of_this_program() -> Result<Self, ParserError> {
        let running = PathBuf::from("/proc/self/exe");
        if running.exists() {
            return Ok(Self::of(running));
        }
        std::env::current_exe().map(Self::of).map_err(ParserError::NoProgram)
    }
}

/// Why no parser could be run: a fault of this machine or its settings, never of the dump.
#[derive(Debug, thiserror::Error)]
pub enum ParserError {
    /// The system does not tell which program this is.
    #[error("this program does not know its own path; name the parser's program in the settings")]
    NoProgram(#[source] io::Error),
    /// The program could not be started.
    #[error(
        "the parser {program} could not be started; check that it exists and that the system has room for a process"
    )]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program ran, but could not do a parser's work, whatever the dump.
    #[error("{program} cannot work as the parser; it said: {complaint}")]
    Unfit {
        /// The program.
        program: PathBuf,
        /// What it said.
        complaint: String,
    },
    /// The dump could not be handed to it, or its answer not be heard.
    #[error("the parser could not be talked to")]
    Pipe(#[source] io::Error),
}

/// Parses a dump, a whole regular file, in a child process; with the symbol caches in a folder, if there is one.
///
/// A parser that is killed, stalls or talks nonsense is tried again; when that happened as often as the settings say,
/// the dump is what is at fault, and the verdict says what happened. One that ran into its limit of memory or of
/// processor time would do so again: that is a verdict at once, or a few such dumps would hold up all others. Dropping
/// the future kills the child.
///
/// # Errors
/// When no parser could be run at all.
pub async fn parse(
    settings: &ParserSettings,
    dump: &File,
    symbols: Option<&Path>,
) -> Result<Verdict, ParserError> {
    let mut attempt = 1;
    loop {
        match parse_once(settings, dump, symbols).await? {
            Ok(verdict) => return Ok(verdict),
            Err(Fault { told, certain }) if certain || attempt >= settings.attempts => {
                let times = if attempt == 1 { String::new() } else { format!(", {attempt} times") };
                let message = format!("{}{times}", told.message);
                return Ok(Verdict::Unreadable(Unreadable { message, ..told }));
            }
            Err(fault) => {
                tracing::warn!(attempt, fault = fault.told.message, "the parser failed; trying again");
            }
        }
        attempt += 1;
    }
}

/// How a parser failed.
struct Fault {
    told: Unreadable,
    /// The same dump will fail the same way.
    certain: bool,
}

impl From<Unreadable> for Fault {
    fn from(told: Unreadable) -> Self {
        Self { told, certain: false }
    }
}

/// One attempt: a verdict, or how the parser failed.
async fn parse_once(
    settings: &ParserSettings,
    dump: &File,
    symbols: Option<&Path>,
) -> Result<Result<Verdict, Fault>, ParserError> {
    let arguments = settings.arguments.iter().cloned().chain(settings.limits.arguments());
    let symbols = symbols.into_iter().flat_map(|folder| [SYMBOLS.into(), folder.into()]);
    let arguments = arguments.chain(symbols);
    let mut worker = Worker::start(&settings.program, arguments.chain([STANDARD_INPUT.into()]), dump)?;
    let ended = tokio::time::timeout(settings.wall, worker.finish()).await;
    let Ended { status, said, complaint } = match ended {
        Ok(ended) => ended.map_err(ParserError::Pipe)?,
        Err(_) => {
            worker.kill();
            let message = format!("the parser took longer than {}", seconds(settings.wall));
            return Ok(Err(Unreadable::new("the parser took too long", message).into()));
        }
    };
    if [exit::USAGE, exit::UNFIT].map(|code| Some(i32::from(code))).contains(&status.code()) {
        return Err(ParserError::Unfit { program: settings.program.clone(), complaint });
    }
    let Some(said) = said else {
        let message = format!("the parser said more than {} MiB", VERDICT_BYTES >> 20);
        return Ok(Err(Unreadable::new("the parser failed", message).into()));
    };
    let verdict = serde_json::from_slice(&said);
    let expected = match verdict {
        Ok(Verdict::Parsed(_)) => Some(exit::PARSED),
        Ok(Verdict::Unreadable(_)) => Some(exit::UNREADABLE),
        Err(_) => None,
    };
    Ok(match verdict {
        Ok(verdict) if status.code() == expected.map(i32::from) => Ok(verdict),
        _ => Err(fault(status, &complaint, &settings.limits)),
    })
}

/// In words, how a parser ended that gave no verdict.
fn fault(status: ExitStatus, complaint: &str, limits: &Limits) -> Fault {
    const KILLED: &str = "the parser was killed";
    // Rust's words before it aborts; there is no stable way to say others.
    if complaint.contains("memory allocation of") {
        let message = format!("the parser ran out of memory (limit {})", mebibytes(limits.data_bytes));
        return Fault { told: Unreadable::new("the parser ran out of memory", message), certain: true };
    }
    if status.signal() == Some(rustix::process::Signal::XCPU.as_raw()) {
        let message = format!("the parser used more than {} s of processor time", limits.cpu_seconds);
        return Fault { told: Unreadable::new("the parser took too long", message), certain: true };
    }
    let complaint = complaint.lines().next().unwrap_or_default();
    let complaint = if complaint.is_empty() { String::new() } else { format!(": {complaint}") };
    let told = match (status.signal(), status.code()) {
        (Some(signal), _) => {
            Unreadable::new(KILLED, format!("the parser was ended by {}{complaint}", signal_name(signal)))
        }
        (None, Some(code)) if [exit::PARSED, exit::UNREADABLE].map(i32::from).contains(&code) => {
            Unreadable::new("the parser failed", format!("the parser ended without a verdict{complaint}"))
        }
        (None, Some(code)) => {
            Unreadable::new("the parser failed", format!("the parser failed with code {code}{complaint}"))
        }
        (None, None) => Unreadable::new(KILLED, format!("the parser ended without a verdict{complaint}")),
    };
    told.into()
}

pub(crate) fn mebibytes(bytes: u64) -> String {
    match bytes {
        bytes if bytes >= 1 << 30 && bytes % (1 << 30) == 0 => format!("{} GiB", bytes >> 30),
        bytes => format!("{} MiB", bytes >> 20),
    }
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

pub(crate) fn signal_name(number: i32) -> String {
    use rustix::process::Signal;
    let names = [
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::ILL, "SIGILL"),
        (Signal::KILL, "SIGKILL"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::SYS, "SIGSYS"),
        (Signal::TERM, "SIGTERM"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::XFSZ, "SIGXFSZ"),
    ];
    let known = names.into_iter().find(|(signal, _)| signal.as_raw() == number);
    known.map_or_else(|| format!("signal {number}"), |(_, name)| name.to_owned())
}

/// A running child in a process group of its own, which dies with this value.
pub(crate) struct Worker {
    child: Child,
}

/// How a child ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Its standard output; `None` if that is longer than a verdict can be.
    pub(crate) said: Option<Vec<u8>>,
    /// The beginning of its standard error.
    pub(crate) complaint: String,
}

impl Worker {
    /// The dump is the child's standard input rather than a path, so that it may be a file without a name, which
    /// vanishes with this process whatever becomes of it.
    pub(crate) fn start(
        program: &Path,
        arguments: impl Iterator<Item = OsString>,
        mut dump: &File,
    ) -> Result<Self, ParserError> {
        dump.rewind().map_err(ParserError::Pipe)?;
        let dump = dump.try_clone().map_err(ParserError::Pipe)?;
        let child = Command::new(program)
            .args(arguments)
            // Secrets of this process are in its environment; a parser that is taken over finds none.
            .env_clear()
            .current_dir("/")
            .stdin(dump)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ParserError::Start { program: program.to_owned(), source })?;
        Ok(Self { child })
    }

    /// Listens until the child has ended. Cancel safe only in so far as the worker is dropped then.
    pub(crate) async fn finish(&mut self) -> io::Result<Ended> {
        let (out, err) = (self.child.stdout.take(), self.child.stderr.take());
        let (said, complaint) = tokio::try_join!(read(out, VERDICT_BYTES), read(err, COMPLAINT_BYTES))?;
        let status = self.child.wait().await?;
        let said = (!said.overflowed).then_some(said.kept);
        Ok(Ended { status, said, complaint: String::from_utf8_lossy(&complaint.kept).trim().to_owned() })
    }

    /// Kills the child and whatever it started. Harmless when it has ended.
    pub(crate) fn kill(&self) {
        // Once a child is waited for it has no id, so that no other group with its number is ever meant.
        let group = self.child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(group) = group {
            // It fails only where there is nothing left to kill.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What was read of a pipe.
#[derive(Default)]
struct Heard {
    kept: Vec<u8>,
    overflowed: bool,
}

/// Reads a pipe to its end and keeps the beginning: a child that writes on must not block on a full pipe.
async fn read(pipe: Option<impl AsyncRead + Unpin>, limit: u64) -> io::Result<Heard> {
    let mut heard = Heard::default();
    let Some(mut pipe) = pipe else { return Ok(heard) };
    (&mut pipe).take(limit).read_to_end(&mut heard.kept).await?;
    heard.overflowed = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await? > 0;
    Ok(heard)
}
