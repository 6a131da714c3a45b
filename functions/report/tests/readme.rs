//! What the documentation shows is taken.

use epitaph_report::shape::check;

#[test]
fn every_json_in_the_documentation_is_a_report() {
    let text = include_str!("../README.md");
    let examples: Vec<_> =
        text.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 3);
    for example in examples {
        assert_eq!(check(example.as_bytes()).err(), None, "{example}");
    }
}
