//! Godot: errors of scripts and of the engine, with and without a backtrace, and what the crash handler prints.

use epitaph_crash_model::{Address, Frame};

use crate::{
    EXCEPTIONS, csharp,
    line::{after_any, group, lines},
    place::{Place, base_name, number},
    thrown::{Thrown, name},
};

/// What begins an error, and the type that it is given.
const HEADINGS: [(&str, &str); 7] = [
    ("SCRIPT ERROR: ", "SCRIPT ERROR"),
    ("USER SCRIPT ERROR: ", "SCRIPT ERROR"),
    ("USER ERROR: ", "ERROR"),
    ("SHADER ERROR: ", "SHADER ERROR"),
    ("ERROR: ", "ERROR"),
    ("handle_crash: ", "CrashHandlerException"),
    ("CrashHandlerException: ", "CrashHandlerException"),
];

/// What begins a warning, whose frames are nobody's.
const WARNINGS: [&str; 4] = ["USER WARNING: ", "USER SCRIPT WARNING: ", "SCRIPT WARNING: ", "WARNING: "];

pub(crate) fn read(text: &str) -> Vec<Thrown> {
    let mut reader = Reader::default();
    for line in lines(text) {
        reader.line(line.trim());
    }
    reader.finish()
}

/// Which frames come.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Message,
    /// The frames have begun: what is no frame is no part of the message.
    Frames,
    /// A list below `<Stack Trace>`, of which only the first line has a mark.
    Listed,
    /// A warning.
    Warning,
}

#[derive(Default)]
struct Reader {
    errors: Vec<Thrown>,
    current: Thrown,
    /// Where the engine says that it happened; the backtrace may say it again.
    at: Option<Frame>,
    part: Part,
}

impl Reader {
    fn line(&mut self, line: &str) {
        if let Some((kind, message)) = heading(line) {
            self.begin(kind, message);
        } else if after_any(line, &WARNINGS).is_some() {
            self.end();
            self.part = Part::Warning;
        } else if self.part == Part::Warning {
        } else if let Some(place) = line.strip_prefix("at: ") {
            self.happened(called_in_brackets(place));
        } else if let Some(place) = line.strip_prefix("At: ") {
            let frame = self.old_place(place);
            self.happened(frame);
        } else if let Some(source) = after_any(line, &["<GDScript Source>", "<C++ Source>", "<C# Source>"]) {
            self.happened(with_at_sign(source));
        } else if let Some(first) = line.strip_prefix("<Stack Trace>") {
            self.add(with_at_sign(first));
            self.part = Part::Listed;
        } else if let Some(frame) = numbered(line).or_else(|| printed(line)) {
            self.add(Some(frame));
        } else if line.contains("source") && line.contains("function") && line.contains('{') {
            dictionaries(line).into_iter().for_each(|frame| self.add(Some(frame)));
        } else if self.part == Part::Listed {
            self.add(with_at_sign(line));
        } else if line.ends_with("backtrace (most recent call first):")
            || line.starts_with("Dumping the backtrace.")
        {
            self.part = Part::Frames;
        } else if self.part == Part::Message
            && !line.is_empty()
            && !line.starts_with('<')
            && !line.starts_with("Engine version:")
        {
            self.current.add_to_message(line);
        }
    }

    fn begin(&mut self, kind: &str, message: &str) {
        self.end();
        // `Parse Error: ...` is more of a type than what stands before it.
        let parse = ["Parse Error: ", "Parser Error: ", "Compile Error: "];
        match after_any(message, &parse) {
            Some(rest) => self.current.name(&message[..message.len() - rest.len() - 2], rest),
            None => self.current.name(kind, message),
        }
    }

    fn happened(&mut self, frame: Option<Frame>) {
        self.part = Part::Frames;
        if self.at.is_none() {
            self.at = frame;
        }
        // The editor repeats the function before the message.
        if let Some(function) = self.at.as_ref().and_then(|at| at.function.as_deref()) {
            self.current.take_prefix(|prefix| prefix == function);
        }
    }

