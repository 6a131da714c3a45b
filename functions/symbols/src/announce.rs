//! The beginning and the end of an upload.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, Uri},
};
use epitaph_bucket::Key;
use epitaph_catalog::{SymbolUpload, UploadState};
use epitaph_crash_model::{ProjectId, Timestamp, UPLOADED_FILE_VERSION, UploadedFile};
use epitaph_ingest::{Cause, Refusal};
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};

use crate::{Fault, MOST_PARTS, Symbols};

/// How old a part may be to be used: those that are older may be swept before the file is converted.
const FRESH_MILLIS: i64 = 7 * 24 * 60 * 60 * 1000;
/// The longest name.
const NAME: usize = 260;

/// A file that is to be uploaded.
#[derive(Debug, Deserialize)]
pub(crate) struct Announced {
    pub(crate) name: String,
    pub(crate) size: u64,
    /// 64 hexadecimal digits.
    pub(crate) sha256: String,
    #[serde(default)]
    pub(crate) release: Option<String>,
}

/// What is to be done about it.
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    /// `done`: nothing, it is here. `upload`: the missing parts are to be sent, and then it is to be finished.
    state: &'static str,
    /// Bytes of each part but the last.
    part_bytes: u64,
    /// The numbers of the parts that are not here yet, from 0.
    missing: Vec<u64>,
}

/// The parts that a file is sent in.
pub(crate) struct Parts {
    upload: String,
    size: u64,
    part_bytes: u64,
}

impl Parts {
    /// Larger ones where there would be too many.
    pub(crate) fn of(upload: &str, size: u64, part_bytes: u64) -> Self {
        let needed = size.div_ceil(MOST_PARTS).next_multiple_of(1 << 20);
        Self { upload: upload.to_owned(), size, part_bytes: part_bytes.max(needed) }
    }

    fn count(&self) -> u64 {
        self.size.div_ceil(self.part_bytes)
    }

    /// The bytes of a part; `None` if there is no such.
    pub(crate) fn size_of(&self, part: u64) -> Option<u64> {
        let from = part.checked_mul(self.part_bytes).filter(|from| *from < self.size)?;
        Some((self.size - from).min(self.part_bytes))
    }

    /// The name tells how it was cut, so that what was cut otherwise is another.
    fn name(&self, part: u64) -> String {
        format!("{}-{part}", self.part_bytes)
    }

    pub(crate) fn key(&self, project: ProjectId, part: u64) -> Key {
        Key::symbol_part(project, &self.upload, &self.name(part))
    }
}

impl Announced {
    /// Its parts, if it says what makes sense.
    fn check(&self, symbols: &Symbols) -> Result<Parts, Refusal> {
        check_digest(&self.sha256)?;
        if self.size == 0 {
            return Err(Refusal::new(Cause::Malformed, "the file is empty: expected a debug file"));
        }
        symbols.check_size(self.size)?;
        Ok(Parts::of(&self.sha256, self.size, symbols.shared.part_bytes))
    }

    pub(crate) fn note(&self, state: UploadState) -> SymbolUpload {
        SymbolUpload {
            digest: format!("sha256:{}", self.sha256),
            name: plain_name(&self.name),
            size: self.size,
            release: self.release.clone(),
            state,
            reason: None,
            changed_at: Timestamp::now(),
        }
    }
}

pub(crate) fn check_digest(sha256: &str) -> Result<(), Refusal> {
    let is_digit = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    if sha256.len() == 64 && sha256.bytes().all(is_digit) {
        return Ok(());
    }
    Err(Refusal::new(
        Cause::Malformed,
        "the SHA-256 is malformed: expected 64 hexadecimal digits in lower case",
    ))
}

/// The last part of a path, of bearable length.
pub(crate) fn plain_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let visible = name.chars().map(|next| if next.is_control() { '_' } else { next });
    let name: String = visible.take(NAME).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

impl Symbols {
    /// The parts of an upload that are in the bucket, and their bytes.
    pub(crate) async fn parts(&self, project: ProjectId, upload: &str) -> Result<HashMap<Key, u64>, Fault> {
        let oldest = Timestamp::now().plus_millis(-FRESH_MILLIS);
        let listed = self.bucket().list(&Key::symbol_parts(project, upload));
        let fresh = listed.try_filter(|object| std::future::ready(object.modified >= oldest));
        Ok(fresh.map_ok(|object| (object.key, object.size)).try_collect().await?)
    }

    /// The parts that are not in the bucket, or not as they should be.
    async fn missing(&self, project: ProjectId, parts: &Parts) -> Result<Vec<u64>, Fault> {
        let there = self.parts(project, &parts.upload).await?;
        let is_missing = |part: &u64| there.get(&parts.key(project, *part)).copied() != parts.size_of(*part);
        Ok((0..parts.count()).filter(is_missing).collect())
    }
}

