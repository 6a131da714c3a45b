//! Python: CPython's traceback, groups of exceptions, the fault handler's; Ren'Py.
//!
//! A chain is printed with the cause first, and each traceback with the outermost call first.

use epitaph_crash_model::Frame;

use crate::{
    EXCEPTIONS,
    line::{lines, type_before_colon},
    place::{base_name, number},
    thrown::{Thrown, name},
};

/// What stands between an exception and the one that came of it.
const CHAINED: [&str; 2] = [
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
];

pub(crate) fn read(text: &str) -> Vec<Thrown> {
    let mut reader = Reader::default();
    for line in lines(text) {
        let line = without_group(line);
        if let Some(line) = line
            && !reader.line(line)
        {
            break;
        } else if line.is_none() {
            reader.group();
        }
    }
    reader.finish()
}

/// What the next line may be.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Expected {
    /// A traceback.
    #[default]
    Nothing,
    /// Frames, or the type and message behind them.
    Frames,
    /// More of the message.
    Message,
    /// The fault handler's frames, which begin with the innermost call.
    Innermost,
}

#[derive(Default)]
struct Reader {
    /// The exceptions of a chain, the one that came first at the front.
    chain: Vec<Thrown>,
    /// What a group holds.
    members: Vec<Thrown>,
    in_group: bool,
    current: Thrown,
    expected: Expected,
    has_current_thread: bool,
}

impl Reader {
    /// Takes one line; `false` if the trace ends before it.
    fn line(&mut self, line: &str) -> bool {
        let text = line.trim();
        if CHAINED.contains(&text) {
            self.end();
            return true;
        }
        if text.ends_with("Traceback (most recent call last):") {
            self.end();
            self.expected = Expected::Frames;
            return true;
        }
        if let Some(fault) = text.strip_prefix("Fatal Python error: ") {
            self.end();
            let message = fault.split_once(": ").map_or(fault, |(_, message)| message);
            self.current = Thrown::new("Fatal Python error", message);
            return true;
        }
        if text.ends_with("(most recent call first):") {
            return self.thread(text);
        }
        if text == "Full traceback:" {
            // Ren'Py shows the game's frames first, and then all of them.
            self.chain.clear();
            self.current = Thrown::default();
            self.expected = Expected::Frames;
            return true;
        }
        if let Some(frame) = read_frame(text) {
            match self.expected {
                Expected::Innermost => self.current.add(frame),
                Expected::Message => {
                    self.end();
                    self.current.add_inner(frame);
                    self.expected = Expected::Frames;
                }
                Expected::Nothing | Expected::Frames => {
                    self.current.add_inner(frame);
                    self.expected = Expected::Frames;
                }
            }
            return true;
        }
        match self.expected {
            Expected::Frames => self.behind_frame(line, text),
            Expected::Message if text.is_empty() => self.expected = Expected::Nothing,
            Expected::Message => self.current.add_to_message(line),
            Expected::Nothing | Expected::Innermost => {}
        }
        true
    }

    /// A line behind a frame: its source, marks below it, or the end of the traceback.
    fn behind_frame(&mut self, line: &str, text: &str) {
        let is_mark = text.chars().all(|letter| matches!(letter, '^' | '~' | ' '));
        if line.starts_with([' ', '\t']) {
            let repeats = text.starts_with("[Previous line repeated ") || text.starts_with("...<");
            if !repeats
                && !is_mark
                && let Some(last) = self.current.frames.last_mut()
                && last.source.is_none()
            {
                last.source = name(text);
            }
        } else if !text.is_empty() && !is_mark {
            let (kind, message) = kind_and_message(text);
            self.current.name(kind, message);
            self.expected = Expected::Message;
        }
    }

    /// The heading of a thread, by the fault handler. The current one may come last.
    fn thread(&mut self, text: &str) -> bool {
        if self.has_current_thread {
            return false;
        }
        self.has_current_thread = text.starts_with("Current thread") || text.starts_with("Stack ");
        self.current.frames.clear();
        self.expected = Expected::Innermost;
        true
    }

    /// The line that begins a member of a group.
    fn group(&mut self) {
        self.end();
        self.in_group = true;
        // A member need not have frames.
        self.expected = Expected::Frames;
    }

    /// The exception is whole.
    fn end(&mut self) {
        let mut thrown = std::mem::take(&mut self.current);
        if self.expected != Expected::Innermost {
            thrown.turn();
        }
        self.expected = Expected::Nothing;
        if thrown.is_empty() {
            return;
        }
        if self.in_group {
            if self.members.len() < EXCEPTIONS {
                self.members.push(thrown);
            }
        } else {
            // The last ones of a chain are those that ended it.
            if self.chain.len() == 2 * EXCEPTIONS {
                self.chain.drain(..EXCEPTIONS);
            }
            self.chain.push(thrown);
        }
    }

    fn finish(mut self) -> Vec<Thrown> {
        self.end();
        self.chain.reverse();
        self.chain.append(&mut self.members);
        self.chain
    }
}

/// A line without the margin that stands before the lines of a group; `None` for one that separates its members.
fn without_group(line: &str) -> Option<&str> {
    let text = line.trim_start();
    if text.starts_with("+-") {
        return None;
    }
    if text.starts_with("+ Exception Group Traceback") {
        return text.strip_prefix("+ ");
    }
    // Groups lie in groups, each with a margin of its own; the last one counts.
    match text.strip_prefix('|') {
        Some(rest) => Some(rest.strip_prefix(' ').unwrap_or(rest)),
        None => Some(line),
    }
}

/// `ValueError: text`, `ValueError`; Ren'Py and old code raise what is no name.
fn kind_and_message(text: &str) -> (&str, &str) {
    type_before_colon(text).unwrap_or_else(|| match text.split_once(": ") {
        Some((kind, message)) if !kind.contains(' ') => (kind, message),
        _ => ("", text),
    })
}

/// `File "game/main.py", line 12, in run`; the fault handler leaves out the second comma.
fn read_frame(text: &str) -> Option<Frame> {
    let (file, rest) = text.strip_prefix("File \"")?.split_once("\", line ")?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (line, rest) = rest.split_at(end);
    let function = rest.strip_prefix(", in ").or_else(|| rest.strip_prefix(" in "));
    if function.is_none() && !rest.is_empty() {
        return None;
    }
    Some(Frame {
        module: module(file),
        function: function.and_then(name),
        file: name(file),
        line: number(line),
        ..Frame::default()
    })
}

/// The module that a file is, as far as its path tells: below a directory of packages its whole path, else its name.
fn module(file: &str) -> Option<String> {
    if let Some(frozen) = file.strip_prefix("<frozen ") {
        return name(frozen.trim_end_matches('>'));
    }
    if file.starts_with('<') {
        return None;
    }
    let plain = file.replace('\\', "/");
    // A package is named by its directory.
    let plain = plain.strip_suffix("/__init__.py").unwrap_or(&plain);
    let below = ["/site-packages/", "/dist-packages/"]
        .iter()
        .find_map(|packages| Some(plain.rsplit_once(packages)?.1));
    let below = below.or_else(|| {
        let (_, rest) = plain.rsplit_once("/lib/python")?;
        Some(rest.split_once('/')?.1)
    });
    let path = below.unwrap_or_else(|| base_name(plain));
    let path =
        [".py", ".pyc", ".pyx", ".rpy"].iter().find_map(|ending| path.strip_suffix(ending)).unwrap_or(path);
    name(&path.replace('/', "."))
}
