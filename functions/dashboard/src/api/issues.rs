//! `GET /api/v1/projects/{project}/issues` and `.../issues/{issue}`.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use epitaph_catalog::{Issue, TrendPoint};
use epitaph_crash_model::Timestamp;
use epitaph_facts::{Bucket, Order, TopIssue, TopIssues, Totals};
use serde::Serialize;

use super::asked::{Asked, WEEK};
use crate::{Dashboard, fault::Fault};

const DEFAULT_ISSUES: usize = 100;
const MOST_ISSUES: usize = 1_000;
const ORDERS: [Order; 4] = [Order::Count, Order::Users, Order::LastSeen, Order::FirstSeen];

#[derive(Serialize)]
pub(super) struct Issues {
    issues: Vec<Listed>,
    /// Of all crashes that were asked for.
    totals: Totals,
    /// Reports in the equally long time before; `null` where the period has no beginning.
    before: Option<u64>,
    /// The steps of the trends.
    step: String,
}

/// An issue, with what it was in the period.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    issue: Issue,
    share: f64,
    before: Option<u64>,
    new: bool,
    regressed: bool,
    trend: Vec<TrendPoint>,
}

impl From<TopIssue> for Listed {
    fn from(top: TopIssue) -> Self {
        let TopIssue { issue, share, before, trend, new, regressed } = top;
        Self { issue, share, before, new, regressed, trend }
    }
}

/// Issues with crashes in a period, `limit` at most (100), in `order` (default `count`).
pub(super) async fn list(
    State(dashboard): State<Dashboard>,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<Issues>, Fault> {
    let project = dashboard.project(&project).await?.id;
    let now = Timestamp::now();
    let period = asked.period(now, WEEK)?;
    let step: Bucket = asked.step(period, now)?;
    let top = TopIssues {
        period,
        filter: asked.filter()?,
        order: asked.order(&ORDERS)?,
        limit: asked.limit(DEFAULT_ISSUES, MOST_ISSUES)?,
        step: Some(step),
    };
    let top = dashboard.facts().view(project).await?.top_issues(&top).await?;
    let issues = top.issues.into_iter().map(Listed::from).collect();
    Ok(Json(Issues { issues, totals: top.totals, before: top.before, step: step.to_string() }))
}

/// One issue; `count` and `users` are of the period (default `all`).
pub(super) async fn one(
    State(dashboard): State<Dashboard>,
    Path((project, issue)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Json<Issue>, Fault> {
    let project = dashboard.project(&project).await?.id;
    let issue = dashboard.issue_number(project, &issue).await?;
    let since = asked.period(Timestamp::now(), "all")?.from;
    let view = dashboard.facts().view(project).await?;
    view.issue(issue, since).await?.map(Json).ok_or(Fault::NoSuchIssue)
}
