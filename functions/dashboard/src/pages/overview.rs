//! `GET /` and `GET /projects/{project}`: how a project is doing.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{Redirect, Response},
};
use epitaph_catalog::{IssueOrder, IssueQuery};
use epitaph_crash_model::Timestamp;
use epitaph_facts::Column;
use serde::Deserialize;

use super::{
    Page,
    connect::Connect,
    html,
    lists::{Choice, CrashLine, IssueRow, periods},
};
use crate::{
    Dashboard,
    chart::{Chart, Shares},
    fault::Fault,
    period::Period,
    shown::number,
    texts::Texts,
    visitor::Visitor,
};

/// How many issues are counted; a project with more has other worries than their exact number.
const COUNTED_ISSUES: u32 = 500;
const TOP_ISSUES: usize = 10;
const LATEST_CRASHES: u32 = 10;
const SHARES: u32 = 6;

#[derive(Deserialize)]
pub(crate) struct Asked {
    period: Option<String>,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewView<'a> {
    page: Page<'a>,
    project_name: String,
    periods: Vec<Choice>,
    /// While there is nothing to show yet.
    connect: Option<Connect>,
    crashes: String,
    change: Option<Change>,
    active_issues: String,
    new_issues: String,
    chart: Chart,
    kinds: Shares,
    issues: Vec<IssueRow>,
    issues_href: String,
    releases: Shares,
    platforms: Shares,
    environments: Shares,
    latest: Vec<CrashLine>,
}

/// How a period compares with the one before.
struct Change {
    class: &'static str,
    text: String,
    explained: String,
}

impl Change {
    /// `None` when there was nothing before to compare with.
    fn new(count: u64, before: u64, t: &Texts) -> Option<Self> {
        if before == 0 {
            return None;
        }
        let percent = u128::from(count.abs_diff(before)) * 100 / u128::from(before);
        let (class, text) = match count.cmp(&before) {
            _ if percent == 0 => ("same", "±0%".to_owned()),
            std::cmp::Ordering::Greater if percent > 999 => ("up", "▲ >999%".to_owned()),
            std::cmp::Ordering::Greater => ("up", format!("▲ {percent}%")),
            _ => ("down", format!("▼ {percent}%")),
        };
        Some(Self { class, text, explained: (t.against_before)(&number(before)) })
    }
}

/// Leads to the first project.
pub(crate) async fn first(State(dashboard): State<Dashboard>) -> Result<Redirect, Fault> {
    let projects = dashboard.catalog().projects().await?;
    let project = projects.first().ok_or(Fault::NoSuchProject)?;
    Ok(Redirect::to(&format!("/projects/{}", project.id)))
}

pub(crate) async fn show(
    State(dashboard): State<Dashboard>,
    visitor: Visitor,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let (page, project) = Page::of(&dashboard, &visitor, &project, "overview").await?;
    let (view, t) = (dashboard.facts().view(project.id).await?, page.t);
    let period = Period::of_page(asked.period.as_deref());
    let now = Timestamp::now();
    let grid = period.grid(now);

    let latest = view.recent_crashes(LATEST_CRASHES).await?;
    let points = view.trend(None, grid.since, grid.until, grid.pieces).await?;
    let before = view.trend(None, grid.before(), grid.since, 1).await?;
    let query = IssueQuery { since: Some(grid.since), limit: COUNTED_ISSUES, order: IssueOrder::Count };
    let issues = view.issues(&query).await?;
    let top = &issues[..issues.len().min(TOP_ISSUES)];
    let rows = IssueRow::all(&view, project.id, top, period, now, t).await?;
    let count = points.iter().map(|point| point.count).sum();
    let breakdown = |dimension: Column| view.breakdown(None, Some(grid.since), dimension.into(), SHARES);

    let connect = match latest.as_slice() {
        [] => Some(Connect::new(&dashboard, &visitor, project.id).await?),
        _ => None,
    };
    let address = format!("/projects/{}", project.id);
    html(&OverviewView {
        project_name: page.project.as_ref().map(|project| project.name.clone()).unwrap_or_default(),
        periods: periods(period, t, |word| format!("{address}?period={word}")),
        connect,
        crashes: number(count),
        change: Change::new(count, before.iter().map(|point| point.count).sum(), t),
        active_issues: counted(issues.len()),
        new_issues: counted(issues.iter().filter(|issue| issue.first_seen >= grid.since).count()),
        chart: Chart::new(&points, grid, t),
        kinds: Shares::of_kinds(&breakdown(Column::Kind).await?, t),
        issues: rows,
        issues_href: format!("{address}/issues?period={}", period.word()),
        releases: Shares::new(&breakdown(Column::Release).await?, count, t),
        platforms: Shares::new(&breakdown(Column::Platform).await?, count, t),
        environments: Shares::new(&breakdown(Column::Environment).await?, count, t),
        latest: CrashLine::all(&latest, now, t),
        page,
    })
}

fn counted(issues: usize) -> String {
    let more = if issues >= COUNTED_ISSUES as usize { "+" } else { "" };
    format!("{}{more}", number(issues as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::ENGLISH;

    #[test]
    fn a_change_is_told_against_the_period_before() {
        let change = |count, before| Change::new(count, before, &ENGLISH).map(|change| change.text);
        assert_eq!(change(12, 0), None);
        assert_eq!(change(12, 10).as_deref(), Some("▲ 20%"));
        assert_eq!(change(5, 10).as_deref(), Some("▼ 50%"));
        assert_eq!(change(1000, 1001).as_deref(), Some("±0%"));
        assert_eq!(change(u64::MAX, 1).as_deref(), Some("▲ >999%"));
    }
}
