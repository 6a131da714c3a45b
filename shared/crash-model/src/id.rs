//! Names of things: projects, crashes, signatures, issues.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Day, Timestamp};

/// A text that is not the identifier it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not {expected}")]
pub struct ParseIdError {
    given: String,
    expected: &'static str,
}

impl ParseIdError {
    fn new(given: &str, expected: &'static str) -> Self {
        // An identifier comes from outside; an error about it must not repeat a megabyte of it.
        Self { given: given.chars().take(64).collect(), expected }
    }
}

/// One game. A positive integer, at most `i64::MAX` so that every database holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct ProjectId(u64);

impl ProjectId {
    /// The project that exists after the first start.
    pub const FIRST: ProjectId = ProjectId(1);

    /// The number, from 1 to `i64::MAX`.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The number as databases hold it.
    pub fn as_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

impl TryFrom<u64> for ProjectId {
    type Error = ParseIdError;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        if number == 0 || i64::try_from(number).is_err() {
            return Err(ParseIdError::new(&number.to_string(), "a project: a positive integer"));
        }
        Ok(Self(number))
    }
}

impl TryFrom<i64> for ProjectId {
    type Error = ParseIdError;

    fn try_from(number: i64) -> Result<Self, Self::Error> {
        u64::try_from(number)
            .ok()
            .and_then(|number| Self::try_from(number).ok())
            .ok_or_else(|| ParseIdError::new(&number.to_string(), "a project: a positive integer"))
    }
}

impl From<ProjectId> for u64 {
    fn from(project: ProjectId) -> u64 {
        project.0
    }
}

impl FromStr for ProjectId {
    type Err = ParseIdError;

    /// Digits only: a sign or a leading zero would give one project several names, and a key is made from its name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseIdError::new(text, "a project: a positive integer");
        if text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error());
        }
        text.parse::<u64>().ok().and_then(|number| Self::try_from(number).ok()).ok_or_else(error)
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One accepted report, and the crash it becomes: a UUIDv7, so that ids sort by the time of acceptance and tell its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CrashId(Uuid);

impl CrashId {
    /// A new id, accepted now.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// An id from its 16 bytes; `None` unless they are a UUIDv7.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        Self::checked(Uuid::from_bytes(bytes))
    }

    fn checked(uuid: Uuid) -> Option<Self> {
        (uuid.get_version_num() == 7).then_some(Self(uuid))
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// When the report was accepted, to the millisecond, by the collector's clock.
    pub fn accepted_at(&self) -> Timestamp {
        let bytes = self.0.as_bytes();
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&bytes[..6]);
        Timestamp::from_millis(i64::from_be_bytes(millis))
    }

    /// The day of acceptance (UTC), by which objects and rows are filed.
    pub fn day(&self) -> Day {
        self.accepted_at().day()
    }

    /// 32 hexadecimal digits, as Sentry's clients write ids.
    pub fn simple(&self) -> String {
        self.0.simple().to_string()
    }
}

impl Default for CrashId {
    fn default() -> Self {
        Self::new()
    }
}

impl FromStr for CrashId {
    type Err = ParseIdError;

    /// With or without hyphens, in either case, with or without Socorro's `bp-`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.strip_prefix("bp-").unwrap_or(text);
        // The parser of `uuid` also takes braces and URNs; those are not ids that we ever gave.
        let plain = matches!(bare.len(), 32 | 36);
        Uuid::try_parse(bare)
            .ok()
            .filter(|_| plain)
            .and_then(Self::checked)
            .ok_or_else(|| ParseIdError::new(text, "a crash id: a UUID (version 7), with or without hyphens"))
    }
}

impl fmt::Display for CrashId {
    /// Hyphenated, in lower case.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(formatter)
    }
}

/// Names a signature within a project: the first 128 bits of a SHA-256 over its rule version and frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SignatureId([u8; 16]);

impl SignatureId {
    /// From 16 bytes of a hash.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SignatureId {
    /// 32 hexadecimal digits.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl FromStr for SignatureId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseIdError::new(text, "a signature id: 32 hexadecimal digits");
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error());
        }
        u128::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes())).map_err(|_| error())
    }
}

impl TryFrom<String> for SignatureId {
    type Error = ParseIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SignatureId> for String {
    fn from(id: SignatureId) -> String {
        id.to_string()
    }
}

/// Numbers an issue within its project, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IssueNumber(pub i64);

impl fmt::Display for IssueNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for IssueNumber {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(number) if number > 0 => Ok(Self(number)),
            _ => Err(ParseIdError::new(text, "an issue: a positive integer")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_id_reads_back_from_every_form_that_clients_write() {
        let id = CrashId::new();
        let hyphenated = id.to_string();
        for form in [hyphenated.clone(), id.simple(), hyphenated.to_uppercase(), format!("bp-{hyphenated}")] {
            assert_eq!(form.parse::<CrashId>(), Ok(id), "{form}");
        }
    }

    #[test]
    fn a_crash_id_tells_when_it_was_accepted() {
        let before = Timestamp::now();
        let id = CrashId::new();
        assert!(id.accepted_at() >= before && id.accepted_at() <= Timestamp::now());
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        for text in
            ["", "1", "{0198c5a0-0000-7000-8000-000000000000}", "0198c5a0-0000-4000-8000-000000000000"]
        {
            assert!(text.parse::<CrashId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_project_has_one_name_only() {
        assert_eq!("17".parse::<ProjectId>().map(ProjectId::get), Ok(17));
        for text in ["0", "017", "+1", "-1", " 1", "1.0", "", "9223372036854775808", "99999999999999999999"] {
            assert!(text.parse::<ProjectId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_signature_id_reads_back_from_its_text() {
        let id = SignatureId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("+123456789abcdef0123456789abcdef".parse::<SignatureId>().is_err());
    }
}
