//! The child's side: reads stacks, its standard input, and writes them with what the caches in one folder tell of them.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use epitaph_crash_model::Frame;
use epitaph_symbolicate::{Provider, symbolicate_frames};

use super::COMMAND;
use crate::parser::{Limits, confine, exit};

/// The child's entry: a program whose first argument is [`COMMAND`] calls this and returns what it gives.
pub fn worker_main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| eprintln!("{}", panic.payload_as_str().unwrap_or("panicked"))));
    let arguments = std::env::args_os().skip_while(|argument| argument != COMMAND).skip(1);
    let Some((limits, symbols)) = read_arguments(arguments) else {
        eprintln!("expected: {COMMAND} --data-bytes N --cpu-seconds N FOLDER");
        return ExitCode::from(exit::USAGE);
    };
    match run(&limits, &symbols) {
        Ok(()) => ExitCode::from(exit::PARSED),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(exit::UNFIT)
        }
    }
}

/// As [`super::symbolicate`] writes them.
fn read_arguments(mut arguments: impl Iterator<Item = OsString>) -> Option<(Limits, PathBuf)> {
    let mut number = |name: &str| {
        let is_it = arguments.next()? == name;
        is_it.then(|| arguments.next()?.to_str()?.parse().ok()).flatten()
    };
    let limits = Limits { data_bytes: number("--data-bytes")?, cpu_seconds: number("--cpu-seconds")? };
    let symbols = PathBuf::from(arguments.next()?);
    arguments.next().is_none().then_some((limits, symbols))
}

fn run(limits: &Limits, symbols: &std::path::Path) -> io::Result<()> {
    limits.apply()?;
    confine::close_the_doors_but_to_read(symbols);
    let provider = Provider::open(symbols).map_err(io::Error::other)?;
    let mut stacks: Vec<Vec<Frame>> = serde_json::from_reader(io::BufReader::new(io::stdin().lock()))?;
    for frames in &mut stacks {
        symbolicate_frames(&provider, frames);
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    serde_json::to_writer(&mut out, &stacks)?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_reads_the_arguments_that_are_written_for_it() {
        let limits = Limits { data_bytes: 1 << 20, cpu_seconds: 3 };
        let arguments = || limits.arguments().into_iter().chain(["/tmp/symbols".into()]);
        assert_eq!(read_arguments(arguments()), Some((limits, PathBuf::from("/tmp/symbols"))));
        assert_eq!(read_arguments(arguments().take(4)), None);
        assert_eq!(read_arguments(arguments().chain(["more".into()])), None);
    }
}
