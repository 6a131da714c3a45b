//! What the system tells of a process.

use std::{fs, io, time::Duration};

/// What a process holds in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) resident: u64,
    /// The most so far.
    pub(crate) peak: u64,
}

/// What a process holds in memory, in bytes.
pub(crate) fn memory(process: u32) -> io::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.map(|kib| kib << 10).ok_or_else(|| io::Error::other(format!("there is no {name} in it")))
    };
    Ok(Memory { resident: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
}

/// Lets the peak of this process's memory begin anew.
pub(crate) fn forget_peak() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

/// What a process holds in memory now, in bytes.
pub(crate) fn resident_bytes(process: u32) -> io::Result<u64> {
    memory(process).map(|memory| memory.resident)
}

/// The processor time that a process has used, its own and the kernel's on its behalf, and that of its children that
/// have ended. The kernel counts in ticks of a hundredth of a second.
pub(crate) fn cpu_time(process: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in parentheses, may hold anything. After it the third field is the first.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    let ticks: Option<u64> =
        (11..=14).map(|field| fields.split_ascii_whitespace().nth(field)?.parse::<u64>().ok()).sum();
    let ticks = ticks.ok_or_else(|| io::Error::other("there are no times in it"))?;
    Ok(Duration::from_micros(ticks * 1_000_000 / rustix::param::clock_ticks_per_second().max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_time_and_memory() {
        let own = std::process::id();
        let before = cpu_time(own).unwrap();
        let mut sum = 0_u64;
        while cpu_time(own).unwrap() == before {
            sum = (0..1_000_000).fold(sum, u64::wrapping_add);
        }
        assert!(cpu_time(own).unwrap() > before, "{sum}");
        let memory = memory(own).unwrap();
        assert!(memory.resident > 0 && memory.peak >= memory.resident, "{memory:?}");
    }
}
