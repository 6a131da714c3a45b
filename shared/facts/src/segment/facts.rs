//! Whole facts of a segment.

use std::collections::BTreeSet;

use epitaph_bucket::Bucket;
use epitaph_crash_model::{CrashId, Fact, ProjectId, SignatureId, Timestamp};

use super::{
    Coded, RowGroup, Rows,
    page::{self, Entries, PageError},
    read::Fetched,
    schema::{self, TEXTS, text_mut},
};
use crate::FactsError;

/// The columns of whole facts, of the rows of a row group that are wanted, one behind the other.
#[derive(Debug)]
pub(crate) struct FactRows {
    project: ProjectId,
    number: usize,
    received: Vec<i64>,
    occurred: Vec<i64>,
    crashes: Vec<Option<CrashId>>,
    weights: Coded,
    signatures: Coded,
    kinds: Coded,
    texts: Vec<Coded>,
    unreadable: Vec<bool>,
    foreground: (Vec<bool>, Vec<bool>),
    uptimes: (Vec<i64>, Vec<bool>),
    users: Coded,
    tags: Vec<(String, Coded)>,
    other_names: Entries,
    other_values: Entries,
}

impl RowGroup {
    /// The crash of each row that is wanted, one behind the other.
    pub(crate) async fn crashes(
        &self,
        bucket: &Bucket,
        rows: &Rows,
    ) -> Result<Vec<Option<CrashId>>, FactsError> {
        let leaves: BTreeSet<usize> = self.footer.leaf_named(schema::CRASH).into_iter().collect();
        let fetched = self.fetch_leaves(bucket, &leaves, rows).await?;
        let (group, rows) = (self.clone(), rows.clone());
        in_background(move || group.ids(&fetched, &rows).map_err(|why| group.wrong(&why))).await
    }

    fn ids(&self, fetched: &Fetched, rows: &Rows) -> Result<Vec<Option<CrashId>>, PageError> {
        let (leaf, chunk) =
            self.column(fetched, schema::CRASH).ok_or(PageError::Shape("there are no crash ids"))?;
        let ids = page::fixed(&leaf, chunk, rows)?;
        let crash = |row| ids.value_at(row)?.try_into().ok().and_then(CrashId::from_bytes);
        let mut crashes = Vec::with_capacity(rows.count());
        rows.for_each(|row| crashes.push(crash(row)));
        Ok(crashes)
    }

    /// Reads whole facts.
    pub(crate) async fn facts(&self, bucket: &Bucket, rows: &Rows) -> Result<FactRows, FactsError> {
        let leaves: BTreeSet<usize> =
            (0..).take_while(|leaf| self.footer.leaf(self.number, *leaf).is_some()).collect();
        let fetched = self.fetch_leaves(bucket, &leaves, rows).await?;
        let (group, rows) = (self.clone(), rows.clone());
        in_background(move || group.whole(&fetched, &rows).map_err(|why| group.wrong(&why))).await
    }

    fn wrong(&self, why: &PageError) -> FactsError {
        FactsError::of_segment(&self.segment.name, why)
    }

    fn whole(&self, fetched: &Fetched, rows: &Rows) -> Result<FactRows, PageError> {
        let column = |name| self.column(fetched, name).ok_or(PageError::Shape("a column is missing"));
        // Of each column what is not wanted goes before the next one is decoded: it takes the same memory.
        let numbers = |name| {
            let (leaf, chunk) = column(name)?;
            page::numbers(&leaf, chunk, rows).map(|(numbers, has)| (rows.of_all(numbers), rows.of_all(has)))
        };
        let truths = |name| {
            let (leaf, chunk) = column(name)?;
            page::truths(&leaf, chunk, rows).map(|(truths, has)| (rows.of_all(truths), rows.of_all(has)))
        };
        let entries = |name| {
            let (leaf, chunk) = column(name)?;
            page::entries(&leaf, chunk, rows).map(|entries| entries.only(rows))
        };
        let coded = |name: &str| self.coded(fetched, name, rows).map(|coded| coded.only(rows));
        let text = |column: &crate::Column| coded(column.as_str());
        let tag = |name: &str| Ok((name.to_owned(), coded(&schema::tag_column(name))?));
        Ok(FactRows {
            project: self.segment.project,
            number: rows.count(),
            received: numbers(schema::RECEIVED)?.0,
            occurred: numbers(schema::OCCURRED)?.0,
            crashes: self.ids(fetched, rows)?,
            weights: coded(schema::WEIGHT)?,
            signatures: coded(schema::SIGNATURE)?,
            kinds: coded(schema::KIND)?,
            texts: TEXTS.iter().map(text).collect::<Result<_, _>>()?,
            unreadable: truths(schema::UNREADABLE)?.0,
            foreground: truths(schema::FOREGROUND)?,
            uptimes: numbers(schema::UPTIME)?,
            users: self.users(fetched, rows)?.only(rows),
            tags: self.footer.promoted().map(tag).collect::<Result<_, PageError>>()?,
            other_names: entries(schema::TAG_NAMES)?,
            other_values: entries(schema::TAG_VALUES)?,
        })
    }
}

impl FactRows {
    /// How many rows were wanted.
    pub(crate) fn len(&self) -> usize {
        self.number
    }

    /// The fact of one of the rows that were wanted, by its number among these; `None` where it makes no sense.
    pub(crate) fn fact(&self, row: usize) -> Option<Fact> {
        let text =
            |coded: &Coded| coded.value_at(row).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let truth = |(truths, has): &(Vec<bool>, Vec<bool>)| {
            has.get(row).filter(|has| **has).and_then(|_| truths.get(row).copied())
        };
        let signature = SignatureId::from_bytes(self.signatures.value_at(row)?.try_into().ok()?);
        let crash = (*self.crashes.get(row)?)?;
        let mut fact = Fact {
            received_at: Timestamp::from_millis(*self.received.get(row)?),
            occurred_at: Timestamp::from_millis(*self.occurred.get(row)?),
            weight: u32::from_le_bytes(self.weights.value_at(row)?.try_into().ok()?),
            kind: text(&self.kinds)?.parse().ok()?,
            unreadable: *self.unreadable.get(row)?,
            foreground: truth(&self.foreground),
            uptime_seconds: {
                let (seconds, has) = &self.uptimes;
                let seconds = has.get(row).filter(|has| **has).and_then(|_| seconds.get(row));
                seconds.and_then(|seconds| u64::try_from(*seconds).ok())
            },
            user: self.users.value_at(row).and_then(|user| {
                let number: [u8; 8] = user.try_into().ok()?;
                Some(format!("{:016x}", u64::from_be_bytes(number)))
            }),
            ..Fact::new(crash, self.project, signature)
        };
        for (column, texts) in TEXTS.iter().zip(&self.texts) {
            if let Some(place) = text_mut(&mut fact, *column) {
                *place = text(texts);
            }
        }
        for (name, values) in &self.tags {
            fact.tags.extend(text(values).map(|value| (name.clone(), value)));
        }
        for index in self.other_names.range_of(row) {
            if let (Some(name), Some(value)) = (self.other_names.text(index), self.other_values.text(index)) {
                fact.tags.insert(name, value);
            }
        }
        Some(fact)
    }
}

/// Runs what computes for a while beside the tasks that wait.
pub(crate) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FactsError> + Send + 'static,
) -> Result<T, FactsError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| FactsError::Stopped)?
}
