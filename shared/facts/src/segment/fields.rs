//! The columns of some rows, wherever the rows come from.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use epitaph_crash_model::Fact;

use super::{
    Coded,
    schema::{text_of, user_bytes},
};
use crate::{Column, Dimension};

/// Something that questions read of a fact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Field {
    /// When reports were received.
    Received,
    /// How many reports a crash stands for: four bytes, the lowest first.
    Weight,
    /// Signatures are 16 bytes, users 8; all else is text.
    Column(Column),
    Tag(String),
}

impl Field {
    /// What must be read to tell facts apart by a dimension.
    pub(crate) fn of(dimension: &Dimension) -> Self {
        match dimension {
            Dimension::Column(Column::Issue) => Self::Column(Column::Signature),
            Dimension::Column(column) => Self::Column(*column),
            Dimension::Tag(name) => Self::Tag(name.clone()),
            Dimension::Time(_) => Self::Received,
        }
    }
}

#[derive(Debug)]
pub(crate) enum FieldData {
    Coded(Coded),
    Received(Vec<i64>),
}

/// Some columns of some rows, which are sorted by the time of receipt.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) rows: usize,
    fields: BTreeMap<Field, FieldData>,
}

impl Table {
    pub(crate) fn new(rows: usize) -> Self {
        Self { rows, fields: BTreeMap::new() }
    }

    /// Of facts that are sorted by the time of receipt.
    pub(crate) fn of_facts<'a>(facts: &[&Fact], fields: impl IntoIterator<Item = &'a Field>) -> Self {
        let mut table = Self::new(facts.len());
        for field in fields {
            table.insert(field.clone(), data_of(facts, field));
        }
        table
    }

    pub(crate) fn insert(&mut self, field: Field, data: FieldData) {
        self.fields.insert(field, data);
    }

    /// Forgets all other fields.
    pub(crate) fn keep(&mut self, fields: &BTreeSet<Field>) {
        self.fields.retain(|field, _| fields.contains(field));
    }

    pub(crate) fn has(&self, field: &Field) -> bool {
        self.fields.contains_key(field)
    }

    pub(crate) fn coded(&self, field: &Field) -> Option<&Coded> {
        match self.fields.get(field)? {
            FieldData::Coded(coded) => Some(coded),
            _ => None,
        }
    }

    pub(crate) fn received(&self) -> &[i64] {
        match self.fields.get(&Field::Received) {
            Some(FieldData::Received(times)) => times,
            _ => &[],
        }
    }
}

fn data_of(facts: &[&Fact], field: &Field) -> FieldData {
    match field {
        Field::Received => {
            FieldData::Received(facts.iter().map(|fact| fact.received_at.as_millis()).collect())
        }
        Field::Weight => {
            let weights = facts.iter().map(|fact| Some(i64::from(fact.weight)));
            let bytes = |weight: i64| u32::try_from(weight).unwrap_or(u32::MAX).to_le_bytes();
            FieldData::Coded(Coded::of_numbers(weights, bytes))
        }
        Field::Column(Column::User) => FieldData::Coded(Coded::of(facts.iter().map(|fact| user_bytes(fact)))),
        Field::Column(Column::Uptime) => {
            let seconds =
                |fact: &&Fact| fact.uptime_seconds.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
            FieldData::Coded(Coded::of_numbers(facts.iter().map(seconds), |seconds| seconds.to_string()))
        }
        Field::Column(column) => {
            FieldData::Coded(Coded::of(facts.iter().map(|fact| value_of(fact, *column))))
        }
        Field::Tag(name) => FieldData::Coded(Coded::of(facts.iter().map(|fact| fact.tags.get(name)))),
    }
}

/// A fact's value in a column, in the form that segments have it in. Users and uptimes are made elsewhere.
fn value_of(fact: &Fact, column: Column) -> Option<Cow<'_, [u8]>> {
    let truth = |is: bool| Cow::Borrowed(truth_text(is));
    match column {
        Column::Project => Some(Cow::Owned(fact.project.to_string().into_bytes())),
        Column::Signature | Column::Issue => Some(Cow::Borrowed(fact.signature.as_bytes())),
        Column::Kind => Some(Cow::Borrowed(fact.kind.as_str().as_bytes())),
        Column::Foreground => fact.foreground.map(truth),
        Column::Unreadable => Some(truth(fact.unreadable)),
        _ => text_of(fact, column).map(|text| Cow::Borrowed(text.as_bytes())),
    }
}

fn truth_text(is: bool) -> &'static [u8] {
    if is { b"true" } else { b"false" }
}

/// A column of truths.
pub(super) fn truths(truths: &[bool], has: &[bool]) -> Coded {
    Coded::of(truths.iter().zip(has).map(|(is, has)| has.then(|| truth_text(*is))))
}
