//! The rules' last word on a crash: here all that they may ask about is known.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use epitaph_catalog::{Catalog, CatalogError};
use epitaph_crash_model::{Crash, Fact, RuleVerdict};
use epitaph_rules::{Action, Decision, Rules, Subject};

/// The rules as the catalog has them: read anew when their revision has changed.
#[derive(Debug, Default)]
pub(crate) struct RuleCache(Mutex<(i64, Arc<Rules>)>);

/// What the rules say about a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// Keep it. It stands for so many reports.
    Keep {
        weight: u32,
        /// Keep the payloads of the first so many of a signature in an hour only, by the rule of this name.
        first: Option<(u32, String)>,
    },
    /// Count it, and keep nothing.
    Discard { rule: String, verdict: RuleVerdict },
}

impl RuleCache {
    /// The rules of now. A document that cannot be read leaves those of before in force.
    pub(crate) async fn current(&self, catalog: &Catalog) -> Result<Arc<Rules>, CatalogError> {
        let revision = catalog.rules_revision().await?;
        if let Some(known) = self.known(revision) {
            return Ok(known);
        }
        let Some(found) = catalog.rules().await? else { return Ok(Arc::default()) };
        let read = Rules::read(found.document.as_bytes());
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.0 = found.revision;
        match read {
            Ok(rules) => held.1 = Arc::new(rules),
            Err(error) => {
                let error = epitaph_host::telemetry::chain(&error);
                tracing::error!(
                    error,
                    revision = found.revision,
                    "the rules cannot be read; the last good ones stay"
                );
            }
        }
        Ok(Arc::clone(&held.1))
    }

    fn known(&self, revision: i64) -> Option<Arc<Rules>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (held.0 == revision).then(|| Arc::clone(&held.1))
    }
}

/// What rules may ask about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) crash: &'a Crash,
    pub(crate) fact: &'a Fact,
    /// The annotations as they were sent: a collector, too, goes by those.
    pub(crate) annotations: &'a BTreeMap<String, String>,
}

/// The rules' word on a crash whose fact is known. `user` is whom the request names, before all others: a collector goes
/// by the same. `sampled_by` is the rule by which a collector has kept the report already.
pub(crate) fn word(
    rules: &Rules,
    About { crash, fact, annotations }: About<'_>,
    user: Option<String>,
    sampled_by: Option<&str>,
) -> Word {
    let user = user.or_else(|| fact.user.clone());
    let subject = Subject { annotations, ..Subject::of_crash(crash, fact.platform.clone(), user) };
    match rules.decide(&subject) {
        // It is in the sample already, and a user that was found meanwhile must not put it to another test.
        Decision::Discard { rule, verdict: RuleVerdict::SampledOut }
            if sampled_by == Some(rule.name.as_str()) =>
        {
            let weight = match rule.action {
                Action::Sample(percent) => percent.weight(),
                Action::Keep | Action::Drop => 1,
            };
            keep(rule, crash.weight.max(weight))
        }
        Decision::Discard { rule, verdict } => Word::Discard { rule: rule.name.clone(), verdict },
        Decision::Keep { rule: Some(rule), weight } => match sampled_by {
            Some(before) if before == rule.name => keep(rule, crash.weight.max(weight)),
            // Drawn twice, it stands for as many as both say.
            _ => keep(rule, crash.weight.saturating_mul(weight)),
        },
        Decision::Keep { rule: None, .. } | Decision::Open => {
            Word::Keep { weight: crash.weight, first: None }
        }
    }
}

fn keep(rule: &epitaph_rules::Rule, weight: u32) -> Word {
    let first = rule.first_per_signature_and_hour.map(|most| (most, rule.name.clone()));
    Word::Keep { weight, first }
}
