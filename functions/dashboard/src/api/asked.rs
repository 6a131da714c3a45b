//! What a question's address says: which crashes, of when, by what.

use epitaph_crash_model::Timestamp;
use epitaph_facts::{Bucket, Dimension, Filter, Order, Period};
use serde::Deserialize;

use crate::fault::Fault;

const MINUTE: i64 = 60_000;
const UNITS: [(char, i64); 4] =
    [('m', MINUTE), ('h', 60 * MINUTE), ('d', 24 * 60 * MINUTE), ('w', 7 * 24 * 60 * MINUTE)];
/// Longer ago than anything is kept.
const LONGEST: i64 = 100 * 366 * 24 * 60 * MINUTE;
/// The period where none is named.
pub(super) const WEEK: &str = "7d";
/// Steps of a trend whose number people can look at, in minutes.
const STEPS: [u32; 9] = [1, 5, 15, 60, 180, 720, 1440, 7 * 1440, 28 * 1440];
/// How many steps a trend has at most where none was named.
const FEW_STEPS: i64 = 92;
/// The words of orders.
const ORDERS: [(&str, Order); 7] = [
    ("count", Order::Count),
    ("users", Order::Users),
    ("last_seen", Order::LastSeen),
    ("first_seen", Order::FirstSeen),
    ("value", Order::Value),
    ("over_represented", Order::OverRepresented),
    ("change", Order::Change),
];

/// The parameters of all questions, as they are written. Each question takes those that it has a use for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    search: Option<String>,
    period: Option<String>,
    since: Option<String>,
    until: Option<String>,
    by: Option<String>,
    step: Option<String>,
    order: Option<String>,
    limit: Option<String>,
    pub(super) after: Option<String>,
    pub(super) before: Option<String>,
    pub(super) base: Option<String>,
    pub(super) release: Option<String>,
}

impl Asked {
    /// Which crashes.
    pub(super) fn filter(&self) -> Result<Filter, Fault> {
        epitaph_search::parse(self.search.as_deref().unwrap_or_default()).map_err(Fault::BadSearch)
    }

    /// Of when: `period` up to now, or from `since` to `until`; otherwise `default`.
    pub(super) fn period(&self, now: Timestamp, default: &str) -> Result<Period, Fault> {
        let period = match (&self.period, &self.since, &self.until) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
                return Err(Fault::BadRequest(
                    "`period` ends now: expected it alone, or `since` and `until`".to_owned(),
                ));
            }
            (None, None, None) => Period { from: from_word(default, now), until: None },
            (Some(word), None, None) if word == "all" => Period::ALWAYS,
            (Some(word), None, None) => {
                let from = ago(word, now);
                Period {
                    from: Some(from.ok_or_else(|| bad("period", "1h, 24h, 7d, 30d, 90d or all"))?),
                    until: None,
                }
            }
            (None, since, until) => Period {
                from: moment("since", since.as_deref(), now)?,
                until: moment("until", until.as_deref(), now)?,
            },
        };
        if let (Some(from), Some(until)) = (period.from, period.until)
            && from >= until
        {
            return Err(bad("until", "a moment after `since`"));
        }
        Ok(period)
    }

    /// By what crashes are told apart.
    pub(super) fn by(&self) -> Result<Option<Dimension>, Fault> {
        let by = self.by.as_deref().map(epitaph_search::dimension).transpose();
        by.map_err(|error| Fault::BadRequest(format!("`by` is not understood: {}", error.problem)))
    }

    /// The steps of a trend over a period.
    pub(super) fn step(&self, period: Period, now: Timestamp) -> Result<Bucket, Fault> {
        match &self.step {
            Some(step) => step.parse().map_err(|error| Fault::BadRequest(format!("`step`: {error}"))),
            None => Ok(step_of(period, now)),
        }
    }

    /// One of the orders that the question has; the first where none is named.
    pub(super) fn order(&self, allowed: &[Order]) -> Result<Order, Fault> {
        let Some(word) = &self.order else { return Ok(allowed.first().copied().unwrap_or_default()) };
        let known = ORDERS.iter().filter(|(_, order)| allowed.contains(order));
        let found = known.clone().find(|(known, _)| known == word).map(|(_, order)| *order);
        found.ok_or_else(|| bad("order", &known.map(|(word, _)| *word).collect::<Vec<_>>().join(" or ")))
    }

    /// How much of it.
    pub(super) fn limit(&self, default: usize, most: usize) -> Result<usize, Fault> {
        let Some(text) = &self.limit else { return Ok(default) };
        let number = text.parse().ok().filter(|number| (1..=most).contains(number));
        number.ok_or_else(|| bad("limit", &format!("a number from 1 to {most}")))
    }
}

