//! What sort of end a crash was.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The sort of a crash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The process ended by a fault or an unhandled exception.
    #[default]
    Crash,
    /// It stopped answering (also: application not responding, stall).
    Hang,
    /// It, or the system, ran out of memory.
    Oom,
    /// A fatal check of the game's own failed.
    Assert,
    /// A check failed that the game survives (Unreal's `ensure`).
    Ensure,
    /// An error that the game handled and reported.
    Error,
}

impl Kind {
    /// All of them, in the order in which pages list them.
    pub const ALL: [Kind; 6] = [Kind::Crash, Kind::Hang, Kind::Oom, Kind::Assert, Kind::Ensure, Kind::Error];

    /// The word used in the API and in the catalog.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Crash => "crash",
            Kind::Hang => "hang",
            Kind::Oom => "oom",
            Kind::Assert => "assert",
            Kind::Ensure => "ensure",
            Kind::Error => "error",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or("expected crash, hang, oom, assert, ensure or error")
    }
}
