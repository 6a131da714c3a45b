//! What there is: lists, checks, pins, and deleting.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, Uri},
};
use epitaph_catalog::DebugFileRow;
use epitaph_crash_model::Timestamp;
use epitaph_ingest::{Cause, Refusal};
use epitaph_symbolicate::DebugId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Fault, Symbols, announce::read};

/// Files of one answer, unless fewer are asked for.
const PAGE: u32 = 1000;
/// Debug ids of one question.
const MOST_IDS: usize = 1000;

#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    files: Vec<DebugFileRow>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

pub(crate) async fn list(
    State(symbols): State<Symbols>,
    Path(project): Path<String>,
    Query(page): Query<Page>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Listed>, Fault> {
    let (project, _) = symbols.authenticate(&project, &uri, &headers)?;
    let limit = page.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let after = match page.after.as_deref() {
        None => None,
        Some(cursor) => Some(place(cursor).ok_or_else(|| {
            Refusal::new(Cause::Malformed, "`after` is malformed: expected `next` of the page before")
        })?),
    };
    let after = after.as_ref().map(|(at, id, file)| (*at, id.as_str(), file.as_str()));
    let files = symbols.catalog().debug_files(project, after, limit).await?;
    let is_full = u32::try_from(files.len()).is_ok_and(|count| count == limit);
    let next = files
        .last()
        .filter(|_| is_full)
        .map(|last| format!("{}.{}.{}", last.uploaded_at.as_millis(), last.debug_id, last.sha256));
    Ok(Json(Listed { files, next }))
}

fn place(cursor: &str) -> Option<(Timestamp, String, String)> {
    let mut parts = cursor.splitn(3, '.');
    let at = Timestamp::from_millis(parts.next()?.parse().ok()?);
    Some((at, parts.next()?.to_owned(), parts.next()?.to_owned()))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    /// As Breakpad writes them.
    ids: Vec<String>,
}

/// Which of some debug ids have symbols: lines, and unwind information.
pub(crate) async fn check(
    State(symbols): State<Symbols>,
    Path(project): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<Asked>, JsonRejection>,
) -> Result<Json<Value>, Fault> {
    let (project, _) = symbols.authenticate(&project, &uri, &headers)?;
    let Asked { ids } = read(body)?;
    if ids.len() > MOST_IDS {
        return Err(Refusal::new(Cause::TooLarge, format!("expected at most {MOST_IDS} ids")).into());
    }
    let mut found = serde_json::Map::new();
    for id in ids {
        let Ok(parsed) = DebugId::from_breakpad(&id) else { continue };
        let files = symbols.catalog().debug_files_of(project, &parsed.breakpad().to_string()).await?;
        let has = |what: fn(&DebugFileRow) -> Option<&String>| {
            files.iter().any(|file| what(file).is_some_and(|worth| worth == "full"))
        };
        if !files.is_empty() {
            let lines = has(|file| file.lines.as_ref());
            let unwind = has(|file| file.unwind.as_ref());
            found.insert(id, json!({ "lines": lines, "unwind": unwind }));
        }
    }
    Ok(Json(json!({ "found": found })))
}

#[derive(Debug, Deserialize)]
pub(crate) struct Pin {
    release: String,
    pinned: bool,
}

pub(crate) async fn pin(
    State(symbols): State<Symbols>,
    Path(project): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<Pin>, JsonRejection>,
) -> Result<Json<Value>, Fault> {
    let project = symbols.authenticate_administrator(&project, &uri, &headers)?;
    let Pin { release, pinned } = read(body)?;
    let changed = symbols.catalog().pin_debug_files(project, &release, pinned).await?;
    Ok(Json(json!({ "changed": changed })))
}

/// Deletes a debug file of one debug id. What is deleted last is what names it, so that a deletion that was cut off can be
/// repeated.
pub(crate) async fn remove(
    State(symbols): State<Symbols>,
    Path((project, debug_id, sha256)): Path<(String, String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<StatusCode, Fault> {
    let project = symbols.authenticate_administrator(&project, &uri, &headers)?;
    let id = DebugId::from_breakpad(&debug_id).map_err(|_| Fault::NotFound)?;
    let files = symbols.catalog().debug_files_of(project, &id.breakpad().to_string()).await?;
    if !files.iter().any(|file| file.sha256 == sha256) {
        return Err(Fault::NotFound);
    }
    let store = symbols.store().await?;
    store.retract(project, id, &sha256).await?;
    let is_last = symbols.catalog().remove_debug_file(project, &id.breakpad().to_string(), &sha256).await?;
    if is_last {
        store.drop_file(project, &sha256).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
