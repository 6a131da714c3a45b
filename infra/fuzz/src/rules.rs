//! The rules that people write, and the patterns in them.

use std::collections::BTreeMap;

use epitaph_crash_model::ProjectId;
use epitaph_rules::{Action, Decision, Known, Match, ProjectRules, Rule, Rules, Subject};

/// Characters of a value that a pattern looks at.
const LONGEST_VALUE: usize = 2_000;

/// A document that can be read is written and read again as it was, and decides the same each time; a pattern matches
/// what its definition says.
///
/// Up to the first zero, the data is a document; behind it, a pattern and the value that it is matched with, a line
/// each.
pub fn rules(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let document = parts.next().unwrap_or_default();
    if let Ok(rules) = Rules::read(document) {
        let text = rules.write();
        // What people write without blanks may grow beyond what is taken.
        if let Ok(text) = text {
            let again = Rules::read(text.as_bytes()).expect("a document that was written can be read");
            assert_eq!(again, rules, "written again");
        }
        for project in rules.projects.keys() {
            decides_the_same(&rules, *project);
        }
    }
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default());
    let (pattern, value) = text.split_once('\n').unwrap_or((&text, ""));
    if pattern.len() <= 200 {
        assert_eq!(matches(pattern, value), defined(pattern, value), "{pattern:?} {value:?}");
    }
}

fn decides_the_same(rules: &Rules, project: ProjectId) {
    for release in [Known::Unknown, Known::Surely(None), Known::Surely(Some("1.2.3".to_owned()))] {
        let annotations = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let subject = Subject {
            project,
            environment: release.clone(),
            release,
            kind: Known::Unknown,
            platform: Known::Surely(Some("Windows".to_owned())),
            annotations: &annotations,
            all_annotations: true,
            member: Known::Surely(Some("someone".to_owned())),
        };
        let decision = rules.decide(&subject);
        assert_eq!(decision, rules.decide(&subject));
        if let Decision::Keep { weight, .. } = decision {
            assert!((1..=10_000).contains(&weight));
        }
    }
}

/// Whether a rule with this pattern is about a release of this name.
fn matches(pattern: &str, value: &str) -> bool {
    let rule = Rule {
        name: "fuzz".to_owned(),
        matches: Match { release: Some(pattern.to_owned()), ..Match::default() },
        action: Action::Drop,
        first_per_signature_and_hour: None,
    };
    let of_project = ProjectRules { rules: vec![rule], ..ProjectRules::default() };
    let rules = Rules { projects: [(ProjectId::FIRST, of_project)].into(), ..Rules::default() };
    let annotations = BTreeMap::new();
    let subject = Subject {
        project: ProjectId::FIRST,
        release: Known::Surely(Some(value.to_owned())),
        environment: Known::Unknown,
        kind: Known::Unknown,
        platform: Known::Unknown,
        annotations: &annotations,
        all_annotations: false,
        member: Known::Unknown,
    };
    matches!(rules.decide(&subject), Decision::Discard { .. })
}

/// Whether a pattern covers a value, letter by letter: which beginnings of the value each beginning of the pattern
/// covers.
fn defined(pattern: &str, value: &str) -> bool {
    let value: Vec<char> = value.chars().take(LONGEST_VALUE).collect();
    let mut covered = vec![false; value.len() + 1];
    covered[0] = true;
    for expected in pattern.chars() {
        let mut next = vec![false; value.len() + 1];
        if expected == '*' {
            let from = covered.iter().position(|is| *is).unwrap_or(covered.len());
            next[from..].fill(true);
        } else {
            for (at, given) in value.iter().enumerate() {
                next[at + 1] = covered[at] && (expected == '?' || expected.eq_ignore_ascii_case(given));
            }
        }
        covered = next;
    }
    covered[value.len()]
}
