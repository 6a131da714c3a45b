//! What statistics count of a crash.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{CrashId, Kind, ProjectId, SignatureId, Timestamp};

/// A fact: the narrow row that statistics are made of, one per crash. What a report does not tell is `None`.
///
/// Fields are only ever added, and a reader takes what is not there as not told.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The version string that the build reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The build within the release, such as a changelist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The branch that it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The version of the game's data, where it is updated apart from the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// Such as live, beta, qa.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Such as Windows, Linux, Android.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The operating system's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Such as amd64, arm64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// The device's model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The graphics processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
    /// The version of the graphics driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_driver: Option<String>,
    /// The device's memory, in classes such as `8 GB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_class: Option<String>,
    /// The country, as two letters, from the edge's own header or the client's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The language and region that the game ran in, such as `de-DE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The game engine and its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// Where the game was bought or installed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The level or map that was played.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// The server or shard that was played on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Whether the game was in the foreground.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreground: Option<bool>,
    /// The session of play.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// A keyed hash of the user or installation, 16 hexadecimal digits; never the user's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Seconds that the process had run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_seconds: Option<u64>,
    /// Whether the payload could not be read.
    #[serde(default)]
    pub unreadable: bool,
    /// Names and values that the game chose for searching.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

impl Fact {
    /// The fact of a crash of which no more is known than that it was reported, and what it is called.
    pub fn new(crash_id: CrashId, project: ProjectId, signature: SignatureId) -> Self {
        Self {
            crash_id,
            project,
            received_at: crash_id.accepted_at(),
            occurred_at: crash_id.accepted_at(),
            weight: 1,
            signature,
            kind: Kind::default(),
            reason: None,
            release: None,
            build: None,
            branch: None,
            resource_version: None,
            environment: None,
            platform: None,
            os_version: None,
            arch: None,
            device: None,
            gpu: None,
            gpu_driver: None,
            memory_class: None,
            country: None,
            locale: None,
            engine: None,
            store: None,
            level: None,
            server: None,
            foreground: None,
            session: None,
            user: None,
            uptime_seconds: None,
            unreadable: false,
            tags: BTreeMap::new(),
        }
    }
}
