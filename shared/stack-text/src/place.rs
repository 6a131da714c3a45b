//! Places in files, as traces write them.

use crate::thrown::name;

/// A file, a line, a column, as far as they are told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
    pub(crate) column: Option<u32>,
}

/// A number from 1; compilers write 0 where they do not know.
pub(crate) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|&number| number > 0)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Place {
    /// `file:line`, or `None` if it does not end in a number.
    pub(crate) fn of_line(text: &str) -> Option<Self> {
        let (file, line) = text.rsplit_once(':')?;
        is_number(line).then(|| Self { file: name(file), line: number(line), column: None })
    }

    /// `file:line:column`, or `None` if it does not end in two numbers.
    pub(crate) fn of_line_and_column(text: &str) -> Option<Self> {
        let (rest, column) = text.rsplit_once(':')?;
        let (file, line) = rest.rsplit_once(':')?;
        (is_number(line) && is_number(column)).then(|| Self {
            file: name(file),
            line: number(line),
            column: number(column),
        })
    }
}

/// The last part of a path, of whatever system.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_from_the_end() {
        let place = Place::of_line_and_column("http://localhost:8080/a.js:3:14").unwrap();
        assert_eq!(
            (place.file.as_deref(), place.line, place.column),
            (Some("http://localhost:8080/a.js"), Some(3), Some(14))
        );
        let place = Place::of_line("C:\\a.cs:7").unwrap();
        assert_eq!((place.file.as_deref(), place.line), (Some("C:\\a.cs"), Some(7)));
        assert_eq!(Place::of_line("a.cs:0").unwrap().line, None);
        assert!(Place::of_line("a.cs:x").is_none() && Place::of_line_and_column("a.js:1").is_none());
    }
}
