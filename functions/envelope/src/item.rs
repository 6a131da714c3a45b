//! One item of an envelope, as it comes.

use bytes::{Bytes, BytesMut};
use epitaph_crash_model::{NoteReason, Role};
use epitaph_ingest::{
    Cause, Refusal,
    draft::Draft,
    dump::{DumpWriter, is_minidump},
    file::{FileError, FileHead, FileWriter},
    inflate::Packing,
};

use crate::{
    kind::{ItemKind, name_of},
    parser::ItemHead,
    payload::{JsonPayload, no_files},
};

/// The item that is being received.
pub(crate) enum Item {
    None,
    Json(Box<JsonPayload>),
    /// What it is shows in its first four bytes.
    Unknown(Box<Unknown>),
    Dump {
        dump: Box<DumpWriter>,
        name: String,
    },
    File(Box<FileWriter>),
    /// Noted or counted already; its bytes are passed over.
    Ignored,
}

/// The beginning of what may be a minidump.
pub(crate) struct Unknown {
    name: String,
    content_type: Option<String>,
    declared: bool,
    begun: BytesMut,
}

impl Item {
    /// Begins an item that is kept.
    ///
    /// # Errors
    /// [`Cause::TooLarge`] for an event after too many files.
    pub(crate) fn begin(
        draft: &mut Draft,
        kind: ItemKind,
        head: ItemHead,
        event_limit: u64,
    ) -> Result<Self, Refusal> {
        let name = name_of(&head);
        let role = match kind {
            ItemKind::Declined(_) => return Ok(Self::Ignored),
            ItemKind::MinidumpPerhaps { declared } => {
                let (content_type, begun) = (head.content_type, BytesMut::new());
                return Ok(Self::Unknown(Box::new(Unknown { name, content_type, declared, begun })));
            }
            // An envelope has one event; another is not the crash that the answer's id names.
            ItemKind::Json(Role::Event) if has(draft, Role::Event) => Role::Attachment,
            ItemKind::Json(role) => {
                let json = JsonPayload::begin(draft, role, name.clone(), event_limit);
                return json.map(|json| Self::Json(Box::new(json))).ok_or_else(|| no_files(&name));
            }
            ItemKind::File(role) => role,
        };
        let file = draft.begin_file(FileHead { role, name, content_type: head.content_type });
        Ok(file.map_or(Self::Ignored, |file| Self::File(Box::new(file))))
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// When the item cannot be kept; it is to be aborted then.
    pub(crate) async fn write(&mut self, draft: &mut Draft, data: Bytes) -> Result<(), Refusal> {
        match self {
            Self::None | Self::Ignored => Ok(()),
            Self::Json(json) => json.write(data).await,
            Self::Dump { dump, .. } => dump.write(data).await,
            Self::File(file) => match file.write(data).await {
                Ok(()) => Ok(()),
                Err(FileError::Refused(refusal)) => Err(refusal),
                Err(FileError::TooLarge) => {
                    let detail = "an attachment is larger than one file may be: raise EPITAPH_LIMIT_FILE";
                    Err(Refusal::new(Cause::TooLarge, detail))
                }
            },
            Self::Unknown(unknown) => {
                unknown.begun.extend_from_slice(&data);
                if unknown.begun.len() < 4 {
                    return Ok(());
                }
                let Self::Unknown(unknown) = std::mem::replace(self, Self::Ignored) else { return Ok(()) };
                let begun = self.become_known(draft, *unknown)?;
                Box::pin(self.write(draft, begun)).await
            }
        }
    }

    /// Makes the item what its first bytes say, and gives those bytes.
    fn become_known(&mut self, draft: &mut Draft, unknown: Unknown) -> Result<Bytes, Refusal> {
        let Unknown { name, content_type, declared, begun } = unknown;
        let is_dump = begun
            .first_chunk::<4>()
            .is_some_and(|&first| is_minidump(first) || declared && Packing::of_magic(first).is_some());
        let second = is_dump && draft.has_minidump();
        if second {
            draft.note(Some(name.clone()), NoteReason::SecondMinidump);
        } else if declared && !is_dump {
            draft.note(Some(name.clone()), NoteReason::NotReadable);
        }
        let role = if is_dump && !second { Role::Minidump } else { Role::Attachment };
        let file = draft.begin_file(FileHead { role, name: name.clone(), content_type });
        *self = match (file, role) {
            (Some(file), Role::Minidump) => Self::Dump { dump: Box::new(DumpWriter::new(file)), name },
            (Some(file), _) => Self::File(Box::new(file)),
            (None, Role::Minidump) => return Err(no_files(&name)),
            (None, _) => Self::Ignored,
        };
        Ok(begun.freeze())
    }

    /// The item is whole. Gives back why it does not count, if it does not and that is noted.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub(crate) async fn end(mut self, draft: &mut Draft) -> Result<Option<Refusal>, Refusal> {
        if let Self::Unknown(unknown) = self {
            self = Self::Ignored;
            let begun = self.become_known(draft, *unknown)?;
            if !begun.is_empty() {
                self.write(draft, begun).await?;
            }
        }
        let file = match self {
            Self::None | Self::Ignored | Self::Unknown(_) => return Ok(None),
            Self::Json(json) => return json.end(draft).await,
            Self::Dump { dump, name } => match dump.finish() {
                Ok(file) => file,
                Err(refusal) => {
                    draft.note(Some(name), NoteReason::RequestBrokeOff);
                    return Ok(Some(refusal));
                }
            },
            Self::File(file) => *file,
        };
        match draft.add_file(file).await {
            Err(FileError::Refused(refusal)) => Err(refusal),
            Ok(()) | Err(FileError::TooLarge) => Ok(None),
        }
    }

    /// Gives up an item that did not end; tells its name.
    pub(crate) async fn abort(self) -> Option<String> {
        match self {
            Self::None | Self::Ignored => None,
            Self::Unknown(unknown) => Some(unknown.name),
            Self::Json(json) => {
                let name = json.name().to_owned();
                json.abort().await;
                Some(name)
            }
            Self::Dump { dump, name } => {
                dump.abort().await;
                Some(name)
            }
            Self::File(file) => {
                let name = file.name().to_owned();
                file.abort().await;
                Some(name)
            }
        }
    }
}

/// Whether the draft has a payload of a role.
pub(crate) fn has(draft: &Draft, role: Role) -> bool {
    draft.report().payloads.iter().any(|payload| payload.role == role)
}
