//! What a process and its descendants hold in memory together.

use std::{
    fs, io,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use serde::Serialize;

/// How often a family is looked at.
const EVERY: Duration = Duration::from_millis(10);

/// Memory of a family, in bytes.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Memory {
    /// What is theirs alone: without pages of files, which the system takes back when it needs them.
    pub(super) private: u64,
    /// Whatever is in memory, pages of mapped files included; those of one file count for each process that maps it.
    pub(super) resident: u64,
}

impl Memory {
    /// What the family of a process holds now. Who ends meanwhile holds nothing.
    pub(super) fn of_family(process: u32) -> io::Result<Self> {
        let family = family(process)?;
        Ok(family.into_iter().map(Self::of).fold(Self::default(), |all, one| Self {
            private: all.private + one.private,
            resident: all.resident + one.resident,
        }))
    }

    fn of(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) << 10
        };
        Self { private: bytes("RssAnon:") + bytes("RssShmem:"), resident: bytes("VmRSS:") }
    }

    fn most(self, other: Self) -> Self {
        Self { private: self.private.max(other.private), resident: self.resident.max(other.resident) }
    }
}

/// A process and all that it started, and they. Numbers of processes ascend, so that only later ones are looked at.
fn family(process: u32) -> io::Result<Vec<u32>> {
    let mut later: Vec<u32> = fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|other| *other > process)
        .collect();
    later.sort_unstable();
    let mut family = vec![process];
    for other in later {
        if parent(other).is_some_and(|parent| family.contains(&parent)) {
            family.push(other);
        }
    }
    Ok(family)
}

fn parent(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Looks at a family again and again.
pub(super) struct Watch {
    stop: Sender<()>,
    watching: JoinHandle<io::Result<Memory>>,
}

impl Watch {
    pub(super) fn begin(process: u32) -> Self {
        let (stop, stopped) = mpsc::channel();
        let watching = thread::spawn(move || {
            let mut most = Memory::default();
            loop {
                most = most.most(Memory::of_family(process)?);
                if stopped.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
                    return Ok(most);
                }
            }
        });
        Self { stop, watching }
    }

    /// The most of each that was seen.
    pub(super) fn end(self) -> io::Result<Memory> {
        drop(self.stop);
        self.watching.join().unwrap_or_else(|_| Err(io::Error::other("whoever watched has panicked")))
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn children_count_with_their_parents() {
        let mut shell = Command::new("sh")
            .args(["-c", "cat; true"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // What comes back shows that the child is there.
        io::Write::write_all(shell.stdin.as_mut().unwrap(), b"x").unwrap();
        io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        assert_eq!(family(shell.id()).unwrap().len(), 2);
        let (both, alone) = (Memory::of_family(shell.id()).unwrap(), Memory::of(shell.id()));
        assert!(both.resident > alone.resident && alone.resident > alone.private, "{both:?} {alone:?}");
        let watch = Watch::begin(shell.id());
        drop(shell.stdin.take());
        assert!(shell.wait().unwrap().success());
        assert!(watch.end().is_ok());
    }
}
