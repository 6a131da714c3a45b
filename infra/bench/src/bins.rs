//! Where the programs are that are measured.
//!
//! A folder holds them by the features they were built with, `embedded/minidump`, `knative/minidump`, `lambda/minidump`,
//! `all/minidump`, and what they are measured against in `bench/`. One that holds them side by side, as cargo leaves
//! them, holds those of all features.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// The functions that take reports.
pub(crate) const COLLECTORS: [&str; 4] = ["minidump", "envelope", "unreal", "report"];

/// What a function was built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Features {
    Embedded,
    Knative,
    Lambda,
    All,
}

impl Features {
    pub(crate) const EACH: [Self; 4] = [Self::Embedded, Self::Knative, Self::Lambda, Self::All];

    /// The folder of such builds.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Knative => "knative",
            Self::Lambda => "lambda",
            Self::All => "all",
        }
    }
}

impl fmt::Display for Features {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.folder())
    }
}

/// A program is not there.
#[derive(Debug, thiserror::Error)]
#[error("there is no {name} in {}; build it as infra/bench/README.md says, or pass --build", folder.display())]
pub(crate) struct Missing {
    name: String,
    folder: PathBuf,
}

/// The folder of programs.
#[derive(Debug, Clone)]
pub(crate) struct Bins {
    folder: PathBuf,
}

impl Bins {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// A function, if it was built so.
    pub(crate) fn find(&self, name: &str, features: Features) -> Option<PathBuf> {
        let sorted = self.folder.join(features.folder()).join(name);
        let flat = self.folder.join(name);
        match features {
            _ if sorted.is_file() => Some(sorted),
            Features::All if flat.is_file() => Some(flat),
            _ => None,
        }
    }

    /// A function with all features.
    pub(crate) fn function(&self, name: &str) -> Result<PathBuf, Missing> {
        self.find(name, Features::All).ok_or_else(|| self.missing(name))
    }

    /// What a function is measured against; where the folder has none, the one beside this program.
    pub(crate) fn bare(&self, name: &str) -> Result<PathBuf, Missing> {
        let own = std::env::current_exe().unwrap_or_default();
        let places = [
            self.folder.join("bench").join(name),
            self.folder.join(name),
            own.with_file_name(name),
            own.with_file_name("examples").join(name),
        ];
        places.into_iter().find(|place| place.is_file()).ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> Missing {
        Missing { name: name.to_owned(), folder: self.folder.clone() }
    }
}

/// The size of a program, in bytes.
pub(crate) fn size(program: &Path) -> io::Result<u64> {
    Ok(program.metadata()?.len())
}
