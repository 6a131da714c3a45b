//! From characters to words: quotes, names, and what is bare.

use std::ops::Range;

use crate::{
    LONGEST,
    error::{Problem, SearchError},
    names::{self, Name},
};

/// The characters of a search, and how far it is read.
pub(crate) struct Scanner {
    letters: Vec<char>,
    at: usize,
}

/// Some characters that belong together.
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) quoted: bool,
    pub(crate) range: Range<usize>,
}

/// A name as it is written.
pub(crate) enum Written {
    Plain(String),
    /// `tag."..."`, and what is between the quotes.
    Tag(String),
}

impl Written {
    pub(crate) fn dimension(&self, range: Range<usize>) -> Result<Name, SearchError> {
        match self {
            Written::Plain(name) => names::resolve(name, range),
            Written::Tag(name) => names::tag(name, range).map(Name::Of),
        }
    }

    /// For messages.
    pub(crate) fn text(&self) -> String {
        match self {
            Written::Plain(name) => name.clone(),
            Written::Tag(name) => format!("tag.{}", crate::print::quoted(name)),
        }
    }
}

impl Scanner {
    pub(crate) fn new(text: &str) -> Result<Self, SearchError> {
        // No more of a text that is far too long is looked at than tells that it is.
        let letters: Vec<char> = text.chars().take(LONGEST + 1).collect();
        if letters.len() > LONGEST {
            return Err(SearchError::new(LONGEST..LONGEST + 1, Problem::TooLong { most: LONGEST }));
        }
        Ok(Self { letters, at: 0 })
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The place where something is missing.
    pub(crate) fn place(&self) -> Range<usize> {
        self.at..self.at
    }

    pub(crate) fn at_end(&self) -> bool {
        self.at >= self.letters.len()
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.ahead(0)
    }

    fn ahead(&self, by: usize) -> Option<char> {
        self.letters.get(self.at + by).copied()
    }

    /// Whether there is a blank, or nothing more.
    pub(crate) fn at_blank(&self) -> bool {
        self.peek().is_none_or(char::is_whitespace)
    }

    pub(crate) fn skip_blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// Reads this, if it is next.
    pub(crate) fn take(&mut self, expected: &str) -> bool {
        let is_next = expected.chars().enumerate().all(|(index, letter)| self.ahead(index) == Some(letter));
        if is_next {
            self.at += expected.chars().count();
        }
        is_next
    }

    /// Whether this word is next, by itself.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        let length = word.chars().count();
        word.chars().enumerate().all(|(index, letter)| self.ahead(index) == Some(letter))
            && self
                .ahead(length)
                .is_none_or(|letter| letter.is_whitespace() || letter == '(' || letter == ')')
    }

    /// Reads this word, if it is next by itself.
    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        self.is_word(word) && self.take(word)
    }

    fn text(&self, range: Range<usize>) -> String {
        self.letters.get(range).unwrap_or_default().iter().collect()
    }

    /// Reads letters of a name; none may be there.
    pub(crate) fn name(&mut self) -> Result<(Written, Range<usize>), SearchError> {
        let start = self.at;
        if self.take("tag.\"") {
            self.at -= 1;
            let name = self.quoted()?;
            return Ok((Written::Tag(name.text), start..self.at));
        }
        while self.peek().is_some_and(names::is_letter) {
            self.at += 1;
        }
        Ok((Written::Plain(self.text(start..self.at)), start..self.at))
    }

    /// Reads a name and its colon, if they are next. Two colons are part of a text.
    pub(crate) fn named(&mut self) -> Result<Option<(Written, Range<usize>)>, SearchError> {
        let start = self.at;
        let (name, range) = self.name()?;
        if !range.is_empty() && self.peek() == Some(':') && self.ahead(1) != Some(':') {
            self.at += 1;
            return Ok(Some((name, range)));
        }
        self.at = start;
        Ok(None)
    }

    /// Reads what is in quotes; one is next.
    fn quoted(&mut self) -> Result<Word, SearchError> {
        let start = self.at;
        let mut text = String::new();
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(SearchError::new(start..self.at, Problem::OpenQuote)),
                Some('"') => break,
                // Paths have backslashes that mean themselves.
                Some('\\') if matches!(self.ahead(1), Some('"' | '\\')) => self.at += 1,
                Some(_) => {}
            }
            text.extend(self.peek());
            self.at += 1;
        }
        self.at += 1;
        Ok(Word { text, quoted: true, range: start..self.at })
    }

    /// Reads a value or a text, which may be empty. In a list, it ends with a comma or a bracket too.
    pub(crate) fn word(&mut self, in_list: bool) -> Result<Word, SearchError> {
        let ends_list = |letter: char| in_list && matches!(letter, ',' | ']');
        if self.peek() == Some('"') {
            let word = self.quoted()?;
            let ends = |letter: char| letter.is_whitespace() || letter == ')' || ends_list(letter);
            if self.peek().is_some_and(|letter| !ends(letter)) {
                return Err(SearchError::new(self.at..self.at + 1, Problem::BehindQuote));
            }
            return Ok(word);
        }
        let start = self.at;
        let mut open = 0_usize;
        while let Some(letter) = self.peek() {
            match letter {
                _ if letter.is_whitespace() || ends_list(letter) => break,
                '(' => open += 1,
                ')' => match open.checked_sub(1) {
                    Some(left) => open = left,
                    None => break,
                },
                _ => {}
            }
            self.at += 1;
        }
        Ok(Word { text: self.text(start..self.at), quoted: false, range: start..self.at })
    }
}
