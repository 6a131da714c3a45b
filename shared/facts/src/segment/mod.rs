//! Segments: a project's facts of a time, in one Parquet file that never changes. `SEGMENTS.md` describes it for readers
//! of other makes.

mod buffer;
mod chunk;
mod codes;
mod compact;
mod facts;
mod fields;
mod footer;
mod hybrid;
mod page;
mod read;
mod rows;
mod schema;
mod write;

use std::collections::BTreeMap;

use epitaph_bucket::Key;
use epitaph_crash_model::{CrashId, ProjectId, Timestamp};
use serde::{Deserialize, Serialize};

pub(crate) use self::{
    codes::{Coded, Codes, Values},
    facts::{FactRows, in_background},
    fields::{Field, FieldData, Table},
    footer::{Footer, Footers},
    read::RowGroup,
    rows::Rows,
};
pub use self::{
    compact::{compact, compact_signed},
    write::SegmentWriter,
};

/// The most rows of a row group: what is read, decoded and counted at once.
pub(crate) const GROUP_ROWS: usize = 262_144;

/// What is known of a segment without reading it: what its writer says, and the catalog lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Whose facts.
    pub project: ProjectId,
    /// Its name, which no other segment ever has.
    pub name: String,
    /// How many facts.
    pub rows: u64,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// How many of these bytes, at the end of the file, are its index.
    pub index_bytes: u64,
    /// The CRC-32 of the index.
    pub index_sum: u32,
    /// When the first of the reports was received.
    pub first_received: Timestamp,
    /// When the last was received.
    pub last_received: Timestamp,
    /// The lowest crash id.
    pub lowest_crash: CrashId,
    /// The highest crash id.
    pub highest_crash: CrashId,
    /// By column: how many distinct values the row group with the most of them has.
    pub distinct: BTreeMap<String, u64>,
}

impl Segment {
    /// Where it is in the bucket.
    pub fn key(&self) -> Key {
        Key::segment(self.project, &self.name)
    }

    /// Whether a crash may be in it.
    pub fn may_hold(&self, crash: CrashId) -> bool {
        (self.lowest_crash..=self.highest_crash).contains(&crash)
    }
}
