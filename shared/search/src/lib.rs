#![doc = include_str!("../README.md")]

mod error;
mod names;
mod parse;
mod print;
mod scan;
mod values;

use epitaph_facts::{Dimension, Filter};

pub use error::{Problem, SearchError};

/// The most characters of a search.
pub const LONGEST: usize = 4_000;

/// The filter that a line says.
///
/// # Errors
/// Where something is not understood, and what was expected there.
pub fn parse(text: &str) -> Result<Filter, SearchError> {
    parse::parse(text)
}

/// The line that says a filter; empty for all crashes. `parse` of it gives the same filter again, where that is one that
/// `parse` gave, or a [`narrowed`] one.
pub fn print(filter: &Filter) -> String {
    print::print(filter)
}

/// A filter with one condition more: that a dimension has this value, as a row of an answer has it, or none. Of uptime, a
/// row is a class.
#[must_use]
pub fn narrowed(filter: Filter, dimension: &Dimension, value: Option<&str>) -> Filter {
    let conditions = match value {
        Some(value) => values::clicked(dimension, value),
        None => vec![Filter::Not(Box::new(Filter::Has(dimension.clone())))],
    };
    conditions.into_iter().fold(filter, |filter, condition| match &filter {
        Filter::And(parts) if parts.contains(&condition) => filter,
        _ if filter == condition => filter,
        _ => filter.and(condition),
    })
}

/// The dimension of a name, as a search has it: `os`, `gpu_driver`, `tag.shard`, `shard`.
///
/// # Errors
/// When it is nearly a known one, or no name at all.
pub fn dimension(name: &str) -> Result<Dimension, SearchError> {
    names::alone(name)
}

/// A dimension's name, as a search has it.
pub fn name(dimension: &Dimension) -> String {
    names::print(dimension)
}
