//! How much of a dump is told. A dump may claim millions of threads, or hold a stack of a million frames; a page shows
//! neither, and what is told must fit in memory beside other dumps.

/// Threads. Those beyond are left out, save the one that ended the process.
pub(super) const THREADS: usize = 2_000;
/// Modules.
pub(super) const MODULES: usize = 4_000;
/// Frames of the thread that ended the process.
pub(super) const CRASHING_FRAMES: usize = 1_000;
/// Frames of any other thread.
pub(super) const OTHER_FRAMES: usize = 250;
/// Frames of all threads together.
pub(super) const ALL_FRAMES: usize = 20_000;
/// The outermost frames that are told of a stack that is told in part: they name the thread.
pub(super) const OUTERMOST_FRAMES: usize = 50;
/// Annotations.
pub(super) const ANNOTATIONS: usize = 1_000;
/// Bytes of all names and values of annotations together.
pub(super) const ANNOTATION_BYTES: usize = 1 << 20;
/// Characters of a path or of a function's name.
const TEXT: usize = 500;

/// A text of a dump in one line of at most 500 characters.
pub(super) fn line(text: &str) -> String {
    let visible = |next: char| if next.is_control() { char::REPLACEMENT_CHARACTER } else { next };
    text.chars().take(TEXT).map(visible).collect()
}

/// The same, or `None` if it says nothing.
pub(super) fn line_or_none(text: &str) -> Option<String> {
    let text = text.trim_matches(['\0', ' ', '\t', '\r', '\n']);
    (!text.is_empty()).then(|| line(text))
}

/// Which frames of a stack of `count` are told when `limit` may be: the innermost, then the outermost.
pub(super) fn told(count: usize, limit: usize) -> impl Iterator<Item = usize> {
    let (inner, outer) = if count <= limit {
        (count, 0)
    } else {
        let outer = OUTERMOST_FRAMES.min(limit / 2);
        (limit - outer, outer)
    };
    (0..inner).chain(count - outer..count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_stack_is_told_from_both_ends() {
        assert!(told(3, 3).eq(0..3));
        assert!(told(0, 0).eq(0..0));
        assert!(told(9, 0).eq(0..0));
        assert!(told(10, 4).eq([0, 1, 8, 9]));
        let told: Vec<usize> = told(5_000, CRASHING_FRAMES).collect();
        assert_eq!((told.len(), told[949], told[950], told[999]), (1_000, 949, 4_950, 4_999));
    }

    #[test]
    fn a_text_of_a_dump_is_one_short_line() {
        assert_eq!(line("a\nb\u{7f}"), "a\u{fffd}b\u{fffd}");
        assert_eq!(line(&"ü".repeat(900)).chars().count(), 500);
        assert_eq!(line_or_none(" \0"), None);
    }
}
