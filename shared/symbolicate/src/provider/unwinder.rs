//! What the unwinder of minidumps asks.

use std::path::PathBuf;

use async_trait::async_trait;
use minidump::Module;
use minidump_unwind::{
    FileError, FileKind, FillSymbolError, FrameSymbolizer, FrameWalker, SymbolFile, SymbolProvider,
};

use super::{Provider, Symbols};

impl Provider {
    fn of_module(&self, module: &(dyn Module + Sync)) -> Option<&Symbols> {
        self.get(module.debug_identifier()?)
    }
}

#[async_trait]
impl SymbolProvider for Provider {
    /// An error means that there are no symbols of the module: then what looks like a return address into it is taken for
    /// one. A module whose stacks can be unwound, but whose functions have no names, is such a one.
    async fn fill_symbol(
        &self,
        module: &(dyn Module + Sync),
        frame: &mut (dyn FrameSymbolizer + Send),
    ) -> Result<(), FillSymbolError> {
        let symbols = self.of_module(module).filter(|symbols| symbols.lines.is_some());
        let symbols = symbols.ok_or(FillSymbolError {})?;
        let base = module.base_address();
        let Some(offset) = frame.get_instruction().checked_sub(base) else { return Ok(()) };
        let locations = symbols.lookup(offset);
        let Some((outermost, inlined)) = locations.split_last() else { return Ok(()) };
        let parameters = symbols.unwind.as_ref();
        let parameters =
            parameters.map_or(0, |unwind| unwind.parameter_size(offset, outermost.function_start));
        let start = base.saturating_add(outermost.function_start);
        frame.set_function(outermost.function, start, parameters);
        if let Some(file) = &outermost.file {
            let start = base.saturating_add(outermost.line_start);
            frame.set_source_file(file, outermost.line.unwrap_or_default(), start);
        }
        for location in inlined.iter().rev() {
            frame.add_inline_frame(location.function, location.file.as_deref(), location.line);
        }
        Ok(())
    }

    /// Hands the few lines that hold at the instruction to the library that evaluates whole files of them.
    async fn walk_frame(
        &self,
        module: &(dyn Module + Sync),
        walker: &mut (dyn FrameWalker + Send),
    ) -> Option<()> {
        let unwind = self.of_module(module)?.unwind.as_ref()?;
        let offset = walker.get_instruction().checked_sub(module.base_address())?;
        let text = unwind.text_at(offset);
        if text.is_empty() {
            return None;
        }
        SymbolFile::from_bytes(text.as_bytes()).ok()?.walk_frame(module, walker)
    }

    async fn get_file_path(
        &self,
        _module: &(dyn Module + Sync),
        _file_kind: FileKind,
    ) -> Result<PathBuf, FileError> {
        Err(FileError::NotFound)
    }
}
