//! The container that Unreal's CrashReportClient packs its files into, as it arrives.
//!
//! The parser holds at most one piece of input and one file's header, whatever the body's size. It does no I/O:
//! [`Parser::feed`] what came, then take events until there are none.
//!
//! All numbers are little-endian, of 32 bits; a text is its length and its bytes, padded with zeros. There are two
//! layouts:
//!
//! - `CR1`, a header that is right (directory name, file name, size of all, number of files), the files.
//! - A header of which only the size is right, the files, the header once more, with what is right. How many files there
//!   are is known only at the end, so where a file ends, the next bytes must tell what follows.
//!
//! A file is its index, its name, its length, and its bytes.

use bytes::{Buf as _, Bytes, BytesMut};

/// What the newer layout begins with.
pub const MAGIC: &[u8; 3] = b"CR1";
/// The longest name of a file or a directory, in bytes. CrashReportClient pads all names to 260 bytes.
const LONGEST_NAME: u32 = 4096;
/// The size of a header without its two texts.
const SIZES: usize = 8;

/// A body that is not a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// A name's length makes no sense.
    #[error("a name in it is longer than {LONGEST_NAME} bytes")]
    NameTooLong,
    /// A number of files or of bytes is below zero.
    #[error("it says that something has fewer than no files or bytes")]
    Negative,
    /// The header at the end tells another number of files than there were.
    #[error("it holds another number of files than it says")]
    WrongCount,
    /// Something follows the container's end.
    #[error("something follows its end")]
    Trailing,
    /// It ends too early.
    #[error("it ends before its own end")]
    Unfinished,
}

/// What comes next in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A file begins, of so many bytes.
    File {
        /// Its name, with whatever directories are before it.
        name: String,
        /// Its bytes.
        size: u64,
    },
    /// Bytes of the file.
    Data(Bytes),
    /// The file is whole.
    FileEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is known yet.
    Start,
    /// Between two files.
    Between,
    /// Inside a file of which so much is missing.
    Inside { left: u64 },
    /// Behind the last byte.
    End,
}

/// A parser of one container.
pub struct Parser {
    buffer: BytesMut,
    state: State,
    /// How many files there are, where the header at the beginning tells.
    count: Option<u32>,
    /// The length of the directory's name in the header at the beginning; the one at the end has the same.
    directory_length: u32,
    /// How many files were seen.
    seen: u32,
}

/// A header without its texts.
struct Header {
    directory_length: u32,
    count: i32,
    /// Bytes that it takes.
    length: usize,
}

impl Default for Parser {
    fn default() -> Self {
        Self { buffer: BytesMut::new(), state: State::Start, count: None, directory_length: 0, seen: 0 }
    }
}

impl Parser {
    /// Adds what came. All events before must have been taken.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event; `None` when more bytes are needed, or when the container has ended.
    ///
    /// # Errors
    /// When this is no container.
    pub fn next_event(&mut self) -> Result<Option<Event>, ContainerError> {
        loop {
            match self.state {
                State::Start => {
                    if !self.start()? {
                        return Ok(None);
                    }
                }
                State::Between if self.count.is_some_and(|count| self.seen >= count) => {
                    self.state = State::End;
                }
                State::Between => match self.follows()? {
                    None => return Ok(None),
                    Some(Follows::File) => return self.file(),
                    Some(Follows::Header) => {
                        if !self.last_header()? {
                            return Ok(None);
                        }
                    }
                },
                State::Inside { left: 0 } => {
                    self.state = State::Between;
                    return Ok(Some(Event::FileEnd));
                }
                State::Inside { left } => {
                    if self.buffer.is_empty() {
                        return Ok(None);
                    }
                    let length =
                        usize::try_from(left).map_or(self.buffer.len(), |left| left.min(self.buffer.len()));
                    self.state = State::Inside { left: left - length as u64 };
                    return Ok(Some(Event::Data(self.buffer.split_to(length).freeze())));
                }
                State::End if self.buffer.is_empty() => return Ok(None),
                State::End => {
                    self.buffer.clear();
                    return Err(ContainerError::Trailing);
                }
            }
        }
    }

