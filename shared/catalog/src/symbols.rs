//! Debug files: which were uploaded and what became of them, and what is known of each debug id.

use std::str::FromStr;

use epitaph_crash_model::{ProjectId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Row as _, any::AnyRow};

use crate::{Catalog, CatalogError, bounded, crash::placeholders, row};

const UPLOAD: &str = "SELECT digest, name, size, release, state, reason, changed_at FROM symbol_uploads \
    WHERE project = $1 AND digest = $2";
const BEGIN: &str = "INSERT INTO symbol_uploads \
    (project, digest, name, size, release, state, reason, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
    ON CONFLICT (project, digest) DO UPDATE SET name = excluded.name, size = excluded.size, \
    release = excluded.release, state = excluded.state, reason = excluded.reason, \
    changed_at = excluded.changed_at";
const OTHERS_WAIT: &str = "SELECT 1 FROM symbol_uploads \
    WHERE project = $1 AND digest <> $2 AND state = 'waiting' LIMIT 1";
const FORGET_UPLOADS: &str = "DELETE FROM symbol_uploads WHERE project = $1 AND digest = $2";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT project, debug_id, sha256, code_id, name, uploaded_as, format, arch, size, lines, unwind, \
             release, pinned, uploaded_at, last_used_at FROM debug_files ",
            $rest
        )
    };
}

const OF_ID: &str = select!("WHERE project = $1 AND debug_id = $2 ORDER BY sha256");
const OF_CODE: &str = select!("WHERE project = $1 AND code_id = $2 ORDER BY debug_id, sha256");
const LATEST: &str = select!(
    "WHERE project = $1 AND (uploaded_at, debug_id, sha256) < ($2, $3, $4) \
     ORDER BY uploaded_at DESC, debug_id DESC, sha256 DESC LIMIT $5"
);
const UNUSED: &str = select!("WHERE pinned = 0 AND last_used_at < $1 ORDER BY last_used_at LIMIT $2");
const OF_FILE: &str = "SELECT 1 FROM debug_files WHERE project = $1 AND sha256 = $2 LIMIT 1";
/// The number is given under a lock, so who reads it finds all files with that number or a lower one.
const ARRIVE: &str = "UPDATE projects SET arrivals = arrivals + 1 WHERE id = $1 RETURNING arrivals";
const ADD: &str = "INSERT INTO debug_files (project, debug_id, sha256, code_id, name, uploaded_as, format, arch, \
    size, lines, unwind, release, pinned, uploaded_at, last_used_at, arrival) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
    ON CONFLICT (project, debug_id, sha256) DO UPDATE SET code_id = excluded.code_id, name = excluded.name, \
    uploaded_as = excluded.uploaded_as, format = excluded.format, arch = excluded.arch, size = excluded.size, \
    lines = excluded.lines, unwind = excluded.unwind, \
    release = COALESCE(excluded.release, debug_files.release), last_used_at = excluded.last_used_at, \
    arrival = excluded.arrival";
const REMOVE: &str = "DELETE FROM debug_files WHERE project = $1 AND debug_id = $2 AND sha256 = $3";
const PIN: &str = "UPDATE debug_files SET pinned = $3 WHERE project = $1 AND release = $2 AND pinned <> $3";

/// Ids that one question names.
const AT_ONCE: usize = 500;

/// What became of an uploaded debug file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UploadState {
    /// It waits to be converted, or is being converted.
    Waiting,
    /// It was converted.
    Done,
    /// It cannot be used.
    Refused,
}

impl UploadState {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            UploadState::Waiting => "waiting",
            UploadState::Done => "done",
            UploadState::Refused => "refused",
        }
    }
}

impl FromStr for UploadState {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [UploadState::Waiting, UploadState::Done, UploadState::Refused];
        all.into_iter().find(|state| state.as_str() == text).ok_or("expected waiting, done or refused")
    }
}

/// A debug file that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolUpload {
    /// What names its content: `sha256:` or `sha1:`, and hexadecimal digits.
    pub digest: String,
    /// The name that it was uploaded by.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// The release that it was uploaded for, if that was said.
    pub release: Option<String>,
    /// What became of it.
    pub state: UploadState,
    /// Why it was refused, or what of it could not be used.
    pub reason: Option<String>,
    /// When this was last so.
    pub changed_at: Timestamp,
}

/// A debug file of one debug id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebugFileRow {
    /// Whose it is.
    pub project: ProjectId,
    /// The debug id, as Breakpad writes it.
    pub debug_id: String,
    /// The SHA-256 of the file's bytes, in hexadecimal digits.
    pub sha256: String,
    /// The identifier of the code, in lower case.
    pub code_id: Option<String>,
    /// The name by which crashes call it.
    pub name: String,
    /// The name that it was uploaded by.
    pub uploaded_as: String,
    /// What it is written in.
    pub format: String,
    /// The processor.
    pub arch: Option<String>,
    /// Bytes of the file.
    pub size: u64,
    /// What its cache of lines is worth, if it has one.
    pub lines: Option<String>,
    /// What its cache of unwind information is worth, if it has one.
    pub unwind: Option<String>,
    /// The release that it was uploaded for.
    pub release: Option<String>,
    /// Whether it is kept however long nobody uses it.
    pub pinned: bool,
    /// When it came.
    pub uploaded_at: Timestamp,
    /// When it was last used, to the day or so.
    pub last_used_at: Timestamp,
}

