//! What a report tells beside its minidump, and in which order it is believed.

use bytes::Bytes;
use epitaph_bucket::Bucket;
use epitaph_catalog::Feedback;
use epitaph_crash_model::{Crash, CrashId, Note, NoteReason, Report, Role};

use crate::{
    event,
    parsed::Unreadable,
    payloads::{self, FetchError},
    report, unreal,
};

/// The most bytes of a source that is no event, unpacked.
const LARGEST_OTHER: u64 = 4 << 20;
/// How many sources of one role are read: a client sends one, or two files of breadcrumbs.
const MOST_OF_A_ROLE: usize = 2;

/// Adds to a crash what a source of one role knows, and never overwrites what is known already.
type Apply = fn(&mut Crash, &[u8]) -> Result<(), Unreadable>;

/// Who reads which role, in the order in which they are believed.
const READERS: &[(Role, Apply)] = &[
    (Role::Event, event::apply),
    (Role::EventMsgpack, event::apply_msgpack),
    (Role::BreadcrumbsMsgpack, event::apply_breadcrumbs),
    (Role::UnrealContext, unreal::apply),
    (Role::Report, report::apply),
    (Role::Feedback, event::apply_feedback),
];

/// Adds to a crash what the payload of a role knows, unpacked, and never overwrites what is known already. Minidumps and
/// attachments add nothing here.
///
/// # Errors
/// Why it cannot be read.
pub fn add(crash: &mut Crash, role: Role, bytes: &[u8]) -> Result<(), Unreadable> {
    READERS.iter().filter(|(known, _)| *known == role).try_for_each(|(_, apply)| apply(crash, bytes))
}

/// Whether a payload of this role tells of a crash by itself.
fn tells_of_a_crash(role: Role) -> bool {
    match role {
        Role::Minidump | Role::Event | Role::EventMsgpack | Role::Report | Role::UnrealContext => true,
        Role::BreadcrumbsMsgpack | Role::Feedback | Role::Attachment => false,
    }
}

/// Whether a report is only what a player wrote, about a crash that came, or comes, by another.
pub(crate) fn is_feedback_alone(report: &Report) -> bool {
    let has = |is: fn(Role) -> bool| report.payloads.iter().any(|payload| is(payload.role));
    has(|role| role == Role::Feedback) && !has(tells_of_a_crash)
}

/// What players wrote in a report. `crash` is the one that it came with, if it came with one.
///
/// # Errors
/// Why the first of it cannot be read.
pub(crate) fn feedback(
    report: &Report,
    sources: &[Source],
    crash: Option<CrashId>,
) -> Result<Vec<Feedback>, Unreadable> {
    let told = sources.iter().filter(|source| source.role == Role::Feedback);
    let said = told.map(|source| event::feedback(source.content.as_ref().map_err(Clone::clone)?));
    let feedback = (0..).zip(said).map(|(number, said)| {
        let said = said?;
        Ok(Feedback {
            project: report.project,
            report: report.id,
            number,
            client_id: said.about,
            crash_id: crash,
            received_at: report.received_at,
            name: said.name,
            comments: said.comments,
        })
    });
    feedback.collect()
}

/// A small payload that tells of a crash, whole in memory.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) role: Role,
    name: String,
    content: Result<Bytes, Unreadable>,
}

#[cfg(test)]
impl Source {
    /// A source that was read.
    pub(crate) fn of(role: Role, bytes: &[u8]) -> Self {
        Self { role, name: "source".to_owned(), content: Ok(Bytes::copy_from_slice(bytes)) }
    }
}

/// The most bytes that are read of a source, unpacked. `None` for what is no source.
pub(crate) fn largest(role: Role, largest_event: u64) -> Option<u64> {
    match role {
        Role::Event | Role::EventMsgpack | Role::Report => Some(largest_event),
        Role::BreadcrumbsMsgpack | Role::Feedback => Some(largest_event.max(LARGEST_OTHER)),
        Role::UnrealContext => Some(LARGEST_OTHER),
        Role::Minidump | Role::Attachment => None,
    }
}

/// Reads the sources of a report. One that is lost, damaged or too large is one that cannot be read.
///
/// # Errors
/// [`FetchError`] when the bucket cannot be asked now.
pub(crate) async fn read(
    bucket: &Bucket,
    report: &Report,
    largest_event: u64,
) -> Result<Vec<Source>, FetchError> {
    let mut sources: Vec<Source> = Vec::new();
    for payload in &report.payloads {
        let Some(limit) = largest(payload.role, largest_event) else { continue };
        if sources.iter().filter(|source| source.role == payload.role).count() == MOST_OF_A_ROLE {
            continue;
        }
        let content = match payloads::whole(bucket, payload, limit).await {
            Ok(bytes) => Ok(bytes),
            Err(FetchError::Unreadable(unreadable)) => Err(unreadable),
            Err(error) => return Err(error),
        };
        sources.push(Source { role: payload.role, name: payload.name.clone(), content });
    }
    Ok(sources)
}

/// Lets every source add what it knows. Of those that cannot be read the crash gets a note. Gives `Ok` if one of them
/// told of a crash, else why the first could not be read.
pub(crate) fn apply(crash: &mut Crash, sources: &[Source]) -> Result<(), Option<Unreadable>> {
    let mut told = false;
    let mut first_fault = None;
    for (role, apply) in READERS {
        for source in sources.iter().filter(|source| source.role == *role) {
            let applied = match &source.content {
                Ok(bytes) => apply(crash, bytes),
                Err(unreadable) => Err(unreadable.clone()),
            };
            match applied {
                Ok(()) => told |= tells_of_a_crash(*role),
                Err(unreadable) => {
                    tracing::debug!(id = %crash.id, name = source.name, why = unreadable.message, "cannot be read");
                    crash
                        .notes
                        .push(Note { name: Some(source.name.clone()), reason: NoteReason::NotReadable });
                    first_fault.get_or_insert(unreadable);
                }
            }
        }
    }
    if told { Ok(()) } else { Err(first_fault) }
}
