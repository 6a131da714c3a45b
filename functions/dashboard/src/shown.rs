//! How things are written on a page: texts of strangers, numbers, times, sizes.

use std::fmt::Write as _;

use epitaph_crash_model::Timestamp;

use crate::texts::Texts;

/// The most characters of a stranger's text in a line of a page.
const LINE: usize = 600;

/// A stranger's text, safe to look at: at most 600 characters, without characters that hide, reorder or break what
/// stands around them. Markup is escaped by the template.
pub(crate) fn line(text: &str) -> String {
    passage(text, LINE).0.replace(['\n', '\t'], " ")
}

/// As [`line`], with line breaks, and at most so many characters. Also tells whether something was left out.
pub(crate) fn passage(text: &str, most: usize) -> (String, bool) {
    let mut shown = String::with_capacity(text.len().min(most));
    let mut letters = text.chars();
    for letter in letters.by_ref().take(most) {
        match letter {
            '\n' | '\t' => shown.push(letter),
            '\r' => {}
            _ if is_deceptive(letter) => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(letter));
            }
            _ => shown.push(letter),
        }
    }
    let cut = letters.next().is_some();
    if cut {
        shown.push('…');
    }
    (shown, cut)
}

/// Control characters, and those that reorder text or cannot be seen. A name with a right-to-left override reads as
/// another name; an escape sequence acts on the terminal that it is pasted into.
fn is_deceptive(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A signature's text on a page: the innermost name, and those that called it.
pub(crate) struct Title {
    pub(crate) head: String,
    /// Such as `← outer ← outermost`; empty if there is one name only.
    pub(crate) rest: String,
}

impl Title {
    pub(crate) fn new(text: &str) -> Self {
        let text = line(text);
        let mut names = text.split(" | ");
        let head = names.next().unwrap_or_default().to_owned();
        let rest = names.map(|name| format!("← {name}")).collect::<Vec<_>>().join(" ");
        Self { head, rest }
    }
}

/// A number with its thousands apart: `12,345`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A size in bytes, to three digits: `27.1 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    if tenths < 1000 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", tenths / 10, UNITS[unit])
    }
}

/// A part of a whole in per cent: `<1%`, `12%`.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let percent = u128::from(part) * 100 / u128::from(whole.max(1));
    if percent == 0 && part > 0 { "<1%".to_owned() } else { format!("{percent}%") }
}

/// A moment on a page.
pub(crate) struct When {
    /// For programs.
    pub(crate) machine: String,
    /// To the second, in UTC.
    pub(crate) full: String,
    /// Such as "3 min ago".
    pub(crate) ago: String,
}

impl When {
    pub(crate) fn new(time: Timestamp, now: Timestamp, t: &Texts) -> Self {
        Self { machine: time.to_string(), full: full_time(time), ago: ago(time, now, t) }
    }
}

/// `2026-01-31 23:59:59 UTC`.
pub(crate) fn full_time(time: Timestamp) -> String {
    format!("{} {} UTC", day(time), clock(time, true))
}

/// `2026-01-31`.
pub(crate) fn day(time: Timestamp) -> String {
    time.day().to_string()
}

/// `01-31`.
pub(crate) fn short_day(time: Timestamp) -> String {
    let day = day(time);
    day.get(day.len().saturating_sub(5)..).unwrap_or_default().to_owned()
}

/// `23:59`, with seconds if wanted.
pub(crate) fn clock(time: Timestamp, seconds: bool) -> String {
    let text = time.to_string();
    let clock = text.split_once('T').map_or("", |(_, clock)| clock);
    clock.get(..if seconds { 8 } else { 5 }).unwrap_or_default().to_owned()
}

fn ago(time: Timestamp, now: Timestamp, t: &Texts) -> String {
    let seconds =
        u64::try_from((now.as_millis().saturating_sub(time.as_millis())) / 1000).unwrap_or_default();
    match seconds {
        0..60 => t.just_now.to_owned(),
        60..3600 => (t.minutes_ago)(seconds / 60),
        3600..172_800 => (t.hours_ago)(seconds / 3600),
        _ => (t.days_ago)(seconds / 86_400),
    }
}

/// A length of time: `2 h 5 min`.
pub(crate) fn length(seconds: u64, t: &Texts) -> String {
    match seconds {
        0..60 => (t.seconds)(seconds),
        60..3600 => (t.minutes)(seconds / 60, seconds % 60),
        _ => (t.hours)(seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::{ENGLISH, KOREAN};

    #[test]
    fn what_hides_or_reorders_text_is_shown_as_its_number() {
        assert_eq!(line("a\u{202e}b\0c\u{200b}d\x1b[2J"), "a\\u{202e}b\\u{0}c\\u{200b}d\\u{1b}[2J");
        assert_eq!(line("한글 함수 ünï"), "한글 함수 ünï");
        assert_eq!(line("two\r\nlines"), "two lines");
    }

    #[test]
    fn a_long_text_is_cut_and_says_so() {
        assert_eq!(passage("가나다라", 2), ("가나…".to_owned(), true));
        assert_eq!(passage("가나", 2), ("가나".to_owned(), false));
        assert!(line(&"x".repeat(1_000_000)).chars().count() <= LINE + 1);
    }

    #[test]
    fn a_title_begins_with_the_innermost_name() {
        let title = Title::new("ui::draw | ui::frame | main");
        assert_eq!((title.head.as_str(), title.rest.as_str()), ("ui::draw", "← ui::frame ← main"));
        assert_eq!(Title::new("abort").rest, "");
    }

    #[test]
    fn numbers_and_sizes_read_easily() {
        assert_eq!(
            [number(0), number(999), number(1000), number(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [size(0), size(1023), size(27_800), size(200 << 20)],
            ["0 B", "1023 B", "27.1 KiB", "200 MiB"]
        );
        assert_eq!(size(u64::MAX), "16777215 TiB");
        assert_eq!([percent(1, 1000), percent(0, 0), percent(1, 2)], ["<1%", "0%", "50%"]);
    }

    #[test]
    fn a_moment_is_told_in_the_language_of_the_page() {
        let now: Timestamp = "2026-01-31T13:37:59.999Z".parse().unwrap();
        let ago = |millis: i64, t| When::new(now.plus_millis(-millis), now, t).ago;
        assert_eq!(ago(-5_000, &ENGLISH), "just now");
        assert_eq!(ago(180_000, &ENGLISH), "3 min ago");
        assert_eq!(ago(180_000, &KOREAN), "3분 전");
        assert_eq!(ago(3 * 86_400_000, &KOREAN), "3일 전");
        assert_eq!(When::new(now, now, &ENGLISH).full, "2026-01-31 13:37:59 UTC");
        assert_eq!(length(7500, &KOREAN), "2시간 5분");
    }
}
