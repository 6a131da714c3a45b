//! `GET /projects/{project}/compare`: what has changed from one release to another.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use epitaph_catalog::Issue;
use epitaph_crash_model::{IssueNumber, Kind, Timestamp};
use epitaph_facts::{
    Answer, Baseline, Beside, Column, Filter, Measures, Order, Question, Row, Verdict, View, compare_versions,
};
use serde::Deserialize;

use super::{
    Page,
    lists::{Choice, periods},
    place::{Place, SearchBox},
    searched,
};
use crate::{
    Dashboard,
    chart::scaled,
    fault::Fault,
    period::Period,
    shares::per_cent,
    shown::{Title, line, number},
    visitor::Visitor,
};

const MOST_ISSUES: usize = 50;
const MOST_RELEASES: usize = 100;

#[derive(Deserialize)]
pub(crate) struct Asked {
    period: Option<String>,
    search: Option<String>,
    base: Option<String>,
    release: Option<String>,
}

#[derive(Template)]
#[template(path = "compare.html")]
struct CompareView<'a> {
    page: Page<'a>,
    search: SearchBox,
    periods: Vec<Choice>,
    bases: Vec<ReleaseChoice>,
    releases: Vec<ReleaseChoice>,
    /// `None` as long as there are not two releases to compare.
    compared: Option<Compared>,
}

/// A release that may be compared.
struct ReleaseChoice {
    value: String,
    label: String,
    current: bool,
}

/// Two releases.
struct Compared {
    base: Side,
    release: Side,
    rows: Vec<CompareRow>,
}

struct Side {
    name: String,
    count: String,
    users: String,
}

/// An issue in both releases.
struct CompareRow {
    href: String,
    title: Title,
    number: i64,
    kind: Kind,
    kind_word: &'static str,
    /// Whether that is surely worse or better: a class of the style sheet.
    class: &'static str,
    word: &'static str,
    here: Bar,
    there: Bar,
}

struct Bar {
    count: String,
    percent: String,
    width: u64,
}

impl Bar {
    fn new(count: u64, whole: u64, share: f64) -> Self {
        Self { count: number(count), percent: per_cent(share), width: scaled(count, whole) }
    }
}

/// The releases of a period that crashed most, the latest first.
async fn releases(view: &View, place: &Place, now: Timestamp) -> Result<Vec<String>, Fault> {
    let question = Question {
        period: place.period.grid(now).span(),
        group_by: vec![Column::Release.into()],
        limit: MOST_RELEASES,
        ..Question::default()
    };
    let rows = view.ask(question).await?.rows;
    let mut releases: Vec<String> = rows.into_iter().filter_map(|row| row.value).collect();
    releases.sort_by(|one, other| compare_versions(other, one));
    Ok(releases)
}

pub(crate) async fn show(
    State(dashboard): State<Dashboard>,
    visitor: Visitor,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Fault> {
    let (page, project) = Page::of(&dashboard, &visitor, &project, "compare").await?;
    let (t, now) = (page.t, Timestamp::now());
    let period = asked.period.as_deref().map_or(Period::Month, |word| Period::of_page(Some(word)));
    let path = format!("/projects/{}/compare", project.id);
    let place = Place::new(path, period, asked.search.as_deref());
    let view = dashboard.facts().view(project.id).await?;
    let mut known = releases(&view, &place, now).await?;
    let named = |release: &Option<String>| release.clone().filter(|release| !release.is_empty());
    let release = named(&asked.release).or_else(|| known.first().cloned());
    let earlier = known.iter().find(|known| Some(*known) != release.as_ref()).cloned();
    let base = named(&asked.base).or(earlier);
    for named in [&base, &release].into_iter().flatten() {
        if !known.contains(named) {
            known.push(named.clone());
        }
    }
    let place = place
        .with("base", base.clone().unwrap_or_default())
        .with("release", release.clone().unwrap_or_default());
    let choices = |current: &Option<String>| {
        let choice = |release: &String| ReleaseChoice {
            value: release.clone(),
            label: line(release),
            current: current.as_ref() == Some(release),
        };
        known.iter().map(choice).collect::<Vec<_>>()
    };
    let compared = match (&base, &release) {
        (Some(base), Some(release)) => Some(compare(&view, &place, (base, release), now, t).await?),
        _ => None,
    };
    let mut search = place.search_box(t);
    // They have fields of their own.
    search.hidden.retain(|(name, _)| *name == "period");
    let view = CompareView {
        periods: periods(period, t, |word| place.in_period(word)),
        bases: choices(&base),
        releases: choices(&release),
        compared,
        search,
        page,
    };
    searched(&view, &view.search)
}

async fn compare(
    view: &View,
    place: &Place,
    (base, release): (&String, &String),
    now: Timestamp,
    t: &crate::texts::Texts,
) -> Result<Compared, Fault> {
    let of = |release: &String| place.search.filter().and(Filter::equals(Column::Release, release));
    let question = |filter: Filter| Question {
        period: place.period.grid(now).span(),
        filter,
        measures: Measures { users: true, ..Measures::default() },
        ..Question::default()
    };
    let answer = view
        .ask(Question {
            group_by: vec![Column::Issue.into()],
            baseline: Some(Baseline { filter: of(base), period: None }),
            order: Order::Change,
            limit: MOST_ISSUES,
            ..question(of(release))
        })
        .await?;
    let of_base = view.ask(question(of(base))).await?.totals;
    let side = |name: &String, totals: &epitaph_facts::Totals| Side {
        name: line(name),
        count: number(totals.count),
        users: number(totals.users.unwrap_or(0)),
    };
    let known: BTreeMap<IssueNumber, Issue> =
        view.issues_named(&answer).await?.into_iter().map(|issue| (issue.id, issue)).collect();
    let whole = |answer: &Answer| (answer.totals.count, answer.baseline.as_ref().map_or(0, |all| all.count));
    let whole = whole(&answer);
    let row = |row: &Row| {
        let issue = known.get(&row.value.as_deref()?.parse().ok()?)?;
        let beside = row.beside.as_ref()?;
        let (class, word) = verdict(row, beside, t);
        // In the release where it is, or is more frequent.
        let at = if row.totals.count > 0 { release } else { base };
        let place = place.at(format!("{}/{}", place.path.replace("/compare", "/issues"), issue.id));
        Some(CompareRow {
            href: place.narrowed(&Column::Release.into(), Some(at)).unwrap_or_else(|| place.href()),
            title: Title::new(&issue.title),
            number: issue.id.0,
            kind: issue.kind,
            kind_word: (t.kind)(issue.kind),
            class,
            word,
            here: Bar::new(row.totals.count, whole.0, row.share),
            there: Bar::new(beside.count, whole.1, beside.share),
        })
    };
    Ok(Compared {
        base: side(base, &of_base),
        release: side(release, &answer.totals),
        rows: answer.rows.iter().filter_map(row).collect(),
    })
}

/// What became of an issue, as a class of the style sheet and in a word.
fn verdict(row: &Row, beside: &Beside, t: &crate::texts::Texts) -> (&'static str, &'static str) {
    let s = &t.statistics;
    match beside.verdict {
        _ if beside.count == 0 => ("up", s.only_here),
        _ if row.totals.count == 0 => ("down", s.only_there),
        Verdict::More => ("up", s.more),
        Verdict::Less => ("down", s.less),
        Verdict::Same => ("same", s.same),
        Verdict::TooFew => ("same", s.too_few),
    }
}
