//! One frame of C#.

use epitaph_crash_model::{Address, Frame};

use super::method;
use crate::{
    line::{after_any, group},
    place::{Place, base_name},
    thrown::name,
};

/// "at", as .NET says it in the languages of its users.
const AT: [&str; 13] =
    ["at ", "위치: ", "場所 ", "在 ", "於 ", "bei ", "à ", "en ", "em ", "in ", "в ", "w ", "konum: "];

/// Reads a line as a frame, if it is one.
pub(super) fn read(line: &str) -> Option<Frame> {
    if line.starts_with("0x") { native(line) } else { managed(line) }
}

/// `at Game.Player.Update () [0x00012] in file:12`, and the like.
fn managed(line: &str) -> Option<Frame> {
    let behind_at = after_any(line, &AT);
    let body = behind_at.unwrap_or(line).trim_start();
    // `(wrapper managed-to-native) UnityEngine.Physics.Raycast (...)`
    let body = match body.strip_prefix("(wrapper ") {
        Some(rest) => rest.split_once(") ")?.1,
        None => body,
    };
    let opening = body.find('(')?;
    let (method, rest) = body.split_at(opening);
    let (parameters, rest) = group(rest, '(', ')')?;
    let method = method.trim_end();
    if !is_method(method) || !are_parameters(parameters) {
        return None;
    }
    let place = place(rest.trim())?;
    Some(Frame {
        function: name(&method::readable(method)),
        file: place.file,
        line: place.line,
        ..Frame::default()
    })
}

/// `Namespace.Type.Method` or Unity's `Namespace.Type:Method`, with generic arguments.
fn is_method(method: &str) -> bool {
    let mut depth = 0_usize;
    let mut last = ' ';
    for letter in method.chars() {
        match letter {
            '[' | '<' => depth += 1,
            ']' | '>' => depth = depth.saturating_sub(1),
            ' ' | '=' | '!' if depth > 0 => {}
            ',' | '`' | '+' | '/' | '.' | ':' | '_' | '|' | '*' | '&' | '$' | '-' => {}
            letter if letter.is_alphanumeric() => {}
            _ => return false,
        }
        last = letter;
    }
    let first = method.chars().next().unwrap_or(' ');
    let is_named = first.is_alphabetic() || matches!(first, '_' | '<');
    // A URL, or C++, is no method; nor is the end of a sentence.
    is_named
        && method.contains(['.', ':'])
        && !method.contains("://")
        && !method.contains("::")
        && !matches!(last, '.' | ':' | '-' | ' ')
}

/// Whether this may be the parameters of a method of C#, and is not the place that other languages write there.
fn are_parameters(parameters: &str) -> bool {
    let elsewhere = ["Native Method", "Native method", "Unknown Source", "<anonymous>", "native", "<native>"];
    if elsewhere.contains(&parameters) || parameters.contains([':', '"', '\'', ';', '{', '}', '\\']) {
        return false;
    }
    let is_file = [".java", ".kt", ".js", ".cpp", ".gd"].iter().any(|ending| parameters.ends_with(ending));
    let begins_as_type = |parameter: &str| {
        let first = parameter.trim().chars().next();
        first.is_none_or(|first| {
            first.is_alphabetic() || matches!(first, '_' | '<' | '[' | ']' | '.' | '&' | '*' | '(')
        })
    };
    // `Promise.all (index 0)` is JavaScript.
    !is_file && !parameters.starts_with("index ") && parameters.split(',').all(begins_as_type)
}

/// What stands behind the parameters: nothing, `(at file:12)`, `[0x00012] in file:12`, `in file:line 12`. `None` if it is
/// none of these, and the line then no frame.
fn place(rest: &str) -> Option<Place> {
    if rest.is_empty() {
        return Some(Place::default());
    }
    if let Some(inner) = rest.strip_prefix("(at ") {
        return Some(in_file(inner.strip_suffix(')').unwrap_or(inner)));
    }
    // The offset in the method: of Mono, of Mono compiled ahead, of .NET compiled ahead.
    let (offset, rest) = if let Some((_, rest)) = group(rest, '[', ']') {
        (true, rest.trim_start())
    } else if let Some((_, rest)) = group(rest, '<', '>').filter(|(inner, _)| inner.starts_with("0x")) {
        (true, rest.trim_start())
    } else if let Some(rest) = rest.strip_prefix("+ 0x") {
        (true, rest.split_once(' ').map_or("", |(_, rest)| rest))
    } else {
        (false, rest)
    };
    if rest.is_empty() || rest == ":0" {
        return offset.then(Place::default);
    }
    // "in", in whatever language.
    let (_, file) = rest.split_once(' ').filter(|(word, _)| word.chars().count() < 10)?;
    if file.starts_with('<') {
        return Some(Place::default());
    }
    let (_, line) = file.rsplit_once(':')?;
    line.trim_end_matches('.').ends_with(|last: char| last.is_ascii_digit()).then(|| in_file(file))
}

/// `file:12`, `file:line 12` or `<a module's id>:0`.
fn in_file(text: &str) -> Place {
    if text.starts_with('<') {
        return Place::default();
    }
    match text.rsplit_once(':') {
        Some((file, line)) => {
            let line = line.trim_end_matches('.').rsplit(' ').next().unwrap_or_default();
            Place { file: name(file), line: crate::place::number(line), column: None }
        }
        None => Place { file: name(text), ..Place::default() },
    }
}

/// `0x00007ff6a1b2c3d4 (GameAssembly) Player_Update (at file:12)`, or `... (Mono JIT Code) [Player.cs:12] Player:Update ()`.
fn native(line: &str) -> Option<Frame> {
    let (address, rest) = line.split_once(' ')?;
    let address: Address = address.parse().ok()?;
    let (module, rest) = group(rest.trim_start(), '(', ')')?;
    let rest = rest.trim();
    let in_managed_code = module.starts_with("Mono JIT Code");
    let in_brackets =
        group(rest, '[', ']').and_then(|(place, rest)| Some((Place::of_line(place)?, rest.trim())));
    let (place, rest) = in_brackets.unwrap_or((Place::default(), rest));
    if in_managed_code && let Some(frame) = managed(rest) {
        let (file, line) = (place.file.or(frame.file), place.line.or(frame.line));
        return Some(Frame { address, file, line, ..frame });
    }
    let (function, place) = match rest.split_once(" (at ") {
        Some((function, place)) => (function, in_file(place.strip_suffix(')').unwrap_or(place))),
        None => (rest, place),
    };
    let function = function
        .strip_prefix("(wrapper ")
        .and_then(|rest| rest.split_once(") "))
        .map_or(function, |(_, rest)| rest);
    let function = if in_managed_code {
        let bare = function.split(" (").next().unwrap_or(function);
        method::readable(bare)
    } else {
        function.to_owned()
    };
    let unknown = function.starts_with("(function-name not available)") || function.is_empty();
    Some(Frame {
        module: name(base_name(module)).filter(|_| !in_managed_code),
        function: name(&function).filter(|_| !unknown),
        file: place.file,
        line: place.line,
        address,
        ..Frame::default()
    })
}
