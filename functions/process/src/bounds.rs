//! How much is told of what a client says in words of its own: events, reports, contexts. A source may hold a megabyte
//! of one name, or a million of them; a page shows neither.

use std::collections::BTreeMap;

/// Characters of a name, a type, a path.
pub const NAME: usize = 500;
/// Characters of a message or of a value.
pub const TEXT: usize = 8_000;
/// Names in one map of a crash: tags, annotations, one context.
pub const ENTRIES: usize = 500;
/// Bytes of all names and values of one map of a crash.
const ENTRY_BYTES: usize = 256 << 10;
/// Contexts.
pub const CONTEXTS: usize = 50;
/// Breadcrumbs: the newest.
pub const BREADCRUMBS: usize = 100;
/// Exceptions in a chain.
pub const EXCEPTIONS: usize = 50;
/// Threads.
pub const THREADS: usize = 1_000;
/// Frames of one stack.
pub const FRAMES: usize = 1_000;
/// Frames of all stacks of one source together.
pub const ALL_FRAMES: usize = 10_000;
/// Modules.
pub const MODULES: usize = 4_000;

/// A name: one line of at most [`NAME`] characters; `None` if it says nothing.
pub(crate) fn name(text: &str) -> Option<String> {
    cut(text, NAME, char::is_control)
}

/// A text, perhaps of several lines, of at most [`TEXT`] characters; `None` if it says nothing.
pub(crate) fn text(text: &str) -> Option<String> {
    cut(text, TEXT, |next| next.is_control() && !matches!(next, '\n' | '\t'))
}

fn cut(text: &str, limit: usize, hidden: impl Fn(char) -> bool) -> Option<String> {
    let text = text.trim_matches(|edge: char| edge.is_whitespace() || edge == '\0');
    // Line ends of Windows are one line end; whatever else cannot be seen is shown to be there.
    let kept = text.chars().filter(|next| *next != '\r').take(limit);
    (!text.is_empty())
        .then(|| kept.map(|next| if hidden(next) { char::REPLACEMENT_CHARACTER } else { next }).collect())
}

/// Adds a name and its value to a map of a crash, unless the name is taken, either says nothing, or the map is full.
pub(crate) fn add(map: &mut BTreeMap<String, String>, key: &str, value: &str) {
    let (Some(key), Some(value)) = (name(key), text(value)) else { return };
    let bytes: usize = map.iter().map(|(key, value)| key.len() + value.len()).sum();
    if map.len() < ENTRIES && bytes + key.len() + value.len() <= ENTRY_BYTES {
        map.entry(key).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_and_a_text_may_be_several() {
        assert_eq!(name(" a\nb\0 ").as_deref(), Some("a\u{fffd}b"));
        assert_eq!(text(" a\r\nb\u{7} ").as_deref(), Some("a\nb\u{fffd}"));
        assert_eq!(name(&"ü".repeat(900)).map(|name| name.chars().count()), Some(NAME));
        assert_eq!(name(" \0"), None);
    }

    #[test]
    fn a_map_keeps_what_it_has_and_takes_no_more_than_its_bounds() {
        let mut map = BTreeMap::new();
        add(&mut map, "a", "1");
        add(&mut map, "a", "2");
        add(&mut map, "", "3");
        assert_eq!(map, [("a".to_owned(), "1".to_owned())].into());
        for index in 0..2 * ENTRIES {
            add(&mut map, &index.to_string(), &"x".repeat(TEXT));
        }
        let bytes: usize = map.iter().map(|(key, value)| key.len() + value.len()).sum();
        assert!(map.len() <= ENTRIES && bytes <= ENTRY_BYTES, "{} with {bytes} bytes", map.len());
    }
}
