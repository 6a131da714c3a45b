//! A payload that is JSON: an event, or what a player wrote.

use bytes::Bytes;
use epitaph_crash_model::{NoteReason, Role};
use epitaph_ingest::{
    Cause, Refusal,
    draft::Draft,
    file::{FileError, FileHead, FileWriter},
};

use crate::json::{JsonError, ObjectScan};

/// JSON that is being received. It is looked through as it comes, and not held.
pub(crate) struct JsonPayload {
    file: FileWriter,
    /// What it is, in words.
    what: &'static str,
    scan: Result<ObjectScan, JsonError>,
    limit: u64,
    left: u64,
}

impl JsonPayload {
    /// Begins to receive a payload of at most `limit` bytes; `None` if the report has too many files.
    pub(crate) fn begin(draft: &mut Draft, role: Role, name: String, limit: u64) -> Option<Self> {
        let what = if role == Role::Event { "event" } else { "feedback" };
        let file =
            draft.begin_file(FileHead { role, name, content_type: Some("application/json".to_owned()) })?;
        Some(Self { file, what, scan: Ok(ObjectScan::new("event_id")), limit, left: limit })
    }

    pub(crate) fn name(&self) -> &str {
        self.file.name()
    }

    /// Appends bytes. What is no JSON is received all the same.
    ///
    /// # Errors
    /// [`Cause::TooLarge`], [`Cause::Unavailable`].
    pub(crate) async fn write(&mut self, piece: Bytes) -> Result<(), Refusal> {
        let Some(left) = self.left.checked_sub(piece.len() as u64) else { return Err(self.too_large()) };
        self.left = left;
        if let Ok(scan) = &mut self.scan
            && let Err(error) = scan.feed(&piece)
        {
            self.scan = Err(error);
        }
        self.file.write(piece).await.map_err(|error| self.refusal(error))
    }

    /// The payload is whole. One that is no JSON is kept as an attachment, and its refusal is given back: it is not
    /// worth a report by itself.
    ///
    /// # Errors
    /// [`Cause::Unavailable`].
    pub(crate) async fn end(mut self, draft: &mut Draft) -> Result<Option<Refusal>, Refusal> {
        let scan = std::mem::replace(&mut self.scan, Err(JsonError::Unfinished));
        let malformed = match scan.and_then(ObjectScan::finish) {
            Ok(id) => {
                if let Some(id) = id {
                    draft.set_client_id(&id);
                }
                None
            }
            Err(error) => {
                self.file.set_role(Role::Attachment);
                draft.note(Some(self.file.name().to_owned()), NoteReason::NotReadable);
                Some(Refusal::new(Cause::Malformed, format!("the {} cannot be read: {error}", self.what)))
            }
        };
        let (what, limit) = (self.what, self.limit);
        match draft.add_file(self.file).await {
            Ok(()) => Ok(malformed),
            Err(FileError::Refused(refusal)) => Err(refusal),
            Err(FileError::TooLarge) => Err(too_large(what, limit)),
        }
    }

    /// Gives it up.
    pub(crate) async fn abort(self) {
        self.file.abort().await;
    }

    fn refusal(&self, error: FileError) -> Refusal {
        match error {
            FileError::TooLarge => self.too_large(),
            FileError::Refused(refusal) => refusal,
        }
    }

    fn too_large(&self) -> Refusal {
        too_large(self.what, self.limit.min(self.file.limit()))
    }
}

fn too_large(what: &str, limit: u64) -> Refusal {
    let detail = format!("the {what} is larger than {limit} bytes: send less, or raise EPITAPH_LIMIT_EVENT");
    Refusal::new(Cause::TooLarge, detail)
}

/// The refusal of what must be kept, and came after too many files.
pub(crate) fn no_files(name: &str) -> Refusal {
    Refusal::new(Cause::TooLarge, format!("{name} came after more files than a report may have"))
}