pub(crate) async fn announce(
    State(symbols): State<Symbols>,
    Path(project): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<Announced>, axum::extract::rejection::JsonRejection>,
) -> Result<Json<Plan>, Fault> {
    let (project, _) = symbols.authenticate(&project, &uri, &headers)?;
    let announced = read(body)?;
    let parts = announced.check(&symbols)?;
    let digest = format!("sha256:{}", announced.sha256);
    let known = symbols.catalog().symbol_upload(project, &digest).await?;
    if known.is_some_and(|known| known.state == UploadState::Done) {
        return Ok(Json(Plan { state: "done", part_bytes: parts.part_bytes, missing: Vec::new() }));
    }
    let missing = symbols.missing(project, &parts).await?;
    Ok(Json(Plan { state: "upload", part_bytes: parts.part_bytes, missing }))
}

pub(crate) async fn finish(
    State(symbols): State<Symbols>,
    Path((project, upload)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<Announced>, axum::extract::rejection::JsonRejection>,
) -> Result<Json<SymbolUpload>, Fault> {
    let (project, _) = symbols.authenticate(&project, &uri, &headers)?;
    let announced = read(body)?;
    let parts = announced.check(&symbols)?;
    if announced.sha256 != upload {
        let detail = "the address and the body name different files: expected the same SHA-256";
        return Err(Refusal::new(Cause::Malformed, detail).into());
    }
    let note = announced.note(UploadState::Waiting);
    let known = symbols.catalog().symbol_upload(project, &note.digest).await?;
    if let Some(known) = known.filter(|known| known.state == UploadState::Done) {
        return Ok(Json(known));
    }
    if symbols.catalog().project(project).await?.is_none() {
        let detail = format!("project {project} does not exist; add it with `epitaph project add`");
        return Err(Refusal::new(Cause::Malformed, detail).into());
    }
    let missing = symbols.missing(project, &parts).await?;
    if let Some(first) = missing.first() {
        let detail =
            format!("{} parts are missing, the first is {first}: send them, then finish", missing.len());
        return Err(Refusal::new(Cause::Malformed, detail).into());
    }
    let parts = (0..parts.count()).map(|part| parts.key(project, part).to_string()).collect();
    let uploaded = UploadedFile {
        version: UPLOADED_FILE_VERSION,
        project,
        digest: note.digest.clone(),
        name: note.name.clone(),
        size: note.size,
        release: note.release.clone(),
        parts,
    };
    symbols.begin(&uploaded, &note).await?;
    Ok(Json(note))
}

impl Symbols {
    /// Notes that a file waits, and has it converted. Should this process die in between, whoever asks again sees that it
    /// waits, and finishes it again: twice is fine.
    pub(crate) async fn begin(&self, uploaded: &UploadedFile, note: &SymbolUpload) -> Result<(), Fault> {
        self.catalog().note_symbol_upload(uploaded.project, note).await?;
        let Err(refusal) = self.hand_over(uploaded).await else { return Ok(()) };
        // Nobody is to wait for what was never asked for.
        let reason = Some(refusal.detail.to_string());
        let note = SymbolUpload { state: UploadState::Refused, reason, ..note.clone() };
        self.catalog().note_symbol_upload(uploaded.project, &note).await?;
        Err(refusal.into())
    }
}

pub(crate) async fn status(
    State(symbols): State<Symbols>,
    Path((project, upload)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<SymbolUpload>, Fault> {
    let (project, _) = symbols.authenticate(&project, &uri, &headers)?;
    let known = symbols.catalog().symbol_upload(project, &format!("sha256:{upload}")).await?;
    known.map(Json).ok_or(Fault::NotFound)
}

/// JSON, or a refusal that says what is wrong with it.
pub(crate) fn read<T>(body: Result<Json<T>, axum::extract::rejection::JsonRejection>) -> Result<T, Refusal> {
    match body {
        Ok(Json(body)) => Ok(body),
        Err(rejection) => Err(Refusal::new(Cause::Malformed, rejection.body_text())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_into_parts_of_which_the_last_is_the_rest() {
        let parts = Parts::of("aa", 70, 32);
        assert_eq!(parts.part_bytes, 1 << 20);
        let parts = Parts { upload: "aa".to_owned(), size: 70, part_bytes: 32 };
        assert_eq!(parts.count(), 3);
        assert_eq!(
            [0, 1, 2, 3, u64::MAX].map(|part| parts.size_of(part)),
            [Some(32), Some(32), Some(6), None, None]
        );
        let huge = Parts::of("aa", 1 << 40, 32 << 20);
        assert!(huge.count() <= MOST_PARTS);
    }

    #[test]
    fn a_name_is_one_and_short() {
        assert_eq!(plain_name("c:\\games\\a.pdb"), "a.pdb");
        assert_eq!(plain_name("../../etc/passwd"), "passwd");
        assert_eq!(plain_name("a\nb"), "a_b");
        assert_eq!(plain_name("a/"), "unnamed");
        assert_eq!(plain_name(&"a".repeat(999)).len(), NAME);
    }
}
