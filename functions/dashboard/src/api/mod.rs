//! The JSON API under `/api/v1`. Field names and words are those of the crash model; times are RFC 3339.

mod asked;
mod crashes;
mod export;
mod issues;
mod payloads;
mod statistics;

use axum::{
    Json, Router,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::get,
};
use epitaph_catalog::Project;
use serde::Serialize;

use crate::{Dashboard, fault::Fault};

/// What programs are told of all this, in OpenAPI 3.1.
const DESCRIPTION: &str = include_str!("openapi.json");

/// `GET /api/v1/...`; all of them need the token or a session.
pub(crate) fn routes() -> Router<Dashboard> {
    Router::new()
        .route("/api/v1/projects", get(projects))
        .route("/api/v1/projects/{project}/issues", get(issues::list))
        .route("/api/v1/projects/{project}/issues/{issue}", get(issues::one))
        .route("/api/v1/projects/{project}/issues/{issue}/crashes", get(crashes::of_issue))
        .route("/api/v1/projects/{project}/trend", get(statistics::trend))
        .route("/api/v1/projects/{project}/breakdown", get(statistics::breakdown))
        .route("/api/v1/projects/{project}/compare", get(statistics::compare))
        .route("/api/v1/projects/{project}/crashes", get(crashes::list))
        .route("/api/v1/projects/{project}/crashes.csv", get(export::crashes))
        .route("/api/v1/projects/{project}/crashes/{crash}", get(crashes::one))
        .route("/api/v1/projects/{project}/crashes/{crash}/payloads/{index}", get(payloads::download))
}

/// `GET /api/openapi.json`: it tells nothing of this installation, and needs no token.
pub(crate) fn public_routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/api/openapi.json", get(describe))
}

async fn describe() -> Response {
    ([(CONTENT_TYPE, "application/json")], DESCRIPTION).into_response()
}

#[derive(Serialize)]
struct Projects {
    projects: Vec<Project>,
}

async fn projects(State(dashboard): State<Dashboard>) -> Result<Json<Projects>, Fault> {
    Ok(Json(Projects { projects: dashboard.catalog().projects().await? }))
}
