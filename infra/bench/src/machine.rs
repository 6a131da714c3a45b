//! The machine that figures are of: what matters to them, and no names.

use std::{fs, path::Path};

use serde::Serialize;

/// What the figures depend on.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
    pub(crate) file_system: String,
}

impl Machine {
    /// This machine; `data` lies on the disk that is meant.
    pub(crate) fn this(data: &Path) -> Self {
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let memory = memory.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor: processor(&processors).unwrap_or("of an unknown kind").to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory.unwrap_or_default() << 10,
            // What follows the number says who built it.
            kernel: kernel.trim().split('-').next().unwrap_or_default().to_owned(),
            file_system: file_system(data).unwrap_or_else(|| "of an unknown kind".into()),
        }
    }

    /// One sentence about it.
    pub(crate) fn told(&self) -> String {
        format!(
            "{} cores of a processor {}, {} GiB of memory, Linux {}, data on a file system {}",
            self.cores,
            self.processor,
            self.memory_bytes.div_ceil(1 << 30),
            self.kernel,
            self.file_system
        )
    }
}

fn processor(told: &str) -> Option<&str> {
    let line = told.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim())
}

/// The kind of the mount that a folder lies in: the one with the longest path.
fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let around = mounts.filter(|(place, _)| folder.starts_with(place));
    around.max_by_key(|(place, _)| place.len()).map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_told_without_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::this(folder.path());
        assert!(machine.cores > 0 && machine.memory_bytes > 0, "{machine:?}");
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert!(!machine.told().contains(host.trim()), "{}", machine.told());
        assert!(!machine.told().contains('/'), "{}", machine.told());
    }
}
