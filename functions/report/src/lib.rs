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
use epitaph_crash_model::Protocol;
use epitaph_ingest::{Collector, Refusal, body::BodyReader, cors, draft::Draft, multipart, receive};

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

/// Reads a body into a report. Whatever is no form is taken for JSON: pages that must not ask first send it as text.
async fn receive(
    collector: &Collector,
    project: Result<Path<String>, PathRejection>,
    parts: &Parts,
    body: Body,
) -> Result<Draft, Refusal> {
    let begin = || {
        // What is no text is no project either.
        let project = receive::project(&project.map_or_else(|_| String::new(), |Path(project)| project))?;
        collector.authenticate(parts, project)?;
        Ok(collector.draft(project, Protocol::Report, &parts.headers))
    };
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let limits = collector.limits();
    let read = async |draft: &mut Draft, reader: &mut BodyReader| {
        if receive::is_form(content_type) {
            let boundary = content_type.and_then(multipart::boundary_of);
            form::receive(draft, boundary.as_deref(), limits, reader).await
        } else {
            alone(draft, limits.event, reader).await
        }
    };
    collector.receive(&parts.headers, body, begin, read).await
}

/// A body that is the JSON itself.
async fn alone(draft: &mut Draft, limit: u64, reader: &mut BodyReader) -> Result<(), Refusal> {
    let mut held = Held::new(limit);
    while let Some(piece) = reader.next().await? {
        held.write(draft, &piece).await?;
    }
    held.keep(draft).await
}
