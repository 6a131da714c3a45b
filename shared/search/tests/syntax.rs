//! What a search says, and what is said of one that is not understood.

use epitaph_facts::{Bucket, Column, Comparison, Dimension, Filter, Pattern, Question};
use epitaph_search::{Problem, dimension, name, narrowed, parse, print};

fn like(column: Column, value: &str) -> Filter {
    Filter::Is { dimension: column.into(), any_of: vec![Pattern::Like(value.to_owned())] }
}

fn compare(column: Column, how: Comparison, with: &str) -> Filter {
    Filter::Compare { dimension: column.into(), how, with: with.to_owned() }
}

fn text(text: &str) -> Filter {
    Filter::Text(text.to_owned())
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

#[test]
fn a_search_says_what_the_example_says() {
    let found = parse(
        r#"os:Windows gpu:"RTX 40*" release:>=1.2 -country:KR uptime:<5m has:user "text in signature""#,
    );
    let expected = Filter::And(vec![
        like(Column::Platform, "Windows"),
        like(Column::Gpu, "RTX 40*"),
        compare(Column::Release, Comparison::GreaterOrEqual, "1.2"),
        not(like(Column::Country, "KR")),
        compare(Column::Uptime, Comparison::Less, "300"),
        Filter::Has(Column::User.into()),
        text("text in signature"),
    ]);
    assert_eq!(found, Ok(expected));
}

#[test]
fn what_stands_side_by_side_binds_closer_than_or() {
    let (linux, hang) = (like(Column::Platform, "Linux"), Filter::equals(Column::Kind, "hang"));
    let user = Filter::Has(Column::User.into());
    let both = Filter::And(vec![hang.clone(), user.clone()]);
    assert_eq!(parse("os:Linux OR kind:hang has:user"), Ok(Filter::Or(vec![linux.clone(), both.clone()])));
    assert_eq!(parse("os:Linux OR kind:hang AND has:user"), Ok(Filter::Or(vec![linux.clone(), both])));
    let either = Filter::Or(vec![linux, hang]);
    let grouped = Filter::And(vec![either.clone(), user]);
    assert_eq!(parse("(os:Linux OR kind:hang) has:user"), Ok(grouped));
    assert_eq!(parse("NOT (os:Linux OR kind:hang)"), Ok(not(either.clone())));
    assert_eq!(parse("--((os:Linux OR (kind:hang)))"), Ok(either));
}

#[test]
fn names_have_short_forms_and_others_are_tags() {
    let tag = |name: &str, value: &str| Filter::Is {
        dimension: Dimension::Tag(name.to_owned()),
        any_of: vec![Pattern::Like(value.to_owned())],
    };
    assert_eq!(parse("shard:eu-1"), Ok(tag("shard", "eu-1")));
    assert_eq!(parse("tag.gpu:x"), Ok(tag("gpu", "x")));
    assert_eq!(parse(r#"tag."the team":x"#), Ok(tag("the team", "x")));
    assert_eq!(parse("Env:live"), Ok(like(Column::Environment, "live")));
    assert_eq!(dimension("os").map(|found| name(&found)).as_deref(), Ok("platform"));
    assert_eq!(dimension("tag.x").map(|found| name(&found)).as_deref(), Ok("tag.x"));
    assert!(dimension("os:x").is_err() && dimension("").is_err() && dimension("has").is_err());
}

#[test]
fn code_is_found_as_it_is_written() {
    for code in ["Renderer::draw", "::operator", "std::vector<int>", "operator()(int)", "a::b::c"] {
        assert_eq!(parse(code), Ok(text(code)), "{code}");
    }
    assert_eq!(parse("(Renderer::draw)"), Ok(text("Renderer::draw")));
    assert_eq!(parse("*draw*"), Ok(text("draw")));
    assert_eq!(parse(r#""C:\game.exe \"x\"""#), Ok(text(r#"C:\game.exe "x""#)));
    assert_eq!(parse("device:iPhone14,2"), Ok(like(Column::Device, "iPhone14,2")));
    assert_eq!(parse("gpu:Adreno(TM)740"), Ok(like(Column::Gpu, "Adreno(TM)740")));
    assert_eq!(parse(""), Ok(Filter::All));
    assert_eq!(parse(" * "), Ok(Filter::All));
}

#[test]
fn values_take_the_form_that_facts_have() {
    assert_eq!(parse("issue:#12"), Ok(Filter::equals(Column::Issue, "12")));
    assert_eq!(parse("kind:OOM"), Ok(Filter::equals(Column::Kind, "oom")));
    assert_eq!(parse("foreground:no"), Ok(Filter::equals(Column::Foreground, "false")));
    assert_eq!(parse("user:00FF"), Ok(Filter::equals(Column::User, "00ff")));
    assert_eq!(parse("uptime:90"), Ok(Filter::equals(Column::Uptime, "90")));
    assert_eq!(parse("reason:=SIG*"), Ok(Filter::equals(Column::Reason, "SIG*")));
    let list = Filter::Is {
        dimension: Column::Platform.into(),
        any_of: ["Windows", "Mac OS, old"].map(|value| Pattern::Like(value.to_owned())).into(),
    };
    assert_eq!(parse(r#"os:[Windows, "Mac OS, old"]"#), Ok(list));
}

/// The characters that an error is about, its message, and what it suggests.
fn error(text: &str) -> (String, String, Option<String>) {
    let error = parse(text).err();
    let about =
        error.as_ref().map(|error| text.chars().take(error.range.end).skip(error.range.start).collect());
    let said = error.as_ref().map(ToString::to_string);
    (about.unwrap_or_default(), said.unwrap_or_default(), error.and_then(|error| error.problem.suggestion()))
}

#[test]
fn a_misspelt_name_is_told_with_the_one_that_was_meant() {
    let (about, said, suggestion) = error("os:Windows relaese:1.2");
    assert_eq!((about.as_str(), suggestion.as_deref()), ("relaese", Some("release")));
    assert!(said.starts_with("at character 12: there is no name relaese; did you mean release?"), "{said}");
    assert_eq!(error("platfrom:x").2.as_deref(), Some("platform"));
    assert_eq!(error("한 글 kind:hagn").0, "hagn");
    assert_eq!(error("kind:hagn").2.as_deref(), Some("hang"));
    assert_eq!(error("os:a or os:b").2.as_deref(), Some("OR"));
    assert!(parse("tag.relaese:1.2").is_ok() && parse("\"or\"").is_ok());
}

#[test]
fn every_error_says_where_and_what_was_expected() {
    for (search, about, expected) in [
        ("os:", "", "expected a value of os"),
        ("os: Windows", "", "os:Windows"),
        ("release:>= 1.2", "", "expected a value of release"),
        ("gpu:\"\"", "\"\"", "-has:gpu"),
        ("\"\"", "\"\"", "expected a text"),
        ("gpu:\"RTX", "\"RTX", "expected \""),
        ("gpu:\"RTX 40\"*", "*", "stars stand between"),
        ("(os:a", "(", "expected )"),
        ("os:a)", ")", "closes nothing"),
        ("os:[a b]", "[", "expected , or ]"),
        ("os:[a,]", "", "expected a value"),
        ("os:a OR", "", "expected a condition"),
        ("OR os:a", "", "expected a condition"),
        ("os:a AND", "", "expected a condition"),
        ("- os:a", "", "expected a condition"),
        ("()", "", "expected a condition"),
        ("has:", "", "has:user"),
        ("has:has", "has", "has:user"),
        ("since:7d", "since", "chosen by the period"),
        ("kind:>crash", "crash", "no earlier and later"),
        ("issue:x", "x", "a number"),
        ("issue:1*", "1*", "not compared by pattern"),
        ("uptime:<soon", "soon", "seconds"),
        ("foreground:maybe", "maybe", "true or false"),
    ] {
        let (found, said, _) = error(search);
        assert_eq!(found, about, "{search}: {said}");
        assert!(said.contains(expected), "{search}: {said}");
    }
}

#[test]
fn a_search_is_bounded_and_what_passes_can_be_asked() {
    let can_be_asked = |search: &str| {
        parse(search).is_ok_and(|filter| Question { filter, ..Question::default() }.check().is_ok())
    };
    let groups = |depth: usize| (0..depth).fold("a".to_owned(), |inner, _| format!("x OR y -({inner})"));
    assert!(can_be_asked(&groups(9)));
    assert!(matches!(parse(&groups(10)), Err(error) if error.problem == Problem::TooDeep));
    let conditions = |count: usize| vec!["gpu:x OR gpu:x gpu:x"; count / 3].join(" ");
    assert!(can_be_asked(&conditions(150)));
    assert!(matches!(parse(&conditions(153)), Err(error) if error.problem == Problem::TooMany));
    let values = |count: usize| format!("gpu:[{}]", vec!["x"; count].join(","));
    assert!(can_be_asked(&values(150)) && !can_be_asked(&values(151)));
    assert!(can_be_asked(&"x".repeat(1000)) && !can_be_asked(&"x".repeat(1001)));
    assert!(parse(&"x ".repeat(3000)).is_err());
}

#[test]
fn a_value_that_is_clicked_is_one_condition_more() {
    let narrow = |search: &str, column: Column, value: Option<&str>| {
        parse(search).map(|filter| print(&narrowed(filter, &column.into(), value)))
    };
    assert_eq!(narrow("", Column::Gpu, Some("RTX 4090")).as_deref(), Ok("gpu:\"RTX 4090\""));
    assert_eq!(
        narrow("os:a OR os:b", Column::Kind, Some("oom")).as_deref(),
        Ok("(platform:a OR platform:b) kind:oom")
    );
    assert_eq!(narrow("has:user", Column::Gpu, None).as_deref(), Ok("has:user -has:gpu"));
    assert_eq!(narrow("kind:oom", Column::Kind, Some("oom")).as_deref(), Ok("kind:oom"));
    assert_eq!(narrow("", Column::Reason, Some("what?")).as_deref(), Ok("reason:=what?"));
    assert_eq!(narrow("", Column::Uptime, Some("60")).as_deref(), Ok("uptime:>=60 uptime:<300"));
    assert_eq!(narrow("", Column::Uptime, Some("86400")).as_deref(), Ok("uptime:>=86400"));
    assert_eq!(print(&Filter::Has(Dimension::Time(Bucket::DAY))), "has:time:1d");
}
