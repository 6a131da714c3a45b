//! The index of a segment: where its columns and pages lie.

use std::{collections::HashMap, ops::Range, sync::Arc};

use bytes::Bytes;
use parquet::{
    basic::Type,
    errors::ParquetError,
    file::{
        metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
        page_index::{column_index::ColumnIndexMetaData, offset_index::PageLocation},
        statistics::Statistics,
    },
};

use super::{Rows, Segment, schema};
use crate::FactsError;

/// The most rows that a row group may claim to have; ours have fewer.
const MOST_ROWS: i64 = 4 << 20;

/// The index of one segment.
#[derive(Debug)]
pub(crate) struct Footer {
    metadata: ParquetMetaData,
    leaves: HashMap<String, usize>,
}

/// A column of a row group.
pub(super) struct Leaf<'a> {
    pub(super) metadata: &'a ColumnChunkMetaData,
    pub(super) pages: &'a [PageLocation],
    pub(super) rows: usize,
}

impl Footer {
    /// From the last [`Segment::index_bytes`] bytes of the file.
    pub(crate) fn parse(segment: &Segment, end: &Bytes) -> Result<Self, FactsError> {
        let wrong = |error: ParquetError| FactsError::of_segment(&segment.name, error);
        // What reads Parquet trusts the index: places in it that make no sense would end it.
        if crc32fast::hash(end) != segment.index_sum {
            return Err(FactsError::of_segment(
                &segment.name,
                "its index is damaged, or the file is another one",
            ));
        }
        let mut reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
        reader.try_parse_sized(end, segment.bytes).map_err(wrong)?;
        let metadata = reader.finish().map_err(wrong)?;
        let columns = metadata.file_metadata().schema_descr().columns().iter().enumerate();
        let leaves: HashMap<String, usize> =
            columns.map(|(index, column)| (column.path().string(), index)).collect();
        let footer = Self { metadata, leaves };
        footer.check().map_err(|why| FactsError::of_segment(&segment.name, why))?;
        Ok(footer)
    }

    /// What decoding relies on.
    fn check(&self) -> Result<(), String> {
        for group in 0..self.groups() {
            let rows = self.metadata.row_group(group).num_rows();
            if !(0..=MOST_ROWS).contains(&rows) {
                return Err(format!("row group {group} claims {rows} rows"));
            }
            for (name, leaf) in &self.leaves {
                let pages = self.leaf(group, *leaf).map(|leaf| leaf.pages).unwrap_or_default();
                let sorted = pages.is_sorted_by(|a, b| a.first_row_index < b.first_row_index);
                let first = pages.first().map_or(0, |page| page.first_row_index);
                let last = pages.last().map_or(0, |page| page.first_row_index);
                if !sorted || first != 0 || last > rows || (pages.is_empty() && rows > 0) {
                    return Err(format!("the pages of column {name} are not in order"));
                }
            }
        }
        Ok(())
    }

    /// How many row groups there are.
    pub(crate) fn groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// How many rows a row group has.
    pub(crate) fn rows(&self, group: usize) -> usize {
        usize::try_from(self.metadata.row_group(group).num_rows()).unwrap_or_default()
    }

    /// When the first and the last report of a row group were received, in milliseconds.
    pub(crate) fn received(&self, group: usize) -> Option<(i64, i64)> {
        let leaf = self.leaf_named(schema::RECEIVED)?;
        match self.metadata.row_group(group).column(leaf).statistics()? {
            Statistics::Int64(known) => Some((*known.min_opt()?, *known.max_opt()?)),
            _ => None,
        }
    }

    /// All values of a column of texts lie between these; rows may lack one.
    pub(crate) fn bounds(&self, group: usize, column: &str) -> Option<(&[u8], &[u8])> {
        let leaf = self.leaf_named(column)?;
        match self.metadata.row_group(group).column(leaf).statistics()? {
            Statistics::ByteArray(known) => Some((known.min_bytes_opt()?, known.max_bytes_opt()?)),
            _ => None,
        }
    }

    /// The rows of a row group that may hold one of these crashes, which are in ascending order.
    pub(crate) fn rows_of_crashes(&self, group: usize, crashes: &[[u8; 16]]) -> Option<Rows> {
        let number = self.leaf_named(schema::CRASH)?;
        let leaf = self.leaf(group, number)?;
        let index = self.metadata.page_index_for_row_group(group);
        let Some(ColumnIndexMetaData::FIXED_LEN_BYTE_ARRAY(bounds)) = index.column_index(number) else {
            return Some(Rows::all(leaf.rows));
        };
        let mut rows = Rows::none(leaf.rows);
        for page in 0..leaf.pages.len() {
            let (Some(lowest), Some(highest)) = (bounds.min_value(page), bounds.max_value(page)) else {
                continue;
            };
            let first = crashes.partition_point(|crash| crash.as_slice() < lowest);
            if crashes.get(first).is_some_and(|crash| crash.as_slice() <= highest) {
                rows = rows.or(&Rows::range(leaf.rows, leaf.rows_of(page)));
            }
        }
        Some(rows)
    }

