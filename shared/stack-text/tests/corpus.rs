//! Traces as engines print them, each with the frames that a person wrote down for it.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use epitaph_crash_model::{Address, Exception, Frame, Trust};
use epitaph_stack_text::{Format, parse};
use serde::Deserialize;

/// The folders, and the format that the traces of each are in.
const FOLDERS: [(&str, Format); 6] = [
    ("unity", Format::CSharp),
    ("csharp", Format::CSharp),
    ("gdscript", Format::Gdscript),
    ("javascript", Format::JavaScript),
    ("java", Format::Java),
    ("python", Format::Python),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenException {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
    mechanism: Option<String>,
    frames: Vec<WrittenFrame>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFrame {
    function: Option<String>,
    module: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
    source: Option<String>,
    in_app: Option<bool>,
    address: Option<Address>,
    offset: Option<Address>,
}

impl From<WrittenFrame> for Frame {
    fn from(frame: WrittenFrame) -> Self {
        Self {
            module: frame.module,
            debug_id: None,
            function: frame.function,
            file: frame.file,
            line: frame.line,
            column: frame.column,
            source: frame.source,
            in_app: frame.in_app,
            address: frame.address.unwrap_or_default(),
            offset: frame.offset,
            trust: Trust::Given,
            inline: false,
        }
    }
}

impl From<WrittenException> for Exception {
    fn from(exception: WrittenException) -> Self {
        Self {
            kind: exception.kind,
            message: exception.message,
            mechanism: exception.mechanism,
            handled: None,
            frames: exception.frames.into_iter().map(Frame::from).collect(),
        }
    }
}

/// The traces of a folder, each with what a person made of it.
fn traces(folder: &str) -> Vec<(PathBuf, String, Vec<Exception>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let written = fs::read_to_string(path.with_extension("json")).unwrap();
        let written: Vec<WrittenException> = serde_json::from_str(&written).unwrap();
        (path, text, written.into_iter().map(Exception::from).collect())
    };
    paths.into_iter().map(read).collect()
}

/// What a trace says, a line for each frame, so that a difference can be read.
fn shown(exceptions: &[Exception]) -> String {
    exceptions.iter().map(|exception| format!("{}\n", shown_one(exception))).collect()
}

fn shown_one(exception: &Exception) -> String {
    let Exception { kind, message, mechanism, handled, frames } = exception;
    let mut text = format!("{kind:?}: {message:?}, {mechanism:?}, {handled:?}");
    for frame in frames {
        let Frame { module, function, file, line, column, source, in_app, address, offset, .. } = frame;
        text += &format!("\n  {function:?} in {module:?} at {file:?}:{line:?}:{column:?}");
        text += &format!(" {source:?} {in_app:?} {address} {offset:?}");
    }
    text
}

/// Reads every trace of the corpus with `read`, which is given its text and its format.
fn each_gives_what_was_written(read: impl Fn(&str, Format) -> Vec<Exception>) {
    let mut differences = String::new();
    for (folder, format) in FOLDERS {
        for (path, text, written) in traces(folder) {
            let found = read(&text, format);
            if found != written {
                let (found, written) = (shown(&found), shown(&written));
                differences += &format!("{}\nfound\n{found}\nwritten\n{written}\n", path.display());
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn every_trace_gives_the_frames_that_a_person_would_write_down() {
    each_gives_what_was_written(|text, format| parse(text, Some(format)).exceptions);
}

#[test]
fn the_format_of_every_trace_is_told_from_the_text_alone() {
    each_gives_what_was_written(|text, format| {
        let trace = parse(text, None);
        assert_eq!(trace.format, Some(format), "{text}");
        trace.exceptions
    });
}

#[test]
fn a_format_that_is_claimed_and_wrong_does_not_cost_the_frames() {
    each_gives_what_was_written(|text, format| {
        let wrong = if format == Format::Python { Format::Gdscript } else { Format::Python };
        parse(text, Some(wrong)).exceptions
    });
}

#[test]
fn line_ends_of_windows_and_a_byte_order_mark_change_nothing() {
    each_gives_what_was_written(|text, _| {
        parse(&format!("\u{feff}{}", text.replace('\n', "\r\n")), None).exceptions
    });
}

#[test]
fn every_format_has_ten_traces_or_more() {
    for (folder, _) in FOLDERS {
        assert!(traces(folder).len() >= 10, "{folder}");
    }
}
