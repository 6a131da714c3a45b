//! From a dump to a verdict.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use epitaph_crash_model::{Address, System, Timestamp};
use epitaph_symbolicate::Provider;
use minidump::{Error, Minidump, MmapMinidump, system_info::Os};
use minidump_processor::{AdjustedAddress, ProcessError, ProcessState, ProcessorOptions};

use super::{annotations, bounds, convert};
use crate::parsed::{Parsed, Unreadable, Verdict};

/// How a minidump begins, by the byte order of the machine that wrote it.
const MAGICS: [&[u8]; 2] = [b"MDMP", b"PMDM"];

/// Reads a dump, with the symbol caches in a folder if there is one.
///
/// # Errors
/// When the file cannot be read, or the machine lacks something: nothing that the dump is to blame for.
pub(super) fn of(dump: &Path, symbols: Option<&Path>) -> io::Result<Verdict> {
    let mut start = [0; 4];
    let length = File::open(dump)?.read(&mut start)?;
    let parsed = match Minidump::read_path(dump) {
        Ok(dump) => {
            // Nothing but the header has been looked at so far.
            let symbols = match symbols {
                Some(folder) => {
                    super::confine::close_the_doors_but_to_read(folder);
                    Provider::open(folder).map_err(io::Error::other)?
                }
                None => {
                    super::confine::close_the_doors();
                    Provider::new()
                }
            };
            parse(&dump, &symbols)?
        }
        Err(error @ (Error::FileNotFound | Error::IoError)) if length > 0 => {
            return Err(io::Error::other(error));
        }
        Err(error) => Err(ProcessError::MinidumpReadError(error)),
    };
    Ok(match parsed {
        Ok(parsed) => Verdict::Parsed(Box::new(parsed)),
        Err(error) => Verdict::Unreadable(unreadable(&error, &start[..length])),
    })
}

fn parse(dump: &MmapMinidump, symbols: &Provider) -> io::Result<Result<Parsed, ProcessError>> {
    // The processor's interface is async for the sake of symbols that are fetched; nothing here waits.
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let options = ProcessorOptions::stable_basic();
    let state = runtime.block_on(minidump_processor::process_minidump_with_options(dump, symbols, options));
    Ok(state.map(|state| parsed(dump, &state)))
}

fn parsed(dump: &MmapMinidump, state: &ProcessState) -> Parsed {
    let exception = state.exception_info.as_ref();
    let crashing = match exception {
        Some(_) => state.requesting_thread,
        None => state.requesting_thread.or((!state.threads.is_empty()).then_some(0)),
    };
    let (threads, crashing_thread) = convert::threads(state, crashing);
    let mut annotations = annotations::of(dump);
    let distribution = state.linux_standard_base.as_ref();
    if let Some(name) = distribution.and_then(|base| bounds::line_or_none(&base.description)) {
        annotations.entry("linux_distribution".to_owned()).or_insert(name);
    }
    let uptime = state.process_create_time.and_then(|start| state.time.duration_since(start).ok());
    Parsed {
        reason: exception.map(|exception| bounds::line(&exception.reason.to_string())),
        address: exception.map(|exception| {
            // An access to an address that the processor cannot even express faults with another one.
            let adjusted = match exception.adjusted_address {
                Some(AdjustedAddress::NonCanonical(address)) => address,
                Some(AdjustedAddress::NullPointerWithOffset(_)) | None => exception.address,
            };
            Address(adjusted.0)
        }),
        assertion: state.assertion.as_deref().and_then(bounds::line_or_none),
        crashing_thread,
        threads,
        modules: state.modules.by_addr().take(bounds::MODULES).map(convert::module).collect(),
        system: system(state),
        uptime_seconds: uptime.map(|uptime| uptime.as_secs()),
        occurred_at: timestamp(state.time),
        annotations,
    }
}

/// A time of a dump. A writer without a clock leaves zero.
fn timestamp(time: SystemTime) -> Option<Timestamp> {
    let since = time.duration_since(UNIX_EPOCH).ok().filter(|since| *since > Duration::ZERO)?;
    Some(Timestamp::from_millis(i64::try_from(since.as_millis()).ok()?))
}

fn system(state: &ProcessState) -> System {
    let info = &state.system_info;
    let os = match info.os {
        Os::Windows => Some("Windows".to_owned()),
        Os::MacOs => Some("macOS".to_owned()),
        Os::Unknown(_) => None,
        other => Some(other.long_name().into_owned()),
    };
    // On Linux the build is the kernel's compile time; elsewhere it is part of the version that people know.
    let build = info.os_build.as_deref().filter(|_| !matches!(info.os, Os::Linux | Os::Android));
    let version = info.os_version.as_deref().filter(|version| *version != "0.0.0").unwrap_or("");
    System {
        os,
        os_version: bounds::line_or_none(&format!("{version} {}", build.unwrap_or(""))),
        arch: Some(info.cpu.to_string()).filter(|arch| arch != "unknown"),
        cpu: info.cpu_info.as_deref().and_then(bounds::line_or_none),
        cpu_count: u32::try_from(info.cpu_count).ok().filter(|count| *count > 0),
    }
}

fn unreadable(error: &ProcessError, start: &[u8]) -> Unreadable {
    const CUT: &str = "incomplete minidump";
    const OTHER: &str = "not a minidump";
    match error {
        ProcessError::MinidumpReadError(Error::MissingHeader) if start.is_empty() => {
            Unreadable::new(OTHER, "the file is empty")
        }
        ProcessError::MinidumpReadError(Error::MissingHeader | Error::HeaderMismatch)
            if !MAGICS.iter().any(|magic| magic.starts_with(start)) =>
        {
            let message =
                format!("the file begins with {}; a minidump begins with MDMP", start.escape_ascii());
            Unreadable::new(OTHER, message)
        }
        ProcessError::MinidumpReadError(Error::MissingHeader) => {
            Unreadable::new(CUT, "the file is shorter than the header of a minidump")
        }
        ProcessError::MinidumpReadError(Error::VersionMismatch) => {
            Unreadable::new(OTHER, "the file begins like a minidump, but of a version that does not exist")
        }
        ProcessError::MinidumpReadError(Error::MissingDirectory) => Unreadable::new(
            CUT,
            "the minidump ends before its directory; it was cut off on its way or as it was written",
        ),
        ProcessError::MissingThreadList => Unreadable::new(
            CUT,
            "the minidump has no readable list of threads; it was cut off, or is malformed",
        ),
        ProcessError::MissingSystemInfo => Unreadable::new(
            CUT,
            "the minidump does not say which system and processor it is from; it was cut off, or is malformed",
        ),
        other => Unreadable::new("malformed minidump", format!("the minidump is malformed: {other}")),
    }
}
