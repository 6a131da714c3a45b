//! From facts to the file of a segment.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use epitaph_bucket::Bucket;
use epitaph_crash_model::{CrashId, Fact, ProjectId, Timestamp};
use indexmap::IndexSet;
use parquet::{
    data_type::{
        BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
        Int64Type,
    },
    errors::ParquetError,
    file::{
        metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData},
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
};
use tokio::io::AsyncReadExt;

use super::{
    GROUP_ROWS, Segment,
    buffer::Buffer,
    schema::{self, Layout, TEXTS, USER_BYTES, tag_column},
};
use crate::FactsError;

/// Rows of a page: what is read at least of a column.
const PAGE_ROWS: usize = 8192;
/// How much of facts is gathered before it is written, at most, in bytes of memory.
const MOST_GATHERED: usize = 128 << 20;
/// The most tags with a column of their own.
const MOST_PROMOTED: usize = 64;
/// A tag has a column of its own where at least one fact of so many has the tag.
const RAREST_PROMOTED: usize = 200;
/// What an upload hands over at once.
const PIECE: usize = 256 << 10;

/// Writes one segment, a row group at a time: however many facts, the memory stays below about 200 MB.
#[derive(Debug)]
pub struct SegmentWriter {
    path: PathBuf,
    project: ProjectId,
    group_rows: usize,
    page_rows: usize,
    buffer: Buffer,
    file: Option<SerializedFileWriter<File>>,
    promoted: IndexSet<String>,
    last: Option<(Timestamp, CrashId)>,
    summary: Option<Summary>,
}

#[derive(Debug)]
struct Summary {
    rows: u64,
    first_received: Timestamp,
    lowest_crash: CrashId,
    highest_crash: CrashId,
    distinct: BTreeMap<String, u64>,
}

impl SegmentWriter {
    /// Begins a segment of a project, in a file that is made or emptied.
    pub fn new(path: &Path, project: ProjectId) -> Self {
        Self {
            path: path.to_owned(),
            project,
            group_rows: GROUP_ROWS,
            page_rows: PAGE_ROWS,
            buffer: Buffer::default(),
            file: None,
            promoted: IndexSet::new(),
            last: None,
            summary: None,
        }
    }

    /// Row groups and pages of at most so many rows, instead of 262144 and 8192, which are also the most. Small ones make
    /// questions slow.
    #[must_use]
    pub fn with_sizes(self, group_rows: usize, page_rows: usize) -> Self {
        Self { group_rows: group_rows.clamp(1, GROUP_ROWS), page_rows: page_rows.clamp(1, PAGE_ROWS), ..self }
    }

    /// Adds a fact, behind those that were received earlier. May write to the file.
    ///
    /// # Errors
    /// [`FactsError::OutOfOrder`], [`FactsError::Write`].
    pub fn push(&mut self, fact: &Fact) -> Result<(), FactsError> {
        let place = (fact.received_at, fact.crash_id);
        if fact.project != self.project || self.last.is_some_and(|last| place <= last) {
            return Err(FactsError::OutOfOrder);
        }
        self.last = Some(place);
        let summary = self.summary.get_or_insert_with(|| Summary {
            rows: 0,
            first_received: fact.received_at,
            lowest_crash: fact.crash_id,
            highest_crash: fact.crash_id,
            distinct: BTreeMap::new(),
        });
        summary.rows += 1;
        summary.lowest_crash = summary.lowest_crash.min(fact.crash_id);
        summary.highest_crash = summary.highest_crash.max(fact.crash_id);
        self.buffer.push(fact);
        if self.buffer.rows() >= self.group_rows || self.buffer.bytes() >= MOST_GATHERED {
            self.write_group().map_err(FactsError::Write)?;
        }
        Ok(())
    }

    /// How many facts were added.
    pub fn rows(&self) -> u64 {
        self.summary.as_ref().map_or(0, |summary| summary.rows)
    }

