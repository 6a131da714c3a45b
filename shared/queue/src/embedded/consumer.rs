//! The side that gives messages out again: one process at a time.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use epitaph_crash_model::Message;

use super::{INCOMING, NEW, create_directory, state::State, sync_directory};

/// A file that a producer has not locked after so long belongs to no living one.
const STALE: Duration = Duration::from_secs(3600);

/// How a consumer hands out.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerSettings {
    /// How long a handler may take before the message is handed out again, unless it extends.
    pub visibility: Duration,
    /// The most messages that are out at once.
    pub in_flight: usize,
}

impl Default for ConsumerSettings {
    fn default() -> Self {
        Self { visibility: Duration::from_secs(120), in_flight: 16 }
    }
}

/// Why the queue cannot be consumed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process consumes this queue.
    #[error("another process already consumes the queue in {}; stop it, or give this one its own EPITAPH_DATA", .0.display())]
    Taken(PathBuf),
    /// The directory cannot be used.
    #[error("the queue in {} cannot be opened", .directory.display())]
    Io {
        /// The queue.
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The consuming side of the embedded queue.
pub struct Consumer {
    deliveries: tokio::sync::mpsc::Receiver<Delivery>,
    commands: mpsc::Sender<Command>,
    visibility: Duration,
}

/// Tells the consumer that a message was sent in this process.
#[derive(Clone)]
pub struct Waker(mpsc::Sender<Command>);

impl Waker {
    /// Makes the consumer look for messages now rather than at its next poll.
    pub fn wake(&self) {
        let _ = self.0.send(Command::Look);
    }
}

pub(super) enum Command {
    Look,
    Verdict(Receipt, Verdict),
}

pub(super) enum Verdict {
    Done,
    Later(Duration),
    Aside(Duration),
    Vanished,
    Extend,
}

/// Which handing-out of which record.
#[derive(Debug, Clone)]
pub(super) struct Receipt {
    pub(super) file: String,
    pub(super) offset: u64,
    pub(super) times: u32,
}

/// A message that was handed out. Dropped without a verdict, it is handed out again, and the attempt counts.
#[derive(Debug)]
pub struct Delivery {
    bytes: Vec<u8>,
    receipt: Receipt,
    commands: mpsc::Sender<Command>,
    settled: bool,
}

impl Consumer {
    /// Opens a queue for consuming. The directory is created if it is not there.
    ///
    /// # Errors
    /// [`OpenError::Taken`] while another process has it open.
    pub fn open(directory: &Path, settings: ConsumerSettings) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { directory: directory.to_owned(), source };
        let mut unsynced = Vec::new();
        create_directory(directory, &mut unsynced).map_err(failed)?;
        unsynced.iter().try_for_each(|directory| sync_directory(directory)).map_err(failed)?;
        let lock = directory.join("consumer.lock");
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(lock).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Taken(directory.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        if let Err(error) = remove_stale_files(directory) {
            // The queue is not usable now, and may be soon: until then producers park their messages elsewhere.
            tracing::warn!(%error, "the queue's files cannot be listed");
        }
        let state = State::open(directory, settings).map_err(failed)?;
        let (commands, inbox) = mpsc::channel();
        let (outbox, deliveries) = tokio::sync::mpsc::channel(settings.in_flight.max(1));
        let thread = Thread { state, commands: commands.clone(), inbox, outbox, _lock: lock };
        thread::Builder::new().name("queue-reader".into()).spawn(move || thread.run()).map_err(failed)?;
        Ok(Self { deliveries, commands, visibility: settings.visibility })
    }

    /// A handle for producers in this process.
    pub fn waker(&self) -> Waker {
        Waker(self.commands.clone())
    }

    /// How long a delivery may be handled before it must be extended.
    pub fn visibility(&self) -> Duration {
        self.visibility
    }

    /// The next message; waits for one. `None` when the consumer's thread has ended. Nothing is lost when this future
    /// is dropped.
    pub async fn receive(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }
}

/// Removes files of producers that died before they had their lock: nothing was ever written to them. One that is being
/// made right now is younger than an hour.
fn remove_stale_files(directory: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(directory.join(INCOMING)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let is_new = Path::new(&entry.file_name()).extension().is_some_and(|extension| extension == NEW);
        let old = entry.metadata()?.modified()?.elapsed().is_ok_and(|age| age > STALE);
        if is_new && old {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

impl Delivery {
    /// The message.
    ///
    /// # Errors
    /// When the bytes are not a message: nothing of ours wrote them.
    pub fn message(&self) -> Result<Message, serde_json::Error> {
        serde_json::from_slice(&self.bytes)
    }

    /// The bytes of the message, as they were sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How often this message was handed out, this time included.
    pub fn attempt(&self) -> u32 {
        self.receipt.times
    }

    /// Where it lies in the queue: the same for every handing-out of this message.
    pub fn place(&self) -> String {
        format!("{}/{}", self.receipt.file, self.receipt.offset)
    }

    /// It was handled: forget it.
    pub fn done(mut self) {
        self.settle(Verdict::Done);
    }

    /// An engine is down: hand nothing out for a while, then this again, without counting this attempt.
    pub fn later(mut self, delay: Duration) {
        self.settle(Verdict::Later(delay));
    }

    /// It is still being handled: its time begins anew.
    pub fn extend(&self) {
        let _ = self.commands.send(Command::Verdict(self.receipt.clone(), Verdict::Extend));
    }

    fn settle(&mut self, verdict: Verdict) {
        self.settled = true;
        // When the thread is gone, the journal knows what is not done.
        let _ = self.commands.send(Command::Verdict(self.receipt.clone(), verdict));
    }
}

impl crate::Source for Consumer {
    type Delivery = Delivery;

    fn visibility(&self) -> Duration {
        self.visibility
    }

    async fn receive(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }
}

impl crate::Delivery for Delivery {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn attempt(&self) -> u32 {
        self.receipt.times
    }

    fn place(&self) -> String {
        Self::place(self)
    }

    async fn extend(&self) {
        Self::extend(self);
    }

    async fn done(self) {
        Self::done(self);
    }

    async fn later(self, pause: Duration) {
        Self::later(self, pause);
    }

    async fn aside(mut self, pause: Duration) {
        self.settle(Verdict::Aside(pause));
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.settled {
            self.settle(Verdict::Vanished);
        }
    }
}

struct Thread {
    state: State,
    commands: mpsc::Sender<Command>,
    inbox: mpsc::Receiver<Command>,
    outbox: tokio::sync::mpsc::Sender<Delivery>,
    _lock: File,
}

impl Thread {
    fn run(mut self) {
        while !self.outbox.is_closed() {
            let pause = match self.turn() {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(%error, "the queue cannot be read; trying again in a second");
                    Duration::from_secs(1)
                }
            };
            if let Ok(command) = self.inbox.recv_timeout(pause) {
                self.obey(command);
                while let Ok(command) = self.inbox.try_recv() {
                    self.obey(command);
                }
            }
        }
        // The verdicts of those who finished meanwhile are not lost.
        while let Ok(command) = self.inbox.try_recv() {
            self.obey(command);
        }
    }

    fn obey(&mut self, command: Command) {
        self.state.obey(command, Instant::now());
    }

    fn turn(&mut self) -> io::Result<Duration> {
        while let Some(ready) = self.state.next(Instant::now())? {
            let delivery = Delivery {
                bytes: ready.message,
                receipt: ready.receipt,
                commands: self.commands.clone(),
                settled: false,
            };
            // There is room: no more are out than the channel holds. A closed channel gives the delivery back, and
            // dropping it makes it wait for the next consumer.
            if self.outbox.try_send(delivery).is_err() {
                break;
            }
        }
        self.state.tidy()?;
        Ok(self.state.idle_for(Instant::now()))
    }
}
