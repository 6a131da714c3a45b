//! Names of home directories, which often are people's own.

use std::{borrow::Cow, ops::Range};

use crate::{edits::Edits, identity::MARK};

const LONGEST_NAME: usize = 64;

/// Directories beside those of people, and the name that every Steam Deck has.
const NOBODY: [&str; 6] = ["public", "default", "default user", "all users", "shared", "deck"];

/// Where home directories lie. With a drive before it, in any case; without one as the system writes it.
const PARENTS: [&str; 3] = ["Users", "home", "Documents and Settings"];

/// Where `/home` and `/Users` themselves may lie.
const ROOTS: [&str; 5] = ["/var", "/usr", "/export", "/Volumes/Data", "/mnt"];

pub(crate) fn scrub(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut edits = Edits::new(text);
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|&next| is_separator(next)))
    {
        let start = at + found;
        let first = start + separators(bytes, start);
        at = first;
        if let Some(range) = name(text, start, first) {
            at = range.end;
            let name = text.get(range.clone()).unwrap_or_default();
            let nobody = NOBODY.iter().any(|other| name.eq_ignore_ascii_case(other));
            // What was replaced before stays, also where a part of a very long name follows it.
            if !nobody && !name.starts_with(MARK) {
                edits.replace(range, MARK);
            }
        }
    }
    edits.finish()
}

fn is_separator(next: u8) -> bool {
    matches!(next, b'/' | b'\\')
}

fn separators(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..).unwrap_or_default().iter().take_while(|&&next| is_separator(next)).count()
}

/// The owner's name, if a home directory's path begins with the separators from `start` to `first`.
fn name(text: &str, start: usize, first: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let before = text.get(..start)?;
    let drive = has_drive(before);
    let rest = text.get(first..)?;
    let is_parent = |parent: &str| {
        let found = rest.get(..parent.len()).unwrap_or_default();
        if drive { found.eq_ignore_ascii_case(parent) } else { found == parent }
    };
    let parent = PARENTS.iter().find(|parent| is_parent(parent))?;
    if !drive && !begins_a_path(before) {
        return None;
    }
    let next = first + parent.len();
    let separated = separators(bytes, next);
    let start = next + separated;
    if separated == 0 {
        return None;
    }
    let windows = drive || bytes.get(next) == Some(&b'\\');
    let rest = text.get(start..)?;
    let mut blank = None;
    let mut end = rest.len();
    for (index, letter) in rest.char_indices() {
        let ends = matches!(
            letter,
            '/' | '\\' | '"' | '\'' | '<' | '>' | '|' | ':' | '*' | '?' | ';' | ',' | ')' | '&'
        ) || letter.is_control();
        if ends || index > LONGEST_NAME {
            end = index;
            break;
        }
        if letter.is_whitespace() {
            blank.get_or_insert(index);
            if !windows {
                break;
            }
        }
    }
    // A blank belongs to the name only where the path goes on behind it.
    let goes_on =
        windows && end <= LONGEST_NAME && rest.as_bytes().get(end).is_some_and(|&next| is_separator(next));
    let end = blank.filter(|_| !goes_on).unwrap_or(end);
    (end > 0).then_some(start..start + end)
}

/// Whether a drive stands here: `C:`, or `/c` as some shells write it.
fn has_drive(before: &str) -> bool {
    let is_word = |letter: Option<&u8>| letter.is_some_and(u8::is_ascii_alphanumeric);
    match before.as_bytes() {
        [rest @ .., letter, b':'] => letter.is_ascii_alphabetic() && !is_word(rest.last()),
        [rest @ .., b'/', letter] => {
            letter.is_ascii_alphabetic() && (!is_word(rest.last()) || rest.ends_with(b"/mnt"))
        }
        _ => false,
    }
}

/// Whether a path from the root begins behind this text.
fn begins_a_path(before: &str) -> bool {
    let before = ROOTS.iter().find_map(|root| before.strip_suffix(root)).unwrap_or(before);
    // Of `file:///home` the slashes are counted as separators.
    before.ends_with("file:")
        || before.chars().next_back().is_none_or(|last| {
            last.is_whitespace()
                || matches!(last, '"' | '\'' | '=' | '(' | '[' | '<' | '>' | ',' | ';' | '|' | '{' | '`')
        })
        || before.strip_suffix(':').is_some_and(|rest| !rest.ends_with("http") && !rest.ends_with("https"))
}