    /// Completes the file, and says what the segment of this name holds. `None` when there was no fact; then there is no
    /// file. The file is not synced: it is to be uploaded.
    ///
    /// # Errors
    /// [`FactsError::Write`].
    pub fn finish(mut self, name: &str) -> Result<Option<Segment>, FactsError> {
        if self.buffer.rows() > 0 {
            self.write_group().map_err(FactsError::Write)?;
        }
        let (Some(mut file), Some(summary), Some((last_received, _))) = (self.file, self.summary, self.last)
        else {
            return Ok(None);
        };
        let metadata = file.finish().map_err(FactsError::Write)?;
        let bytes = file.bytes_written() as u64;
        let index =
            index_of(&self.path, end_of_data(&metadata)).map_err(|error| FactsError::Write(error.into()))?;
        Ok(Some(Segment {
            project: self.project,
            name: name.to_owned(),
            rows: summary.rows,
            bytes,
            index_bytes: index.len() as u64,
            index_sum: crc32fast::hash(&index),
            first_received: summary.first_received,
            last_received,
            lowest_crash: summary.lowest_crash,
            highest_crash: summary.highest_crash,
            distinct: summary.distinct,
        }))
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        if self.file.is_none() {
            let (file, promoted) = self.begin()?;
            self.file = Some(file);
            self.promoted = promoted;
        }
        let (Some(file), Some(summary)) = (&mut self.file, &mut self.summary) else { return Ok(()) };
        let group = Group { writer: file.next_row_group()?, buffer: &self.buffer, page_rows: self.page_rows };
        for (column, distinct) in group.write(&self.promoted, self.project)? {
            let most = summary.distinct.entry(column).or_default();
            *most = (*most).max(distinct);
        }
        self.buffer.clear();
        Ok(())
    }

    /// Makes the file. Which columns it has is seen from the first facts.
    fn begin(&self) -> Result<(SerializedFileWriter<File>, IndexSet<String>), ParquetError> {
        let rows = self.buffer.rows();
        let mut tags: Vec<_> = self.buffer.tags.iter().map(|(name, tag)| (tag.entries.len(), name)).collect();
        tags.retain(|(facts, _)| facts.saturating_mul(RAREST_PROMOTED) >= rows);
        tags.sort_unstable_by(|(a, name), (b, other)| b.cmp(a).then_with(|| name.cmp(other)));
        tags.truncate(MOST_PROMOTED);
        let promoted: IndexSet<String> = tags.into_iter().map(|(_, name)| name.to_string()).collect();
        let distinct = self.buffer.users.values().len();
        let code_bits = usize::BITS - distinct.leading_zeros();
        let as_dictionary = distinct * USER_BYTES + rows * code_bits as usize / 8;
        let layout = Layout {
            promoted: promoted.iter().cloned().collect(),
            users_repeat: as_dictionary < rows * USER_BYTES * 9 / 10,
        };
        let file = File::create(&self.path)?;
        let properties = Arc::new(layout.properties(self.page_rows)?);
        Ok((SerializedFileWriter::new(file, layout.schema()?, properties)?, promoted))
    }
}

/// Where the index of a file begins.
fn end_of_data(metadata: &ParquetMetaData) -> u64 {
    let columns = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    columns
        .map(ColumnChunkMetaData::byte_range)
        .map(|(start, length)| start + length)
        .max()
        .unwrap_or_default()
}

/// The bytes of a file from here on.
fn index_of(path: &Path, start: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut index = Vec::new();
    file.read_to_end(&mut index)?;
    Ok(index)
}

struct Group<'a> {
    writer: SerializedRowGroupWriter<'a, File>,
    buffer: &'a Buffer,
    page_rows: usize,
}

