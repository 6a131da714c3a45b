//! Which rule is about a report, and what becomes of it.

use std::collections::BTreeMap;

use epitaph_crash_model::{Crash, Kind, ProjectId, Report, RuleVerdict};

use crate::{
    document::{Action, Match, Percent, ProjectRules, Rule, Rules},
    glob, labels,
};

/// A value, as far as whoever decides can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known<T> {
    /// This is it, or there surely is none.
    Surely(Option<T>),
    /// It may have any value.
    Unknown,
}

impl<T> Known<T> {
    /// What is there is known; what is not may yet be found elsewhere.
    fn if_there(value: Option<T>) -> Self {
        value.map_or(Self::Unknown, |value| Self::Surely(Some(value)))
    }
}

/// What is known of a report when a rule is looked for.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The game.
    pub project: ProjectId,
    /// The release.
    pub release: Known<String>,
    /// The environment.
    pub environment: Known<String>,
    /// The kind.
    pub kind: Known<Kind>,
    /// The operating system.
    pub platform: Known<String>,
    /// The annotations.
    pub annotations: &'a BTreeMap<String, String>,
    /// Whether these are all annotations that there are.
    pub all_annotations: bool,
    /// Who is in a sample or is not: the user or installation, or else the report's id.
    pub member: Known<String>,
}

impl<'a> Subject<'a> {
    /// What a collector knows: the request's own annotations, before which all others stand back.
    pub fn of_report(report: &'a Report) -> Self {
        Self {
            project: report.project,
            release: Known::if_there(labels::release(&report.annotations)),
            environment: Known::if_there(labels::environment(&report.annotations)),
            kind: Known::Unknown,
            platform: Known::Unknown,
            annotations: &report.annotations,
            all_annotations: false,
            member: Known::if_there(labels::user(&report.annotations).map(str::to_owned)),
        }
    }

    /// What `process` knows, which is all. `user` tells users apart, where one is known.
    pub fn of_crash(crash: &'a Crash, platform: Option<String>, user: Option<String>) -> Self {
        Self {
            project: crash.project,
            release: Known::Surely(crash.release.clone()),
            environment: Known::Surely(crash.environment.clone()),
            kind: Known::Surely(Some(crash.kind)),
            platform: Known::Surely(platform),
            annotations: &crash.annotations,
            all_annotations: true,
            member: Known::Surely(Some(user.unwrap_or_else(|| crash.id.to_string()))),
        }
    }
}

/// What becomes of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'a> {
    /// It is kept.
    Keep {
        /// The rule that says so, if one does.
        rule: Option<&'a Rule>,
        /// How many reports it stands for by that rule; 1 where it was not sampled.
        weight: u32,
    },
    /// It is discarded, and counted.
    Discard {
        /// The rule that says so.
        rule: &'a Rule,
        /// How it is counted.
        verdict: RuleVerdict,
    },
    /// Too little is known. It is kept until more is.
    Open,
}

impl Rules {
    /// What becomes of a report.
    pub fn decide(&self, subject: &Subject<'_>) -> Decision<'_> {
        self.of(subject.project)
            .map_or(Decision::Keep { rule: None, weight: 1 }, |rules| rules.decide(subject))
    }
}

impl ProjectRules {
    fn decide(&self, subject: &Subject<'_>) -> Decision<'_> {
        for rule in &self.rules {
            match rule.matches.holds(subject) {
                Holds::No => {}
                Holds::Perhaps => return Decision::Open,
                Holds::Yes => return rule.decide(subject),
            }
        }
        Decision::Keep { rule: None, weight: 1 }
    }
}

impl Rule {
    fn decide(&self, subject: &Subject<'_>) -> Decision<'_> {
        match self.action {
            Action::Keep => Decision::Keep { rule: Some(self), weight: 1 },
            Action::Drop => Decision::Discard { rule: self, verdict: RuleVerdict::Dropped },
            Action::Sample(percent) => match &subject.member {
                Known::Unknown | Known::Surely(None) => Decision::Open,
                Known::Surely(Some(member)) if self.is_in_sample(subject.project, member, percent) => {
                    Decision::Keep { rule: Some(self), weight: percent.weight() }
                }
                Known::Surely(Some(_)) => Decision::Discard { rule: self, verdict: RuleVerdict::SampledOut },
            },
        }
    }

    /// The same for ever, in every process and version.
    fn is_in_sample(&self, project: ProjectId, member: &str, percent: Percent) -> bool {
        let project = project.to_string();
        hash([project.as_bytes(), self.name.as_bytes(), member.as_bytes()]) % 10_000 < percent.hundredths()
    }
}

/// FNV-1a over the parts, each after its length, and then mixed, so that ids that differ little differ in all bits.
fn hash(parts: [&[u8]; 3]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in (part.len() as u64).to_le_bytes().iter().chain(part) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    for multiplier in [0xff51_afd7_ed55_8ccd_u64, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(multiplier);
    }
    hash ^ (hash >> 33)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
    Perhaps,
}

impl Match {
    fn holds(&self, subject: &Subject<'_>) -> Holds {
        let mut all = Holds::Yes;
        let mut also = |holds| {
            all = match (all, holds) {
                (Holds::No, _) | (_, Holds::No) => Holds::No,
                (Holds::Perhaps, _) | (_, Holds::Perhaps) => Holds::Perhaps,
                (Holds::Yes, Holds::Yes) => Holds::Yes,
            };
        };
        also(is(self.release.as_ref(), &subject.release, |pattern, value| glob::matches(pattern, value)));
        also(is(self.environment.as_ref(), &subject.environment, |pattern, value| {
            glob::matches(pattern, value)
        }));
        also(is(self.platform.as_ref(), &subject.platform, |pattern, value| glob::matches(pattern, value)));
        also(is(self.kind.as_ref(), &subject.kind, |expected, kind| expected == kind));
        for (name, pattern) in &self.annotations {
            also(match subject.annotations.get(name) {
                Some(value) if glob::matches(pattern, value) => Holds::Yes,
                None if !subject.all_annotations => Holds::Perhaps,
                Some(_) | None => Holds::No,
            });
        }
        all
    }
}

fn is<C, T>(condition: Option<&C>, value: &Known<T>, matches: impl Fn(&C, &T) -> bool) -> Holds {
    match (condition, value) {
        (None, _) => Holds::Yes,
        (Some(_), Known::Unknown) => Holds::Perhaps,
        (Some(_), Known::Surely(None)) => Holds::No,
        (Some(condition), Known::Surely(Some(value))) if matches(condition, value) => Holds::Yes,
        (Some(_), Known::Surely(Some(_))) => Holds::No,
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
