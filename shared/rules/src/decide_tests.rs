use proptest::prelude::*;

use super::*;

fn rules(rules: &str) -> Rules {
    Rules::read(format!(r#"{{"version":1,"projects":{{"1":{{"rules":{rules}}}}}}}"#).as_bytes()).unwrap()
}

fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// All is known.
fn whole(annotations: &BTreeMap<String, String>, kind: Kind, member: &str) -> Subject<'static> {
    let annotations: &'static _ = Box::leak(Box::new(annotations.clone()));
    Subject {
        project: ProjectId::FIRST,
        release: Known::Surely(labels::release(annotations)),
        environment: Known::Surely(labels::environment(annotations)),
        kind: Known::Surely(Some(kind)),
        platform: Known::Surely(Some("Windows NT".to_owned())),
        annotations,
        all_annotations: true,
        member: Known::Surely(Some(member.to_owned())),
    }
}

/// What a collector sees of the same.
fn part(whole: &Subject<'static>) -> Subject<'static> {
    Subject {
        release: Known::if_there(labels::release(whole.annotations)),
        environment: Known::if_there(labels::environment(whole.annotations)),
        kind: Known::Unknown,
        platform: Known::Unknown,
        all_annotations: false,
        ..whole.clone()
    }
}

fn rule_of<'a>(decision: &Decision<'a>) -> Option<&'a str> {
    match decision {
        Decision::Keep { rule, .. } => rule.map(|rule| rule.name.as_str()),
        Decision::Discard { rule, .. } => Some(&rule.name),
        Decision::Open => Some("open"),
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let rules = rules(
        r#"[{"name":"qa","match":{"environment":"QA"},"action":"keep"},
            {"name":"old","match":{"release":"0.*","annotations":{"map":"e?m1"}},"action":"drop"},
            {"name":"errors","match":{"kind":"error","platform":"windows*"},"action":"drop"}]"#,
    );
    for (pairs, kind, expected) in [
        (&[("env", "qa"), ("ver", "0.1"), ("map", "e1m1")][..], Kind::Crash, Some("qa")),
        (&[("ver", "0.1"), ("map", "e1m1")], Kind::Crash, Some("old")),
        (&[("ver", "0.1")], Kind::Crash, None),
        (&[("map", "e1m1")], Kind::Error, Some("errors")),
    ] {
        let subject = whole(&annotations(pairs), kind, "ann");
        assert_eq!(rule_of(&rules.decide(&subject)), expected, "{pairs:?}");
    }
    let elsewhere = Subject {
        project: ProjectId::try_from(2_u64).unwrap(),
        ..whole(&annotations(&[("env", "qa")]), Kind::Crash, "ann")
    };
    assert_eq!(rules.decide(&elsewhere), Decision::Keep { rule: None, weight: 1 });
}

#[test]
fn a_collector_decides_only_what_no_more_knowledge_could_change() {
    let rules = rules(
        r#"[{"name":"errors","match":{"kind":"error","release":"1.*"},"action":"drop"},
            {"name":"qa","match":{"environment":"qa"},"action":"drop"}]"#,
    );
    let decide = |pairs: &[(&str, &str)]| {
        let subject = part(&whole(&annotations(pairs), Kind::Crash, "ann"));
        rule_of(&rules.decide(&subject)).map(str::to_owned)
    };
    assert_eq!(decide(&[("ver", "2.0"), ("env", "qa")]).as_deref(), Some("qa"));
    assert_eq!(decide(&[("ver", "1.0"), ("env", "qa")]).as_deref(), Some("open"), "it may be an error");
    assert_eq!(decide(&[("env", "qa")]).as_deref(), Some("open"), "its release may be in the dump");
    assert_eq!(decide(&[("ver", "2.0"), ("env", "live")]), None);
}

#[test]
fn a_sample_has_about_as_many_users_as_it_says_and_keeps_them_as_it_grows() {
    let sample = |percent: &str| rules(&format!(r#"[{{"name":"few","action":{{"sample":{percent}}}}}]"#));
    let members = |rules: &Rules| -> Vec<u32> {
        let none = annotations(&[]);
        let is_in = |user: &u32| {
            let subject = whole(&none, Kind::Crash, &user.to_string());
            matches!(rules.decide(&subject), Decision::Keep { .. })
        };
        (0..5_000).filter(is_in).collect()
    };
    let (few, more) = (members(&sample("10")), members(&sample("20")));
    assert!((400..600).contains(&few.len()), "{}", few.len());
    assert!((850..1150).contains(&more.len()), "{}", more.len());
    assert!(few.iter().all(|user| more.contains(user)));
    assert_eq!(members(&sample("100")).len(), 5_000);
}

#[test]
fn a_sample_is_the_same_in_every_version() {
    let hashes = ["ann", "bob"].map(|user| hash([b"1", b"few", user.as_bytes()]) % 10_000);
    // Computed apart from this code. A change would move players between in and out.
    assert_eq!(hashes, [6549, 3940]);
}

#[test]
fn without_a_user_a_collector_leaves_the_sample_to_process() {
    let rules = rules(r#"[{"name":"few","action":{"sample":10}}]"#);
    let subject = Subject { member: Known::Unknown, ..part(&whole(&annotations(&[]), Kind::Crash, "")) };
    assert_eq!(rules.decide(&subject), Decision::Open);
}

fn condition() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{}".to_owned()),
        "[ab*]{1,2}".prop_map(|pattern| format!(r#"{{"release":"{pattern}"}}"#)),
        "[ab*]{1,2}".prop_map(|pattern| format!(r#"{{"annotations":{{"map":"{pattern}"}}}}"#)),
        "[ab*]{1,2}".prop_map(|pattern| format!(r#"{{"environment":"{pattern}","kind":"error"}}"#)),
        Just(r#"{"kind":"crash"}"#.to_owned()),
    ]
}

proptest! {
    /// What a collector decides, process decides in the same way.
    #[test]
    fn more_knowledge_never_changes_a_decision(
        conditions in prop::collection::vec((condition(), 0..3_usize), 0..5),
        pairs in prop::collection::btree_map("(ver|map|env)", "[ab]{1,2}", 0..3),
        later in prop::collection::btree_map("(ver|map|env)", "[ab]{1,2}", 0..3),
        is_error: bool,
        member in "[a-d]",
    ) {
        let actions = [r#""keep""#, r#""drop""#, r#"{"sample":50}"#];
        let all: Vec<_> = conditions.iter().enumerate()
            .map(|(index, (condition, action))| format!(r#"{{"name":"r{index}","match":{condition},"action":{}}}"#, actions[*action]))
            .collect();
        let rules = rules(&format!("[{}]", all.join(",")));
        let seen = part(&whole(&pairs, Kind::Crash, &member));
        let mut known = later;
        known.extend(pairs);
        let kind = if is_error { Kind::Error } else { Kind::Crash };
        let all_known = whole(&known, kind, &member);
        let (first, last) = (rules.decide(&seen), rules.decide(&all_known));
        prop_assert_ne!(last, Decision::Open);
        prop_assert!(first == Decision::Open || first == last, "{:?} {:?}", first, last);
    }
}
