//! From a debug file to caches.

use std::{
    fs::{self, File},
    io,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use symbolic_cfi::AsciiCfiWriter;
use symbolic_common::Arch;
use symbolic_debuginfo::{Object, ParseObjectOptions, breakpad::BreakpadObject};

use crate::{
    CacheKind, DebugFile, Format, Limits, Quality, Subject, SymbolError,
    cache::CacheWriter,
    identify::{self, chain, elf, for_each_object},
    lines::build::LinesBuilder,
    managed::ManagedBuilder,
    unwind::{Finished, UnwindBuilder},
};

/// What came of one object of a debug file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Converted {
    /// What the file is.
    pub file: DebugFile,
    /// The caches that were made of it. None of a file that is only kept, such as a ProGuard mapping.
    pub caches: Vec<MadeCache>,
    /// What of it could not be read, and why, for people. What could be read was used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// A cache that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeCache {
    /// What it is for.
    pub kind: CacheKind,
    /// Its file, in the folder that was given.
    pub path: PathBuf,
    /// How good it is.
    pub quality: Quality,
    /// Its bytes.
    pub size: u64,
}

/// Makes caches of a debug file: lines, unwind information and C# lines, each where the file has any. A file for several
/// processors gives several.
///
/// `name` is the file's name, where `path` may be a temporary one; `into` is a folder that is there.
///
/// The file may be anybody's. Call this in a process that may be lost, with limits to its memory and time; everything that
/// the readers of formats can be made to do is a panic, which becomes an error here, or the end of that process.
///
/// # Errors
/// Those that blame the file ([`SymbolError::blames_the_file`]), and [`SymbolError::File`].
pub fn convert(path: &Path, name: &str, into: &Path, limits: Limits) -> Result<Vec<Converted>, SymbolError> {
    convert_open(File::open(path).map_err(SymbolError::file(path))?, name, into, limits)
}

/// As [`convert`], of a file that is open: by whoever may open none.
///
/// # Errors
/// As [`convert`].
pub fn convert_open(
    file: File,
    name: &str,
    into: &Path,
    limits: Limits,
) -> Result<Vec<Converted>, SymbolError> {
    let view = identify::map(file, Path::new(name))?;
    if let Some(file) = identify::text::identify(&view, name) {
        return Ok(vec![text(&view, file, into, limits)?]);
    }
    let mut options = ParseObjectOptions::default();
    let unpacked = elf::sections(&view).unpacking_limit(view.len() as u64, limits.section_bytes)?;
    options.max_decompressed_section_size = usize::try_from(unpacked).ok();
    let mut all = Vec::new();
    for_each_object(&view, options, |object| {
        let file = identify::describe(object, name);
        let is_repeated = all.iter().any(|known: &Converted| known.file.debug_id == file.debug_id);
        let mut made = Made::new(into, file);
        if is_repeated && made.converted.file.debug_id.is_some() {
            made.converted.faults.push("another part of the file has this debug id, and is used".to_owned());
        } else {
            one(object, &mut made, limits)?;
        }
        all.push(made.converted);
        Ok(())
    })?;
    Ok(all)
}

/// A mapping that is text.
fn text(bytes: &[u8], file: DebugFile, into: &Path, limits: Limits) -> Result<Converted, SymbolError> {
    let mut made = Made::new(into, file);
    if made.converted.file.format == Format::Il2cpp && made.converted.file.debug_id.is_some() {
        let managed = ManagedBuilder::of(bytes, limits)?;
        if let Some(quality) = managed.quality() {
            made.write(CacheKind::Managed, quality, "unknown", |out| managed.write(out))?;
        }
    }
    Ok(made.converted)
}

fn one(object: &Object<'_>, made: &mut Made<'_>, limits: Limits) -> Result<(), SymbolError> {
    let os = os_of(object);
    let is_code = !matches!(object, Object::PortablePdb(_) | Object::SourceBundle(_));
    if made.converted.file.debug_id.is_none() || !is_code {
        return Ok(());
    }
    // One may fail and the other not; and what the file is to blame for does not concern the disk.
    match catch(object, || LinesBuilder::of(object, limits)) {
        Ok(mut lines) => {
            made.converted.faults.append(&mut lines.faults);
            if let Some(quality) = lines.quality() {
                made.write(CacheKind::Lines, quality, &os, |out| lines.write(out))?;
            }
        }
        Err(error) => made.fault("lines", error),
    }
    match catch(object, || unwind(object, limits)) {
        Ok(Some((quality, finished))) => {
            made.write(CacheKind::Unwind, quality, &os, |out| finished.write(out))?;
        }
        Ok(None) => {}
        Err(error) => made.fault("unwind information", error),
    }
    match made.failed.take() {
        Some(error) if made.converted.caches.is_empty() => Err(error),
        _ => Ok(()),
    }
}

