//! One part of a form: the minidump, an attachment, an annotation, a field of an event.

use bytes::{Bytes, BytesMut};
use epitaph_crash_model::{NoteReason, Role};
use epitaph_host::Limits;
use epitaph_ingest::{
    Refusal,
    budget::Share,
    draft::Draft,
    dump::DumpWriter,
    file::{FileError, FileHead, FileWriter},
    multipart::PartHead,
};

use crate::{
    extra,
    raw::{MINIDUMP_FIELD, keep, no_files},
    sentry::{Field, Fields},
};

/// Socorro's field of annotations as JSON.
const EXTRA: &str = "extra";
/// JSON may write a character in six.
const JSON_EXPANSION: u64 = 6;

/// Where what is received goes, and how much of it may be.
pub(crate) struct Receiver<'a> {
    pub(crate) draft: &'a mut Draft,
    pub(crate) limits: &'a Limits,
    pub(crate) sentry: Fields,
}

/// The part that is being received.
pub(crate) enum Part {
    None,
    Annotation {
        name: String,
        value: Vec<u8>,
    },
    /// A field of Sentry's event; its bytes are reserved.
    Sentry {
        name: String,
        field: Field,
        value: Vec<u8>,
    },
    /// Annotations as JSON.
    Extra {
        head: PartHead,
        json: BytesMut,
        share: Option<Share>,
    },
    Dump(Box<DumpWriter>),
    Attachment(Box<FileWriter>),
    /// Noted already; its bytes are passed over.
    Ignored,
}

/// What a file of this name is for. Sentry's clients name these files, and some name the fields so instead.
fn role_of(name: &str) -> Role {
    match name {
        "__sentry-event" => Role::EventMsgpack,
        "__sentry-breadcrumb1" | "__sentry-breadcrumb2" => Role::BreadcrumbsMsgpack,
        _ => Role::Attachment,
    }
}

impl Part {
    pub(crate) fn begin(receiver: &mut Receiver<'_>, head: PartHead) -> Result<Self, Refusal> {
        let is_dump = head.name == MINIDUMP_FIELD;
        if head.name == EXTRA && head.content_type.as_deref().is_some_and(is_json) {
            let share = receiver.draft.budget().share();
            return Ok(Self::Extra { head, json: BytesMut::new(), share });
        }
        if head.file_name.is_none() && !is_dump && role_of(&head.name) == Role::Attachment {
            let Some(field) = Field::of(&head.name) else {
                return Ok(Self::Annotation { name: head.name, value: Vec::new() });
            };
            // The name takes room too: a million fields may have no values.
            if receiver.sentry.reserve(receiver.draft, receiver.limits.event, 2 * head.name.len()) {
                return Ok(Self::Sentry { name: head.name, field, value: Vec::new() });
            }
            receiver.draft.note(Some(head.name), NoteReason::AnnotationTooLarge);
            return Ok(Self::Ignored);
        }
        let draft = &mut *receiver.draft;
        let file_name = head.file_name.filter(|name| !name.is_empty());
        let role = match role_of(&head.name) {
            _ if is_dump && !draft.has_minidump() => Role::Minidump,
            Role::Attachment => file_name.as_deref().map_or(Role::Attachment, role_of),
            role => role,
        };
        let name = file_name.unwrap_or(head.name);
        if is_dump && role != Role::Minidump {
            draft.note(Some(name.clone()), NoteReason::SecondMinidump);
        }
        let file = draft.begin_file(FileHead { role, name, content_type: head.content_type });
        match (file, role) {
            (Some(file), Role::Minidump) => Ok(Self::Dump(Box::new(DumpWriter::new(file)))),
            (Some(file), _) => Ok(Self::Attachment(Box::new(file))),
            (None, Role::Minidump) => Err(no_files()),
            (None, _) => Ok(Self::Ignored),
        }
    }

