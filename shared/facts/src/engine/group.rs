//! Counts the rows of one table: column by column, over codes, into a partial answer.
//!
//! Memory is bounded by the number of rows of a table ([`GROUP_ROWS`](crate::segment::GROUP_ROWS)), however many values
//! there are: a table has no more values of a dimension than rows.

use std::{borrow::Cow, collections::BTreeSet, io::Write};

use bytes::Bytes;
use serde::Serialize;

use super::{
    entry::{Details, Entry, earlier, push_value},
    partial::PartialWriter,
    select,
    users::{Coupon, Distinct, coupon_of},
};
use crate::{
    Bucket, Column, Dimension, FactsError, Measures, UPTIME_CLASSES,
    segment::{Coded, Codes, Field, Rows, Table, Values},
};

/// Up to so many pairs of values are counted in a plain array.
const MOST_CELLS: usize = 1 << 20;

/// What is counted: all of a question that a partial answer depends on, but its filter and its period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Shape {
    /// At most two. Issues are put together from signatures later.
    group_by: Vec<Dimension>,
    measures: Measures,
}

impl Shape {
    pub(crate) fn new(group_by: &[Dimension], measures: Measures) -> Self {
        let told_apart = |dimension: &Dimension| match dimension {
            Dimension::Column(Column::Issue) => Column::Signature.into(),
            other => other.clone(),
        };
        Self { group_by: group_by.iter().map(told_apart).collect(), measures }
    }

    pub(crate) fn fields(&self) -> BTreeSet<Field> {
        let mut fields: BTreeSet<Field> = self.group_by.iter().map(Field::of).collect();
        fields.insert(Field::Weight);
        let measures = self.measures;
        fields.extend(measures.seen.then_some(Field::Received));
        fields.extend(measures.releases.then_some(Field::Column(Column::Release)));
        fields.extend(measures.users.then_some(Field::Column(Column::User)));
        fields
    }

    /// About the bytes that the counts of so many rows take: most are of users.
    pub(crate) fn expected_bytes(&self, rows: usize) -> usize {
        let users = if self.measures.users { rows * size_of::<Coupon>() } else { 0 };
        (64 << 10) + users + users / 4
    }
}

/// Counts these rows of a table.
pub(crate) fn write<W: Write>(
    table: &Table,
    rows: &Rows,
    shape: &Shape,
    writer: &mut PartialWriter<W>,
) -> Result<(), FactsError> {
    let weights = Weights::of(table);
    let measured = Measured::new(table, rows, shape.measures, &weights);
    let axis =
        shape.group_by.first().map_or_else(|| Axis::of_all(rows), |first| Axis::of(table, rows, first));
    let groups = measured.groups(&axis);
    writer.push(&groups.all())?;
    if shape.group_by.is_empty() {
        return writer.begin_parts();
    }
    for code in &axis.order {
        let mut entry = groups.entry(*code);
        push_value(&mut entry.key, axis.coded.values.get(*code));
        writer.push(&entry)?;
    }
    writer.begin_parts()?;
    if let Some(second) = shape.group_by.get(1) {
        let second = Axis::of(table, rows, second);
        write_parts(rows, &weights, [&axis, &second], writer)?;
    }
    Ok(())
}

/// The values of a dimension that these rows have.
struct Axis<'a> {
    coded: Cow<'a, Coded>,
    /// How many of the rows have each code.
    rows: Vec<u32>,
    /// The codes that rows have, by their values.
    order: Vec<u32>,
}

impl<'a> Axis<'a> {
    fn of(table: &'a Table, rows: &Rows, dimension: &Dimension) -> Self {
        if let Dimension::Time(bucket) = dimension {
            return Self::of_steps(table.received(), rows, *bucket);
        }
        let coded = coded_of(table, dimension);
        let mut counts = vec![0_u32; coded.values.len() + 1];
        each_code(rows, &coded.codes, |_, code| {
            if let Some(count) = counts.get_mut(code) {
                *count += 1;
            }
        });
        let has = |code: &u32| counts.get(*code as usize).is_some_and(|count| *count > 0);
        let order = coded.values.in_order((0..=coded.values.none()).filter(has));
        Self { coded, rows: counts, order }
    }

