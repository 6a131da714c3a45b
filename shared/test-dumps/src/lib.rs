//! Minidumps for tests and benches. Whoever reads a test sees what the dump in it contains; no file of a stranger is
//! needed.
#![expect(clippy::unwrap_used, reason = "a test that cannot make its input should fail")]

#[cfg(feature = "crash")]
pub mod crash;
pub mod crashpad;
mod synth;
pub mod unreal;

pub use synth::*;
