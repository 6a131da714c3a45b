//! Names of dimensions: known ones, short ones, nearly known ones, and tags.

use std::ops::Range;

use epitaph_facts::{Column, Dimension};

use crate::{
    error::{Problem, SearchError},
    scan::Scanner,
};

/// What people call columns, beside the columns' own words.
const SHORT: [(&str, Column); 6] = [
    ("os", Column::Platform),
    ("version", Column::Release),
    ("env", Column::Environment),
    ("map", Column::Level),
    ("driver", Column::GpuDriver),
    ("memory", Column::MemoryClass),
];
/// What people may try, although the period says it.
const TIMES: [&str; 8] = ["time", "date", "day", "received", "received_at", "since", "until", "period"];
const TAG: &str = "tag.";
/// The most characters of a tag's name, as in [`Dimension`]'s text.
const LONGEST_TAG: usize = 200;

/// What stands before a colon.
pub(crate) enum Name {
    Has,
    Of(Dimension),
}

pub(crate) fn is_letter(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.')
}

/// What a name, which may be `tag.` and a tag's, stands for.
pub(crate) fn resolve(given: &str, range: Range<usize>) -> Result<Name, SearchError> {
    if let Some(name) = given.strip_prefix(TAG) {
        return tag(name, range).map(Name::Of);
    }
    let lower = given.to_lowercase();
    if lower == "has" {
        return Ok(Name::Has);
    }
    let column = lower.parse().ok().or_else(|| {
        let short = SHORT.iter().find(|(name, _)| *name == lower);
        short.map(|(_, column)| *column)
    });
    if let Some(column) = column {
        return Ok(Name::Of(Dimension::Column(column)));
    }
    let given = given.to_owned();
    if TIMES.contains(&lower.as_str()) {
        return Err(SearchError::new(range, Problem::Time { given }));
    }
    let known = Column::ALL.iter().map(|column| column.as_str());
    match nearest(&lower, known.chain(SHORT.iter().map(|(name, _)| *name)).chain(["has"])) {
        Some(suggestion) => Err(SearchError::new(range, Problem::UnknownName { given, suggestion })),
        None => tag(&given, range).map(Name::Of),
    }
}

/// A tag by its name alone.
pub(crate) fn tag(name: &str, range: Range<usize>) -> Result<Dimension, SearchError> {
    match name.chars().count() {
        0 => Err(SearchError::new(range, Problem::ExpectedName)),
        1..=LONGEST_TAG => Ok(Dimension::Tag(name.to_owned())),
        _ => Err(SearchError::new(range, Problem::TooLong { most: LONGEST_TAG })),
    }
}

/// A name that stands by itself.
pub(crate) fn alone(text: &str) -> Result<Dimension, SearchError> {
    let mut scanner = Scanner::new(text.trim())?;
    let (name, range) = scanner.name()?;
    if !scanner.at_end() || range.is_empty() {
        return Err(SearchError::new(scanner.place(), Problem::ExpectedName));
    }
    match name.dimension(range.clone())? {
        Name::Of(dimension) => Ok(dimension),
        Name::Has => Err(SearchError::new(range, Problem::ExpectedName)),
    }
}

/// The known word that was probably meant; `None` for what is unlike all of them, or is too short to tell.
pub(crate) fn nearest(given: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let most = match given.chars().count() {
        ..4 => return None,
        4..6 => 1,
        _ => 2,
    };
    let with_distance = known.map(|word| (strsim::osa_distance(given, word), word));
    with_distance.filter(|(distance, _)| *distance <= most).min().map(|(_, word)| word)
}

pub(crate) fn print(dimension: &Dimension) -> String {
    match dimension {
        Dimension::Tag(name) if name.chars().all(is_letter) => format!("{TAG}{name}"),
        Dimension::Tag(name) => format!("{TAG}{}", crate::print::quoted(name)),
        other => other.to_string(),
    }
}
