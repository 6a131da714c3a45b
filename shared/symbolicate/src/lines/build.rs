//! From the functions of a debug file to a cache of lines.

use std::{cell::Cell, io, rc::Rc};

use symbolic_debuginfo::{
    FileInfo, Function, LineInfo, Object, Symbol,
    breakpad::BreakpadObject,
    pe::{ExceptionData, PeObject},
};
use symbolic_symcache::SymCacheConverter;

use super::names::Names;
use crate::{Limits, Quality, SymbolError, Worth, identify::chain, limits::Count};

/// Units or records of a debug file that may be unreadable before no more of it is read.
const FAULTS: usize = 20;

/// Collects functions.
pub(crate) struct LinesBuilder {
    converter: SymCacheConverter<'static>,
    functions: Count,
    ranges: Count,
    /// Functions with lines, functions without, and symbols that are not known as functions.
    with_lines: u64,
    without_lines: u64,
    named: u64,
    /// Where functions begin and end. When all are known: sorted, and without overlaps.
    extents: Vec<(u64, u64)>,
    limits: Limits,
    name_bytes: Rc<Cell<u64>>,
    /// What could not be read.
    pub(crate) faults: Vec<String>,
}

impl LinesBuilder {
    pub(crate) fn new(limits: Limits, names: Names) -> Self {
        let name_bytes = names.bytes();
        let mut converter = SymCacheConverter::new();
        converter.add_transformer(names);
        Self {
            converter,
            functions: Count::new("functions", limits.functions),
            ranges: Count::new("ranges of instructions with a line", limits.ranges),
            with_lines: 0,
            without_lines: 0,
            named: 0,
            extents: Vec::new(),
            limits,
            name_bytes,
            faults: Vec::new(),
        }
    }

    /// Everything that a debug file says about functions.
    pub(crate) fn of(object: &Object<'_>, limits: Limits) -> Result<Self, SymbolError> {
        let mut names = Names::new(matches!(object, Object::Pdb(_) | Object::Pe(_)));
        if let Object::Breakpad(breakpad) = object {
            for path in breakpad.file_map().values() {
                let info = FileInfo::from_path(path.as_bytes());
                names.keep_path(&info.dir_str(), &info.name_str(), path);
            }
        }
        let mut builder = Self::new(limits, names);
        builder.converter.set_arch(object.arch());
        builder.converter.set_debug_id(object.debug_id());
        let session = object.debug_session().map_err(|error| SymbolError::Malformed {
            format: crate::identify::format_of(object).name(),
            what: chain(&error),
        })?;
        for function in session.functions() {
            match function {
                Ok(mut function) => {
                    if matches!(object, Object::Breakpad(_)) {
                        say_where_nothing_is_known(&mut function);
                    }
                    builder.function(function)?;
                }
                Err(error) => {
                    builder.faults.push(chain(&error));
                    if builder.faults.len() >= FAULTS {
                        break;
                    }
                }
            }
        }
        builder.merge_extents();
        match object {
            Object::Breakpad(breakpad) => builder.publics(breakpad)?,
            Object::Pe(pe) => builder.exports(pe)?,
            _ => builder.symbols(object)?,
        }
        Ok(builder)
    }

    fn function(&mut self, mut function: Function<'_>) -> Result<(), SymbolError> {
        self.functions.add(1)?;
        if self.measure(&mut function)? {
            self.with_lines += 1;
        } else {
            self.without_lines += 1;
        }
        self.extents.push((function.address, function.end_address()));
        self.converter.process_symbolic_function(&function);
        self.check_names()
    }

    /// Counts the ranges of a function and of all that is inlined there, and cuts off what is inlined too deep. Tells
    /// whether there are lines. Not recursive: depth is what a hostile file has.
    fn measure(&mut self, function: &mut Function<'_>) -> Result<bool, SymbolError> {
        let mut has_lines = false;
        let mut level: Vec<&mut Function<'_>> = vec![function];
        for depth in 0..=self.limits.inline_depth {
            let mut next = Vec::new();
            for function in level {
                has_lines |= function.lines.iter().any(|line| line.line > 0);
                self.ranges.add(function.lines.len())?;
                if depth == self.limits.inline_depth {
                    function.inlinees.clear();
                }
                next.extend(function.inlinees.iter_mut());
            }
            if next.is_empty() {
                break;
            }
            level = next;
        }
        Ok(has_lines)
    }

