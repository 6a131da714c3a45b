use proptest::prelude::*;

use super::*;
use crate::SymbolLayout;

const EXAMPLE: &str = include_str!("../example.json");

fn read(projects: &str) -> Result<Rules, RulesError> {
    Rules::read(format!(r#"{{"version":1,"projects":{projects}}}"#).as_bytes())
}

#[test]
fn the_documented_example_reads_and_reads_back_from_what_is_written() {
    let rules = Rules::read(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(rules.generations(ProjectId::FIRST), [0, 1]);
    assert_eq!(rules.of(ProjectId::FIRST).unwrap().rules.len(), 4);
    assert_eq!(Rules::read(rules.write().unwrap().as_bytes()).unwrap(), rules);
    assert_eq!(rules.generations(ProjectId::try_from(7_u64).unwrap()), [0]);
}

const SOURCE: &str = r#"{"url":"https://symbols.example.com","layout":"microsoft","files":["*.pdb"]}"#;

fn source(url: &str, files: &str) -> String {
    format!(r#"{{"1":{{"symbol_sources":[{{"url":"{url}","layout":"breakpad","files":{files}}}]}}}}"#)
}

#[test]
fn a_symbol_source_is_asked_for_the_files_that_it_names_and_for_no_others() {
    let project = ProjectId::FIRST;
    let rules = Rules::read(EXAMPLE.as_bytes()).unwrap();
    let [source] = rules.symbol_sources(project) else { panic!("expected one symbol source") };
    assert_eq!(source.layout, SymbolLayout::Microsoft);
    assert!(source.may_be_asked_for("ntdll.pdb") && source.may_be_asked_for("NTDLL.PDB"));
    assert!(!source.may_be_asked_for("game.pdb") && !source.may_be_asked_for("ntdll.pdb.exe"));
    assert!(rules.symbol_sources(ProjectId::try_from(7_u64).unwrap()).is_empty());
}

#[test]
fn what_makes_no_sense_is_told_with_what_was_expected() {
    let rule = |rest: &str| format!(r#"{{"1":{{"rules":[{{"name":"a",{rest}}}]}}}}"#);
    for (projects, expected) in [
        (r#"{"1":{"key_generations":[32]}}"#.to_owned(), "0 to 31"),
        (r#"{"1":{"key_generations":[1,1]}}"#.to_owned(), "twice"),
        (r#"{"1":{"rules":[{"name":"a b","action":"keep"}]}}"#.to_owned(), "A-Z"),
        (
            r#"{"1":{"rules":[{"name":"a","action":"keep"},{"name":"a","action":"drop"}]}}"#.to_owned(),
            "twice",
        ),
        (r#"{"1":{"retention":{"crashes":90,"files":0}}}"#.to_owned(), "1 to 3650"),
        (source("https://symbols.example.com", r#"[]"#), "1 to 100"),
        (source("https://symbols.example.com", r#"[""]"#), "1 to 200 bytes"),
        (source("ftp://symbols.example.com", r#"["*.pdb"]"#), "symbol source 1: the url is wrong"),
        (source("https://me:secret@symbols.example.com", r#"["*.pdb"]"#), "without a user"),
        (source("https://symbols.example.com/?key=1", r#"["*.pdb"]"#), "the url is wrong"),
        (source(&format!("https://symbols.example.com/{}", "a".repeat(500)), r#"["*"]"#), "at most 500"),
        (format!(r#"{{"1":{{"symbol_sources":[{}]}}}}"#, [SOURCE; 11].join(",")), "at most 10"),
        (rule(r#""action":"drop","first_per_signature_and_hour":3"#), "keep or sample"),
        (rule(&format!(r#""action":"keep","match":{{"release":"{}"}}"#, "a".repeat(201))), "too long"),
    ] {
        let error = read(&projects).unwrap_err();
        assert!(error.to_string().contains(expected), "{error} {projects}");
    }
    for projects in [
        rule(r#""action":"keep","match":{"realease":"1"}"#),
        rule(r#""action":{"sample":0}"#),
        rule(r#""action":{"sample":100.5}"#),
        rule(r#""action":{"sample":0.005}"#),
        rule(r#""action":"keep","match":{"kind":"errors"}"#),
        r#"{"0":{}}"#.to_owned(),
        r#"{"1":{"symbol_sources":[{"url":"https://a.example","layout":"debuginfod","files":["*"]}]}}"#
            .to_owned(),
    ] {
        assert!(matches!(read(&projects), Err(RulesError::Form(_))), "{projects}");
    }
    assert!(matches!(Rules::read(br#"{"version":2,"new":1}"#), Err(RulesError::Version(2))));
    assert!(matches!(Rules::read(&vec![b' '; 300_000]), Err(RulesError::TooLarge(300_000))));
}

#[test]
fn a_kept_report_stands_for_as_many_as_its_percentage_says() {
    let weight = |percent: f64| Percent::try_from(percent).unwrap().weight();
    assert_eq!(
        [0.01, 0.07, 1.0, 10.0, 30.0, 66.0, 67.0, 100.0].map(weight),
        [10_000, 1_429, 100, 10, 3, 2, 1, 1]
    );
}

#[test]
fn a_generation_is_issued_after_the_newest_and_an_old_one_can_be_revoked() {
    let (mut rules, project) = (Rules::default(), ProjectId::FIRST);
    assert_eq!(rules.add_generation(project), Some(1));
    assert_eq!(rules.generations(project), [0, 1]);
    assert!(rules.revoke_generation(project, 0) && !rules.revoke_generation(project, 0));
    assert_eq!(rules.generations(project), [1]);
    while rules.add_generation(project).is_some() {}
    assert_eq!(rules.generations(project).last(), Some(&LARGEST_GENERATION));
}

#[test]
fn who_writes_rules_only_leaves_the_keys_as_they_are() {
    let before = read(r#"{"1":{"key_generations":[2]},"2":{"key_generations":[3]},"3":{}}"#).unwrap();
    let mut new =
        read(r#"{"1":{"rules":[{"name":"a","action":"drop"}]},"2":{"key_generations":[4]}}"#).unwrap();
    new.keep_generations_of(&before);
    let generations = |number: u64| new.generations(ProjectId::try_from(number).unwrap());
    assert_eq!((generations(1), generations(2), generations(3)), (&[2][..], &[4][..], &[0][..]));
    assert_eq!(new.of(ProjectId::FIRST).unwrap().rules.len(), 1);
}

proptest! {
    #[test]
    fn no_document_panics(text in r#"[\[\]{}":,a-z0-9 ]{0,80}"#) {
        let _ = Rules::read(text.as_bytes());
    }

    #[test]
    fn a_document_that_is_cut_anywhere_or_changed_in_a_byte_does_not_panic(at: prop::sample::Index, byte: u8) {
        let mut json = EXAMPLE.trim().as_bytes().to_vec();
        let at = at.index(json.len());
        prop_assert!(Rules::read(&json[..at]).is_err());
        json[at] = byte;
        let _ = Rules::read(&json);
    }
}
