//! Time to the millisecond, in UTC.

use std::{fmt, str::FromStr, time::SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

const MILLIS_A_DAY: i64 = 24 * 60 * 60 * 1000;
/// The first and the last moment that RFC 3339 can write: of the years 0 and 9999.
const FIRST: i64 = -62_167_219_200_000;
const LAST: i64 = 253_402_300_799_999;

/// A text that is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct ParseTimeError(&'static str);

/// A moment: milliseconds since 1970 (UTC). As text and in JSON it is RFC 3339, such as `2026-01-31T23:59:59.999Z`; so no
/// moment lies outside the years 0 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

impl Timestamp {
    /// This moment, by this machine's clock.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// From milliseconds since 1970 (UTC); the nearest moment that there is.
    pub const fn from_millis(millis: i64) -> Self {
        Self(if millis < FIRST {
            FIRST
        } else if millis > LAST {
            LAST
        } else {
            millis
        })
    }

    /// Milliseconds since 1970 (UTC).
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The day (UTC) that this moment lies in.
    pub fn day(self) -> Day {
        Day(self.0.div_euclid(MILLIS_A_DAY))
    }

    /// This moment, moved by so many milliseconds.
    pub fn plus_millis(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    fn date_time(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.date_time().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        DateTime::parse_from_rfc3339(text)
            .map(|time| Self::from_millis(time.timestamp_millis()))
            .map_err(|_| ParseTimeError("a time as in 2026-01-31T23:59:59.999Z"))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = ParseTimeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> String {
        time.to_string()
    }
}

/// A day in UTC, counted from 1970-01-01. As text it is `2026-01-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// From the number of days since 1970-01-01.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Days since 1970-01-01.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Its first moment.
    pub fn start(self) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_mul(MILLIS_A_DAY))
    }

    /// The day so many days later (or, negative, earlier).
    pub fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.start().date_time().format("%Y-%m-%d"))
    }
}

impl FromStr for Day {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = ParseTimeError("a day as in 2026-01-31");
        if text.len() != 10 {
            return Err(error);
        }
        format!("{text}T00:00:00Z").parse::<Timestamp>().map(Timestamp::day).map_err(|_| error)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_time_reads_back_from_its_text(millis in prop_oneof![0_i64..4_102_444_800_000, FIRST..LAST - MILLIS_A_DAY]) {
            let time = Timestamp::from_millis(millis);
            prop_assert_eq!(time.to_string().parse::<Timestamp>(), Ok(time));
            prop_assert_eq!(time.day().to_string().parse::<Day>(), Ok(time.day()));
            prop_assert!(time.day().start() <= time && time < time.day().plus(1).start());
        }
    }

    #[test]
    fn a_time_far_outside_the_calendar_is_its_first_or_last_moment() {
        for (time, text) in [
            (Timestamp::from_millis(i64::MIN), "0000-01-01T00:00:00.000Z"),
            (Timestamp::from_millis(0).plus_millis(i64::MAX), "9999-12-31T23:59:59.999Z"),
            (Day::from_number(i64::MAX).start(), "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
        }
        let beyond = "9999-12-31T23:59:59-23:00".parse::<Timestamp>().unwrap();
        assert_eq!(beyond.to_string().parse(), Ok(beyond));
    }
}
