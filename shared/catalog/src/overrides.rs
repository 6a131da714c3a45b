//! Crashes in segments that turned out to be called otherwise than the rest of those with their signature.
//!
//! A segment never changes. So what its facts should name is kept here until the segment is written anew; until then
//! such a crash is counted with the rest, and never twice.

use std::collections::HashMap;

use epitaph_crash_model::{CrashId, LateCrash, ProjectId, SignatureId, Timestamp};
use sqlx::Row as _;

use crate::{
    Catalog, CatalogError, Renamed, bounded, late,
    record::{FIND_ISSUE, LOWER_FIRST},
    resign,
    retention::RAISE_LAST,
    row,
};

const NOTE_MIXED: &str = "INSERT INTO mixed_signatures (project, signature, noted_at) VALUES ($1, $2, $3) \
    ON CONFLICT (project, signature) DO UPDATE SET noted_at = excluded.noted_at";
pub(crate) const MIXED: &str =
    "SELECT signature, noted_at FROM mixed_signatures x WHERE x.project = $1 ORDER BY x.signature LIMIT $2";
pub(crate) const FORGET_MIXED: &str =
    "DELETE FROM mixed_signatures WHERE project = $1 AND signature = $2 AND noted_at = $3";
const IS_ROW: &str = "SELECT 1 FROM facts f WHERE f.project = $1 AND f.crash_id = $2";
const OVERRIDE: &str = "INSERT INTO overrides (project, crash_id, signature) VALUES ($1, $2, $3) \
    ON CONFLICT (project, crash_id) DO UPDATE SET signature = excluded.signature";
pub(crate) const OVERRIDES: &str =
    "SELECT crash_id, signature FROM overrides o WHERE o.project = $1 ORDER BY o.crash_id LIMIT $2";
pub(crate) const FORGET_OVERRIDE: &str =
    "DELETE FROM overrides WHERE project = $1 AND crash_id = $2 AND signature = $3";

/// A signature whose crashes are not all called alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixedSignature {
    /// The signature.
    pub signature: SignatureId,
    /// When that was noted last.
    pub noted_at: Timestamp,
}

impl Catalog {
    /// Notes that the crashes of a signature in segments are to be told apart, one by one.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn note_mixed(&self, project: ProjectId, signature: SignatureId) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        let note = sqlx::query(NOTE_MIXED).bind(project.as_i64()).bind(signature.to_string());
        transaction.execute(note.bind(Timestamp::now().as_millis())).await?;
        transaction.commit().await
    }

    /// The signatures whose crashes in segments are to be told apart.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn mixed_signatures(&self, project: ProjectId) -> Result<Vec<MixedSignature>, CatalogError> {
        let question = sqlx::query(MIXED).bind(project.as_i64()).bind(bounded(u32::MAX));
        let rows = self.all(question).await?;
        let read = |found| {
            let signature = row::parsed(found, "signature")?;
            Ok(MixedSignature { signature, noted_at: row::time(found, "noted_at")? })
        };
        rows.iter().map(read).collect()
    }

    /// Forgets one of them, unless it was noted again meanwhile.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn forget_mixed(&self, project: ProjectId, mixed: MixedSignature) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        let forget = sqlx::query(FORGET_MIXED).bind(project.as_i64()).bind(mixed.signature.to_string());
        transaction.execute(forget.bind(mixed.noted_at.as_millis())).await?;
        transaction.commit().await
    }

    /// Gives a crash in a segment another signature once the segment is written anew, if what it is called is another
    /// issue's than that of `signature`, which its fact names. One that is in no segment is left as it is.
    ///
    /// # Errors
    /// [`CatalogError::UnknownProject`], [`CatalogError::Unavailable`].
    pub async fn override_signature(
        &self,
        project: ProjectId,
        signature: SignatureId,
        renamed: &Renamed,
        crash: &LateCrash,
    ) -> Result<bool, CatalogError> {
        self.settle(|| self.override_once(project, signature, renamed, crash)).await
    }

    async fn override_once(
        &self,
        project: ProjectId,
        signature: SignatureId,
        renamed: &Renamed,
        crash: &LateCrash,
    ) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        let number = late::lock(&mut transaction, project).await?;
        let id = crash.crash_id.to_string();
        let is_row = sqlx::query(IS_ROW).bind(project.as_i64()).bind(id.clone());
        let usual = sqlx::query(FIND_ISSUE).bind(project.as_i64()).bind(signature.to_string());
        let usual =
            transaction.maybe(usual).await?.map(|found| found.try_get::<i64, _>("issue")).transpose()?;
        let own = late::issue_named(&mut transaction, project, renamed.named.id).await?;
        if usual.is_none() || usual == own || transaction.maybe(is_row).await?.is_some() {
            transaction.rollback().await?;
            return Ok(false);
        }
        let moved = resign::Moved {
            at: crash.received_at,
            crash: id.clone(),
            release: crash.release.clone(),
            attempt: crash.attempt.clone(),
        };
        resign::join(&mut transaction, project, renamed, &moved, number).await?;
        // Of a fact in a segment only this tells how late the signature was seen.
        for change in [LOWER_FIRST, RAISE_LAST] {
            let change = sqlx::query(change)
                .bind(project.as_i64())
                .bind(renamed.signature.to_string())
                .bind(moved.at.as_millis())
                .bind(id.clone())
                .bind(moved.release.clone());
            transaction.execute(change).await?;
        }
        let keep = sqlx::query(OVERRIDE).bind(project.as_i64()).bind(id).bind(renamed.signature.to_string());
        transaction.execute(keep).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The signatures that facts in segments should name, of the crashes with the lowest ids.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn overrides(&self, project: ProjectId) -> Result<HashMap<CrashId, SignatureId>, CatalogError> {
        let question = sqlx::query(OVERRIDES).bind(project.as_i64()).bind(bounded(u32::MAX));
        let rows = self.all(question).await?;
        rows.iter()
            .map(|found| Ok((row::parsed(found, "crash_id")?, row::parsed(found, "signature")?)))
            .collect()
    }

    /// Forgets what facts name by now, unless they should name yet another.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn forget_overrides(
        &self,
        project: ProjectId,
        overrides: &HashMap<CrashId, SignatureId>,
    ) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        for (crash, signature) in overrides {
            let forget = sqlx::query(FORGET_OVERRIDE).bind(project.as_i64()).bind(crash.to_string());
            transaction.execute(forget.bind(signature.to_string())).await?;
        }
        transaction.commit().await
    }
}
