//! What facts are told apart by.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The most characters of a tag's name in a question.
const LONGEST_NAME: usize = 200;

/// Something that facts are told apart by. As text and in JSON it is a word such as `gpu_driver`, or `tag:NAME`, or
/// `time:1d` ([`Bucket`]).
///
/// A fact's value of a dimension is a text, or is missing. Texts are compared as people write versions: digits in them
/// count as numbers, so `1.9` comes before `1.10` (see [`Filter::Compare`](crate::Filter::Compare)).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Dimension {
    /// A column of its own.
    Column(Column),
    /// A tag of the game's choice, by its name.
    Tag(String),
    /// When the report was received, in steps. The value is the step's first moment, in RFC 3339. To group by only.
    Time(Bucket),
}

macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// A dimension that every fact has a column for. Its word is the column's name in a segment.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Column {
            $($(#[$doc])* $name,)*
        }

        impl Column {
            /// All of them.
            pub const ALL: &'static [Column] = &[$(Column::$name,)*];

            /// The word in a question and in a segment's schema.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Column::$name => $word,)*
                }
            }
        }
    };
}

columns! {
    /// The project's number.
    Project = "project",
    /// The issue's number, as the caller's [`Signatures`](crate::Signatures) have it.
    Issue = "issue",
    /// The signature's id: 32 hexadecimal digits.
    Signature = "signature",
    /// Such as `crash` or `hang`.
    Kind = "kind",
    /// The operating system's or engine's word for the end.
    Reason = "reason",
    /// The version string that the build reports.
    Release = "release",
    /// The build within the release.
    Build = "build",
    /// The branch that it was built from.
    Branch = "branch",
    /// The version of the game's data.
    ResourceVersion = "resource_version",
    /// Such as live, beta, qa.
    Environment = "environment",
    /// Such as Windows, Linux, Android.
    Platform = "platform",
    /// The operating system's version.
    OsVersion = "os_version",
    /// Such as amd64, arm64.
    Arch = "arch",
    /// The device's model.
    Device = "device",
    /// The graphics processor.
    Gpu = "gpu",
    /// The version of the graphics driver.
    GpuDriver = "gpu_driver",
    /// The device's memory, in classes.
    MemoryClass = "memory_class",
    /// The country, as two letters.
    Country = "country",
    /// The language and region.
    Locale = "locale",
    /// The game engine and its version.
    Engine = "engine",
    /// Where the game came from.
    Store = "store",
    /// The level or map.
    Level = "level",
    /// The server or shard.
    Server = "server",
    /// `true` or `false`.
    Foreground = "foreground",
    /// The session of play.
    Session = "session",
    /// The user's keyed hash: 32 hexadecimal digits.
    User = "user",
    /// How long the process had run. Filtered by in whole seconds; grouped by in the classes of [`UPTIME_CLASSES`].
    Uptime = "uptime",
    /// `true` or `false`: whether the payload could not be read.
    Unreadable = "unreadable",
}

/// Where classes of uptime begin, in seconds; grouped values are these numbers as text.
pub const UPTIME_CLASSES: [u64; 10] = [0, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600];

/// A text that is no dimension.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not {expected}")]
pub struct ParseDimensionError {
    given: String,
    expected: &'static str,
}

impl ParseDimensionError {
    fn new(given: &str, expected: &'static str) -> Self {
        Self { given: given.chars().take(64).collect(), expected }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Column {
    type Err = ParseDimensionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().find(|column| column.as_str() == text);
        known
            .copied()
            .ok_or_else(|| ParseDimensionError::new(text, "a dimension, such as release, gpu or issue"))
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dimension::Column(column) => column.fmt(formatter),
            Dimension::Tag(name) => write!(formatter, "tag:{name}"),
            Dimension::Time(bucket) => write!(formatter, "time:{bucket}"),
        }
    }
}

impl FromStr for Dimension {
    type Err = ParseDimensionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(name) = text.strip_prefix("tag:") {
            if name.is_empty() || name.chars().count() > LONGEST_NAME {
                return Err(ParseDimensionError::new(text, "a tag's name, of at most 200 characters"));
            }
            return Ok(Self::Tag(name.to_owned()));
        }
        match text.strip_prefix("time:") {
            Some(bucket) => bucket.parse().map(Self::Time),
            None => text.parse().map(Self::Column),
        }
    }
}

impl TryFrom<String> for Dimension {
    type Error = ParseDimensionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Dimension> for String {
    fn from(dimension: Dimension) -> String {
        dimension.to_string()
    }
}

impl From<Column> for Dimension {
    fn from(column: Column) -> Self {
        Self::Column(column)
    }
}

/// Steps of time. As text: a number with `m`, `h`, `d` or `w` (such as `15m`, `1h`, `1d`, `1w`), and, for a time zone,
/// the minutes that it is ahead of UTC (`1d+120`, `1d-300`). Weeks begin on Monday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    minutes: u32,
    ahead: i16,
}