    fn add(&mut self, frame: Option<Frame>) {
        if let Some(frame) = frame {
            if self.part != Part::Listed {
                self.part = Part::Frames;
            }
            self.current.add(frame);
        }
    }

    /// `res://player.gd:12.`, or `res://player.gd:12:_process() - Invalid get index ...`
    fn old_place(&mut self, text: &str) -> Option<Frame> {
        let text = text.trim_end_matches('.');
        let (place, rest) = text.split_once(" - ").unwrap_or((text, ""));
        if !rest.is_empty() {
            self.current.add_to_message(rest);
        }
        if let Some(place) = Place::of_line(place) {
            // Godot 3.0 to 3.2 write the function before the message: `_process: Invalid get index ...`
            return Some(at_place(self.current.take_prefix(is_function), place));
        }
        let (place, function) = place.rsplit_once(':')?;
        Some(at_place(name(function.trim_end_matches("()")), Place::of_line(place)?))
    }

    /// The error is whole.
    fn end(&mut self) {
        let mut thrown = std::mem::take(&mut self.current);
        if let Some(at) = self.at.take() {
            let is_same =
                |frame: &Frame| frame.line == at.line && frame.file.is_some() && frame.file == at.file;
            if !thrown.frames.iter().any(is_same) {
                thrown.frames.insert(0, at);
                thrown.frames.truncate(crate::FRAMES);
            }
        }
        self.part = Part::Message;
        if !thrown.is_empty() && self.errors.len() < EXCEPTIONS {
            self.errors.push(thrown);
        }
    }

    fn finish(mut self) -> Vec<Thrown> {
        self.end();
        // Lines of a log before the first error are no error.
        if self.errors.iter().any(Thrown::has_type) {
            self.errors.retain(Thrown::has_type);
        }
        self.errors
    }
}

/// The type and the first line of the message.
fn heading(line: &str) -> Option<(&'static str, &str)> {
    if let Some(known) = HEADINGS.iter().find_map(|(said, kind)| Some((*kind, line.strip_prefix(said)?))) {
        return Some(known);
    }
    // As it is copied from the editor: `E 0:00:02:0123   player.gd:12 @ _process(): Invalid get index ...`
    let rest = line.strip_prefix("E ")?;
    let (time, rest) = rest.split_once(' ')?;
    let is_time =
        time.contains(':') && time.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
    let rest = rest.trim_start();
    let message = match rest.split_once("(): ") {
        Some((place, message)) if place.contains(" @ ") => message,
        _ => rest,
    };
    is_time.then_some(("ERROR", message))
}

fn is_function(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.');
    !text.is_empty() && text.len() < 250 && text.chars().all(is_letter)
}

/// A frame at a place. The script is its module: many scripts have a function of the same name.
fn at_place(function: Option<String>, place: Place) -> Frame {
    let script = place.file.as_deref().map(base_name).filter(|file| {
        [".gd", ".gdc", ".tscn", ".scn", ".gdshader"].iter().any(|ending| file.ends_with(ending))
    });
    Frame { module: script.and_then(name), function, file: place.file, line: place.line, ..Frame::default() }
}

/// `_process (res://player.gd:12)`, `Node::get_child(int) const (scene/main/node.cpp:1234)`
fn called_in_brackets(text: &str) -> Option<Frame> {
    let (function, place) = text.strip_suffix(')')?.rsplit_once(" (")?;
    let place = Place::of_line(place)?;
    let is_csharp = place.file.as_deref().is_some_and(|file| file.ends_with(".cs"));
    let function = if is_csharp {
        let method = function.split('(').next().unwrap_or(function).trim_end();
        csharp::readable(method.rsplit(' ').next().unwrap_or(method))
    } else {
        function.to_owned()
    };
    let known = place.file.as_deref() != Some("??");
    Some(at_place(name(&function), if known { place } else { Place::default() }))
}

