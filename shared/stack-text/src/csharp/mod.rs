//! C#: Unity (Mono and IL2CPP), .NET, Mono.
//!
//! Unity flattens a chain of exceptions: it writes the cause first, and then `Rethrow as` what it became. .NET nests:
//! `Outer: ... ---> Inner: ...`, the inner frames, `--- End of inner exception stack trace ---`, the outer frames.

mod frame;
mod method;

use crate::{
    EXCEPTIONS,
    line::{after_any, header, lines, type_before_colon},
    thrown::Thrown,
};

pub(crate) use self::method::readable;

/// What loggers and runtimes write before the type of an exception, on the same line.
const ANNOUNCEMENTS: [&str; 7] = [
    "Unhandled exception. ",
    "Unhandled Exception: ",
    "Unhandled Exception:",
    "[ERROR] FATAL UNHANDLED EXCEPTION: ",
    "[Exception] ",
    "Exception: ",
    "Uncaught ",
];

/// What stands between the frames of one exception and those of the next, in the languages that .NET speaks, begins so.
const SEPARATOR: &str = "---";

pub(crate) fn read(text: &str) -> Vec<Thrown> {
    let mut reader = Reader::default();
    for line in lines(text) {
        if !reader.line(line.trim()) {
            break;
        }
    }
    reader.finish()
}

/// The exceptions of one chain, the outermost first. `open` are those whose frames have not ended, by index; the last
/// one's come now.
#[derive(Default)]
struct Reader {
    chain: Vec<Thrown>,
    open: Vec<usize>,
    /// Causes, where Unity writes them before what they caused.
    causes: Vec<Vec<Thrown>>,
    /// Lines before the first frame that name no exception.
    before: Thrown,
    has_frames: bool,
    /// Inside a part that repeats what was read.
    repeats: bool,
}

impl Reader {
    /// Takes one line; `false` if the trace ends before it.
    fn line(&mut self, line: &str) -> bool {
        if line.is_empty() {
            return true;
        }
        if let Some(rest) = line.strip_prefix("Rethrow as ") {
            self.rethrown(rest);
        } else if let Some(inner) = line.strip_prefix("---> ") {
            self.inner(inner);
        } else if line.starts_with(SEPARATOR) {
            // Where an asynchronous call was resumed, the frames go on.
            let ends_inner = line.contains("inner exception") || line.contains("내부 예외");
            if ends_inner && self.open.len() > 1 {
                self.open.pop();
            }
        } else if let Some(frame) = frame::read(line.trim_end_matches("<---").trim_end()) {
            self.has_frames = true;
            if !self.repeats {
                self.current().add(frame);
            }
        } else if let Some((kind, message)) = named(line, self.chain.is_empty()) {
            // Another exception of the same log is not this one's.
            if self.has_frames {
                return false;
            }
            if self.chain.is_empty() {
                self.begin(kind, message);
            } else {
                self.current().add_to_message(line);
            }
        } else if !self.has_frames {
            match self.open.last() {
                Some(&open) => self.chain[open].add_to_message(line),
                None => self.before.add_to_message(line),
            }
        }
        true
    }

    /// The exception whose frames come now.
    fn current(&mut self) -> &mut Thrown {
        if self.chain.is_empty() {
            self.chain.push(std::mem::take(&mut self.before));
            self.open = vec![0];
        }
        let open = self.open.last().copied().unwrap_or_default();
        &mut self.chain[open]
    }

    /// `Type: message`, of which the message may go on with ` ---> ` and the cause.
    fn begin(&mut self, kind: &str, message: &str) {
        let mut rest = message;
        let mut inner = None;
        for (at, arrow) in message.match_indices(" ---> ") {
            let behind = &message[at + arrow.len()..];
            if header(behind).is_some() {
                (rest, inner) = (&message[..at], Some(behind));
                break;
            }
        }
        self.push(Thrown::new(&method::readable_type(kind), rest));
        // Each step takes one arrow off the text; as many as exceptions are kept.
        if let Some((kind, message)) = inner.and_then(header)
            && self.chain.len() < EXCEPTIONS
        {
            self.begin(kind, message);
        }
    }

    fn push(&mut self, thrown: Thrown) {
        if self.chain.len() < EXCEPTIONS {
            self.open.push(self.chain.len());
            self.chain.push(thrown);
        }
    }

    /// A cause on a line of its own. An aggregate lists all of its causes once more behind its own frames.
    fn inner(&mut self, inner: &str) {
        if let Some((number, rest)) =
            inner.strip_prefix("(Inner Exception #").and_then(|rest| rest.split_once(") "))
        {
            self.repeats = number == "0" && self.chain.len() > 1;
            if self.repeats {
                return;
            }
            self.open.truncate(1);
            let (kind, message) = type_before_colon(rest).unwrap_or(("", rest));
            self.begin(kind, message);
            return;
        }
        let _ = self.current();
        let (kind, message) = type_before_colon(inner).unwrap_or(("", inner));
        self.begin(kind, message);
        self.has_frames = false;
    }

    /// Everything so far is the cause of what comes.
    fn rethrown(&mut self, rest: &str) {
        let _ = self.current();
        self.open.clear();
        if self.causes.len() < EXCEPTIONS {
            self.causes.push(std::mem::take(&mut self.chain));
        } else {
            self.chain.clear();
        }
        let (kind, message) = type_before_colon(rest).unwrap_or(("", rest));
        self.begin(kind, message);
        self.has_frames = false;
    }

    fn finish(mut self) -> Vec<Thrown> {
        if self.chain.is_empty() {
            self.chain.push(self.before);
        }
        self.causes.push(self.chain);
        self.causes.into_iter().rev().flatten().collect()
    }
}

/// The type and message in a line that names an exception. The first line may announce it.
fn named(line: &str, is_first: bool) -> Option<(&str, &str)> {
    let announced = after_any(line, &ANNOUNCEMENTS).filter(|_| is_first);
    announced.and_then(|rest| header(rest.trim_start())).or_else(|| header(line))
}
