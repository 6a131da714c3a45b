//! `GET /projects/{project}/symbols`: which debug files are here, and which are missed.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use epitaph_catalog::DebugFileRow;
use epitaph_crash_model::Timestamp;
use epitaph_facts::MissingSymbols;
use serde::Deserialize;

use super::{Page, html};
use crate::{
    Dashboard,
    fault::Fault,
    shown::{When, line, number, size},
    texts::Texts,
    visitor::Visitor,
};

const FILES: u32 = 50;
const MISSING: usize = 50;

#[derive(Deserialize)]
pub(crate) struct Asked {
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "symbols.html")]
struct SymbolsView<'a> {
    page: Page<'a>,
    missing: Vec<MissingView>,
    files: Vec<FileView>,
    older_href: Option<String>,
    newest_href: Option<String>,
    upload: String,
}

struct MissingView {
    name: String,
    debug_id: String,
    crashes: String,
}

struct FileView {
    name: String,
    /// The name that it was uploaded by, and what it is.
    about: String,
    debug_id: String,
    size: String,
    lines: &'static str,
    unwind: &'static str,
    release: String,
    pinned: bool,
    arrived: When,
    used: When,
}

pub(crate) async fn show(
    State(dashboard): State<Dashboard>,
    visitor: Visitor,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let (page, project) = Page::of(&dashboard, &visitor, &project, "symbols").await?;
    let (t, now) = (page.t, Timestamp::now());
    let address = format!("/projects/{}/symbols", project.id);
    // A place that is none is the beginning.
    let after = asked.after.as_deref().and_then(place);
    let from = after.as_ref().map(|(at, id, file)| (*at, id.as_str(), file.as_str()));
    let mut files = dashboard.catalog().debug_files(project.id, from, FILES + 1).await?;
    let has_more = files.len() > FILES as usize;
    files.truncate(FILES as usize);
    let older = files.last().filter(|_| has_more).map(|last| {
        format!("{address}?after={}.{}.{}#files", last.uploaded_at.as_millis(), last.debug_id, last.sha256)
    });
    let missing = dashboard.facts().view(project.id).await?.missing_symbols(MISSING).await?;
    html(&SymbolsView {
        missing: missing.iter().map(MissingView::new).collect(),
        files: files.iter().map(|file| FileView::new(file, now, t)).collect(),
        older_href: older,
        newest_href: after.map(|_| format!("{address}#files")),
        upload: format!(
            "EPITAPH_UPLOAD_TOKEN=$(epitaph key {0} --upload) \\\n  epitaph symbols upload build/ --project {0} --server {1}",
            project.id,
            dashboard.base_url(&visitor)
        ),
        page,
    })
}

impl MissingView {
    fn new(missing: &MissingSymbols) -> Self {
        Self {
            name: line(&missing.module.name),
            debug_id: line(&missing.module.debug_id),
            crashes: number(missing.count),
        }
    }
}

impl FileView {
    fn new(file: &DebugFileRow, now: Timestamp, t: &Texts) -> Self {
        let about = [Some(file.uploaded_as.as_str()), Some(file.format.as_str()), file.arch.as_deref()];
        let about: Vec<_> = about.into_iter().flatten().map(line).collect();
        Self {
            name: line(&file.name),
            about: about.join(" · "),
            debug_id: line(&file.debug_id),
            size: size(file.size),
            lines: (t.symbols.worth)(file.lines.as_deref().unwrap_or_default()),
            unwind: (t.symbols.worth)(file.unwind.as_deref().unwrap_or_default()),
            release: file.release.as_deref().map(line).unwrap_or_default(),
            pinned: file.pinned,
            arrived: When::new(file.uploaded_at, now, t),
            used: When::new(file.last_used_at, now, t),
        }
    }
}

/// When a file came, its debug id and its SHA-256.
fn place(cursor: &str) -> Option<(Timestamp, String, String)> {
    let mut parts = cursor.splitn(3, '.');
    let at = Timestamp::from_millis(parts.next()?.parse().ok()?);
    Some((at, parts.next()?.to_owned(), parts.next()?.to_owned()))
}
