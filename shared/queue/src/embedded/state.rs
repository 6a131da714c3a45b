//! What the consumer's thread keeps in memory: which records are out, which wait to be tried again.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    consumer::{Command, ConsumerSettings, Receipt, Verdict},
    incoming::{Incoming, Next},
    journal::{Journal, Progress},
};

/// A record is handed out again this long after its handler vanished, times the number of tries, at most a minute.
const RETRY_STEP: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// How often the directory is searched for what other processes send.
const POLL: Duration = Duration::from_millis(100);
/// Producers come and go; at most this many of their files are held open.
const OPEN_FILES: usize = 1024;

/// A record to hand out.
pub(super) struct Ready {
    pub(super) receipt: Receipt,
    pub(super) message: Vec<u8>,
}

pub(super) struct State {
    directory: PathBuf,
    settings: ConsumerSettings,
    journal: Journal,
    remembered: BTreeMap<String, Progress>,
    files: BTreeMap<String, OpenFile>,
    out: usize,
    paused_until: Option<Instant>,
    searched_at: Option<Instant>,
}

struct OpenFile {
    incoming: Incoming,
    progress: Progress,
    pending: BTreeMap<u64, Pending>,
    ended: bool,
}

#[derive(Clone, Copy)]
enum Pending {
    Out { times: u32, until: Instant },
    Waiting { due: Instant },
}

impl OpenFile {
    /// Everything before this is done.
    fn low(&self) -> u64 {
        self.pending.keys().next().copied().unwrap_or_else(|| self.incoming.position())
    }

    fn is_done(&self) -> bool {
        self.ended && self.pending.is_empty()
    }
}