    /// Steps of time: their first moments, so written that they sort. Rows are sorted by time, but for those that are not
    /// wanted, whose time may not have been read.
    fn of_steps(received: &[i64], rows: &Rows, bucket: Bucket) -> Self {
        let (mut starts, mut counts): (Vec<i64>, Vec<u32>) = (Vec::new(), Vec::new());
        let mut codes = vec![0; received.len()];
        let (mut end, mut step) = (i64::MIN, 0);
        rows.for_each(|row| {
            let (Some(moment), Some(code)) = (received.get(row), codes.get_mut(row)) else { return };
            if *moment >= end {
                let start = bucket.start_of(*moment);
                end = start.saturating_add(bucket.millis());
                step = u32::try_from(starts.len()).unwrap_or(u32::MAX);
                starts.push(start);
                counts.push(0);
            }
            *code = step;
            if let Some(count) = counts.last_mut() {
                *count += 1;
            }
        });
        let values = Values::from_texts(starts.iter().map(|start| time_bytes(*start)));
        let order = (0..values.none()).collect();
        counts.push(0);
        Self { coded: Cow::Owned(Coded { values, codes: Codes::Each(codes) }), rows: counts, order }
    }

    /// All rows have the same.
    fn of_all(rows: &Rows) -> Self {
        let number = u32::try_from(rows.count()).unwrap_or(u32::MAX);
        Self { coded: Cow::Owned(Coded::missing()), rows: vec![number], order: vec![0] }
    }

    /// The place of each code in the order.
    fn ranks(&self) -> Vec<u32> {
        let mut ranks = vec![0; self.rows.len()];
        for (rank, code) in (0..).zip(&self.order) {
            if let Some(place) = ranks.get_mut(*code as usize) {
                *place = rank;
            }
        }
        ranks
    }
}

fn coded_of<'a>(table: &'a Table, dimension: &Dimension) -> Cow<'a, Coded> {
    let missing = || Cow::Owned(Coded::missing());
    match dimension {
        Dimension::Column(Column::Uptime) => {
            table.coded(&Field::of(dimension)).map_or_else(missing, |coded| Cow::Owned(in_classes(coded)))
        }
        _ => table.coded(&Field::of(dimension)).map_or_else(missing, Cow::Borrowed),
    }
}

/// A moment, written so that it sorts.
fn time_bytes(millis: i64) -> [u8; 8] {
    (millis.cast_unsigned() ^ 1 << 63).to_be_bytes()
}

/// The moment that was so written.
pub(crate) fn time_of(bytes: &[u8]) -> Option<i64> {
    Some((u64::from_be_bytes(bytes.try_into().ok()?) ^ 1 << 63).cast_signed())
}

/// Classes of uptime. Their values are as long as each other, so that they sort as numbers.
fn in_classes(seconds: &Coded) -> Coded {
    let class = |value: &[u8]| {
        let seconds: u64 =
            std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
        UPTIME_CLASSES.partition_point(|begin| *begin <= seconds).saturating_sub(1)
    };
    let mut classes: Vec<u32> =
        seconds.values.iter().map(|value| u32::try_from(class(value)).unwrap_or_default()).collect();
    let values = Values::from_texts(UPTIME_CLASSES.iter().map(|begin| begin.to_be_bytes()));
    classes.push(values.none());
    let class_of = |code: u32| classes.get(code as usize).copied().unwrap_or(values.none());
    let codes = match &seconds.codes {
        Codes::Same(code) => Codes::Same(class_of(*code)),
        Codes::Each(codes) => Codes::Each(codes.iter().map(|code| class_of(*code)).collect()),
    };
    Coded { values, codes }
}

