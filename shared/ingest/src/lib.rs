//! What all collectors share, from the first byte of a request to the moment at which its report is safe.
//!
//! A [`Collector`] checks the [`keys`] of a request, reads its [`body`] within its limits, drafts a report of it
//! ([`draft`]), and hands it over ([`hand_over`]). Memory is bounded by the [`budget`] that all requests share, never
//! by what a client sends: what does not fit goes to the bucket as it comes.

pub mod body;
mod breaker;
pub mod budget;
mod collector;
pub mod cors;
pub mod draft;
pub mod dump;
pub mod file;
pub mod hand_over;
pub mod inflate;
pub mod keys;
pub mod multipart;
pub mod receive;
mod refusal;
mod rule_book;

#[cfg(feature = "embedded")]
pub use crate::collector::producer_settings;
pub use crate::{
    collector::{Accepted, Collector, Engines, OpenError},
    refusal::{Cause, Refusal},
};
