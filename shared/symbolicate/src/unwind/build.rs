//! From Breakpad's text to a cache of unwind information.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use super::{HEADER, LINES, MAGIC, OF_SYMBOL};
use crate::{Limits, Quality, SymbolError, Worth, limits::Count};

/// The longest line that is read. The library that evaluates them takes about as much.
const LINE: usize = 128 << 10;

/// Collects records from lines of text, which may come in pieces.
pub(crate) struct UnwindBuilder {
    cfi: Vec<Record>,
    frame_data: Vec<Record>,
    fpo: Vec<Record>,
    /// Bytes of parameters, by where a function begins.
    parameters: Vec<(u32, u32)>,
    texts: Interner,
    bodies: Vec<u8>,
    known_bodies: HashMap<Box<[u8]>, u32>,
    /// The record of `STACK CFI INIT` that further lines belong to.
    open: Option<Open>,
    records: Count,
    rule_bytes: Count,
    limits: Limits,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// Why no more is taken.
    failed: Option<SymbolError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    start: u32,
    /// Inclusive.
    end: u32,
    body: u32,
}

struct Open {
    start: u32,
    end: u32,
    rules: u32,
    /// Bytes from the start, and rules.
    more: Vec<(u32, u32)>,
}

impl UnwindBuilder {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            cfi: Vec::new(),
            frame_data: Vec::new(),
            fpo: Vec::new(),
            parameters: Vec::new(),
            texts: Interner::default(),
            bodies: Vec::new(),
            known_bodies: HashMap::new(),
            open: None,
            records: Count::new("records of unwind information", limits.unwind_records),
            rule_bytes: Count::new("bytes of unwind information", limits.rule_bytes.min(u64::from(u32::MAX))),
            limits,
            line: Vec::new(),
            failed: None,
        }
    }

    /// Takes a line of a Breakpad file, whatever it is. Lines that say nothing of unwinding end a record.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<(), SymbolError> {
        let Ok(line) = std::str::from_utf8(line) else { return self.close() };
        let line = line.trim_end_matches('\r');
        if let Some(rest) = line.strip_prefix("STACK CFI INIT") {
            self.close()?;
            self.init(rest)
        } else if let Some(rest) = line.strip_prefix("STACK CFI") {
            self.more(rest)
        } else {
            self.close()?;
            match line.strip_prefix("STACK WIN") {
                Some(rest) => self.win(rest),
                None => Ok(()),
            }
        }
    }

    /// Remembers the bytes of parameters of a function or symbol: 32-bit Windows needs them to unwind.
    pub(crate) fn parameter(&mut self, start: u64, size: u32, is_symbol: bool) -> Result<(), SymbolError> {
        let Ok(start) = u32::try_from(start) else { return Ok(()) };
        self.records.add(1)?;
        self.parameters.push((start, size & !OF_SYMBOL | if is_symbol { OF_SYMBOL } else { 0 }));
        Ok(())
    }

    /// `804c4b0 40 .cfa: $esp 4 + ...`
    fn init(&mut self, mut rest: &str) -> Result<(), SymbolError> {
        let (start, size) = (hexadecimal(&mut rest), hexadecimal(&mut rest));
        let Some((start, end)) = range(start, size) else { return Ok(()) };
        self.records.add(1)?;
        let rules = self.text(rest)?;
        self.open = Some(Open { start, end, rules, more: Vec::new() });
        Ok(())
    }

    /// `804c4b1 .cfa: $esp 8 + ...`
    fn more(&mut self, mut rest: &str) -> Result<(), SymbolError> {
        let (Some(address), Some(open)) = (hexadecimal(&mut rest), &self.open) else { return Ok(()) };
        // What begins before its record is wrong.
        let Some(offset) = address.checked_sub(u64::from(open.start)) else { return Ok(()) };
        let Ok(offset) = u32::try_from(offset) else { return Ok(()) };
        self.records.add(1)?;
        let rules = self.text(rest)?;
        if let Some(open) = self.open.as_mut().filter(|open| open.more.len() < LINES as usize) {
            open.more.push((offset, rules));
        }
        Ok(())
    }

    /// `4 2170 14 1 0 0 0 0 0 1 $eip 4 + ^ = ...`: type, address, size, six sizes, whether there is a program, and it.
    fn win(&mut self, mut rest: &str) -> Result<(), SymbolError> {
        let Some(kind) = field(&mut rest) else { return Ok(()) };
        let (start, size) = (hexadecimal(&mut rest), hexadecimal(&mut rest));
        let Some((start, end)) = range(start, size) else { return Ok(()) };
        let has_program = rest.split_ascii_whitespace().nth(6) == Some("1");
        let table = match (kind, has_program) {
            ("4", true) => &mut self.frame_data,
            ("0", false) => &mut self.fpo,
            // Another type; or type and program contradict each other, and nobody knows which is right.
            _ => return Ok(()),
        };
        // Records that begin inside the one before: often each has the length of the whole function, and the next one
        // says where it really ends. What begins before it, and is not the same, is wrong.
        if let Some(last) = table.last_mut().filter(|last| start <= last.end && end >= last.start) {
            if start > last.start {
                last.end = start - 1;
            } else if (last.start, last.end) != (start, end) {
                return Ok(());
            }
        }
        self.records.add(1)?;
        let body = self.text(rest)?;
        let record = Record { start, end, body };
        if kind == "4" {
            self.frame_data.push(record);
        } else {
            self.fpo.push(record);
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<u32, SymbolError> {
        let (number, is_new) = self.texts.number(text);
        if is_new {
            self.rule_bytes.add(text.len() + 16)?;
        }
        Ok(number)
    }

    /// Ends the record of `STACK CFI INIT` that is open. Functions with the same prologue share a body.
    fn close(&mut self) -> Result<(), SymbolError> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        open.more.sort_by_key(|(offset, rules)| (*offset, self.texts.get(*rules)));
        let mut body = Vec::with_capacity(4 + 3 * open.more.len());
        push_leb128(&mut body, open.rules);
        push_leb128(&mut body, u32::try_from(open.more.len()).unwrap_or(LINES));
        for (offset, rules) in open.more {
            push_leb128(&mut body, offset);
            push_leb128(&mut body, rules);
        }
        let at = match self.known_bodies.get(body.as_slice()) {
            Some(at) => *at,
            None => {
                self.rule_bytes.add(2 * body.len() + 32)?;
                let at = u32::try_from(self.bodies.len());
                let at = at.map_err(|_| SymbolError::TooMuch {
                    what: "bytes of unwind information",
                    limit: self.limits.rule_bytes,
                })?;
                self.bodies.extend_from_slice(&body);
                self.known_bodies.insert(body.into(), at);
                at
            }
        };
        self.cfi.push(Record { start: open.start, end: open.end, body: at });
        Ok(())
    }

    /// All is there: sorts, and takes out what overlaps. `Ok(None)` if there is nothing.
    pub(crate) fn finish(mut self) -> Result<Option<(Quality, Finished)>, SymbolError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let line = std::mem::take(&mut self.line);
        self.line(&line)?;
        self.close()?;
        for table in [&mut self.cfi, &mut self.frame_data, &mut self.fpo] {
            without_overlaps(table);
        }
        self.parameters.sort_unstable();
        // Of several at one place, a function before a symbol.
        self.parameters.dedup_by_key(|(start, _)| *start);
        let count = self.cfi.len() + self.frame_data.len() + self.fpo.len();
        // Sizes of parameters alone are worth little, yet the callers of these functions need them.
        let sizes = self.parameters.iter().filter(|(_, size)| size & !OF_SYMBOL > 0).count();
        let (worth, ranges) = match (count, sizes) {
            (0, 0) => return Ok(None),
            (0, sizes) => (Worth::Names, sizes),
            (count, _) => (Worth::Full, count),
        };
        let quality = Quality { worth, ranges: u32::try_from(ranges).unwrap_or(u32::MAX) };
        Ok(Some((quality, Finished(self))))
    }
}

