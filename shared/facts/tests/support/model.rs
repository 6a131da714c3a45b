//! The plain answer: every fact is looked at, one after the other.

use std::collections::{BTreeMap, BTreeSet};

use epitaph_crash_model::{Fact, ProjectId, SignatureId, Timestamp};
use epitaph_facts::{
    Column, Dimension, Filter, Measures, Order, Part, Pattern, Period, Question, Totals, UPTIME_CLASSES,
};

use super::{TEXTS, signatures};

/// What a row of an answer must be, without what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expected {
    pub(crate) value: Option<String>,
    pub(crate) totals: Totals,
    pub(crate) share: f64,
    pub(crate) beside: Option<(u64, u64, f64)>,
    pub(crate) parts: Vec<Part>,
    pub(crate) distinct_parts: u64,
}

#[derive(Debug, Default)]
pub(crate) struct ExpectedAnswer {
    pub(crate) rows: Vec<Expected>,
    pub(crate) distinct: u64,
    pub(crate) totals: Totals,
    pub(crate) baseline: Option<Totals>,
}

pub(crate) fn answer(question: &Question, facts: &[Fact]) -> ExpectedAnswer {
    let select = |filter: &Filter, period: Period| -> Vec<&Fact> {
        facts
            .iter()
            .filter(|fact| question.projects.is_empty() || question.projects.contains(&fact.project))
            .filter(|fact| period.contains(fact.received_at) && passes(fact, filter))
            .collect()
    };
    let here = select(&question.filter, question.period);
    let baseline = question.baseline.as_ref();
    let there = baseline.map(|baseline| select(&baseline.filter, baseline.period.unwrap_or(question.period)));
    let totals = measure(&here, question.measures);
    let of_baseline = there.as_ref().map(|there| measure(there, Measures::default()));
    let mut answer =
        ExpectedAnswer { totals: totals.clone(), baseline: of_baseline.clone(), ..ExpectedAnswer::default() };
    let Some(first) = question.group_by.first() else { return answer };
    let mut groups: BTreeMap<Sorted, (Vec<&Fact>, Vec<&Fact>)> = BTreeMap::new();
    for fact in here {
        groups.entry(Sorted::of(fact, first)).or_default().0.push(fact);
    }
    for fact in there.into_iter().flatten() {
        groups.entry(Sorted::of(fact, first)).or_default().1.push(fact);
    }
    answer.distinct = groups.len() as u64;
    let share = |count: u64, of: u64| if of == 0 { 0.0 } else { count as f64 / of as f64 };
    for (value, (here, there)) in groups {
        let of_row = measure(&here, question.measures);
        let of_there = measure(&there, Measures::default());
        let (parts, distinct_parts) = parts(question, &here);
        let all = of_baseline.as_ref().map(|all| all.count);
        answer.rows.push(Expected {
            value: value.text,
            share: share(of_row.count, totals.count),
            beside: all.map(|all| (of_there.count, of_there.crashes, share(of_there.count, all))),
            totals: of_row,
            parts,
            distinct_parts,
        });
    }
    let millis = |time: Option<Timestamp>| time.map_or(f64::NEG_INFINITY, |time| time.as_millis() as f64);
    let score = |row: &Expected| match question.order {
        Order::Count => row.totals.count as f64,
        Order::Users => row.totals.users.unwrap() as f64,
        Order::LastSeen => millis(row.totals.last_seen),
        Order::FirstSeen => millis(row.totals.first_seen),
        Order::Change => (row.share - row.beside.unwrap().2).abs(),
        _ => 0.0,
    };
    // Stable: of equals the first value stays first.
    answer.rows.sort_by(|a, b| score(b).total_cmp(&score(a)));
    answer.rows.truncate(question.limit);
    answer
}

fn parts(question: &Question, facts: &[&Fact]) -> (Vec<Part>, u64) {
    let Some(second) = question.group_by.get(1) else { return (Vec::new(), 0) };
    let mut groups: BTreeMap<Sorted, Vec<&Fact>> = BTreeMap::new();
    for fact in facts {
        groups.entry(Sorted::of(fact, second)).or_default().push(fact);
    }
    let distinct = groups.len() as u64;
    let part = |(value, facts): (Sorted, Vec<&Fact>)| {
        let totals = measure(&facts, Measures::default());
        Part { value: value.text, count: totals.count, crashes: totals.crashes }
    };
    let mut parts: Vec<Part> = groups.into_iter().map(part).collect();
    if matches!(second, Dimension::Time(_)) {
        parts.drain(..parts.len().saturating_sub(question.parts));
    } else {
        parts.sort_by_key(|part| std::cmp::Reverse(part.count));
        parts.truncate(question.parts);
    }
    (parts, distinct)
}

