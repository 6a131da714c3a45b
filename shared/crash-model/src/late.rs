//! Crashes that are to be named again, one by one.

use serde::{Deserialize, Serialize};

use crate::{CrashId, SignatureId, Timestamp};

/// Crashes with one signature that are perhaps not called alike. It is the data of a message of kind `late-symbols`; one
/// without data is about all that waits in its project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateCrashes {
    /// The signature that their facts name.
    pub signature: SignatureId,
    /// The crashes.
    pub crashes: Vec<LateCrash>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateCrash {
    /// The crash.
    pub crash_id: CrashId,
    /// The attempt whose document is the crash's.
    pub attempt: String,
    /// When the collector accepted it.
    pub received_at: Timestamp,
    /// The version string that the build reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
}
