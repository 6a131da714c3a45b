//! Stack traces as engines and languages print them, to exceptions and frames.
//!
//! | format       | what writes it                                                        |
//! | ------------ | --------------------------------------------------------------------- |
//! | `csharp`     | Unity (Mono, IL2CPP), .NET, Mono                                        |
//! | `gdscript`   | Godot 3 and 4: scripts, engine errors, the crash handler                |
//! | `javascript` | V8, SpiderMonkey, JavaScriptCore, with their WebAssembly                |
//! | `java`       | Java, Kotlin, Android, with or without obfuscation                      |
//! | `python`     | CPython from 2.7 on, its fault handler, Ren'Py                          |
//!
//! [`parse`] never fails: what is not understood is passed over. Its time is linear in the text, and what it gives is
//! bounded by [`EXCEPTIONS`], [`FRAMES`] and [`LONGEST_MESSAGE`] whatever the text is. It reads nothing but the text, so
//! the same text always gives the same frames.
//!
//! Names are freed of what compilers make of them where the language's own name can be told (`Loader+<Load>d__5.MoveNext`
//! is `Loader.Load`), so that two builds of the same code give the same names.

mod csharp;
mod gdscript;
mod java;
mod javascript;
mod line;
mod place;
mod python;
mod thrown;

use std::str::FromStr;

use epitaph_crash_model::Exception;

use crate::thrown::Thrown;

/// The most exceptions of a trace that are kept.
pub const EXCEPTIONS: usize = 50;
/// The most frames of one exception that are kept: the innermost ones.
pub const FRAMES: usize = 256;
/// The longest message, in bytes.
pub const LONGEST_MESSAGE: usize = 8 << 10;
/// The longest name of a type, function, file or module, in bytes, and the longest line of source.
pub const LONGEST_NAME: usize = 1 << 10;
/// The most of a text that is read, in bytes.
pub const LONGEST_TEXT: usize = 1 << 20;

/// How a trace is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// C#, by Unity, .NET or Mono.
    CSharp,
    /// Godot's scripts and engine.
    Gdscript,
    /// JavaScript, by a browser or a server.
    JavaScript,
    /// Java and Kotlin.
    Java,
    /// Python.
    Python,
}

impl Format {
    /// In the order in which they are tried: where two read as many frames in a text, the earlier one is meant.
    const ALL: [Format; 5] =
        [Format::Python, Format::Gdscript, Format::Java, Format::JavaScript, Format::CSharp];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Format::CSharp => "csharp",
            Format::Gdscript => "gdscript",
            Format::JavaScript => "javascript",
            Format::Java => "java",
            Format::Python => "python",
        }
    }

    fn read(self, text: &str) -> Vec<Thrown> {
        match self {
            Format::CSharp => csharp::read(text),
            Format::Gdscript => gdscript::read(text),
            Format::JavaScript => javascript::read(text),
            Format::Java => java::read(text),
            Format::Python => python::read(text),
        }
    }
}

impl FromStr for Format {
    type Err = &'static str;

    /// Also by the names of engines and neighbouring languages, in any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.trim().to_ascii_lowercase().as_str() {
            "csharp" | "c#" | "unity" | "dotnet" | ".net" | "mono" => Format::CSharp,
            "gdscript" | "godot" => Format::Gdscript,
            "javascript" | "js" | "node" | "typescript" => Format::JavaScript,
            "java" | "kotlin" | "android" => Format::Java,
            "python" | "renpy" => Format::Python,
            _ => return Err("expected unity, csharp, gdscript, javascript, java or python"),
        })
    }
}

/// What a text says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// How it is written; `None` if no frame was found in it.
    pub format: Option<Format>,
    /// The exception that ended it first, each cause after what it caused. One without a type and a message stands for
    /// frames that came without either. Their frames go from the innermost call outwards.
    pub exceptions: Vec<Exception>,
}

/// Reads a trace. Where `format` is `None`, or is one in which the text has no frames, the text itself tells.
pub fn parse(text: &str, format: Option<Format>) -> Trace {
    let text = thrown::start_of(text, LONGEST_TEXT);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let claimed = format.map(|format| (format, format.read(text))).filter(|(_, read)| frames(read) > 0);
    let found = claimed.or_else(|| {
        let mut best: Option<(Format, Vec<Thrown>)> = None;
        for format in Format::ALL {
            let read = format.read(text);
            if frames(&read) > best.as_ref().map_or(0, |(_, read)| frames(read)) {
                best = Some((format, read));
            }
        }
        best
    });
    match found {
        Some((format, read)) => {
            let kept = read.into_iter().filter(|thrown| !thrown.is_empty()).take(EXCEPTIONS);
            Trace { format: Some(format), exceptions: kept.map(Thrown::into_exception).collect() }
        }
        None => Trace { format: None, exceptions: without_frames(text).into_iter().collect() },
    }
}

/// The type and the message of a line such as `NullReferenceException: Object reference not set`. `None` if what stands
/// before the colon is not the name of an exception.
pub fn type_and_message(text: &str) -> Option<(String, Option<String>)> {
    let (kind, message) = line::header(text.trim())?;
    Some((thrown::bounded(kind, LONGEST_NAME), thrown::said(message)))
}

fn frames(read: &[Thrown]) -> usize {
    read.iter().map(|thrown| thrown.frames.len()).sum()
}

/// The exception that a text names which has no frames.
fn without_frames(text: &str) -> Option<Exception> {
    let (kind, message) = type_and_message(text)?;
    Some(Exception { kind: Some(kind), message, ..Exception::default() })
}
