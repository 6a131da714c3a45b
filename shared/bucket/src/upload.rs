//! Writing an object piece by piece.

use std::{collections::VecDeque, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload};
use tokio::{
    sync::{Mutex, SemaphorePermit},
    time::{Instant, timeout},
};

use crate::{
    Bucket, BucketError, Key,
    memory::{Piece, Place},
};

/// How long the store may take for what one call asks of it, unless [`Upload::with_patience`] says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// An object that is being written. It is there, whole and durable, when [`Upload::finish`] has returned, and never
/// before. Dropped unfinished, it leaves at most a staged file or upload, which a sweep or a lifecycle rule removes.
///
/// Holds at most one part in memory. All uploads of a bucket share a stated amount of it: a part that a slow client
/// fills is put aside where others wait for its memory.
///
/// After an error, or where a call was not waited for, it can only be aborted.
pub struct Upload {
    part: Arc<Mutex<Part>>,
    key: Key,
    size: u64,
    patience: Duration,
}

impl Upload {
    pub(crate) fn new(bucket: Bucket, key: Key) -> Self {
        let place = Arc::new(bucket.shared.memory.enter());
        let part = Arc::new(Mutex::new(Part::new(bucket, key.clone(), Arc::clone(&place))));
        place.belongs_to(&part);
        Self { part, key, size: 0, patience: PATIENCE }
    }

    /// How long the store may take for what one call asks of it. Waiting for other uploads is not counted.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The key that the object will have.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Appends bytes. Waits for memory, and for the turn to send, as long as other uploads move on.
    ///
    /// # Errors
    /// [`BucketError::Busy`] when there is neither and other uploads stand still, [`BucketError::NoSpace`],
    /// [`BucketError::Unavailable`].
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), BucketError> {
        let mut part = self.part.lock().await;
        let _at_work = part.place.at_work();
        self.size += bytes.len() as u64;
        part.append(bytes, &mut Patience::new(self.patience)).await
    }

    /// Completes the object. Gives its size in bytes.
    ///
    /// # Errors
    /// As [`Upload::write`]; then the object is not there.
    pub async fn finish(self) -> Result<u64, BucketError> {
        let mut part = self.part.lock().await;
        let _at_work = part.place.at_work();
        part.complete(&mut Patience::new(self.patience)).await?;
        Ok(self.size)
    }

    /// Gives up, and removes what was staged as far as the store can be reached.
    pub async fn abort(self) {
        let mut part = self.part.lock().await;
        let _at_work = part.place.at_work();
        part.abort().await;
    }
}

/// The part of an upload that is being filled.
pub(crate) struct Part {
    bucket: Bucket,
    key: Key,
    /// What is put aside, in the bucket: the beginning of the part.
    aside: VecDeque<Aside>,
    asides: u32,
    /// What is in memory: the rest of it.
    pieces: Vec<Bytes>,
    open: Option<Piece>,
    /// Bytes of all of these.
    length: usize,
    target: Option<Box<dyn MultipartUpload>>,
    /// What was sent may be lost: the object cannot be completed.
    broken: bool,
    /// Last, so that all pieces are given back before it is left.
    place: Arc<Place>,
}

struct Aside {
    key: Key,
    length: usize,
}

impl Part {
    fn new(bucket: Bucket, key: Key, place: Arc<Place>) -> Self {
        Self {
            bucket,
            key,
            aside: VecDeque::new(),
            asides: 0,
            pieces: Vec::new(),
            open: None,
            length: 0,
            target: None,
            broken: false,
            place,
        }
    }

    async fn append(&mut self, mut bytes: Bytes, patience: &mut Patience) -> Result<(), BucketError> {
        let shape = self.place.shape();
        while !bytes.is_empty() {
            let piece = match &mut self.open {
                Some(piece) => piece,
                open => match self.place.take_now() {
                    Some(piece) => open.insert(piece),
                    None if shape.whole => open.insert(self.place.take(patience.begun).await?),
                    None => return self.put_part(bytes.into(), patience).await,
                },
            };
            let length = bytes.len().min(piece.room()).min(shape.part_bytes() - self.length);
            piece.append(&bytes.split_to(length));
            let is_full = piece.room() == 0;
            self.length += length;
            if is_full {
                self.close_piece();
            }
            if self.length == shape.part_bytes() {
                self.send(patience).await?;
            }
        }
        Ok(())
    }

    fn close_piece(&mut self) {
        self.pieces.extend(self.open.take().map(Piece::into_bytes));
    }

    /// What is in memory, to be sent; from now on it is not the upload's any more.
    fn take_payload(&mut self) -> PutPayload {
        self.close_piece();
        self.length = 0;
        self.place.holds(0);
        self.pieces.drain(..).collect()
    }

    async fn send(&mut self, patience: &mut Patience) -> Result<(), BucketError> {
        self.bring_back(patience).await?;
        self.check()?;
        let place = Arc::clone(&self.place);
        let turn = Self::turn(&place, self.pieces_held(), patience).await?;
        let payload = self.take_payload();
        self.put_part(payload, patience).await?;
        drop(turn);
        self.drop_asides(patience).await;
        Ok(())
    }

