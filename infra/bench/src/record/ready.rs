//! Crashes that are ready to be recorded, as `process` hands them over.

use std::collections::HashMap;

use epitaph_catalog::NewCrash;
use epitaph_crash_model::{CrashId, Signature, SignatureId, Timestamp};
use fastrand::Rng;

use crate::facts::{self, Facts};

/// Makes them, of the same game as the facts of `stats`.
pub(super) struct Ready {
    facts: Facts,
    texts: HashMap<SignatureId, String>,
}

impl Ready {
    /// So many of them.
    pub(super) fn new(number: u64) -> Self {
        Self { facts: Facts::new(number), texts: facts::texts() }
    }

    /// One that was received at this moment. It names itself, and has a dump, so that the catalog keeps all that it ever
    /// keeps of a crash.
    pub(super) fn crash(&self, received: Timestamp, number: u64) -> NewCrash {
        let fact = self.facts.received(received, number);
        let text = self.texts.get(&fact.signature).cloned().unwrap_or_default();
        let mut random = Rng::with_seed(number ^ 0x6e61_6d65);
        NewCrash {
            title: text.clone(),
            signature: Signature { id: fact.signature, rules: 1, text, steps: Vec::new() },
            fact,
            lacking: None,
            attempt: CrashId::new().simple(),
            counted_by: None,
            client_id: Some(format!("{:032x}", random.u128(..))),
            dump_digest: Some(format!("{:032x}{:032x}", random.u128(..), random.u128(..))),
            outcomes: Vec::new(),
        }
    }
}