/// A grouped value as people write it.
pub(crate) fn value_text(dimension: &Dimension, value: &[u8]) -> String {
    match dimension {
        Dimension::Time(_) => {
            let moment = time_of(value).unwrap_or_default();
            epitaph_crash_model::Timestamp::from_millis(moment).to_string()
        }
        Dimension::Column(Column::Uptime) => {
            value.try_into().map(u64::from_be_bytes).unwrap_or_default().to_string()
        }
        Dimension::Column(Column::Issue) => String::from_utf8_lossy(value).into_owned(),
        _ => select::text_of(&Field::of(dimension), value).into_owned(),
    }
}

/// How many reports crashes stand for.
enum Weights<'a> {
    Same(u64),
    Each { weights: Vec<u32>, codes: &'a [u32] },
}

impl<'a> Weights<'a> {
    fn of(table: &'a Table) -> Self {
        let Some(coded) = table.coded(&Field::Weight) else { return Self::Same(1) };
        let weight = |value: &[u8]| value.try_into().map_or(1, u32::from_le_bytes);
        match &coded.codes {
            Codes::Same(code) => Self::Same(coded.values.get(*code).map_or(1, |value| weight(value).into())),
            Codes::Each(codes) => {
                let weights: Vec<u32> = coded.values.iter().map(weight).collect();
                match weights.first() {
                    Some(first) if weights.iter().all(|other| other == first) => Self::Same((*first).into()),
                    _ => Self::Each { weights, codes },
                }
            }
        }
    }

    #[inline]
    fn at(&self, row: usize) -> u64 {
        match self {
            Self::Same(weight) => *weight,
            Self::Each { weights, codes } => {
                let code = codes.get(row).copied().unwrap_or_default();
                weights.get(code as usize).copied().unwrap_or(1).into()
            }
        }
    }
}

#[inline]
fn each_code(rows: &Rows, codes: &Codes, mut see: impl FnMut(usize, usize)) {
    match codes {
        Codes::Same(code) => rows.for_each(|row| see(row, *code as usize)),
        Codes::Each(codes) if rows.is_all() => {
            codes.iter().enumerate().for_each(|(row, code)| see(row, *code as usize));
        }
        Codes::Each(codes) => rows.for_each(|row| {
            if let Some(code) = codes.get(row) {
                see(row, *code as usize);
            }
        }),
    }
}

/// What is measured of rows.
struct Measured<'a> {
    table: &'a Table,
    rows: &'a Rows,
    measures: Measures,
    weights: &'a Weights<'a>,
    releases: Option<Releases<'a>>,
}

/// The releases in their order.
struct Releases<'a> {
    coded: &'a Coded,
    /// The place of each code in the order.
    ranks: Vec<u32>,
    /// Their names, in the order.
    names: Vec<Bytes>,
}

impl<'a> Releases<'a> {
    fn of(table: &'a Table) -> Option<Self> {
        let coded = table.coded(&Field::Column(Column::Release))?;
        let name = |code: u32| coded.values.get(code).unwrap_or_default();
        let mut order: Vec<u32> = (0..coded.values.none()).collect();
        order.sort_unstable_by(|a, b| earlier(name(*a), name(*b)));
        let mut ranks = vec![0; order.len()];
        for (rank, code) in (0..).zip(&order) {
            if let Some(place) = ranks.get_mut(*code as usize) {
                *place = rank;
            }
        }
        let names = order.iter().map(|code| Bytes::copy_from_slice(name(*code))).collect();
        Some(Self { coded, ranks, names })
    }

    fn rank_at(&self, row: usize) -> Option<u32> {
        self.ranks.get(self.coded.codes.at(row) as usize).copied()
    }
}

impl<'a> Measured<'a> {
    fn new(table: &'a Table, rows: &'a Rows, measures: Measures, weights: &'a Weights<'a>) -> Self {
        let releases = measures.releases.then(|| Releases::of(table)).flatten();
        Self { table, rows, measures, weights, releases }
    }

