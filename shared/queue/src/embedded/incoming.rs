//! Reading the files of producers, record by record, while they may still grow.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use super::{
    INCOMING, LOG,
    record::{self, HEADER, MAGIC},
};

/// One producer's file.
pub(super) struct Incoming {
    pub(super) name: String,
    path: PathBuf,
    file: File,
    /// Where the next record begins.
    next: u64,
    /// Whether the producer is gone, so that nothing is added any more.
    finished: bool,
    damaged: bool,
}

/// What lies at the end of what was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A record, which begins at the offset.
    Record { offset: u64, message: Vec<u8> },
    /// Nothing yet; the producer lives and may add to it.
    Wait,
    /// Nothing, and nothing will come.
    End,
}

impl Incoming {
    /// The names of the files that are there, oldest first.
    pub(super) fn names(queue: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(queue.join(INCOMING))? {
            let path = PathBuf::from(entry?.file_name());
            if path.extension().is_some_and(|extension| extension == LOG) {
                names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Opens a file that a producer may still write to.
    pub(super) fn open(queue: &Path, name: String) -> io::Result<Self> {
        let path = queue.join(INCOMING).join(&name).with_extension(LOG);
        let file = File::open(&path)?;
        let mut magic = [0; MAGIC.len()];
        match file.read_exact_at(&mut magic, 0) {
            Ok(()) if magic == *MAGIC || magic == [0; MAGIC.len()] => {}
            Ok(()) => {
                return Err(io::Error::other("it is of another version of the queue, or none of its files"));
            }
            // A power cut before anything of it was acknowledged; it ends here, and is removed as done.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
        Ok(Self { name, path, file, next: MAGIC.len() as u64, finished: false, damaged: false })
    }

    /// Goes on reading at an offset: everything before it is done.
    pub(super) fn skip_to(&mut self, offset: u64) {
        self.next = self.next.max(offset);
    }

    pub(super) fn position(&self) -> u64 {
        self.next
    }

    /// The next record.
    pub(super) fn read_next(&mut self) -> io::Result<Next> {
        loop {
            // Asked before the bytes are read: what a producer wrote before it went is then seen in this round.
            self.finished = self.finished || self.producer_is_gone()?;
            let size = self.file.metadata()?.len();
            match self.read_at(self.next, size)? {
                Some(message) => {
                    let offset = self.next;
                    self.next += (HEADER + message.len()) as u64;
                    return Ok(Next::Record { offset, message });
                }
                None if !self.finished => return Ok(Next::Wait),
                None => match self.step_over_damage(size)? {
                    Some(after) => self.next = after,
                    None => return Ok(Next::End),
                },
            }
        }
    }

    /// A record that was read before.
    pub(super) fn read_again(&self, offset: u64) -> io::Result<Option<Vec<u8>>> {
        self.read_at(offset, self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, size: u64) -> io::Result<Option<Vec<u8>>> {
        let Some((header, length)) = self.header_at(offset, size)? else { return Ok(None) };
        if offset + (HEADER + length) as u64 > size {
            return Ok(None);
        }
        let mut message = vec![0; length];
        self.file.read_exact_at(&mut message, offset + HEADER as u64)?;
        Ok(record::is_intact(header, &message).then_some(message))
    }

    fn header_at(&self, offset: u64, size: u64) -> io::Result<Option<([u8; HEADER], usize)>> {
        if offset + HEADER as u64 > size {
            return Ok(None);
        }
        let mut header = [0; HEADER];
        self.file.read_exact_at(&mut header, offset)?;
        Ok(record::claimed_length(header).map(|length| (header, length)))
    }

    /// Where reading goes on after what is no good record; `None` when nothing good follows.
    ///
    /// A killed producer leaves a record that ends too early, and a power cut one of zeros: nobody was told that those
    /// are safe, and they are passed over. Anything else, and anything that good records follow, is damage: what is
    /// good is delivered, and the file is kept.
    fn step_over_damage(&mut self, size: u64) -> io::Result<Option<u64>> {
        if self.next >= size {
            return Ok(None);
        }
        let follows = self.find_record(self.next + 1, size)?;
        let is_whole = match self.header_at(self.next, size)? {
            Some((_, length)) => self.next + (HEADER + length) as u64 <= size,
            None => size - self.next >= HEADER as u64,
        };
        self.damaged |=
            follows.is_some() || (is_whole && !self.only_zeros_from(self.next + HEADER as u64, size)?);
        Ok(follows)
    }

    /// The first offset from `start` on at which an intact record lies. Nearly every offset fails on its length.
    fn find_record(&self, start: u64, size: u64) -> io::Result<Option<u64>> {
        let mut window = vec![0; 64 * 1024];
        let mut at = start;
        while at + HEADER as u64 <= size {
            let length = usize::try_from(size - at).unwrap_or(usize::MAX).min(window.len());
            self.file.read_exact_at(&mut window[..length], at)?;
            for (offset, header) in (at..).zip(window[..length].windows(HEADER)) {
                let header = header.try_into().unwrap_or_default();
                if record::claimed_length(header).is_some() && self.read_at(offset, size)?.is_some() {
                    return Ok(Some(offset));
                }
            }
            at += (length - HEADER + 1) as u64;
        }
        Ok(None)
    }

    fn only_zeros_from(&self, start: u64, end: u64) -> io::Result<bool> {
        let mut piece = vec![0; 64 * 1024];
        let mut at = start;
        while at < end {
            let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(piece.len());
            self.file.read_exact_at(&mut piece[..length], at)?;
            if piece[..length].iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            at += length as u64;
        }
        Ok(true)
    }

    fn producer_is_gone(&self) -> io::Result<bool> {
        match self.file.try_lock_shared() {
            Ok(()) => {
                self.file.unlock()?;
                Ok(true)
            }
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// To be kept for a look when it is done.
    pub(super) fn mark_damaged(&mut self) {
        self.damaged = true;
    }

    /// Removes the file, of which everything is done; a damaged one is put aside instead.
    pub(super) fn remove(&self, queue: &Path) -> io::Result<()> {
        if !self.damaged {
            return fs::remove_file(&self.path);
        }
        let damaged = queue.join("damaged");
        fs::create_dir_all(&damaged)?;
        let kept = damaged.join(&self.name).with_extension(LOG);
        tracing::error!(
            file = %kept.display(),
            "a record's checksum is wrong: the disk damaged it; the file is kept for a look"
        );
        fs::rename(&self.path, kept)
    }
}
