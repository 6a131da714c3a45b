//! Facts: from a crash, the narrow row that statistics count; and questions to facts.
//!
//! Clients name the same thing in many ways; which names are looked at is in `annotations`.

#[cfg(feature = "query")]
mod all;
mod annotations;
#[cfg(feature = "query")]
mod engine;
#[cfg(feature = "query")]
mod error;
mod fact;
#[cfg(feature = "query")]
mod like;
mod memory;
mod platform;
mod question;
#[cfg(feature = "query")]
mod segment;
#[cfg(feature = "query")]
mod version;

#[cfg(feature = "query")]
pub use all::{Facts, MissingSymbols, Top, TopIssue, TopIssues, View};
#[cfg(feature = "query")]
pub use engine::{Cursor, Engine, EngineOptions, Listing, Page, Signatures, Snapshot};
#[cfg(feature = "query")]
pub use error::FactsError;

pub use fact::{LONGEST_TAG_NAME, LONGEST_TEXT, MOST_TAGS, fact_of, user_of};
pub use question::{
    Answer, Baseline, Beside, Bucket, Column, Comparison, Dimension, Filter, Measures, Order,
    ParseDimensionError, Part, Pattern, Period, Question, QuestionError, Row, Totals, UPTIME_CLASSES,
    Verdict, Work,
};
#[cfg(feature = "query")]
pub use segment::{Segment, SegmentWriter, compact, compact_signed};
#[cfg(feature = "query")]
pub use version::compare as compare_versions;
