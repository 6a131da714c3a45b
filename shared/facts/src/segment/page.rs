//! From the pages of a column to codes and numbers.

use std::sync::Arc;

use bytes::Bytes;
use parquet::{
    basic::{Encoding, Type as Physical},
    column::{
        page::{Page, PageReader},
        reader::get_typed_column_reader,
    },
    data_type::{BoolType, DataType, Int64Type},
    errors::ParquetError,
    file::serialized_reader::SerializedPageReader,
};

use super::{Coded, Codes, Rows, Values, chunk::Chunk, footer::Leaf, hybrid};

/// A column that cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    #[error("{0}")]
    Parquet(#[from] ParquetError),
    #[error("{0}")]
    Hybrid(#[from] hybrid::HybridError),
    #[error("{0}")]
    Shape(&'static str),
}

/// A page's levels and values. Repeats are empty where nothing repeats.
struct Parts {
    repeats: Bytes,
    levels: Bytes,
    values: Bytes,
    /// As many as there are levels.
    number: usize,
    nulls: usize,
    encoding: Encoding,
}

impl Parts {
    fn of(page: Page) -> Result<Self, PageError> {
        let Page::DataPageV2 {
            buf,
            num_values,
            encoding,
            num_nulls,
            def_levels_byte_len,
            rep_levels_byte_len,
            ..
        } = page
        else {
            return Err(PageError::Shape("a page is of another version than 2"));
        };
        let repeats = rep_levels_byte_len as usize;
        let before = repeats.checked_add(def_levels_byte_len as usize).filter(|before| *before <= buf.len());
        let before = before.ok_or(PageError::Shape("a page ends within its levels"))?;
        Ok(Self {
            repeats: buf.slice(..repeats),
            levels: buf.slice(repeats..before),
            values: buf.slice(before..),
            number: num_values as usize,
            nulls: num_nulls as usize,
            encoding,
        })
    }

    /// For each row whether it has a value.
    fn present(&self) -> Result<Vec<u32>, PageError> {
        let mut present = vec![1; self.number];
        if self.nulls > 0 {
            hybrid::decode(&self.levels, 1, &mut present)?;
        }
        Ok(present)
    }

    /// Codes of the values that there are.
    fn codes(&self, out: &mut [u32]) -> Result<(), PageError> {
        match self.encoding {
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => {
                let Some((width, codes)) = self.values.split_first() else {
                    return if out.is_empty() {
                        Ok(())
                    } else {
                        Err(PageError::Shape("a page has no codes"))
                    };
                };
                Ok(hybrid::decode(codes, *width, out)?)
            }
            _ => Err(PageError::Shape("a column is not coded by a list of values")),
        }
    }
}

fn pages(leaf: &Leaf<'_>, chunk: &Arc<Chunk>) -> Result<SerializedPageReader<Chunk>, PageError> {
    let locations = Some(leaf.pages.to_vec());
    Ok(SerializedPageReader::new(Arc::clone(chunk), leaf.metadata, leaf.rows, locations)?)
}

fn values_of(leaf: &Leaf<'_>, page: Page) -> Result<Values, PageError> {
    let Page::DictionaryPage { buf, num_values, .. } = page else {
        return Err(PageError::Shape("a column does not begin with its list of values"));
    };
    let number = num_values as usize;
    let values = match leaf.metadata.column_type() {
        Physical::BYTE_ARRAY => Values::with_lengths(buf, number),
        Physical::INT32 => Some(Values::fixed(buf, 4)),
        Physical::FIXED_LEN_BYTE_ARRAY => Some(Values::fixed(buf, width(leaf))),
        _ => None,
    };
    let values = values.filter(|values| values.len() == number);
    values.ok_or(PageError::Shape("a list of values is not as long as it says"))
}

/// A column of texts or the like. Rows that are not wanted have any code.
pub(super) fn coded(leaf: &Leaf<'_>, chunk: &Arc<Chunk>, wanted: &Rows) -> Result<Coded, PageError> {
    let mut pages = pages(leaf, chunk)?;
    if leaf.metadata.dictionary_page_offset().is_none() {
        return if all_null(leaf) {
            Ok(Coded::missing())
        } else {
            Err(PageError::Shape("a column is not coded by a list of values"))
        };
    }
    let first = pages.get_next_page()?.ok_or(PageError::Shape("a column has no pages"))?;
    let values = values_of(leaf, first)?;
    let none = values.none();
    if none == 0 {
        return Ok(Coded::missing());
    }
    if none == 1 && nulls(leaf) == Some(0) {
        return Ok(Coded { values, codes: Codes::Same(0) });
    }
    let mut codes = vec![none; leaf.rows];
    let mut packed = Vec::new();
    for number in 0..leaf.pages.len() {
        let rows = leaf.rows_of(number);
        if !wanted.any_in(&rows) {
            pages.skip_next_page()?;
            continue;
        }
        let page =
            pages.get_next_page()?.ok_or(PageError::Shape("a column has fewer pages than its index"))?;
        let parts = Parts::of(page)?;
        let out = codes.get_mut(rows).filter(|out| out.len() == parts.number);
        let out = out.ok_or(PageError::Shape("a page has other rows than its index says"))?;
        if parts.nulls == 0 {
            parts.codes(out)?;
        } else {
            let present = parts.present()?;
            let held = parts.number.checked_sub(parts.nulls);
            packed.clear();
            packed.resize(held.ok_or(PageError::Shape("a page has more gaps than rows"))?, 0);
            parts.codes(&mut packed)?;
            spread(&packed, &present, none, out);
        }
        if any_above(out, none) {
            return Err(PageError::Shape("a code stands for no value"));
        }
    }
    Ok(Coded { values, codes: Codes::Each(codes) })
}

/// Whether any code is above the highest one that there may be. All are looked at: without a way out, many at once.
fn any_above(codes: &[u32], highest: u32) -> bool {
    codes.iter().fold(false, |any, code| any | (*code > highest))
}

/// Puts numbers where there are any, and `none` in between.
fn spread(packed: &[u32], present: &[u32], none: u32, out: &mut [u32]) {
    let mut next = 0;
    for (out, present) in out.iter_mut().zip(present) {
        let code = packed.get(next).copied().unwrap_or(none);
        let has = u32::from(*present != 0);
        // Nobody can guess which rows have a value, so nothing branches on it.
        let mask = has.wrapping_neg();
        *out = code & mask | none & !mask;
        next += has as usize;
    }
}

/// How many bytes each value of a column has whose values have as many.
fn width(leaf: &Leaf<'_>) -> u32 {
    u32::try_from(leaf.metadata.column_descr().type_length()).unwrap_or(0).max(1)
}

/// Values of as many bytes, listed or each in its place: the distinct ones, or else each row's, and the code of each row.
pub(super) fn fixed(leaf: &Leaf<'_>, chunk: &Arc<Chunk>, wanted: &Rows) -> Result<Coded, PageError> {
    if leaf.metadata.dictionary_page_offset().is_some() {
        return coded(leaf, chunk, wanted);
    }
    let mut pages = pages(leaf, chunk)?;
    let width = width(leaf) as usize;
    let mut bytes = Vec::with_capacity(if wanted.is_all() { leaf.rows * width } else { 0 });
    let mut codes = vec![u32::MAX; leaf.rows];
    for number in 0..leaf.pages.len() {
        let rows = leaf.rows_of(number);
        if !wanted.any_in(&rows) {
            pages.skip_next_page()?;
            continue;
        }
        let page =
            pages.get_next_page()?.ok_or(PageError::Shape("a column has fewer pages than its index"))?;
        let parts = Parts::of(page)?;
        if parts.encoding != Encoding::PLAIN {
            return Err(PageError::Shape("users are neither listed nor plain"));
        }
        let present = parts.present()?;
        let held = present.iter().filter(|present| **present != 0).count();
        let out = codes.get_mut(rows).filter(|out| out.len() == parts.number);
        let out = out.ok_or(PageError::Shape("a page has other rows than its index says"))?;
        if parts.values.len() != held * width {
            return Err(PageError::Shape("a page has more or fewer values than it says"));
        }
        let mut next = u32::try_from(bytes.len() / width).unwrap_or(u32::MAX);
        for (out, present) in out.iter_mut().zip(&present) {
            *out = if *present == 0 { u32::MAX } else { next };
            next += present;
        }
        bytes.extend_from_slice(&parts.values);
    }
    let values = Values::fixed(bytes.into(), self::width(leaf));
    let none = values.none();
    codes.iter_mut().for_each(|code| *code = (*code).min(none));
    Ok(Coded { values, codes: Codes::Each(codes) })
}

/// A column of numbers: each row's, and whether it has one. Rows that are not wanted have any.
pub(super) fn numbers(
    leaf: &Leaf<'_>,
    chunk: &Arc<Chunk>,
    wanted: &Rows,
) -> Result<(Vec<i64>, Vec<bool>), PageError> {
    typed::<Int64Type>(leaf, chunk, wanted)
}

/// A column of truths, as [`numbers`].
pub(super) fn truths(
    leaf: &Leaf<'_>,
    chunk: &Arc<Chunk>,
    wanted: &Rows,
) -> Result<(Vec<bool>, Vec<bool>), PageError> {
    typed::<BoolType>(leaf, chunk, wanted)
}

/// Each row's value, and whether it has one.
fn typed<T: DataType>(
    leaf: &Leaf<'_>,
    chunk: &Arc<Chunk>,
    wanted: &Rows,
) -> Result<(Vec<T::T>, Vec<bool>), PageError> {
    let column = leaf.metadata.column_descr_ptr();
    if column.physical_type() != T::get_physical_type() || column.max_rep_level() > 0 {
        return Err(PageError::Shape("a column is of another type than the schema says"));
    }
    let is_optional = column.max_def_level() > 0;
    let reader = parquet::column::reader::get_column_reader(column, Box::new(pages(leaf, chunk)?));
    let mut reader = get_typed_column_reader::<T>(reader);
    let mut all: Vec<T::T> = vec![T::T::default(); leaf.rows];
    let mut has = vec![!is_optional; leaf.rows];
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    for number in 0..leaf.pages.len() {
        let rows = leaf.rows_of(number);
        if !wanted.any_in(&rows) {
            reader.skip_records(rows.len())?;
            continue;
        }
        levels.clear();
        values.clear();
        let (read, ..) = reader.read_records(rows.len(), Some(&mut levels), None, &mut values)?;
        let (Some(out), Some(has)) = (all.get_mut(rows.clone()), has.get_mut(rows.clone())) else { continue };
        if read != rows.len() || (is_optional && levels.len() != rows.len()) {
            return Err(PageError::Shape("a page has other rows than its index says"));
        }
        if is_optional {
            let mut next = values.drain(..);
            for ((out, has), level) in out.iter_mut().zip(has).zip(&levels) {
                *has = *level > 0;
                if *has {
                    *out = next.next().unwrap_or_default();
                }
            }
        } else {
            out.iter_mut().zip(values.drain(..)).for_each(|(out, value)| *out = value);
        }
    }
    Ok((all, has))
}

fn nulls(leaf: &Leaf<'_>) -> Option<u64> {
    if leaf.metadata.column_descr().max_def_level() == 0 {
        return Some(0);
    }
    leaf.metadata.statistics()?.null_count_opt()
}

fn all_null(leaf: &Leaf<'_>) -> bool {
    nulls(leaf) == Some(leaf.rows as u64) || leaf.rows == 0
}

/// A column of a map's texts: the list of values, and for each row how many entries it has; the codes of all entries.
#[derive(Debug)]
pub(super) struct Entries {
    pub(super) values: Values,
    pub(super) codes: Vec<u32>,
    /// Where in `codes` the entries of each row begin; one more than there are rows.
    pub(super) starts: Vec<u32>,
}

impl Entries {
    /// Those of these rows only, one behind the other.
    pub(super) fn only(self, rows: &Rows) -> Self {
        if rows.is_all() {
            return self;
        }
        let (mut codes, mut starts) = (Vec::new(), vec![0]);
        rows.for_each(|row| {
            codes.extend(self.codes.get(self.range_of(row)).into_iter().flatten());
            starts.push(u32::try_from(codes.len()).unwrap_or(u32::MAX));
        });
        Self { values: self.values, codes, starts }
    }

    /// Which entries a row has.
    pub(super) fn range_of(&self, row: usize) -> std::ops::Range<usize> {
        let start = |row: usize| self.starts.get(row).map_or(0, |start| *start as usize);
        start(row)..start(row + 1)
    }

    pub(super) fn text(&self, entry: usize) -> Option<String> {
        let value = self.values.get(*self.codes.get(entry)?)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

pub(super) fn entries(leaf: &Leaf<'_>, chunk: &Arc<Chunk>, wanted: &Rows) -> Result<Entries, PageError> {
    let mut all = Entries { values: Values::default(), codes: Vec::new(), starts: vec![0; leaf.rows + 1] };
    if leaf.metadata.dictionary_page_offset().is_none() {
        // Without a list of values there are none.
        return Ok(all);
    }
    let mut pages = pages(leaf, chunk)?;
    let first = pages.get_next_page()?.ok_or(PageError::Shape("a column has no pages"))?;
    all.values = values_of(leaf, first)?;
    for number in 0..leaf.pages.len() {
        let rows = leaf.rows_of(number);
        let begin = u32::try_from(all.codes.len()).unwrap_or(u32::MAX);
        if !wanted.any_in(&rows) {
            pages.skip_next_page()?;
            all.starts
                .get_mut(rows.start + 1..=rows.end)
                .into_iter()
                .flatten()
                .for_each(|start| *start = begin);
            continue;
        }
        let page =
            pages.get_next_page()?.ok_or(PageError::Shape("a column has fewer pages than its index"))?;
        let parts = Parts::of(page)?;
        let present = {
            let mut present = vec![0; parts.number];
            hybrid::decode(&parts.levels, 1, &mut present)?;
            present
        };
        let mut repeats = vec![0; parts.number];
        hybrid::decode(&parts.repeats, 1, &mut repeats)?;
        let held = present.iter().filter(|present| **present != 0).count();
        let mut codes = vec![0; held];
        parts.codes(&mut codes)?;
        if codes.iter().max().is_some_and(|highest| *highest >= all.values.none()) {
            return Err(PageError::Shape("a code stands for no value"));
        }
        let mut row = rows.start;
        let mut end = begin;
        for (index, (present, repeat)) in present.iter().zip(&repeats).enumerate() {
            if *repeat == 0 && index > 0 {
                row += 1;
            }
            end += u32::from(*present != 0);
            if let Some(start) = all.starts.get_mut(row + 1) {
                *start = end;
            }
        }
        if parts.number > 0 && row + 1 != rows.end {
            return Err(PageError::Shape("a page has other rows than its index says"));
        }
        all.codes.extend(codes);
    }
    Ok(all)
}
