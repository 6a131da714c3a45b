//! Bytes between local files and the bucket. Caches travel packed.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use epitaph_bucket::{Bucket, Key};
use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::spawn_blocking,
};

use super::{disk::DiskCache, known::Named};
use crate::{SymbolError, cache::Cache};

/// Bytes that are read or written at once.
const PIECE: usize = 256 << 10;
/// Pieces that wait between reader and writer.
const WAITING: usize = 4;
/// A level that packs as fast as a disk writes.
const LEVEL: i32 = 3;

/// The SHA-256 of a file in hexadecimal digits, and its bytes.
pub(super) async fn measure(path: &Path) -> Result<(String, u64), SymbolError> {
    let path = path.to_owned();
    blocking(move || {
        let measured = File::open(&path).and_then(|mut file| {
            let mut hasher = Sha256::new();
            let mut piece = vec![0; PIECE];
            let mut size = 0;
            loop {
                match file.read(&mut piece)? {
                    0 => break,
                    count => {
                        hasher.update(piece.get(..count).unwrap_or_default());
                        size += count as u64;
                    }
                }
            }
            let digits = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            Ok((digits, size))
        });
        measured.map_err(SymbolError::file(&path))
    })
    .await
}

/// Copies a local file into the bucket, packed or as it is. What has that key is the same already.
pub(super) async fn upload(bucket: &Bucket, key: &Key, path: &Path, packed: bool) -> Result<(), SymbolError> {
    if bucket.exists(key).await? {
        return Ok(());
    }
    let (sender, mut pieces) = channel(WAITING);
    let path = path.to_owned();
    let reader = spawn_blocking(move || {
        let read = File::open(&path).and_then(|mut file| {
            let mut out = io::BufWriter::with_capacity(PIECE, Pieces(sender));
            if packed {
                zstd::stream::copy_encode(&mut file, &mut out, LEVEL)?;
            } else {
                io::copy(&mut file, &mut out)?;
            }
            out.flush()
        });
        read.map_err(SymbolError::file(&path))
    });
    let mut upload = bucket.upload(key);
    while let Some(piece) = pieces.recv().await {
        if let Err(error) = upload.write(piece).await {
            upload.abort().await;
            return Err(error.into());
        }
    }
    match reader.await.unwrap_or_else(|error| Err(SymbolError::file("a task")(io::Error::other(error)))) {
        Ok(()) => upload.finish().await.map(|_| ()).map_err(SymbolError::from),
        // The end of the pieces was not the end of the file.
        Err(error) => {
            upload.abort().await;
            Err(error)
        }
    }
}

/// Fetches a cache, and gives its local file.
pub(super) async fn fetch(
    bucket: &Bucket,
    disk: &DiskCache,
    key: &Key,
    named: &Named,
    name: &str,
) -> Result<PathBuf, SymbolError> {
    let (_, mut stream) = bucket.stream(key).await?;
    let (sender, pieces) = channel::<Bytes>(WAITING);
    let writer = {
        let (disk, name, named) = (disk.clone(), name.to_owned(), named.clone());
        spawn_blocking(move || unpack(pieces, &disk, &named, &name))
    };
    while let Some(piece) = stream.try_next().await? {
        // The writer says why it takes no more.
        if sender.send(piece).await.is_err() {
            break;
        }
    }
    drop(sender);
    writer.await.unwrap_or_else(|error| Err(SymbolError::file("a task")(io::Error::other(error))))
}

fn unpack(
    pieces: Receiver<Bytes>,
    disk: &DiskCache,
    named: &Named,
    name: &str,
) -> Result<PathBuf, SymbolError> {
    disk.make_room(named.size)?;
    let work = disk.work()?;
    let path = work.path().join("cache");
    let unpacked = File::create(&path).and_then(|mut file| {
        let mut reader = zstd::stream::read::Decoder::new(Arrived { pieces, piece: Bytes::new() })?;
        // A byte more than it should have tells that it is another.
        io::copy(&mut reader.by_ref().take(named.size.saturating_add(1)), &mut file)
    });
    let size = unpacked.map_err(SymbolError::file(&path))?;
    if size != named.size {
        return Err(SymbolError::Damaged(name.to_owned()));
    }
    let cache = Cache::open(&path, named.kind)?;
    disk.take_in(name, &path, &cache)
}

async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, SymbolError> + Send + 'static,
) -> Result<T, SymbolError> {
    let done = spawn_blocking(job).await;
    done.unwrap_or_else(|error| Err(SymbolError::file("a task")(io::Error::other(error))))
}

/// Sends what is written.
struct Pieces(Sender<Bytes>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Bytes::copy_from_slice(bytes));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads what arrives.
struct Arrived {
    pieces: Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Arrived {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let next = self.piece.split_to(buffer.len().min(self.piece.len()));
        buffer.get_mut(..next.len()).unwrap_or_default().copy_from_slice(&next);
        Ok(next.len())
    }
}
