//! The document, as people write it and collectors read it.

use std::collections::{BTreeMap, BTreeSet};

use epitaph_crash_model::{Kind, ProjectId};
use epitaph_scrub::ScrubRules;
use serde::{Deserialize, Serialize};

use crate::symbol_source::SymbolSource;

/// The version of [`Rules`]'s JSON that this code reads and writes.
pub const RULES_VERSION: u32 = 1;
/// The most bytes of a document.
pub const LARGEST_DOCUMENT: u64 = 256 << 10;
/// Key generations are counted from 0 to this. A collector that has not read its rules yet accepts all of them: it can
/// verify each, and may not turn a shipped game away.
pub const LARGEST_GENERATION: u32 = 31;
/// What is accepted where nothing is said.
const GENERATIONS: [u32; 1] = [0];
/// How long something may be kept, in days: what `EPITAPH_RETENTION_DAYS` takes.
const DAYS: std::ops::RangeInclusive<u32> = 1..=3650;
const MOST_RULES: usize = 100;
const MOST_SYMBOL_SOURCES: usize = 10;
const MOST_ANNOTATIONS: usize = 10;
const LONGEST_NAME: usize = 50;
const LONGEST_PATTERN: usize = 200;

/// Why a document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// It has too many bytes.
    #[error("the document has {0} bytes; expected at most {LARGEST_DOCUMENT}")]
    TooLarge(usize),
    /// It is not JSON of this form.
    #[error("the document is not of the expected form (see shared/rules/README.md)")]
    Form(#[from] serde_json::Error),
    /// It is of a version that this code does not read.
    #[error("the document has version {0}; expected {RULES_VERSION}")]
    Version(u32),
    /// It says something that makes no sense.
    #[error("project {project}: {problem}")]
    Senseless {
        /// Where.
        project: ProjectId,
        /// What, and what was expected.
        problem: String,
    },
}

/// All rules of an installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// [`RULES_VERSION`].
    pub version: u32,
    /// Counts the changes. Set where it is published, not by people.
    #[serde(default)]
    pub revision: i64,
    /// What holds for each project. One that is not here accepts keys of generation 0, and all its reports are kept.
    #[serde(default)]
    pub projects: BTreeMap<ProjectId, ProjectRules>,
}

/// What holds for one project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectRules {
    /// The generations whose keys are accepted; 0 alone where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_generations: Option<Vec<u32>>,
    /// The first that matches a report decides; a report that none matches is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// What a report may have, where that is less than the settings say.
    #[serde(default, skip_serializing_if = "ProjectLimits::is_empty")]
    pub limits: ProjectLimits,
    /// What private things are taken out of crashes: all, where nothing is said.
    #[serde(default, skip_serializing_if = "is_default")]
    pub scrub: ScrubRules,
    /// How long its crashes are kept, where that is not what the settings say.
    #[serde(default, skip_serializing_if = "Retention::is_empty")]
    pub retention: Retention,
    /// Other symbol servers that are asked for debug files that nobody uploaded, in this order; none where nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub symbol_sources: Vec<SymbolSource>,
}

fn is_default(scrub: &ScrubRules) -> bool {
    *scrub == ScrubRules::default()
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it is called in counts and answers; unique in its project.
    pub name: String,
    /// Which reports it is about: all conditions must hold. Without any: all reports.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// What becomes of them.
    pub action: Action,
    /// Of those that are kept, payloads are stored for the first so many of a signature in an hour only. All are
    /// counted. Decided by `process`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_per_signature_and_hour: Option<u32>,
}

/// The conditions of a rule; texts are patterns of `*` and `?`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// The release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// The environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The kind of crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Annotations, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What becomes of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is kept.
    Keep,
    /// It is discarded, and counted.
    Drop,
    /// So many of a hundred users' reports are kept, each standing for others; the rest is discarded, and counted.
    Sample(Percent),
}

/// 0.01 to 100 percent, in steps of 0.01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Percent(u16);

impl Percent {
    /// In hundredths of a percent, from 1 to 10,000.
    pub fn hundredths(self) -> u64 {
        u64::from(self.0)
    }