    pub(crate) async fn write(&mut self, receiver: &mut Receiver<'_>, data: Bytes) -> Result<(), Refusal> {
        let draft = &mut *receiver.draft;
        match self {
            Self::None | Self::Ignored => Ok(()),
            Self::Annotation { name, value } => {
                if value.len() + data.len() > draft.longest_annotation() {
                    draft.note(Some(std::mem::take(name)), NoteReason::AnnotationTooLarge);
                    *self = Self::Ignored;
                } else {
                    value.extend_from_slice(&data);
                }
                Ok(())
            }
            Self::Sentry { name, value, .. } => {
                if receiver.sentry.reserve(draft, receiver.limits.event, data.len()) {
                    value.extend_from_slice(&data);
                } else {
                    draft.note(Some(std::mem::take(name)), NoteReason::AnnotationTooLarge);
                    *self = Self::Ignored;
                }
                Ok(())
            }
            Self::Extra { head, json, share } => {
                let total = (json.len() + data.len()) as u64;
                let fits = total <= receiver.limits.annotation_total * JSON_EXPANSION
                    && share.as_mut().is_some_and(|share| share.grow_to(total));
                if fits {
                    json.extend_from_slice(&data);
                } else {
                    draft.note(Some(std::mem::take(&mut head.name)), NoteReason::AnnotationTooLarge);
                    *self = Self::Ignored;
                }
                Ok(())
            }
            Self::Dump(dump) => dump.write(data).await,
            Self::Attachment(file) => match file.write(data).await {
                Ok(()) => Ok(()),
                Err(FileError::TooLarge) => {
                    draft.note(Some(file.name().to_owned()), NoteReason::FileTooLarge);
                    if let Self::Attachment(file) = std::mem::replace(self, Self::Ignored) {
                        file.abort().await;
                    }
                    Ok(())
                }
                Err(FileError::Refused(refusal)) => Err(refusal),
            },
        }
    }

    pub(crate) async fn end(self, receiver: &mut Receiver<'_>) -> Result<(), Refusal> {
        let draft = &mut *receiver.draft;
        match self {
            Self::None | Self::Ignored => Ok(()),
            Self::Annotation { name, value } => {
                draft.annotate(name, String::from_utf8_lossy(&value).into_owned());
                Ok(())
            }
            Self::Sentry { field, value, .. } => {
                receiver.sentry.add(field, value);
                Ok(())
            }
            Self::Extra { head, json, .. } => {
                match extra::read(&json, |name, value| draft.annotate(name, value)) {
                    Ok(()) => Ok(()),
                    Err(_) => keep_unread(draft, head, json.freeze()).await,
                }
            }
            Self::Dump(dump) => keep(draft, *dump).await,
            Self::Attachment(file) => add(draft, *file).await,
        }
    }

    /// Gives up a part that did not end; tells its name.
    pub(crate) async fn abort(self) -> Option<String> {
        match self {
            Self::None | Self::Ignored => None,
            Self::Annotation { name, .. } | Self::Sentry { name, .. } => Some(name),
            Self::Extra { head, .. } => Some(head.name),
            Self::Dump(dump) => {
                dump.abort().await;
                Some(MINIDUMP_FIELD.to_owned())
            }
            Self::Attachment(file) => {
                let name = file.name().to_owned();
                file.abort().await;
                Some(name)
            }
        }
    }
}

fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Keeps what should have been JSON as it came.
async fn keep_unread(draft: &mut Draft, head: PartHead, json: Bytes) -> Result<(), Refusal> {
    let name = head.file_name.filter(|name| !name.is_empty()).unwrap_or(head.name);
    draft.note(Some(name.clone()), NoteReason::NotReadable);
    let head = FileHead { role: Role::Attachment, name, content_type: head.content_type };
    let Some(mut file) = draft.begin_file(head) else { return Ok(()) };
    match file.write(json).await {
        Ok(()) => add(draft, file).await,
        Err(FileError::TooLarge) => Ok(()),
        Err(FileError::Refused(refusal)) => Err(refusal),
    }
}

async fn add(draft: &mut Draft, file: FileWriter) -> Result<(), Refusal> {
    match draft.add_file(file).await {
        Err(FileError::Refused(refusal)) => Err(refusal),
        Ok(()) | Err(FileError::TooLarge) => Ok(()),
    }
}
