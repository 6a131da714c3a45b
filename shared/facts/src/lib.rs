//! Facts: from a crash, the narrow row that statistics count.
//!
//! Clients name the same thing in many ways; which names are looked at is in `annotations`.

mod annotations;
mod fact;
mod platform;

pub use fact::{LONGEST_TEXT, fact_of, user_of};
