//! The issues that had crashes in a period.

use std::collections::BTreeMap;

use epitaph_catalog::{Issue, TrendPoint};
use epitaph_crash_model::{IssueNumber, Timestamp};

use super::View;
use crate::{
    Answer, Baseline, Bucket, Column, Dimension, FactsError, Filter, Measures, Order, Part, Period, Question,
    Row, Totals,
};

/// Which issues, counted when, and in what order.
#[derive(Debug, Clone)]
pub struct TopIssues {
    /// When their crashes were received.
    pub period: Period,
    /// Which of their crashes count.
    pub filter: Filter,
    /// Which come first. [`Order::FirstSeen`] goes by the first crash ever, whether or not it lies in the period. Orders
    /// beside a baseline compare with the equally long time before the period.
    pub order: Order,
    /// The most issues; from 1 to 10000.
    pub limit: usize,
    /// The steps of each issue's trend; `None` for no trend.
    pub step: Option<Bucket>,
}

/// The issues of a period.
#[derive(Debug, Clone, Default)]
pub struct Top {
    /// The first of them, in the order asked for.
    pub issues: Vec<TopIssue>,
    /// Of all crashes in the period that pass the filter.
    pub totals: Totals,
    /// How many reports passed the filter in the equally long time before; `None` where the period has no beginning.
    pub before: Option<u64>,
}

/// An issue in a period.
#[derive(Debug, Clone)]
pub struct TopIssue {
    /// The issue, with the reports and users of the period.
    pub issue: Issue,
    /// Its part of all reports, from 0 to 1.
    pub share: f64,
    /// Its reports in the equally long time before; `None` where the period has no beginning.
    pub before: Option<u64>,
    /// Its reports in each step that had some, the earliest first.
    pub trend: Vec<TrendPoint>,
    /// Whether its first crash ever lies in the period.
    pub new: bool,
    /// Whether it is back: it is older than the equally long time before the period, and silent in that.
    ///
    /// An issue that began in that time was not silent, even if none of its crashes of that time pass the filter.
    pub regressed: bool,
}

/// The most steps of an issue's trend.
const MOST_STEPS: usize = 100;

impl View {
    /// The issues that had crashes in a period, with their counts and users of that period.
    ///
    /// # Errors
    /// As [`View::ask`], and [`FactsError::Catalog`].
    pub async fn top_issues(&self, asked: &TopIssues) -> Result<Top, FactsError> {
        let before = before(asked.period);
        let baseline = before.map(|period| Baseline { filter: asked.filter.clone(), period: Some(period) });
        let by_first = asked.order == Order::FirstSeen;
        let steps = asked.step.map(Dimension::Time);
        let answer = self
            .ask(Question {
                period: asked.period,
                filter: asked.filter.clone(),
                group_by: [Dimension::Column(Column::Issue)].into_iter().chain(steps).collect(),
                measures: Measures { users: true, seen: true, releases: false },
                baseline,
                // The first crash ever may lie before the period: only the catalog knows it.
                order: if by_first { Order::Count } else { asked.order },
                limit: if by_first { Question::MOST_ROWS } else { asked.limit },
                parts: MOST_STEPS,
                ..Question::default()
            })
            .await?;
        let rows: Vec<(IssueNumber, Row)> = answer.rows.into_iter().filter_map(by_issue).collect();
        let numbers: Vec<IssueNumber> = rows.iter().map(|(number, _)| *number).collect();
        let known = self.facts().catalog().issues_numbered(self.project(), &numbers).await?;
        let mut known: BTreeMap<IssueNumber, Issue> =
            known.into_iter().map(|issue| (issue.id, issue)).collect();
        let top = |(number, row): (IssueNumber, Row)| {
            let issue = known.remove(&number)?;
            let (count, users) = (row.totals.count, row.totals.users.unwrap_or(0));
            let count_before = row.beside.map(|beside| beside.count);
            let is_older = before.and_then(|before| before.from).is_some_and(|from| issue.first_seen < from);
            Some(TopIssue {
                new: asked.period.from.is_none_or(|from| issue.first_seen >= from),
                regressed: is_older && count_before == Some(0),
                issue: Issue { count, users, ..issue },
                share: row.share,
                before: count_before,
                trend: row.parts.into_iter().filter_map(point).collect(),
            })
        };
        let mut issues: Vec<TopIssue> = rows.into_iter().filter_map(top).collect();
        if by_first {
            issues.sort_by_key(|top| std::cmp::Reverse((top.issue.first_seen, top.issue.id)));
            issues.truncate(asked.limit);
        }
        Ok(Top { issues, totals: answer.totals, before: answer.baseline.map(|totals| totals.count) })
    }

    /// The issues that the rows of an answer name, without counts.
    ///
    /// # Errors
    /// [`FactsError::Catalog`].
    pub async fn issues_named(&self, answer: &Answer) -> Result<Vec<Issue>, FactsError> {
        let numbers = answer.rows.iter().filter_map(|row| row.value.as_deref()?.parse().ok());
        let numbers: Vec<IssueNumber> = numbers.collect();
        Ok(self.facts().catalog().issues_numbered(self.project(), &numbers).await?)
    }
}

/// The equally long time before a period; up to now, where the period has no end.
fn before(period: Period) -> Option<Period> {
    let from = period.from?;
    let until = period.until.unwrap_or_else(Timestamp::now);
    let length = until.as_millis().saturating_sub(from.as_millis());
    Some(Period { from: Some(from.plus_millis(-length)), until: Some(from) })
}

/// Those that had crashes in the period, rather than only before it.
fn by_issue(row: Row) -> Option<(IssueNumber, Row)> {
    let number = row.value.as_deref()?.parse().ok()?;
    (row.totals.crashes > 0).then_some((number, row))
}

fn point(part: Part) -> Option<TrendPoint> {
    Some(TrendPoint { start: part.value?.parse().ok()?, count: part.count })
}
