//! Reads variables one by one and keeps every problem, so that an operator sees all of them at once.

use std::{fmt, ops::RangeInclusive, str::FromStr, time::Duration};

use super::size;

/// How much of a value a problem shows.
const SHOWN: usize = 60;

/// Everything that is wrong with a configuration, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    problems: Vec<String>,
}

impl SettingsError {
    /// One sentence per problem, each naming its variable.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.problems.join("; "))
    }
}

impl std::error::Error for SettingsError {}

pub(super) struct Reader<G> {
    get: G,
    problems: Vec<String>,
}

impl<G: Fn(&str) -> Option<String>> Reader<G> {
    pub(super) fn new(get: G) -> Self {
        Self { get, problems: Vec::new() }
    }

    /// The value without the spaces around it. An empty value counts as unset: templates write those.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let value = (self.get)(name)?;
        if value.contains(char::REPLACEMENT_CHARACTER) {
            self.problem(format!("{name} is not UTF-8 text"));
            return None;
        }
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    pub(super) fn is_set(&mut self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// A value that may be shown when it is wrong, so nothing secret.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let value = parse(&text);
        if value.is_none() {
            let shown: String = text.chars().take(SHOWN).collect();
            let more = if shown.len() < text.len() { "..." } else { "" };
            self.problem(format!("{name} is {shown:?}{more}, expected {expected}"));
        }
        value
    }

    /// A secret value: its problem never shows it.
    pub(super) fn hidden<T, E: fmt::Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name)?;
        parse(&text).map_err(|error| self.problem(format!("{name} {error}"))).ok()
    }

    pub(super) fn number<T>(&mut self, name: &str, default: T, allowed: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + fmt::Display,
    {
        let expected = format!("a whole number from {} to {}", allowed.start(), allowed.end());
        self.parsed(name, &expected, |text| number(text).filter(|value| allowed.contains(value)))
            .unwrap_or(default)
    }

    pub(super) fn bytes(&mut self, name: &str, default: u64, allowed: RangeInclusive<u64>) -> u64 {
        let expected =
            format!("bytes from {} to {}, such as 1048576, 1024K or 1M", allowed.start(), allowed.end());
        self.parsed(name, &expected, |text| size::parse(text).filter(|value| allowed.contains(value)))
            .unwrap_or(default)
    }

    pub(super) fn seconds(&mut self, name: &str, default: u64, allowed: RangeInclusive<u64>) -> Duration {
        let expected = format!("whole seconds from {} to {}", allowed.start(), allowed.end());
        let seconds =
            self.parsed(name, &expected, |text| number(text).filter(|value| allowed.contains(value)));
        Duration::from_secs(seconds.unwrap_or(default))
    }

    pub(super) fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// `settings`, unless there was a problem.
    pub(super) fn finish<T>(self, settings: T) -> Result<T, SettingsError> {
        if self.problems.is_empty() { Ok(settings) } else { Err(SettingsError { problems: self.problems }) }
    }
}

/// Digits only: `FromStr` would also take a leading `+`.
pub(super) fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
