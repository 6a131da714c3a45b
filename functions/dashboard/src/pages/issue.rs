//! `GET /projects/{project}/issues/{issue}`: one issue, what its crashes have in common, and the crashes.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse as _, Redirect, Response},
};
use epitaph_crash_model::{Kind, Timestamp};
use epitaph_facts::{Answer, Column, Dimension, Filter, Listing, Measures, Question, Verdict};
use serde::Deserialize;

use super::{
    Page,
    lists::{Choice, CrashLine, breakdowns, periods},
    place::{Place, SearchBox},
    searched,
};
use crate::{
    Dashboard,
    chart::Chart,
    fault::Fault,
    period::Period,
    shares::{Shares, label, per_cent},
    shown::{Title, When, line, number},
    texts::Texts,
    visitor::Visitor,
};

const CRASHES: usize = 25;
/// How many of the values that are surely more frequent than elsewhere are named at the top.
const SPECIAL: usize = 4;
/// What crashes of one issue are told apart by, in the order in which it helps.
const DIMENSIONS: [Column; 15] = [
    Column::Release,
    Column::Gpu,
    Column::GpuDriver,
    Column::Device,
    Column::MemoryClass,
    Column::Platform,
    Column::OsVersion,
    Column::Level,
    Column::Country,
    Column::Uptime,
    Column::Reason,
    Column::Build,
    Column::Environment,
    Column::Arch,
    Column::Store,
];

#[derive(Deserialize)]
pub(crate) struct Asked {
    period: Option<String>,
    search: Option<String>,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "issue.html")]
struct IssueView<'a> {
    page: Page<'a>,
    search: SearchBox,
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
    special: Vec<Special>,
    breakdowns: Vec<Shares>,
    crashes: Vec<CrashLine>,
    older_href: Option<String>,
    newest_href: Option<String>,
}

/// A value that is surely more frequent among the crashes of the issue than among all.
struct Special {
    name: String,
    value: String,
    href: String,
    shares: String,
    /// Shares here and among all, of 1, and how surely they differ.
    here: f64,
    sure: f64,
}

pub(crate) async fn show(
    State(dashboard): State<Dashboard>,
    visitor: Visitor,
    Path((project, number_text)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let (page, project) = Page::of(&dashboard, &visitor, &project, "issues").await?;
    let id = dashboard.issue_number(project.id, &number_text).await?;
    if number_text.parse() != Ok(id) {
        return Ok(Redirect::to(&format!("/projects/{}/issues/{id}", project.id)).into_response());
    }
    let (view, t, now) = (dashboard.facts().view(project.id).await?, page.t, Timestamp::now());
    let period = Period::of_page(asked.period.as_deref());
    let place = Place::new(format!("/projects/{}/issues/{id}", project.id), period, asked.search.as_deref());
    let grid = period.grid(now);
    let issue = view.issue(id, Some(grid.until)).await?.ok_or(Fault::NoSuchIssue)?;
    let others = place.search.filter();
    let filter = Filter::equals(Column::Issue, id.to_string()).and(others.clone());
    let totals = Question {
        period: grid.span(),
        filter: filter.clone(),
        measures: Measures { users: true, ..Measures::default() },
        ..Question::default()
    };
    let totals = view.ask(totals).await?.totals;
    let points = view.trend(filter.clone(), grid.since, grid.until, grid.pieces).await?;
    let dimensions = DIMENSIONS.map(Dimension::Column);
    let found = breakdowns(&view, &place, &filter, Some(&others), &dimensions, now, t).await?;
    let special = special(&place, &dimensions, found.iter().map(|(_, answer)| answer), t);
    let shares = found.into_iter().map(|(shares, _)| shares);

    let after = asked.after.as_deref().and_then(|after| after.parse().ok());
    let listing = Listing { period: grid.span(), filter, after, ..Listing::default() };
    let (crashes, next) = view.list(listing, CRASHES).await?;

    let search = place.search_box(t);
    let view = IssueView {
        number: id.0,
        title: Title::new(&issue.title),
        kind: issue.kind,
        kind_word: (t.kind)(issue.kind),
        status: (t.status)(issue.status),
        issues_href: place.at(format!("/projects/{}/issues", project.id)).href(),
        periods: periods(period, t, |word| place.in_period(word)),
        count: number(totals.count),
        users: number(totals.users.unwrap_or(0)),
        first_seen: When::new(issue.first_seen, now, t),
        first_release: issue.first_release.as_deref().map(line).unwrap_or_default(),
        last_seen: When::new(issue.last_seen, now, t),
        last_release: issue.last_release.as_deref().map(line).unwrap_or_default(),
        chart: Chart::new(&points, grid, t),
        special,
        breakdowns: shares.filter(Shares::tells).collect(),
        crashes: CrashLine::all(&crashes, now, t),
        older_href: next.map(|next| format!("{}#crashes", place.with("after", next.to_string()).href())),
        newest_href: after.map(|_| format!("{}#crashes", place.href())),
        search,
        page,
    };
    searched(&view, &view.search)
}

/// The values that are surely more frequent here, the surest first, at most one of each dimension.
fn special<'a>(
    place: &Place,
    dimensions: &[Dimension],
    answers: impl Iterator<Item = &'a Answer>,
    t: &Texts,
) -> Vec<Special> {
    let mut found: Vec<Special> = Vec::new();
    // The reason is part of what makes the issue.
    let reason = Dimension::Column(Column::Reason);
    for (dimension, answer) in dimensions.iter().zip(answers).filter(|(dimension, _)| **dimension != reason) {
        let more = answer.rows.iter().filter_map(|row| {
            let beside = row.beside.as_ref().filter(|beside| beside.verdict == Verdict::More)?;
            Some((row, row.value.as_deref()?, beside))
        });
        // A value that few crashes have explains few of them.
        let surest = more
            .filter(|(row, _, beside)| row.share >= 0.2 && row.share >= 1.5 * beside.share)
            .max_by(|(_, _, one), (_, _, other)| one.difference.0.total_cmp(&other.difference.0));
        let Some((row, value, beside)) = surest else { continue };
        found.push(Special {
            name: t.statistics.dimension(dimension),
            value: label(dimension, value, t),
            href: place.narrowed(dimension, Some(value)).unwrap_or_default(),
            shares: (t.statistics.here_and_all)(&per_cent(row.share), &per_cent(beside.share)),
            here: row.share,
            sure: beside.difference.0,
        });
    }
    found.sort_by(|one, other| other.sure.total_cmp(&one.sure).then(other.here.total_cmp(&one.here)));
    found.truncate(SPECIAL);
    found
}
