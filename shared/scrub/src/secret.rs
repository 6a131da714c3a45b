//! Secrets: what is named as one, and what looks like one.

use std::{borrow::Cow, ops::Range};

use crate::{
    edits::Edits,
    named::{self, run_of},
    names,
};

/// What stands in a secret's place.
pub(crate) const MARK: &str = "[secret]";
/// The shortest value of `key=` in an address that is taken for a secret.
const SHORTEST_KEY: usize = 16;

/// The hexadecimal digits of a DSN's key.
const KEY_DIGITS: usize = 32;

/// The secrets that have a name: `password=...`, `"token": "..."`, `<Secret>...</Secret>`, `--token ...`, `?key=...`.
pub(crate) fn scrub_named(text: &str) -> Cow<'_, str> {
    let is_key = |name: &str, in_query: bool| {
        in_query && ["key", "sig", "signature"].iter().any(|key| name.eq_ignore_ascii_case(key))
    };
    named::scrub(
        text,
        MARK,
        |name, in_query| is_key(name, in_query) || names::is_secret(name),
        |named| !is_key(named.name, named.in_query) || named.value.len() >= SHORTEST_KEY,
    )
}

/// The secrets that can be told by their form: `Bearer ...`, JSON web tokens, the password in an address, card numbers.
pub(crate) fn scrub_formed(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut edits = Edits::new(text);
    let mut at = 0;
    while let Some(&next) = bytes.get(at) {
        if next == b':' && bytes.get(at..).is_some_and(|rest| rest.starts_with(b"://")) {
            at += 3;
            if let Some(range) = user_and_password(bytes, at) {
                at = range.end;
                edits.replace(range, MARK);
            }
            continue;
        }
        if !is_word(next) {
            at += 1;
            continue;
        }
        let end = at + run_of(bytes, at, is_word);
        let found = match next {
            b'b' | b'B' => bearer(bytes, at, end),
            b'e' => web_token(bytes, at, end),
            b'0'..=b'9' => card(bytes, at),
            _ => None,
        };
        at = match found {
            Some(range) => {
                let end = range.end;
                edits.replace(range, MARK);
                end
            }
            None => end,
        };
    }
    edits.finish()
}

fn is_word(next: u8) -> bool {
    next.is_ascii_alphanumeric() || b"_-".contains(&next) || next >= 0x80
}

/// The token behind `Bearer`. One without a digit is long, or it is a word of a sentence.
fn bearer(bytes: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    const SHORTEST: usize = 8;
    const LONG: usize = 20;
    if !bytes.get(start..end)?.eq_ignore_ascii_case(b"bearer") || bytes.get(end) != Some(&b' ') {
        return None;
    }
    let from = end + run_of(bytes, end, |next| next == b' ');
    let length = run_of(bytes, from, |next| next.is_ascii_alphanumeric() || b"-._~+/=".contains(&next));
    let token = bytes.get(from..from + length)?;
    let is_token = length >= LONG || (length >= SHORTEST && token.iter().any(u8::is_ascii_digit));
    is_token.then_some(from..from + length)
}

/// A JSON web token: three parts of base64, of which the first begins as an object does.
fn web_token(bytes: &[u8], start: usize, first_end: usize) -> Option<Range<usize>> {
    const SHORTEST: usize = 8;
    if !bytes.get(start..)?.starts_with(b"eyJ") || first_end - start < SHORTEST {
        return None;
    }
    let part = |at: usize| run_of(bytes, at, |next| next.is_ascii_alphanumeric() || b"_-".contains(&next));
    let mut end = first_end;
    for shortest in [SHORTEST, 0] {
        let length = part(end + 1);
        if bytes.get(end) != Some(&b'.') || length < shortest {
            return None;
        }
        end += 1 + length;
    }
    Some(start..end)
}

/// `user:password` in `https://user:password@host`, and the key in a DSN, `https://key@host/1`.
fn user_and_password(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    const LONGEST: usize = 256;
    let is_part = |next: u8| next.is_ascii_graphic() && !b"/?#@\"'<>\\[]".contains(&next);
    let rest = bytes.get(from..)?;
    let length = rest.iter().take(LONGEST).take_while(|&&next| is_part(next)).count();
    let part = rest.get(..length)?;
    let is_key = part.len() == KEY_DIGITS && part.iter().all(u8::is_ascii_hexdigit);
    (rest.get(length) == Some(&b'@') && (is_key || part.contains(&b':'))).then_some(from..from + length)
}

/// A card's number, as it is printed on the card or without blanks, if its check digit is right.
fn card(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    const LONGEST: usize = 19;
    let mut digits = Vec::with_capacity(LONGEST);
    let mut groups = vec![0_usize];
    let mut separator = None;
    let mut at = start;
    while let Some(&next) = bytes.get(at) {
        match next {
            b'0'..=b'9' if digits.len() < LONGEST => {
                digits.push(next - b'0');
                if let Some(last) = groups.last_mut() {
                    *last += 1;
                }
            }
            b' ' | b'-'
                if separator.is_none_or(|other| other == next)
                    && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
                    && groups.len() < 5 =>
            {
                separator = Some(next);
                groups.push(0);
            }
            _ => break,
        }
        at += 1;
    }
    // Part of a fraction, of a longer number or word.
    let before = start.checked_sub(1).and_then(|before| bytes.get(before));
    let after = bytes.get(at);
    let is_part = before == Some(&b'.')
        || after.is_some_and(|&next| is_word(next))
        || (after == Some(&b'.') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit));
    let printed = matches!(groups.as_slice(), [_] | [4, 4, 4, 4] | [4, 6, 5] | [4, 6, 4] | [4, 4, 4, 4, 3]);
    (!is_part && printed && is_of_an_issuer(&digits) && checks(&digits)).then_some(start..at)
}

fn is_of_an_issuer(digits: &[u8]) -> bool {
    let begin = digits.iter().take(4).fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    match digits.len() {
        13 | 19 => begin / 1000 == 4 || (digits.len() == 19 && begin / 100 == 62),
        14 => matches!(begin / 100, 36 | 38 | 39) || (300..=305).contains(&(begin / 10)),
        15 => matches!(begin / 100, 34 | 37),
        16 => {
            begin / 1000 == 4
                || matches!(begin / 100, 35 | 51..=55 | 62 | 65)
                || (2221..=2720).contains(&begin)
                || begin == 6011
                || (644..=649).contains(&(begin / 10))
        }
        _ => false,
    }
}

/// Luhn's check.
fn checks(digits: &[u8]) -> bool {
    let weigh = |(index, digit): (usize, &u8)| match u32::from(*digit) * if index % 2 == 1 { 2 } else { 1 } {
        twice @ 10.. => twice - 9,
        once => once,
    };
    let sum: u32 = digits.iter().rev().enumerate().map(weigh).sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}
