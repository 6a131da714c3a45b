//! Patterns with `*` and `?`.

/// A pattern, ready to be compared with many texts.
#[derive(Debug, Clone)]
pub(crate) struct Like {
    pattern: Vec<char>,
}

impl Like {
    pub(crate) fn new(pattern: &str) -> Self {
        let mut letters: Vec<char> = pattern.chars().flat_map(char::to_lowercase).collect();
        letters.dedup_by(|next, before| *next == '*' && *before == '*');
        Self { pattern: letters }
    }

    /// Whether the whole text is like it, whatever the letters' case. Takes at most the product of both lengths.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        let (mut at, mut in_pattern) = (0, 0);
        // After the last star: where it is, and how far the text is that it stands for.
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.pattern.get(in_pattern) {
                Some('*') => {
                    star = Some((in_pattern, at));
                    in_pattern += 1;
                }
                Some(letter) if *letter == '?' || text.get(at) == Some(letter) => {
                    at += 1;
                    in_pattern += 1;
                }
                _ => {
                    let Some((position, taken)) = star else { return false };
                    star = Some((position, taken + 1));
                    at = taken + 1;
                    in_pattern = position + 1;
                }
            }
        }
        self.pattern.get(in_pattern..).unwrap_or_default().iter().all(|letter| *letter == '*')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_stand_for_anything_and_case_for_nothing() {
        for (pattern, text, expected) in [
            ("rtx 40*", "RTX 4090", true),
            ("*adreno*", "Qualcomm Adreno (TM) 740", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("ÄÖ*", "äöü", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
        ] {
            assert_eq!(Like::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    /// By definition, letter by letter.
    fn plainly(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', rest @ ..], text) => (0..=text.len()).any(|taken| plainly(rest, &text[taken..])),
            (['?', rest @ ..], [_, text @ ..]) => plainly(rest, text),
            ([letter, rest @ ..], [first, text @ ..]) => letter == first && plainly(rest, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_its_definition_says(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let letters = |text: &str| text.chars().collect::<Vec<char>>();
            prop_assert_eq!(Like::new(&pattern).matches(&text), plainly(&letters(&pattern), &letters(&text)));
        }
    }
}
