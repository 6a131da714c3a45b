//! Lines as they come out of logs, and the lines that name an exception.

/// The lines of a text without what loggers write before them.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| without_log_prefix(line.trim_end()))
}

/// A line without what Android's `logcat` writes before it: `E/Unity( 1234): ...`, or
/// `01-31 23:59:59.999  1234  5678 E Unity   : ...`.
fn without_log_prefix(line: &str) -> &str {
    let bytes = line.as_bytes();
    let brief = matches!(bytes, [b'V' | b'D' | b'I' | b'W' | b'E' | b'F', b'/', ..]);
    let timed = bytes.len() > 18
        && bytes[..18].iter().zip(b"00-00 00:00:00.000").all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        });
    if !brief && !timed {
        return line;
    }
    let head = if timed { 18 } else { 2 };
    let rest = line.get(head..).unwrap_or_default();
    // A tag is short: a colon far behind belongs to the message.
    match rest.find(": ").filter(|&at| at < 80) {
        Some(at) => &rest[at + 2..],
        None if rest.len() < 80 && rest.ends_with(':') => "",
        None => line,
    }
}

/// Words with which the name of an exception ends, in all the languages.
const ENDINGS: [&str; 11] = [
    "Exception",
    "Error",
    "Fault",
    "Failure",
    "Interrupt",
    "Throwable",
    "Warning",
    "StopIteration",
    "SystemExit",
    "GeneratorExit",
    "ExceptionGroup",
];

/// The type and the message of `some.Type: message`, or of `some.Type` alone. A name without a dot must end as names of
/// exceptions do.
pub(crate) fn header(line: &str) -> Option<(&str, &str)> {
    let (kind, message) = type_before_colon(line)?;
    let ends_as_one = ENDINGS.iter().any(|ending| kind.ends_with(ending));
    let is_path = kind.contains('.') && !message.is_empty() && kind.chars().any(char::is_uppercase);
    (ends_as_one || is_path).then_some((kind, message))
}

/// The type and the message of `Type: message`, or of `Type` alone, whatever the type is called.
pub(crate) fn type_before_colon(line: &str) -> Option<(&str, &str)> {
    let end = line.find(|letter: char| !is_of_type(letter)).unwrap_or(line.len());
    let (kind, rest) = line.split_at(end);
    let kind = kind.trim_end_matches('.');
    if kind.is_empty() || kind.len() > 250 || kind.starts_with(|first: char| !is_first_of_type(first)) {
        return None;
    }
    if rest.is_empty() {
        return Some((kind, ""));
    }
    // Generic types name their arguments: `Game.LoadException`1[System.String]: ...`.
    let rest = if rest.starts_with('[') { rest.split_once(']').map_or(rest, |(_, rest)| rest) } else { rest };
    // Errors of a system have its number: `System.Net.Sockets.SocketException (111): ...`.
    let rest = rest.strip_prefix(" (").and_then(after_number).unwrap_or(rest);
    let message = rest.strip_prefix(':').or_else(|| rest.strip_prefix(" :"))?;
    // `std::exception` and `C:\x` are no headers.
    if message.starts_with([':', '\\', '/']) {
        return None;
    }
    Some((kind, message.strip_prefix(' ').unwrap_or(message)))
}

/// What stands behind a number in decimal or hexadecimal digits and a closing bracket.
fn after_number(text: &str) -> Option<&str> {
    let (number, rest) = text.split_at(text.find(')')?);
    let digits = number.strip_prefix("0x").unwrap_or(number);
    (digits.len() < 12 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| &rest[1..])
}

fn is_first_of_type(letter: char) -> bool {
    letter.is_alphabetic() || letter == '_' || letter == '$'
}

fn is_of_type(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '$' | '.' | '+' | '`' | '/')
}

/// The text behind any of these beginnings.
pub(crate) fn after_any<'a>(line: &'a str, beginnings: &[&str]) -> Option<&'a str> {
    beginnings.iter().find_map(|beginning| line.strip_prefix(beginning))
}

/// The text behind the bracket that closes the one at the beginning, and the text between them.
pub(crate) fn group(text: &str, open: char, close: char) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        if letter == open {
            depth += 1;
        } else if depth == 0 {
            return None;
        } else if letter == close {
            depth -= 1;
            if depth == 0 {
                return Some((&text[open.len_utf8()..at], &text[at + close.len_utf8()..]));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_logcat_writes_before_a_line_is_left_out() {
        for (line, bare) in [
            ("E/AndroidRuntime( 1234): java.lang.Error: x", "java.lang.Error: x"),
            ("01-31 23:59:59.999  1234  5678 E Unity   :   at A.B ()", "  at A.B ()"),
            ("01-31 23:59:59.999  1234  5678 E Unity   :", ""),
            ("A line: with a colon", "A line: with a colon"),
        ] {
            assert_eq!(without_log_prefix(line), bare);
        }
    }

    #[test]
    fn only_what_can_be_a_type_is_one() {
        assert_eq!(header("NullReferenceException: x: y"), Some(("NullReferenceException", "x: y")));
        assert_eq!(header("System.IO.IOException"), Some(("System.IO.IOException", "")));
        assert_eq!(header("a.b.C: d"), Some(("a.b.C", "d")));
        assert_eq!(header("Game.LoadError`1[System.String]: d"), Some(("Game.LoadError`1", "d")));
        for line in
            ["", "Loading level 7", "Loading: done", "C:\\x.cs", "std::error: x", ": x", "12: x", "the end"]
        {
            assert_eq!(header(line), None, "{line}");
        }
    }
}
