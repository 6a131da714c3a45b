//! Receives minidumps.
//!
//! | route                                    | client              | 200 answers              |
//! | ---------------------------------------- | ------------------- | ------------------------ |
//! | `POST /api/{project}/minidump/`          | Crashpad, Breakpad  | the report's id          |
//! | `POST /submit?project=1&sentry_key=...`  | Socorro's clients   | `CrashID=bp-<id>`        |
//!
//! Either takes `multipart/form-data` with the minidump as `upload_file_minidump`, or the minidump itself as the body.
//! A minidump may be packed with gzip, zstd, xz or bzip2; a body with what HTTP knows. The answer to a request that was
//! accepted is always 200 and never comes before the report is durable; 429 is never answered, since no minidump client
//! knows it.

pub mod extra;
mod form;
mod part;
mod raw;
mod sentry;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::post,
};
use epitaph_crash_model::{ProjectId, Protocol};
use epitaph_ingest::{
    Accepted, Collector, Refusal, body::BodyReader, draft::Draft, keys, multipart, receive,
};

/// The names in a query that are ours, and no annotations.
const OWN_NAMES: [&str; 2] = ["sentry_key", "project"];

/// The routes of this function.
pub fn router(collector: Collector) -> Router {
    Router::new()
        .route("/api/{project}/minidump/", post(minidump))
        .route("/api/{project}/minidump", post(minidump))
        .route("/submit", post(submit))
        .method_not_allowed_fallback(async || {
            text(StatusCode::METHOD_NOT_ALLOWED, "this address takes minidumps: expected POST\n".to_owned())
        })
        .with_state(Arc::new(collector))
}

/// As Crashpad and Breakpad post: answers with the id alone.
async fn minidump(
    State(collector): State<Arc<Collector>>,
    project: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    // What is no text is no project either.
    let project = project.map_or_else(|_| String::new(), |Path(project)| project);
    match receive(&collector, Some(&project), request).await {
        Ok(accepted) => text(StatusCode::OK, accepted.id.to_string()),
        Err(refusal) => refusal.into_response(),
    }
}

/// As Mozilla's clients post to Socorro: answers in its words.
async fn submit(State(collector): State<Arc<Collector>>, request: Request) -> Response {
    match receive(&collector, None, request).await {
        Ok(Accepted { discarded_by: Some(rule), .. }) => {
            text(StatusCode::OK, format!("Discarded=rule_{rule}\n"))
        }
        Ok(Accepted { id, .. }) => text(StatusCode::OK, format!("CrashID=bp-{id}\n")),
        Err(refusal) if refusal.cause.status() == StatusCode::BAD_REQUEST => {
            text(StatusCode::BAD_REQUEST, format!("Discarded=malformed_{}\n", refusal.cause.as_str()))
        }
        Err(refusal) => refusal.into_response(),
    }
}

fn text(status: StatusCode, body: String) -> Response {
    let mut response = (status, body).into_response();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// Receives one report. A project of `None` is looked for in the query, as Socorro's path names none. What it has of a
/// minidump that is whole is kept, whatever comes after.
async fn receive(
    collector: &Collector,
    project: Option<&str>,
    request: Request,
) -> Result<Accepted, Refusal> {
    let (parts, body) = request.into_parts();
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_form = receive::is_form(content_type);
    let protocol = match (is_form, project) {
        (_, None) => Protocol::Socorro,
        (true, Some(_)) => Protocol::Multipart,
        (false, Some(_)) => Protocol::RawMinidump,
    };
    let begin = || {
        let project = authenticated_project(collector, project, &parts)?;
        Ok(collector.draft(project, protocol, &parts.headers))
    };
    let read = async |draft: &mut Draft, reader: &mut BodyReader| {
        if is_form {
            let boundary = content_type.and_then(multipart::boundary_of);
            form::receive(draft, collector.limits(), boundary.as_deref(), reader).await
        } else {
            raw::receive(draft, reader).await
        }
    };
    let accepted = match collector.receive(&parts.headers, body, begin, read).await {
        Ok(draft) => collector.accept_or_discard(with_query(draft, &parts)).await,
        Err(refusal) => Err(refusal),
    };
    accepted.inspect_err(|refusal| collector.count_refused(refusal))
}

fn authenticated_project(
    collector: &Collector,
    project: Option<&str>,
    parts: &Parts,
) -> Result<ProjectId, Refusal> {
    let project = match project {
        Some(project) => project.to_owned(),
        None => {
            let query = parts.uri.query().unwrap_or_default();
            keys::query_values(query, "project").next().unwrap_or_else(|| ProjectId::FIRST.to_string())
        }
    };
    let project = receive::project(&project)?;
    collector.authenticate(parts, project)?;
    Ok(project)
}

/// Crashpad repeats product, version and guid in the query; a field of the same name has the first word.
fn with_query(mut draft: Draft, parts: &Parts) -> Draft {
    for (name, value) in keys::query_pairs(parts.uri.query().unwrap_or_default()) {
        if !OWN_NAMES.contains(&name.as_str()) {
            draft.annotate(name, value);
        }
    }
    draft
}
