//! A `multipart/form-data` body: the JSON as the part `report`, and whatever files go with it.

use bytes::Bytes;
use epitaph_crash_model::{NoteReason, Role};
use epitaph_host::Limits;
use epitaph_ingest::{
    Cause, Refusal,
    body::BodyReader,
    draft::Draft,
    file::{FileError, FileHead, FileWriter},
    multipart::{Event, MultipartError, Parser, PartHead},
};

use crate::held::{Held, NAME};

/// Receives the parts of a form into the draft.
///
/// Once the report is whole, nothing that a client does after it costs it: the rest is noted. A file over its limit costs
/// that file alone.
pub(crate) async fn receive(
    draft: &mut Draft,
    boundary: Option<&str>,
    limits: &Limits,
    reader: &mut BodyReader,
) -> Result<(), Refusal> {
    let boundary = boundary.ok_or_else(|| malformed(MultipartError::NoBoundary))?;
    let mut parser = Parser::new(boundary).map_err(malformed)?;
    let mut receiver = Receiver { part: Part::None, limits, has_report: false, begun: 0 };
    let read = receiver.read(draft, &mut parser, reader).await;
    let unfinished = receiver.part.abort().await;
    match read {
        Ok(()) if receiver.has_report => Ok(()),
        Ok(()) => Err(Refusal::new(
            Cause::Malformed,
            "the form has no report: expected its JSON in the field report",
        )),
        Err(refusal) if receiver.has_report && !refusal.cause.is_ours() => {
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

fn malformed(error: MultipartError) -> Refusal {
    Refusal::new(Cause::Malformed, format!("the form cannot be read: {error}"))
}

struct Receiver<'a> {
    part: Part,
    limits: &'a Limits,
    has_report: bool,
    /// How many attachments were begun.
    begun: usize,
}

/// The part that is being received.
enum Part {
    None,
    Report(Held),
    Annotation {
        name: String,
        value: Vec<u8>,
    },
    Attachment(Box<FileWriter>),
    /// Noted already; its bytes are passed over.
    Ignored,
}

impl Receiver<'_> {
    async fn read(
        &mut self,
        draft: &mut Draft,
        parser: &mut Parser,
        reader: &mut BodyReader,
    ) -> Result<(), Refusal> {
        while let Some(bytes) = reader.next().await? {
            parser.feed(&bytes);
            while let Some(event) = parser.next_event().map_err(malformed)? {
                match event {
                    Event::Part(head) => self.begin(draft, head),
                    Event::Data(data) => self.write(draft, data).await?,
                    Event::PartEnd => self.end(draft).await?,
                }
            }
        }
        parser.finish().map_err(malformed)
    }

    fn begin(&mut self, draft: &mut Draft, head: PartHead) {
        self.part = if head.name == NAME && !self.has_report {
            Part::Report(Held::new(self.limits.event))
        } else if let Some(file_name) = head.file_name {
            let name = if file_name.is_empty() { head.name } else { file_name };
            self.attachment(draft, FileHead { role: Role::Attachment, name, content_type: head.content_type })
        } else {
            Part::Annotation { name: head.name, value: Vec::new() }
        };
    }

    /// Begins an attachment. One place among the files is kept free for the report itself.
    fn attachment(&mut self, draft: &mut Draft, head: FileHead) -> Part {
        if self.begun + 1 >= self.limits.files {
            draft.note(Some(head.name), NoteReason::TooManyFiles);
            return Part::Ignored;
        }
        self.begun += 1;
        draft.begin_file(head).map_or(Part::Ignored, |file| Part::Attachment(Box::new(file)))
    }

    async fn write(&mut self, draft: &mut Draft, data: Bytes) -> Result<(), Refusal> {
        match &mut self.part {
            Part::None | Part::Ignored => Ok(()),
            Part::Report(held) => held.write(draft, &data).await,
            Part::Annotation { name, value } => {
                if value.len() + data.len() > draft.longest_annotation() {
                    draft.note(Some(std::mem::take(name)), NoteReason::AnnotationTooLarge);
                    self.part = Part::Ignored;
                } else {
                    value.extend_from_slice(&data);
                }
                Ok(())
            }
            Part::Attachment(file) => match file.write(data).await {
                Ok(()) => Ok(()),
                Err(FileError::TooLarge) => {
                    draft.note(Some(file.name().to_owned()), NoteReason::FileTooLarge);
                    std::mem::replace(&mut self.part, Part::Ignored).abort().await;
                    Ok(())
                }
                Err(FileError::Refused(refusal)) => Err(refusal),
            },
        }
    }

    async fn end(&mut self, draft: &mut Draft) -> Result<(), Refusal> {
        match std::mem::replace(&mut self.part, Part::None) {
            Part::None | Part::Ignored => Ok(()),
            Part::Report(held) => {
                held.keep(draft).await?;
                self.has_report = true;
                Ok(())
            }
            Part::Annotation { name, value } => {
                draft.annotate(name, String::from_utf8_lossy(&value).into_owned());
                Ok(())
            }
            Part::Attachment(file) => match draft.add_file(*file).await {
                Err(FileError::Refused(refusal)) => Err(refusal),
                Ok(()) | Err(FileError::TooLarge) => Ok(()),
            },
        }
    }
}

impl Part {
    /// Gives up a part that did not end; tells its name.
    async fn abort(self) -> Option<String> {
        match self {
            Self::None | Self::Ignored => None,
            Self::Report(_) => Some(NAME.to_owned()),
            Self::Annotation { name, .. } => Some(name),
            Self::Attachment(file) => {
                let name = file.name().to_owned();
                file.abort().await;
                Some(name)
            }
        }
    }
}
