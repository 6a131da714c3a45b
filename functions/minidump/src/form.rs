//! A `multipart/form-data` body: the minidump, attachments, annotations.
//!
//! Old versions of Electron send a whole form as the minidump of another form. The inner one is read as if its parts
//! were the outer one's; deeper than that none is.

use bytes::BytesMut;
use epitaph_crash_model::NoteReason;
use epitaph_host::Limits;
use epitaph_ingest::{
    Cause, Refusal,
    body::BodyReader,
    draft::Draft,
    multipart::{Event, MultipartError, Parser, PartHead, boundary_of},
};

use crate::{
    part::{Part, Receiver},
    raw::MINIDUMP_FIELD,
    sentry::Fields,
};

/// The longest boundary with its hyphens and its line end (RFC 2046, section 5.1.1).
const LONGEST_BOUNDARY_LINE: usize = 2 + 70 + 2;

/// Receives the parts of a form into the draft.
///
/// Once the minidump is whole, nothing that a client does after it costs the report: the rest is noted.
pub(crate) async fn receive(
    draft: &mut Draft,
    limits: &Limits,
    boundary: Option<&str>,
    reader: &mut BodyReader,
) -> Result<(), Refusal> {
    let boundary = boundary.ok_or_else(|| malformed(MultipartError::NoBoundary))?;
    let mut outer = Parser::new(boundary).map_err(malformed)?;
    let receiver = Receiver { draft, limits, sentry: Fields::default() };
    let mut form = Form { receiver, part: Part::None, nesting: Nesting::None };
    let read = form.read(&mut outer, reader).await;
    let Form { receiver: Receiver { draft, sentry, .. }, part, nesting } = form;
    let unfinished = part.abort().await.or_else(|| nesting.name());
    match read {
        Ok(()) if draft.has_minidump() => sentry.finish(draft).await,
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
            sentry.finish(draft).await
        }
        Err(refusal) => Err(refusal),
    }
}

/// A form that is being received.
struct Form<'a> {
    receiver: Receiver<'a>,
    part: Part,
    nesting: Nesting,
}

/// Whether the outer part that is being received is a form itself.
enum Nesting {
    None,
    /// It is the minidump's, and too little of it is here to tell.
    Unknown {
        head: PartHead,
        bytes: BytesMut,
    },
    Form {
        parser: Box<Parser>,
        boundary: String,
    },
}

impl Nesting {
    /// The name of the part that did not end, if it did not even begin.
    fn name(self) -> Option<String> {
        match self {
            Self::Unknown { head, .. } => Some(head.name),
            Self::None | Self::Form { .. } => None,
        }
    }
}

impl Form<'_> {
    async fn read(&mut self, outer: &mut Parser, reader: &mut BodyReader) -> Result<(), Refusal> {
        while let Some(bytes) = reader.next().await? {
            outer.feed(&bytes);
            while let Some(event) = outer.next_event().map_err(malformed)? {
                self.outer(event).await?;
            }
        }
        outer.finish().map_err(malformed)
    }

    async fn outer(&mut self, event: Event) -> Result<(), Refusal> {
        match (event, &mut self.nesting) {
            (Event::Part(head), _) => {
                if let Some(boundary) = head.content_type.as_deref().and_then(boundary_of) {
                    self.nest(boundary)
                } else if head.name == MINIDUMP_FIELD && !self.receiver.draft.has_minidump() {
                    self.nesting = Nesting::Unknown { head, bytes: BytesMut::new() };
                    Ok(())
                } else {
                    self.inner(Event::Part(head)).await
                }
            }
            (event, Nesting::None) => self.inner(event).await,
            (Event::Data(data), Nesting::Unknown { bytes, .. }) => {
                bytes.extend_from_slice(&data);
                match begins_form(bytes) {
                    Begins::NeedsMore => Ok(()),
                    Begins::Form(boundary) => {
                        let bytes = bytes.split().freeze();
                        self.nest(boundary)?;
                        self.nested(&bytes).await
                    }
                    Begins::File => self.no_form().await,
                }
            }
            (Event::PartEnd, Nesting::Unknown { .. }) => {
                self.no_form().await?;
                self.inner(Event::PartEnd).await
            }
            (Event::Data(data), Nesting::Form { .. }) => self.nested(&data).await,
            (Event::PartEnd, Nesting::Form { boundary, .. }) => {
                // Some leave out the inner form's end: the outer part's end is one too.
                let end = format!("\r\n--{boundary}--");
                self.nested(end.as_bytes()).await?;
                self.nesting = Nesting::None;
                self.inner(Event::PartEnd).await
            }
        }
    }

    fn nest(&mut self, boundary: String) -> Result<(), Refusal> {
        let parser = Box::new(Parser::new(&boundary).map_err(malformed)?);
        self.nesting = Nesting::Form { parser, boundary };
        Ok(())
    }

    /// The minidump's part is no form: what came of it is the minidump.
    async fn no_form(&mut self) -> Result<(), Refusal> {
        let Nesting::Unknown { head, mut bytes } = std::mem::replace(&mut self.nesting, Nesting::None) else {
            return Ok(());
        };
        self.inner(Event::Part(head)).await?;
        self.inner(Event::Data(bytes.split().freeze())).await
    }

    /// Bytes of the inner form.
    async fn nested(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if let Nesting::Form { parser, .. } = &mut self.nesting {
            parser.feed(bytes);
        }
        while let Nesting::Form { parser, .. } = &mut self.nesting
            && let Some(event) = parser.next_event().map_err(malformed)?
        {
            self.inner(event).await?;
        }
        Ok(())
    }

    /// An event of whichever form the parts are in.
    async fn inner(&mut self, event: Event) -> Result<(), Refusal> {
        match event {
            Event::Part(head) => {
                self.part = Part::begin(&mut self.receiver, head)?;
                Ok(())
            }
            Event::Data(data) => self.part.write(&mut self.receiver, data).await,
            Event::PartEnd => std::mem::replace(&mut self.part, Part::None).end(&mut self.receiver).await,
        }
    }
}

enum Begins {
    NeedsMore,
    /// A form with this boundary.
    Form(String),
    File,
}

/// Whether bytes are the beginning of a form: two hyphens, a boundary, a line end. No minidump begins with hyphens.
fn begins_form(bytes: &[u8]) -> Begins {
    let Some(line) = bytes.strip_prefix(b"--") else {
        return if bytes.len() < 2 && b"--".starts_with(bytes) { Begins::NeedsMore } else { Begins::File };
    };
    match line.windows(2).take(LONGEST_BOUNDARY_LINE).position(|next| next == b"\r\n") {
        Some(end) if end > 0 => Begins::Form(String::from_utf8_lossy(&line[..end]).into_owned()),
        None if line.len() < LONGEST_BOUNDARY_LINE => Begins::NeedsMore,
        _ => Begins::File,
    }
}

fn malformed(error: MultipartError) -> Refusal {
    Refusal::new(Cause::Malformed, format!("the form cannot be read: {error}"))
}
