//! A Sentry envelope, as it arrives.
//!
//! A line of JSON, the envelope's header; then items: a line of JSON, the item's header, and its payload, which has the
//! length that the header says, or ends with its line. The parser holds at most one piece of input and one line,
//! whatever the envelope's size. It does no I/O: [`Parser::feed`] what came, take events until there are none, and
//! [`Parser::close`] it at the end.

mod head;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

pub use self::head::{EnvelopeHead, ItemHead};

/// The longest header of an envelope or of an item, in bytes.
pub const LONGEST_HEAD: usize = 16 * 1024;

/// A body that is not an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// There is nothing.
    #[error("it is empty: expected a header, a line of JSON")]
    Empty,
    /// A header does not end where it must.
    #[error("a header is longer than {LONGEST_HEAD} bytes")]
    HeadTooLong,
    /// The first line is no header.
    #[error("its first line is not a header: expected a JSON object")]
    NoHead,
    /// An item's first line is no header.
    #[error(
        "the header of an item cannot be read: expected a JSON object with a type and, if any, a length in bytes"
    )]
    NoItemHead,
    /// A payload goes on behind its length.
    #[error("an item is longer than its length says: expected a line break behind it")]
    NoLineBreak,
    /// A payload is not as long as it says.
    #[error("it ends inside an item: the item is shorter than its length says")]
    Unfinished,
}

/// What comes next in an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The envelope's header, which comes first and once.
    Head(EnvelopeHead),
    /// An item begins.
    Item(ItemHead),
    /// Bytes of the item's payload.
    Data(Bytes),
    /// The item is whole.
    ItemEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    ItemHead,
    /// Bytes that are missing; `None` for a payload that ends with its line.
    Payload {
        left: Option<u64>,
    },
    /// Behind a payload whose length was known.
    LineBreak,
}

/// A parser of one envelope.
#[derive(Debug)]
pub struct Parser {
    buffer: BytesMut,
    state: State,
    closed: bool,
}

impl Default for Parser {
    fn default() -> Self {
        Self { buffer: BytesMut::new(), state: State::Head, closed: false }
    }
}

impl Parser {
    /// Adds what came. All events before must have been taken.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// There is no more to come. The last events follow.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whether there is no more to come.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The next event; `None` when more bytes are needed, or, of a parser that is closed, when the envelope was whole.
    ///
    /// # Errors
    /// When it is not an envelope.
    pub fn next_event(&mut self) -> Result<Option<Event>, EnvelopeError> {
        loop {
            match self.state {
                State::Head => {
                    let Some(line) = self.line()? else {
                        return if self.closed { Err(EnvelopeError::Empty) } else { Ok(None) };
                    };
                    let head = EnvelopeHead::parse(&line).ok_or(EnvelopeError::NoHead)?;
                    self.state = State::ItemHead;
                    return Ok(Some(Event::Head(head)));
                }
                State::ItemHead => {
                    self.pass_over_empty_lines();
                    let Some(line) = self.line()? else { return Ok(None) };
                    let head = ItemHead::parse(&line).ok_or(EnvelopeError::NoItemHead)?;
                    self.state = State::Payload { left: head.length };
                    return Ok(Some(Event::Item(head)));
                }
                State::Payload { left: Some(0) } => {
                    self.state = State::LineBreak;
                    return Ok(Some(Event::ItemEnd));
                }
                State::Payload { left: Some(left) } => {
                    if self.buffer.is_empty() {
                        return if self.closed { Err(EnvelopeError::Unfinished) } else { Ok(None) };
                    }
                    let here =
                        usize::try_from(left).map_or(self.buffer.len(), |left| left.min(self.buffer.len()));
                    self.state = State::Payload { left: Some(left - here as u64) };
                    return Ok(Some(Event::Data(self.buffer.split_to(here).freeze())));
                }
                State::Payload { left: None } => match memchr(b'\n', &self.buffer) {
                    Some(0) => {
                        self.buffer.advance(1);
                        self.state = State::ItemHead;
                        return Ok(Some(Event::ItemEnd));
                    }
                    Some(at) => return Ok(Some(Event::Data(self.buffer.split_to(at).freeze()))),
                    None if !self.buffer.is_empty() => {
                        return Ok(Some(Event::Data(self.buffer.split().freeze())));
                    }
                    None if self.closed => {
                        self.state = State::ItemHead;
                        return Ok(Some(Event::ItemEnd));
                    }
                    None => return Ok(None),
                },
                State::LineBreak => {
                    let length = match &self.buffer[..] {
                        [b'\n', ..] => 1,
                        [b'\r', b'\n', ..] => 2,
                        [] | [b'\r'] if !self.closed => return Ok(None),
                        [] => 0,
                        _ => return Err(EnvelopeError::NoLineBreak),
                    };
                    self.buffer.advance(length);
                    self.state = State::ItemHead;
                }
            }
        }
    }

    /// A line without its end; `None` if its end is not here yet. The last one may have none.
    fn line(&mut self) -> Result<Option<BytesMut>, EnvelopeError> {
        let (end, gap) = match memchr(b'\n', &self.buffer) {
            Some(end) => (end, 1),
            None if self.closed && !self.buffer.is_empty() => (self.buffer.len(), 0),
            None if self.buffer.len() > LONGEST_HEAD => return Err(EnvelopeError::HeadTooLong),
            None => return Ok(None),
        };
        if end > LONGEST_HEAD {
            return Err(EnvelopeError::HeadTooLong);
        }
        let line = self.buffer.split_to(end);
        self.buffer.advance(gap);
        Ok(Some(line))
    }

    fn pass_over_empty_lines(&mut self) {
        let empty = self.buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.buffer.advance(empty);
    }
}

#[cfg(test)]
mod tests;
