//! Names of crashes of languages with exceptions, and of crashes without telling frames.

use epitaph_crash_model::{Exception, Frame};

use crate::{UNKNOWN, name};

/// Mechanisms of ends that the system tells of. The type is then the system's word (`EXC_BAD_ACCESS`), which says
/// little of the cause; frames alone name such a crash, as they do in a minidump of the same one.
const NATIVE: [&str; 4] = ["mach", "signalhandler", "signal", "minidump"];

/// Functions in which a program begins. In-app frames that are nothing else say no more than that it ran.
const ENTRIES: [&str; 9] = [
    "main",
    "Main",
    "wmain",
    "WinMain",
    "wWinMain",
    "SDL_main",
    "android_main",
    "UIApplicationMain",
    "NSApplicationMain",
];

/// The longest part of a type or of a message that a name holds, in characters.
const LONGEST: usize = 200;

/// The exception that names the crash: the one that ended it, if it is a language's.
pub(crate) fn naming(exceptions: &[Exception]) -> Option<(&Exception, String)> {
    let exception = exceptions.first()?;
    let native = exception.mechanism.as_deref().is_some_and(|mechanism| NATIVE.contains(&mechanism));
    let kind = exception.kind.as_deref().map(str::trim).filter(|kind| !kind.is_empty() && !native)?;
    Some((exception, kind.chars().take(LONGEST).collect()))
}

/// Whether names say where something happened: more than wild addresses, and more than where the program begins.
pub(crate) fn tell(names: &[String]) -> bool {
    names.iter().any(|name| name != UNKNOWN && !ENTRIES.contains(&name.as_str()))
}

/// The name of a frame of a managed language: its function, with the class or module that it belongs to, but never a
/// path. Frames that have an address are named as in a minidump.
pub(crate) fn frame_name(frame: &Frame) -> String {
    let function = frame.function.as_deref().filter(|function| !function.trim().is_empty());
    let Some(function) = function.filter(|_| frame.address.0 == 0) else { return name::of(frame) };
    let function = without_numbers(&name::normalised(function));
    let module = frame.module.as_deref().map(str::trim).unwrap_or_default();
    if module.is_empty() || module.contains(['/', '\\']) || function.contains(module) {
        return function;
    }
    // .NET may name the class with the function, too.
    let class = module.rsplit(['.', '+']).next().unwrap_or(module);
    let bare = function.strip_prefix(class).and_then(|rest| rest.strip_prefix('.')).unwrap_or(&function);
    format!("{}.{bare}", without_numbers(module))
}

/// A name without the numbers that a compiler gives to what has no name of its own: `<>c__DisplayClass3_0`,
/// `lambda$update$2`, `Player$1`.
fn without_numbers(name: &str) -> String {
    if name.contains("<>") || name.contains(">b__") || name.contains(">d__") || name.contains('$') {
        name.chars().filter(|next| !next.is_ascii_digit()).collect()
    } else {
        name.to_owned()
    }
}

/// What a message says apart from this one time: its first line, with a `#` for every number, address and hash.
pub(crate) fn shape(message: &str) -> Option<String> {
    let line = message.trim().lines().next()?.trim();
    let end = line.char_indices().nth(4 * LONGEST).map_or(line.len(), |(index, _)| index);
    let mut rest = &line[..end];
    let mut out = String::new();
    while let Some(next) = rest.chars().next() {
        let length = if let Some(length) = uuid_length(rest) {
            push_number(&mut out);
            length
        } else if is_word(next) {
            let length = rest.find(|next| !is_word(next)).unwrap_or(rest.len());
            push_word(&mut out, &rest[..length]);
            length
        } else {
            out.push(next);
            next.len_utf8()
        };
        rest = &rest[length..];
    }
    let shaped: String = out.trim_end().chars().take(LONGEST).collect();
    (!shaped.is_empty()).then_some(shaped)
}

fn is_word(next: char) -> bool {
    next.is_alphanumeric() || next == '_'
}

/// The length of a UUID at the beginning.
fn uuid_length(rest: &str) -> Option<usize> {
    const LENGTH: usize = 36;
    let text = rest.get(..LENGTH)?;
    let is_one = text.bytes().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    is_one.then_some(LENGTH)
}

/// A word, or `#` for what is a number or a hash, or for the numbers in it.
fn push_word(out: &mut String, word: &str) {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    let has_digit = digits.bytes().any(|byte| byte.is_ascii_digit());
    let is_hash = digits.len() >= 8 || digits.len() < word.len();
    if has_digit && is_hash && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        push_number(out);
        return;
    }
    for next in word.chars() {
        if next.is_ascii_digit() { push_number(out) } else { out.push(next) }
    }
}

/// One `#` for a number, however it is written: `1,024.5` and `7` alike.
fn push_number(out: &mut String) {
    let before = out.trim_end_matches(['.', ',']);
    if before.ends_with('#') {
        out.truncate(before.len());
    } else {
        out.push('#');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_what_it_always_says() {
        for (message, expected) in [
            ("Object 4711 not found", "Object # not found"),
            (
                "index out of bounds: the len is 3 but the index is 12",
                "index out of bounds: the len is # but the index is #",
            ),
            ("took 1,024.5 ms", "took # ms"),
            ("no chunk at (-3, 17)", "no chunk at (-#, #)"),
            ("bad pointer 0x7f3acc", "bad pointer #"),
            ("session 6f9619ff-8b86-d011-b42d-00c04fc964ff is gone", "session # is gone"),
            ("level_12 failed\nwith details", "level_# failed"),
            ("  deadbeef cafe  ", "deadbeef cafe"),
        ] {
            assert_eq!(shape(message).as_deref(), Some(expected), "{message}");
        }
        assert_eq!(shape(" \n "), None);
        assert_eq!(shape(&"x".repeat(9_000)).map(|shape| shape.len()), Some(LONGEST));
    }

    #[test]
    fn a_managed_frame_is_named_by_its_class_and_function_without_a_compilers_numbers() {
        let frame = |module: &str, function: &str| Frame {
            module: Some(module.to_owned()),
            function: Some(function.to_owned()),
            file: Some("/home/ann/a.cs".into()),
            line: Some(7),
            ..Frame::default()
        };
        for (module, function, expected) in [
            ("com.game.Player", "update", "com.game.Player.update"),
            ("com.game.Player$1", "run", "com.game.Player$.run"),
            ("com.game.Player", "lambda$update$2", "com.game.Player.lambda$update$"),
            ("Game.Player", "Update(Single dt)", "Game.Player.Update"),
            ("Game.Loader+<>c__DisplayClass3_0", "<Load>b__1", "Game.Loader+<>c__DisplayClass_.<Load>b__"),
            ("Player", "Player.Update", "Player.Update"),
            ("Game.Save", "async Task Save.Write(int slot)", "Game.Save.Write"),
            ("game.player", "<module>", "game.player.<module>"),
            ("https://game.example/app.js", "onClick", "onClick"),
            ("", "onClick", "onClick"),
        ] {
            assert_eq!(frame_name(&frame(module, function)), expected);
        }
    }
}