impl Catalog {
    /// An upload; `None` if there was no such.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn symbol_upload(
        &self,
        project: ProjectId,
        digest: &str,
    ) -> Result<Option<SymbolUpload>, CatalogError> {
        let question = sqlx::query(UPLOAD).bind(project.as_i64()).bind(row::text(digest));
        self.maybe(question).await?.as_ref().map(read_upload).transpose()
    }

    /// Notes what became of an upload, in place of what was noted before.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn note_symbol_upload(
        &self,
        project: ProjectId,
        upload: &SymbolUpload,
    ) -> Result<(), CatalogError> {
        let note = sqlx::query(BEGIN)
            .bind(project.as_i64())
            .bind(row::text(&upload.digest))
            .bind(row::text(&upload.name))
            .bind(i64::try_from(upload.size).unwrap_or(i64::MAX))
            .bind(row::optional_text(upload.release.as_ref()))
            .bind(upload.state.as_str())
            .bind(row::optional_text(upload.reason.as_ref()))
            .bind(upload.changed_at.as_millis());
        let mut transaction = self.begin().await?;
        transaction.execute(note).await?;
        transaction.commit().await
    }

    /// Whether another upload of the project waits than this one.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn other_symbol_uploads_wait(
        &self,
        project: ProjectId,
        digest: &str,
    ) -> Result<bool, CatalogError> {
        let question = sqlx::query(OTHERS_WAIT).bind(project.as_i64()).bind(row::text(digest));
        Ok(self.maybe(question).await?.is_some())
    }

    /// Adds a debug file. One that is there is replaced, but for when it came and whether it is pinned. Either way
    /// crashes that lack it are named again: see [`Catalog::waiting_for_symbols`].
    ///
    /// # Errors
    /// [`CatalogError::UnknownProject`], [`CatalogError::Unavailable`].
    pub async fn add_debug_file(&self, file: &DebugFileRow) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        let arrived = transaction.maybe(sqlx::query(ARRIVE).bind(file.project.as_i64())).await?;
        let arrived = arrived.ok_or(CatalogError::UnknownProject(file.project))?;
        let arrival: i64 = arrived.try_get("arrivals")?;
        let add = sqlx::query(ADD)
            .bind(file.project.as_i64())
            .bind(row::text(&file.debug_id))
            .bind(row::text(&file.sha256))
            .bind(row::optional_text(file.code_id.as_ref()))
            .bind(row::text(&file.name))
            .bind(row::text(&file.uploaded_as))
            .bind(row::text(&file.format))
            .bind(row::optional_text(file.arch.as_ref()))
            .bind(i64::try_from(file.size).unwrap_or(i64::MAX))
            .bind(row::optional_text(file.lines.as_ref()))
            .bind(row::optional_text(file.unwind.as_ref()))
            .bind(row::optional_text(file.release.as_ref()))
            .bind(i64::from(file.pinned))
            .bind(file.uploaded_at.as_millis())
            .bind(file.last_used_at.as_millis())
            .bind(arrival);
        transaction.execute(add).await?;
        transaction.commit().await
    }

    /// The files of a debug id.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn debug_files_of(
        &self,
        project: ProjectId,
        debug_id: &str,
    ) -> Result<Vec<DebugFileRow>, CatalogError> {
        let question = sqlx::query(OF_ID).bind(project.as_i64()).bind(row::text(debug_id));
        self.all(question).await?.iter().map(read_file).collect()
    }

    /// The files of an identifier of code, given in lower case.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn debug_files_of_code(
        &self,
        project: ProjectId,
        code_id: &str,
    ) -> Result<Vec<DebugFileRow>, CatalogError> {
        let question = sqlx::query(OF_CODE).bind(project.as_i64()).bind(row::text(code_id));
        self.all(question).await?.iter().map(read_file).collect()
    }

    /// The debug files of a project, those that came last first, `limit` at most, from behind one on that is given by when it
    /// came, its debug id and its SHA-256.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn debug_files(
        &self,
        project: ProjectId,
        after: Option<(Timestamp, &str, &str)>,
        limit: u32,
    ) -> Result<Vec<DebugFileRow>, CatalogError> {
        let (at, id, file) = after.map_or((i64::MAX, String::new(), String::new()), |(at, id, file)| {
            (at.as_millis(), row::text(id), row::text(file))
        });
        let question = sqlx::query(LATEST).bind(project.as_i64()).bind(at).bind(id).bind(file);
        self.all(question.bind(bounded(limit))).await?.iter().map(read_file).collect()
    }

    /// Which of these debug ids have a debug file.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn known_debug_ids(
        &self,
        project: ProjectId,
        debug_ids: &[String],
    ) -> Result<Vec<String>, CatalogError> {
        let mut known = Vec::new();
        for some in debug_ids.chunks(AT_ONCE) {
            let mut question = sqlx::query(AssertSqlSafe(known_among(some.len()))).bind(project.as_i64());
            for id in some {
                question = question.bind(row::text(id));
            }
            for row in &self.all(question).await? {
                known.push(row.try_get("debug_id")?);
            }
        }
        Ok(known)
    }

    /// Notes that debug ids were used, where that was not noted since `before`.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn use_debug_files(
        &self,
        project: ProjectId,
        debug_ids: &[String],
        now: Timestamp,
        before: Timestamp,
    ) -> Result<(), CatalogError> {
        for some in debug_ids.chunks(AT_ONCE) {
            let statement = format!(
                "UPDATE debug_files SET last_used_at = $2 WHERE project = $1 AND last_used_at < $3 \
                 AND debug_id IN ({})",
                placeholders(4, some.len())
            );
            let mut update = sqlx::query(AssertSqlSafe(statement)).bind(project.as_i64());
            update = update.bind(now.as_millis()).bind(before.as_millis());
            for id in some {
                update = update.bind(row::text(id));
            }
            let mut transaction = self.begin().await?;
            transaction.execute(update).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Pins all debug files of a release, or lets them go. Gives the number of those that changed.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn pin_debug_files(
        &self,
        project: ProjectId,
        release: &str,
        pinned: bool,
    ) -> Result<u64, CatalogError> {
        let pin = sqlx::query(PIN).bind(project.as_i64()).bind(row::text(release)).bind(i64::from(pinned));
        let mut transaction = self.begin().await?;
        let changed = transaction.execute(pin).await?;
        transaction.commit().await?;
        Ok(changed)
    }

    /// Debug files of all projects that nobody has used since `before` and nobody has pinned, those that were used
    /// longest ago first.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn unused_debug_files(
        &self,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<DebugFileRow>, CatalogError> {
        let question = sqlx::query(UNUSED).bind(before.as_millis()).bind(bounded(limit));
        self.all(question).await?.iter().map(read_file).collect()
    }

    /// Removes a debug file of one debug id. True if the file has no other debug id, and so is named by nothing now; its
    /// upload is forgotten then, so that it may come again.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn remove_debug_file(
        &self,
        project: ProjectId,
        debug_id: &str,
        sha256: &str,
    ) -> Result<bool, CatalogError> {
        let mut transaction = self.begin().await?;
        let remove = sqlx::query(REMOVE).bind(project.as_i64());
        transaction.execute(remove.bind(row::text(debug_id)).bind(row::text(sha256))).await?;
        let others = sqlx::query(OF_FILE).bind(project.as_i64()).bind(row::text(sha256));
        let is_last = transaction.maybe(others).await?.is_none();
        if is_last {
            let forget = sqlx::query(FORGET_UPLOADS).bind(project.as_i64());
            transaction.execute(forget.bind(row::text(&format!("sha256:{sha256}")))).await?;
        }
        transaction.commit().await?;
        Ok(is_last)
    }
}

