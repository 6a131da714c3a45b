//! What is wrong with a search, and where.

use std::ops::Range;

/// A search that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {}: {problem}", range.start + 1)]
pub struct SearchError {
    /// Which characters (not bytes) it is about, counted from 0. Empty where something is missing.
    pub range: Range<usize>,
    /// What is wrong with them.
    #[source]
    pub problem: Problem,
}

/// What is wrong, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The search, or a group, begins or ends with what needs something beside it.
    #[error("expected a condition such as os:Windows, a text, or a group in parentheses")]
    ExpectedCondition,
    /// A name has no value behind it.
    #[error("expected a value of {name}, right behind the colon or the sign, such as {name}:{example}")]
    ExpectedValue {
        /// As it was written.
        name: String,
        /// A value that it may have.
        example: &'static str,
    },
    /// An empty text stands where a value is expected.
    #[error("no value is empty; for crashes that tell no {name} write -has:{name}")]
    EmptyValue {
        /// As it was written.
        name: String,
    },
    /// An empty text is searched for.
    #[error("expected a text between the quotes")]
    EmptyText,
    /// `has:` is followed by no name.
    #[error("expected the name of what a crash has, such as has:user or has:tag.shard")]
    ExpectedName,
    /// Quotes are not closed.
    #[error("expected \" at the end of what began here")]
    OpenQuote,
    /// Something follows quotes at once.
    #[error("expected a blank behind the quotes; stars stand between them")]
    BehindQuote,
    /// A parenthesis is not closed.
    #[error("expected ) at the end of the group that began here")]
    OpenGroup,
    /// A parenthesis was not opened.
    #[error("this ) closes nothing; a text with parentheses stands in quotes")]
    StrayClose,
    /// A list is not closed, or its values are not separated.
    #[error("expected , or ] in the list that began here")]
    OpenList,
    /// A name that is nearly a known one.
    #[error("there is no name {given}; did you mean {suggestion}? A tag of this name is written tag.{given}")]
    UnknownName {
        /// As it was written.
        given: String,
        /// The known name.
        suggestion: &'static str,
    },
    /// Time is no value of a crash.
    #[error("time is chosen by the period, not by the search; a tag of this name is written tag.{given}")]
    Time {
        /// As it was written.
        given: String,
    },
    /// A value that the name never has.
    #[error("{name} has no value {given}; expected {expected}")]
    NoSuchValue {
        /// As it was written.
        name: String,
        /// As it was written.
        given: String,
        /// What the name has.
        expected: &'static str,
        /// A value that is nearly this one.
        suggestion: Option<&'static str>,
    },
    /// Values of this name do not come one after another.
    #[error("{name} has no earlier and later; expected a value or a list, such as {name}:{example}")]
    NoOrder {
        /// As it was written.
        name: String,
        /// A value that it may have.
        example: &'static str,
    },
    /// `or`, `and` or `not` in small letters.
    #[error("write {} to join conditions, or \"{given}\" in quotes to find this word", given.to_uppercase())]
    SmallLetters {
        /// As it was written.
        given: String,
    },
    /// A group in a group in a group.
    #[error("groups lie at most 9 deep in each other")]
    TooDeep,
    /// There are more conditions than a filter may have.
    #[error("a search has at most 150 conditions, each value of a list counted; ask in parts")]
    TooMany,
    /// A search or a value that is longer than allowed.
    #[error("expected at most {most} characters")]
    TooLong {
        /// How long it may be.
        most: usize,
    },
}

impl SearchError {
    pub(crate) fn new(range: Range<usize>, problem: Problem) -> Self {
        Self { range, problem }
    }
}

impl Problem {
    /// What is to be written instead of the characters that the error is about, where that can be guessed.
    pub fn suggestion(&self) -> Option<String> {
        match self {
            Problem::UnknownName { suggestion, .. } => Some((*suggestion).to_owned()),
            Problem::NoSuchValue { suggestion, .. } => suggestion.map(str::to_owned),
            Problem::SmallLetters { given } => Some(given.to_uppercase()),
            _ => None,
        }
    }
}
