//! `multipart/form-data` (RFC 7578), as it arrives.
//!
//! The parser holds at most one piece of input and one part's header, whatever the body's size: the multipart crates
//! that we know read ahead as far as the stream gives, which an inflated body makes arbitrarily far. It does no I/O:
//! [`Parser::feed`] what came, then take events until there are none.

mod head;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::Finder;

pub use self::head::{PartHead, boundary_of};

const LINE_BREAK: &[u8; 2] = b"\r\n";
/// The longest header of a part, in bytes.
const LONGEST_HEAD: usize = 8 * 1024;

/// A body that is not multipart as it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// The `Content-Type` names no boundary, or one that cannot be.
    #[error("the content type names no usable boundary")]
    NoBoundary,
    /// A part's header does not end where it must.
    #[error("the header of a part is longer than {LONGEST_HEAD} bytes")]
    HeadTooLong,
    /// A part's header does not say which field it is.
    #[error("a part has no content disposition with a name")]
    NoName,
    /// The body ends before its last boundary.
    #[error("the body ends before its last boundary")]
    Unfinished,
}

/// What comes next in a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A part begins.
    Part(PartHead),
    /// Bytes of the part.
    Data(Bytes),
    /// The part is whole.
    PartEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Preamble,
    /// At what may be a boundary: behind it comes another part, or the end.
    Boundary {
        of: Before,
    },
    Head,
    /// Before the first byte of a part, at the line break that ends its header.
    DataBegin,
    Data,
    Epilogue,
}

/// What stands before what may be a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// No part.
    Preamble,
    /// A part's header: the line break that ends it begins the boundary too, and the part is empty.
    Head,
    /// A part's data.
    Data,
}

/// A parser of one body.
pub struct Parser {
    /// A line break, two hyphens, the boundary.
    delimiter: Finder<'static>,
    buffer: BytesMut,
    state: State,
}

impl Parser {
    /// A parser for a body with a boundary.
    ///
    /// # Errors
    /// [`MultipartError::NoBoundary`] when the boundary is empty or longer than RFC 2046 allows.
    pub fn new(boundary: &str) -> Result<Self, MultipartError> {
        if boundary.is_empty() || boundary.len() > 70 {
            return Err(MultipartError::NoBoundary);
        }
        let delimiter = Finder::new(format!("\r\n--{boundary}").as_bytes()).into_owned();
        // The first boundary may stand at the very beginning; with a line break before it, it is like the others.
        let buffer = BytesMut::from(&LINE_BREAK[..]);
        Ok(Self { delimiter, buffer, state: State::Preamble })
    }

    /// Adds what came. All events before must have been taken.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event; `None` when more bytes are needed, or when the body has ended.
    ///
    /// # Errors
    /// When the body is not multipart as it claims.
    pub fn next_event(&mut self) -> Result<Option<Event>, MultipartError> {
        loop {
            match self.state {
                State::Preamble => {
                    let Some(at) = self.delimiter.find(&self.buffer) else {
                        let kept = self.delimiter.needle().len() - 1;
                        self.buffer.advance(self.buffer.len().saturating_sub(kept));
                        return Ok(None);
                    };
                    self.buffer.advance(at);
                    self.state = State::Boundary { of: Before::Preamble };
                }
                State::Boundary { of } => match self.after_boundary() {
                    After::NeedsMore => return Ok(None),
                    After::Part { length } => {
                        self.buffer.advance(length);
                        self.state = State::Head;
                        if of != Before::Preamble {
                            return Ok(Some(Event::PartEnd));
                        }
                    }
                    After::End => {
                        self.buffer.clear();
                        self.state = State::Epilogue;
                        if of != Before::Preamble {
                            return Ok(Some(Event::PartEnd));
                        }
                    }
                    // The boundary is the beginning of a longer word, which is data.
                    After::NoBoundary => {
                        let delimiter = self.delimiter.needle().len();
                        if of == Before::Preamble {
                            self.buffer.advance(delimiter);
                            self.state = State::Preamble;
                            continue;
                        }
                        self.state = State::Data;
                        let mut data = self.buffer.split_to(delimiter).freeze();
                        if of == Before::Head {
                            data.advance(LINE_BREAK.len());
                        }
                        return Ok(Some(Event::Data(data)));
                    }
                },
                State::Head => return self.head(),
                State::DataBegin => {
                    let delimiter = self.delimiter.needle();
                    if self.buffer.starts_with(delimiter) {
                        self.state = State::Boundary { of: Before::Head };
                    } else if delimiter.starts_with(&self.buffer) {
                        return Ok(None);
                    } else {
                        self.buffer.advance(LINE_BREAK.len());
                        self.state = State::Data;
                    }
                }
                State::Data => {
                    if let Some(data) = self.data() {
                        return Ok(Some(Event::Data(data)));
                    }
                    if self.state == State::Data {
                        return Ok(None);
                    }
                }
                State::Epilogue => {
                    self.buffer.clear();
                    return Ok(None);
                }
            }
        }
    }

    /// To be called at the end of the body.
    ///
    /// # Errors
    /// [`MultipartError::Unfinished`] when its last boundary has not come.
    pub fn finish(&self) -> Result<(), MultipartError> {
        if self.state == State::Epilogue { Ok(()) } else { Err(MultipartError::Unfinished) }
    }

    /// What stands behind the delimiter with which the buffer begins.
    fn after_boundary(&self) -> After {
        let delimiter = self.delimiter.needle().len();
        let rest = &self.buffer[delimiter..];
        let padding = rest.iter().take_while(|&&byte| matches!(byte, b' ' | b'\t')).count();
        match &rest[padding..] {
            [b'-', b'-', ..] if padding == 0 => After::End,
            [b'\r', b'\n', ..] => After::Part { length: delimiter + padding + 2 },
            [] | [b'\r'] => After::NeedsMore,
            [b'-'] if padding == 0 => After::NeedsMore,
            _ => After::NoBoundary,
        }
        .unless_padded_too_far(padding)
    }

    fn head(&mut self) -> Result<Option<Event>, MultipartError> {
        // A part may have no header at all; then the empty line follows at once.
        let (end, gap) = match self.buffer.get(..2) {
            Some(b"\r\n") => (0, 2),
            _ => match memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                Some(end) => (end, 4),
                None if self.buffer.len() >= LONGEST_HEAD + 4 => return Err(MultipartError::HeadTooLong),
                None => return Ok(None),
            },
        };
        if end > LONGEST_HEAD {
            return Err(MultipartError::HeadTooLong);
        }
        let head = PartHead::parse(&self.buffer[..end]).ok_or(MultipartError::NoName)?;
        self.buffer.advance(end + gap - LINE_BREAK.len());
        self.state = State::DataBegin;
        Ok(Some(Event::Part(head)))
    }

    fn data(&mut self) -> Option<Bytes> {
        match self.delimiter.find(&self.buffer) {
            Some(0) => {
                self.state = State::Boundary { of: Before::Data };
                None
            }
            Some(at) => Some(self.buffer.split_to(at).freeze()),
            None => {
                // The end may be the beginning of a delimiter.
                let kept = self.delimiter.needle().len() - 1;
                let certain = self.buffer.len().saturating_sub(kept);
                (certain > 0).then(|| self.buffer.split_to(certain).freeze())
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum After {
    NeedsMore,
    Part { length: usize },
    End,
    NoBoundary,
}

impl After {
    /// RFC 2046 lets white space stand behind a boundary; nobody writes much of it.
    fn unless_padded_too_far(self, padding: usize) -> Self {
        if padding > 64 { Self::NoBoundary } else { self }
    }
}

#[cfg(test)]
mod tests;