fn measure(facts: &[&Fact], measures: Measures) -> Totals {
    let users: BTreeSet<&String> = facts.iter().filter_map(|fact| fact.user.as_ref()).collect();
    let mut totals = Totals {
        count: facts.iter().map(|fact| u64::from(fact.weight)).sum(),
        crashes: facts.len() as u64,
        users: measures.users.then_some(users.len() as u64),
        ..Totals::default()
    };
    if measures.seen {
        totals.first_seen = facts.iter().map(|fact| fact.received_at).min();
        totals.last_seen = facts.iter().map(|fact| fact.received_at).max();
    }
    if measures.releases {
        let releases = facts.iter().filter_map(|fact| fact.release.clone());
        let mut releases: Vec<String> = releases.collect();
        releases.sort_by_key(|release| numbers(release));
        totals.first_release = releases.first().cloned();
        totals.last_release = releases.last().cloned();
    }
    totals
}

/// A version of numbers, as numbers.
fn numbers(version: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> = version.split('.').map(|part| part.parse().unwrap()).collect();
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    numbers
}

/// A value of a dimension, in the order in which equal rows come.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sorted {
    place: Option<Vec<u8>>,
    text: Option<String>,
}

impl PartialOrd for Sorted {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sorted {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place.cmp(&other.place)
    }
}

impl Sorted {
    fn of(fact: &Fact, dimension: &Dimension) -> Self {
        let text = match dimension {
            Dimension::Time(bucket) => {
                let start = bucket.start_of(fact.received_at.as_millis());
                Some(Timestamp::from_millis(start).to_string())
            }
            Dimension::Column(Column::Uptime) => fact
                .uptime_seconds
                .map(|seconds| UPTIME_CLASSES.iter().rfind(|class| **class <= seconds).unwrap().to_string()),
            dimension => value(fact, dimension),
        };
        let place = match dimension {
            Dimension::Column(Column::Uptime) => {
                text.as_ref().map(|text| text.parse::<u64>().unwrap().to_be_bytes().to_vec())
            }
            _ => text.clone().map(String::into_bytes),
        };
        Self { place, text }
    }
}

fn value(fact: &Fact, dimension: &Dimension) -> Option<String> {
    match dimension {
        Dimension::Tag(name) => fact.tags.get(name).cloned(),
        Dimension::Time(_) => unreachable!("no filter asks for time"),
        Dimension::Column(column) => match column {
            Column::Project => Some(fact.project.to_string()),
            Column::Issue => issue(fact.project, fact.signature),
            Column::Signature => Some(fact.signature.to_string()),
            Column::Kind => Some(fact.kind.to_string()),
            Column::Release => fact.release.clone(),
            Column::Platform => fact.platform.clone(),
            Column::Gpu => fact.gpu.clone(),
            Column::Foreground => fact.foreground.map(|is| is.to_string()),
            Column::User => fact.user.clone(),
            Column::Uptime => {
                fact.uptime_seconds.map(|seconds| seconds.min(i64::MAX.cast_unsigned()).to_string())
            }
            Column::Unreadable => Some(fact.unreadable.to_string()),
            Column::Build => None,
            other => unreachable!("{other} is not asked for"),
        },
    }
}

fn issue(project: ProjectId, signature: SignatureId) -> Option<String> {
    signatures().issue(project, signature).map(|issue| issue.to_string())
}

pub(crate) fn passes(fact: &Fact, filter: &Filter) -> bool {
    match filter {
        Filter::All => true,
        Filter::And(parts) => parts.iter().all(|part| passes(fact, part)),
        Filter::Or(parts) => parts.iter().any(|part| passes(fact, part)),
        Filter::Not(part) => !passes(fact, part),
        Filter::Is { dimension, any_of } => {
            value(fact, dimension).is_some_and(|value| any_of.iter().any(|pattern| matches(pattern, &value)))
        }
        Filter::Compare { dimension, how, with } => {
            value(fact, dimension).is_some_and(|value| how.holds(numbers(&value).cmp(&numbers(with))))
        }
        Filter::Has(dimension) => value(fact, dimension).is_some(),
        Filter::Text(text) => {
            let number = usize::from(fact.signature.as_bytes()[0]);
            TEXTS.get(number).is_some_and(|known| known.to_lowercase().contains(&text.to_lowercase()))
        }
    }
}

fn matches(pattern: &Pattern, value: &str) -> bool {
    match pattern {
        Pattern::Exactly(text) => text == value,
        Pattern::Like(pattern) => {
            let letters = |text: &str| text.to_lowercase().chars().collect::<Vec<char>>();
            like(&letters(pattern), &letters(value))
        }
    }
}

fn like(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], text) => (0..=text.len()).any(|taken| like(rest, &text[taken..])),
        (['?', rest @ ..], [_, text @ ..]) => like(rest, text),
        ([letter, rest @ ..], [first, text @ ..]) => letter == first && like(rest, text),
        _ => false,
    }
}
