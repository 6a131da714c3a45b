//! IP addresses. Games are full of versions of four parts, which look the same: those that are told to be versions stay.

use std::{
    borrow::Cow,
    net::{Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use crate::{edits::Edits, names};

const MARK: &str = "[ip]";
/// The longest address as text: eight groups, or six and an IPv4 address.
const LONGEST: usize = 45;

pub(crate) fn scrub(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut edits = Edits::new(text);
    let mut at = 0;
    while let Some(&next) = bytes.get(at) {
        let begins = next.is_ascii_hexdigit() || next == b':';
        if !begins
            || at.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(|&before| is_word(before))
        {
            at += 1;
            continue;
        }
        let run = bytes.get(at..).unwrap_or_default();
        // A little more than an address has: what goes on for longer is none, and is not counted again and again.
        let length = run
            .iter()
            .take(LONGEST + 3)
            .take_while(|next| next.is_ascii_hexdigit() || b":.".contains(next))
            .count();
        let run = at..at + length;
        if let Some(range) = version_6(text, &run).or_else(|| version_4(text, at)) {
            at = range.end;
            edits.replace(range, MARK);
        } else if next == b':' {
            // An address may follow a colon: `peer:10.0.0.1`.
            at += 1;
        } else {
            at += run_of(bytes, at, |next| is_word(next) || next == b'.');
        }
    }
    edits.finish()
}

fn is_word(next: u8) -> bool {
    next.is_ascii_alphanumeric() || next == b'_' || next >= 0x80
}

fn run_of(bytes: &[u8], at: usize, of: impl Fn(u8) -> bool) -> usize {
    bytes.get(at..).unwrap_or_default().iter().take_while(|&&next| of(next)).count().max(1)
}

fn version_4(text: &str, start: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let length = run_of(bytes, start, |next| next.is_ascii_digit() || next == b'.');
    // A dot at the end belongs to the sentence.
    let run = text.get(start..start + length.min(16))?;
    let end = start + run.trim_end_matches('.').len();
    let address: Ipv4Addr = text.get(start..end)?.parse().ok()?;
    let more = bytes.get(end).is_some_and(|&next| is_word(next))
        || (bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit));
    let before = bytes.get(..start)?;
    // Part of a longer number, of a file's name (`libz-1.2.3.4`), or a product's version (`Chrome/120.0.0.0`).
    let is_part = match before {
        [.., b'.'] => true,
        [.., letter, b'-'] => letter.is_ascii_alphanumeric(),
        [.., letter, b'/'] => letter.is_ascii_alphanumeric() && !is_transport(before),
        _ => false,
    };
    // They name no one: this machine, every machine, a mask.
    let says_nothing = address.is_loopback() || address.is_unspecified() || address.octets()[0] == 255;
    (!more && !is_part && !says_nothing && !is_told_a_version(before)).then_some(start..end)
}

/// Whether what stands before the slash says how an address is reached.
fn is_transport(before: &[u8]) -> bool {
    [&b"tcp/"[..], b"udp/", b"ip/", b"ipv4/", b"ip4/"].iter().any(|name| {
        let start = before.len().checked_sub(name.len());
        start.and_then(|start| before.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(name))
    })
}

/// Whether the word before says that this is a version: `Version: 1.2.3.4`, `"ver":"1.2.3.4"`, `<AppVersion>1.2.3.4`.
fn is_told_a_version(before: &[u8]) -> bool {
    const BETWEEN: usize = 6;
    const WORD: usize = 40;
    let between =
        before.iter().rev().take(BETWEEN).take_while(|next| b" \t:=\"'>(\\[".contains(next)).count();
    let Some(before) = before.get(..before.len() - between).filter(|_| between > 0) else { return false };
    let is_name = |next: &&u8| next.is_ascii_alphanumeric() || b"_-.".contains(next);
    let word = before.iter().rev().take(WORD).take_while(is_name).count();
    let word = before.get(before.len() - word..).and_then(|word| std::str::from_utf8(word).ok());
    word.is_some_and(names::is_version)
}

fn version_6(text: &str, run: &Range<usize>) -> Option<Range<usize>> {
    let found = text.get(run.clone())?;
    // A colon or a dot at the end belongs to the sentence, unless it is a double one.
    let trimmed = found.trim_end_matches('.');
    let trimmed = trimmed.strip_suffix(':').filter(|rest| !rest.ends_with(':')).unwrap_or(trimmed);
    if trimmed.len() > LONGEST || trimmed.bytes().filter(|&next| next == b':').count() < 2 {
        return None;
    }
    let end = run.start + trimmed.len();
    let address: Ipv6Addr = trimmed.parse().ok()?;
    if text.as_bytes().get(run.end).is_some_and(|&next| is_word(next)) {
        return None;
    }
    // `Face::Add` reads as an address too; those that machines have begin with certain bits, or have all groups.
    let first = address.segments()[0];
    let in_use =
        first >> 13 == 1 || first >> 9 == 0x7e || first >> 6 == 0x3fa || address.to_ipv4_mapped().is_some();
    let whole = trimmed.split(':').filter(|group| !group.is_empty()).count() >= 7;
    let with_digit = trimmed.bytes().any(|next| next.is_ascii_digit());
    (with_digit && (in_use || whole)).then_some(run.start..end)
}
