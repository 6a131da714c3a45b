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
/// How long a file that cannot be read is left alone.
const UNREADABLE_FOR: Duration = Duration::from_secs(5);
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
    paused_until: Option<Instant>,
    searched_at: Option<Instant>,
}

struct OpenFile {
    incoming: Incoming,
    progress: Progress,
    pending: BTreeMap<u64, Pending>,
    ended: bool,
    /// It could not be read; until then it is left alone.
    unreadable_until: Option<Instant>,
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
            paused_until: None,
            searched_at: None,
        })
    }

    /// Does what a command says. What the journal cannot be told is only forgotten by the next consumer, who then hands
    /// out again what is done: the memory of this one is right all the same.
    pub(super) fn obey(&mut self, command: Command, now: Instant) {
        let Command::Verdict(receipt, verdict) = command else {
            self.searched_at = None;
            return;
        };
        let Some(file) = self.files.get_mut(&receipt.file) else { return };
        let Some(pending) = file.pending.get(&receipt.offset).copied() else { return };
        let is_out = matches!(pending, Pending::Out { times, .. } if times == receipt.times);
        match verdict {
            // Handled is handled, also when it took so long that the record was handed out again.
            Verdict::Done => {
                file.pending.remove(&receipt.offset);
                file.progress.tried.remove(&receipt.offset);
                file.progress.done.insert(receipt.offset);
                self.journal.done(&receipt.file, receipt.offset);
            }
            _ if !is_out => {}
            Verdict::Extend => {
                let until = now + self.settings.visibility;
                file.pending.insert(receipt.offset, Pending::Out { times: receipt.times, until });
            }
            Verdict::Vanished => {
                let due = now + (RETRY_STEP * receipt.times).min(LONGEST_RETRY);
                file.pending.insert(receipt.offset, Pending::Waiting { due });
            }
            Verdict::Later(delay) | Verdict::Aside(delay) => {
                // An engine that is down uses up nobody's attempts, and nor does waiting for a turn.
                let times = receipt.times - 1;
                file.progress.tried.insert(receipt.offset, times);
                file.pending.insert(receipt.offset, Pending::Waiting { due: now + delay });
                if matches!(verdict, Verdict::Later(_)) {
                    self.paused_until = Some(now + delay);
                }
                self.journal.tried(&receipt.file, receipt.offset, times);
            }
        }
    }

    fn out(&self) -> usize {
        let pending = self.files.values().flat_map(|file| file.pending.values());
        pending.filter(|pending| matches!(pending, Pending::Out { .. })).count()
    }

    /// The next record that may be handed out now. A file that cannot be read holds up no other.
    pub(super) fn next(&mut self, now: Instant) -> io::Result<Option<Ready>> {
        self.take_back_overdue(now);
        if self.out() >= self.settings.in_flight || self.paused_until.is_some_and(|until| now < until) {
            return Ok(None);
        }
        self.search(now)?;
        let readable =
            self.files.iter().filter(|(_, file)| file.unreadable_until.is_none_or(|until| until <= now));
        let names: Vec<String> = readable.map(|(name, _)| name.clone()).collect();
        for name in &names {
            if let Some(ready) = self.or_pass_over(name, now, Self::next_due) {
                return Ok(Some(ready));
            }
        }
        for name in &names {
            if let Some(ready) = self.or_pass_over(name, now, Self::next_unread) {
                return Ok(Some(ready));
            }
        }
        Ok(None)
    }

    /// What `take` finds in a file; a file that fails is passed over for a while.
    fn or_pass_over(
        &mut self,
        name: &str,
        now: Instant,
        take: impl Fn(&mut Self, &str, Instant) -> io::Result<Option<Ready>>,
    ) -> Option<Ready> {
        match take(self, name, now) {
            Ok(ready) => ready,
            Err(error) => {
                tracing::error!(file = name, %error, "a file of the queue cannot be read; trying again in a while");
                if let Some(file) = self.files.get_mut(name) {
                    file.unreadable_until = Some(now + UNREADABLE_FOR);
                }
                None
            }
        }
    }

    fn next_due(&mut self, name: &str, now: Instant) -> io::Result<Option<Ready>> {
        let Some(file) = self.files.get_mut(name) else { return Ok(None) };
        let is_due = |pending: &Pending| matches!(pending, Pending::Waiting { due } if *due <= now);
        let Some(offset) =
            file.pending.iter().find(|(_, pending)| is_due(pending)).map(|(&offset, _)| offset)
        else {
            return Ok(None);
        };
        match file.incoming.read_again(offset)? {
            Some(message) => Ok(Some(self.hand_out(name, offset, message, now))),
            None => {
                tracing::error!(
                    file = name,
                    offset,
                    "a message could not be read again: the disk damaged it"
                );
                file.incoming.mark_damaged();
                file.pending.remove(&offset);
                Ok(None)
            }
        }
    }

    fn next_unread(&mut self, name: &str, now: Instant) -> io::Result<Option<Ready>> {
        while let Some(file) = self.files.get_mut(name).filter(|file| !file.ended) {
            match file.incoming.read_next()? {
                Next::Record { offset, .. } if file.progress.done.contains(&offset) => {}
                Next::Record { offset, message } => {
                    return Ok(Some(self.hand_out(name, offset, message, now)));
                }
                Next::Wait => break,
                Next::End => file.ended = true,
            }
        }
        Ok(None)
    }

    fn hand_out(&mut self, name: &str, offset: u64, message: Vec<u8>, now: Instant) -> Ready {
        let mut times = 1;
        if let Some(file) = self.files.get_mut(name) {
            times += file.progress.tried.get(&offset).copied().unwrap_or_default();
            file.progress.tried.insert(offset, times);
            file.pending.insert(offset, Pending::Out { times, until: now + self.settings.visibility });
        }
        // Before the handler sees it: if it kills this process, the next one must know.
        self.journal.tried(name, offset, times);
        Ready { receipt: Receipt { file: name.to_owned(), offset, times }, message }
    }

    fn take_back_overdue(&mut self, now: Instant) {
        for pending in self.files.values_mut().flat_map(|file| file.pending.values_mut()) {
            if matches!(*pending, Pending::Out { until, .. } if until <= now) {
                *pending = Pending::Waiting { due: now };
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
            let mut incoming = match Incoming::open(&self.directory, name.clone()) {
                Ok(incoming) => incoming,
                Err(error) => {
                    tracing::error!(file = name, %error, "a file of the queue cannot be opened; it is passed over");
                    continue;
                }
            };
            let progress = self.remembered.remove(&name).unwrap_or_default();
            incoming.skip_to(progress.below);
            let file = OpenFile {
                incoming,
                progress,
                pending: BTreeMap::new(),
                ended: false,
                unreadable_until: None,
            };
            self.files.insert(name, file);
        }
        Ok(())
    }

    /// Removes the files of which everything is done, and keeps the journal small.
    pub(super) fn tidy(&mut self) -> io::Result<()> {
        let done = self.files.iter().filter(|(_, file)| file.is_done()).map(|(name, _)| name.clone());
        for name in done.collect::<Vec<_>>() {
            if let Some(file) = self.files.get(&name) {
                // Forgotten only when it is gone: a file that stays would be read again from its beginning.
                if let Err(error) = file.incoming.remove(&self.directory) {
                    tracing::error!(file = name, %error, "a file of the queue cannot be removed");
                    continue;
                }
            }
            self.files.remove(&name);
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
