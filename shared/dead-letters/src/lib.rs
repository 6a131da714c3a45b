//! Dead letters: messages that the pipeline itself cannot handle.
//!
//! A dead letter is an object in the bucket (the message, as it was) and a row in the catalog (why, and since when).
//! The object is written first and removed last, so that whatever dies in between, nothing is forgotten: an object
//! without a row is found again by [`DeadLetters::gather`].

use bytes::Bytes;
use epitaph_bucket::{Bucket, BucketError, Key};
use epitaph_catalog::{Catalog, CatalogError, DeadLetter};
use epitaph_crash_model::{Message, Timestamp};
use epitaph_queue::{SendError, Sender};
use futures_util::TryStreamExt;

/// The largest dead letter that is read, in bytes.
const LARGEST: u64 = 64 << 20;
/// How many letters are searched for one about a message.
const MOST_SEARCHED: u32 = 10_000;

/// Why something could not be done with a dead letter.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// There is none of that id.
    #[error("there is no dead letter {0}; `epitaph dead list` shows those that there are")]
    Unknown(String),
    /// It is no message, so it cannot be sent on.
    #[error("the dead letter is not a message that could be sent on; it can only be shown and dropped")]
    NotAMessage(#[source] serde_json::Error),
    /// The bucket failed.
    #[error("the dead letter's object could not be read or written")]
    Bucket(#[from] BucketError),
    /// The catalog failed.
    #[error("the catalog failed")]
    Catalog(#[from] CatalogError),
    /// The queue did not take it; it stays where it is.
    #[error("the queue did not take it")]
    Queue(#[from] SendError),
}

/// The dead letters of an installation.
#[derive(Clone)]
pub struct DeadLetters {
    bucket: Bucket,
    catalog: Catalog,
}

impl DeadLetters {
    /// Those in a bucket and its catalog.
    pub fn new(bucket: Bucket, catalog: Catalog) -> Self {
        Self { bucket, catalog }
    }

    /// Buries a message, or what should have been one.
    ///
    /// A letter is named after the message and after `place`, where the message was found: the same message may come back
    /// by another way, and a stranger's may bear its name; neither touches what was buried before. Burying again what
    /// was found in the same place changes nothing.
    ///
    /// # Errors
    /// When the bucket or the catalog failed; then it is not certain to be buried.
    pub async fn bury(
        &self,
        bytes: Vec<u8>,
        place: &str,
        reason: &str,
        attempts: u32,
    ) -> Result<(), DeadLetterError> {
        let message = serde_json::from_slice::<Message>(&bytes).ok();
        let about = message.as_ref().map_or("unknown", |message| &message.id);
        let key = Key::dead(about, place);
        self.bucket.put(&key, Bytes::from(bytes)).await?;
        self.note(&key, message.as_ref(), reason, attempts).await?;
        tracing::error!(reason, key = %key, "a message cannot be handled and is now a dead letter");
        Ok(())
    }

    async fn note(
        &self,
        key: &Key,
        message: Option<&Message>,
        reason: &str,
        attempts: u32,
    ) -> Result<(), DeadLetterError> {
        let now = Timestamp::now();
        let letter = DeadLetter {
            id: key.name(),
            project: message.and_then(Message::project),
            kind: message.map_or("unknown", |message| message.kind.as_str()).to_owned(),
            reason: reason.to_owned(),
            attempts,
            first_at: message.map_or(now, |message| message.time),
            dead_at: now,
            key: key.to_string(),
        };
        Ok(self.catalog.add_dead_letter(&letter).await?)
    }

    /// The latest ones.
    ///
    /// # Errors
    /// When the catalog failed.
    pub async fn list(&self, limit: u32) -> Result<Vec<DeadLetter>, DeadLetterError> {
        Ok(self.catalog.dead_letters(limit).await?)
    }

    /// The letter of that id, or the latest about that message: people have the ids of crashes at hand.
    async fn find(&self, id: &str) -> Result<DeadLetter, DeadLetterError> {
        if let Some(letter) = self.catalog.dead_letter(id).await? {
            return Ok(letter);
        }
        let about = format!("{id}-");
        let mut letters = self.list(MOST_SEARCHED).await?.into_iter();
        let found = letters.find(|letter| letter.id.starts_with(&about));
        found.ok_or_else(|| DeadLetterError::Unknown(id.to_owned()))
    }

    /// One of them, by its id or by that of its message, and its bytes.
    ///
    /// # Errors
    /// [`DeadLetterError::Unknown`], or when an engine failed.
    pub async fn show(&self, id: &str) -> Result<(DeadLetter, Bytes), DeadLetterError> {
        let letter = self.find(id).await?;
        let bytes = self.bucket.get(&Key::dead_letter(&letter.id), LARGEST).await?;
        Ok((letter, bytes))
    }

    /// Sends one on its way again. It is a dead letter no more when the queue has it.
    ///
    /// # Errors
    /// [`DeadLetterError::NotAMessage`], [`DeadLetterError::Queue`], and as [`DeadLetters::show`].
    pub async fn redrive(&self, id: &str, queue: &dyn Sender) -> Result<(), DeadLetterError> {
        let (letter, bytes) = self.show(id).await?;
        let message: Message = serde_json::from_slice(&bytes).map_err(DeadLetterError::NotAMessage)?;
        queue.send(&message).await?;
        self.remove(&letter.id).await
    }

    /// Forgets one for good.
    ///
    /// # Errors
    /// [`DeadLetterError::Unknown`], or when an engine failed.
    pub async fn drop(&self, id: &str) -> Result<(), DeadLetterError> {
        let letter = self.find(id).await?;
        self.remove(&letter.id).await
    }

    async fn remove(&self, id: &str) -> Result<(), DeadLetterError> {
        // The object first: a row without one is listed and can be dropped again; an object without a row would be
        // gathered, and would come back.
        self.bucket.delete(&Key::dead_letter(id)).await?;
        self.catalog.remove_dead_letter(id).await?;
        Ok(())
    }

    /// Lists the objects that have no row: whoever buried them died in between. Gives their number.
    ///
    /// # Errors
    /// When an engine failed.
    pub async fn gather(&self) -> Result<u64, DeadLetterError> {
        let mut gathered = 0;
        let mut objects = self.bucket.list(&Key::all_dead());
        while let Some(object) = objects.try_next().await? {
            if self.catalog.dead_letter(&object.key.name()).await?.is_some() {
                continue;
            }
            let bytes = match self.bucket.get(&object.key, LARGEST).await {
                Err(BucketError::NotFound(_)) => continue, // sent on or dropped meanwhile
                read => read?,
            };
            let message = serde_json::from_slice::<Message>(&bytes).ok();
            let reason = "its burial was cut short, and the reason with it";
            self.note(&object.key, message.as_ref(), reason, 0).await?;
            gathered += 1;
        }
        Ok(gathered)
    }
}
