//! The questions of the pages, and the same in SQL.

use epitaph_crash_model::{CrashId, Fact, ProjectId, Timestamp};
use epitaph_facts::{
    Baseline, Bucket, Column, Comparison, Dimension, Filter, Listing, Measures, Order, Pattern, Period,
    Question,
};

use crate::facts::{DAYS, DRIVERS_SIGNATURE, END, release, signature, tag};

/// What is asked of the engine.
pub(super) enum Ask {
    Question(Box<Question>),
    Crashes(Box<Listing>),
    Find(CrashId),
}

/// One question.
pub(super) struct Asked {
    pub(super) name: &'static str,
    pub(super) ask: Ask,
    /// What tells the same, as near as SQL comes to it.
    pub(super) sql: Vec<String>,
}

fn days(number: i64) -> Period {
    Period { from: Some(Timestamp::from_millis(END - number * 24 * 60 * 60 * 1000)), until: None }
}

fn since(number: i64) -> String {
    let from = Timestamp::from_millis(END - number * 24 * 60 * 60 * 1000);
    format!("received_at >= TIMESTAMP '{from}'")
}

fn like(column: Column, text: &str) -> Filter {
    Filter::Is { dimension: column.into(), any_of: vec![Pattern::Like(text.into())] }
}

/// All of them. `one` is a fact to look up.
pub(super) fn questions(one: &Fact) -> Vec<Asked> {
    let all = Measures { users: true, seen: true, releases: true };
    let users = Measures { users: true, ..Measures::default() };
    let question =
        || Question { projects: vec![ProjectId::FIRST], period: days(DAYS), ..Question::default() };
    let ask = |name, question: Question, sql: Vec<String>| Asked {
        name,
        ask: Ask::Question(Box::new(question)),
        sql,
    };
    let by_day = Dimension::Time(Bucket::DAY);
    let drivers = signature(DRIVERS_SIGNATURE).to_string();
    let of_issue = Filter::equals(Column::Issue, (DRIVERS_SIGNATURE + 1).to_string());
    let is_issue = format!("signature = X'{drivers}'");
    let (newest, before) = (release(39), release(38));
    let wide = tag(12);
    vec![
        ask(
            "top issues of 90 days: count, users, seen, releases, days",
            Question {
                group_by: vec![Column::Issue.into(), by_day.clone()],
                measures: all,
                limit: 50,
                ..question()
            },
            vec![
                format!(
                    "SELECT signature, sum(weight) AS n, approx_distinct(\"user\"), min(received_at), max(received_at), \
                     min(release), max(release) FROM facts WHERE {} GROUP BY signature ORDER BY n DESC LIMIT 50",
                    since(DAYS)
                ),
                format!(
                    "SELECT signature, date_trunc('day', received_at) AS day, sum(weight) FROM facts WHERE {} \
                     GROUP BY signature, day",
                    since(DAYS)
                ),
            ],
        ),
        ask(
            "top issues of 14 days, live, with days",
            Question {
                group_by: vec![Column::Issue.into(), by_day.clone()],
                period: days(14),
                filter: Filter::equals(Column::Environment, "live"),
                limit: 50,
                ..question()
            },
            vec![format!(
                "SELECT signature, date_trunc('day', received_at) AS day, sum(weight) FROM facts \
                 WHERE {} AND environment = 'live' GROUP BY signature, day",
                since(14)
            )],
        ),
        ask(
            "90 days by release and day",
            Question { group_by: vec![Column::Release.into(), by_day.clone()], ..question() },
            vec![format!(
                "SELECT release, date_trunc('day', received_at) AS day, sum(weight) FROM facts WHERE {} \
                 GROUP BY release, day",
                since(DAYS)
            )],
        ),
        ask(
            "14 days by hour",
            Question {
                group_by: vec![Dimension::Time(Bucket::HOUR)],
                period: days(14),
                limit: 1000,
                ..question()
            },
            vec![format!(
                "SELECT date_trunc('hour', received_at) AS hour, sum(weight) FROM facts WHERE {} GROUP BY hour",
                since(14)
            )],
        ),
        ask(
            "users of 90 days",
            Question { measures: users, ..question() },
            vec![format!("SELECT sum(weight), approx_distinct(\"user\") FROM facts WHERE {}", since(DAYS))],
        ),
        ask(
            "one issue by graphics processor, beside all",
            Question {
                group_by: vec![Column::Gpu.into()],
                filter: of_issue.clone(),
                baseline: Some(Baseline::default()),
                order: Order::OverRepresented,
                limit: 20,
                ..question()
            },
            vec![
                format!(
                    "SELECT gpu, sum(weight), count(*) FROM facts WHERE {is_issue} AND {} GROUP BY gpu",
                    since(DAYS)
                ),
                format!("SELECT gpu, sum(weight), count(*) FROM facts WHERE {} GROUP BY gpu", since(DAYS)),
            ],
        ),
        ask(
            "one issue by a tag of 20,000 values, users",
            Question {
                group_by: vec![Dimension::Tag(wide.clone())],
                filter: of_issue,
                measures: users,
                limit: 20,
                ..question()
            },
            vec![format!(
                "SELECT \"tag:{wide}\" AS tag, sum(weight) AS n, approx_distinct(\"user\") FROM facts \
                 WHERE {is_issue} AND {} GROUP BY tag ORDER BY n DESC LIMIT 20",
                since(DAYS)
            )],
        ),
        ask(
            "everything by a tag of 20,000 values",
            Question { group_by: vec![Dimension::Tag(wide.clone())], limit: 20, ..question() },
            vec![format!(
                "SELECT \"tag:{wide}\" AS tag, sum(weight) AS n FROM facts WHERE {} GROUP BY tag \
                 ORDER BY n DESC LIMIT 20",
                since(DAYS)
            )],
        ),
        ask(
            "issues of a search with six conditions",
            Question {
                group_by: vec![Column::Issue.into()],
                filter: Filter::And(vec![
                    Filter::equals(Column::Platform, "Windows"),
                    like(Column::Gpu, "rtx 40*"),
                    Filter::Compare {
                        dimension: Column::Release.into(),
                        how: Comparison::GreaterOrEqual,
                        with: "2".into(),
                    },
                    Filter::Not(Box::new(Filter::equals(Column::Country, "AA"))),
                    Filter::Compare {
                        dimension: Column::Uptime.into(),
                        how: Comparison::Less,
                        with: "60".into(),
                    },
                    Filter::Has(Column::User.into()),
                ]),
                limit: 50,
                ..question()
            },
            vec![format!(
                "SELECT signature, sum(weight) AS n FROM facts WHERE platform = 'Windows' AND gpu ILIKE 'rtx 40%' \
                 AND release >= '2' AND (country IS NULL OR country <> 'AA') AND uptime_seconds < 60 \
                 AND \"user\" IS NOT NULL AND {} GROUP BY signature ORDER BY n DESC LIMIT 50",
                since(DAYS)
            )],
        ),
        ask(
            "two releases beside each other, by issue",
            Question {
                group_by: vec![Column::Issue.into()],
                filter: Filter::equals(Column::Release, newest.as_str()),
                baseline: Some(Baseline {
                    filter: Filter::equals(Column::Release, before.as_str()),
                    period: None,
                }),
                order: Order::Change,
                limit: 50,
                ..question()
            },
            vec![format!(
                "SELECT signature, release, sum(weight), count(*) FROM facts WHERE release IN ('{newest}', '{before}') \
                 AND {} GROUP BY signature, release",
                since(DAYS)
            )],
        ),
        Asked {
            name: "the newest 50 crashes on one map",
            ask: Ask::Crashes(Box::new(Listing {
                projects: vec![ProjectId::FIRST],
                filter: Filter::equals(Column::Level, "map_40"),
                ..Listing::default()
            })),
            sql: vec!["SELECT * FROM facts WHERE level = 'map_40' ORDER BY received_at DESC LIMIT 50".into()],
        },
        Asked {
            name: "one crash by its id",
            ask: Ask::Find(one.crash_id),
            sql: vec![format!("SELECT * FROM facts WHERE crash_id = X'{}'", one.crash_id.simple())],
        },
    ]
}