    fn merge_extents(&mut self) {
        self.extents.sort_unstable();
        self.extents.dedup_by(|next, last| {
            let overlaps = next.0 < last.1;
            if overlaps {
                last.1 = last.1.max(next.1);
            }
            overlaps
        });
    }

    /// Whether an address lies in a function, and not at its beginning.
    fn is_inside(&self, address: u64) -> bool {
        let after = self.extents.partition_point(|extent| extent.0 < address);
        let before = after.checked_sub(1).and_then(|index| self.extents.get(index));
        before.is_some_and(|(_, end)| address < *end)
    }

    /// A symbol that names no part of a function.
    fn symbol(&mut self, symbol: &Symbol<'_>) -> Result<(), SymbolError> {
        self.functions.add(1)?;
        if self.is_inside(symbol.address) {
            return Ok(());
        }
        if self.is_inside(symbol.address.saturating_add(symbol.size)) {
            // It ends where that function begins.
            return self.symbol(&Symbol { size: 0, ..symbol.clone() });
        }
        self.ranges.add(1)?;
        self.named += 1;
        self.converter.process_symbolic_symbol(symbol);
        self.check_names()
    }

    fn check_names(&self) -> Result<(), SymbolError> {
        if self.name_bytes.get() > self.limits.name_bytes {
            return Err(SymbolError::TooMuch { what: "bytes of names", limit: self.limits.name_bytes });
        }
        Ok(())
    }

    /// A `PUBLIC` has no size: it goes on until something else begins, which the cache understands.
    fn publics(&mut self, breakpad: &BreakpadObject<'_>) -> Result<(), SymbolError> {
        breakpad.symbols().try_for_each(|symbol| self.symbol(&symbol))
    }

    fn symbols(&mut self, object: &Object<'_>) -> Result<(), SymbolError> {
        object.symbols().try_for_each(|symbol| self.symbol(&symbol))
    }

    /// What a Windows library exports is a part of its functions, and nothing says where each ends but the table of
    /// functions. Without one, all code would seem to be in the export before it.
    fn exports(&mut self, pe: &PeObject<'_>) -> Result<(), SymbolError> {
        let mut starts: Vec<u64> = Vec::new();
        for function in pe.exception_data().into_iter().flat_map(ExceptionData::functions).flatten() {
            self.functions.add(1)?;
            starts.push(u64::from(function.begin_address));
        }
        starts.sort_unstable();
        let mut exports = pe.symbols().collect::<Vec<_>>();
        exports.sort_unstable_by_key(|symbol| symbol.address);
        for symbol in exports {
            let next = starts.partition_point(|start| *start <= symbol.address);
            let known = next.checked_sub(1).and_then(|index| starts.get(index)) == Some(&symbol.address);
            if let Some(end) = starts.get(next).filter(|_| known) {
                self.symbol(&Symbol { size: end - symbol.address, ..symbol })?;
            }
        }
        Ok(())
    }

    /// How good the cache will be; `None` if there is nothing in it.
    pub(crate) fn quality(&self) -> Option<Quality> {
        let worth = match (self.with_lines, self.without_lines, self.named) {
            (1.., _, _) => Worth::Full,
            (0, 1.., _) => Worth::Functions,
            (0, 0, 1..) => Worth::Names,
            (0, 0, 0) => return None,
        };
        Some(Quality { worth, ranges: u32::try_from(self.ranges.get()).unwrap_or(u32::MAX) })
    }

    /// Writes the cache.
    pub(crate) fn write(self, out: &mut impl io::Write) -> io::Result<()> {
        self.converter.serialize(out)
    }
}

/// The cache knows where something begins and takes it that it goes on until something else does. A Breakpad file also
/// says where it ends.
fn say_where_nothing_is_known(function: &mut Function<'_>) {
    let end_of_function = function.end_address();
    let mut with_gaps = Vec::with_capacity(function.lines.len());
    let mut lines = std::mem::take(&mut function.lines).into_iter().peekable();
    while let Some(line) = lines.next() {
        let end = line.address.saturating_add(line.size.unwrap_or(u64::MAX));
        let next = lines.peek().map_or(end_of_function, |next| next.address);
        with_gaps.push(line);
        if end < next {
            let size = Some(next - end);
            with_gaps.push(LineInfo { address: end, size, file: FileInfo::default(), line: 0 });
        }
    }
    function.lines = with_gaps;
}