    fn groups(&self, axis: &'a Axis<'_>) -> Groups<'_> {
        let users = self.measures.users.then(|| self.table.coded(&Field::Column(Column::User))).flatten();
        Groups {
            measured: self,
            crashes: &axis.rows,
            seen: self.seen(axis),
            users: users.map(|users| OfGroups::new(users, self.rows, axis)),
        }
    }

    /// What single rows tell of each group, where they tell more than how many they are.
    fn seen(&self, axis: &Axis<'_>) -> Vec<Seen> {
        let weight = match self.weights {
            Weights::Same(weight) => Some(*weight),
            Weights::Each { .. } => None,
        };
        let count = |rows: &u32| weight.map_or(0, |weight| weight * u64::from(*rows));
        let mut seen: Vec<Seen> =
            axis.rows.iter().map(|rows| Seen { count: count(rows), ..Seen::default() }).collect();
        if !self.measures.seen && self.releases.is_none() {
            if weight.is_none() {
                each_code(self.rows, &axis.coded.codes, |row, code| {
                    if let Some(group) = seen.get_mut(code) {
                        group.count += self.weights.at(row);
                    }
                });
            }
            return seen;
        }
        each_code(self.rows, &axis.coded.codes, |row, code| {
            let Some(group) = seen.get_mut(code) else { return };
            if weight.is_none() {
                group.count += self.weights.at(row);
            }
            // Rows are sorted by time.
            group.last = u32::try_from(row).unwrap_or(u32::MAX);
            group.first = group.last.min(group.first);
            let rank = self.releases.as_ref().and_then(|releases| releases.rank_at(row));
            if let Some(rank) = rank {
                group.earliest = rank.min(group.earliest);
                group.latest = rank.max(group.latest);
            }
        });
        seen
    }
}

/// What the rows of a group tell.
#[derive(Clone)]
struct Seen {
    count: u64,
    /// The first and the last row.
    first: u32,
    last: u32,
    /// Places in the order of releases.
    earliest: u32,
    latest: u32,
}

impl Default for Seen {
    fn default() -> Self {
        Self { count: 0, first: u32::MAX, last: 0, earliest: u32::MAX, latest: 0 }
    }
}

/// What was measured, by the codes of groups.
struct Groups<'a> {
    measured: &'a Measured<'a>,
    crashes: &'a [u32],
    seen: Vec<Seen>,
    users: Option<OfGroups>,
}

impl Groups<'_> {
    fn entry(&self, code: u32) -> Entry {
        let group = code as usize;
        let seen = self.seen.get(group).cloned().unwrap_or_default();
        let crashes = self.crashes.get(group).copied().unwrap_or_default();
        self.told(&seen, crashes.into(), self.users.as_ref().map(|users| users.of(group)))
    }

    /// Of all rows.
    fn all(&self) -> Entry {
        let seen = self.seen.iter().fold(Seen::default(), |all, group| Seen {
            count: all.count + group.count,
            first: all.first.min(group.first),
            last: all.last.max(group.last),
            earliest: all.earliest.min(group.earliest),
            latest: all.latest.max(group.latest),
        });
        let crashes = self.crashes.iter().map(|crashes| u64::from(*crashes)).sum();
        self.told(&seen, crashes, self.users.as_ref().map(OfGroups::all))
    }

    fn told(&self, seen: &Seen, crashes: u64, users: Option<Distinct>) -> Entry {
        let received = self.measured.table.received();
        let moment = |row: u32| received.get(row as usize).copied();
        let release = |rank: u32| self.measured.releases.as_ref()?.names.get(rank as usize).cloned();
        let measures = self.measured.measures;
        let details = || Details {
            seen: measures.seen.then(|| moment(seen.first).zip(moment(seen.last))).flatten(),
            releases: release(seen.earliest).zip(release(seen.latest)),
            users,
        };
        Entry {
            key: Vec::new(),
            count: seen.count,
            crashes,
            details: (measures != Measures::default()).then(|| Box::new(details())),
        }
    }
}