    /// How many reports a kept one stands for: 100 divided by the percentage, rounded.
    pub fn weight(self) -> u32 {
        let hundredths = u32::from(self.0);
        (10_000 + hundredths / 2) / hundredths
    }
}

impl TryFrom<f64> for Percent {
    type Error = &'static str;

    #[expect(clippy::cast_possible_truncation, reason = "checked to be from 1 to 10000")]
    #[expect(clippy::cast_sign_loss, reason = "checked to be from 1 to 10000")]
    fn try_from(percent: f64) -> Result<Self, Self::Error> {
        let hundredths = (percent * 100.0).round();
        if (1.0..=10_000.0).contains(&hundredths) && (hundredths - percent * 100.0).abs() < 1e-6 {
            Ok(Self(hundredths as u16))
        } else {
            Err("expected a percentage from 0.01 to 100, in steps of 0.01")
        }
    }
}

impl From<Percent> for f64 {
    fn from(percent: Percent) -> f64 {
        f64::from(percent.0) / 100.0
    }
}

/// Limits of one project's reports; they can lower those of the settings, never raise them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectLimits {
    /// Bytes of one file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<u64>,
    /// Files in one report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<usize>,
}

impl ProjectLimits {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How long crashes of a project are kept, in days.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// All that is known of a crash: its fact, its document, its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crashes: Option<u32>,
    /// Its files: the dump and what came with it. Not kept for longer than the crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u32>,
}

impl Retention {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn check(self) -> Result<(), String> {
        match [self.crashes, self.files].into_iter().flatten().find(|days| !DAYS.contains(days)) {
            Some(days) => {
                let (least, most) = (DAYS.start(), DAYS.end());
                Err(format!("nothing is kept for {days} days; expected {least} to {most}"))
            }
            None => Ok(()),
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { version: RULES_VERSION, revision: 0, projects: BTreeMap::new() }
    }
}

impl Rules {
    /// Reads a document and checks that it makes sense.
    ///
    /// # Errors
    /// [`RulesError`].
    pub fn read(json: &[u8]) -> Result<Self, RulesError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        if json.len() as u64 > LARGEST_DOCUMENT {
            return Err(RulesError::TooLarge(json.len()));
        }
        let Versioned { version } = serde_json::from_slice(json)?;
        if version != RULES_VERSION {
            return Err(RulesError::Version(version));
        }
        let rules: Self = serde_json::from_slice(json)?;
        for (&project, of_project) in &rules.projects {
            of_project.check().map_err(|problem| RulesError::Senseless { project, problem })?;
        }
        Ok(rules)
    }

    /// The document, as people read it.
    ///
    /// # Errors
    /// [`RulesError::TooLarge`], where it could not be read again.
    pub fn write(&self) -> Result<String, RulesError> {
        let text = serde_json::to_string_pretty(self)?;
        if text.len() as u64 > LARGEST_DOCUMENT {
            return Err(RulesError::TooLarge(text.len()));
        }
        Ok(text)
    }

    /// The rules of a project, if it has any.
    pub fn of(&self, project: ProjectId) -> Option<&ProjectRules> {
        self.projects.get(&project)
    }

    /// The generations whose keys a project accepts.
    pub fn generations(&self, project: ProjectId) -> &[u32] {
        self.of(project).and_then(|rules| rules.key_generations.as_deref()).unwrap_or(&GENERATIONS)
    }

    /// The newest generation whose keys a project accepts: the one to hand out. `None` if all were revoked.
    pub fn newest_generation(&self, project: ProjectId) -> Option<u32> {
        self.generations(project).iter().max().copied()
    }

    /// What private things are taken out of a project's crashes.
    pub fn scrub(&self, project: ProjectId) -> ScrubRules {
        self.of(project).map(|rules| rules.scrub).unwrap_or_default()
    }

    /// How long crashes of a project are kept, where it says so.
    pub fn retention(&self, project: ProjectId) -> Retention {
        self.of(project).map(|rules| rules.retention).unwrap_or_default()
    }