/// A Monday; steps are counted from it.
const ORIGIN: i64 = 4 * 24 * 60;
const UNITS: [(char, u32); 4] = [('w', 7 * 24 * 60), ('d', 24 * 60), ('h', 60), ('m', 1)];

impl Bucket {
    /// Days of UTC.
    pub const DAY: Bucket = Bucket { minutes: 24 * 60, ahead: 0 };
    /// Hours.
    pub const HOUR: Bucket = Bucket { minutes: 60, ahead: 0 };

    /// Steps of 1 minute to 520 weeks, where clocks are at most 14 hours ahead of or behind UTC.
    pub fn new(minutes: u32, minutes_ahead: i16) -> Option<Self> {
        let possible = (1..=520 * 7 * 24 * 60).contains(&minutes) && (-840..=840).contains(&minutes_ahead);
        possible.then_some(Self { minutes, ahead: minutes_ahead })
    }

    /// The length of a step in milliseconds.
    pub fn millis(self) -> i64 {
        i64::from(self.minutes) * 60_000
    }

    /// The first moment of the step that a moment lies in; both in milliseconds since 1970 (UTC).
    pub fn start_of(self, millis: i64) -> i64 {
        let origin = (ORIGIN - i64::from(self.ahead)) * 60_000;
        let since = millis.saturating_sub(origin);
        millis.saturating_sub(since.rem_euclid(self.millis()))
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, minutes)| self.minutes.is_multiple_of(*minutes));
        let (letter, minutes) = unit.copied().unwrap_or(('m', 1));
        write!(formatter, "{}{letter}", self.minutes / minutes)?;
        if self.ahead == 0 { Ok(()) } else { write!(formatter, "{:+}", self.ahead) }
    }
}

impl FromStr for Bucket {
    type Err = ParseDimensionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let sign = text.find(['+', '-']).unwrap_or(text.len());
            let (step, ahead) = text.split_at_checked(sign)?;
            let ahead = if ahead.is_empty() { 0 } else { ahead.parse().ok()? };
            let letter = step.chars().next_back()?;
            let (_, minutes) = UNITS.iter().find(|(unit, _)| *unit == letter)?;
            let number: u32 = step.get(..step.len() - 1)?.parse().ok()?;
            Self::new(number.checked_mul(*minutes)?, ahead)
        };
        parse().ok_or_else(|| {
            ParseDimensionError::new(text, "a step of time, such as 15m, 1h, 1d, 1w or 1d+120")
        })
    }
}

#[cfg(test)]
mod tests {
    use epitaph_crash_model::Timestamp;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_dimension_reads_back_from_its_text() {
        let columns = Column::ALL.iter().map(|column| Dimension::Column(*column));
        let others = [Dimension::Tag("a tag: odd".into()), Dimension::Time(Bucket::new(90, -300).unwrap())];
        for dimension in columns.chain(others) {
            assert_eq!(dimension.to_string().parse(), Ok(dimension.clone()));
            let json = serde_json::to_string(&dimension).unwrap();
            assert_eq!(serde_json::from_str::<Dimension>(&json).unwrap(), dimension);
        }
    }

    #[test]
    fn what_is_no_dimension_is_refused_with_an_example() {
        for text in ["", "colour", "tag:", "time:", "time:0d", "time:1y", "time:1d+9999", "time:99999999999w"]
        {
            assert!(text.parse::<Dimension>().is_err(), "{text}");
        }
        let told = "colour".parse::<Dimension>().unwrap_err().to_string();
        assert_eq!(told, r#""colour" is not a dimension, such as release, gpu or issue"#);
    }

    #[test]
    fn days_begin_at_midnight_of_the_time_zone_and_weeks_on_monday() {
        let start = |bucket: &str, time: &str| {
            let bucket: Bucket = bucket.parse().unwrap();
            Timestamp::from_millis(bucket.start_of(time.parse::<Timestamp>().unwrap().as_millis()))
                .to_string()
        };
        assert_eq!(start("1d", "2026-11-22T23:30:00Z"), "2026-11-22T00:00:00.000Z");
        assert_eq!(start("1d+120", "2026-11-22T23:30:00Z"), "2026-11-22T22:00:00.000Z");
        assert_eq!(start("1d-300", "2026-11-22T23:30:00Z"), "2026-11-22T05:00:00.000Z");
        // A Sunday.
        assert_eq!(start("1w", "2026-11-22T23:30:00Z"), "2026-11-16T00:00:00.000Z");
        assert_eq!(start("1h", "1969-12-31T23:30:00Z"), "1969-12-31T23:00:00.000Z");
    }

    proptest! {
        #[test]
        fn a_moment_lies_in_its_step(minutes in 1_u32..100_000, ahead in -840_i16..=840, millis in any::<i64>()) {
            let bucket = Bucket::new(minutes, ahead).unwrap();
            let start = bucket.start_of(millis);
            prop_assert!(start <= millis && millis - start < bucket.millis());
            prop_assert_eq!(bucket.start_of(start), start);
            prop_assert_eq!(bucket.to_string().parse(), Ok(bucket));
        }
    }
}
