//! `GET /projects/{project}/issues`: all issues that had crashes in a period.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use epitaph_catalog::{IssueOrder, IssueQuery};
use epitaph_crash_model::Timestamp;
use serde::Deserialize;

use super::{
    Page, html,
    lists::{Choice, IssueRow, periods},
};
use crate::{Dashboard, api, fault::Fault, period::Period, texts::Texts, visitor::Visitor};

const MOST_ISSUES: u32 = 100;

#[derive(Deserialize)]
pub(crate) struct Asked {
    period: Option<String>,
    order: Option<String>,
}

#[derive(Template)]
#[template(path = "issues.html")]
struct IssuesView<'a> {
    page: Page<'a>,
    periods: Vec<Choice>,
    orders: Vec<Choice>,
    issues: Vec<IssueRow>,
    widest_href: String,
    /// What to say when there are more.
    cut: Option<String>,
}

fn label(order: IssueOrder, t: &Texts) -> &'static str {
    match order {
        IssueOrder::Count => t.by_count,
        IssueOrder::LastSeen => t.by_last_seen,
        IssueOrder::FirstSeen => t.by_first_seen,
    }
}

pub(crate) async fn show(
    State(dashboard): State<Dashboard>,
    visitor: Visitor,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let (page, project) = Page::of(&dashboard, &visitor, &project, "issues").await?;
    let t = page.t;
    let period = Period::of_page(asked.period.as_deref());
    let order = asked.order.as_deref().and_then(api::parse_order).unwrap_or_default();
    let now = Timestamp::now();
    let query = IssueQuery { since: Some(period.grid(now).since), limit: MOST_ISSUES + 1, order };
    let view = dashboard.facts().view(project.id).await?;
    let mut issues = view.issues(&query).await?;
    let more = issues.len() > MOST_ISSUES as usize;
    issues.truncate(MOST_ISSUES as usize);

    let href = |period: &str, order: IssueOrder| {
        format!("/projects/{}/issues?period={period}&order={}", project.id, api::order_word(order))
    };
    let choice = |other: IssueOrder| Choice {
        href: href(period.word(), other),
        label: label(other, t),
        current: other == order,
    };
    html(&IssuesView {
        periods: periods(period, t, |word| href(word, order)),
        orders: api::ORDERS.map(choice).into(),
        issues: IssueRow::all(&view, project.id, &issues, period, now, t).await?,
        widest_href: href(Period::Quarter.word(), order),
        cut: more.then(|| (t.only_first)(MOST_ISSUES)),
        page,
    })
}
