//! The side that takes messages: append, sync once for all that wait, answer.

use std::{
    fs::{self, File},
    io::{self, IoSlice, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use epitaph_crash_model::Message;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{INCOMING, LOG, NEW, create_directory, record, sync_directory};
use crate::{SendError, Sender};

/// The largest message that the embedded queue takes, in bytes.
pub const LARGEST_MESSAGE: usize = 4 * 1024 * 1024;

/// More than the attributes of a message take beside its data.
const ATTRIBUTES: usize = 512;
/// A producer goes on to a new file when one has grown to this, so that what is done can be removed.
const FULL_FILE: u64 = 64 * 1024 * 1024;
/// At most so many messages wait for the disk.
const LONGEST_QUEUE: usize = 1024;
/// The stack of a thread that syncs a directory.
const SYNC_STACK: usize = 64 * 1024;
/// At most this much is written before a sync, so that the first in line does not wait for ever.
const LARGEST_BATCH: usize = 8 * 1024 * 1024;

/// How a producer writes.
#[derive(Debug, Clone)]
pub struct ProducerSettings {
    /// The directory of the queue. Created when the first message comes.
    pub directory: PathBuf,
    /// Bytes that must stay free on its disk.
    pub min_free: u64,
    /// Whether to sync. Without it nothing is durable: only a test of the tests switches it off.
    pub sync: bool,
}

/// The producing side of the embedded queue. Its thread starts, and its file is made, with the first message.
pub struct Producer {
    settings: ProducerSettings,
    writer: Mutex<Option<mpsc::SyncSender<Job>>>,
    on_sent: Option<Box<dyn Fn() + Send + Sync>>,
}

struct Job {
    message: Vec<u8>,
    answer: oneshot::Sender<Result<(), SendError>>,
}

impl Producer {
    /// A producer for a directory. No I/O happens before the first message.
    pub fn new(settings: ProducerSettings) -> Self {
        Self { settings, writer: Mutex::new(None), on_sent: None }
    }

    /// Calls `wake` after every message, so that a consumer in the same process need not look for it.
    #[must_use]
    pub fn with_wake(mut self, wake: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_sent = Some(Box::new(wake));
        self
    }

    /// Starts the thread and makes the file now, while there is nothing else to do. What fails here fails again, and is
    /// reported, with the first message.
    pub fn warm_up(&self) {
        let _ = self.writer();
    }

    fn writer(&self) -> io::Result<mpsc::SyncSender<Job>> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(jobs) = &*writer {
            return Ok(jobs.clone());
        }
        let (jobs, inbox) = mpsc::sync_channel(LONGEST_QUEUE);
        let settings = self.settings.clone();
        thread::Builder::new()
            .name("queue-writer".into())
            .stack_size(128 * 1024)
            .spawn(move || Writer { settings, file: None, parents_synced: false }.run(&inbox))?;
        Ok(writer.insert(jobs).clone())
    }

    async fn append(&self, message: Vec<u8>) -> Result<(), SendError> {
        if message.len() > LARGEST_MESSAGE {
            return Err(SendError::TooLarge { size: message.len(), limit: LARGEST_MESSAGE });
        }
        let (answer, answered) = oneshot::channel();
        let jobs = self.writer().map_err(unavailable)?;
        jobs.try_send(Job { message, answer }).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => unavailable(io::Error::other("the disk does not keep up")),
            mpsc::TrySendError::Disconnected(_) => gone(),
        })?;
        answered.await.unwrap_or_else(|_| Err(gone()))?;
        if let Some(wake) = &self.on_sent {
            wake();
        }
        Ok(())
    }
}

impl Sender for Producer {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            let mut bytes = Vec::with_capacity(message.data.get().len() + ATTRIBUTES);
            serde_json::to_writer(&mut bytes, message)
                .map_err(|error| SendError::Unavailable(Box::new(error)))?;
            self.append(bytes).await
        })
    }

    fn largest_message(&self) -> usize {
        LARGEST_MESSAGE
    }

    fn warm_up(&self) -> BoxFuture<'_, ()> {
        Self::warm_up(self);
        Box::pin(std::future::ready(()))
    }
}

fn unavailable(error: io::Error) -> SendError {
    SendError::Unavailable(Box::new(error))
}

fn gone() -> SendError {
    unavailable(io::Error::other("the thread that writes the queue has ended"))
}

/// What the writing thread owns.
struct Writer {
    settings: ProducerSettings,
    file: Option<OpenFile>,
    /// Whether the directories above the files were synced by this process, whoever made them.
    parents_synced: bool,
}

struct OpenFile {
    file: File,
    size: u64,
    /// Directories that hold the file's name, and have not been synced since. An acknowledged record must not be in a
    /// file that a power cut makes nameless.
    unsynced: Vec<PathBuf>,
}

