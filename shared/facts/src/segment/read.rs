//! Reading some columns of a row group.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use epitaph_bucket::Bucket;

use super::{
    Coded, Codes, Field, FieldData, Footer, Rows, Segment, Table,
    chunk::Chunk,
    fields,
    page::{self, PageError},
    schema,
};
use crate::{Column, FactsError};

/// One row group of a segment.
#[derive(Debug, Clone)]
pub(crate) struct RowGroup {
    pub(crate) segment: Arc<Segment>,
    pub(crate) footer: Arc<Footer>,
    pub(crate) number: usize,
}

/// The bytes of some columns.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    chunks: BTreeMap<usize, Arc<Chunk>>,
    pub(crate) bytes: u64,
}

impl RowGroup {
    pub(crate) fn rows(&self) -> usize {
        self.footer.rows(self.number)
    }

    /// The values of a field lie between these two, as the index tells; `None` where it does not.
    pub(crate) fn bounds(&self, field: &Field) -> Option<(&[u8], &[u8])> {
        match field {
            Field::Column(column) => self.footer.bounds(self.number, column.as_str()),
            Field::Tag(name) => self.footer.bounds(self.number, &schema::tag_column(name)),
            Field::Received | Field::Weight => None,
        }
    }

    /// The bytes that a fetch of some fields asks for.
    pub(crate) fn size(&self, fields: &BTreeSet<Field>, rows: &Rows) -> u64 {
        let ranges = self.ranges(&self.leaves_of(fields), rows);
        ranges.iter().flat_map(|(_, ranges)| ranges).map(|range| range.end - range.start).sum()
    }

    /// Fetches what [`RowGroup::decode`] needs of some fields, for these rows.
    pub(crate) async fn fetch(
        &self,
        bucket: &Bucket,
        fields: &BTreeSet<Field>,
        rows: &Rows,
    ) -> Result<Fetched, FactsError> {
        self.fetch_leaves(bucket, &self.leaves_of(fields), rows).await
    }

    pub(super) async fn fetch_leaves(
        &self,
        bucket: &Bucket,
        leaves: &BTreeSet<usize>,
        rows: &Rows,
    ) -> Result<Fetched, FactsError> {
        let ranges = self.ranges(leaves, rows);
        let all: Vec<Range<u64>> = ranges.iter().flat_map(|(_, ranges)| ranges.clone()).collect();
        if all.is_empty() {
            return Ok(Fetched::default());
        }
        let pieces = bucket.get_ranges(&self.segment.key(), &all).await?;
        let bytes = pieces.iter().map(|piece| piece.len() as u64).sum();
        let mut pieces = pieces.into_iter();
        let chunk = |(leaf, ranges): (usize, Vec<Range<u64>>)| {
            let of_leaf = pieces.by_ref().take(ranges.len()).collect();
            (leaf, Arc::new(Chunk::new(&ranges, of_leaf)))
        };
        Ok(Fetched { chunks: ranges.into_iter().map(chunk).collect(), bytes })
    }

    fn ranges(&self, leaves: &BTreeSet<usize>, rows: &Rows) -> Vec<(usize, Vec<Range<u64>>)> {
        let of = |leaf: &usize| Some((*leaf, self.footer.leaf(self.number, *leaf)?.ranges(rows)));
        leaves.iter().filter_map(of).collect()
    }

    fn leaves_of(&self, fields: &BTreeSet<Field>) -> BTreeSet<usize> {
        let mut leaves = BTreeSet::new();
        let mut add = |name: &str| leaves.extend(self.footer.leaf_named(name));
        for field in fields {
            match field {
                Field::Received => add(schema::RECEIVED),
                Field::Weight => add(schema::WEIGHT),
                Field::Column(Column::User) => add(schema::USER),
                Field::Column(Column::Issue) => add(schema::SIGNATURE),
                Field::Column(Column::Uptime) => add(schema::UPTIME),
                // One project has a segment to itself.
                Field::Column(Column::Project) => {}
                Field::Column(column) => add(column.as_str()),
                Field::Tag(name) => match self.footer.leaf_named(&schema::tag_column(name)) {
                    Some(_) => add(&schema::tag_column(name)),
                    None => [schema::TAG_NAMES, schema::TAG_VALUES].into_iter().for_each(&mut add),
                },
            }
        }
        leaves
    }

