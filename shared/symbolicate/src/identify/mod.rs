//! What a file is, and what it is good for.

pub(crate) mod elf;
pub(crate) mod text;

use std::{borrow::Cow, fmt, fs::File, panic::AssertUnwindSafe, path::Path};

use serde::{Deserialize, Serialize};
use symbolic_common::{ByteView, DebugId};
use symbolic_debuginfo::{Archive, FileFormat, Object, ObjectKind, ParseObjectOptions};

use crate::SymbolError;

/// The most objects of one file: a fat Mach-O has one for each processor.
const OBJECTS: usize = 32;
/// Functions of a Breakpad file that are looked at for lines.
const SAMPLE: usize = 1000;
/// The most bytes of a name that a file gives.
const NAME: usize = 260;

/// What a debug file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Breakpad's text (`.sym`).
    Breakpad,
    /// Linux, Android and others: with DWARF, or stripped.
    Elf,
    /// A Windows program or library.
    Pe,
    /// A Windows program's debug information.
    Pdb,
    /// macOS, iOS: a program or library, or what is inside a dSYM.
    MachO,
    /// WebAssembly, with DWARF.
    Wasm,
    /// .NET's debug information.
    PortablePdb,
    /// Source files, as Sentry's tools bundle them.
    SourceBundle,
    /// The C# lines behind the C++ that Unity's IL2CPP made of them.
    Il2cpp,
    /// A mapping of ProGuard or R8.
    Proguard,
}

