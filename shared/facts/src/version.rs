//! The order of versions, as people write them.

use std::cmp::Ordering;

/// Compares texts as versions: `1.9` comes before `1.10`, `1.2-beta.1` before `1.2`, which equals `v1.2.0`, `game@1.2`
/// and `1.2+build.7`. Any two texts can be compared, and equal does not mean the same text.
pub fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (Tokens::of(left), Tokens::of(right));
    match (left.numbers(), right.numbers()) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => by_tokens(left, right),
    }
}

fn by_tokens(mut left: Tokens<'_>, mut right: Tokens<'_>) -> Ordering {
    let (mut here, mut there) = (left.next(), right.next());
    loop {
        let order = match (here, there) {
            (Token::End, Token::End) => return Ordering::Equal,
            (Token::Number(a), Token::Number(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            (Token::Word(a), Token::Word(b)) => {
                let lower = |word: &str| word.chars().flat_map(char::to_lowercase).collect::<String>();
                lower(a).cmp(&lower(b))
            }
            // What one of them does not say is zero.
            (Token::Number(""), Token::Early | Token::End) => {
                here = left.next();
                continue;
            }
            (Token::Early | Token::End, Token::Number("")) => {
                there = right.next();
                continue;
            }
            (a, b) => a.rank().cmp(&b.rank()),
        };
        if order.is_ne() {
            return order;
        }
        (here, there) = (left.next(), right.next());
    }
}

#[derive(Debug, Clone, Copy)]
enum Token<'a> {
    /// What follows comes before the version without it.
    Early,
    End,
    /// Digits, without zeros before them.
    Number(&'a str),
    Word(&'a str),
}

impl Token<'_> {
    fn rank(self) -> u8 {
        match self {
            Token::Early => 0,
            Token::End => 1,
            Token::Number(_) => 2,
            Token::Word(_) => 3,
        }
    }
}

struct Tokens<'a> {
    rest: &'a str,
    after_digit: bool,
}

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Self {
        // Sentry's clients write package@version+build.
        let text = text.rsplit_once('@').map_or(text, |(_, version)| version);
        let text = text.strip_prefix(['v', 'V']).filter(|rest| begins_with_digit(rest)).unwrap_or(text);
        let text = if begins_with_digit(text) { text.split('+').next().unwrap_or_default() } else { text };
        Self { rest: text, after_digit: false }
    }

    /// Up to four numbers with dots between them, as most versions are. Those that it does not say are zero.
    fn numbers(&self) -> Option<[u32; 4]> {
        let mut numbers = [0; 4];
        let mut places = numbers.iter_mut();
        for part in self.rest.split('.') {
            let digits = part.bytes().map(|byte| byte.is_ascii_digit().then(|| u32::from(byte - b'0')));
            let number = digits.reduce(|number, digit| number?.checked_mul(10)?.checked_add(digit?))?;
            *places.next()? = number?;
        }
        Some(numbers)
    }

    fn next(&mut self) -> Token<'a> {
        let is_other = |letter: char| !letter.is_alphanumeric() && letter != '-';
        self.rest = {
            let rest = self.rest.trim_start_matches(is_other);
            self.after_digit &= rest.len() == self.rest.len();
            rest
        };
        let Some(first) = self.rest.chars().next() else { return Token::End };
        if first == '-' || (self.after_digit && !first.is_ascii_digit()) {
            self.after_digit = false;
            self.rest = self.rest.trim_start_matches(|letter: char| letter == '-' || is_other(letter));
            return Token::Early;
        }
        let is_number = first.is_ascii_digit();
        let ends = |letter: char| letter.is_ascii_digit() != is_number || !letter.is_alphanumeric();
        let (token, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        self.after_digit = is_number;
        if is_number { Token::Number(token.trim_start_matches('0')) } else { Token::Word(token) }
    }
}

fn begins_with_digit(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_come_in_the_order_that_people_mean() {
        let ascending = [
            "0.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
            "1.2rc1",
            "1.2",
            "1.9.9",
            "1.10",
            "game@2.0+77",
            "10",
            "23.11.1.99999999999999999999999",
            "23.11.1.100000000000000000000000",
        ];
        for (index, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                assert_eq!(compare(left, right), index.cmp(&other), "{left} {right}");
            }
        }
        for equal in ["1.2.0", "v1.2", "1.02", "1.2+build.5", "game@1.2.0", "V1.2.0.0"] {
            assert_eq!(compare("1.2", equal), Ordering::Equal, "{equal}");
        }
        assert_eq!(compare("++UE5+Release-5.3", "++UE5+Release-5.10"), Ordering::Less);
    }

    proptest! {
        #[test]
        fn versions_of_numbers_have_the_order_of_all(texts in proptest::collection::vec("v?[0-2]{0,2}([.][0-9]{1,11}){0,5}[.+]?", 2)) {
            let [a, b] = [&texts[0], &texts[1]];
            prop_assert_eq!(compare(a, b), by_tokens(Tokens::of(a), Tokens::of(b)));
        }

        #[test]
        fn the_order_is_one(texts in proptest::collection::vec("[01a.@+v-]{0,8}", 3)) {
            let [a, b, c] = [&texts[0], &texts[1], &texts[2]];
            prop_assert_eq!(compare(a, a), Ordering::Equal);
            prop_assert_eq!(compare(a, b), compare(b, a).reverse());
            if compare(a, b).is_le() && compare(b, c).is_le() {
                prop_assert!(compare(a, c).is_le(), "{:?} {:?} {:?}", a, b, c);
            }
        }
    }
}
