//! Where results go: raw measurements as lines of JSON, a section of text for each bench, and plots.
//!
//! ```text
//! raw/{bench}.jsonl    every measurement; not kept under version control
//! raw/{bench}.md       the section
//! plots/{name}.svg
//! RESULTS.md           all sections, joined by `all`
//! ```

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

/// A folder or a file of results cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {} for results", path.display())]
pub(crate) struct ResultsError {
    path: PathBuf,
    source: io::Error,
}

/// The folder of all results.
#[derive(Debug, Clone)]
pub(crate) struct Results {
    folder: PathBuf,
}

/// The raw measurements of one bench, as they come.
pub(crate) struct Records {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Results {
    pub(crate) fn in_folder(folder: &Path) -> Result<Self, ResultsError> {
        let results = Self { folder: folder.to_owned() };
        for folder in ["raw", "plots"].map(|name| results.folder.join(name)) {
            fs::create_dir_all(&folder).map_err(|source| ResultsError { path: folder, source })?;
        }
        Ok(results)
    }

    /// Begins the raw measurements of a bench; those of its last run are gone.
    pub(crate) fn records(&self, bench: &str) -> Result<Records, ResultsError> {
        let path = self.raw(bench, "jsonl");
        match File::create(&path) {
            Ok(file) => Ok(Records { path, file: BufWriter::new(file) }),
            Err(source) => Err(ResultsError { path, source }),
        }
    }

    /// The measurements of the last run of a bench; none if there was none. Lines of another kind are passed over.
    pub(crate) fn read<T: DeserializeOwned>(&self, bench: &str) -> Result<Vec<T>, ResultsError> {
        let path = self.raw(bench, "jsonl");
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.map_err(|source| ResultsError { path, source })?,
        };
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// Keeps the section of a bench.
    pub(crate) fn keep_section(&self, bench: &str, text: &str) -> Result<(), ResultsError> {
        write(&self.raw(bench, "md"), text)
    }

    /// The section of a bench, if it was ever run.
    pub(crate) fn section(&self, bench: &str) -> Option<String> {
        fs::read_to_string(self.raw(bench, "md")).ok()
    }

    /// Keeps a plot; gives the text that shows it.
    pub(crate) fn keep_plot(&self, name: &str, title: &str, svg: &str) -> Result<String, ResultsError> {
        write(&self.folder.join("plots").join(name).with_extension("svg"), svg)?;
        Ok(format!("![{title}](plots/{name}.svg)\n"))
    }

    /// A text that people keep beside the results.
    pub(crate) fn kept_by_hand(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(name)).ok()
    }

    /// Writes a text that people read.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), ResultsError> {
        write(&self.folder.join(name), text)
    }

    fn raw(&self, bench: &str, extension: &str) -> PathBuf {
        self.folder.join("raw").join(bench).with_extension(extension)
    }
}

impl Records {
    /// Adds a measurement.
    pub(crate) fn add(&mut self, measurement: &impl Serialize) -> Result<(), ResultsError> {
        let written = serde_json::to_writer(&mut self.file, measurement).map_err(io::Error::from);
        let written = written.and_then(|()| self.file.write_all(b"\n")).and_then(|()| self.file.flush());
        written.map_err(|source| ResultsError { path: self.path.clone(), source })
    }
}

fn write(path: &Path, text: &str) -> Result<(), ResultsError> {
    fs::write(path, text).map_err(|source| ResultsError { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_are_read_back_as_they_were_added_and_others_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let results = Results::in_folder(folder.path()).unwrap();
        let mut records = results.records("load").unwrap();
        records.add(&("a", 1)).unwrap();
        records.add(&"of another kind").unwrap();
        records.add(&("b", 2)).unwrap();
        let read: Vec<(String, u32)> = results.read("load").unwrap();
        assert_eq!(read, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
        assert!(results.read::<u32>("never").unwrap().is_empty());
    }
}
