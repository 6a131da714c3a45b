//! Java and Kotlin, on a server or on Android, with or without obfuscation; Kotlin/Native.

use epitaph_crash_model::{Address, Frame};

use crate::{
    EXCEPTIONS,
    line::{group, header, lines, type_before_colon},
    place::{Place, base_name},
    thrown::{Thrown, name},
};

/// What stands before the type of an exception, on the same line.
const ANNOUNCEMENTS: [&str; 3] = ["Uncaught Kotlin exception: ", "Caused by: ", "Exception: "];

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
    /// The first exception and its causes.
    chain: Vec<Thrown>,
    /// What was suppressed on the way, and the causes of that.
    suppressed: Vec<Thrown>,
    in_suppressed: bool,
    /// Lines before the first frame that name no exception.
    before: Thrown,
    has_frames: bool,
}

impl Reader {
    /// Takes one line; `false` if the trace ends before it.
    fn line(&mut self, line: &str) -> bool {
        let text = line.trim();
        // The exceptions of one chain stand below each other; what is suppressed stands further in.
        let is_indented = line.starts_with([' ', '\t']);
        if text.is_empty() || text.starts_with("... ") || text.starts_with("- ") || text.starts_with("| ") {
            return true;
        }
        if let Some(rest) = text.strip_prefix("Suppressed: ") {
            self.in_suppressed = true;
            let (kind, message) = type_before_colon(rest).unwrap_or(("", rest));
            self.push(Thrown::new(kind, message).by("suppressed"));
        } else if let Some(rest) = text.strip_prefix("Caused by: ") {
            self.in_suppressed &= is_indented;
            let rest =
                rest.strip_prefix("[CIRCULAR REFERENCE: ").map_or(rest, |rest| rest.trim_end_matches(']'));
            let (kind, message) = type_before_colon(rest).unwrap_or(("", rest));
            let cause = Thrown::new(kind, message);
            self.push(if self.in_suppressed { cause.by("suppressed") } else { cause });
        } else if let Some(frame) = read_frame(text) {
            self.has_frames = true;
            // The line between two coroutines is no call.
            if !frame.function.as_deref().is_some_and(|function| function.starts_with("_COROUTINE.")) {
                self.current().add(frame);
            }
        } else if let Some((thread, _)) = thread(text) {
            // A dump of all threads: the first is the one that matters.
            if self.has_frames {
                return false;
            }
            self.before.add_to_message(&format!("thread {thread}"));
        } else if let Some((kind, message)) = named(text) {
            if self.has_frames && !is_indented {
                return false;
            }
            if self.chain.is_empty() {
                self.chain.push(Thrown::new(kind, message));
            } else {
                self.add_to_message(text);
            }
        } else {
            self.add_to_message(text);
        }
        true
    }

    fn add_to_message(&mut self, text: &str) {
        let in_cause = self.chain.last().is_some_and(|last| last.frames.is_empty());
        if in_cause && !self.in_suppressed {
            self.current().add_to_message(text);
        } else if self.chain.is_empty() {
            self.before.add_to_message(text);
        }
    }

    fn push(&mut self, thrown: Thrown) {
        let _ = self.current();
        let list = if self.in_suppressed { &mut self.suppressed } else { &mut self.chain };
        // One beyond the limit takes the frames that belong to none of those that are kept.
        list.truncate(EXCEPTIONS);
        list.push(thrown);
    }

    fn current(&mut self) -> &mut Thrown {
        if self.chain.is_empty() {
            self.chain.push(std::mem::take(&mut self.before));
        }
        let is_suppressed = self.in_suppressed && !self.suppressed.is_empty();
        let list = if is_suppressed { &mut self.suppressed } else { &mut self.chain };
        let last = list.len() - 1;
        &mut list[last]
    }

    fn finish(mut self) -> Vec<Thrown> {
        if self.chain.is_empty() {
            self.chain.push(self.before);
        }
        self.chain.append(&mut self.suppressed);
        self.chain
    }
}

/// The type and message in a line that names an exception, after whatever announces it.
fn named(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix("Exception in thread \"") {
        return rest.split_once("\" ").and_then(|(_, rest)| type_before_colon(rest));
    }
    ANNOUNCEMENTS.iter().find_map(|said| header(text.strip_prefix(said)?)).or_else(|| header(text))
}

/// `"main" prio=5 tid=1 Sleeping`
fn thread(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix('"')?.split_once('"')?;
    (rest.contains(" tid=") || rest.contains(" prio=")).then_some((name, rest))
}