    /// To be called at the end of the body.
    ///
    /// # Errors
    /// [`ContainerError::Unfinished`] when the container's own end has not come.
    pub fn finish(&self) -> Result<(), ContainerError> {
        if self.state == State::End { Ok(()) } else { Err(ContainerError::Unfinished) }
    }

    /// Reads the header at the beginning; `false` when more bytes are needed.
    fn start(&mut self) -> Result<bool, ContainerError> {
        if self.buffer.len() < MAGIC.len() {
            return Ok(false);
        }
        let magic = if self.buffer.starts_with(MAGIC) { MAGIC.len() } else { 0 };
        let Some(header) = header(&self.buffer[magic..])? else { return Ok(false) };
        if magic > 0 {
            self.count = Some(u32::try_from(header.count).map_err(|_| ContainerError::Negative)?);
        }
        self.directory_length = header.directory_length;
        self.buffer.advance(magic + header.length);
        self.state = State::Between;
        Ok(true)
    }

    /// What follows behind a file; `None` when more bytes are needed.
    fn follows(&self) -> Result<Option<Follows>, ContainerError> {
        if self.count.is_some() {
            return Ok(Some(Follows::File));
        }
        let (Some(first), Some(second)) =
            (number(&self.buffer), number(self.buffer.get(4..).unwrap_or_default()))
        else {
            return Ok(None);
        };
        // Of a file these are its index and the length of its name. Of the header they are the length of the directory's
        // name and the beginning of that name, which as a number is a huge length, or none.
        let may_be_file = (1..=LONGEST_NAME).contains(&second);
        let may_be_header = first == self.directory_length;
        Ok(Some(if may_be_file && (first == self.seen || !may_be_header) {
            Follows::File
        } else {
            Follows::Header
        }))
    }

    fn file(&mut self) -> Result<Option<Event>, ContainerError> {
        let Some((name, length)) = text(self.buffer.get(4..).unwrap_or_default())? else { return Ok(None) };
        let Some(size) = number(&self.buffer[4 + length..]) else { return Ok(None) };
        let size = i32::from_le_bytes(size.to_le_bytes());
        let size = u64::try_from(size).map_err(|_| ContainerError::Negative)?;
        let name = String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
        self.buffer.advance(4 + length + 4);
        self.seen += 1;
        self.state = State::Inside { left: size };
        Ok(Some(Event::File { name, size }))
    }

    /// Reads the header at the end; `false` when more bytes are needed.
    fn last_header(&mut self) -> Result<bool, ContainerError> {
        let Some(header) = header(&self.buffer)? else { return Ok(false) };
        if u32::try_from(header.count) != Ok(self.seen) {
            return Err(ContainerError::WrongCount);
        }
        self.buffer.advance(header.length);
        self.state = State::End;
        Ok(true)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follows {
    File,
    Header,
}

/// The header that stands here; `None` when more bytes are needed.
fn header(bytes: &[u8]) -> Result<Option<Header>, ContainerError> {
    let Some((_, directory)) = text(bytes)? else { return Ok(None) };
    let Some((_, file)) = text(&bytes[directory..])? else { return Ok(None) };
    let Some(count) = number(bytes.get(directory + file + 4..).unwrap_or_default()) else { return Ok(None) };
    let directory_length = number(bytes).unwrap_or_default();
    let count = i32::from_le_bytes(count.to_le_bytes());
    Ok(Some(Header { directory_length, count, length: directory + file + SIZES }))
}

/// The text that stands here, and how many bytes it takes; `None` when more bytes are needed.
fn text(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, ContainerError> {
    let Some(length) = number(bytes) else { return Ok(None) };
    if length > LONGEST_NAME {
        return Err(ContainerError::NameTooLong);
    }
    let end = 4 + length as usize;
    Ok(bytes.get(4..end).map(|text| (text, end)))
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests;