/// Steps of a period that are few enough to look at.
pub(super) fn step_of(period: Period, now: Timestamp) -> Bucket {
    let until = period.until.unwrap_or(now).as_millis();
    let length = until - period.from.map_or(until - LONGEST, Timestamp::as_millis);
    let fits = |step: &&u32| length <= i64::from(**step) * MINUTE * FEW_STEPS;
    let step = STEPS.iter().find(fits).or(STEPS.last()).copied();
    step.and_then(|step| Bucket::new(step, 0)).unwrap_or(Bucket::DAY)
}

/// The beginning of a period of a word that is known.
fn from_word(word: &str, now: Timestamp) -> Option<Timestamp> {
    if word == "all" { None } else { ago(word, now) }
}

fn moment(name: &str, text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
    let Some(text) = text else { return Ok(None) };
    let moment = text.parse().ok().or_else(|| ago(text, now));
    moment
        .map(Some)
        .ok_or_else(|| bad(name, "a moment such as 2026-01-31T00:00:00Z, or how long ago, such as 7d"))
}

/// So long before now, to the minute: what is asked again soon is then the same question.
fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let letter = text.chars().next_back()?;
    let (_, unit) = UNITS.iter().find(|(unit, _)| *unit == letter)?;
    let number: u32 = text.get(..text.len() - 1)?.parse().ok()?;
    let length = i64::from(number).checked_mul(*unit).filter(|length| (1..=LONGEST).contains(length))?;
    let now = now.as_millis();
    Some(Timestamp::from_millis(now - now.rem_euclid(MINUTE) - length))
}

pub(super) fn bad(name: &str, expected: &str) -> Fault {
    Fault::BadRequest(format!("`{name}` is not understood; expected {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-31T13:37:59.999Z".parse().unwrap()
    }

    fn from(asked: &Asked) -> Option<String> {
        asked.period(now(), WEEK).unwrap().from.map(|from| from.to_string())
    }

    #[test]
    fn a_period_is_a_length_or_lies_between_moments() {
        let asked = |period: &str| Asked { period: Some(period.to_owned()), ..Asked::default() };
        assert_eq!(from(&Asked::default()).as_deref(), Some("2026-01-24T13:37:00.000Z"));
        assert_eq!(from(&asked("2w")).as_deref(), Some("2026-01-17T13:37:00.000Z"));
        assert_eq!(from(&asked("all")), None);
        for wrong in ["", "d", "0d", "-1d", "7", "1y", "99999999999d", "yesterday", "9한"] {
            assert!(asked(wrong).period(now(), WEEK).is_err(), "{wrong}");
        }
        let (since, until) = (Some("2026-01-01T00:00:00Z".to_owned()), Some("1h".to_owned()));
        let between = Asked { since: since.clone(), until: until.clone(), ..Asked::default() };
        assert_eq!(from(&between).as_deref(), Some("2026-01-01T00:00:00.000Z"));
        let backwards = Asked { since: until.clone(), until: since, ..Asked::default() };
        assert!(backwards.period(now(), WEEK).is_err());
        assert!(Asked { until, ..asked("7d") }.period(now(), WEEK).is_err());
    }

    #[test]
    fn a_trend_has_a_number_of_steps_that_people_can_look_at() {
        let step = |from: &str| step_of(Period { from: ago(from, now()), until: None }, now()).to_string();
        assert_eq!(
            [step("1h"), step("24h"), step("7d"), step("30d"), step("90d")],
            ["1m", "1h", "3h", "12h", "1d"]
        );
        assert_eq!(step_of(Period::ALWAYS, now()).to_string(), "4w");
    }
}
