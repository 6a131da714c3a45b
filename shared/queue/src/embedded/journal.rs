//! What the consumer remembers across its own death: which records are done, and how often the others were tried.
//!
//! Text, one fact a line, appended as it happens and rewritten when the consumer starts or the file has grown:
//!
//! ```text
//! done {file} {offset}            this record is done
//! below {file} {offset}           so is every record that begins before this offset
//! tried {file} {offset} {times}   this record has been handed out so often
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use super::sync_directory;

/// The journal is rewritten when it has grown by this since the last time.
const GROWTH: u64 = 4 * 1024 * 1024;

/// What is known of the records of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Every record that begins before this offset is done.
    pub(super) below: u64,
    /// Records at or after `below` that are done.
    pub(super) done: BTreeSet<u64>,
    /// How often records that are not done were handed out.
    pub(super) tried: BTreeMap<u64, u32>,
}

pub(super) struct Journal {
    path: PathBuf,
    file: File,
    grown: u64,
}

impl Journal {
    /// Reads what the last consumer left. A line that was cut short says nothing.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, BTreeMap<String, Progress>)> {
        let path = directory.join("consumer.journal");
        let mut files = BTreeMap::new();
        match File::open(&path) {
            Ok(file) => {
                for line in BufReader::new(file).split(b'\n') {
                    read_line(&String::from_utf8_lossy(&line?), &mut files);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        Ok((Self { path, file, grown: u64::MAX }, files))
    }

    pub(super) fn done(&mut self, file: &str, offset: u64) {
        self.append(&format!("done {file} {offset} .\n"));
    }

    pub(super) fn tried(&mut self, file: &str, offset: u64, times: u32) {
        self.append(&format!("tried {file} {offset} {times} .\n"));
    }

    fn append(&mut self, line: &str) {
        self.grown = self.grown.saturating_add(line.len() as u64);
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            tracing::error!(%error, "the queue's journal cannot be written; it is rewritten as soon as that works");
            // What was written of the line would spoil the next one.
            self.grown = u64::MAX;
        }
    }

    pub(super) fn wants_rewriting(&self) -> bool {
        self.grown > GROWTH
    }

    /// Replaces the journal with what still matters, in one step.
    pub(super) fn rewrite<'a>(
        &mut self,
        files: impl Iterator<Item = (&'a str, &'a Progress)>,
    ) -> io::Result<()> {
        let mut text = String::new();
        for (name, progress) in files {
            let _ = writeln!(text, "below {name} {} .", progress.below);
            for offset in &progress.done {
                let _ = writeln!(text, "done {name} {offset} .");
            }
            for (offset, times) in &progress.tried {
                let _ = writeln!(text, "tried {name} {offset} {times} .");
            }
        }
        let next = self.path.with_extension("journal.next");
        let mut file = File::create(&next)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&next, &self.path)?;
        self.path.parent().map_or(Ok(()), sync_directory)?;
        // The handle follows the file to its new name, and its position is the end.
        self.file = file;
        self.grown = 0;
        Ok(())
    }
}

/// Every line ends in a dot: without it, a cut number would be taken for a smaller one.
fn read_line(line: &str, files: &mut BTreeMap<String, Progress>) {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |word: &str| word.parse::<u64>().ok();
    match words.as_slice() {
        ["below", file, offset, "."] => {
            if let Some(offset) = number(offset) {
                files.entry((*file).to_owned()).or_default().below = offset;
            }
        }
        ["done", file, offset, "."] => {
            if let Some(offset) = number(offset) {
                let progress = files.entry((*file).to_owned()).or_default();
                progress.done.insert(offset);
                progress.tried.remove(&offset);
            }
        }
        ["tried", file, offset, times, "."] => {
            if let (Some(offset), Some(times)) = (number(offset), times.parse().ok()) {
                files.entry((*file).to_owned()).or_default().tried.insert(offset, times);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_remembered_and_a_cut_line_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let (mut journal, files) = Journal::open(directory.path()).unwrap();
        assert!(files.is_empty() && journal.wants_rewriting());
        journal.rewrite([("gone", &Progress::default())].into_iter()).unwrap();
        journal.tried("a", 8, 1);
        journal.tried("a", 80, 2);
        journal.done("a", 8);
        journal.append("done a 8");
        drop(journal);
        let (mut journal, files) = Journal::open(directory.path()).unwrap();
        let expected = Progress { below: 0, done: [8].into(), tried: [(80, 2)].into() };
        assert_eq!(files["a"], expected);
        journal
            .rewrite(files.iter().filter(|(name, _)| *name == "a").map(|(name, p)| (name.as_str(), p)))
            .unwrap();
        journal.done("a", 80);
        let (_, files) = Journal::open(directory.path()).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(files["a"].done, [8, 80].into());
    }
}
