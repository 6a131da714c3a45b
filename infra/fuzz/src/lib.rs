//! What must hold of every parser, whatever bytes it is given.
//!
//! One function per target. Each takes bytes that anybody may have made, and ends in a panic if the code under test does,
//! or if what it gives cannot be: more than its limits, something else when the same bytes arrive in other pieces, or
//! something that does not read back as it was written. Each is quick, and keeps nothing.
//!
//! `libfuzzer/` makes fuzzers of them; `tests/replay.rs` runs them over `corpus/` with every test run.
#![expect(clippy::expect_used, reason = "a fuzz target tells by a panic that something is wrong")]
#![expect(clippy::panic, reason = "a fuzz target tells by a panic that something is wrong")]

mod crash;
mod envelope;
mod events;
mod inflate;
mod multipart;
mod names;
mod pieces;
mod requests;
mod rules;
mod search;
mod symbols;
mod texts;
mod unreal;

pub use crate::{
    envelope::{envelope, store},
    events::{context, event, msgpack, report},
    inflate::inflate,
    multipart::multipart,
    names::{extra, names},
    requests::requests,
    rules::rules,
    search::search,
    symbols::{cfi_index, debug_files, symbol_caches},
    texts::{scrub, signature, stack_text},
    unreal::unreal,
};

/// A function that takes whatever bytes there are, and panics if something is wrong.
pub type Target = fn(&[u8]);

/// All targets, by the names of their folders in `corpus/`.
pub const TARGETS: [(&str, Target); 20] = [
    ("cfi_index", cfi_index),
    ("context", context),
    ("debug_files", debug_files),
    ("envelope", envelope),
    ("event", event),
    ("extra", extra),
    ("inflate", inflate),
    ("msgpack", msgpack),
    ("multipart", multipart),
    ("names", names),
    ("report", report),
    ("requests", requests),
    ("rules", rules),
    ("scrub", scrub),
    ("search", search),
    ("signature", signature),
    ("stack_text", stack_text),
    ("store", store),
    ("symbol_caches", symbol_caches),
    ("unreal", unreal),
];
