//! Receives plain JSON reports, from whatever can send an HTTP request. `README.md` documents the JSON, with an example
//! for each engine.
//!
//! | route                              | body                                                        | 200 answers          |
//! | ---------------------------------- | ----------------------------------------------------------- | -------------------- |
//! | `POST /api/{project}/report/`      | the JSON; or a form with it as `report`, and files beside it | `{"id":"<32 hex>"}`  |
//! | `OPTIONS` of it                    |                                                             | what a page may send |
//!
//! The body may be packed with gzip, deflate, br or zstd. Only the JSON's shape is checked here: a field of the wrong
//! type is refused and named, so that whoever builds a client sees it at once. What the report says is read by
//! `process`. The id of an answer is the client's own, if it gave one.

mod form;
mod held;
pub mod shape;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header, request::Parts},
    middleware::map_response,
    response::{IntoResponse as _, Response},
    routing::post,
};
use epitaph_crash_model::{ProjectId, Protocol};
use epitaph_ingest::{
    Cause, Collector, Refusal,
    body::{self, BodyReader},
    cors,
    draft::Draft,
    multipart,
};

use crate::held::Held;

/// The routes of this function.
pub fn router(collector: Collector) -> Router {
    let route = || post(report).options(cors::preflight);
    Router::new()
        .route("/api/{project}/report/", route())
        .route("/api/{project}/report", route())
        .method_not_allowed_fallback(method_not_allowed)
        .route_layer(map_response(cors::for_any_origin))
        .with_state(Arc::new(collector))
}

async fn report(
    State(collector): State<Arc<Collector>>,
    project: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let accepted = match receive(&collector, project, &parts, body).await {
        Ok(draft) => {
            let given = draft.report().client_id.clone();
            collector.accept(draft).await.map(|id| given.unwrap_or_else(|| id.simple()))
        }
        Err(refusal) => Err(refusal),
    };
    match accepted {
        Ok(id) => answer(StatusCode::OK, "application/json", format!("{{\"id\":\"{id}\"}}")),
        Err(refusal) => {
            collector.count_refused(&refusal);
            refusal.into_response()
        }
    }
}

async fn method_not_allowed() -> Response {
    let text = "this address takes reports: expected POST\n".to_owned();
    answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", text)
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))], body).into_response()
}

async fn receive(
    collector: &Collector,
    project: Result<Path<String>, PathRejection>,
    parts: &Parts,
    body: Body,
) -> Result<Draft, Refusal> {
    let project = match authenticated_project(collector, project, parts) {
        Ok(project) => project,
        Err(refusal) => {
            body::linger(body).await;
            return Err(refusal);
        }
    };
    match collector.read(&parts.headers, body) {
        Ok(reader) => draft(collector, project, parts, reader).await,
        Err(unread) => Err(unread.linger().await),
    }
}

fn authenticated_project(
    collector: &Collector,
    project: Result<Path<String>, PathRejection>,
    parts: &Parts,
) -> Result<ProjectId, Refusal> {
    // What is no text is no project either.
    let project = project.map_or_else(|_| String::new(), |Path(project)| project);
    let project = project.parse().map_err(|error| {
        Refusal::new(Cause::Unauthorized, format!("the project in the address is wrong: {error}"))
    })?;
    collector.authenticate(parts, project)?;
    Ok(project)
}

/// Reads the body into a report. Whatever is no form is taken for JSON: pages that must not ask first send it as text.
async fn draft(
    collector: &Collector,
    project: ProjectId,
    parts: &Parts,
    mut reader: BodyReader,
) -> Result<Draft, Refusal> {
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_form = content_type.is_some_and(|content_type| {
        content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data")
    });
    let mut draft = collector.draft(project, Protocol::Report, &parts.headers);
    let limits = collector.limits();
    let received = if is_form {
        let boundary = content_type.and_then(multipart::boundary_of);
        form::receive(&mut draft, boundary.as_deref(), limits, &mut reader).await
    } else {
        alone(&mut draft, limits.event, &mut reader).await
    };
    match received {
        Ok(()) => Ok(draft),
        Err(refusal) => {
            // At the same time: the bucket that failed may take as long to delete, and the client waits for its answer.
            reader.linger_during(draft.discard()).await;
            Err(refusal)
        }
    }
}

/// A body that is the JSON itself.
async fn alone(draft: &mut Draft, limit: u64, reader: &mut BodyReader) -> Result<(), Refusal> {
    let mut held = Held::new(limit);
    while let Some(piece) = reader.next().await? {
        held.write(draft, &piece).await?;
    }
    held.keep(draft).await
}
