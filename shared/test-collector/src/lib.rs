//! A collector on a real server, talked to in bytes; what it accepted is read back from the queue.
//!
//! Each collector's tests know their protocol; this knows what all of them share: a [`House`] that lasts as long as a
//! test, requests as bytes, an [`Answer`] as it came, and bodies [packed](pack) as clients pack them.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set itself up should fail")]

mod answer;
mod house;
mod pack;
mod request;

pub use crate::{
    answer::{Answer, everything},
    house::House,
    pack::{Packing, pack},
    request::{chunked, head, request},
};

use std::time::Duration;

use epitaph_crash_model::{Note, NoteReason};

/// Longer than anything here takes on a slow machine: a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a report says of something that could not be kept.
pub fn note(name: Option<&str>, reason: NoteReason) -> Note {
    Note { name: name.map(str::to_owned), reason }
}
