//! What people type to choose crashes.

use epitaph_facts::{Column, Question};
use epitaph_search::{narrowed, parse, print};

/// A search that is understood can be asked, and says the same when it is printed and read again, also with one condition
/// more; an error is about characters that are there.
///
/// Up to the first zero, the data is a search; behind it, a value that is clicked.
pub fn search(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (line, value) = text.split_once('\0').unwrap_or((&text, "x"));
    match parse(line) {
        Ok(filter) => {
            assert_eq!(parse(&print(&filter)).as_ref(), Ok(&filter), "{line:?}");
            assert_eq!(
                Question { filter: filter.clone(), ..Question::default() }.check(),
                Ok(()),
                "{line:?}"
            );
            // One condition more may be one, or one group, too many.
            let has_room = line.len() + value.len() < 200 && line.matches('(').count() < 5;
            if has_room && !value.is_empty() {
                let narrow = narrowed(filter, &Column::Gpu.into(), Some(value));
                assert_eq!(parse(&print(&narrow)).as_ref(), Ok(&narrow), "{line:?} {value:?}");
            }
        }
        Err(error) => {
            let length = line.chars().count();
            assert!(error.range.start <= error.range.end && error.range.end <= length, "{line:?} {error:?}");
        }
    }
}