/// `player.gd:12 @ _process()`
fn with_at_sign(text: &str) -> Option<Frame> {
    let (place, function) = text.trim().split_once(" @ ")?;
    Some(at_place(name(function.trim_end_matches("()")), Place::of_line(place.trim())?))
}

/// `[0] _process (res://player.gd:12)`, and what the crash handler numbers so.
fn numbered(line: &str) -> Option<Frame> {
    let (index, rest) = group(line, '[', ']')?;
    let is_index = !index.is_empty() && index.len() < 6 && index.bytes().all(|byte| byte.is_ascii_digit());
    let rest = rest.trim();
    if !is_index || rest.is_empty() {
        return None;
    }
    native(rest).or_else(|| called_in_brackets(rest)).or_else(|| apples(rest))
}

/// `/lib/x86_64-linux-gnu/libc.so.6(+0x42520) [0x7f0123456789] (??:0)`
fn native(text: &str) -> Option<Frame> {
    let (module, rest) = text.split_once('(')?;
    let (inner, rest) = rest.split_once(')')?;
    let (symbol, offset) = inner.rsplit_once('+')?;
    let offset: Address = offset.parse().ok()?;
    let address = rest.split_once('[').and_then(|(_, rest)| rest.split_once(']')?.0.parse().ok());
    // The offset counts from the module's base only where no symbol is told.
    let offset = symbol.is_empty().then_some(offset);
    let module = name(base_name(module))?;
    Some(Frame {
        module: Some(module),
        function: name(symbol),
        address: address.unwrap_or_default(),
        offset,
        ..Frame::default()
    })
}

/// `1   libsystem_platform.dylib   0x0000000188a3d420 _sigtramp + 56`
fn apples(text: &str) -> Option<Frame> {
    let (index, rest) = text.split_once(' ')?;
    let (module, rest) = rest.trim_start().split_once(' ')?;
    let (address, symbol) = rest.trim_start().split_once(' ')?;
    let is_index = index.bytes().all(|byte| byte.is_ascii_digit());
    let address: Address = address.parse().ok().filter(|_| is_index)?;
    let symbol = symbol.rsplit_once(" + ").map_or(symbol, |(symbol, _)| symbol);
    Some(Frame { module: name(base_name(module)), function: name(symbol), address, ..Frame::default() })
}

/// What `print_stack()` and the debugger write: `Frame 0 - res://player.gd:12 in function '_process'`,
/// `0 - res://player.gd:12 - at function: _process`.
fn printed(line: &str) -> Option<Frame> {
    let (index, rest) = line.strip_prefix("Frame ").unwrap_or(line).split_once(" - ")?;
    let is_index = !index.is_empty() && index.len() < 6 && index.bytes().all(|byte| byte.is_ascii_digit());
    if !is_index {
        return None;
    }
    let (place, function) =
        rest.split_once(" in function ").or_else(|| rest.split_once(" - at function: "))?;
    Some(at_place(name(function.trim_matches('\'')), Place::of_line(place)?))
}

/// What `str(get_stack())` writes: `[{function:_process, line:12, source:res://player.gd}]`, in Godot 4 with quotes.
fn dictionaries(line: &str) -> Vec<Frame> {
    let pieces = line.split('{').skip(1).take(crate::FRAMES);
    let read = |piece: &str| {
        let (mut function, mut place) = (None, Place::default());
        for field in piece.split('}').next().unwrap_or(piece).split(',') {
            let (key, value) = field.split_once(':')?;
            let value = value.trim().trim_matches('"');
            match key.trim().trim_matches('"') {
                "function" => function = name(value),
                "line" => place.line = number(value),
                "source" => place.file = name(value),
                _ => {}
            }
        }
        (function.is_some() && place.file.is_some()).then(|| at_place(function, place))
    };
    pieces.filter_map(read).collect()
}
