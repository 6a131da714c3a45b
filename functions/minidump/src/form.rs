//! A `multipart/form-data` body: the minidump, attachments, annotations.

use bytes::Bytes;
use epitaph_crash_model::{NoteReason, Role};
use epitaph_ingest::{
    Cause, Refusal,
    body::BodyReader,
    draft::Draft,
    dump::DumpWriter,
    file::{FileError, FileHead, FileWriter},
    multipart::{Event, MultipartError, Parser, PartHead},
};

use crate::raw::{MINIDUMP_FIELD, keep, no_files};

/// Receives the parts of a form into the draft.
///
/// Once the minidump is whole, nothing that a client does after it costs the report: the rest is noted.
pub(crate) async fn receive(
    draft: &mut Draft,
    boundary: Option<&str>,
    reader: &mut BodyReader,
) -> Result<(), Refusal> {
    let boundary = boundary.ok_or_else(|| malformed(MultipartError::NoBoundary))?;
    let mut parser = Parser::new(boundary).map_err(malformed)?;
    let mut part = Part::None;
    let read = read_parts(draft, &mut parser, &mut part, reader).await;
    let unfinished = part.abort().await;
    match read {
        Ok(()) if draft.has_minidump() => Ok(()),
        Ok(()) => Err(Refusal::new(
            Cause::NotAMinidump,
            "the form has no minidump: expected a file in the field upload_file_minidump",
        )),
        Err(refusal) if draft.has_minidump() && !refusal.cause.is_ours() => {
            let reason = match refusal.cause {
                Cause::TooLarge => NoteReason::RequestTooLarge,
                _ => NoteReason::RequestBrokeOff,
            };
            draft.note(unfinished, reason);
            Ok(())
        }
        Err(refusal) => Err(refusal),
    }
}

async fn read_parts(
    draft: &mut Draft,
    parser: &mut Parser,
    part: &mut Part,
    reader: &mut BodyReader,
) -> Result<(), Refusal> {
    while let Some(bytes) = reader.next().await? {
        parser.feed(&bytes);
        while let Some(event) = parser.next_event().map_err(malformed)? {
            match event {
                Event::Part(head) => *part = Part::begin(draft, head)?,
                Event::Data(data) => part.write(draft, data).await?,
                Event::PartEnd => std::mem::replace(part, Part::None).end(draft).await?,
            }
        }
    }
    parser.finish().map_err(malformed)
}

fn malformed(error: MultipartError) -> Refusal {
    Refusal::new(Cause::Malformed, format!("the form cannot be read: {error}"))
}

/// The part that is being received.
enum Part {
    None,
    Annotation {
        name: String,
        value: Vec<u8>,
    },
    Dump(Box<DumpWriter>),
    Attachment(Box<FileWriter>),
    /// Noted already; its bytes are passed over.
    Ignored,
}

impl Part {
    fn begin(draft: &mut Draft, head: PartHead) -> Result<Self, Refusal> {
        let is_dump = head.name == MINIDUMP_FIELD;
        if head.file_name.is_none() && !is_dump {
            return Ok(Self::Annotation { name: head.name, value: Vec::new() });
        }
        let second = is_dump && draft.has_minidump();
        let role = if is_dump && !second { Role::Minidump } else { Role::Attachment };
        let name = head.file_name.filter(|name| !name.is_empty()).unwrap_or(head.name);
        if second {
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

    async fn write(&mut self, draft: &mut Draft, data: Bytes) -> Result<(), Refusal> {
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

    async fn end(self, draft: &mut Draft) -> Result<(), Refusal> {
        match self {
            Self::None | Self::Ignored => Ok(()),
            Self::Annotation { name, value } => {
                draft.annotate(name, String::from_utf8_lossy(&value).into_owned());
                Ok(())
            }
            Self::Dump(dump) => keep(draft, *dump).await,
            Self::Attachment(file) => match draft.add_file(*file).await {
                Err(FileError::Refused(refusal)) => Err(refusal),
                Ok(()) | Err(FileError::TooLarge) => Ok(()),
            },
        }
    }

    /// Gives up a part that did not end; tells its name.
    async fn abort(self) -> Option<String> {
        match self {
            Self::None | Self::Ignored => None,
            Self::Annotation { name, .. } => Some(name),
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
