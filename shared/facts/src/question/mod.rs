//! What can be asked of facts, and what the answer is. Plain data: everything here has a JSON form.

mod answer;
mod dimension;
mod filter;

use epitaph_crash_model::{ProjectId, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::{
    answer::{Answer, Beside, Part, Row, Totals, Verdict, Work},
    dimension::{Bucket, Column, Dimension, ParseDimensionError, UPTIME_CLASSES},
    filter::{Comparison, Filter, Pattern},
};

/// A question that cannot be answered as it is put; the text says what may be asked instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QuestionError(String);

impl QuestionError {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// From a moment, up to but not including another, by when reports were received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Period {
    /// The first moment; `None` for the beginning of everything.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// The moment after the last; `None` for the end of everything.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

impl Period {
    /// All time.
    pub const ALWAYS: Period = Period { from: None, until: None };

    /// Whether a moment lies in it.
    pub fn contains(self, moment: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= moment) && self.until.is_none_or(|until| moment < until)
    }
}

impl Default for Period {
    fn default() -> Self {
        Self::ALWAYS
    }
}

/// What is measured beyond how many, which always is. Each costs reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Measures {
    /// Distinct users, estimated.
    pub users: bool,
    /// First and last seen.
    pub seen: bool,
    /// First and last release, in the order of versions.
    pub releases: bool,
}

/// In which order rows come; the first [`Question::limit`] of them are in the answer. Of equals, the one whose value comes
/// first by its bytes does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The most reports first.
    #[default]
    Count,
    /// The most users first.
    Users,
    /// The last seen first.
    LastSeen,
    /// The last that began first.
    FirstSeen,
    /// By the value itself, ascending.
    Value,
    /// The most surely over-represented beside the baseline first.
    OverRepresented,
    /// The largest change of the share beside the baseline first, whichever way.
    Change,
}

/// What a selection is compared with: all facts that pass another filter, in the same period or another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Baseline {
    /// Which facts count.
    pub filter: Filter,
    /// When; `None` for the question's own period.
    pub period: Option<Period>,
}

/// A question to facts.
///
/// ```
/// use epitaph_facts::{Bucket, Column, Dimension, Filter, Measures, Question};
///
/// // The ten worst issues of a release, each with its days.
/// let question = Question {
///     projects: vec![epitaph_crash_model::ProjectId::FIRST],
///     filter: Filter::equals(Column::Release, "1.4.2"),
///     group_by: vec![Column::Issue.into(), Dimension::Time(Bucket::DAY)],
///     measures: Measures { users: true, ..Measures::default() },
///     limit: 10,
///     ..Question::default()
/// };
/// assert_eq!(question.check(), Ok(()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Question {
    /// Whose facts; empty for those of all projects.
    pub projects: Vec<ProjectId>,
    /// When their reports were received.
    pub period: Period,
    /// Which of them.
    pub filter: Filter,
    /// By what they are told apart: nothing (only totals), one dimension, or two. The rows are the values of the first;
    /// the parts of a row are the values of the second.
    pub group_by: Vec<Dimension>,
    /// What is measured of each row beside its number. Parts are only counted.
    pub measures: Measures,
    /// What each row's share is compared with.
    pub baseline: Option<Baseline>,
    /// Which rows come first.
    pub order: Order,
    /// The most rows.
    pub limit: usize,
    /// The most parts of a row. Of steps of time the latest, of other values the most frequent are given.
    pub parts: usize,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            projects: Vec::new(),
            period: Period::ALWAYS,
            filter: Filter::All,
            group_by: Vec::new(),
            measures: Measures::default(),
            baseline: None,
            order: Order::Count,
            limit: 100,
            parts: 1000,
        }
    }
}

impl Question {
    /// The most rows of an answer.
    pub const MOST_ROWS: usize = 10_000;
    /// The most parts of an answer: `limit` times `parts`.
    pub const MOST_PARTS: usize = 1_000_000;

    /// Whether it can be answered.
    ///
    /// # Errors
    /// What is wrong with it, and what may be asked instead.
    pub fn check(&self) -> Result<(), QuestionError> {
        let wrong = |why: &str| Err(QuestionError::new(why));
        self.filter.check()?;
        if let Some(baseline) = &self.baseline {
            baseline.filter.check()?;
        }
        if self.group_by.len() > 2 {
            return wrong("group_by names at most two dimensions");
        }
        if let [first, second] = self.group_by.as_slice() {
            if first == second {
                return wrong("group_by names the same dimension twice");
            }
            if *second == Dimension::Column(Column::Issue) {
                return wrong(
                    "issues are told apart first: name them before the other dimension in group_by",
                );
            }
            if self.limit.saturating_mul(self.parts) > Self::MOST_PARTS {
                return wrong("limit times parts is at most 1000000");
            }
        }
        if !(1..=Self::MOST_ROWS).contains(&self.limit) {
            return wrong("limit is from 1 to 10000; export, or ask for a shorter period, to get more");
        }
        let by_issue = self.group_by.first() == Some(&Dimension::Column(Column::Issue));
        if by_issue && self.projects.len() != 1 {
            return wrong("issues are numbered within a project: name one project");
        }
        if self.projects.len() > 10_000 {
            return wrong("at most 10000 projects can be named; name none for all");
        }
        match self.order {
            Order::Users if !self.measures.users => wrong("to order by users, measure them"),
            Order::LastSeen | Order::FirstSeen if !self.measures.seen => {
                wrong("to order by first or last seen, measure seen")
            }
            Order::OverRepresented | Order::Change if self.baseline.is_none() => {
                wrong("to order by what is over-represented or has changed, give a baseline")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_reads_back_from_its_json_and_needs_no_more_than_it_says() {
        let question: Question = serde_json::from_str(
            r#"{"filter": {"and": [{"is": {"dimension": "gpu", "any_of": [{"like": "RTX 40*"}]}}, {"has": "user"},
                {"compare": {"dimension": "release", "how": ">=", "with": "1.2"}}]}, "group_by": ["tag:shard"]}"#,
        )
        .unwrap();
        assert_eq!(question.check(), Ok(()));
        let json = serde_json::to_string(&question).unwrap();
        assert_eq!(serde_json::from_str::<Question>(&json).unwrap(), question);
        assert!(serde_json::from_str::<Question>(r#"{"groupby": []}"#).is_err());
    }

    #[test]
    fn a_question_that_cannot_be_answered_is_refused_with_what_may_be_asked() {
        let time = Dimension::Time(Bucket::DAY);
        let deep = (0..100).fold(Filter::All, |inner, _| Filter::Not(Box::new(inner)));
        let wide = Filter::Or(vec![Filter::equals(Column::Gpu, "x"); 1000]);
        let of_time = Filter::Has(time.clone());
        let by = |group_by| Question { group_by, ..Question::default() };
        for wrong in [
            Question { limit: 0, ..Question::default() },
            Question { limit: 10_001, ..Question::default() },
            Question { order: Order::Users, ..Question::default() },
            Question { order: Order::Change, ..Question::default() },
            Question { filter: deep, ..Question::default() },
            Question { filter: wide, ..Question::default() },
            Question { filter: of_time, ..Question::default() },
            by(vec![time.clone(), time.clone()]),
            by(vec![Column::Gpu.into(), Column::Issue.into()]),
            by(vec![time, Column::Gpu.into(), Column::Kind.into()]),
            by(vec![Column::Issue.into()]),
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
