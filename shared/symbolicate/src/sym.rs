//! Breakpad's text out of caches, for tools that ask a symbol server for `.sym` files.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use crate::{
    Lines, Subject, Unwind,
    lines::{
        FRAMES,
        table::{Place, Table},
    },
};

/// Writes what caches of one module know as a Breakpad file.
///
/// # Errors
/// Those of `out`.
pub fn write_sym(lines: Option<&Lines>, unwind: Option<&Unwind>, out: &mut impl Write) -> io::Result<()> {
    let subject = lines.map(Lines::subject).or(unwind.map(Unwind::subject));
    let Some(subject) = subject else { return Ok(()) };
    head(subject, out)?;
    if let Some(table) = lines.and_then(Lines::table) {
        Functions { table, origins: HashMap::new() }.write(out)?;
    }
    unwind.map_or(Ok(()), |unwind| unwind.write_text(out))
}

fn head(subject: &Subject, out: &mut impl Write) -> io::Result<()> {
    let Subject { os, arch, debug_id, name, code_id, .. } = subject;
    let os = if os.is_empty() { "unknown" } else { os };
    writeln!(out, "MODULE {os} {arch} {debug_id} {name}")?;
    match code_id {
        Some(code_id) => writeln!(out, "INFO CODE_ID {}", code_id.to_uppercase()),
        None => Ok(()),
    }
}

/// A range of instructions and its places, the outermost first.
struct Run {
    start: u32,
    /// Exclusive; `None` at the end of all.
    end: Option<u32>,
    places: Vec<Place>,
}

struct Functions<'a> {
    table: Table<'a>,
    /// Names of inlined functions, by their numbers in the file.
    origins: HashMap<&'a str, usize>,
}

impl<'a> Functions<'a> {
    fn write(mut self, out: &mut impl Write) -> io::Result<()> {
        for file in 0..self.table.file_count() {
            if let Some(path) = self.table.path(file) {
                writeln!(out, "FILE {file} {}", line(&path))?;
            }
        }
        for range in 0..self.table.count() {
            for place in self.places(range).iter().skip(1) {
                let name = self.name(place);
                let number = self.origins.len();
                if let std::collections::hash_map::Entry::Vacant(entry) = self.origins.entry(name) {
                    entry.insert(number);
                    writeln!(out, "INLINE_ORIGIN {number} {}", line(name))?;
                }
            }
        }
        let mut function: Vec<Run> = Vec::new();
        let mut reached = 0;
        for range in 0..self.table.count() {
            // Only a forged cache has ranges that do not ascend.
            let Some(start) = self.table.start(range).filter(|start| *start >= reached) else { continue };
            reached = start;
            let end = self.table.start(range + 1).filter(|end| *end >= start);
            let run = Run { start, end, places: self.places(range) };
            let same = |last: &Run| last.places.first().map(|place| place.function);
            if function.last().is_some_and(|last| same(last) != same(&run)) {
                self.function(&function, out)?;
                function.clear();
            }
            if !run.places.is_empty() {
                function.push(run);
            }
        }
        self.function(&function, out)
    }

    /// The places of a range, the outermost first.
    fn places(&self, range: usize) -> Vec<Place> {
        let mut places: Vec<_> = self.table.places(range).take(FRAMES).collect();
        places.reverse();
        places
    }

    fn name(&self, place: &Place) -> &'a str {
        self.table.function_name(place.function).filter(|name| !name.is_empty()).unwrap_or("<unknown>")
    }

    /// Writes the ranges of one function, or of one piece of it.
    fn function(&self, runs: &[Run], out: &mut impl Write) -> io::Result<()> {
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Ok(()) };
        let Some(outermost) = first.places.first() else { return Ok(()) };
        let name = line(self.name(outermost));
        // What has no end is a symbol.
        let Some(end) = last.end else { return writeln!(out, "PUBLIC {:x} 0 {name}", first.start) };
        writeln!(out, "FUNC {:x} {:x} 0 {name}", first.start, end - first.start)?;
        self.inlined(runs, out)?;
        let mut lines = runs.iter().filter_map(|run| {
            let place = run.places.last()?;
            self.table.path(place.file)?;
            Some((run.start, run.end?, place.line, place.file))
        });
        let mut open = lines.next();
        for (start, end, number, file) in lines {
            if let Some(open) = open.as_mut().filter(|open| (open.1, open.2, open.3) == (start, number, file))
            {
                open.1 = end;
                continue;
            }
            self.write_line(open.replace((start, end, number, file)), out)?;
        }
        self.write_line(open, out)
    }

    fn write_line(&self, line: Option<(u32, u32, u32, u32)>, out: &mut impl Write) -> io::Result<()> {
        match line {
            Some((start, end, number, file)) => writeln!(out, "{start:x} {:x} {number} {file}", end - start),
            None => Ok(()),
        }
    }

    /// Writes an `INLINE` for each function that was inlined, at each depth, over all of its neighbouring ranges.
    fn inlined(&self, runs: &[Run], out: &mut impl Write) -> io::Result<()> {
        let deepest = runs.iter().map(|run| run.places.len()).max().unwrap_or_default();
        for depth in 1..deepest {
            let mut start = 0;
            while let Some(first) = runs.get(start) {
                // The callers' lines are where the calls are; that of the callee itself may go on within it.
                let is_same = |run: &&Run| {
                    run.places.get(..depth) == first.places.get(..depth)
                        && run.places.get(depth).map(|place| place.function)
                            == first.places.get(depth).map(|place| place.function)
                };
                let count = runs.iter().skip(start).take_while(is_same).count().max(1);
                let last = runs.get(start + count - 1).unwrap_or(first);
                if let (Some(call), Some(place), Some(end)) =
                    (first.places.get(depth - 1), first.places.get(depth), last.end)
                {
                    let origin = self.origins.get(self.name(place)).copied().unwrap_or_default();
                    let size = end - first.start;
                    let Place { line, file, .. } = *call;
                    writeln!(out, "INLINE {} {line} {file} {origin} {:x} {size:x}", depth - 1, first.start)?;
                }
                start += count;
            }
        }
        Ok(())
    }
}

/// A name or a path on one line.
fn line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}
