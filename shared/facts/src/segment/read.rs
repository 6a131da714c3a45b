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

/// Two ranges of a file with at most so many bytes between them may be read as one.
const BETWEEN: u64 = 1 << 20;

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

    /// About the bytes of memory that some fields of all rows take, from when they are fetched until they are counted.
    pub(crate) fn memory<'a>(&self, fields: impl IntoIterator<Item = &'a Field>) -> u64 {
        let mut end = None;
        let leaves = self.leaves_of(fields);
        let leaves = leaves.iter().filter_map(|leaf| self.footer.leaf(self.number, *leaf));
        leaves.fold(0_u64, |sum, leaf| {
            let (start, length) = leaf.metadata.byte_range();
            // Where little lies between two columns, a bucket reads that as well.
            let between = end.and_then(|end| start.checked_sub(end)).filter(|between| *between <= BETWEEN);
            end = start.checked_add(length);
            let parts = [length, between.unwrap_or(0), leaf.decoded_bytes()];
            parts.into_iter().fold(sum, u64::saturating_add)
        })
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

    fn leaves_of<'a>(&self, fields: impl IntoIterator<Item = &'a Field>) -> BTreeSet<usize> {
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

#[cfg(test)]
mod tests {
    use epitaph_crash_model::{CrashId, Fact, ProjectId, SignatureId, Timestamp};

    use super::{super::SegmentWriter, *};
    use crate::engine::read_footer;

    const ROWS: u32 = 20_000;

    fn fact(number: u32) -> Fact {
        let signature = SignatureId::from_bytes([number.to_le_bytes()[0]; 16]);
        let mut fact = Fact::new(CrashId::new(), ProjectId::FIRST, signature);
        fact.received_at = Timestamp::from_millis(1_790_000_000_000 + i64::from(number) * 7);
        fact.weight = 1 + number % 5;
        fact.gpu = Some(format!("Example GPU {}", number % 300));
        fact.uptime_seconds = Some(u64::from(number % 5_000));
        fact.user = Some(format!("{:016x}", u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        fact.tags.insert("match".into(), format!("match {number}"));
        fact
    }

    /// What the codes and values, or the times, of a field take.
    fn taken(table: &Table, field: &Field) -> usize {
        let Some(coded) = table.coded(field) else { return table.received().len() * 8 };
        let codes = match &coded.codes {
            Codes::Same(_) => 4,
            Codes::Each(codes) => codes.len() * 4,
        };
        codes + coded.values.iter().map(|value| value.len() + 8).sum::<usize>()
    }

    #[tokio::test]
    async fn a_row_group_is_said_to_take_about_what_its_columns_take() {
        let place = tempfile::tempdir().unwrap();
        let (file, bucket) = (place.path().join("segment"), Bucket::in_memory());
        let mut writer = SegmentWriter::new(&file, ProjectId::FIRST);
        (0..ROWS).for_each(|number| writer.push(&fact(number)).unwrap());
        let segment = writer.finish("a").unwrap().unwrap();
        segment.upload(&file, &bucket).await.unwrap();
        let footer = Arc::new(read_footer(&bucket, &segment).await.unwrap());
        let group = RowGroup { segment: Arc::new(segment), footer, number: 0 };
        let columns = [Column::Signature, Column::Gpu, Column::Uptime, Column::User];
        let fields = columns.map(Field::Column).into_iter();
        for field in fields.chain([Field::Received, Field::Weight, Field::Tag("match".into())]) {
            let fields = BTreeSet::from([field.clone()]);
            let all = Rows::all(group.rows());
            let fetched = group.fetch(&bucket, &fields, &all).await.unwrap();
            let mut table = Table::new(group.rows());
            group.decode(&fetched, &fields, &all, &mut table).unwrap();
            let taken = taken(&table, &field) as u64;
            let said = group.memory(&fields);
            assert!((taken..taken * 4).contains(&said), "{field:?} takes {taken}, said {said}");
        }
    }
}
