//! Rows of issues and of crashes, as several pages list them.

use epitaph_catalog::{CrashRow, Issue, IssueStatus};
use epitaph_crash_model::{Kind, ProjectId, Timestamp};
use epitaph_facts::View;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    chart::Chart,
    fault::Fault,
    period::{Grid, Period},
    shown::{Title, When, length, line, number},
    texts::Texts,
};

/// How many questions one page asks at once.
const AT_ONCE: usize = 4;

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

/// An issue in a list.
pub(crate) struct IssueRow {
    pub(crate) href: String,
    pub(crate) title: Title,
    pub(crate) number: i64,
    pub(crate) kind: Kind,
    pub(crate) kind_word: &'static str,
    pub(crate) new: bool,
    /// Unless it is open, which goes without saying.
    pub(crate) status: Option<&'static str>,
    pub(crate) spark: Chart,
    pub(crate) count: String,
    pub(crate) users: String,
    pub(crate) first_seen: When,
    pub(crate) last_seen: When,
    pub(crate) releases: String,
}

impl IssueRow {
    /// Rows for issues, each with its trend over the grid's span.
    pub(crate) async fn all(
        view: &View,
        project: ProjectId,
        issues: &[Issue],
        period: Period,
        now: Timestamp,
        t: &'static Texts,
    ) -> Result<Vec<Self>, Fault> {
        let grid = period.grid(now);
        let row = |issue: Issue| async move {
            let (since, until, pieces) = (grid.since, grid.until, period.few_pieces());
            let points = view.trend(Some(issue.id), since, until, pieces).await?;
            Ok(Self::new(project, &issue, Chart::small(&points, t), period, grid, now, t))
        };
        stream::iter(issues.to_vec()).map(row).buffered(AT_ONCE).try_collect().await
    }

    fn new(
        project: ProjectId,
        issue: &Issue,
        spark: Chart,
        period: Period,
        grid: Grid,
        now: Timestamp,
        t: &Texts,
    ) -> Self {
        Self {
            href: format!("/projects/{project}/issues/{}?period={}", issue.id, period.word()),
            title: Title::new(&issue.title),
            number: issue.id.0,
            kind: issue.kind,
            kind_word: (t.kind)(issue.kind),
            new: issue.first_seen >= grid.since,
            status: (issue.status != IssueStatus::Open).then(|| (t.status)(issue.status)),
            spark,
            count: number(issue.count),
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