impl Format {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Breakpad => "Breakpad",
            Format::Elf => "ELF",
            Format::Pe => "PE",
            Format::Pdb => "PDB",
            Format::MachO => "Mach-O",
            Format::Wasm => "WebAssembly",
            Format::PortablePdb => "portable PDB",
            Format::SourceBundle => "source bundle",
            Format::Il2cpp => "IL2CPP line map",
            Format::Proguard => "ProGuard mapping",
        }
    }

    fn of(format: FileFormat) -> Option<Self> {
        Some(match format {
            FileFormat::Breakpad => Self::Breakpad,
            FileFormat::Elf => Self::Elf,
            FileFormat::MachO => Self::MachO,
            FileFormat::Pdb => Self::Pdb,
            FileFormat::Pe => Self::Pe,
            FileFormat::SourceBundle => Self::SourceBundle,
            FileFormat::Wasm => Self::Wasm,
            FileFormat::PortablePdb => Self::PortablePdb,
            FileFormat::Unknown => return None,
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What a debug file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebugFile {
    /// What it is written in.
    pub format: Format,
    /// The debug id, as Breakpad writes it: what crashes name the file by. `None` if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug_id: Option<String>,
    /// The identifier of the code, in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_id: Option<String>,
    /// The processor, such as `x86_64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// The name by which crashes call it: of the PDB of a PE, of the library of its debug file.
    pub name: String,
    /// Stacks can be unwound with it.
    pub has_unwind: bool,
    /// It has files and lines. Of a PDB this is what it may have: one that was stripped has only names.
    pub has_lines: bool,
    /// It has names of functions.
    pub has_functions: bool,
    /// It has source files.
    pub has_sources: bool,
    /// Bytes. In a file for several processors, those of this one.
    pub size: u64,
    /// What else should be known of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<FileNote>,
}

impl DebugFile {
    /// The debug id.
    pub fn id(&self) -> Option<DebugId> {
        DebugId::from_breakpad(self.debug_id.as_deref()?).ok()
    }
}

/// Something to know of a debug file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "note")]
pub enum FileNote {
    /// It was stripped, and names the file that its debug information was put in.
    DebugLink {
        /// The name of that file.
        file: String,
    },
    /// Its debug information lies in `.dwo` files or a `.dwp`, which are not read: it has functions and no lines.
    SplitDwarf,
    /// It is a `.dwo` or `.dwp`, which is not read.
    SplitUnits,
    /// Part of its debug information lies in a file that several share (`dwz`), which is not read.
    SharedDwarf {
        /// The name of that file.
        file: String,
    },
    /// Its debug information is compressed.
    Compressed,
    /// No crash can name it: it has no debug id.
    NoDebugId,
}

/// Says what is in a file, without reading it whole. A file for several processors gives several.
///
/// `name` is the file's name, where `path` may be a temporary one.
///
/// # Errors
/// [`SymbolError::UnknownFormat`] when it is no debug file, [`SymbolError::Malformed`], [`SymbolError::File`].
pub fn identify(path: &Path, name: &str) -> Result<Vec<DebugFile>, SymbolError> {
    let view = map(File::open(path).map_err(SymbolError::file(path))?, path)?;
    identify_bytes(&view, name)
}

/// Maps a file. An empty one has nothing that could be mapped.
pub(crate) fn map(file: File, path: &Path) -> Result<ByteView<'static>, SymbolError> {
    if file.metadata().map_err(SymbolError::file(path))?.len() == 0 {
        return Err(SymbolError::UnknownFormat);
    }
    ByteView::map_file(file).map_err(SymbolError::file(path))
}

pub(crate) fn identify_bytes(bytes: &[u8], name: &str) -> Result<Vec<DebugFile>, SymbolError> {
    if let Some(file) = text::identify(bytes, name) {
        return Ok(vec![file]);
    }
    let mut files = Vec::new();
    for_each_object(bytes, ParseObjectOptions::default(), |object| {
        files.push(describe(object, name));
        Ok(())
    })?;
    Ok(files)
}

/// Calls `job` with every object of a file. Whatever the readers of formats do with what they read, it is an error and
/// no panic.
pub(crate) fn for_each_object(
    bytes: &[u8],
    options: ParseObjectOptions,
    mut job: impl FnMut(&Object<'_>) -> Result<(), SymbolError>,
) -> Result<(), SymbolError> {
    let format = Format::of(Archive::peek(bytes)).ok_or(SymbolError::UnknownFormat)?;
    let malformed = |what: String| SymbolError::Malformed { format: format.name(), what };
    let run = AssertUnwindSafe(|| {
        let archive = Archive::parse_with_opts(bytes, options).map_err(|error| malformed(chain(&error)))?;
        if archive.object_count() == 0 {
            return Err(malformed("there is nothing in it".to_owned()));
        }
        for index in 0..archive.object_count().min(OBJECTS) {
            match archive.object_by_index(index) {
                Ok(Some(object)) => job(&object)?,
                Ok(None) => {}
                Err(error) => return Err(malformed(chain(&error))),
            }
        }
        Ok(())
    });
    std::panic::catch_unwind(run)
        .unwrap_or_else(|_| Err(malformed("it breaks off where it must not".to_owned())))
}

/// An error and its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.chars().take(500).collect()
}

pub(crate) fn describe(object: &Object<'_>, name: &str) -> DebugFile {
    let mut notes = Vec::new();
    let mut has_lines = object.has_debug_info();
    let has_functions = has_lines || object.has_symbols();
    if let Object::Elf(elf) = object {
        let sections = elf::sections(elf.data());
        has_lines &= !sections.is_split();
        notes = sections.notes();
    }
    if let Object::Breakpad(breakpad) = object {
        let mut functions = breakpad.func_records().take(SAMPLE).flatten();
        has_lines = functions.any(|function| function.lines().next().is_some_and(|line| line.is_ok()));
    }
    let debug_id = object.debug_id();
    let is_source = matches!(object, Object::SourceBundle(_));
    if debug_id.is_nil() {
        notes.push(FileNote::NoDebugId);
    }
    let arch = object.arch();
    DebugFile {
        format: format_of(object),
        debug_id: (!debug_id.is_nil()).then(|| debug_id.breakpad().to_string()),
        code_id: object.code_id().map(|id| id.to_string().to_lowercase()),
        arch: (arch != symbolic_common::Arch::Unknown).then(|| arch.name().to_owned()),
        name: name_of(object, name),
        has_unwind: object.has_unwind_info(),
        has_lines: has_lines && !is_source,
        has_functions: has_functions && !is_source,
        has_sources: object.has_sources(),
        size: object.data().len() as u64,
        notes,
    }
}

pub(crate) fn format_of(object: &Object<'_>) -> Format {
    match object {
        Object::Breakpad(_) => Format::Breakpad,
        Object::Elf(_) => Format::Elf,
        Object::MachO(_) => Format::MachO,
        Object::Pdb(_) => Format::Pdb,
        Object::Pe(_) => Format::Pe,
        Object::SourceBundle(_) => Format::SourceBundle,
        Object::Wasm(_) => Format::Wasm,
        Object::PortablePdb(_) => Format::PortablePdb,
    }
}

/// The name of the debug file, as the modules of a crash have it.
fn name_of(object: &Object<'_>, file: &str) -> String {
    let file = file_name(file);
    let own = match object {
        Object::Breakpad(breakpad) => Some(breakpad.name().to_owned()),
        Object::Pe(pe) => pe.debug_file_name().map(Cow::into_owned),
        Object::Elf(elf) => elf.name().map(str::to_owned),
        Object::MachO(macho) => macho.name().map(str::to_owned),
        _ => None,
    };
    let own = own.map(|name| bounded(file_name(&name))).filter(|name| !name.is_empty());
    own.unwrap_or_else(|| {
        // The debug information that was taken out of `game` is usually called `game.debug`.
        let separate = object.kind() == ObjectKind::Debug && matches!(object, Object::Elf(_));
        let stem = [".debug", ".dbg"].into_iter().find_map(|ending| file.strip_suffix(ending));
        bounded(stem.filter(|stem| separate && !stem.is_empty()).unwrap_or(file))
    })
}

/// The last part of a path of whatever system.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// A name in one line of at most 260 characters.
pub(crate) fn bounded(name: &str) -> String {
    let visible = |next: char| if next.is_control() { char::REPLACEMENT_CHARACTER } else { next };
    name.chars().take(NAME).map(visible).collect()
}
