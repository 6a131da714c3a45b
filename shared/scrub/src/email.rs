//! E-mail addresses.

use std::{borrow::Cow, ops::Range};

use crate::edits::Edits;

const MARK: &str = "[email]";
const LONGEST_LOCAL: usize = 64;
const LONGEST_DOMAIN: usize = 255;

/// Ends of file names: `icon@2x.png` is a picture, and `three@0.150.min.js` a script.
const FILES: [&str; 32] = [
    "png", "jpg", "jpeg", "gif", "webp", "svg", "bmp", "tga", "dds", "json", "xml", "txt", "log", "js", "ts",
    "mjs", "map", "dll", "exe", "so", "dylib", "pdb", "cs", "cpp", "h", "hpp", "uasset", "umap", "pak",
    "bundle", "prefab", "unity",
];

pub(crate) fn scrub(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut edits = Edits::new(text);
    let mut at = 0;
    while let Some(found) =
        bytes.get(at..).and_then(|rest| rest.iter().position(|&next| matches!(next, b'@' | b'%')))
    {
        let sign = at + found;
        let length = match bytes.get(sign..) {
            Some([b'@', ..]) => 1,
            Some([b'%', b'4', b'0', ..]) => 3,
            _ => {
                at = sign + 1;
                continue;
            }
        };
        at = sign + length;
        if let Some(range) = address(text, sign, length) {
            at = range.end;
            edits.replace(range, MARK);
        }
    }
    edits.finish()
}

/// The address around the `@` (or `%40`) at `sign`.
fn address(text: &str, sign: usize, length: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let is_local = |next: u8| next.is_ascii_alphanumeric() || b"._%+-".contains(&next);
    let before =
        bytes.get(..sign)?.iter().rev().take(LONGEST_LOCAL).take_while(|&&next| is_local(next)).count();
    let mut start = sign - before;
    // What stands before a host in an address of the web is a key, not a person.
    if bytes.get(..start)?.ends_with(b"://") {
        return None;
    }
    while matches!(bytes.get(start), Some(b'.' | b'-' | b'%')) && start < sign {
        start += 1;
    }
    let is_domain = |next: u8| next.is_ascii_alphanumeric() || b".-".contains(&next);
    let rest = bytes.get(sign + length..)?;
    let mut after = rest.iter().take(LONGEST_DOMAIN).take_while(|&&next| is_domain(next)).count();
    while after > 0 && matches!(rest.get(after - 1), Some(b'.' | b'-')) {
        after -= 1;
    }
    let end = sign + length + after;
    let domain = text.get(sign + length..end)?;
    let (host, last) = domain.rsplit_once('.')?;
    let labels_say_something = host.split('.').all(|label| !label.is_empty());
    let is_name = last.len() >= 2 && last.bytes().all(|next| next.is_ascii_alphabetic());
    let is_file = FILES.iter().any(|file| last.eq_ignore_ascii_case(file));
    (start < sign && labels_say_something && is_name && !is_file).then_some(start..end)
}