impl Writer {
    fn run(mut self, inbox: &mpsc::Receiver<Job>) {
        // The file is made before the first message is here. If that fails, the message will say so.
        self.file = self.open().ok();
        while let Ok(first) = inbox.recv() {
            let mut bytes = first.message.len();
            let mut batch = vec![first];
            while bytes < LARGEST_BATCH {
                let Ok(next) = inbox.try_recv() else { break };
                bytes += next.message.len();
                batch.push(next);
            }
            // Whoever has given up waiting has parked the message elsewhere.
            batch.retain(|job| !job.answer.is_closed());
            if batch.is_empty() {
                continue;
            }
            let written = self.write(&batch);
            for job in batch {
                // A client that has gone away meanwhile is no reason to stop.
                let _ = job.answer.send(written.clone().map_err(SendError::from));
            }
        }
    }

    fn write(&mut self, batch: &[Job]) -> Result<(), WriteError> {
        let mut open = match self.file.take() {
            Some(open) if open.size < FULL_FILE => open,
            _ => self.open()?,
        };
        if let Err(full) = self.check_free_space(&open.file) {
            self.file = Some(open);
            return Err(full);
        }
        let headers: Vec<_> = batch.iter().map(|job| record::header(&job.message)).collect();
        let mut pieces: Vec<IoSlice<'_>> = Vec::with_capacity(batch.len() * 2);
        for (header, job) in headers.iter().zip(batch) {
            pieces.push(IoSlice::new(header));
            pieces.push(IoSlice::new(&job.message));
        }
        open.size += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        write_all(&mut open.file, &mut pieces)?;
        if self.settings.sync {
            sync_together(&open.file, &open.unsynced)?;
            open.unsynced.clear();
            self.parents_synced = true;
        }
        // Only a file in which nothing failed is used again.
        self.file = Some(open);
        Ok(())
    }

    fn check_free_space(&self, file: &File) -> Result<(), WriteError> {
        let disk = rustix::fs::fstatvfs(file).map_err(io::Error::from)?;
        let (free, low) = (disk.f_bavail.saturating_mul(disk.f_frsize), self.settings.min_free);
        if free < low { Err(WriteError::NoSpace { free, low }) } else { Ok(()) }
    }

    fn open(&self) -> io::Result<OpenFile> {
        let incoming = self.settings.directory.join(INCOMING);
        let name = incoming.join(Uuid::now_v7().simple().to_string());
        let (new, log) = (name.with_extension(NEW), name.with_extension(LOG));
        let mut unsynced = Vec::new();
        let mut file = match File::create_new(&new) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_directory(&incoming, &mut unsynced)?;
                File::create_new(&new)?
            }
            created => created?,
        };
        // Locked before it gets the name that the consumer looks for: an unlocked log means a producer that is gone.
        let mut begin = || {
            file.try_lock().map_err(io::Error::from)?;
            file.write_all(record::MAGIC)?;
            fs::rename(&new, &log)
        };
        if let Err(error) = begin() {
            // A full disk fails so once a second, for as long as it is full.
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        if !self.parents_synced {
            // Another process may have made them and died before it synced them.
            let above = incoming.ancestors().skip(1).take(2).map(Path::to_owned);
            unsynced.extend(above.filter(|path| path.is_dir()));
            unsynced.sort_unstable();
            unsynced.dedup();
        }
        unsynced.push(incoming);
        Ok(OpenFile { file, size: record::MAGIC.len() as u64, unsynced })
    }
}

/// Syncs a file and the directories above it side by side: all of them wait for one commit of the file system's journal,
/// and one flush of the disk, where one after the other each would have its own.
fn sync_together(file: &File, directories: &[PathBuf]) -> io::Result<()> {
    if directories.is_empty() {
        return file.sync_data();
    }
    thread::scope(|scope| {
        let sync = |directory| {
            let thread = thread::Builder::new().stack_size(SYNC_STACK);
            thread.spawn_scoped(scope, move || sync_directory(directory))
        };
        let beside: Vec<_> = directories.iter().map(|directory| sync(directory.as_path())).collect();
        file.sync_data()?;
        for (thread, directory) in beside.into_iter().zip(directories) {
            match thread.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(synced)) => synced?,
                // No thread to be had, or one that panicked: then here, after all.
                Ok(Err(_)) | Err(_) => sync_directory(directory)?,
            }
        }
        Ok(())
    })
}

/// Why a batch was not written; each of its messages is told.
#[derive(Clone)]
enum WriteError {
    NoSpace { free: u64, low: u64 },
    Io(Arc<io::Error>),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

impl From<WriteError> for SendError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NoSpace { free, low } => Self::NoSpace { free, low },
            WriteError::Io(error) => Self::Unavailable(Box::new(error)),
        }
    }
}

fn write_all(file: &mut File, mut pieces: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !pieces.is_empty() {
        match file.write_vectored(pieces) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut pieces, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
