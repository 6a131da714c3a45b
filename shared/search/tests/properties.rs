//! What holds of every search, whatever it says.

use epitaph_facts::{Column, Comparison, Dimension, Filter, Pattern, Question};
use epitaph_search::{narrowed, parse, print};
use proptest::{prelude::*, sample::select};

/// Lines that look like searches, and now and then are.
fn lines() -> impl Strategy<Value = String> {
    let pieces = [
        "os", ":", "gpu", "tag.", "tag.x", "\"", "\\", "(", ")", "[", "]", ",", "-", "!", "=", "<", ">=",
        "*", "?", " ", " OR ", " AND ", "NOT ", "or", "has:", "user", "uptime", "60", "5m", "kind:", "hang",
        "issue:#", "::", "relaese", "ü", "한글", "\u{202e}", "\n", "a b",
    ];
    proptest::collection::vec(select(pieces.to_vec()), 0..20).prop_map(|pieces| pieces.concat())
}

fn dimensions() -> impl Strategy<Value = Dimension> {
    let texts = [Column::Release, Column::Gpu, Column::Reason, Column::Country, Column::Level];
    prop_oneof![
        select(texts.to_vec()).prop_map(Dimension::Column),
        "[a-z .:\"\\\\(),=-]{1,8}".prop_map(Dimension::Tag),
    ]
}

fn conditions() -> impl Strategy<Value = Filter> {
    let value = "[ a-z0-9\"\\\\():,<>=*?\\[\\]ü-]{1,8}";
    let pattern = prop_oneof![value.prop_map(Pattern::Exactly), value.prop_map(Pattern::Like)];
    let signs = [Comparison::Less, Comparison::LessOrEqual, Comparison::Greater, Comparison::GreaterOrEqual];
    prop_oneof![
        (dimensions(), proptest::collection::vec(pattern, 1..4))
            .prop_map(|(dimension, any_of)| Filter::Is { dimension, any_of }),
        (dimensions(), select(signs.to_vec()), value).prop_map(|(dimension, how, with)| Filter::Compare {
            dimension,
            how,
            with
        }),
        dimensions().prop_map(Filter::Has),
        value.prop_map(Filter::Text),
        select(vec!["crash", "oom"]).prop_map(|kind| Filter::equals(Column::Kind, kind)),
        (0_u64..1000).prop_map(|seconds| Filter::equals(Column::Uptime, seconds.to_string())),
        Just(Filter::All),
    ]
}

fn filters() -> impl Strategy<Value = Filter> {
    conditions().prop_recursive(3, 24, 4, |inner| {
        let several = proptest::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            several.clone().prop_map(Filter::And),
            several.prop_map(Filter::Or),
            inner.prop_map(|part| Filter::Not(Box::new(part))),
        ]
    })
}

/// Sentences of the grammar in the README, rule by rule.
fn sentences() -> impl Strategy<Value = String> {
    let quoted = r#""([a-z :()\[\],<>*?=-]|\\"|\\\\|\\[a-z]){1,6}""#;
    let names = select(vec!["os", "GPU", "release", "mood", "tag.x", "tag.relaese", r#"tag."a \" name""#]);
    let value =
        prop_oneof![quoted, "[a-z0-9#_/.+-][a-zA-Z0-9_/.+*?:=<>!-]{0,6}", "[a-z]{1,3}\\([a-z]{0,2}\\)"];
    let pattern = ("=?", value.clone()).prop_map(|(sign, value)| sign + &value);
    let list =
        proptest::collection::vec(pattern.clone(), 1..4).prop_map(|all| format!("[{}]", all.join(" , ")));
    let ordered =
        (select(vec!["<", "<=", ">", ">="]), value).prop_map(|(sign, value)| format!("{sign}{value}"));
    let condition = prop_oneof![
        names.clone().prop_map(|name| format!("has:{name}")),
        (names, prop_oneof![pattern, list, ordered]).prop_map(|(name, values)| format!("{name}:{values}")),
    ];
    let text = prop_oneof![quoted, "[A-Z][a-z]{3,6}(::[a-z]{1,3})?(\\([a-z]{0,2}\\))?", r"\*"];
    prop_oneof![condition, text].prop_recursive(3, 24, 3, |inner| {
        let signs = proptest::collection::vec(select(vec!["-", "!", "NOT "]), 0..3);
        let one = (signs, inner, any::<bool>()).prop_map(|(signs, inner, is_group)| {
            let signs = signs.concat();
            // A search of several conditions is one only in parentheses.
            if is_group || inner.contains(' ') { format!("{signs}( {inner})") } else { signs + &inner }
        });
        let joined = (select(vec![" ", "  ", " AND ", " OR "]), one.clone());
        (one, proptest::collection::vec(joined, 0..3)).prop_map(|(first, others)| {
            others.into_iter().fold(first, |line, (word, one)| line + word + &one)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_search_that_is_printed_says_the_same(line in lines()) {
        if let Ok(filter) = parse(&line) {
            prop_assert_eq!(parse(&print(&filter)), Ok(filter.clone()), "{}", print(&filter));
            let question = Question { filter, ..Question::default() };
            prop_assert_eq!(question.check(), Ok(()));
        }
    }

    #[test]
    fn what_the_documented_grammar_allows_is_understood(line in sentences()) {
        let read = parse(&line);
        prop_assert!(read.is_ok(), "{line}: {read:?}");
    }

    #[test]
    fn an_error_is_about_characters_that_are_there(line in prop_oneof![lines(), any::<String>()]) {
        if let Err(error) = parse(&line) {
            prop_assert!(error.range.start <= error.range.end);
            prop_assert!(error.range.end <= line.chars().count(), "{:?}", error);
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn every_filter_can_be_written(filter in filters()) {
        let line = print(&filter);
        let read = parse(&line);
        prop_assert!(read.is_ok(), "{:?}: {:?}", line, read);
        prop_assert_eq!(read.map(|read| print(&read)), Ok(line));
    }

    #[test]
    fn a_clicked_value_is_found_in_what_is_written(line in lines(), dimension in dimensions(), value in "[ -~ü]{1,8}") {
        if let Ok(filter) = parse(&line) {
            let narrow = narrowed(filter, &dimension, Some(&value));
            prop_assert_eq!(parse(&print(&narrow)), Ok(narrow.clone()), "{}", print(&narrow));
            prop_assert_eq!(narrowed(narrow.clone(), &dimension, Some(&value)), narrow);
        }
    }
}
