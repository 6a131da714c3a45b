//! Which of two caches of one module is the better one.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a cache is worth, poorest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Worth {
    /// Names of what is exported: other functions have none.
    Names,
    /// Names of functions, without lines.
    Functions,
    /// All that the cache is for.
    Full,
}

/// How good a cache is. Ordered: first by worth, then by how much there is of it.
///
/// A cache is replaced by a better one only. So which one is used depends on the files, and not on the order in which
/// they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Quality {
    /// What it is worth.
    pub worth: Worth,
    /// Ranges of instructions that it knows something of.
    pub ranges: u32,
}

impl Quality {
    /// From a text as [`Quality`] is displayed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (worth, ranges) = text.split_once('-')?;
        let worth = match worth {
            "1" => Worth::Names,
            "2" => Worth::Functions,
            "3" => Worth::Full,
            _ => return None,
        };
        Some(Self { worth, ranges: ranges.parse().ok()? })
    }
}

impl fmt::Display for Quality {
    /// As a part of a key in the bucket: `3-120345`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let worth = match self.worth {
            Worth::Names => 1,
            Worth::Functions => 2,
            Worth::Full => 3,
        };
        write!(formatter, "{worth}-{}", self.ranges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_lines_are_better_than_many_names() {
        let quality = |worth, ranges| Quality { worth, ranges };
        assert!(quality(Worth::Full, 1) > quality(Worth::Functions, 1000));
        assert!(quality(Worth::Functions, 1) > quality(Worth::Names, 1000));
        assert!(quality(Worth::Full, 2) > quality(Worth::Full, 1));
    }

    #[test]
    fn a_quality_reads_back_from_its_text() {
        for worth in [Worth::Names, Worth::Functions, Worth::Full] {
            let quality = Quality { worth, ranges: 120_345 };
            assert_eq!(Quality::parse(&quality.to_string()), Some(quality));
        }
        for text in ["", "3", "4-1", "3--1", "3-99999999999"] {
            assert_eq!(Quality::parse(text), None);
        }
    }
}
