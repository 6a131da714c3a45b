//! What statistics count of a crash.

use serde::{Deserialize, Serialize};

use crate::{CrashId, Kind, ProjectId, SignatureId, Timestamp};

/// A fact: the narrow row that statistics are made of, one per crash. What a report does not tell is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The crash.
    pub crash_id: CrashId,
    /// The game.
    pub project: ProjectId,
    /// When the collector accepted it.
    pub received_at: Timestamp,
    /// When it happened: the client's clock where it is believable, otherwise `received_at`.
    pub occurred_at: Timestamp,
    /// How many reports it stands for.
    pub weight: u32,
    /// The signature; which issue that belongs to is the catalog's knowledge.
    pub signature: SignatureId,
    /// What sort of end it was.
    pub kind: Kind,
    /// The operating system's or engine's word for the end.
    pub reason: Option<String>,
    /// The version string that the build reports.
    pub release: Option<String>,
    /// Such as live, beta, qa.
    pub environment: Option<String>,
    /// Such as Windows, Linux, Android.
    pub platform: Option<String>,
    /// The operating system's version.
    pub os_version: Option<String>,
    /// Such as amd64, arm64.
    pub arch: Option<String>,
    /// The device's model.
    pub device: Option<String>,
    /// The graphics processor.
    pub gpu: Option<String>,
    /// A keyed hash of the user or installation, 32 hexadecimal digits; never the user's own id.
    pub user: Option<String>,
    /// Seconds that the process had run.
    pub uptime_seconds: Option<u64>,
    /// Whether the payload could not be read.
    pub unreadable: bool,
}
