//! Questions at random.

use epitaph_crash_model::{ProjectId, Timestamp};
use epitaph_facts::{
    Baseline, Bucket, Column, Comparison, Dimension, Filter, Measures, Order, Pattern, Period, Question,
};
use proptest::prelude::*;

use super::T0;

fn dimension() -> impl Strategy<Value = Dimension> {
    let column = prop_oneof![
        Just(Column::Project),
        Just(Column::Signature),
        Just(Column::Kind),
        Just(Column::Release),
        Just(Column::Platform),
        Just(Column::Gpu),
        Just(Column::Foreground),
        Just(Column::User),
        Just(Column::Uptime),
        Just(Column::Unreadable),
        Just(Column::Build),
    ];
    let tag = proptest::sample::select(vec!["shard", "quest", "odd: näme", "never told"]);
    prop_oneof![
        3 => column.prop_map(Dimension::Column),
        1 => tag.prop_map(|name| Dimension::Tag(name.to_owned())),
    ]
}

fn leaf() -> impl Strategy<Value = Filter> {
    let value = proptest::sample::select(vec![
        "1.2",
        "1.10",
        "Linux",
        "windows",
        "RTX 4090",
        "",
        "true",
        "crash",
        "50",
        "eu-3",
        "ü",
        "9",
        "10",
        "00000000000000000000000000000007",
        "03030303030303030303030303030303",
    ]);
    let like = proptest::sample::select(vec!["rtx*", "*4*", "WINDOWS", "?u-3", "*", "1*", "Ü"]);
    let pattern = prop_oneof![
        value.prop_map(|text| Pattern::Exactly(text.to_owned())),
        like.prop_map(|text| Pattern::Like(text.to_owned())),
    ];
    let version = proptest::sample::select(vec!["1.2", "1.5", "1.9.1", "2", "30", "50"]);
    let how = prop_oneof![
        Just(Comparison::Less),
        Just(Comparison::LessOrEqual),
        Just(Comparison::Greater),
        Just(Comparison::GreaterOrEqual),
    ];
    let filtered = || prop_oneof![8 => dimension(), 1 => Just(Dimension::Column(Column::Issue))];
    // Only what looks like a version is compared: of other texts the order is tested where it is made.
    let compared = prop_oneof![Just(Column::Release), Just(Column::Uptime), Just(Column::Issue)];
    prop_oneof![
        4 => (filtered(), proptest::collection::vec(pattern, 0..3))
            .prop_map(|(dimension, any_of)| Filter::Is { dimension, any_of }),
        2 => (compared, how, version)
            .prop_map(|(column, how, with)| Filter::Compare { dimension: column.into(), how, with: with.to_owned() }),
        1 => filtered().prop_map(Filter::Has),
        1 => proptest::sample::select(vec!["render", "AUDIO", "nowhere"]).prop_map(|text| Filter::Text(text.to_owned())),
        1 => Just(Filter::All),
    ]
}

pub(crate) fn filter() -> impl Strategy<Value = Filter> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::Or),
            inner.prop_map(|part| Filter::Not(Box::new(part))),
        ]
    })
}

pub(crate) fn period() -> impl Strategy<Value = Period> {
    let edge = || {
        let minute =
            (-100_i64..3 * 24 * 60 + 100).prop_map(|minute| Timestamp::from_millis(T0 + minute * 60_000));
        proptest::option::of(minute)
    };
    (edge(), edge()).prop_map(|(from, until)| Period { from, until })
}

fn time() -> impl Strategy<Value = Dimension> {
    (1_u32..3000, -840_i16..=840)
        .prop_map(|(minutes, ahead)| Dimension::Time(Bucket::new(minutes, ahead).unwrap()))
}

pub(crate) fn question() -> impl Strategy<Value = Question> {
    let project = |number: u64| ProjectId::try_from(number).unwrap();
    let projects = prop_oneof![Just(vec![]), Just(vec![project(1)]), Just(vec![project(1), project(2)])];
    let any = || prop_oneof![4 => dimension(), 1 => time()];
    let first = prop_oneof![4 => any(), 1 => Just(Dimension::Column(Column::Issue))];
    let group_by = prop_oneof![
        1 => Just(Vec::new()),
        3 => first.clone().prop_map(|first| vec![first]),
        3 => (first, any()).prop_map(|(first, second)| vec![first, second]),
    ];
    let measures = (any_bool(), any_bool(), any_bool()).prop_map(|(users, seen, releases)| Measures {
        users,
        seen,
        releases,
    });
    let baseline = proptest::option::weighted(0.3, (filter(), proptest::option::of(period())))
        .prop_map(|baseline| baseline.map(|(filter, period)| Baseline { filter, period }));
    let order = prop_oneof![
        Just(Order::Count),
        Just(Order::Users),
        Just(Order::LastSeen),
        Just(Order::FirstSeen),
        Just(Order::Value),
        Just(Order::Change),
    ];
    let sizes = (1_usize..12, 1_usize..6);
    (projects, period(), filter(), group_by, measures, baseline, order, sizes).prop_map(
        move |(projects, period, filter, group_by, measures, baseline, order, (limit, parts))| {
            let by_issue = group_by.first() == Some(&Dimension::Column(Column::Issue));
            let projects = if by_issue { vec![project(1)] } else { projects };
            let group_by = if group_by.first() == group_by.get(1) { Vec::new() } else { group_by };
            let possible = match order {
                Order::Users => measures.users,
                Order::LastSeen | Order::FirstSeen => measures.seen,
                Order::Change => baseline.is_some(),
                _ => true,
            };
            let order = if possible { order } else { Order::Count };
            Question { projects, period, filter, group_by, measures, baseline, order, limit, parts }
        },
    )
}

fn any_bool() -> impl Strategy<Value = bool> {
    any::<bool>()
}
