//! The symbols of one module, and those of all modules of a crash.

#[cfg(feature = "unwind")]
mod unwinder;

use std::{borrow::Cow, collections::HashMap, fs, path::Path};

use symbolic_common::DebugId;

use crate::{CacheKind, Lines, Location, Managed, SymbolError, Unwind};

/// The caches of one module, as far as there are any. Cheap to clone.
#[derive(Clone, Default)]
pub struct Symbols {
    /// Functions, files and lines.
    pub lines: Option<Lines>,
    /// How to unwind.
    pub unwind: Option<Unwind>,
    /// The C# lines behind C++ ones.
    pub managed: Option<Managed>,
}

impl Symbols {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.lines.is_none() && self.unwind.is_none() && self.managed.is_none()
    }

    /// Where an instruction lies, counted from the module's base: the innermost inlined function first. Empty if nothing
    /// is known.
    pub fn lookup(&self, offset: u64) -> Vec<Location<'_>> {
        let mut found = self.lines.as_ref().map(|lines| lines.lookup(offset)).unwrap_or_default();
        if let Some(managed) = &self.managed {
            for location in &mut found {
                let (Some(file), Some(line)) = (&location.file, location.line) else { continue };
                if let Some((file, line)) = managed.lookup(file, line) {
                    location.file = Some(Cow::Borrowed(file));
                    location.line = Some(line);
                }
            }
        }
        found
    }

    pub(crate) fn open(&mut self, kind: CacheKind, path: &Path) -> Result<(), SymbolError> {
        match kind {
            CacheKind::Lines => self.lines = Some(Lines::open(path)?),
            CacheKind::Unwind => self.unwind = Some(Unwind::open(path)?),
            CacheKind::Managed => self.managed = Some(Managed::open(path)?),
        }
        Ok(())
    }
}

/// The symbols of several modules, by debug id.
#[derive(Clone, Default)]
pub struct Provider {
    modules: HashMap<DebugId, Symbols>,
}

impl Provider {
    /// One that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens all caches of a folder that are named `{debug id}.{kind}`: where [`Store::gather`](crate::Store::gather) or
    /// [`convert`](crate::convert) put them. One that is damaged is left out: a crash without some of its symbols is
    /// better than none.
    ///
    /// # Errors
    /// [`SymbolError::File`] when the folder cannot be read.
    pub fn open(folder: &Path) -> Result<Self, SymbolError> {
        let mut provider = Self::new();
        for entry in fs::read_dir(folder).map_err(SymbolError::file(folder))? {
            let entry = entry.map_err(SymbolError::file(folder))?;
            let name = entry.file_name();
            let Some((id, kind)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
            if let (Ok(id), Ok(kind)) = (DebugId::from_breakpad(id), kind.parse()) {
                let symbols = provider.modules.entry(id).or_default();
                if let Err(error) = symbols.open(kind, &entry.path()) {
                    tracing::warn!(%error, "a symbol cache is left out");
                }
            }
        }
        Ok(provider)
    }

    /// Adds the symbols of a module.
    pub fn insert(&mut self, id: DebugId, symbols: Symbols) {
        self.modules.insert(id, symbols);
    }

    /// The symbols of a module.
    pub fn get(&self, id: DebugId) -> Option<&Symbols> {
        self.modules.get(&id)
    }
}
