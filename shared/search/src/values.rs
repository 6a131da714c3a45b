//! What values a name may have, and how they are written.

use epitaph_crash_model::Kind;
use epitaph_facts::{Column, Comparison, Dimension, Filter, Pattern, UPTIME_CLASSES};

use crate::{
    error::{Problem, SearchError},
    names::nearest,
    scan::Word,
};

const KINDS: &str = "crash, hang, oom, assert, ensure or error";
const YES_OR_NO: &str = "true or false";
const SECONDS: &str = "seconds, or a number with s, m, h or d";
const NUMBER: &str = "a number, such as 12";
const WHOLE: &str = "a whole value; it is not compared by pattern";

/// How the values of a dimension are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Any text; capitals do not matter.
    Text,
    /// Digits and small letters.
    Hexadecimal,
    Number,
    Seconds,
    Kind,
    YesOrNo,
}

impl Form {
    fn of(dimension: &Dimension) -> Self {
        match dimension {
            Dimension::Column(Column::Kind) => Form::Kind,
            Dimension::Column(Column::Foreground | Column::Unreadable) => Form::YesOrNo,
            Dimension::Column(Column::Issue | Column::Project) => Form::Number,
            Dimension::Column(Column::Uptime) => Form::Seconds,
            Dimension::Column(Column::Signature | Column::User) => Form::Hexadecimal,
            Dimension::Column(_) | Dimension::Tag(_) | Dimension::Time(_) => Form::Text,
        }
    }
}

/// A value that a dimension may have, for messages.
pub(crate) fn example(dimension: &Dimension) -> &'static str {
    match (Form::of(dimension), dimension) {
        (Form::Kind, _) => "hang",
        (Form::YesOrNo, _) => "true",
        (Form::Number, _) => "12",
        (Form::Seconds, _) => "<60",
        (Form::Hexadecimal, _) => "0123456789abcdef",
        (_, Dimension::Column(Column::Release)) => "1.2",
        (_, Dimension::Column(Column::Platform)) => "Windows",
        (_, Dimension::Column(Column::Country)) => "KR",
        _ => "VALUE",
    }
}

/// What a word asks of a value.
pub(crate) fn pattern(
    name: &str,
    dimension: &Dimension,
    exactly: bool,
    word: Word,
) -> Result<Pattern, SearchError> {
    let form = Form::of(dimension);
    let given = checked(name, &word)?;
    let has_stars = !exactly && is_pattern(given);
    match form {
        Form::Text if exactly => Ok(Pattern::Exactly(word.text)),
        Form::Text => Ok(Pattern::Like(word.text)),
        Form::Hexadecimal if has_stars => Ok(Pattern::Like(word.text.to_lowercase())),
        _ if has_stars => Err(no_such(name, &word, WHOLE, None)),
        _ => normal(name, form, &word).map(Pattern::Exactly),
    }
}

/// What a word says that values are compared with.
pub(crate) fn bound(name: &str, dimension: &Dimension, word: Word) -> Result<String, SearchError> {
    checked(name, &word)?;
    match Form::of(dimension) {
        Form::Text => Ok(word.text),
        form @ (Form::Number | Form::Seconds) => normal(name, form, &word),
        Form::Hexadecimal | Form::Kind | Form::YesOrNo => {
            let (name, example) = (name.to_owned(), example(dimension));
            Err(SearchError::new(word.range, Problem::NoOrder { name, example }))
        }
    }
}

/// The conditions of the rows of an answer: that a value is the dimension's, or lies in the class that it stands for.
pub(crate) fn clicked(dimension: &Dimension, value: &str) -> Vec<Filter> {
    if let (Dimension::Column(Column::Uptime), Ok(begin)) = (dimension, value.parse::<u64>())
        && let Some(class) = UPTIME_CLASSES.iter().position(|class| *class == begin)
    {
        let compare =
            |how, with: u64| Filter::Compare { dimension: dimension.clone(), how, with: with.to_string() };
        let end = UPTIME_CLASSES.get(class + 1);
        let below = end.map(|end| compare(Comparison::Less, *end));
        return [compare(Comparison::GreaterOrEqual, begin)].into_iter().chain(below).collect();
    }
    let plain = Form::of(dimension) == Form::Text && !is_pattern(value);
    let any_of =
        vec![if plain { Pattern::Like(value.to_owned()) } else { Pattern::Exactly(value.to_owned()) }];
    vec![Filter::Is { dimension: dimension.clone(), any_of }]
}

/// How a pattern is written: whether with the sign that it is meant to the letter, and its text.
pub(crate) fn written<'a>(dimension: &Dimension, pattern: &'a Pattern) -> (bool, &'a str) {
    match pattern {
        Pattern::Like(text) => (false, text),
        Pattern::Exactly(text) => (Form::of(dimension) == Form::Text || is_pattern(text), text),
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

fn checked<'a>(name: &str, word: &'a Word) -> Result<&'a str, SearchError> {
    if word.text.is_empty() {
        return Err(SearchError::new(word.range.clone(), Problem::EmptyValue { name: name.to_owned() }));
    }
    if word.text.chars().count() > Filter::LONGEST {
        return Err(SearchError::new(word.range.clone(), Problem::TooLong { most: Filter::LONGEST }));
    }
    Ok(&word.text)
}

/// A value in the form that facts have it.
fn normal(name: &str, form: Form, word: &Word) -> Result<String, SearchError> {
    let lower = word.text.to_lowercase();
    match form {
        Form::Text => Ok(word.text.clone()),
        Form::Hexadecimal => Ok(lower),
        Form::Number => {
            let number: Option<u64> = lower.strip_prefix('#').unwrap_or(&lower).parse().ok();
            let number = number.ok_or_else(|| no_such(name, word, NUMBER, None))?;
            Ok(number.to_string())
        }
        Form::Seconds => {
            let seconds = seconds(&lower).ok_or_else(|| no_such(name, word, SECONDS, None))?;
            Ok(seconds.to_string())
        }
        Form::Kind if lower.parse::<Kind>().is_ok() => Ok(lower),
        Form::Kind => {
            let nearest = nearest(&lower, Kind::ALL.iter().map(|kind| kind.as_str()));
            Err(no_such(name, word, KINDS, nearest))
        }
        Form::YesOrNo => match lower.as_str() {
            "true" | "yes" => Ok("true".to_owned()),
            "false" | "no" => Ok("false".to_owned()),
            _ => Err(no_such(name, word, YES_OR_NO, None)),
        },
    }
}

fn seconds(text: &str) -> Option<u64> {
    let unit = match text.chars().next_back()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return text.parse().ok(),
    };
    let number: u64 = text.get(..text.len() - 1)?.parse().ok()?;
    number.checked_mul(unit)
}

fn no_such(name: &str, word: &Word, expected: &'static str, suggestion: Option<&'static str>) -> SearchError {
    let (name, given) = (name.to_owned(), word.text.clone());
    SearchError::new(word.range.clone(), Problem::NoSuchValue { name, given, expected, suggestion })
}