impl Group<'_> {
    /// Writes all columns, in the order of [`Layout::schema`]. Gives the number of distinct values by column.
    fn write(
        mut self,
        promoted: &IndexSet<String>,
        project: ProjectId,
    ) -> Result<Vec<(String, u64)>, ParquetError> {
        let buffer = self.buffer;
        let rows = buffer.rows();
        let mut distinct = Vec::new();
        let mut note = |column: &str, values: usize| distinct.push((column.to_owned(), values as u64));
        self.required::<Int64Type>(|row| buffer.received.get(row).copied().unwrap_or_default())?;
        // The bits of an unsigned number.
        self.required::<Int32Type>(|row| buffer.weights.get(row).copied().unwrap_or_default().cast_signed())?;
        note(schema::SIGNATURE, buffer.signatures.values().len());
        let values = fixed_values(buffer.signatures.values());
        self.coded::<FixedLenByteArrayType>(&values, buffer.signatures.codes())?;
        let kinds = byte_values(buffer.kinds.values());
        self.coded::<ByteArrayType>(&kinds, buffer.kinds.codes())?;
        for (column, texts) in TEXTS.iter().zip(&buffer.texts) {
            note(column.as_str(), texts.values().len());
            self.coded::<ByteArrayType>(&byte_values(texts.values()), texts.codes())?;
        }
        self.required::<BoolType>(|row| buffer.unreadable.get(row).copied().unwrap_or_default())?;
        self.optional::<BoolType>(|row| buffer.foreground.get(row).copied().flatten())?;
        self.optional::<Int64Type>(|row| buffer.uptimes.get(row).copied().flatten())?;
        for name in promoted {
            let tag = buffer.tags.get(name.as_str());
            let mut codes = vec![u32::MAX; rows];
            for (row, code) in tag.into_iter().flat_map(|tag| &tag.entries) {
                if let Some(place) = codes.get_mut(*row as usize) {
                    *place = *code;
                }
            }
            let values = tag.map(|tag| byte_values(&tag.values)).unwrap_or_default();
            note(&tag_column(name), values.len());
            self.coded::<ByteArrayType>(&values, &codes)?;
        }
        self.other_tags(promoted)?;
        note(schema::USER, buffer.users.values().len());
        let users = fixed_values(buffer.users.values());
        self.coded::<FixedLenByteArrayType>(&users, buffer.users.codes())?;
        self.required::<Int64Type>(|row| buffer.occurred.get(row).copied().unwrap_or_default())?;
        self.required::<Int64Type>(|_| project.as_i64())?;
        self.required::<FixedLenByteArrayType>(|row| {
            fixed(buffer.crashes.get(row).map(<[u8; 16]>::as_slice).unwrap_or_default())
        })?;
        self.writer.close()?;
        Ok(distinct)
    }

    fn required<T: DataType>(&mut self, value: impl Fn(usize) -> T::T) -> Result<(), ParquetError> {
        self.optional::<T>(|row| Some(value(row)))
    }

    fn coded<T: DataType>(&mut self, values: &[T::T], codes: &[u32]) -> Result<(), ParquetError> {
        self.optional::<T>(|row| values.get(*codes.get(row)? as usize).cloned())
    }

    fn optional<T: DataType>(&mut self, value: impl Fn(usize) -> Option<T::T>) -> Result<(), ParquetError> {
        let mut column = self.writer.next_column()?.ok_or_else(too_many_columns)?;
        let writer = column.typed::<T>();
        let is_optional = writer.get_descriptor().max_def_level() > 0;
        let (mut values, mut levels) =
            (Vec::with_capacity(self.page_rows), Vec::with_capacity(self.page_rows));
        for first in (0..self.buffer.rows()).step_by(self.page_rows) {
            values.clear();
            levels.clear();
            for row in first..self.buffer.rows().min(first + self.page_rows) {
                let value = value(row);
                levels.push(i16::from(value.is_some()));
                values.extend(value);
            }
            writer.write_batch(&values, is_optional.then_some(levels.as_slice()), None)?;
        }
        column.close()
    }

    /// The tags without a column of their own, as a map: first all names, then all values.
    fn other_tags(&mut self, promoted: &IndexSet<String>) -> Result<(), ParquetError> {
        let buffer = self.buffer;
        let others = buffer.tags.iter().filter(|(name, _)| !promoted.contains(&***name));
        let others: Vec<_> =
            others.map(|(name, tag)| (name, byte_values(&tag.values), &tag.entries)).collect();
        let mut entries: Vec<(u32, usize, u32)> = Vec::new();
        for (number, (_, _, of_tag)) in others.iter().enumerate() {
            entries.extend(of_tag.iter().map(|(row, code)| (*row, number, *code)));
        }
        entries.sort_unstable();
        let names: Vec<ByteArray> = others.iter().map(|(name, ..)| ByteArray::from(&***name)).collect();
        let name = |(_, number, _): &(u32, usize, u32)| names.get(*number).cloned();
        let value =
            |(_, number, code): &(u32, usize, u32)| others.get(*number)?.1.get(*code as usize).cloned();
        self.repeated(&entries, name)?;
        self.repeated(&entries, value)
    }

    fn repeated(
        &mut self,
        entries: &[(u32, usize, u32)],
        value: impl Fn(&(u32, usize, u32)) -> Option<ByteArray>,
    ) -> Result<(), ParquetError> {
        let mut column = self.writer.next_column()?.ok_or_else(too_many_columns)?;
        let writer = column.typed::<ByteArrayType>();
        let mut entries = entries;
        for first in (0..self.buffer.rows()).step_by(self.page_rows) {
            let end = self.buffer.rows().min(first + self.page_rows);
            let (mut values, mut defined, mut repeats) = (Vec::new(), Vec::new(), Vec::new());
            for row in first..end {
                let of_row = entries.iter().take_while(|(of, ..)| *of as usize == row).count();
                let (these, rest) = entries.split_at(of_row);
                entries = rest;
                if these.is_empty() {
                    defined.push(0);
                    repeats.push(0);
                }
                for (index, entry) in these.iter().enumerate() {
                    values.extend(value(entry));
                    defined.push(1);
                    repeats.push(i16::from(index > 0));
                }
            }
            writer.write_batch(&values, Some(&defined), Some(&repeats))?;
        }
        column.close()
    }
}

