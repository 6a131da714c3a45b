//! What operators' rules kept away.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::ProjectId;

/// How often a rule kept something of a project's reports away. Collectors let it ride on their next message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleOutcome {
    /// The game; it need not be that of the message.
    pub project: ProjectId,
    /// The rule's name.
    pub rule: String,
    /// What it did.
    pub outcome: RuleVerdict,
    /// How often.
    pub count: u64,
}

/// What a rule does to a report that it does not keep whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleVerdict {
    /// Not kept.
    Dropped,
    /// Not in the sample: others stand for it.
    SampledOut,
    /// Counted, and its payloads not kept.
    PayloadsDropped,
}

impl RuleVerdict {
    /// All of them.
    pub const ALL: [RuleVerdict; 3] =
        [RuleVerdict::Dropped, RuleVerdict::SampledOut, RuleVerdict::PayloadsDropped];

    /// The word used in the API and in the catalog.
    pub const fn as_str(self) -> &'static str {
        match self {
            RuleVerdict::Dropped => "dropped",
            RuleVerdict::SampledOut => "sampled-out",
            RuleVerdict::PayloadsDropped => "payloads-dropped",
        }
    }
}

impl fmt::Display for RuleVerdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for RuleVerdict {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|verdict| verdict.as_str() == text);
        known.ok_or("expected dropped, sampled-out or payloads-dropped")
    }
}