    /// The turn to send so many pieces. A directory lets everybody write at once.
    async fn turn<'a>(
        place: &'a Place,
        pieces: usize,
        patience: &Patience,
    ) -> Result<Option<SemaphorePermit<'a>>, BucketError> {
        if !place.shape().whole {
            return Ok(None);
        }
        place.turn_to_send(pieces, patience.begun).await.map(Some)
    }

    /// How many pieces are in memory.
    fn pieces_held(&self) -> usize {
        self.pieces.len() + usize::from(self.open.is_some())
    }

    /// Whether the object can still be completed.
    fn check(&self) -> Result<(), BucketError> {
        if self.broken {
            return Err(BucketError::Unavailable("an earlier piece of the object was not taken".into()));
        }
        Ok(())
    }

    async fn put_part(&mut self, payload: PutPayload, patience: &mut Patience) -> Result<(), BucketError> {
        // Whoever does not wait for the end of this does not know what was written.
        self.broken = true;
        let key = &self.key;
        let store = patience.wait(self.bucket.store()).await?;
        self.bucket.check_free_space()?;
        let target = match &mut self.target {
            Some(target) => target,
            none => none.insert(patience.ask(key, store.put_multipart(key.path())).await?),
        };
        patience.ask(key, target.put_part(payload)).await?;
        self.place.moved();
        self.broken = false;
        Ok(())
    }

    /// Reads what was put aside back into memory, before what came after it.
    async fn bring_back(&mut self, patience: &mut Patience) -> Result<(), BucketError> {
        if self.aside.iter().all(|aside| aside.length == 0) {
            return Ok(());
        }
        let mut front = Vec::new();
        let mut open: Option<Piece> = None;
        for aside in &self.aside {
            let (size, mut stream) = patience.wait(self.bucket.stream(&aside.key)).await?;
            if size != aside.length as u64 {
                return Err(BucketError::Unavailable(format!("{} was changed meanwhile", aside.key).into()));
            }
            while let Some(bytes) = patience.wait(stream.try_next()).await? {
                let mut bytes = &bytes[..];
                while !bytes.is_empty() {
                    let piece = match &mut open {
                        Some(piece) => piece,
                        open => open.insert(self.place.take(patience.begun).await?),
                    };
                    let (head, rest) = bytes.split_at(bytes.len().min(piece.room()));
                    piece.append(head);
                    bytes = rest;
                    if piece.room() == 0 {
                        front.extend(open.take().map(Piece::into_bytes));
                    }
                }
            }
        }
        front.extend(open.map(Piece::into_bytes));
        self.pieces.splice(..0, front);
        // Still there, in case this is begun anew; but not to be read twice.
        for aside in &mut self.aside {
            aside.length = 0;
        }
        Ok(())
    }

    /// Puts what it has in memory aside, since others wait for the memory. Where the bucket fails, or where this is not
    /// waited for, the upload keeps it.
    pub(crate) async fn give_way(&mut self) {
        if self.broken || !self.place.shape().whole {
            return;
        }
        self.close_piece();
        let length = self.pieces.iter().map(Bytes::len).sum();
        if length == 0 {
            return;
        }
        let key = self.key.aside(self.asides);
        // A number is never used twice: a request that was not waited for may still be carried out.
        self.asides += 1;
        let payload: PutPayload = self.pieces.iter().cloned().collect();
        let mut patience = Patience::new(crate::memory::PATIENCE);
        match patience.wait(self.bucket.put_payload(&key, payload)).await {
            Ok(()) => {
                self.place.moved();
                self.pieces.clear();
                self.place.holds(0);
                self.aside.push_back(Aside { key, length });
            }
            Err(error) => tracing::warn!(%key, %error, "a slow upload could not be put aside"),
        }
    }

    /// Removes what was put aside and is in memory, or sent, by now.
    async fn drop_asides(&mut self, patience: &mut Patience) {
        while let Some(aside) = self.aside.pop_front() {
            // The retention of its crash takes what is left.
            let _ = patience.wait(self.bucket.delete(&aside.key)).await;
        }
    }

    async fn complete(&mut self, patience: &mut Patience) -> Result<(), BucketError> {
        if self.target.is_none() {
            self.bring_back(patience).await?;
            self.check()?;
            let place = Arc::clone(&self.place);
            let _turn = Self::turn(&place, self.pieces_held(), patience).await?;
            let payload = self.take_payload();
            patience.wait(self.bucket.put_payload(&self.key, payload)).await?;
            self.place.moved();
        } else if self.length > 0 {
            self.send(patience).await?;
        }
        self.check()?;
        if let Some(target) = &mut self.target {
            patience.ask(&self.key, target.complete()).await?;
            self.place.moved();
        }
        self.drop_asides(patience).await;
        Ok(())
    }

    async fn abort(&mut self) {
        self.broken = true;
        let mut patience = Patience::new(PATIENCE);
        drop(self.take_payload());
        if let Some(target) = &mut self.target {
            // A sweep or a lifecycle rule does it later where this fails.
            let _ = patience.ask(&self.key, target.abort()).await;
        }
        self.drop_asides(&mut patience).await;
    }
}

/// The time that is left for the store.
struct Patience {
    begun: Instant,
    left: Duration,
}

impl Patience {
    fn new(left: Duration) -> Self {
        Self { begun: Instant::now(), left }
    }

    async fn wait<T>(
        &mut self,
        work: impl Future<Output = Result<T, BucketError>>,
    ) -> Result<T, BucketError> {
        let begun = Instant::now();
        let done = timeout(self.left, work).await;
        self.left = self.left.saturating_sub(begun.elapsed());
        done.unwrap_or_else(|_| Err(BucketError::Unavailable("it did not answer in time".into())))
    }

    async fn ask<T>(
        &mut self,
        key: &Key,
        work: impl Future<Output = Result<T, object_store::Error>>,
    ) -> Result<T, BucketError> {
        self.wait(async { work.await.map_err(|error| BucketError::of(key, error)) }).await
    }
}

#[cfg(test)]
mod tests;
