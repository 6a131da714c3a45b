//! Which facts a question is about.

use serde::{Deserialize, Serialize};

use super::{Dimension, QuestionError};

/// Which facts count. The text forms of dimensions and of what they are compared with are those of [`Dimension`].
///
/// In JSON: `"all"`, `{"and": [...]}`, `{"not": ...}`, `{"is": {"dimension": "gpu", "any_of": [{"like": "RTX 40*"}]}}`,
/// `{"compare": {"dimension": "release", "how": ">=", "with": "1.2"}}`, `{"has": "user"}`, `{"text": "render"}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// All of them.
    #[default]
    All,
    /// Those that pass all of these.
    And(Vec<Filter>),
    /// Those that pass any of these.
    Or(Vec<Filter>),
    /// Those that do not pass this one.
    Not(Box<Filter>),
    /// Those whose value matches one of these; a missing value matches none.
    Is {
        /// What is looked at.
        dimension: Dimension,
        /// What it may be.
        any_of: Vec<Pattern>,
    },
    /// Those whose value comes before or after this one, in the order of versions (uptime: of numbers). A missing value
    /// is never among them.
    Compare {
        /// What is looked at.
        dimension: Dimension,
        /// On which side.
        how: Comparison,
        /// Of what.
        with: String,
    },
    /// Those that have a value.
    Has(Dimension),
    /// Those whose signature contains this text, whatever the letters' case.
    Text(String),
}

/// What a value may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// This text, to the letter.
    Exactly(String),
    /// This text, whatever the letters' case; `*` stands for any characters, `?` for one.
    Like(String),
}

impl Pattern {
    fn text(&self) -> &String {
        match self {
            Pattern::Exactly(text) | Pattern::Like(text) => text,
        }
    }
}

/// A side of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Comparison {
    /// Before it.
    #[serde(rename = "<")]
    Less,
    /// Before it, or equal.
    #[serde(rename = "<=")]
    LessOrEqual,
    /// After it.
    #[serde(rename = ">")]
    Greater,
    /// After it, or equal.
    #[serde(rename = ">=")]
    GreaterOrEqual,
}

impl Comparison {
    /// Whether something that is so ordered to what it is compared with is on this side.
    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Filter {
    /// The most conditions of a filter, each pattern counted.
    pub const MOST: usize = 500;
    /// How deep conditions may lie in each other.
    pub const DEEPEST: usize = 32;
    /// The most characters of a text to compare with.
    pub const LONGEST: usize = 1000;

    /// The facts whose value of a dimension is this one.
    pub fn equals(dimension: impl Into<Dimension>, value: impl Into<String>) -> Self {
        Self::Is { dimension: dimension.into(), any_of: vec![Pattern::Exactly(value.into())] }
    }

    /// Those that pass both.
    #[must_use]
    pub fn and(self, other: Filter) -> Self {
        match (self, other) {
            (Filter::All, other) => other,
            (this, Filter::All) => this,
            (Filter::And(mut all), other) => {
                all.push(other);
                Filter::And(all)
            }
            (this, other) => Filter::And(vec![this, other]),
        }
    }

    pub(crate) fn check(&self) -> Result<(), QuestionError> {
        match self.conditions(0)? {
            ..=Self::MOST => Ok(()),
            _ => Err(QuestionError::new("a filter has at most 500 conditions; ask in parts")),
        }
    }

    fn conditions(&self, depth: usize) -> Result<usize, QuestionError> {
        if depth > Self::DEEPEST {
            return Err(QuestionError::new("a filter's conditions lie at most 32 deep in each other"));
        }
        let short = |text: &String| match text.chars().count() {
            ..=Self::LONGEST => Ok(1),
            _ => Err(QuestionError::new("a text to compare with has at most 1000 characters")),
        };
        let valued = |dimension: &Dimension| match dimension {
            Dimension::Time(_) => Err(QuestionError::new("time is chosen by the period, not by a filter")),
            _ => Ok(1),
        };
        match self {
            Filter::All => Ok(1),
            Filter::And(parts) | Filter::Or(parts) => {
                sum(parts.iter().map(|part| part.conditions(depth + 1)))
            }
            Filter::Not(part) => part.conditions(depth + 1),
            Filter::Is { dimension, any_of } => {
                valued(dimension)?;
                sum(any_of.iter().map(|pattern| short(pattern.text())))
            }
            Filter::Compare { dimension, with, .. } => valued(dimension).and_then(|_| short(with)),
            Filter::Has(dimension) => valued(dimension),
            Filter::Text(text) => short(text),
        }
    }
}

fn sum(mut counts: impl Iterator<Item = Result<usize, QuestionError>>) -> Result<usize, QuestionError> {
    counts.try_fold(1_usize, |sum, count| count.map(|count| sum.saturating_add(count)))
}
