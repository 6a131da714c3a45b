//! What the parser may use, set by itself before it looks at a dump.

use std::{ffi::OsString, io};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most that a parser may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory that it writes to. Not of address space: dumps and symbol caches are mapped, and count for
    /// nothing while they are only read.
    pub data_bytes: u64,
    /// Seconds of processor time.
    pub cpu_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { data_bytes: 1 << 30, cpu_seconds: 20 }
    }
}

impl Limits {
    /// As arguments for the worker, before the path of the dump.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let Self { data_bytes, cpu_seconds } = self;
        [
            "--data-bytes".into(),
            data_bytes.to_string().into(),
            "--cpu-seconds".into(),
            cpu_seconds.to_string().into(),
        ]
        .into()
    }

    /// Limits what this process may use, for good. What it may reach is limited when the dump is open.
    pub(crate) fn apply(&self) -> io::Result<()> {
        self.apply_and_let_write(0)
    }

    /// As [`Limits::apply`], for a process that may write files of at most so many bytes each.
    pub(crate) fn apply_and_let_write(&self, file_bytes: u64) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        rustix::thread::set_no_new_privs(true)?;
        limit(Resource::Core, 0, 0)?;
        limit(Resource::Fsize, file_bytes, file_bytes)?;
        // No other process or thread. (Root is exempt from this one.)
        limit(Resource::Nproc, 0, 0)?;
        // Standard streams, the dump, and a few that the process was born with.
        limit(Resource::Nofile, 32, 32)?;
        limit(Resource::Data, self.data_bytes, self.data_bytes)?;
        // At the first limit comes SIGXCPU, which tells the parent why; at the second SIGKILL.
        limit(Resource::Cpu, self.cpu_seconds, self.cpu_seconds.saturating_add(1))
    }
}

/// Lowers a limit. One that is lower already stays so: raising it needs a privilege.
fn limit(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let now = getrlimit(resource);
    let lower = |wanted: u64, now: Option<u64>| Some(now.map_or(wanted, |now| now.min(wanted)));
    Ok(setrlimit(resource, Rlimit { current: lower(soft, now.maximum), maximum: lower(hard, now.maximum) })?)
}
