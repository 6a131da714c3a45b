//! Which modules crashes lack symbols of, by how many they are.

use std::{cmp::Reverse, collections::HashMap};

use epitaph_catalog::MissingModule;
use epitaph_crash_model::SignatureId;

use super::View;
use crate::{Column, FactsError, Question};

/// A module without any functions or lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingSymbols {
    /// The module.
    pub module: MissingModule,
    /// How many reports lack it, of the 10,000 most frequent signatures.
    pub count: u64,
}

impl View {
    /// Modules without any functions or lines, those that most reports lack first.
    ///
    /// # Errors
    /// As [`View::ask`], and [`FactsError::Catalog`].
    pub async fn missing_symbols(&self, limit: usize) -> Result<Vec<MissingSymbols>, FactsError> {
        let missing = self.facts().catalog().missing_symbols(self.project()).await?;
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let group_by = vec![Column::Signature.into()];
        let answer =
            self.ask(Question { group_by, limit: Question::MOST_ROWS, ..Question::default() }).await?;
        let count = |row: crate::Row| Some((row.value?.parse().ok()?, row.totals.count));
        let counts: HashMap<SignatureId, u64> = answer.rows.into_iter().filter_map(count).collect();
        let counted = missing.into_iter().map(|missing| MissingSymbols {
            count: missing.signatures.iter().filter_map(|signature| counts.get(signature)).sum(),
            module: missing.module,
        });
        let mut counted: Vec<_> = counted.collect();
        counted.sort_by(|a, b| (Reverse(a.count), &a.module).cmp(&(Reverse(b.count), &b.module)));
        counted.truncate(limit);
        Ok(counted)
    }
}
