//! `GET /projects/{project}/issues`: all issues that had crashes in a period.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use epitaph_crash_model::Timestamp;
use epitaph_facts::{Order, TopIssues};
use serde::Deserialize;

use super::{
    Page,
    lists::{Choice, IssueRow, periods},
    place::{Place, SearchBox},
    searched,
};
use crate::{Dashboard, fault::Fault, period::Period, shown::number, texts::Texts, visitor::Visitor};

const MOST_ISSUES: usize = 100;
/// The orders that the page offers, by their words in its address.
const ORDERS: [(&str, Order); 4] = [
    ("count", Order::Count),
    ("users", Order::Users),
    ("last_seen", Order::LastSeen),
    ("first_seen", Order::FirstSeen),
];

#[derive(Deserialize)]
pub(crate) struct Asked {
    period: Option<String>,
    order: Option<String>,
    search: Option<String>,
}

#[derive(Template)]
#[template(path = "issues.html")]
struct IssuesView<'a> {
    page: Page<'a>,
    search: SearchBox,
    periods: Vec<Choice>,
    orders: Vec<Choice>,
    count: String,
    issues: Vec<IssueRow>,
    widest_href: String,
    crashes_href: String,
    /// What to say when there are more.
    cut: Option<String>,
}

fn label(order: Order, t: &Texts) -> &'static str {
    match order {
        Order::Users => t.statistics.by_users,
        Order::LastSeen => t.by_last_seen,
        Order::FirstSeen => t.by_first_seen,
        _ => t.by_count,
    }
}

pub(crate) async fn show(
    State(dashboard): State<Dashboard>,
    visitor: Visitor,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let (page, project) = Page::of(&dashboard, &visitor, &project, "issues").await?;
    let (t, now) = (page.t, Timestamp::now());
    let period = Period::of_page(asked.period.as_deref());
    let known = ORDERS.iter().find(|(word, _)| asked.order.as_deref() == Some(*word));
    let (word, order) = known.copied().unwrap_or(ORDERS[0]);
    let path = format!("/projects/{}/issues", project.id);
    let place = Place::new(path, period, asked.search.as_deref()).with("order", word);
    let grid = period.grid(now);
    let query = TopIssues {
        period: grid.span(),
        filter: place.search.filter(),
        order,
        limit: MOST_ISSUES + 1,
        step: grid.step(),
    };
    let mut top = dashboard.facts().view(project.id).await?.top_issues(&query).await?;
    let more = top.issues.len() > MOST_ISSUES;
    top.issues.truncate(MOST_ISSUES);

    let choice = |(word, other): (&'static str, Order)| Choice {
        href: place.with("order", word).href(),
        label: label(other, t),
        current: other == order,
    };
    let search = place.search_box(t);
    let view = IssuesView {
        periods: periods(period, t, |word| place.in_period(word)),
        orders: ORDERS.map(choice).into(),
        count: number(top.totals.count),
        issues: IssueRow::all(&top.issues, &place, project.id, now, t),
        widest_href: place.in_period(Period::Quarter.word()),
        crashes_href: place.at(format!("/projects/{}/crashes", project.id)).href(),
        cut: more.then(|| (t.only_first)(u32::try_from(MOST_ISSUES).unwrap_or(u32::MAX))),
        search,
        page,
    };
    searched(&view, &view.search)
}
