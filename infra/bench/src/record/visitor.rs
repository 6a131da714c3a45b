//! Someone who reads pages, one after another.

use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use epitaph_crash_model::{IssueNumber, ProjectId, Timestamp};
use epitaph_facts::{
    Baseline, Bucket, Column, FactsError, Filter, Listing, Measures, Order, Period, Question, TopIssues, View,
};
use tokio::sync::watch;

use super::recording::Recording;
use crate::error::BenchError;

/// The week that pages show, and its steps.
const STEP_MINUTES: u32 = 3 * 60;
const STEP: i64 = STEP_MINUTES as i64 * 60 * 1000;
const STEPS: i64 = 56;
/// As many issues, values and crashes as the pages ask for.
const ISSUES: usize = 500;
const VALUES: usize = 6;
const CRASHES: usize = 50;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// The overview's most frequent issues, each with its trend.
    Overview,
    /// The graphics processors of the most frequent issue, beside those of all crashes.
    Issue,
    /// The newest crashes.
    Crashes,
}

impl Page {
    pub(super) const ALL: [Self; 3] = [Self::Overview, Self::Issue, Self::Crashes];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Overview => "top issues with their trends",
            Self::Issue => "an issue's graphics processors beside all",
            Self::Crashes => "the newest 50 crashes",
        }
    }
}

/// What a page took, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) all: f64,
    /// Until the catalog had given what it knows.
    pub(super) catalog: f64,
}

/// All that was asked.
#[derive(Default)]
pub(super) struct Asked {
    times: Mutex<Vec<(Page, Times)>>,
    /// Those that were not looked at yet.
    new: Mutex<Vec<f64>>,
    miscounted: AtomicU64,
}

impl Asked {
    fn add(&self, page: Page, times: Times) {
        locked(&self.times).push((page, times));
        locked(&self.new).push(times.all);
    }

    /// What pages took since this was asked last.
    pub(super) fn new_times(&self) -> Vec<f64> {
        mem::take(&mut *locked(&self.new))
    }

    pub(super) fn of(&self, page: Page) -> Vec<Times> {
        let times = locked(&self.times);
        times.iter().filter(|(asked, _)| *asked == page).map(|(_, times)| *times).collect()
    }

    /// How many answers counted fewer crashes than were recorded before they were asked for, or more than had been
    /// taken up when they came.
    pub(super) fn miscounted(&self) -> u64 {
        self.miscounted.load(Ordering::Relaxed)
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks for one page after another, with a pause after each, until told to stop.
pub(super) async fn visit(
    facts: epitaph_facts::Facts,
    recording: Arc<Recording>,
    asked: Arc<Asked>,
    pause: Duration,
    mut stop: watch::Receiver<bool>,
) -> Result<(), BenchError> {
    let mut issue = IssueNumber(1);
    loop {
        for page in Page::ALL {
            let (at_least, begun) = (recording.recorded(), Instant::now());
            let view = facts.view(ProjectId::FIRST).await?;
            let catalog = begun.elapsed().as_secs_f64() * 1000.0;
            if let Some(counted) = show(page, &view, &mut issue).await?
                && !(at_least..=recording.taken_up()).contains(&counted)
            {
                asked.miscounted.fetch_add(1, Ordering::Relaxed);
            }
            asked.add(page, Times { all: begun.elapsed().as_secs_f64() * 1000.0, catalog });
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }
}

/// Asks what a page shows. Gives how many crashes there are, where it tells.
async fn show(page: Page, view: &View, issue: &mut IssueNumber) -> Result<Option<u64>, FactsError> {
    let period = week();
    match page {
        Page::Overview => {
            let top = view
                .top_issues(&TopIssues {
                    period,
                    filter: Filter::All,
                    order: Order::Count,
                    limit: ISSUES,
                    step: Bucket::new(STEP_MINUTES, 0),
                })
                .await?;
            if let Some(most) = top.issues.first() {
                *issue = most.issue.id;
            }
            Ok(Some(top.totals.crashes))
        }
        Page::Issue => {
            let answer = view.ask(Question {
                period,
                filter: Filter::equals(Column::Issue, issue.to_string()),
                group_by: vec![Column::Gpu.into()],
                measures: Measures { users: true, ..Measures::default() },
                baseline: Some(Baseline { filter: Filter::All, period: None }),
                limit: VALUES,
                ..Question::default()
            });
            Ok(answer.await?.baseline.map(|all| all.crashes))
        }
        Page::Crashes => {
            view.list(Listing { period, ..Listing::default() }, CRASHES).await?;
            Ok(None)
        }
    }
}

/// The week that ends with the step that goes on, as the pages have it.
fn week() -> Period {
    let until = (Timestamp::now().as_millis().div_euclid(STEP) + 1) * STEP;
    let at = |millis| Some(Timestamp::from_millis(millis));
    Period { from: at(until - STEPS * STEP), until: at(until) }
}