impl State {
    pub(super) fn open(directory: &Path, settings: ConsumerSettings) -> io::Result<Self> {
        let (journal, remembered) = Journal::open(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            settings,
            journal,
            remembered,
            files: BTreeMap::new(),
            out: 0,
            paused_until: None,
            searched_at: None,
        })
    }

    pub(super) fn obey(&mut self, command: Command, now: Instant) -> io::Result<()> {
        let Command::Verdict(receipt, verdict) = command else {
            self.searched_at = None;
            return Ok(());
        };
        let Some(file) = self.files.get_mut(&receipt.file) else { return Ok(()) };
        let Some(pending) = file.pending.get(&receipt.offset).copied() else { return Ok(()) };
        let is_out = matches!(pending, Pending::Out { times, .. } if times == receipt.times);
        match verdict {
            // Handled is handled, also when it took so long that the record was handed out again.
            Verdict::Done => {
                self.out -= usize::from(matches!(pending, Pending::Out { .. }));
                file.pending.remove(&receipt.offset);
                file.progress.tried.remove(&receipt.offset);
                file.progress.done.insert(receipt.offset);
                self.journal.done(&receipt.file, receipt.offset)?;
            }
            _ if !is_out => {}
            Verdict::Extend => {
                let until = now + self.settings.visibility;
                file.pending.insert(receipt.offset, Pending::Out { times: receipt.times, until });
            }
            Verdict::Vanished => {
                self.out -= 1;
                let due = now + (RETRY_STEP * receipt.times).min(LONGEST_RETRY);
                file.pending.insert(receipt.offset, Pending::Waiting { due });
            }
            Verdict::Later(delay) => {
                self.out -= 1;
                // An engine that is down uses up nobody's attempts.
                let times = receipt.times - 1;
                self.journal.tried(&receipt.file, receipt.offset, times)?;
                file.progress.tried.insert(receipt.offset, times);
                file.pending.insert(receipt.offset, Pending::Waiting { due: now + delay });
                self.paused_until = Some(now + delay);
            }
        }
        Ok(())
    }

    /// The next record that may be handed out now.
    pub(super) fn next(&mut self, now: Instant) -> io::Result<Option<Ready>> {
        self.take_back_overdue(now);
        if self.out >= self.settings.in_flight || self.paused_until.is_some_and(|until| now < until) {
            return Ok(None);
        }
        self.search(now)?;
        let due = self.files.values().find_map(|file| {
            let is_due = |pending: &Pending| matches!(pending, Pending::Waiting { due, .. } if *due <= now);
            file.pending
                .iter()
                .find(|(_, pending)| is_due(pending))
                .map(|(&offset, _)| (&file.incoming, offset))
        });
        if let Some((incoming, offset)) = due {
            let name = incoming.name.clone();
            if let Some(message) = incoming.read_again(offset)? {
                return self.hand_out(name, offset, message, now).map(Some);
            }
            tracing::error!(file = name, offset, "a message could not be read again: the disk damaged it");
            if let Some(file) = self.files.get_mut(&name) {
                file.pending.remove(&offset);
            }
        }
        let names: Vec<String> = self.files.keys().cloned().collect();
        for name in names {
            while let Some(file) = self.files.get_mut(&name).filter(|file| !file.ended) {
                match file.incoming.read_next()? {
                    Next::Record { offset, message } => {
                        if !file.progress.done.contains(&offset) {
                            return self.hand_out(name, offset, message, now).map(Some);
                        }
                    }
                    Next::Wait => break,
                    Next::End => file.ended = true,
                }
            }
        }
        Ok(None)
    }

    fn hand_out(&mut self, name: String, offset: u64, message: Vec<u8>, now: Instant) -> io::Result<Ready> {
        let mut times = 1;
        if let Some(file) = self.files.get_mut(&name) {
            times += file.progress.tried.get(&offset).copied().unwrap_or_default();
            file.progress.tried.insert(offset, times);
            file.pending.insert(offset, Pending::Out { times, until: now + self.settings.visibility });
        }
        self.out += 1;
        // Before the handler sees it: if it kills this process, the next one must know.
        self.journal.tried(&name, offset, times)?;
        Ok(Ready { receipt: Receipt { file: name, offset, times }, message })
    }

    fn take_back_overdue(&mut self, now: Instant) {
        for pending in self.files.values_mut().flat_map(|file| file.pending.values_mut()) {
            if let Pending::Out { until, .. } = *pending
                && until <= now
            {
                *pending = Pending::Waiting { due: now };
                self.out -= 1;
            }
        }
    }

    fn search(&mut self, now: Instant) -> io::Result<()> {
        if self.searched_at.is_some_and(|at| now < at + POLL) {
            return Ok(());
        }
        self.searched_at = Some(now);
        let names = match Incoming::names(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names?,
        };
        self.remembered.retain(|name, _| names.binary_search(name).is_ok());
        for name in names {
            if self.files.len() >= OPEN_FILES {
                break;
            }
            if self.files.contains_key(&name) {
                continue;
            }
            let mut incoming = Incoming::open(&self.directory, name.clone())?;
            let progress = self.remembered.remove(&name).unwrap_or_default();
            incoming.skip_to(progress.below);
            let file = OpenFile { incoming, progress, pending: BTreeMap::new(), ended: false };
            self.files.insert(name, file);
        }
        Ok(())
    }

    /// Removes the files of which everything is done, and keeps the journal small.
    pub(super) fn tidy(&mut self) -> io::Result<()> {
        let done = self.files.extract_if(.., |_, file| file.is_done());
        for (_, file) in done.collect::<Vec<_>>() {
            file.incoming.remove(&self.directory)?;
        }
        if self.journal.wants_rewriting() {
            for file in self.files.values_mut() {
                let low = file.low();
                file.progress.below = low.max(file.progress.below);
                file.progress.done = file.progress.done.split_off(&low);
                file.progress.tried.retain(|offset, _| *offset >= low);
            }
            let known = self.files.iter().map(|(name, file)| (name.as_str(), &file.progress));
            let unopened = self.remembered.iter().map(|(name, progress)| (name.as_str(), progress));
            self.journal.rewrite(known.chain(unopened))?;
        }
        Ok(())
    }

    /// How long nothing will happen unless a command comes.
    pub(super) fn idle_for(&self, now: Instant) -> Duration {
        let pending = self.files.values().flat_map(|file| file.pending.values());
        let next = pending.map(|pending| match pending {
            Pending::Out { until, .. } => *until,
            Pending::Waiting { due, .. } => *due,
        });
        let next = next.filter(|&at| at > now).min();
        next.map_or(POLL, |next| POLL.min(next - now)).max(Duration::from_millis(1))
    }
}