pub(crate) fn known_among(count: usize) -> String {
    format!(
        "SELECT DISTINCT debug_id FROM debug_files WHERE project = $1 AND debug_id IN ({})",
        placeholders(2, count)
    )
}

fn read_upload(row: &AnyRow) -> Result<SymbolUpload, CatalogError> {
    Ok(SymbolUpload {
        digest: row.try_get("digest")?,
        name: row.try_get("name")?,
        size: row::number(row, "size")?,
        release: row.try_get("release")?,
        state: row::parsed(row, "state")?,
        reason: row.try_get("reason")?,
        changed_at: row::time(row, "changed_at")?,
    })
}

fn read_file(row: &AnyRow) -> Result<DebugFileRow, CatalogError> {
    let pinned: i64 = row.try_get("pinned")?;
    Ok(DebugFileRow {
        project: row::project(row, "project")?,
        debug_id: row.try_get("debug_id")?,
        sha256: row.try_get("sha256")?,
        code_id: row.try_get("code_id")?,
        name: row.try_get("name")?,
        uploaded_as: row.try_get("uploaded_as")?,
        format: row.try_get("format")?,
        arch: row.try_get("arch")?,
        size: row::number(row, "size")?,
        lines: row.try_get("lines")?,
        unwind: row.try_get("unwind")?,
        release: row.try_get("release")?,
        pinned: pinned != 0,
        uploaded_at: row::time(row, "uploaded_at")?,
        last_used_at: row::time(row, "last_used_at")?,
    })
}