/// The writers of unwind information write text.
impl Write for UnwindBuilder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() <= LINE {
                self.line.extend_from_slice(piece);
            }
            if piece.ends_with(b"\n") {
                let mut line = std::mem::take(&mut self.line);
                let result = self.line(line.strip_suffix(b"\n").unwrap_or(&line));
                line.clear();
                self.line = line;
                if let Err(error) = result {
                    self.failed = Some(error);
                    return Err(io::Error::other("a limit is reached"));
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Records that can be written.
pub(crate) struct Finished(UnwindBuilder);

impl Finished {
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self(built) = self;
        let tables = [&built.cfi, &built.frame_data, &built.fpo];
        let count = |length: usize| u32::try_from(length).map_err(io::Error::other);
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(MAGIC);
        let counts = [
            built.cfi.len(),
            built.frame_data.len(),
            built.fpo.len(),
            built.parameters.len(),
            built.texts.ends.len(),
            built.bodies.len(),
        ];
        for length in counts {
            header.extend_from_slice(&count(length)?.to_le_bytes());
        }
        out.write_all(&header)?;
        for record in tables.into_iter().flatten() {
            let size = (record.end - record.start).saturating_add(1);
            for number in [record.start, size, record.body] {
                out.write_all(&number.to_le_bytes())?;
            }
        }
        for (start, size) in &built.parameters {
            out.write_all(&start.to_le_bytes())?;
            out.write_all(&size.to_le_bytes())?;
        }
        for end in &built.texts.ends {
            out.write_all(&end.to_le_bytes())?;
        }
        out.write_all(&built.bodies)?;
        out.write_all(built.texts.bytes.as_bytes())
    }
}

/// Texts, each once.
#[derive(Default)]
struct Interner {
    numbers: HashMap<Box<str>, u32>,
    bytes: String,
    ends: Vec<u32>,
}

impl Interner {
    fn get(&self, number: u32) -> &str {
        let end = |index: usize| self.ends.get(index).map_or(0, |end| *end as usize);
        let number = number as usize;
        self.bytes.get(number.checked_sub(1).map_or(0, end)..end(number)).unwrap_or_default()
    }

    /// The number of a text, and whether it is a new one.
    fn number(&mut self, text: &str) -> (u32, bool) {
        if let Some(number) = self.numbers.get(text) {
            return (*number, false);
        }
        // Limits keep both far below.
        let number = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        self.bytes.push_str(text);
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        self.numbers.insert(text.into(), number);
        (number, true)
    }
}

/// Sorts, and of records that overlap keeps the one that begins first. Two with the same range: the one that came first.
fn without_overlaps(records: &mut Vec<Record>) {
    records.sort_by_key(|record| (record.start, record.end));
    let mut end = None;
    records.retain(|record| {
        let is_free = end.is_none_or(|end| record.start > end);
        if is_free {
            end = Some(record.end);
        }
        is_free
    });
}

/// First and last address of a range; `None` if it is empty, or begins beyond what modules have.
fn range(start: Option<u64>, size: Option<u64>) -> Option<(u32, u32)> {
    let (start, size) = (u32::try_from(start?).ok()?, u32::try_from(size?).ok()?);
    Some((start, start.saturating_add(size.checked_sub(1)?)))
}

/// Takes what lies before the next blanks, and these.
fn field<'a>(rest: &mut &'a str) -> Option<&'a str> {
    const BLANK: [char; 2] = [' ', '\t'];
    let (field, after) = rest.trim_start_matches(BLANK).split_once(BLANK)?;
    *rest = after.trim_start_matches(BLANK);
    Some(field)
}

fn hexadecimal(rest: &mut &str) -> Option<u64> {
    u64::from_str_radix(field(rest)?, 16).ok()
}

fn push_leb128(out: &mut Vec<u8>, mut number: u32) {
    loop {
        let [byte, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            out.push(byte & 0x7f);
            return;
        }
        out.push(byte | 0x80);
    }
}
