//! Functions and lines for the native frames of events, in a child process: symbol caches are made of files that anybody
//! may have made, and no thread of this process reads them.

mod child;

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use epitaph_crash_model::{Crash, Frame, Trust};

pub use self::child::worker_main;
use crate::{
    bounds,
    isolation::{ParserError, ParserSettings, Worker},
    parser::exit,
};

/// The argument that makes a program of ours the symbolicator.
pub const COMMAND: &str = "symbolicate-frames";

/// The modules of the frames that a client gave. A minidump's own frames are symbolicated as they are unwound.
pub(crate) fn debug_ids(crash: &Crash) -> impl Iterator<Item = &str> {
    let stacks = crash.threads.iter().map(|thread| &thread.frames);
    let stacks = stacks.chain(crash.exceptions.iter().map(|exception| &exception.frames));
    stacks.filter(|frames| is_given(frames)).flatten().filter_map(|frame| frame.debug_id.as_deref())
}

/// Whose frames are to be symbolicated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those that a client gave.
    Clients,
    /// Also those that were unwound before, from a dump that is no longer here.
    All,
}

/// Gives the native frames of a crash their functions and lines, from the symbol caches in a folder.
/// A child that fails is the fault of what it read: then the crash stays as it is.
///
/// # Errors
/// When no child could be run, or it could not be talked to: a fault of this machine.
pub(crate) async fn symbolicate(
    settings: &ParserSettings,
    symbols: &Path,
    crash: &mut Crash,
    whose: Whose,
) -> Result<(), ParserError> {
    let given: Vec<&mut Vec<Frame>> = stacks(crash, whose).collect();
    if given.is_empty() {
        return Ok(());
    }
    let asked = asked(&given).map_err(ParserError::Pipe)?;
    let arguments = [OsString::from(COMMAND)].into_iter().chain(settings.limits.arguments());
    let mut worker = Worker::start(&settings.program, arguments.chain([symbols.into()]), &asked)?;
    let Ok(ended) = tokio::time::timeout(settings.wall, worker.finish()).await else {
        worker.kill();
        tracing::warn!("symbolicating frames took too long");
        return Ok(());
    };
    let ended = ended.map_err(ParserError::Pipe)?;
    if [exit::USAGE, exit::UNFIT].map(|code| Some(i32::from(code))).contains(&ended.status.code()) {
        let program = settings.program.clone();
        return Err(ParserError::Unfit { program, complaint: ended.complaint });
    }
    let said = ended.said.and_then(|said| serde_json::from_slice::<Vec<Vec<Frame>>>(&said).ok());
    match said.filter(|said| ended.status.success() && said.len() == given.len()) {
        Some(said) => {
            for (stack, symbolicated) in given.into_iter().zip(said) {
                *stack = symbolicated;
                stack.truncate(bounds::FRAMES);
            }
        }
        None => tracing::warn!(complaint = ended.complaint, "frames could not be symbolicated"),
    }
    Ok(())
}

fn stacks(crash: &mut Crash, whose: Whose) -> impl Iterator<Item = &mut Vec<Frame>> {
    let threads = crash.threads.iter_mut().map(|thread| &mut thread.frames);
    let stacks = threads.chain(crash.exceptions.iter_mut().map(|exception| &mut exception.frames));
    stacks.filter(move |frames| match whose {
        Whose::Clients => is_given(frames),
        Whose::All => frames.iter().any(|frame| frame.debug_id.is_some()),
    })
}

fn is_given(frames: &[Frame]) -> bool {
    frames.iter().any(|frame| frame.trust == Trust::Given && frame.debug_id.is_some())
}

/// The frames as a file without a name.
fn asked(stacks: &[&mut Vec<Frame>]) -> io::Result<File> {
    let mut out = io::BufWriter::new(tempfile::tempfile()?);
    serde_json::to_writer(&mut out, stacks)?;
    out.flush()?;
    out.into_inner().map_err(io::IntoInnerError::into_error)
}
