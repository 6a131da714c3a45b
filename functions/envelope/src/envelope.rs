//! The body of `POST /api/{project}/envelope/`.

use epitaph_crash_model::{NoteReason, Role};
use epitaph_ingest::{Cause, Refusal, body::BodyReader, draft::Draft};

use crate::{
    declined::{Category, Declined},
    item::{Item, has},
    kind::ItemKind,
    parser::{EnvelopeError, EnvelopeHead, Event, Parser},
};

/// An envelope that is being read.
pub(crate) struct Envelope {
    reader: BodyReader,
    parser: Parser,
}

impl Envelope {
    pub(crate) fn new(reader: BodyReader) -> Self {
        Self { reader, parser: Parser::default() }
    }

    /// The envelope's header. To be called first, and once.
    ///
    /// # Errors
    /// Why the body was not read, or [`Cause::Malformed`].
    pub(crate) async fn head(&mut self) -> Result<EnvelopeHead, Refusal> {
        match self.next().await? {
            Some(Event::Head(head)) => Ok(head),
            _ => Err(malformed(EnvelopeError::NoHead)),
        }
    }

    async fn next(&mut self) -> Result<Option<Event>, Refusal> {
        loop {
            let event = self.parser.next_event().map_err(malformed)?;
            if event.is_some() || self.parser.is_closed() {
                return Ok(event);
            }
            match self.reader.next().await? {
                Some(bytes) => self.parser.feed(&bytes),
                None => self.parser.close(),
            }
        }
    }

    /// See [`BodyReader::linger`].
    pub(crate) async fn linger(self) {
        self.reader.linger().await;
    }

    /// Receives the items into the draft. Tells whether they are a report: an envelope of sessions is none.
    ///
    /// Once there is something that tells of a crash, nothing that a client does after it costs the report: the rest is
    /// noted. An item that cannot be kept is noted too, and the envelope refused for it only if nothing else is there.
    ///
    /// # Errors
    /// Why there is no report, though there should have been one.
    pub(crate) async fn receive(
        &mut self,
        draft: &mut Draft,
        event_limit: u64,
        declined: &mut Declined,
    ) -> Result<bool, Refusal> {
        let mut items = Items { draft, event_limit, item: Item::None, lost: None, declined };
        let read = items.read(self).await;
        let Items { draft, item, lost, declined, .. } = items;
        let unfinished = item.abort().await;
        if let Err(refusal) = read {
            if refusal.cause.is_ours() || !is_report(draft) {
                return Err(refusal);
            }
            let reason = match refusal.cause {
                Cause::TooLarge => NoteReason::RequestTooLarge,
                _ => NoteReason::RequestBrokeOff,
            };
            draft.note(unfinished, reason);
        }
        if is_report(draft) {
            return Ok(true);
        }
        for _ in &draft.report().payloads {
            declined.count(Category::Attachment);
        }
        lost.map_or(Ok(false), Err)
    }
}

/// Whether the draft tells of a crash, or says something about one.
fn is_report(draft: &Draft) -> bool {
    is_crash(draft) || has(draft, Role::Feedback)
}

/// Whether the draft tells of a crash.
pub(crate) fn is_crash(draft: &Draft) -> bool {
    [Role::Event, Role::Minidump, Role::EventMsgpack, Role::UnrealContext]
        .iter()
        .any(|&role| has(draft, role))
}

fn malformed(error: EnvelopeError) -> Refusal {
    Refusal::new(Cause::Malformed, format!("the envelope cannot be read: {error}"))
}

/// The items of an envelope on their way into the draft.
struct Items<'a> {
    draft: &'a mut Draft,
    event_limit: u64,
    item: Item,
    /// Why the first item was lost that would have been a report.
    lost: Option<Refusal>,
    declined: &'a mut Declined,
}

impl Items<'_> {
    async fn read(&mut self, envelope: &mut Envelope) -> Result<(), Refusal> {
        while let Some(event) = envelope.next().await? {
            match event {
                Event::Head(_) => {}
                Event::Item(head) => {
                    let kind = ItemKind::of(&head);
                    if let ItemKind::Declined(category) = kind {
                        self.declined.count(category);
                    }
                    match Item::begin(self.draft, kind, head, self.event_limit) {
                        Ok(item) => self.item = item,
                        Err(refusal) => self.lose(refusal).await?,
                    }
                }
                Event::Data(data) => {
                    if let Err(refusal) = self.item.write(self.draft, data).await {
                        self.lose(refusal).await?;
                    }
                }
                Event::ItemEnd => match std::mem::replace(&mut self.item, Item::None).end(self.draft).await {
                    Ok(None) => {}
                    Ok(Some(refusal)) => {
                        self.lost.get_or_insert(refusal);
                    }
                    Err(refusal) => self.lose(refusal).await?,
                },
            }
        }
        Ok(())
    }

    /// Gives up the item: the fault is its own, unless it is ours.
    async fn lose(&mut self, refusal: Refusal) -> Result<(), Refusal> {
        if refusal.cause.is_ours() {
            return Err(refusal);
        }
        let matters = !matches!(self.item, Item::File(_));
        let name = std::mem::replace(&mut self.item, Item::Ignored).abort().await;
        if let Some(name) = name {
            let reason = match refusal.cause {
                Cause::TooLarge => NoteReason::FileTooLarge,
                _ => NoteReason::RequestBrokeOff,
            };
            self.draft.note(Some(name), reason);
        }
        if matters {
            self.lost.get_or_insert(refusal);
        }
        Ok(())
    }
}