/// The users of each group, one group after the other.
struct OfGroups {
    coupons: Vec<Coupon>,
    /// Where each group's begin and end.
    starts: Vec<u32>,
    ends: Vec<u32>,
}

impl OfGroups {
    fn new(users: &Coded, rows: &Rows, axis: &Axis<'_>) -> Self {
        // No group has more users than rows.
        let starts = axis.rows.iter().scan(0_u32, |sum, rows| {
            *sum += rows;
            Some(*sum - rows)
        });
        let starts: Vec<u32> = starts.collect();
        let mut coupons = vec![0; rows.count()];
        let mut ends = starts.clone();
        each_code(rows, &axis.coded.codes, |row, group| {
            let Some(user) = users.value_at(row) else { return };
            let Some(end) = ends.get_mut(group) else { return };
            if let Some(place) = coupons.get_mut(*end as usize) {
                *place = coupon_of(user);
                *end += 1;
            }
        });
        Self { coupons, starts, ends }
    }

    fn coupons_of(&self, group: usize) -> &[Coupon] {
        let range = self.starts.get(group).zip(self.ends.get(group));
        let range = range.map_or(0..0, |(start, end)| *start as usize..*end as usize);
        self.coupons.get(range).unwrap_or_default()
    }

    fn of(&self, group: usize) -> Distinct {
        Distinct::of(self.coupons_of(group))
    }

    fn all(&self) -> Distinct {
        let groups: Vec<&[Coupon]> = (0..self.starts.len()).map(|group| self.coupons_of(group)).collect();
        let held: usize = groups.iter().map(|group| group.len()).sum();
        // Where each row has a user there are no gaps between the groups.
        if held == self.coupons.len() { Distinct::of(&self.coupons) } else { Distinct::of(&groups.concat()) }
    }
}

fn write_parts<W: Write>(
    rows: &Rows,
    weights: &Weights<'_>,
    axes: [&Axis<'_>; 2],
    writer: &mut PartialWriter<W>,
) -> Result<(), FactsError> {
    let [first, second] = axes;
    let width = second.order.len();
    let [of_first, of_second] = axes.map(Axis::ranks);
    let cell = |row: usize| -> usize {
        let rank = |ranks: &[u32], axis: &Axis<'_>| {
            ranks.get(axis.coded.codes.at(row) as usize).copied().unwrap_or_default() as usize
        };
        rank(&of_first, first) * width + rank(&of_second, second)
    };
    let mut entry = Entry::default();
    let mut write = |cell: usize, count: u64, crashes: u64| {
        (entry.count, entry.crashes) = (count, crashes);
        entry.key.clear();
        for (axis, rank) in [(first, cell / width), (second, cell % width)] {
            let code = axis.order.get(rank).copied().unwrap_or_default();
            push_value(&mut entry.key, axis.coded.values.get(code));
        }
        writer.push(&entry)
    };
    if first.order.len().saturating_mul(width) <= MOST_CELLS {
        let mut cells = vec![(0_u64, 0_u32); first.order.len() * width];
        rows.for_each(|row| {
            if let Some((count, crashes)) = cells.get_mut(cell(row)) {
                *count += weights.at(row);
                *crashes += 1;
            }
        });
        let held = cells.into_iter().enumerate().filter(|(_, (_, crashes))| *crashes > 0);
        return held.into_iter().try_for_each(|(cell, (count, crashes))| write(cell, count, crashes.into()));
    }
    let mut pairs: Vec<(usize, u64)> = Vec::with_capacity(rows.count());
    rows.for_each(|row| pairs.push((cell(row), weights.at(row))));
    pairs.sort_unstable();
    pairs.chunk_by(|(a, _), (b, _)| a == b).try_for_each(|of_cell| {
        let Some((cell, _)) = of_cell.first() else { return Ok(()) };
        write(*cell, of_cell.iter().map(|(_, weight)| weight).sum(), of_cell.len() as u64)
    })
}
