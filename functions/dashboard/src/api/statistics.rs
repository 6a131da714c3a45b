//! `GET /api/v1/projects/{project}/trend`, `.../breakdown` and `.../compare`.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, Query, State},
};
use epitaph_catalog::{Issue, TrendPoint};
use epitaph_crash_model::{IssueNumber, Kind, ProjectId, Timestamp};
use epitaph_facts::{Answer, Baseline, Column, Dimension, Filter, Measures, Order, Period, Question, Row};
use serde::Serialize;

use super::asked::{Asked, WEEK, bad};
use crate::{Dashboard, fault::Fault};

const DEFAULT_ROWS: usize = 20;
const MOST_ROWS: usize = 1_000;
const DEFAULT_SERIES: usize = 5;
const MOST_SERIES: usize = 50;
const MOST_STEPS: usize = 2_000;

/// Reports over time.
#[derive(Serialize)]
pub(super) struct Trend {
    period: Period,
    step: String,
    /// Steps that had reports, the earliest first.
    points: Vec<TrendPoint>,
    /// The most frequent values, where the trend is asked for by a dimension.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    series: Vec<Series>,
}

/// One value over time.
#[derive(Serialize)]
struct Series {
    value: Option<String>,
    count: u64,
    share: f64,
    points: Vec<TrendPoint>,
}

/// The rows of a question, and what they are told apart by.
#[derive(Serialize)]
pub(super) struct Breakdown {
    by: String,
    period: Period,
    #[serde(flatten)]
    answer: Answer,
    /// The issues among the rows, by their numbers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    issues: BTreeMap<IssueNumber, Named>,
}

/// What an issue is called.
#[derive(Serialize)]
pub(super) struct Named {
    title: String,
    kind: Kind,
}

/// Reports of the search in a period, in steps; and, with `by`, those of the most frequent values.
pub(super) async fn trend(
    State(dashboard): State<Dashboard>,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<Trend>, Fault> {
    let project = dashboard.project(&project).await?.id;
    let now = Timestamp::now();
    let period = asked.period(now, WEEK)?;
    let step = asked.step(period, now)?;
    let of_time = Question {
        period,
        filter: asked.filter()?,
        group_by: vec![Dimension::Time(step)],
        order: Order::Value,
        limit: Question::MOST_ROWS,
        ..Question::default()
    };
    let view = dashboard.facts().view(project).await?;
    let mut series = Vec::new();
    if let Some(by) = asked.by()? {
        let question = Question {
            group_by: vec![by, Dimension::Time(step)],
            order: Order::Count,
            limit: asked.limit(DEFAULT_SERIES, MOST_SERIES)?,
            parts: MOST_STEPS,
            ..of_time.clone()
        };
        series.extend(view.ask(question).await?.rows.into_iter().map(series_of));
    }
    let answer = view.ask(of_time).await?;
    if answer.distinct > Question::MOST_ROWS as u64 {
        return Err(bad("step", "longer steps, or a shorter period: a trend has at most 10000 steps"));
    }
    let points = answer.rows.into_iter().filter_map(|row| point(row.value, row.totals.count)).collect();
    Ok(Json(Trend { period, step: step.to_string(), points, series }))
}

fn series_of(row: Row) -> Series {
    let points = row.parts.into_iter().filter_map(|part| point(part.value, part.count)).collect();
    Series { value: row.value, count: row.totals.count, share: row.share, points }
}

fn point(start: Option<String>, count: u64) -> Option<TrendPoint> {
    Some(TrendPoint { start: start?.parse().ok()?, count })
}

/// What the crashes of a search have in common, beside all crashes of the period.
pub(super) async fn breakdown(
    State(dashboard): State<Dashboard>,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<Breakdown>, Fault> {
    const ORDERS: [Order; 5] =
        [Order::Count, Order::Users, Order::LastSeen, Order::Value, Order::OverRepresented];
    let project = dashboard.project(&project).await?.id;
    let by = asked.by()?.ok_or_else(|| bad("by", "a dimension, such as gpu, or tag.NAME"))?;
    let question = Question {
        period: asked.period(Timestamp::now(), WEEK)?,
        filter: asked.filter()?,
        group_by: vec![by],
        measures: Measures { users: true, seen: true, releases: true },
        baseline: Some(Baseline::default()),
        order: asked.order(&ORDERS)?,
        limit: asked.limit(DEFAULT_ROWS, MOST_ROWS)?,
        ..Question::default()
    };
    let mut found = answer(&dashboard, project, question).await?;
    // Values that only other crashes have are not what these have in common.
    found.answer.rows.retain(|row| row.totals.crashes > 0);
    Ok(found)
}

/// What has changed from one release (`base`) to another (`release`): issues, or values of another dimension.
pub(super) async fn compare(
    State(dashboard): State<Dashboard>,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<Breakdown>, Fault> {
    const ORDERS: [Order; 3] = [Order::Change, Order::OverRepresented, Order::Count];
    let project = dashboard.project(&project).await?.id;
    let filter = asked.filter()?;
    let of_release = |name: &str, release: &Option<String>| {
        let release = release.as_ref().ok_or_else(|| bad(name, "a release, such as 1.2.3"))?;
        Ok::<_, Fault>(filter.clone().and(Filter::equals(Column::Release, release)))
    };
    let question = Question {
        period: asked.period(Timestamp::now(), "30d")?,
        filter: of_release("release", &asked.release)?,
        group_by: vec![asked.by()?.unwrap_or(Column::Issue.into())],
        measures: Measures { users: true, seen: true, releases: false },
        baseline: Some(Baseline { filter: of_release("base", &asked.base)?, period: None }),
        order: asked.order(&ORDERS)?,
        limit: asked.limit(DEFAULT_ROWS, MOST_ROWS)?,
        ..Question::default()
    };
    answer(&dashboard, project, question).await
}

async fn answer(
    dashboard: &Dashboard,
    project: ProjectId,
    question: Question,
) -> Result<Json<Breakdown>, Fault> {
    let by = question.group_by.first().map(epitaph_search::name).unwrap_or_default();
    let period = question.period;
    let by_issue = question.group_by.first() == Some(&Column::Issue.into());
    let view = dashboard.facts().view(project).await?;
    let answer = view.ask(question).await?;
    let mut issues = BTreeMap::new();
    if by_issue {
        let found = view.issues_named(&answer).await?;
        let named = |issue: Issue| (issue.id, Named { title: issue.title, kind: issue.kind });
        issues.extend(found.into_iter().map(named));
    }
    Ok(Json(Breakdown { by, period, answer, issues }))
}
