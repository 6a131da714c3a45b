//! What an answer holds.

use epitaph_crash_model::Timestamp;
use serde::{Deserialize, Serialize};

/// The answer to a [`Question`](crate::Question). Numbers are exact, but for users.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The first of the rows, in the order asked for.
    pub rows: Vec<Row>,
    /// How many rows there are in all.
    pub distinct: u64,
    /// Of all facts that were selected.
    pub totals: Totals,
    /// Of all facts of the baseline, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Totals>,
    /// How far estimated numbers of users may be off, as a part of them: 0.033 means that 19 of 20 are within 3.3 %.
    /// Numbers below about 300 are off by less than one in a thousand.
    pub users_within: f64,
    /// What it took.
    pub work: Work,
}

/// What is measured of some facts. What was not asked for is `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Reports: each crash counts as many as it stands for.
    pub count: u64,
    /// Crashes: each counts once.
    pub crashes: u64,
    /// Distinct users, estimated. Crashes that name none count nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// When the first report was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Timestamp>,
    /// When the last report was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// The first release, in the order of versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_release: Option<String>,
    /// The last release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_release: Option<String>,
}

/// One value of the first dimension.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The value; `None` is the row of the facts that have none.
    pub value: Option<String>,
    /// What was measured of its facts.
    #[serde(flatten)]
    pub totals: Totals,
    /// Its part of all reports selected, from 0 to 1.
    pub share: f64,
    /// The same value in the baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// The values of the second dimension: of time in its order, of others the most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// How many parts there are in all.
    #[serde(default)]
    pub distinct_parts: u64,
}

/// One value of the second dimension, within a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The value; `None` where facts have none.
    pub value: Option<String>,
    /// Reports.
    pub count: u64,
    /// Crashes.
    pub crashes: u64,
}

/// A row's value among the facts of the baseline, and what follows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// Reports in the baseline.
    pub count: u64,
    /// Crashes in the baseline.
    pub crashes: u64,
    /// Its part of all reports of the baseline, from 0 to 1.
    pub share: f64,
    /// Between which numbers the difference (share here less share in the baseline) lies, 99 times of 100.
    pub difference: (f64, f64),
    /// In a word.
    pub verdict: Verdict,
}

/// Whether a value is more frequent in a selection than in its baseline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// More frequent, beyond what chance does.
    More,
    /// As frequent, within 2 of 100.
    Same,
    /// Less frequent, beyond what chance does.
    Less,
    /// Too few crashes to tell.
    #[default]
    TooFew,
}

/// What an answer took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Segments that the period and the projects left to look at.
    pub segments: u64,
    /// How many of them were answered from the cache.
    pub cached: u64,
    /// Facts that were looked at, in segments and in memory.
    pub rows: u64,
    /// Bytes that were asked of the bucket.
    pub bytes: u64,
}
