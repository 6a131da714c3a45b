//! A text in which some ranges are replaced. It is copied only when something is.

use std::{borrow::Cow, ops::Range};

pub(crate) struct Edits<'a> {
    text: &'a str,
    /// Up to here the text is in `out`.
    done: usize,
    out: String,
}

impl<'a> Edits<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, done: 0, out: String::new() }
    }

    /// Replaces a range that begins at or after the end of the last one, unless it is empty or says the same already.
    pub(crate) fn replace(&mut self, range: Range<usize>, with: &str) {
        let found = self.text.get(range.clone());
        if range.start < self.done || range.is_empty() || found.is_none_or(|found| found == with) {
            return;
        }
        self.out.push_str(self.text.get(self.done..range.start).unwrap_or_default());
        self.out.push_str(with);
        self.done = range.end;
    }

    pub(crate) fn finish(mut self) -> Cow<'a, str> {
        if self.done == 0 {
            return Cow::Borrowed(self.text);
        }
        self.out.push_str(self.text.get(self.done..).unwrap_or_default());
        Cow::Owned(self.out)
    }
}
