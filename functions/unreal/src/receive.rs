//! The files of a container, into a report.

use bytes::{Bytes, BytesMut};
use epitaph_crash_model::{NoteReason, Role};
use epitaph_host::Limits;
use epitaph_ingest::{
    Cause, Refusal,
    body::BodyReader,
    draft::Draft,
    dump,
    file::{FileError, FileHead, FileWriter},
};

use crate::{
    container::{ContainerError, Event, Parser},
    unpacked::Unpacked,
};

/// The file that tells what CrashReportClient knows.
const CONTEXT: &str = "CrashContext.runtime-xml";
/// The most bytes of it. It is read whole when the report is processed.
const LARGEST_CONTEXT: u64 = 4 << 20;
/// What is never taken for a minidump, whatever it begins with.
const TEXTS: [&str; 3] = [".log", ".ini", ".txt"];

/// Receives the files of a container into the draft.
///
/// Once the minidump is whole (or the context, where there is no minidump), nothing that a client does after it costs
/// the report: the rest is noted. A file over its limit costs that file alone.
pub(crate) async fn receive(
    draft: &mut Draft,
    limits: &Limits,
    body: &mut BodyReader,
) -> Result<(), Refusal> {
    let mut body = Unpacked::new(body, draft.budget().clone(), limits.request);
    let mut receiver =
        Receiver { limits, file: File::None, begun: 0, dump: false, context: false, too_large: false };
    let read = receiver.read(draft, &mut body).await;
    let unfinished = receiver.file.abort().await;
    let tells = draft.report().payloads.iter().any(|payload| is_crash(payload.role));
    match read {
        Ok(()) if tells => Ok(()),
        Ok(()) if receiver.too_large => Err(Refusal::new(
            Cause::TooLarge,
            "the minidump and the context are larger than a file may be: write smaller ones, or raise EPITAPH_LIMIT_FILE",
        )),
        Ok(()) => Err(Refusal::new(
            Cause::Malformed,
            "the report has no minidump and no context: expected a file UEMinidump.dmp or CrashContext.runtime-xml",
        )),
        Err(refusal) if tells && !refusal.cause.is_ours() => {
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

/// Whether a file of this role tells of a crash by itself.
fn is_crash(role: Role) -> bool {
    matches!(role, Role::Minidump | Role::UnrealContext)
}

struct Receiver<'a> {
    limits: &'a Limits,
    /// The one that is being received.
    file: File,
    /// How many were begun.
    begun: usize,
    /// Whether the minidump, the context was begun.
    dump: bool,
    context: bool,
    /// Whether a file was over its limit.
    too_large: bool,
}

enum File {
    None,
    /// Fewer than four bytes of it are here, so it may yet be a minidump.
    Unknown {
        name: String,
        head: BytesMut,
    },
    Kept(Box<FileWriter>),
    /// Noted already; its bytes are passed over.
    Ignored,
}

impl Receiver<'_> {
    async fn read(&mut self, draft: &mut Draft, body: &mut Unpacked<'_>) -> Result<(), Refusal> {
        let mut parser = Parser::default();
        while let Some(bytes) = body.next().await? {
            parser.feed(&bytes);
            while let Some(event) = parser.next_event().map_err(malformed)? {
                match event {
                    Event::File { name, size } => self.begin(draft, &name, size),
                    Event::Data(data) => self.write(draft, data).await?,
                    Event::FileEnd => self.end(draft).await?,
                }
            }
        }
        parser.finish().map_err(malformed)
    }

    fn begin(&mut self, draft: &mut Draft, name: &str, size: u64) {
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
        let name = if name.is_empty() { "file" } else { name }.to_owned();
        let is_context = name.eq_ignore_ascii_case(CONTEXT) && size > 0 && !self.context;
        let limit = if is_context { LARGEST_CONTEXT.min(self.limits.file) } else { self.limits.file };
        let lower = name.to_ascii_lowercase();
        self.file = if size > limit {
            self.too_large = true;
            draft.note(Some(name), NoteReason::FileTooLarge);
            File::Ignored
        } else if is_context {
            self.context = true;
            self.open(draft, name, Role::UnrealContext)
        } else if TEXTS.iter().any(|text| lower.ends_with(text)) {
            self.open(draft, name, Role::Attachment)
        } else {
            File::Unknown { name, head: BytesMut::new() }
        };
    }

    /// Begins a file of the report. The places for the minidump and for the context are kept free.
    fn open(&mut self, draft: &mut Draft, name: String, role: Role) -> File {
        let kept_free = usize::from(!self.dump) + usize::from(!self.context);
        if role == Role::Attachment && self.begun + kept_free >= self.limits.files {
            draft.note(Some(name), NoteReason::TooManyFiles);
            return File::Ignored;
        }
        self.begun += 1;
        let file = draft.begin_file(FileHead { role, name, content_type: None });
        file.map_or(File::Ignored, |file| File::Kept(Box::new(file)))
    }

    async fn write(&mut self, draft: &mut Draft, mut data: Bytes) -> Result<(), Refusal> {
        if let File::Unknown { name, head } = &mut self.file {
            head.extend_from_slice(&data);
            let Some(&first) = head.first_chunk::<4>() else { return Ok(()) };
            data = head.split().freeze();
            let name = std::mem::take(name);
            let role = match dump::is_minidump(first) {
                false => Role::Attachment,
                true if self.dump => {
                    draft.note(Some(name.clone()), NoteReason::SecondMinidump);
                    Role::Attachment
                }
                true => {
                    self.dump = true;
                    Role::Minidump
                }
            };
            self.file = self.open(draft, name, role);
        }
        let File::Kept(file) = &mut self.file else { return Ok(()) };
        match file.write(data).await {
            Ok(()) => Ok(()),
            Err(FileError::TooLarge) => {
                draft.note(Some(file.name().to_owned()), NoteReason::FileTooLarge);
                std::mem::replace(&mut self.file, File::Ignored).abort().await;
                Ok(())
            }
            Err(FileError::Refused(refusal)) => Err(refusal),
        }
    }

    async fn end(&mut self, draft: &mut Draft) -> Result<(), Refusal> {
        // Too short to be a minidump.
        if let File::Unknown { name, head } = &mut self.file {
            let (name, data) = (std::mem::take(name), head.split().freeze());
            self.file = self.open(draft, name, Role::Attachment);
            self.write(draft, data).await?;
        }
        let File::Kept(file) = std::mem::replace(&mut self.file, File::None) else { return Ok(()) };
        match draft.add_file(*file).await {
            Err(FileError::Refused(refusal)) => Err(refusal),
            Ok(()) | Err(FileError::TooLarge) => Ok(()),
        }
    }
}

impl File {
    /// Gives up a file that did not end; tells its name.
    async fn abort(self) -> Option<String> {
        match self {
            Self::None | Self::Ignored => None,
            Self::Unknown { name, .. } => Some(name),
            Self::Kept(file) => {
                let name = file.name().to_owned();
                file.abort().await;
                Some(name)
            }
        }
    }
}

fn malformed(error: ContainerError) -> Refusal {
    let cause = if error == ContainerError::Unfinished { Cause::BrokeOff } else { Cause::Malformed };
    Refusal::new(cause, format!("the report cannot be read as what CrashReportClient sends: {error}"))
}