/// What is being made.
struct Made<'a> {
    into: &'a Path,
    converted: Converted,
    /// Why a cache could not be made.
    failed: Option<SymbolError>,
}

impl<'a> Made<'a> {
    fn new(into: &'a Path, file: DebugFile) -> Self {
        Self { into, converted: Converted { file, caches: Vec::new(), faults: Vec::new() }, failed: None }
    }

    fn fault(&mut self, what: &str, error: SymbolError) {
        self.converted.faults.push(format!("no {what}: {}", chain(&error)));
        self.failed.get_or_insert(error);
    }

    fn write(
        &mut self,
        kind: CacheKind,
        quality: Quality,
        os: &str,
        job: impl FnOnce(&mut CacheWriter) -> io::Result<()>,
    ) -> Result<(), SymbolError> {
        let file = &self.converted.file;
        let Some(debug_id) = file.debug_id.clone() else { return Ok(()) };
        let path = self.into.join(format!("{debug_id}.{}", kind.as_str()));
        let subject = Subject {
            debug_id,
            code_id: file.code_id.clone(),
            arch: file.arch.clone().unwrap_or_else(|| "unknown".to_owned()),
            os: os.to_owned(),
            name: file.name.clone(),
            format: file.format,
            quality,
        };
        let written = CacheWriter::create(&path).and_then(|mut out| {
            job(&mut out)?;
            out.finish(kind, &subject)
        });
        match written {
            Ok(size) => {
                self.converted.caches.push(MadeCache { kind, path, quality, size });
                Ok(())
            }
            Err(source) => {
                let _ = fs::remove_file(&path);
                Err(SymbolError::File { path, source })
            }
        }
    }
}

/// Runs a job in which a panic means that the file is malformed.
fn catch<T>(object: &Object<'_>, job: impl FnOnce() -> Result<T, SymbolError>) -> Result<T, SymbolError> {
    std::panic::catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|_| {
        let what = "it breaks off where it must not".to_owned();
        Err(SymbolError::Malformed { format: identify::format_of(object).name(), what })
    })
}

fn unwind(object: &Object<'_>, limits: Limits) -> Result<Option<(Quality, Finished)>, SymbolError> {
    let mut builder = UnwindBuilder::new(limits);
    if let Object::Breakpad(breakpad) = object {
        for line in breakpad.data().split(|byte| *byte == b'\n') {
            builder.line(line)?;
        }
        if breakpad.arch() == Arch::X86 {
            parameters(breakpad, &mut builder)?;
        }
        return builder.finish();
    }
    let mut writer = AsciiCfiWriter::new(&mut builder);
    let result = writer.process(object);
    // What came before a fault is as good as it is.
    let finished = builder.finish()?;
    match (finished, result) {
        (None, Err(error)) if object.has_unwind_info() => {
            Err(SymbolError::Malformed { format: identify::format_of(object).name(), what: chain(&error) })
        }
        (finished, _) => Ok(finished),
    }
}

fn parameters(breakpad: &BreakpadObject<'_>, builder: &mut UnwindBuilder) -> Result<(), SymbolError> {
    for function in breakpad.func_records().flatten() {
        builder.parameter(function.address, size(function.parameter_size), false)?;
    }
    for public in breakpad.public_records().flatten() {
        builder.parameter(public.address, size(public.parameter_size), true)?;
    }
    Ok(())
}

fn size(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or_default()
}

/// The system, as Breakpad writes it.
fn os_of(object: &Object<'_>) -> String {
    match object {
        Object::Breakpad(breakpad) => {
            let start = breakpad.data().split(|byte| *byte == b'\n').next().unwrap_or_default();
            let os = start.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
            identify::bounded(&String::from_utf8_lossy(os))
        }
        Object::MachO(_) => "mac".to_owned(),
        Object::Pe(_) | Object::Pdb(_) | Object::PortablePdb(_) => "windows".to_owned(),
        Object::Elf(_) => "Linux".to_owned(),
        Object::Wasm(_) | Object::SourceBundle(_) => "unknown".to_owned(),
    }
}
