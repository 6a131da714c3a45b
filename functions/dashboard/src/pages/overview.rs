//! `GET /` and `GET /projects/{project}`: how a project is doing.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{Redirect, Response},
};
use epitaph_crash_model::Timestamp;
use epitaph_facts::{Column, Dimension, Filter, Order, TopIssues};
use serde::Deserialize;

use super::{
    Page,
    connect::Connect,
    html,
    lists::{Choice, CrashLine, IssueRow, breakdowns, periods},
    place::{Place, SearchBox},
};
use crate::{
    Dashboard, chart::Chart, fault::Fault, period::Period, shares::Shares, shown::number, texts::Texts,
    visitor::Visitor,
};

/// How many issues are counted; a project with more has other worries than their exact number.
const COUNTED_ISSUES: usize = 500;
const TOP_ISSUES: usize = 10;
const LATEST_CRASHES: u32 = 10;
/// What the crashes of a project are told apart by; kinds have a place of their own.
const DIMENSIONS: [Column; 7] = [
    Column::Kind,
    Column::Release,
    Column::Platform,
    Column::Environment,
    Column::Gpu,
    Column::Device,
    Column::Country,
];

#[derive(Deserialize)]
pub(crate) struct Asked {
    period: Option<String>,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewView<'a> {
    page: Page<'a>,
    project_name: String,
    search: SearchBox,
    periods: Vec<Choice>,
    /// While there is nothing to show yet.
    connect: Option<Connect>,
    crashes: String,
    users: String,
    change: Option<Change>,
    active_issues: String,
    new_issues: String,
    chart: Chart,
    kinds: Shares,
    issues: Vec<IssueRow>,
    issues_href: String,
    crashes_href: String,
    breakdowns: Vec<Shares>,
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
    let (view, t, now) = (dashboard.facts().view(project.id).await?, page.t, Timestamp::now());
    let period = Period::of_page(asked.period.as_deref());
    let grid = period.grid(now);
    let address = format!("/projects/{}", project.id);
    let place = Place::new(address.clone(), period, None);
    let issues = place.at(format!("{address}/issues"));

    let latest = view.recent_crashes(LATEST_CRASHES).await?;
    let points = view.trend(Filter::All, grid.since, grid.until, grid.pieces).await?;
    let query = TopIssues {
        period: grid.span(),
        filter: Filter::All,
        order: Order::Count,
        limit: COUNTED_ISSUES,
        step: grid.step(),
    };
    let top = view.top_issues(&query).await?;
    let dimensions = DIMENSIONS.map(Dimension::Column);
    let shares = breakdowns(&view, &issues, &Filter::All, None, &dimensions, now, t).await?;
    let mut shares = shares.into_iter().map(|(shares, _)| shares);

    let connect = match latest.as_slice() {
        [] => Some(Connect::new(&dashboard, &visitor, project.id).await?),
        _ => None,
    };
    let named = &top.issues[..top.issues.len().min(TOP_ISSUES)];
    let view = OverviewView {
        project_name: page.project.as_ref().map(|project| project.name.clone()).unwrap_or_default(),
        search: issues.search_box(t),
        periods: periods(period, t, |word| place.in_period(word)),
        connect,
        crashes: number(top.totals.count),
        users: number(top.totals.users.unwrap_or(0)),
        change: Change::new(top.totals.count, top.before.unwrap_or(0), t),
        active_issues: counted(top.issues.len()),
        new_issues: counted(top.issues.iter().filter(|top| top.new).count()),
        chart: Chart::new(&points, grid, t),
        kinds: shares.next().unwrap_or_default(),
        issues: IssueRow::all(named, &issues, project.id, now, t),
        issues_href: issues.href(),
        crashes_href: place.at(format!("{address}/crashes")).href(),
        breakdowns: shares.filter(Shares::tells).collect(),
        latest: CrashLine::all(&latest, now, t),
        page,
    };
    html(&view)
}

fn counted(issues: usize) -> String {
    let more = if issues >= COUNTED_ISSUES { "+" } else { "" };
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
