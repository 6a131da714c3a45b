//! A log, scrubbed as it streams by.

use std::io::{self, Write};

use crate::{ScrubRules, scrub_text};

/// The most bytes that are held of a line. What is longer is scrubbed in pieces.
const LONGEST_LINE: usize = 1 << 20;

/// Scrubs a text line by line and writes it on. It holds one line, at most 1 MiB. Bytes that are not UTF-8 become
/// replacement characters.
#[derive(Debug)]
pub struct LineScrubber<W> {
    rules: ScrubRules,
    line: Vec<u8>,
    changed: bool,
    out: W,
}

impl<W: Write> LineScrubber<W> {
    /// A scrubber that writes to `out`.
    pub fn new(rules: ScrubRules, out: W) -> Self {
        Self { rules, line: Vec::new(), changed: false, out }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = bytes.len().min(LONGEST_LINE.saturating_sub(self.line.len()).max(1));
            let (now, later) = bytes.split_at(room);
            let (line, rest) = match now.iter().position(|&next| next == b'\n') {
                Some(end) => bytes.split_at(end + 1),
                None => (now, later),
            };
            self.line.extend_from_slice(line);
            bytes = rest;
            if line.ends_with(b"\n") {
                self.write(self.line.len())?;
            } else if self.line.len() >= LONGEST_LINE {
                self.write(self.cut())?;
            }
        }
        Ok(())
    }

    /// Writes what remains, and gives `out` back, and whether anything was written in another way than it came.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self) -> io::Result<(W, bool)> {
        self.write(self.line.len())?;
        Ok((self.out, self.changed))
    }

    /// Where a long line may be cut: behind a separator that no value waits for.
    fn cut(&self) -> usize {
        let half = self.line.len() / 2;
        let is_end = |pair: &[u8]| matches!(pair, [before, b',' | b' ' | b';' | b'}' | b'>'] if !b":=,; ".contains(before));
        let end = self.line.get(half..).and_then(|late| late.windows(2).rposition(is_end));
        end.map_or(self.line.len(), |end| half + end + 2)
    }

    fn write(&mut self, end: usize) -> io::Result<()> {
        let line = self.line.get(..end).unwrap_or_default();
        let text = String::from_utf8_lossy(line);
        let scrubbed = scrub_text(&text, &self.rules);
        self.changed |= scrubbed.as_bytes() != line;
        self.out.write_all(scrubbed.as_bytes())?;
        self.line.drain(..end);
        Ok(())
    }
}
