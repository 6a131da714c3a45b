//! Patterns of `*` and `?`.

/// The most characters of a value that are looked at.
const LONGEST_VALUE: usize = 2_000;

/// Whether a pattern covers the whole value: `*` is any text, `?` any one character. Letters of ASCII match in either
/// case. Takes at most as many steps as pattern times value.
pub(crate) fn matches(pattern: &str, value: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let value: Vec<char> = value.chars().take(LONGEST_VALUE).collect();
    let (mut in_pattern, mut in_value) = (0, 0);
    // Behind the last `*`, and where what it stands for ends as far as is known.
    let mut retry: Option<(usize, usize)> = None;
    while in_value < value.len() {
        match pattern.get(in_pattern) {
            Some('*') => {
                in_pattern += 1;
                retry = Some((in_pattern, in_value));
            }
            Some(expected) if *expected == '?' || expected.eq_ignore_ascii_case(&value[in_value]) => {
                in_pattern += 1;
                in_value += 1;
            }
            _ => match retry {
                Some((behind, end)) => {
                    retry = Some((behind, end + 1));
                    (in_pattern, in_value) = (behind, end + 1);
                }
                None => return false,
            },
        }
    }
    pattern[in_pattern..].iter().all(|left| *left == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_are_any_text_and_question_marks_one_character() {
        for (pattern, value) in [
            ("*", ""),
            ("1.2.*", "1.2.3"),
            ("1.?.3", "1.ü.3"),
            ("*beta*", "2.0-BETA+5"),
            ("a*b*c", "a-b-b-c"),
            ("", ""),
            ("**x", "x"),
        ] {
            assert!(matches(pattern, value), "{pattern} {value}");
        }
        for (pattern, value) in [("", "a"), ("1.2.*", "1.20"), ("?", ""), ("a*b", "a-b-c"), ("a", "ab")] {
            assert!(!matches(pattern, value), "{pattern} {value}");
        }
    }

    /// The definition, which may take for ever where there are many stars.
    fn defined(pattern: &[char], value: &[char]) -> bool {
        match (pattern.split_first(), value.split_first()) {
            (None, _) => value.is_empty(),
            (Some((&'*', rest)), _) => (0..=value.len()).any(|skip| defined(rest, &value[skip..])),
            (Some((&expected, rest)), Some((&given, left))) => {
                (expected == '?' || expected.eq_ignore_ascii_case(&given)) && defined(rest, left)
            }
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_as_defined(pattern in "[ab?*]{0,8}", value in "[abA*]{0,8}") {
            let (left, right): (Vec<char>, Vec<char>) = (pattern.chars().collect(), value.chars().collect());
            prop_assert_eq!(matches(&pattern, &value), defined(&left, &right));
        }
    }

    #[test]
    fn a_pattern_of_many_stars_does_not_take_long() {
        assert!(!matches(
            &"*a".repeat(100),
            &"a".repeat(100_000).replace("aaa", "aab")[..1_999].replace('a', "b")
        ));
        assert!(matches(&"*a".repeat(100), &"a".repeat(2_000)));
    }
}
