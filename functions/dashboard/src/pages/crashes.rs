//! `GET /projects/{project}/crashes`: the crashes of a search, newest first, page by page.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use epitaph_crash_model::Timestamp;
use epitaph_facts::{Listing, Measures, Question};
use serde::Deserialize;

use super::{
    Page,
    lists::{Choice, CrashLine, periods},
    place::{Place, SearchBox, encoded},
    searched,
};
use crate::{Dashboard, chart::Chart, fault::Fault, period::Period, shown::number, visitor::Visitor};

const CRASHES: usize = 50;

#[derive(Deserialize)]
pub(crate) struct Asked {
    period: Option<String>,
    search: Option<String>,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "crashes.html")]
struct CrashesView<'a> {
    page: Page<'a>,
    search: SearchBox,
    periods: Vec<Choice>,
    count: String,
    users: String,
    chart: Chart,
    crashes: Vec<CrashLine>,
    issues_href: String,
    csv_href: String,
    older_href: Option<String>,
    newest_href: Option<String>,
}

pub(crate) async fn show(
    State(dashboard): State<Dashboard>,
    visitor: Visitor,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let (page, project) = Page::of(&dashboard, &visitor, &project, "crashes").await?;
    let (t, now) = (page.t, Timestamp::now());
    let period = Period::of_page(asked.period.as_deref());
    let place = Place::new(format!("/projects/{}/crashes", project.id), period, asked.search.as_deref());
    let (grid, filter) = (period.grid(now), place.search.filter());
    let view = dashboard.facts().view(project.id).await?;
    let totals = Question {
        period: grid.span(),
        filter: filter.clone(),
        measures: Measures { users: true, ..Measures::default() },
        ..Question::default()
    };
    let totals = view.ask(totals).await?.totals;
    let points = view.trend(filter.clone(), grid.since, grid.until, grid.pieces).await?;
    // A place that is none is the beginning.
    let after = asked.after.as_deref().and_then(|after| after.parse().ok());
    let listing = Listing { period: grid.span(), filter, after, ..Listing::default() };
    let (crashes, next) = view.list(listing, CRASHES).await?;

    let search = place.search_box(t);
    let view = CrashesView {
        periods: periods(period, t, |word| place.in_period(word)),
        count: number(totals.count),
        users: number(totals.users.unwrap_or(0)),
        chart: Chart::new(&points, grid, t),
        crashes: CrashLine::all(&crashes, now, t),
        issues_href: place.at(format!("/projects/{}/issues", project.id)).href(),
        csv_href: format!(
            "/api/v1/projects/{}/crashes.csv?since={}&until={}&search={}",
            project.id,
            grid.since,
            grid.until,
            encoded(&place.search.text)
        ),
        older_href: next.map(|next| format!("{}#crashes", place.with("after", next.to_string()).href())),
        newest_href: after.map(|_| format!("{}#crashes", place.href())),
        search,
        page,
    };
    searched(&view, &view.search)
}
