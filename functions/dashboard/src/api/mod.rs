//! The JSON API under `/api/v1`. Field names and words are those of the crash model; times are RFC 3339.

mod crashes;
mod issues;
mod payloads;

use axum::{Json, Router, extract::State, routing::get};
use epitaph_catalog::{IssueOrder, Project};
use epitaph_crash_model::CrashId;
use serde::Serialize;

use crate::{Dashboard, fault::Fault, period::Period};

/// `GET /api/v1/...`; all of them need the token or a session.
pub(crate) fn routes() -> Router<Dashboard> {
    Router::new()
        .route("/api/v1/projects", get(projects))
        .route("/api/v1/projects/{project}/issues", get(issues::list))
        .route("/api/v1/projects/{project}/issues/{issue}", get(issues::one))
        .route("/api/v1/projects/{project}/issues/{issue}/crashes", get(crashes::of_issue))
        .route("/api/v1/projects/{project}/crashes/{crash}", get(crashes::one))
        .route("/api/v1/projects/{project}/crashes/{crash}/payloads/{index}", get(payloads::download))
}

#[derive(Serialize)]
struct Projects {
    projects: Vec<Project>,
}

async fn projects(State(dashboard): State<Dashboard>) -> Result<Json<Projects>, Fault> {
    Ok(Json(Projects { projects: dashboard.catalog().projects().await? }))
}

/// The orders of issues, as pages offer them.
pub(crate) const ORDERS: [IssueOrder; 3] = [IssueOrder::Count, IssueOrder::LastSeen, IssueOrder::FirstSeen];

/// The word for an order in addresses.
pub(crate) fn order_word(order: IssueOrder) -> &'static str {
    match order {
        IssueOrder::Count => "count",
        IssueOrder::LastSeen => "last_seen",
        IssueOrder::FirstSeen => "first_seen",
    }
}

pub(crate) fn parse_order(word: &str) -> Option<IssueOrder> {
    ORDERS.into_iter().find(|&order| order_word(order) == word)
}

fn period(word: Option<&str>, default: Period) -> Result<Period, Fault> {
    let Some(word) = word else { return Ok(default) };
    Period::parse(word).ok_or_else(|| bad("period", "1h, 24h, 7d, 30d, 90d or all"))
}

fn order(word: Option<&str>) -> Result<IssueOrder, Fault> {
    let Some(word) = word else { return Ok(IssueOrder::default()) };
    parse_order(word).ok_or_else(|| bad("order", "count, last_seen or first_seen"))
}

fn limit(text: Option<&str>, default: u32, most: u32) -> Result<u32, Fault> {
    let Some(text) = text else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| bad("limit", &format!("a number from 1 to {most}")))
}

fn cursor(text: Option<&str>) -> Result<Option<CrashId>, Fault> {
    let id = text.map(str::parse).transpose();
    id.map_err(|_| bad("before", "a crash id, as `next` of the answer before gives it"))
}

fn bad(name: &str, expected: &str) -> Fault {
    Fault::BadRequest(format!("`{name}` is not understood; expected {expected}"))
}
