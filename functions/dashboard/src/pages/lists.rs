//! Rows of issues and of crashes, as several pages list them.

use epitaph_catalog::{CrashRow, Issue, IssueStatus};
use epitaph_crash_model::{Kind, ProjectId, Timestamp};
use epitaph_facts::{Answer, Baseline, Dimension, Filter, Question, TopIssue, View};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::place::Place;
use crate::{
    chart::Chart,
    fault::Fault,
    period::Period,
    shares::{Shares, per_cent},
    shown::{Title, When, length, line, number},
    texts::Texts,
};

/// How many questions one page asks at once.
const AT_ONCE: usize = 4;
/// How many values of a dimension a page shows.
const SHARES: usize = 6;

/// One choice among several, as a link.
pub(crate) struct Choice {
    pub(crate) href: String,
    pub(crate) label: &'static str,
    pub(crate) current: bool,
}

/// The periods that a page offers; `href` gives the page's address in another one.
pub(crate) fn periods(current: Period, t: &Texts, href: impl Fn(&str) -> String) -> Vec<Choice> {
    let choice = |period: Period| Choice {
        href: href(period.word()),
        label: period.label(t),
        current: period == current,
    };
    Period::OFFERED.into_iter().map(choice).collect()
}

/// What crashes have in common, by each of some dimensions; beside a baseline, where one is given. `place` is where the
/// crashes of a value are listed.
pub(crate) async fn breakdowns(
    view: &View,
    place: &Place,
    filter: &Filter,
    baseline: Option<&Filter>,
    dimensions: &[Dimension],
    now: Timestamp,
    t: &Texts,
) -> Result<Vec<(Shares, Answer)>, Fault> {
    let period = place.period.grid(now).span();
    let ask = |dimension: Dimension| async move {
        let answer = view
            .ask(Question {
                period,
                filter: filter.clone(),
                group_by: vec![dimension.clone()],
                baseline: baseline.map(|filter| Baseline { filter: filter.clone(), period: None }),
                limit: SHARES,
                ..Question::default()
            })
            .await?;
        let href = |value: Option<&str>| place.narrowed(&dimension, value);
        Ok::<_, Fault>((Shares::new(&dimension, answer.clone(), t, href), answer))
    };
    stream::iter(dimensions.to_vec()).map(ask).buffered(AT_ONCE).try_collect().await
}

/// An issue in a list.
pub(crate) struct IssueRow {
    pub(crate) href: String,
    pub(crate) title: Title,
    pub(crate) number: i64,
    pub(crate) kind: Kind,
    pub(crate) kind_word: &'static str,
    pub(crate) new: bool,
    /// Whether it was silent for a while, and is not any more.
    pub(crate) back: bool,
    /// Unless it is open, which goes without saying.
    pub(crate) status: Option<&'static str>,
    pub(crate) spark: Chart,
    pub(crate) count: String,
    pub(crate) share: String,
    pub(crate) users: String,
    pub(crate) first_seen: When,
    pub(crate) last_seen: When,
    pub(crate) releases: String,
}

impl IssueRow {
    /// Rows for issues of a period, each with its trend.
    pub(crate) fn all(
        issues: &[TopIssue],
        place: &Place,
        project: ProjectId,
        now: Timestamp,
        t: &Texts,
    ) -> Vec<Self> {
        issues.iter().map(|top| Self::new(top, place, project, now, t)).collect()
    }

    fn new(top: &TopIssue, place: &Place, project: ProjectId, now: Timestamp, t: &Texts) -> Self {
        let issue = &top.issue;
        let grid = place.period.grid(now);
        Self {
            href: place.at(format!("/projects/{project}/issues/{}", issue.id)).href(),
            title: Title::new(&issue.title),
            number: issue.id.0,
            kind: issue.kind,
            kind_word: (t.kind)(issue.kind),
            new: top.new,
            back: top.regressed,
            status: (issue.status != IssueStatus::Open).then(|| (t.status)(issue.status)),
            spark: Chart::small(&grid.filled(&top.trend, place.period.few_pieces()), t),
            count: number(issue.count),
            share: per_cent(top.share),
            users: number(issue.users),
            first_seen: When::new(issue.first_seen, now, t),
            last_seen: When::new(issue.last_seen, now, t),
            releases: releases(issue),
        }
    }
}

fn releases(issue: &Issue) -> String {
    let dash = || "–".to_owned();
    match (issue.first_release.as_deref().map(line), issue.last_release.as_deref().map(line)) {
        (Some(first), Some(last)) if first == last => first,
        (None, None) => dash(),
        (first, last) => format!("{} → {}", first.unwrap_or_else(dash), last.unwrap_or_else(dash)),
    }
}

/// A crash in a list.
pub(crate) struct CrashLine {
    pub(crate) href: String,
    pub(crate) short_id: String,
    pub(crate) title: Title,
    pub(crate) reason: String,
    pub(crate) kind: Kind,
    pub(crate) kind_word: &'static str,
    pub(crate) unreadable: bool,
    pub(crate) only_counted: bool,
    pub(crate) received: When,
    pub(crate) release: String,
    pub(crate) environment: String,
    pub(crate) system: String,
    pub(crate) uptime: String,
}

impl CrashLine {
    pub(crate) fn new(row: &CrashRow, now: Timestamp, t: &Texts) -> Self {
        let fact = &row.fact;
        let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "–".to_owned(), line);
        let id = fact.crash_id.to_string();
        let system: Vec<_> =
            [&fact.platform, &fact.os_version].into_iter().flatten().map(|part| line(part)).collect();
        Self {
            href: format!("/projects/{}/crashes/{id}", fact.project),
            // The beginning of an id is its time; its end tells crashes of one moment apart.
            short_id: format!("…{}", id.get(24..).unwrap_or(&id)),
            title: Title::new(&row.signature_text),
            reason: shown(&fact.reason),
            kind: fact.kind,
            kind_word: (t.kind)(fact.kind),
            unreadable: fact.unreadable,
            only_counted: row.counted_by.is_some(),
            received: When::new(fact.received_at, now, t),
            release: shown(&fact.release),
            environment: shown(&fact.environment),
            system: if system.is_empty() { "–".to_owned() } else { system.join(" ") },
            uptime: fact.uptime_seconds.map_or_else(|| "–".to_owned(), |seconds| length(seconds, t)),
        }
    }

    pub(crate) fn all(rows: &[CrashRow], now: Timestamp, t: &Texts) -> Vec<Self> {
        rows.iter().map(|row| Self::new(row, now, t)).collect()
    }
}