/// `at com.example.Game.run(Game.java:12)`, with a module before and a library behind where they are told.
fn read_frame(text: &str) -> Option<Frame> {
    let body = text.strip_prefix("at ")?.trim_start();
    if body.starts_with(|first: char| first.is_ascii_digit()) {
        return native(body);
    }
    let (call, library) = match body.strip_suffix(']').and_then(|body| body.rsplit_once('[')) {
        // `Game.run(Game.java:12) ~[game.jar:1.0]`
        Some((call, library)) => (call.trim_end_matches([' ', '~']), Some(library)),
        None => (body, None),
    };
    let (method, place) = call.strip_suffix(')')?.split_once('(')?;
    let (module, method) = module_and_method(method);
    if !is_method(method) {
        return None;
    }
    let place = place_of(place)?;
    let library = library.and_then(|library| library.split(':').next()).filter(|library| *library != "?");
    Some(Frame {
        module: module.or(library).and_then(name),
        function: name(&readable(method)),
        file: place.file,
        line: place.line,
        ..Frame::default()
    })
}

/// `app//com.example.Game.run`, `java.base@17.0.1/java.lang.Thread.run`: loader, module, class and method.
fn module_and_method(text: &str) -> (Option<&str>, &str) {
    // A lambda's class has a slash of its own.
    let head = text.split("$$Lambda").next().unwrap_or(text);
    match head.rfind('/') {
        None => (None, text),
        Some(at) => {
            let module = head[..at].rsplit('/').next().unwrap_or_default();
            (Some(module.split('@').next().unwrap_or(module)), &text[at + 1..])
        }
    }
}

fn is_method(method: &str) -> bool {
    let allowed = |letter: char| letter.is_alphanumeric() || "_$.<>-/+".contains(letter);
    method.contains('.') && !method.starts_with('.') && !method.contains("..") && method.chars().all(allowed)
}

/// The place in the brackets; `None` if it cannot be one.
fn place_of(text: &str) -> Option<Place> {
    match text {
        "Native Method" | "Native method" | "Unknown Source" | "" => return Some(Place::default()),
        _ => {}
    }
    // The names that obfuscators give to all files.
    let is_told = |file: &String| {
        !matches!(file.as_str(), "SourceFile" | "Unknown Source" | "PG") && !file.starts_with("r8-map-id-")
    };
    if let Some(place) = Place::of_line(text) {
        let plain = |file: &String| {
            !file.contains(['/', '(', ':', '\'', '"', '\\', '@', ','])
                && (!file.contains(' ') || file == "Unknown Source")
        };
        return place
            .file
            .as_ref()
            .is_some_and(plain)
            .then(|| Place { file: place.file.filter(is_told), ..place });
    }
    let is_source =
        [".java", ".kt", ".kts", ".scala", ".groovy", ".clj"].iter().any(|ending| text.ends_with(ending));
    (is_source && !text.contains(' ')).then(|| Place { file: name(text), ..Place::default() })
}

/// The name without the numbers that the machine gives to its own classes as it runs.
fn readable(method: &str) -> String {
    match method.split_once("$$Lambda") {
        None => method.to_owned(),
        Some((class, rest)) => format!("{class}$$Lambda{}", rest.rfind('.').map_or("", |at| &rest[at..])),
    }
}

/// Kotlin/Native: `0   game.kexe   0x0000000100a8b6a0 kfun:com.example.Game#run(){} + 88 (/src/Game.kt:24:37)`
fn native(body: &str) -> Option<Frame> {
    let (_, rest) = body.split_once(char::is_whitespace)?;
    let (module, rest) = rest.trim_start().split_once("0x")?;
    let (address, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let address: Address = format!("0x{address}").parse().ok()?;
    let (function, place) = match rest.rfind(" (") {
        Some(at) => {
            let inner = group(&rest[at + 1..], '(', ')').map_or("", |(inner, _)| inner);
            let place = Place::of_line_and_column(inner).or_else(|| Place::of_line(inner));
            (if place.is_some() { &rest[..at] } else { rest }, place)
        }
        None => (rest, None),
    };
    let function = function.split(" + ").next().unwrap_or(function).trim();
    let function = match function.strip_prefix("kfun:") {
        Some(kotlin) => kotlin.split('(').next().unwrap_or(kotlin).replacen('#', ".", 1),
        None => function.to_owned(),
    };
    let place = place.unwrap_or_default();
    Some(Frame {
        module: name(base_name(module.trim())),
        function: name(&function),
        file: place.file,
        line: place.line,
        column: place.column,
        address,
        ..Frame::default()
    })
}
