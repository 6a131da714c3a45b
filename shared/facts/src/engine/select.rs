//! Which rows pass a filter: it is asked once of each distinct value, not of each row.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
};

use crate::{
    Column, Comparison, Filter, Pattern,
    like::Like,
    segment::{Coded, Codes, Field, RowGroup, Rows, Table},
    version,
};

/// A filter, ready to be asked.
#[derive(Debug)]
pub(crate) enum Test {
    Always(bool),
    /// What is asked of one column.
    Column(Field, Condition),
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
}

/// What is asked of a value, which may be missing.
#[derive(Debug)]
pub(crate) enum Condition {
    Has,
    OneOf { exactly: HashSet<String>, like: Vec<Like> },
    Compare(Comparison, String),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
}

impl Condition {
    /// Whether it asks for more than whether there is a value.
    fn asks_for_value(&self) -> bool {
        match self {
            Condition::Has => false,
            Condition::OneOf { .. } | Condition::Compare(..) => true,
            Condition::All(parts) | Condition::Any(parts) => parts.iter().any(Self::asks_for_value),
            Condition::Not(part) => part.asks_for_value(),
        }
    }

    /// Whether neither a value from `lowest` to `highest` nor a missing one can pass.
    fn excludes(&self, (lowest, highest): (&[u8], &[u8])) -> bool {
        match self {
            Condition::OneOf { exactly, like } => {
                let outside = |value: &String| value.as_bytes() < lowest || value.as_bytes() > highest;
                like.is_empty() && exactly.iter().all(outside)
            }
            Condition::All(parts) => parts.iter().any(|part| part.excludes((lowest, highest))),
            Condition::Any(parts) => parts.iter().all(|part| part.excludes((lowest, highest))),
            Condition::Has | Condition::Compare(..) | Condition::Not(_) => false,
        }
    }

    pub(crate) fn holds(&self, value: Option<&str>) -> bool {
        match self {
            Condition::Has => value.is_some(),
            Condition::OneOf { exactly, like } => value
                .is_some_and(|value| exactly.contains(value) || like.iter().any(|like| like.matches(value))),
            Condition::Compare(comparison, with) => {
                value.is_some_and(|value| comparison.holds(version::compare(value, with)))
            }
            Condition::All(parts) => parts.iter().all(|part| part.holds(value)),
            Condition::Any(parts) => parts.iter().any(|part| part.holds(value)),
            Condition::Not(part) => !part.holds(value),
        }
    }
}

/// What a filter of one dimension asks of its value; `None` of other filters.
pub(crate) fn condition_of(filter: &Filter) -> Option<Condition> {
    Some(match filter {
        Filter::Is { any_of, .. } => {
            let (mut exactly, mut like) = (HashSet::new(), Vec::new());
            for pattern in any_of {
                match pattern {
                    Pattern::Exactly(text) => {
                        exactly.insert(text.clone());
                    }
                    Pattern::Like(text) => like.push(Like::new(text)),
                }
            }
            Condition::OneOf { exactly, like }
        }
        Filter::Compare { how, with, .. } => Condition::Compare(*how, with.clone()),
        Filter::Has(_) => Condition::Has,
        _ => return None,
    })
}

impl Test {
    /// Of a filter that asks neither for issues nor for texts of signatures: these are resolved before.
    pub(crate) fn of(filter: &Filter) -> Self {
        match filter {
            Filter::All => Self::Always(true),
            Filter::And(parts) => Self::united(parts, Condition::All, Self::All),
            Filter::Or(parts) => Self::united(parts, Condition::Any, Self::Any),
            Filter::Not(part) => match Self::of(part) {
                Self::Always(is) => Self::Always(!is),
                Self::Column(field, condition) => Self::Column(field, Condition::Not(Box::new(condition))),
                test => Self::Not(Box::new(test)),
            },
            Filter::Is { dimension, .. } | Filter::Compare { dimension, .. } | Filter::Has(dimension) => {
                let condition = condition_of(filter);
                condition
                    .map_or(Self::Always(false), |condition| Self::Column(Field::of(dimension), condition))
            }
            Filter::Text(_) => Self::Always(false),
        }
    }

