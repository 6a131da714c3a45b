//! JavaScript: V8 (Chrome, Edge, Node, Electron), SpiderMonkey (Firefox), JavaScriptCore (Safari), and WebAssembly in
//! them.

use epitaph_crash_model::{Address, Frame};

use crate::{
    EXCEPTIONS, FRAMES,
    line::{after_any, header, lines, type_before_colon},
    place::{Place, base_name},
    thrown::{Thrown, name},
};

/// What stands before the type of an error, on the same line.
const ANNOUNCEMENTS: [&str; 6] = [
    "Uncaught (in promise) ",
    "Uncaught ",
    "Unhandled Promise Rejection: ",
    "Unhandled rejection ",
    "Unhandled Rejection ",
    "Error: Uncaught ",
];

/// What stands before a cause.
const CAUSES: [&str; 4] = ["[cause]: ", "Caused by: ", "caused by: ", "From previous event: "];

pub(crate) fn read(text: &str) -> Vec<Thrown> {
    let mut reader = Reader::default();
    for line in lines(text) {
        if !reader.line(line) {
            break;
        }
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    chain: Vec<Thrown>,
    /// Lines before the first frame that name no error.
    before: Thrown,
    /// The list of what an aggregate holds has begun.
    in_list: bool,
    /// The line before says something: what follows an empty line may name an error.
    after_text: bool,
    /// Where Node left out frames that the cause has too: of which error, before which frame, and how many.
    left_out: Vec<(usize, usize, usize)>,
}

impl Reader {
    /// Takes one line; `false` if the trace ends before it.
    fn line(&mut self, line: &str) -> bool {
        let text = line.trim();
        let after_text = std::mem::replace(&mut self.after_text, !text.is_empty());
        if let Some(frame) = read_frame(text) {
            self.current().add(frame);
        } else if let Some(count) = left_out(text).filter(|_| self.has_frames()) {
            if self.left_out.len() < EXCEPTIONS {
                let index = self.chain.len() - 1;
                self.left_out.push((index, self.chain[index].frames.len(), count));
            }
        } else if let Some(cause) = after_any(text, &CAUSES) {
            let (kind, message) = named(cause, false).unwrap_or(("", cause));
            self.push(Thrown::new(kind, without_brace(message)));
        } else if text.starts_with("[errors]: [") || text.starts_with("[errors]: Array") {
            self.in_list = true;
        } else if let Some((kind, message)) = named(text, after_text || !self.chain.is_empty()) {
            let is_listed = self.in_list && line.starts_with([' ', '\t']);
            if self.has_frames() && !is_listed {
                return false;
            }
            if self.chain.is_empty() || is_listed {
                self.push_first(kind, without_brace(message));
            } else {
                self.current().add_to_message(line);
            }
        } else if !self.has_frames() {
            match self.chain.last_mut() {
                Some(last) => last.add_to_message(line),
                None => self.before.add_to_message(line),
            }
        }
        true
    }

    /// Whether the frames of the error that is read have begun.
    fn has_frames(&self) -> bool {
        self.chain.last().is_some_and(|last| !last.frames.is_empty())
    }

    fn push_first(&mut self, kind: &str, message: &str) {
        self.chain.truncate(EXCEPTIONS);
        self.chain.push(Thrown::new(kind, message));
    }

    fn push(&mut self, thrown: Thrown) {
        let _ = self.current();
        // One beyond the limit takes the frames that belong to none of those that are kept.
        self.chain.truncate(EXCEPTIONS);
        self.chain.push(thrown);
    }

    fn current(&mut self) -> &mut Thrown {
        if self.chain.is_empty() {
            self.chain.push(std::mem::take(&mut self.before));
        }
        let last = self.chain.len() - 1;
        &mut self.chain[last]
    }

    /// Fills in what was left out: the outermost frames of an error and of its cause are the same.
    fn fill(&mut self) {
        // A cause may have a cause itself, with which it shares frames.
        for &(index, at, count) in self.left_out.iter().rev() {
            let [error, cause, ..] = self.chain.get_mut(index..).unwrap_or_default() else { continue };
            let behind = error.frames.len() - at;
            let shared =
                cause.frames.len().checked_sub(behind).and_then(|end| Some(end.checked_sub(count)?..end));
            if let Some(shared) = shared {
                error.frames.splice(at..at, cause.frames[shared].iter().cloned());
                error.frames.truncate(FRAMES);
            }
        }
    }

    fn finish(mut self) -> Vec<Thrown> {
        self.fill();
        if self.chain.is_empty() {
            self.chain.push(self.before);
        }
        self.chain
    }
}

/// The type and message in a line that names an error. At the beginning, and behind an empty line, any name before a
/// colon is taken for one, as games name their errors as they like; elsewhere it must look like one.
fn named(text: &str, is_strict: bool) -> Option<(&str, &str)> {
    let bare = after_any(text, &ANNOUNCEMENTS).unwrap_or(text);
    // Node writes a code behind the type: `TypeError [ERR_INVALID_URL]: Invalid URL`.
    if let Some((kind, rest)) = bare.split_once(" [")
        && let Some((_, message)) = rest.split_once("]: ")
        && header(kind).is_some()
    {
        return Some((kind, message));
    }
    if is_strict {
        return header(bare);
    }
    let (kind, message) = type_before_colon(bare)?;
    (header(bare).is_some() || (!message.is_empty() && !kind.contains(['.', '/']))).then_some((kind, message))
}

/// `... 7 lines matching cause stack trace ...`
fn left_out(text: &str) -> Option<usize> {
    text.strip_prefix("... ")?.strip_suffix(" lines matching cause stack trace ...")?.parse().ok()
}

/// Node opens a brace behind an error whose fields it shows.
fn without_brace(message: &str) -> &str {
    message.strip_suffix(" {").unwrap_or(message)
}

fn read_frame(text: &str) -> Option<Frame> {
    match text.strip_prefix("at ") {
        Some(body) => v8(body.trim_end_matches([',', '{']).trim()),
        None => with_at_sign(text),
    }
}

/// `function (place)`, or a place alone.
fn v8(body: &str) -> Option<Frame> {
    let body = body.strip_prefix("async ").unwrap_or(body);
    if let Some(inner) = body.strip_suffix(')')
        && let Some(opening) = opening_of_place(inner)
    {
        let (function, place) = (inner[..opening].trim_end(), &inner[opening + 1..]);
        if !inner[..opening].ends_with(' ') {
            return None;
        }
        return frame(function, place);
    }
    let is_wasm = body.contains("wasm-function[") && !body.contains(' ');
    if is_wasm || body == "<anonymous>" || body == "native" {
        return frame("", body);
    }
    // A place alone must be one: `at 12:30:45` in a message is none.
    let place = Place::of_line_and_column(body)?;
    let is_file = |file: &String| file.contains(['/', '\\', '.', ':', '<', '[']);
    place.file.as_ref().is_some_and(is_file).then(|| frame("", body)).flatten()
}

/// Where the bracket opens that holds the place. Places in `eval` and paths may have brackets of their own.
fn opening_of_place(inner: &str) -> Option<usize> {
    let eval = inner.find("(eval at ");
    eval.or_else(|| {
        let mut depth = 0_usize;
        inner.rmatch_indices(['(', ')']).find_map(|(at, bracket)| match (bracket, depth) {
            ("(", 0) => Some(at),
            ("(", _) => {
                depth -= 1;
                None
            }
            _ => {
                depth += 1;
                None
            }
        })
    })
}

/// SpiderMonkey's and JavaScriptCore's `function@place`; JavaScriptCore also writes the bare place.
fn with_at_sign(text: &str) -> Option<Frame> {
    if text.len() > 4096 {
        return None;
    }
    let Some((function, place)) = text.split_once('@') else {
        let is_place =
            text.contains("://") && !text.contains(' ') && Place::of_line_and_column(text).is_some();
        return is_place.then(|| frame("", text)).flatten();
    };
    // `async*load@`, `setTimeout handler*start@`: how the call came about.
    let function = function.rsplit('*').next().unwrap_or(function);
    let is_function = |letter: char| letter.is_alphanumeric() || "_$./<>#?[]- ~:".contains(letter);
    if !function.chars().all(is_function) {
        return None;
    }
    // An address for mail and a port are no place.
    let is_place = place.contains(['/', '\\', '['])
        || place.contains(".js")
        || place.contains("> eval")
        || place.is_empty();
    is_place.then(|| frame(function, place)).flatten()
}

/// A frame of a function and a place; `None` if the place is none.
fn frame(function: &str, place: &str) -> Option<Frame> {
    let function = function.split(" [as ").next().unwrap_or(function);
    let is_named = !matches!(function, "" | "<anonymous>" | "anonymous" | "?" | "<?>" | "(anonymous)");
    let mut frame = Frame { function: name(function).filter(|_| is_named), ..Frame::default() };
    let place = place.strip_prefix("address at ").unwrap_or(place);
    if let Some(at) = place.find("wasm-function[") {
        wasm(&mut frame, place, at);
        return Some(frame);
    }
    if matches!(
        place,
        "<anonymous>" | "native" | "unknown location" | "native code" | "[native code]" | "[wasm code]"
    ) || place.starts_with("index ")
    {
        frame.in_app = Some(false);
        return Some(frame);
    }
    if place.is_empty() {
        // `eval code@`: only a function that has a name is worth a frame.
        return is_named.then_some(frame);
    }
    let found = if place.starts_with("eval at ") {
        // The innermost place is the one in a file.
        let inner = place.rfind('(').map_or("", |at| &place[at + 1..]);
        Place::of_line_and_column(inner.split(')').next().unwrap_or(inner))
    } else if let Some((file, _)) = place.split_once(" > ") {
        file.rsplit_once(" line ").and_then(|(file, line)| Place::of_line(&format!("{file}:{line}")))
    } else {
        Place::of_line_and_column(place).or_else(|| Place::of_line(place))
    }?;
    frame.file = found.file.as_deref().filter(|file| *file != "<anonymous>").and_then(without_query);
    (frame.line, frame.column) = (found.line, found.column);
    Some(frame)
}

/// The address of a file without what was asked of its server, which changes with every build and may hold secrets.
fn without_query(file: &str) -> Option<String> {
    name(file.split(['?', '#']).next().unwrap_or(file))
}

/// `wasm://wasm/game.wasm-01ab:wasm-function[12]:0x34`
fn wasm(frame: &mut Frame, place: &str, at: usize) {
    let (module, rest) = place.split_at(at);
    let module = module.trim_end_matches(':');
    let (function, offset) = rest.split_once(':').unwrap_or((rest, ""));
    if frame.function.is_none() || frame.function.as_deref().is_some_and(|name| name.ends_with(function)) {
        frame.function = name(function);
    }
    let file = without_query(module).filter(|file| file != "<anonymous>");
    frame.module = file.as_deref().and_then(|file| name(base_name(file)));
    frame.file = file.filter(|file| file.contains("://") && !file.starts_with("wasm://"));
    frame.offset = offset.parse::<Address>().ok();
}
