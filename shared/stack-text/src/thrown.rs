//! An exception in the making, bounded as it grows.

use epitaph_crash_model::{Exception, Frame};

use crate::{FRAMES, LONGEST_MESSAGE, LONGEST_NAME};

/// An exception that is being read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Thrown {
    kind: Option<String>,
    message: Option<String>,
    mechanism: Option<&'static str>,
    pub(crate) frames: Vec<Frame>,
}

impl Thrown {
    /// Of a type, with the first line of its message. Either may be empty.
    pub(crate) fn new(kind: &str, message: &str) -> Self {
        let mut thrown = Self::default();
        thrown.name(kind, message);
        thrown
    }

    /// Says of what type it is, with the first line of its message.
    pub(crate) fn name(&mut self, kind: &str, message: &str) {
        self.kind = name(kind);
        self.message = said(message);
    }

    /// Says what is special about it.
    #[must_use]
    pub(crate) fn by(mut self, mechanism: &'static str) -> Self {
        self.mechanism = Some(mechanism);
        self
    }

    /// One more line of its message.
    pub(crate) fn add_to_message(&mut self, line: &str) {
        let line = line.trim_end();
        match &mut self.message {
            None => self.message = said(line),
            Some(message) if message.len() < LONGEST_MESSAGE => {
                message.push('\n');
                let room = LONGEST_MESSAGE.saturating_sub(message.len());
                message.push_str(&bounded(line, room));
            }
            Some(_) => {}
        }
    }

    /// One more call outwards. Beyond the limit it is passed over: the innermost calls tell most.
    pub(crate) fn add(&mut self, frame: Frame) {
        if self.frames.len() < FRAMES {
            self.frames.push(frame);
        }
    }

    /// One more call inwards, in a language that lists the outermost first. [`Thrown::turn`] ends it.
    pub(crate) fn add_inner(&mut self, frame: Frame) {
        // Twice as many are held as are kept, so that moving them up costs each one step at most.
        if self.frames.len() == 2 * FRAMES {
            self.frames.drain(..FRAMES);
        }
        self.frames.push(frame);
    }

    /// From frames that were added inwards to the order that all others have.
    pub(crate) fn turn(&mut self) {
        self.frames.reverse();
        self.frames.truncate(FRAMES);
    }

    /// What the message says before its first colon, if `is_meant` agrees; the message then begins behind it.
    pub(crate) fn take_prefix(&mut self, is_meant: impl FnOnce(&str) -> bool) -> Option<String> {
        let message = self.message.as_deref()?;
        let (prefix, rest) = message.split_once(": ").filter(|(prefix, _)| is_meant(prefix))?;
        let (prefix, rest) = (prefix.to_owned(), said(rest));
        self.message = rest;
        Some(prefix)
    }

    pub(crate) fn has_type(&self) -> bool {
        self.kind.is_some()
    }

    /// Whether nothing is known of it.
    pub(crate) fn is_empty(&self) -> bool {
        self.kind.is_none() && self.message.is_none() && self.frames.is_empty()
    }

    pub(crate) fn into_exception(self) -> Exception {
        let message = self.message.map(|message| message.trim_end().to_owned());
        Exception {
            kind: self.kind,
            message: message.filter(|message| !message.is_empty()),
            mechanism: self.mechanism.map(str::to_owned),
            handled: None,
            frames: self.frames,
        }
    }
}

/// The beginning of a text, at most so many bytes, as whole characters.
pub(crate) fn start_of(text: &str, longest: usize) -> &str {
    &text[..text.floor_char_boundary(longest)]
}

/// The beginning of a text, at most so many bytes, without characters that print nothing.
pub(crate) fn bounded(text: &str, longest: usize) -> String {
    let prints = |letter: &char| !letter.is_control() || matches!(letter, '\n' | '\t');
    start_of(text, longest).chars().filter(prints).collect()
}

/// A message, bounded; `None` if nothing of it prints.
pub(crate) fn said(text: &str) -> Option<String> {
    let message = bounded(text.trim(), LONGEST_MESSAGE);
    (!message.trim().is_empty()).then_some(message)
}

/// A name, bounded; `None` if it is empty.
pub(crate) fn name(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| bounded(text, LONGEST_NAME)).filter(|name| !name.is_empty())
}
