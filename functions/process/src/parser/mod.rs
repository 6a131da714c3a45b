//! The parser of hostile payloads: what runs in the child process. It is started with the path of one dump (or
//! the dump as its standard input) and perhaps of a folder of symbol caches, limits itself before it looks at them,
//! writes a [`Verdict`] as JSON to its standard output, and ends.

mod annotations;
mod bounds;
pub(crate) mod confine;
mod convert;
mod limits;
mod verdict;

use std::{
    ffi::OsString,
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

pub use self::limits::Limits;
use crate::parsed::Verdict;

/// The argument that makes a program of ours the parser.
pub const COMMAND: &str = "parse-minidump";

/// The argument before a folder of symbol caches.
pub(crate) const SYMBOLS: &str = "--symbols";

/// The path of a dump that is the worker's standard input.
pub(crate) const STANDARD_INPUT: &str = "/dev/stdin";

/// Exit codes of the worker, as in BSD's `sysexits.h`. Anything else, or a signal, is a fault of the parser.
pub(crate) mod exit {
    /// The verdict is that the dump was read.
    pub(crate) const PARSED: u8 = 0;
    /// The arguments are not those of a parser.
    pub(crate) const USAGE: u8 = 64;
    /// The verdict is that the dump cannot be read.
    pub(crate) const UNREADABLE: u8 = 65;
    /// The parser could not limit itself, or not get at the dump: no fault of the dump.
    pub(crate) const UNFIT: u8 = 71;
}

/// The child's entry: a program whose first argument is [`COMMAND`] calls this and returns what it gives.
pub fn worker_main() -> ExitCode {
    // The default message names source files, and ends on a crash page.
    std::panic::set_hook(Box::new(|panic| eprintln!("{}", panic.payload_as_str().unwrap_or("panicked"))));
    let arguments = std::env::args_os().skip_while(|argument| argument != COMMAND).skip(1);
    let job = match read_arguments(arguments) {
        Ok(job) => job,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(exit::USAGE);
        }
    };
    match job.run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(exit::UNFIT)
        }
    }
}

/// What is to be parsed.
#[derive(Debug, PartialEq, Eq)]
struct Job {
    limits: Limits,
    symbols: Option<PathBuf>,
    dump: PathBuf,
}

impl Job {
    fn run(&self) -> io::Result<u8> {
        self.limits.apply()?;
        let verdict = verdict::of(&self.dump, self.symbols.as_deref())?;
        let mut out = BufWriter::new(io::stdout().lock());
        serde_json::to_writer(&mut out, &verdict)?;
        out.flush()?;
        Ok(match verdict {
            Verdict::Parsed(_) => exit::PARSED,
            Verdict::Unreadable(_) => exit::UNREADABLE,
        })
    }
}

/// `--data-bytes N --cpu-seconds N --symbols FOLDER PATH`, of which only the last must be there.
fn read_arguments(mut arguments: impl Iterator<Item = OsString>) -> Result<Job, String> {
    let mut limits = Limits::default();
    let (mut dump, mut symbols) = (None, None);
    while let Some(argument) = arguments.next() {
        let limit = match argument.to_str() {
            Some("--data-bytes") => &mut limits.data_bytes,
            Some("--cpu-seconds") => &mut limits.cpu_seconds,
            Some(SYMBOLS) => {
                symbols = Some(arguments.next().ok_or("--symbols wants a folder")?.into());
                continue;
            }
            _ if dump.is_none() => {
                dump = Some(PathBuf::from(argument));
                continue;
            }
            _ => return Err(format!("unexpected argument {argument:?}; expected one dump")),
        };
        let value = arguments.next().and_then(|value| value.to_str()?.parse().ok());
        *limit = value.ok_or_else(|| format!("{argument:?} wants a number"))?;
    }
    Ok(Job { limits, symbols, dump: dump.ok_or("expected the path of a dump")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_reads_the_arguments_that_are_written_for_it() {
        let limits = Limits { data_bytes: 1 << 20, cpu_seconds: 3 };
        let (dump, folder) = (PathBuf::from("/tmp/a dump"), PathBuf::from("/tmp/symbols"));
        let arguments = || limits.arguments().into_iter().chain([dump.clone().into()]);
        assert_eq!(read_arguments(arguments()), Ok(Job { limits, symbols: None, dump: dump.clone() }));
        let with_symbols = [SYMBOLS.into(), folder.clone().into()].into_iter().chain(arguments());
        let expected = Job { limits, symbols: Some(folder), dump: dump.clone() };
        assert_eq!(read_arguments(with_symbols), Ok(expected));
    }

    #[test]
    fn a_worker_without_exactly_one_dump_says_what_it_expects() {
        assert!(read_arguments([].into_iter()).unwrap_err().contains("expected the path"));
        assert!(
            read_arguments(["a".into(), "b".into()].into_iter()).unwrap_err().contains("expected one dump")
        );
        assert!(
            read_arguments(["--cpu-seconds".into(), "x".into()].into_iter())
                .unwrap_err()
                .contains("a number")
        );
        assert!(read_arguments([SYMBOLS.into()].into_iter()).unwrap_err().contains("a folder"));
    }
}
