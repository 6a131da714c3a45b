//! The parser that the tests start: this package's own program.

#![allow(dead_code, reason = "every test file uses its own part of this")]

pub(crate) mod corpus;
pub(crate) mod debug_files;
pub(crate) mod house;

use std::{
    fs::File,
    io::{Seek, Write},
    path::Path,
};

use epitaph_process::{Parsed, ParserSettings, Unreadable, Verdict, parse};
/// The worker's program.
pub(crate) fn parser() -> ParserSettings {
    ParserSettings::of(env!("CARGO_BIN_EXE_process"))
}

/// A file of these bytes for the parser.
pub(crate) fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// The verdict on these bytes under these settings.
pub(crate) async fn verdict_under(settings: &ParserSettings, bytes: &[u8]) -> Verdict {
    parse(settings, &file(bytes), None).await.unwrap()
}

/// The verdict on these bytes under the usual settings.
pub(crate) async fn verdict(bytes: &[u8]) -> Verdict {
    verdict_under(&parser(), bytes).await
}

pub(crate) fn parsed(verdict: Verdict) -> Parsed {
    match verdict {
        Verdict::Parsed(parsed) => *parsed,
        Verdict::Unreadable(unreadable) => panic!("unreadable: {}", unreadable.message),
    }
}

pub(crate) fn unreadable(verdict: Verdict) -> Unreadable {
    match verdict {
        Verdict::Unreadable(unreadable) => unreadable,
        Verdict::Parsed(parsed) => panic!("parsed: {:?}", parsed.reason),
    }
}

/// A parser that is this shell script. `$0` is `path`; the parser's own arguments follow.
pub(crate) fn script(text: &str, path: &Path) -> ParserSettings {
    let arguments = vec!["-c".into(), text.into(), path.into()];
    ParserSettings { arguments, ..ParserSettings::of("/bin/sh") }
}
