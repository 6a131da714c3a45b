//! The child's side: reads a debug file, its standard input, and writes caches into the one folder that it may write to.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use epitaph_symbolicate::{Limits as Counts, SymbolError, convert_open};

use super::{COMMAND, Conversion};
use crate::parser::{Limits, STANDARD_INPUT, confine, exit};

/// The largest cache, in bytes.
const LARGEST_CACHE: u64 = 64 << 30;

/// The child's entry: a program whose first argument is [`COMMAND`] calls this and returns what it gives.
pub fn worker_main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| eprintln!("{}", panic.payload_as_str().unwrap_or("panicked"))));
    let arguments = std::env::args_os().skip_while(|argument| argument != COMMAND).skip(1);
    let Some(job) = Job::read(arguments) else {
        eprintln!("expected: {COMMAND} --data-bytes N --cpu-seconds N NAME FOLDER");
        return ExitCode::from(exit::USAGE);
    };
    match job.run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(exit::UNFIT)
        }
    }
}

/// What is to be converted.
#[derive(Debug, PartialEq, Eq)]
struct Job {
    limits: Limits,
    name: String,
    into: PathBuf,
}

impl Job {
    /// As [`super::convert`] writes them.
    fn read(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut number = |name: &str| {
            let is_it = arguments.next()? == name;
            is_it.then(|| arguments.next()?.to_str()?.parse().ok()).flatten()
        };
        let limits = Limits { data_bytes: number("--data-bytes")?, cpu_seconds: number("--cpu-seconds")? };
        let name = arguments.next()?.to_str()?.to_owned();
        let into = PathBuf::from(arguments.next()?);
        arguments.next().is_none().then_some(Self { limits, name, into })
    }

    fn run(&self) -> io::Result<u8> {
        let file = File::open(STANDARD_INPUT)?;
        self.limits.apply_and_let_write(LARGEST_CACHE)?;
        confine::close_the_doors_but_of(&self.into);
        let conversion = match convert_open(file, &self.name, &self.into, Counts::default()) {
            Ok(converted) => Conversion::Converted(converted),
            Err(error @ SymbolError::File { .. }) => return Err(io::Error::other(super::in_full(&error))),
            Err(error) => Conversion::Refused(super::in_full(&error)),
        };
        let mut out = io::BufWriter::new(io::stdout().lock());
        serde_json::to_writer(&mut out, &conversion)?;
        out.flush()?;
        Ok(match conversion {
            Conversion::Converted(_) => exit::PARSED,
            Conversion::Refused(_) => exit::UNREADABLE,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_reads_the_arguments_that_are_written_for_it() {
        let limits = Limits { data_bytes: 1 << 20, cpu_seconds: 3 };
        let arguments = || limits.arguments().into_iter().chain(["a game.pdb".into(), "/tmp/into".into()]);
        let expected = Job { limits, name: "a game.pdb".to_owned(), into: PathBuf::from("/tmp/into") };
        assert_eq!(Job::read(arguments()), Some(expected));
        assert_eq!(Job::read(arguments().skip(1)), None);
        assert_eq!(Job::read(arguments().take(5)), None);
        assert_eq!(Job::read(arguments().chain(["more".into()])), None);
    }
}