    /// Other symbol servers that a project's debug files are asked of, in order.
    pub fn symbol_sources(&self, project: ProjectId) -> &[SymbolSource] {
        self.of(project).map(|rules| rules.symbol_sources.as_slice()).unwrap_or_default()
    }

    /// Takes over the key generations of projects about which this document says nothing: games that are shipped must
    /// not be locked out by somebody who only wrote rules.
    pub fn keep_generations_of(&mut self, before: &Rules) {
        for (project, old) in &before.projects {
            if old.key_generations.is_some() {
                let new = self.projects.entry(*project).or_default();
                new.key_generations = new.key_generations.take().or_else(|| old.key_generations.clone());
            }
        }
    }

    /// Adds the next generation to those that a project accepts, and answers it; `None` when the last has been issued.
    pub fn add_generation(&mut self, project: ProjectId) -> Option<u32> {
        let mut generations = self.generations(project).to_vec();
        let next = generations.iter().max().map_or(0, |newest| newest + 1);
        if next > LARGEST_GENERATION {
            return None;
        }
        generations.push(next);
        self.projects.entry(project).or_default().key_generations = Some(generations);
        Some(next)
    }

    /// Stops accepting a generation of a project's keys; false if it was not accepted.
    pub fn revoke_generation(&mut self, project: ProjectId, generation: u32) -> bool {
        let mut generations = self.generations(project).to_vec();
        let before = generations.len();
        generations.retain(|accepted| *accepted != generation);
        let revoked = generations.len() < before;
        if revoked {
            self.projects.entry(project).or_default().key_generations = Some(generations);
        }
        revoked
    }
}

impl ProjectRules {
    fn check(&self) -> Result<(), String> {
        let generations = self.key_generations.as_deref().unwrap_or_default();
        if let Some(unknown) = generations.iter().find(|generation| **generation > LARGEST_GENERATION) {
            return Err(format!("key generation {unknown} cannot be; expected 0 to {LARGEST_GENERATION}"));
        }
        if generations.iter().collect::<BTreeSet<_>>().len() < generations.len() {
            return Err("a key generation is listed twice".to_owned());
        }
        if self.rules.len() > MOST_RULES {
            return Err(format!("there are {} rules; expected at most {MOST_RULES}", self.rules.len()));
        }
        self.retention.check()?;
        if self.symbol_sources.len() > MOST_SYMBOL_SOURCES {
            let count = self.symbol_sources.len();
            return Err(format!("there are {count} symbol sources; expected at most {MOST_SYMBOL_SOURCES}"));
        }
        for (index, source) in self.symbol_sources.iter().enumerate() {
            source.check().map_err(|problem| format!("symbol source {}: {problem}", index + 1))?;
        }
        let mut names = BTreeSet::new();
        for rule in &self.rules {
            let name: String = rule.name.chars().take(LONGEST_NAME).collect();
            rule.check().map_err(|problem| format!("rule {name:?}: {problem}"))?;
            if !names.insert(&rule.name) {
                return Err(format!("rule {name:?} is there twice; expected a name for each"));
            }
        }
        Ok(())
    }
}

impl Rule {
    fn check(&self) -> Result<(), String> {
        let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_');
        if self.name.is_empty() || self.name.len() > LONGEST_NAME || !self.name.bytes().all(is_plain) {
            return Err(format!(
                "the name is wrong; expected 1 to {LONGEST_NAME} of A-Z, a-z, 0-9, '-' and '_'"
            ));
        }
        if self.action == Action::Drop && self.first_per_signature_and_hour.is_some() {
            return Err("what is dropped has no first ones; expected keep or sample".to_owned());
        }
        let Match { release, environment, kind: _, platform, annotations } = &self.matches;
        if annotations.len() > MOST_ANNOTATIONS {
            return Err(format!("expected at most {MOST_ANNOTATIONS} annotations"));
        }
        let patterns = [release, environment, platform].into_iter().flatten();
        let all = patterns.chain(annotations.keys()).chain(annotations.values());
        match all.into_iter().find(|pattern| pattern.len() > LONGEST_PATTERN) {
            Some(_) => Err(format!("a pattern is too long; expected at most {LONGEST_PATTERN} bytes")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
