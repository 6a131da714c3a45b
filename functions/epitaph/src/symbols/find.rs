//! Debug files among other files: in folders, in zips, in dSYMs.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use epitaph_symbolicate::{DebugFile, FileNote, SymbolError, identify};
use tempfile::TempDir;

use crate::cli::Failure;

/// Folders are followed so deep; links are not.
const DEEPEST: usize = 64;

/// A file that was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Where to read it.
    pub(super) path: PathBuf,
    /// What to call it.
    pub(super) shown: String,
    /// Its name.
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) objects: Vec<DebugFile>,
}

impl Found {
    /// Whether a crash can be read better with it.
    pub(super) fn is_useful(&self) -> bool {
        self.objects.iter().any(is_useful)
    }

    /// What it is, and what it is good for.
    pub(super) fn told(&self) -> String {
        let objects: Vec<String> = self.objects.iter().map(told).collect();
        format!("{}: {}", self.shown, objects.join("; "))
    }
}

fn is_useful(file: &DebugFile) -> bool {
    let is_split = file.notes.contains(&FileNote::SplitUnits);
    file.debug_id.is_some()
        && !is_split
        && (file.has_unwind || file.has_lines || file.has_functions || file.has_sources)
}

fn told(file: &DebugFile) -> String {
    let has = [
        ("unwind information", file.has_unwind),
        ("lines", file.has_lines),
        ("functions", file.has_functions && !file.has_lines),
        ("sources", file.has_sources),
    ];
    let has: Vec<_> = has.into_iter().filter_map(|(what, there)| there.then_some(what)).collect();
    let has = if has.is_empty() { "nothing of use".to_owned() } else { has.join(", ") };
    let id = file.debug_id.as_deref().unwrap_or("no debug id: no crash can name it");
    let arch = file.arch.as_deref().map(|arch| format!(" {arch}")).unwrap_or_default();
    let notes: String = file.notes.iter().filter_map(note).map(|note| format!(" ({note})")).collect();
    format!("{}{arch}, {id}, has {has}{notes}", file.format)
}

fn note(note: &FileNote) -> Option<String> {
    match note {
        FileNote::DebugLink { file } => Some(format!("its lines are in {file}")),
        FileNote::SplitDwarf => {
            Some("its lines are in .dwo files, which are not read: link without -gsplit-dwarf".to_owned())
        }
        FileNote::SplitUnits => Some("which is not read: link without -gsplit-dwarf".to_owned()),
        FileNote::SharedDwarf { file } => Some(format!("some of it is in {file}, which is not read")),
        FileNote::Compressed | FileNote::NoDebugId => None,
    }
}

/// Looks through paths. What is no debug file is passed over.
pub(super) struct Search {
    /// What was unpacked.
    unpacked: TempDir,
    count: usize,
    pub(super) found: Vec<Found>,
    /// What looks like a debug file and cannot be read, and why.
    pub(super) damaged: Vec<String>,
}

impl Search {
    pub(super) fn through(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut search =
            Self { unpacked: tempfile::tempdir()?, count: 0, found: Vec::new(), damaged: Vec::new() };
        for path in paths {
            let about = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
            search.look_at(path, about.is_dir(), 0)?;
        }
        Ok(search)
    }

    fn look_at(&mut self, path: &Path, is_folder: bool, depth: usize) -> Result<(), Failure> {
        if is_folder {
            if depth >= DEEPEST {
                return Ok(());
            }
            let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                let kind = entry.file_type()?;
                if kind.is_dir() || kind.is_file() {
                    self.look_at(&entry.path(), kind.is_dir(), depth + 1)?;
                }
            }
            return Ok(());
        }
        let shown = path.display().to_string();
        if begins_as_zip(path)? { self.look_into(path, &shown) } else { self.take(path, shown) }
    }

    fn take(&mut self, path: &Path, shown: String) -> Result<(), Failure> {
        let name = shown.rsplit(['/', '\\']).next().unwrap_or(&shown).to_owned();
        match identify(path, &name) {
            Ok(objects) => {
                let size = path.metadata()?.len();
                self.found.push(Found { path: path.to_owned(), shown, name, size, objects });
            }
            Err(SymbolError::UnknownFormat) => {}
            Err(error) if error.blames_the_file() => self.damaged.push(format!("{shown}: {error}")),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Unpacks what is in a zip, one file after the other, and keeps those that are debug files.
    fn look_into(&mut self, path: &Path, shown: &str) -> Result<(), Failure> {
        let mut zip = match zip::ZipArchive::new(File::open(path)?) {
            Ok(zip) => zip,
            Err(error) => {
                self.damaged.push(format!("{shown}: {error}"));
                return Ok(());
            }
        };
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).map_err(|error| format!("{shown}: {error}"))?;
            if !entry.is_file() {
                continue;
            }
            let name = format!("{shown}/{}", entry.name());
            let unpacked = self.unpacked.path().join(self.count.to_string());
            self.count += 1;
            let copied = File::create(&unpacked).and_then(|mut file| io::copy(&mut entry, &mut file));
            copied.map_err(|error| format!("{name}: {error}"))?;
            let before = self.found.len();
            self.take(&unpacked, name)?;
            if self.found.len() == before {
                fs::remove_file(&unpacked)?;
            }
        }
        Ok(())
    }
}

/// Source bundles are zips too, and are debug files themselves: they say so before the zip begins.
fn begins_as_zip(path: &Path) -> Result<bool, Failure> {
    let mut start = [0; 4];
    let mut file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(file.read_exact(&mut start).is_ok() && start == *b"PK\x03\x04")
}
