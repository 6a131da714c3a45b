//! `GET /projects/{project}/issues/{issue}`: one issue, what its crashes have in common, and the crashes.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use epitaph_crash_model::{IssueNumber, Kind, Timestamp};
use epitaph_facts::Column;
use serde::Deserialize;

use super::{
    Page, html,
    lists::{Choice, CrashLine, periods},
};
use crate::{
    Dashboard,
    chart::{Chart, Shares},
    fault::Fault,
    period::Period,
    shown::{Title, When, line, number},
    texts::Texts,
    visitor::Visitor,
};

const CRASHES: u32 = 25;
const SHARES: u32 = 6;

#[derive(Deserialize)]
pub(crate) struct Asked {
    period: Option<String>,
    before: Option<String>,
}

#[derive(Template)]
#[template(path = "issue.html")]
struct IssueView<'a> {
    page: Page<'a>,
    number: i64,
    title: Title,
    kind: Kind,
    kind_word: &'static str,
    status: &'static str,
    issues_href: String,
    periods: Vec<Choice>,
    count: String,
    users: String,
    first_seen: When,
    first_release: String,
    last_seen: When,
    last_release: String,
    chart: Chart,
    breakdowns: Vec<Breakdown>,
    crashes: Vec<CrashLine>,
    older_href: Option<String>,
    newest_href: Option<String>,
}

struct Breakdown {
    title: &'static str,
    shares: Shares,
}

/// What crashes of one issue are told apart by, in the order in which it helps.
fn dimensions(t: &Texts) -> [(Column, &'static str); 6] {
    [
        (Column::Release, t.by_release),
        (Column::Platform, t.by_platform),
        (Column::OsVersion, t.by_os_version),
        (Column::Reason, t.by_reason),
        (Column::Environment, t.by_environment),
        (Column::Arch, t.by_arch),
    ]
}

pub(crate) async fn show(
    State(dashboard): State<Dashboard>,
    visitor: Visitor,
    Path((project, number_text)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let (page, project) = Page::of(&dashboard, &visitor, &project, "issues").await?;
    let id: IssueNumber = number_text.parse().map_err(|_| Fault::NoSuchIssue)?;
    let (view, t) = (dashboard.facts().view(project.id).await?, page.t);
    let period = Period::of_page(asked.period.as_deref());
    let now = Timestamp::now();
    let grid = period.grid(now);
    let issue = view.issue(id, Some(grid.since)).await?.ok_or(Fault::NoSuchIssue)?;
    let points = view.trend(Some(id), grid.since, grid.until, grid.pieces).await?;

    let mut breakdowns = Vec::new();
    for (dimension, title) in dimensions(t) {
        let shares = view.breakdown(Some(id), Some(grid.since), dimension.into(), SHARES).await?;
        breakdowns.push(Breakdown { title, shares: Shares::new(&shares, issue.count, t) });
    }

    let before = asked.before.as_deref().and_then(|before| before.parse().ok());
    let mut crashes = view.issue_crashes(id, CRASHES + 1, before).await?;
    let more = crashes.len() > CRASHES as usize;
    crashes.truncate(CRASHES as usize);
    let last = crashes.last().filter(|_| more).map(|row| row.fact.crash_id);

    let address = format!("/projects/{}/issues/{id}", project.id);
    let word = period.word();
    html(&IssueView {
        number: id.0,
        title: Title::new(&issue.title),
        kind: issue.kind,
        kind_word: (t.kind)(issue.kind),
        status: (t.status)(issue.status),
        issues_href: format!("/projects/{}/issues?period={word}", project.id),
        periods: periods(period, t, |word| format!("{address}?period={word}")),
        count: number(issue.count),
        users: number(issue.users),
        first_seen: When::new(issue.first_seen, now, t),
        first_release: issue.first_release.as_deref().map(line).unwrap_or_default(),
        last_seen: When::new(issue.last_seen, now, t),
        last_release: issue.last_release.as_deref().map(line).unwrap_or_default(),
        chart: Chart::new(&points, grid, t),
        breakdowns,
        crashes: CrashLine::all(&crashes, now, t),
        older_href: last.map(|crash| format!("{address}?period={word}&before={crash}#crashes")),
        newest_href: before.map(|_| format!("{address}?period={word}#crashes")),
        page,
    })
}
