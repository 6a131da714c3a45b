//! What all benches are given: where the programs are, where data goes, where results go.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::{bins::Bins, error::BenchError, machine::Machine, results::Results};

#[derive(clap::Args, Clone)]
pub(crate) struct PlaceArguments {
    /// The folder of the programs, sorted by the features they were built with, or side by side as cargo leaves them.
    #[arg(long, global = true, default_value = "target/bench-bins")]
    bins: PathBuf,
    /// Where the data directories are made; choose the disk you mean to measure.
    #[arg(long, global = true, default_value = "target")]
    data: PathBuf,
    /// Where results go: `raw/`, `plots/` and RESULTS.md.
    #[arg(long, global = true, default_value = "infra/bench")]
    results: PathBuf,
    /// First builds the programs into the folder of `--bins`, as they are deployed.
    #[arg(long, global = true)]
    build: bool,
}

/// Where everything is.
pub(crate) struct Place {
    pub(crate) bins: Bins,
    pub(crate) data: PathBuf,
    pub(crate) results: Results,
    pub(crate) machine: Machine,
}

impl Place {
    pub(crate) fn prepare(arguments: &PlaceArguments) -> Result<Self, BenchError> {
        if arguments.build {
            crate::build::into_folder(&arguments.bins)?;
        }
        std::fs::create_dir_all(&arguments.data).map_err(BenchError::of_file(&arguments.data))?;
        Ok(Self {
            bins: Bins::in_folder(&arguments.bins),
            data: arguments.data.clone(),
            results: Results::in_folder(&arguments.results)?,
            machine: Machine::this(&arguments.data),
        })
    }

    /// A folder for data that is gone when it is dropped.
    pub(crate) fn scratch(&self) -> Result<TempDir, BenchError> {
        tempfile::tempdir_in(&self.data).map_err(BenchError::of_file(&self.data))
    }
}

/// Bytes, with `K`, `M` or `G` (of 1,024).
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(number) => (number, text.chars().next_back()),
        None => (text, None),
    };
    let shift = match unit {
        Some('K') => 10,
        Some('M') => 20,
        Some('G') => 30,
        _ => 0,
    };
    let number: u64 = number.parse().map_err(|_| "expected a number, such as 500M or 10G".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "expected fewer bytes".to_owned())
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_are_read_with_their_units() {
        assert_eq!([bytes("7"), bytes("2K"), bytes("10G")], [Ok(7), Ok(2048), Ok(10 << 30)]);
        assert!(bytes("many").is_err() && bytes("99999999999G").is_err() && bytes("").is_err());
    }
}
