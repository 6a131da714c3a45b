//! The rules that people change while it runs: which keys are accepted, and which reports are kept.
//!
//! Plain types and matching, no I/O. A collector decides what it can from what it sees ([`Subject`]); where a rule asks
//! for more than that, the report is kept, and `process`, which knows all, decides.
#![doc = include_str!("../README.md")]

mod decide;
mod document;
mod glob;
pub mod labels;
mod symbol_source;

pub use crate::{
    decide::{Decision, Known, Subject},
    document::{
        Action, LARGEST_DOCUMENT, LARGEST_GENERATION, Match, Percent, ProjectLimits, ProjectRules,
        RULES_VERSION, Retention, Rule, Rules, RulesError,
    },
    symbol_source::{SymbolLayout, SymbolSource},
};