    /// The number of a column; `None` if the segment has no such column.
    pub(super) fn leaf_named(&self, name: &str) -> Option<usize> {
        self.leaves.get(name).copied()
    }

    /// The names of the tags that have a column of their own.
    pub(super) fn promoted(&self) -> impl Iterator<Item = &str> {
        self.leaves.keys().filter_map(|name| name.strip_prefix("tag:"))
    }

    pub(super) fn leaf(&self, group: usize, leaf: usize) -> Option<Leaf<'_>> {
        let metadata = self.metadata.row_groups().get(group)?.columns().get(leaf)?;
        let pages = self.metadata.page_index()?.offset_index(group, leaf)?.page_locations();
        Some(Leaf { metadata, pages, rows: self.rows(group) })
    }

    /// About the bytes of memory that it takes.
    pub(crate) fn memory(&self) -> usize {
        self.metadata.memory_size()
    }
}

impl Leaf<'_> {
    /// About what it takes in memory when it is decoded: its values, and for each row a code, or a time.
    pub(super) fn decoded_bytes(&self) -> u64 {
        let values = u64::try_from(self.metadata.uncompressed_size()).unwrap_or_default();
        let each = if self.metadata.column_type() == Type::INT64 { 9 } else { 4 };
        values.saturating_add(each * self.rows as u64)
    }

    /// The rows of a page.
    pub(super) fn rows_of(&self, page: usize) -> Range<usize> {
        let first = |page: usize| {
            let location = self.pages.get(page);
            location.and_then(|location| usize::try_from(location.first_row_index).ok()).unwrap_or(self.rows)
        };
        first(page)..first(page + 1)
    }

    /// The bytes of a file that are needed for some rows, ascending: what lies before the first page (the list of
    /// values), and each page that holds one of the rows.
    pub(super) fn ranges(&self, rows: &Rows) -> Vec<Range<u64>> {
        let (start, length) = self.metadata.byte_range();
        let mut ranges: Vec<Range<u64>> = Vec::new();
        if rows.is_all() {
            ranges.push(start..start + length);
            return ranges;
        }
        let mut add = |range: Range<u64>| match ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ if range.is_empty() => {}
            _ => ranges.push(range),
        };
        let offset = |page: &PageLocation| u64::try_from(page.offset).unwrap_or_default();
        add(start..self.pages.first().map_or(start, offset));
        for (number, page) in self.pages.iter().enumerate() {
            if rows.any_in(&self.rows_of(number)) {
                add(offset(page)..offset(page) + u64::try_from(page.compressed_page_size).unwrap_or_default());
            }
        }
        ranges
    }
}

/// Keeps the indexes of segments that were read last, up to so many bytes.
#[derive(Debug)]
pub(crate) struct Footers {
    most: usize,
    kept: std::sync::Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    footers: HashMap<String, (Arc<Footer>, u64)>,
    bytes: usize,
    clock: u64,
}

impl Footers {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, kept: std::sync::Mutex::default() }
    }

    pub(crate) fn get(&self, segment: &str) -> Option<Arc<Footer>> {
        let mut kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.clock += 1;
        let clock = kept.clock;
        let (footer, used) = kept.footers.get_mut(segment)?;
        *used = clock;
        Some(Arc::clone(footer))
    }

    pub(crate) fn keep(&self, segment: &str, footer: &Arc<Footer>) {
        let mut kept = self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.clock += 1;
        let entry = (Arc::clone(footer), kept.clock);
        kept.bytes += footer.memory();
        if let Some((before, _)) = kept.footers.insert(segment.to_owned(), entry) {
            kept.bytes = kept.bytes.saturating_sub(before.memory());
        }
        while kept.bytes > self.most && kept.footers.len() > 1 {
            let oldest = kept.footers.iter().min_by_key(|(_, (_, used))| *used).map(|(name, _)| name.clone());
            let Some((dropped, _)) = oldest.and_then(|name| kept.footers.remove(&name)) else { break };
            kept.bytes = kept.bytes.saturating_sub(dropped.memory());
        }
    }
}
