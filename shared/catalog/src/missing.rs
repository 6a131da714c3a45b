//! Which modules crashes lack symbols of, for people.

use epitaph_crash_model::{ProjectId, SignatureId};

use crate::{Catalog, CatalogError, MissingModule, row};

/// Kept in the order of modules, so that of each one either all signatures are read, or it is the last.
pub(crate) const MISSING: &str = "SELECT m.debug_id, m.module, m.signature FROM missing_symbols m \
    WHERE m.project = $1 AND NOT EXISTS (\
        SELECT 1 FROM debug_files d WHERE d.project = m.project AND d.debug_id = m.debug_id \
        AND d.lines IS NOT NULL) \
    ORDER BY m.debug_id LIMIT $2";
/// Nothing can be processed again of a signature whose crashes are gone.
const FORGET_GONE: &str = "DELETE FROM missing_symbols WHERE project = $1 AND NOT EXISTS (\
    SELECT 1 FROM signature_samples p WHERE p.project = missing_symbols.project \
    AND p.signature = missing_symbols.signature)";

/// The most pairs of a module and a signature that are read for people.
const MOST_PAIRS: i64 = 50_000;

/// A module without any functions or lines that crashes lack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The module.
    pub module: MissingModule,
    /// The signatures, as facts name them, whose crashes lack it.
    pub signatures: Vec<SignatureId>,
}

impl Catalog {
    /// Modules without any functions or lines, by their debug ids; those of the first 50,000 pairs of a module and a
    /// signature.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn missing_symbols(&self, project: ProjectId) -> Result<Vec<Missing>, CatalogError> {
        let question = sqlx::query(MISSING).bind(project.as_i64()).bind(MOST_PAIRS);
        let mut all: Vec<Missing> = Vec::new();
        for found in &self.all(question).await? {
            let debug_id: String = sqlx::Row::try_get(found, "debug_id")?;
            let signature = row::parsed(found, "signature")?;
            match all.last_mut().filter(|last| last.module.debug_id == debug_id) {
                Some(last) => last.signatures.push(signature),
                None => {
                    let name = sqlx::Row::try_get(found, "module")?;
                    all.push(Missing {
                        module: MissingModule { debug_id, name },
                        signatures: vec![signature],
                    });
                }
            }
        }
        Ok(all)
    }

    /// Forgets what signatures lack none of whose crashes can be processed again. Gives the number of rows.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn forget_gone(&self, project: ProjectId) -> Result<u64, CatalogError> {
        let mut transaction = self.begin().await?;
        let forgotten = transaction.execute(sqlx::query(FORGET_GONE).bind(project.as_i64())).await?;
        transaction.commit().await?;
        Ok(forgotten)
    }
}
