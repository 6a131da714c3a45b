//! `GET /api/v1/projects/{project}/issues` and `.../issues/{issue}`.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use epitaph_catalog::{Issue, IssueQuery};
use epitaph_crash_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::{limit, order, period};
use crate::{Dashboard, fault::Fault, period::Period};

const DEFAULT_ISSUES: u32 = 100;
const MOST_ISSUES: u32 = 1_000;

#[derive(Deserialize)]
pub(super) struct Asked {
    period: Option<String>,
    order: Option<String>,
    limit: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Issues {
    issues: Vec<Issue>,
}

/// Issues with crashes in the last `period` (default `24h`), in `order` (default `count`), `limit` at most (100).
pub(super) async fn list(
    State(dashboard): State<Dashboard>,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<Issues>, Fault> {
    let project = dashboard.project(&project).await?.id;
    let query = IssueQuery {
        since: period(asked.period.as_deref(), Period::Day)?.since(Timestamp::now()),
        order: order(asked.order.as_deref())?,
        limit: limit(asked.limit.as_deref(), DEFAULT_ISSUES, MOST_ISSUES)?,
    };
    Ok(Json(Issues { issues: dashboard.facts().view(project).await?.issues(&query).await? }))
}

/// One issue; `count` and `users` are of the last `period` (default `all`).
pub(super) async fn one(
    State(dashboard): State<Dashboard>,
    Path((project, issue)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Json<Issue>, Fault> {
    let project = dashboard.project(&project).await?.id;
    let issue = issue.parse().map_err(|_| Fault::NoSuchIssue)?;
    let since = period(asked.period.as_deref(), Period::All)?.since(Timestamp::now());
    let view = dashboard.facts().view(project).await?;
    view.issue(issue, since).await?.map(Json).ok_or(Fault::NoSuchIssue)
}
