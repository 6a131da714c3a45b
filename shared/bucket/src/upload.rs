//! Writing an object piece by piece.

use bytes::{Bytes, BytesMut};
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload};
use tokio::sync::OwnedSemaphorePermit;

use crate::{Bucket, BucketError, Key};

/// An object that is being written. It is there, whole and durable, when [`Upload::finish`] has returned, and never
/// before. Dropped unfinished, it leaves at most a staged file or upload, which a sweep or a lifecycle rule removes.
///
/// Holds at most one part in memory; how many uploads run at once is bounded, and further ones wait.
pub struct Upload {
    bucket: Bucket,
    key: Key,
    part: BytesMut,
    size: u64,
    parts: Option<Box<dyn MultipartUpload>>,
    slot: Option<OwnedSemaphorePermit>,
}

impl Upload {
    pub(crate) fn new(bucket: Bucket, key: Key) -> Self {
        Self { bucket, key, part: BytesMut::new(), size: 0, parts: None, slot: None }
    }

    /// The key that the object will have.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`BucketError::NoSpace`], [`BucketError::Unavailable`].
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), BucketError> {
        if self.slot.is_none() {
            let slots = std::sync::Arc::clone(&self.bucket.shared.upload_slots);
            let slot = slots.acquire_owned().await;
            self.slot = Some(slot.map_err(|closed| BucketError::Unavailable(Box::new(closed)))?);
        }
        self.size += bytes.len() as u64;
        let part_size = self.bucket.shared.location.part_size();
        while self.part.len() + bytes.len() >= part_size {
            let head = bytes.split_to(part_size - self.part.len());
            self.part.extend_from_slice(&head);
            let part = self.part.split().freeze();
            self.send(part).await?;
        }
        self.part.extend_from_slice(&bytes);
        Ok(())
    }

    async fn send(&mut self, part: Bytes) -> Result<(), BucketError> {
        let key = &self.key;
        let store = self.bucket.store().await?;
        self.bucket.check_free_space()?;
        let upload = match &mut self.parts {
            Some(upload) => upload,
            none => {
                let upload = store.put_multipart(key.path()).await;
                none.insert(upload.map_err(|error| BucketError::of(key, error))?)
            }
        };
        upload.put_part(PutPayload::from_bytes(part)).await.map_err(|error| BucketError::of(key, error))
    }

    /// Completes the object. Gives its size in bytes.
    ///
    /// # Errors
    /// [`BucketError::NoSpace`], [`BucketError::Unavailable`]; then the object is not there.
    pub async fn finish(mut self) -> Result<u64, BucketError> {
        let last = self.part.split().freeze();
        if self.parts.is_none() {
            self.bucket.put(&self.key, last).await?;
            return Ok(self.size);
        }
        if !last.is_empty() {
            self.send(last).await?;
        }
        if let Some(upload) = &mut self.parts {
            upload.complete().await.map_err(|error| BucketError::of(&self.key, error))?;
        }
        Ok(self.size)
    }

    /// Gives up, and removes what was staged as far as the store can be reached.
    pub async fn abort(mut self) {
        if let Some(upload) = &mut self.parts {
            // A sweep or a lifecycle rule does it later where this fails.
            let _ = upload.abort().await;
        }
    }
}
