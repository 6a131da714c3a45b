//! Values that have a name: `password=...`, `"token": "..."`, `<Secret>...</Secret>`, `--token ...`, `?key=...`.

use std::{borrow::Cow, ops::Range};

use crate::{edits::Edits, names};

/// What a program says of a value rather than the value itself.
const NOT_VALUES: [&str; 14] = [
    "null",
    "none",
    "nil",
    "true",
    "false",
    "yes",
    "no",
    "empty",
    "missing",
    "invalid",
    "expired",
    "required",
    "undefined",
    "nullptr",
];

/// A parser's complaint about a token is no secret.
const COMPLAINTS: [&str; 5] = ["unexpected", "invalid", "illegal", "unknown", "expected"];

/// A name and its value, where both stand in a text.
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
    /// Whether it is part of an address: `?name=value`.
    pub(crate) in_query: bool,
}

/// Whether a value says nothing.
pub(crate) fn says_nothing(value: &str) -> bool {
    NOT_VALUES.iter().any(|other| value.eq_ignore_ascii_case(other))
}

/// Puts `mark` in the place of the values of those names that `is_name` and, where there is a value, `is_private` choose.
pub(crate) fn scrub<'a>(
    text: &'a str,
    mark: &str,
    is_wanted: impl Fn(&str, bool) -> bool,
    is_private: impl Fn(&Named<'_>) -> bool,
) -> Cow<'a, str> {
    let bytes = text.as_bytes();
    let mut edits = Edits::new(text);
    let mut at = 0;
    while let Some(&next) = bytes.get(at) {
        if !is_name(next) {
            at += 1;
            continue;
        }
        let end = at + run_of(bytes, at, is_name);
        let start = std::mem::replace(&mut at, end);
        let Some(name) = text.get(start..end).map(|name| name.trim_start_matches('-')) else { continue };
        let in_query = start.checked_sub(1).is_some_and(|before| b"?&".contains(&bytes[before]));
        if !is_wanted(name, in_query) || is_complaint(bytes.get(..start).unwrap_or_default()) {
            continue;
        }
        let Some((range, quotes)) = value(bytes, start, end, name) else { continue };
        let told = text.get(range.clone()).unwrap_or_default();
        let named = Named { name, value: told, in_query };
        if says_nothing(told) || told.starts_with(mark) || !is_private(&named) {
            continue;
        }
        at = range.end;
        if quotes { edits.replace(range, &format!("\"{mark}\"")) } else { edits.replace(range, mark) }
    }
    edits.finish()
}

fn is_name(next: u8) -> bool {
    next.is_ascii_alphanumeric() || b"_-.".contains(&next)
}

pub(crate) fn run_of(bytes: &[u8], at: usize, of: impl Fn(u8) -> bool) -> usize {
    bytes.get(at..).unwrap_or_default().iter().take_while(|&&next| of(next)).count()
}

fn is_complaint(before: &[u8]) -> bool {
    let Some(before) = before.strip_suffix(b" ") else { return false };
    COMPLAINTS.iter().any(|word| {
        let start = before.len().checked_sub(word.len());
        start
            .and_then(|start| before.get(start..))
            .is_some_and(|end| end.eq_ignore_ascii_case(word.as_bytes()))
    })
}

/// The value of the name that lies between `start` and `end`, and whether what takes its place needs quotes.
fn value(bytes: &[u8], start: usize, end: usize, name: &str) -> Option<(Range<usize>, bool)> {
    let byte = |at: usize| bytes.get(at).copied();
    // An element of XML.
    if byte(end) == Some(b'>') && start.checked_sub(1).and_then(byte) == Some(b'<') {
        let from = end + 1;
        return Some((from..from + run_of(bytes, from, |next| next != b'<' && next != b'\n'), false));
    }
    let blank = |at: usize| at + run_of(bytes, at, |next| next == b' ' || next == b'\t');
    let mut at = end;
    // The quotes around the name, also where JSON stands in JSON.
    at += run_of(bytes, at, |next| next == b'\\');
    let name_is_quoted = matches!(byte(at), Some(b'"' | b'\''));
    at += usize::from(name_is_quoted);
    let delimiter = blank(at);
    let from = match (byte(delimiter), byte(delimiter + 1)) {
        // `token::Kind` is a name of C++, `token == 3` a comparison.
        (Some(b':'), Some(b':')) | (Some(b'='), Some(b'=')) => return None,
        (Some(b'='), Some(b'>')) => blank(delimiter + 2),
        (Some(b':' | b'='), _) => blank(delimiter + 1),
        // An option of a command line: `--token abc`.
        (Some(next), _) if delimiter > end && next != b'-' && is_option(bytes, start) => delimiter,
        _ => return None,
    };
    if let Some(range) = quoted(bytes, from) {
        return Some((range, false));
    }
    // An object or a list: its own names tell what is private in it.
    if byte(from).is_some_and(|next| b"{[(".contains(&next)) {
        return None;
    }
    // JSON stays JSON: a private number becomes a text.
    let is_json = name_is_quoted && byte(end) == Some(b'"');
    Some((bare(bytes, from, name), is_json))
}

/// Whether an option of a command line begins here.
fn is_option(bytes: &[u8], start: usize) -> bool {
    let before = start.checked_sub(1).and_then(|before| bytes.get(before));
    let begins = before.is_none_or(|before| before.is_ascii_whitespace() || b"\"'".contains(before));
    begins && bytes.get(start..).is_some_and(|rest| rest.starts_with(b"--"))
}

/// A value in quotes, without them. A line ends it, too: nobody breaks a secret.
fn quoted(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let escapes = run_of(bytes, from, |next| next == b'\\');
    let quote = *bytes.get(from + escapes).filter(|next| b"\"'".contains(next))?;
    let start = from + escapes + 1;
    let mut at = start;
    loop {
        match *bytes.get(at)? {
            b'\n' => return None,
            b'\\' if escapes == 0 => at += 2,
            b'\\' => {
                let found = run_of(bytes, at, |next| next == b'\\');
                if found <= escapes && bytes.get(at + found) == Some(&quote) {
                    return Some(start..at);
                }
                at += found + 1;
            }
            next if next == quote => return Some(start..at),
            _ => at += 1,
        }
    }
}

/// A value without quotes: to the next blank or separator, or to the end of the line for what has several words.
fn bare(bytes: &[u8], from: usize, name: &str) -> Range<usize> {
    if names::is_whole_line(name) {
        return from..from + run_of(bytes, from, |next| !b"\r\n\"'<>\\".contains(&next));
    }
    from..from + run_of(bytes, from, |next| !next.is_ascii_whitespace() && !b",;&\"'<>)}]|\\".contains(&next))
}