fn too_many_columns() -> ParquetError {
    ParquetError::General("more columns were written than the schema has".to_owned())
}

fn byte_values(values: &IndexSet<Box<[u8]>>) -> Vec<ByteArray> {
    values.iter().map(|value| ByteArray::from(value.to_vec())).collect()
}

fn fixed_values(values: &IndexSet<Box<[u8]>>) -> Vec<FixedLenByteArray> {
    values.iter().map(|value| fixed(value)).collect()
}

fn fixed(bytes: &[u8]) -> FixedLenByteArray {
    FixedLenByteArray::from(bytes.to_vec())
}

impl Segment {
    /// Puts the file of this segment into the bucket. Durable when it returns.
    ///
    /// # Errors
    /// [`FactsError::Scratch`] when the file cannot be read or is not whole, [`FactsError::Bucket`].
    pub async fn upload(&self, path: &Path, bucket: &Bucket) -> Result<(), FactsError> {
        let mut file = tokio::fs::File::open(path).await.map_err(FactsError::Scratch)?;
        let mut upload = bucket.upload(&self.key());
        let mut sent = 0;
        loop {
            let mut piece = vec![0; PIECE];
            let length = file.read(&mut piece).await.map_err(FactsError::Scratch)?;
            if length == 0 {
                break;
            }
            piece.truncate(length);
            sent += length as u64;
            upload.write(Bytes::from(piece)).await?;
        }
        if sent != self.bytes {
            upload.abort().await;
            let why = format!("{} has {sent} bytes instead of {}", path.display(), self.bytes);
            return Err(FactsError::Scratch(std::io::Error::other(why)));
        }
        upload.finish().await?;
        Ok(())
    }
}
