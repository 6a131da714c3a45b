//! The administrator's token, which opens the pages and the API.

use std::fmt;

const SHORTEST: usize = 16;
const LONGEST: usize = 512;

/// A text that cannot be a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It can be guessed, or it is a mistake.
    #[error("has {0} characters, expected {SHORTEST} to {LONGEST}")]
    Length(usize),
    /// It could not travel in a header or a link.
    #[error("has a character that is not visible ASCII, expected letters and digits")]
    Character,
}

/// A bearer token. It shows itself to no log.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Takes the token as an operator sets it.
    ///
    /// # Errors
    /// When it is too short or too long, or could not travel in a header.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if !(SHORTEST..=LONGEST).contains(&text.len()) {
            return Err(TokenError::Length(text.len()));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Character);
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether `other` is this token, in a time that depends on their lengths only.
    pub fn matches(&self, other: &str) -> bool {
        epitaph_secrets::equal(self.0.as_bytes(), other.as_bytes())
    }

    /// The token itself, for the link that its owner is shown.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_matches_itself_only_and_hides_from_logs() {
        let token = Token::new(" 0123456789abcdef\n").unwrap();
        assert!(token.matches("0123456789abcdef"));
        assert!(!token.matches("0123456789abcdeF"));
        assert!(!token.matches(""));
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn a_token_that_is_guessed_or_cannot_travel_is_refused() {
        assert_eq!(Token::new("short").unwrap_err(), TokenError::Length(5));
        assert_eq!(Token::new("0123456789 abcdef").unwrap_err(), TokenError::Character);
        assert_eq!(Token::new("0123456789abcdé0").unwrap_err(), TokenError::Character);
    }
}
