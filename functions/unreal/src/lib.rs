//! Receives what Unreal's CrashReportClient posts, as its `DataRouterUrl` says:
//! `POST /api/{project}/unreal/{key}/?AppID=...&AppVersion=...&AppEnvironment=...&UploadType=...&UserID=...`
//!
//! The body is a container of files, packed with zlib: a minidump, a context in XML, a log, settings. It is split while
//! it arrives, so that each file meets its own limit. The answer to a request that was accepted is always 200 and the
//! report's id, and never comes before the report is durable. CrashReportClient takes any answer for success, so every
//! report that can be kept in part is kept in part; 429 is never answered.

pub mod container;
mod receive;
mod unpacked;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use epitaph_crash_model::{CrashId, Protocol};
use epitaph_ingest::{Collector, Refusal, body::BodyReader, draft::Draft, keys};

/// The names of the three parts of `UserID`, in their order.
const USER_PARTS: [&str; 3] = ["LoginId", "EpicAccountId", "MachineId"];

/// The routes of this function.
pub fn router(collector: Collector) -> Router {
    Router::new()
        .route("/api/{project}/unreal/{key}/", post(unreal))
        .route("/api/{project}/unreal/{key}", post(unreal))
        .method_not_allowed_fallback(async || {
            text(
                StatusCode::METHOD_NOT_ALLOWED,
                "this address takes Unreal's crash reports: expected POST\n".to_owned(),
            )
        })
        .with_state(Arc::new(collector))
}

async fn unreal(
    State(collector): State<Arc<Collector>>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    // What is no text is no project either.
    let (project, key) = path.map_or_else(|_| Default::default(), |Path(segments)| segments);
    match accept(&collector, &project, &key, request).await {
        Ok(id) => text(StatusCode::OK, id.to_string()),
        Err(refusal) => {
            collector.count_refused(&refusal);
            refusal.into_response()
        }
    }
}

fn text(status: StatusCode, body: String) -> Response {
    let mut response = (status, body).into_response();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

async fn accept(
    collector: &Collector,
    project: &str,
    key: &str,
    request: Request,
) -> Result<CrashId, Refusal> {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let begin = || {
        let project = epitaph_ingest::receive::project(project)?;
        collector.check_key(project, &keys::key_in_path(key, query, &parts.headers)?)?;
        Ok(collector.draft(project, Protocol::Unreal, &parts.headers))
    };
    let read = async |draft: &mut Draft, reader: &mut BodyReader| {
        receive::receive(draft, collector.limits(), reader).await
    };
    let mut draft = collector.receive(&parts.headers, body, begin, read).await?;
    for (name, value) in keys::query_pairs(query) {
        match name.as_str() {
            "sentry_key" => {}
            "UserID" => annotate_user(&mut draft, &value),
            _ => draft.annotate(name, value),
        }
    }
    collector.accept(draft).await
}

/// `login|epic id|machine id`: each by itself, and the one that tells users apart as `user_id`. Players without an
/// account have no epic id; the login is the machine's where there is none.
fn annotate_user(draft: &mut Draft, value: &str) {
    let mut parts = value.splitn(USER_PARTS.len(), '|').map(|part| part.trim().to_owned());
    let parts: [String; 3] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    let [login, epic, machine] = &parts;
    if let Some(user) = [epic, machine, login].into_iter().find(|part| !part.is_empty()) {
        draft.annotate("user_id".to_owned(), user.clone());
    }
    for (name, part) in USER_PARTS.into_iter().zip(parts) {
        if !part.is_empty() {
            draft.annotate(name.to_owned(), part);
        }
    }
}