    /// Adds fields that were fetched to a table. Rows that are not wanted may have any value.
    pub(crate) fn decode(
        &self,
        fetched: &Fetched,
        fields: &BTreeSet<Field>,
        rows: &Rows,
        table: &mut Table,
    ) -> Result<(), FactsError> {
        for field in fields {
            let data = self
                .field(fetched, field, rows)
                .map_err(|why| FactsError::of_segment(&self.segment.name, format!("{field:?}: {why}")))?;
            table.insert(field.clone(), data);
        }
        Ok(())
    }

    fn field(&self, fetched: &Fetched, field: &Field, rows: &Rows) -> Result<FieldData, PageError> {
        Ok(match field {
            Field::Received => FieldData::Received(match self.column(fetched, schema::RECEIVED) {
                Some((leaf, chunk)) => page::numbers(&leaf, chunk, rows)?.0,
                None => return Err(PageError::Shape("there is no time of receipt")),
            }),
            Field::Column(Column::User) => FieldData::Coded(self.users(fetched, rows)?),
            Field::Weight => FieldData::Coded(self.coded(fetched, schema::WEIGHT, rows)?),
            Field::Column(Column::Project) => {
                FieldData::Coded(Coded::same(self.segment.project.to_string().as_bytes()))
            }
            Field::Column(column @ (Column::Foreground | Column::Unreadable)) => {
                FieldData::Coded(match self.column(fetched, column.as_str()) {
                    Some((leaf, chunk)) => {
                        let (truths, has) = page::truths(&leaf, chunk, rows)?;
                        fields::truths(&truths, &has)
                    }
                    None => Coded::missing(),
                })
            }
            Field::Column(Column::Uptime) => FieldData::Coded(match self.column(fetched, schema::UPTIME) {
                Some((leaf, chunk)) => {
                    let (seconds, has) = page::numbers(&leaf, chunk, rows)?;
                    let seconds = seconds.iter().zip(&has).map(|(seconds, has)| has.then_some(*seconds));
                    Coded::of_numbers(seconds, |seconds| seconds.to_string())
                }
                None => Coded::missing(),
            }),
            Field::Column(Column::Issue) => FieldData::Coded(self.coded(fetched, schema::SIGNATURE, rows)?),
            Field::Column(column) => FieldData::Coded(self.coded(fetched, column.as_str(), rows)?),
            Field::Tag(name) => FieldData::Coded(self.tag(fetched, name, rows)?),
        })
    }

    pub(super) fn column<'a>(
        &'a self,
        fetched: &'a Fetched,
        name: &str,
    ) -> Option<(super::footer::Leaf<'a>, &'a Arc<Chunk>)> {
        let number = self.footer.leaf_named(name)?;
        Some((self.footer.leaf(self.number, number)?, fetched.chunks.get(&number)?))
    }

    pub(super) fn coded(&self, fetched: &Fetched, name: &str, rows: &Rows) -> Result<Coded, PageError> {
        match self.column(fetched, name) {
            Some((leaf, chunk)) => page::coded(&leaf, chunk, rows),
            None => Ok(Coded::missing()),
        }
    }

    pub(super) fn users(&self, fetched: &Fetched, rows: &Rows) -> Result<Coded, PageError> {
        match self.column(fetched, schema::USER) {
            Some((leaf, chunk)) => page::fixed(&leaf, chunk, rows),
            None => Ok(Coded::missing()),
        }
    }

    /// A tag, from its own column or else from the map of the others.
    fn tag(&self, fetched: &Fetched, name: &str, rows: &Rows) -> Result<Coded, PageError> {
        let own = schema::tag_column(name);
        if self.footer.leaf_named(&own).is_some() {
            return self.coded(fetched, &own, rows);
        }
        let (Some((names, name_chunk)), Some((values, value_chunk))) =
            (self.column(fetched, schema::TAG_NAMES), self.column(fetched, schema::TAG_VALUES))
        else {
            return Ok(Coded::missing());
        };
        let names = page::entries(&names, name_chunk, rows)?;
        let wanted = (0..names.values.none()).find(|code| names.values.get(*code) == Some(name.as_bytes()));
        let Some(wanted) = wanted else { return Ok(Coded::missing()) };
        let values = page::entries(&values, value_chunk, rows)?;
        let none = values.values.none();
        let mut codes = vec![none; self.rows()];
        for (row, code) in codes.iter_mut().enumerate() {
            let of_row = names.range_of(row);
            let place = of_row.clone().find(|index| names.codes.get(*index) == Some(&wanted));
            *code = place.and_then(|index| values.codes.get(index)).copied().unwrap_or(none);
        }
        Ok(Coded { values: values.values, codes: Codes::Each(codes) })
    }
}