    /// What several filters ask of the same column becomes one condition.
    fn united(
        parts: &[Filter],
        condition: fn(Vec<Condition>) -> Condition,
        test: fn(Vec<Test>) -> Test,
    ) -> Self {
        let mut columns: Vec<(Field, Vec<Condition>)> = Vec::new();
        let mut tests = Vec::new();
        for part in parts {
            match Self::of(part) {
                Self::Column(field, of_part) => match columns.iter_mut().find(|(known, _)| *known == field) {
                    Some((_, conditions)) => conditions.push(of_part),
                    None => columns.push((field, vec![of_part])),
                },
                other => tests.push(other),
            }
        }
        let columns =
            columns.into_iter().map(|(field, conditions)| Self::Column(field, condition(conditions)));
        // What needs no reading first, then single columns: the rest may not be needed any more.
        let mut all: Vec<Test> = columns.collect();
        let (known, rest): (Vec<_>, Vec<_>) =
            tests.into_iter().partition(|test| matches!(test, Self::Always(_)));
        all.splice(0..0, known);
        all.extend(rest);
        test(all)
    }

    /// Whether no row of a row group can pass, as its index tells.
    pub(crate) fn excludes(&self, group: &RowGroup) -> bool {
        match self {
            Self::Always(is) => !is,
            Self::Column(field, condition) => {
                group.bounds(field).is_some_and(|bounds| condition.excludes(bounds))
            }
            Self::All(parts) => parts.iter().any(|part| part.excludes(group)),
            Self::Any(parts) => parts.iter().all(|part| part.excludes(group)),
            Self::Not(_) => false,
        }
    }

    /// What must be read to ask.
    pub(crate) fn fields(&self) -> BTreeSet<Field> {
        let mut fields = BTreeSet::new();
        self.add_fields(&mut fields);
        fields
    }

    fn add_fields(&self, fields: &mut BTreeSet<Field>) {
        match self {
            Self::Always(_) => {}
            Self::Column(field, _) => {
                fields.insert(field.clone());
            }
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.add_fields(fields)),
            Self::Not(part) => part.add_fields(fields),
        }
    }

    /// The rows of a table that pass.
    pub(crate) fn rows(&self, table: &Table) -> Rows {
        match self {
            Self::Always(true) => Rows::all(table.rows),
            Self::Always(false) => Rows::none(table.rows),
            Self::Column(field, condition) => table.coded(field).map_or_else(
                || Rows::none(table.rows),
                |coded| rows_where(table.rows, field, coded, condition),
            ),
            Self::All(parts) => {
                let mut rows = Rows::all(table.rows);
                for part in parts {
                    if rows.is_empty() {
                        break;
                    }
                    rows = rows.and(&part.rows(table));
                }
                rows
            }
            Self::Any(parts) => {
                let mut rows = Rows::none(table.rows);
                for part in parts {
                    if rows.is_all() {
                        break;
                    }
                    rows = rows.or(&part.rows(table));
                }
                rows
            }
            Self::Not(part) => part.rows(table).not(),
        }
    }
}

fn rows_where(total: usize, field: &Field, coded: &Coded, condition: &Condition) -> Rows {
    let whole = |is: bool| if is { Rows::all(total) } else { Rows::none(total) };
    let none = coded.values.none();
    if !condition.asks_for_value() {
        let (present, missing) = (condition.holds(Some("")), condition.holds(None));
        let holds = |code: u32| if code < none { present } else { missing };
        return match &coded.codes {
            _ if present == missing => whole(present),
            Codes::Same(code) => whole(holds(*code)),
            Codes::Each(codes) => Rows::with_codes(codes, holds),
        };
    }
    let holds = |code: u32| {
        let text = coded.values.get(code).map(|value| text_of(field, value));
        condition.holds(text.as_deref())
    };
    match &coded.codes {
        Codes::Same(code) => whole(holds(*code)),
        Codes::Each(codes) => {
            let truth: Vec<bool> = (0..=none).map(holds).collect();
            match truth.first().filter(|first| truth.iter().all(|other| other == *first)) {
                Some(all) => whole(*all),
                None => Rows::with_codes(codes, |code| truth.get(code as usize).copied().unwrap_or_default()),
            }
        }
    }
}

/// A value as people write it.
pub(crate) fn text_of<'a>(field: &Field, value: &'a [u8]) -> Cow<'a, str> {
    match field {
        Field::Column(Column::Signature | Column::User | Column::Issue) => {
            let digits = value.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
            // A row group has thousands of these, and a filter is asked of each.
            let mut text = String::with_capacity(2 * value.len());
            text.extend(digits.filter_map(|digit| char::from_digit(digit.into(), 16)));
            Cow::Owned(text)
        }
        _ => String::from_utf8_lossy(value),
    }
}
