//! A report in the making.

use epitaph_bucket::{Bucket, Key};
use epitaph_crash_model::{
    Content, CrashId, Note, NoteReason, ProjectId, Protocol, REPORT_VERSION, Report, Role, RuleOutcome,
};
use epitaph_host::Limits;

use crate::{
    Refusal,
    budget::{Budget, Share},
    file::{CLEANING_BUDGET, FileError, FileHead, FileWriter, Room},
    inflate::Packing,
};

/// Annotations of this many bytes are kept whatever else is held in memory: most reports have fewer.
const FREE_ANNOTATIONS: u64 = 16 << 10;
/// As for payloads: while a message is made, its parts are held several times.
const ANNOTATION_COPIES: u64 = 3;

/// A report that grows while its request is read. Its id exists from the beginning: objects are named after it.
pub struct Draft {
    report: Report,
    limits: Limits,
    bucket: Bucket,
    budget: Budget,
    /// Bytes of payload that may still travel inside the message.
    inline_left: u64,
    files: usize,
    /// Bytes of annotations that may still be added, as they are in JSON.
    annotation_bytes_left: u64,
    annotation_bytes_held: u64,
    /// The memory of annotations beyond what every report has for free.
    annotation_memory: Option<Share>,
    /// The memory of the inline payloads.
    shares: Vec<Share>,
}

impl Draft {
    pub(crate) fn new(
        project: ProjectId,
        protocol: Protocol,
        client: Option<String>,
        from: &DraftSource<'_>,
    ) -> Self {
        let id = CrashId::new();
        let report = Report {
            version: REPORT_VERSION,
            id,
            project,
            received_at: id.accepted_at(),
            protocol,
            client_id: None,
            client,
            annotations: std::collections::BTreeMap::new(),
            payloads: Vec::new(),
            notes: Vec::new(),
            weight: 1,
            sampled_by: None,
            outcomes: Vec::new(),
        };
        Self {
            report,
            limits: from.limits.clone(),
            bucket: from.bucket.clone(),
            budget: from.budget.clone(),
            inline_left: from.inline,
            files: 0,
            annotation_bytes_left: from.annotations,
            annotation_bytes_held: 0,
            annotation_memory: from.budget.share(),
            shares: Vec::new(),
        }
    }

    /// The report as it is now.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Sets the client's own id for it. The first that is a UUID, with or without hyphens, stays; zeros are what clients
    /// write for none. Tells whether it was one.
    pub fn set_client_id(&mut self, id: &str) -> bool {
        let Some(id) = client_id(id) else { return false };
        self.report.client_id.get_or_insert(id);
        true
    }

    /// Lets it stand for several, by a rule.
    pub(crate) fn stand_for(&mut self, weight: u32, rule: String) {
        self.report.weight = weight;
        self.report.sampled_by = Some(rule);
    }

    /// Lets counts about other reports ride along.
    pub(crate) fn ride_along(&mut self, outcomes: Vec<RuleOutcome>) {
        self.report.outcomes = outcomes;
    }

    /// Whether its minidump is whole.
    pub fn has_minidump(&self) -> bool {
        self.report.payloads.iter().any(|payload| payload.role == Role::Minidump)
    }

    /// The longest value that an annotation may have, in bytes.
    pub fn longest_annotation(&self) -> usize {
        usize::try_from(self.limits.annotation_value).unwrap_or(usize::MAX)
    }

    /// Adds an annotation. The first of a name stays; one that is too large, one too many, or one for which there is no
    /// memory at this moment, is noted instead.
    pub fn annotate(&mut self, name: String, value: String) {
        if self.report.annotations.contains_key(&name) {
            return;
        }
        let bytes = json_length(&name) + json_length(&value);
        let held = self.annotation_bytes_held + bytes;
        let has_memory = held <= FREE_ANNOTATIONS
            || self.annotation_memory.as_mut().is_some_and(|share| share.grow_to(held * ANNOTATION_COPIES));
        let fits = has_memory
            && name.len() as u64 <= self.limits.annotation_name
            && value.len() as u64 <= self.limits.annotation_value
            && bytes <= self.annotation_bytes_left
            && self.report.annotations.len() < self.limits.annotations;
        if fits {
            self.annotation_bytes_left -= bytes;
            self.annotation_bytes_held = held;
            self.report.annotations.insert(name, value);
        } else {
            self.note(Some(name), NoteReason::AnnotationTooLarge);
        }
    }

    /// Notes what could not be kept. Notes are bounded as files and annotations are.
    pub fn note(&mut self, name: Option<String>, reason: NoteReason) {
        if self.report.notes.len() < self.limits.files + 10 {
            let name = name.map(|name| name.chars().take(100).collect());
            self.report.notes.push(Note { name, reason });
        }
    }

    /// The memory that all requests share.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The memory for unpacking what came packed inside the body.
    ///
    /// # Errors
    /// [`Cause::Busy`](crate::Cause::Busy) where others hold it.
    pub async fn memory_for_inflating(&self, packing: Packing) -> Result<Share, Refusal> {
        self.budget.for_inflating(packing).await
    }

    /// Begins a file; `None`, and a note, if there are too many.
    pub fn begin_file(&mut self, head: FileHead) -> Option<FileWriter> {
        if self.files >= self.limits.files {
            self.note(Some(head.name), NoteReason::TooManyFiles);
            return None;
        }
        let room = Room {
            key: Key::payload(self.report.project, self.report.id, self.files),
            bucket: self.bucket.clone(),
            budget: self.budget.clone(),
            share: self.budget.share(),
            inline: self.inline_left,
            limit: self.limits.file,
        };
        self.files += 1;
        Some(FileWriter::new(head, room))
    }

    /// Adds a file that is whole. When this returns `Ok`, a file that went to the bucket is durable there.
    ///
    /// # Errors
    /// [`FileError::Refused`] when the bucket failed.
    pub async fn add_file(&mut self, file: FileWriter) -> Result<(), FileError> {
        let (payload, share) = file.finish().await?;
        if let Content::Inline(bytes) = &payload.content {
            self.inline_left = self.inline_left.saturating_sub(bytes.len() as u64);
        }
        self.shares.extend(share);
        self.report.payloads.push(payload);
        Ok(())
    }

    /// Gives the report up: what it has in the bucket is removed. What cannot be removed now is swept later, as no
    /// crash will name it.
    pub async fn discard(self) {
        let delete_all = async {
            for payload in &self.report.payloads {
                if let Content::Stored { key, .. } = &payload.content
                    && let Ok(key) = key.parse::<Key>()
                {
                    let _ = self.bucket.delete(&key).await;
                }
            }
        };
        let _ = tokio::time::timeout(CLEANING_BUDGET, delete_all).await;
    }
}

/// 32 hexadecimal digits, in lower case.
fn client_id(text: &str) -> Option<String> {
    let text = text.trim();
    let hyphens = [8, 13, 18, 23];
    let hyphenated = text.len() == 36 && hyphens.iter().all(|&at| text.as_bytes()[at] == b'-');
    let digits: String = if hyphenated { text.replace('-', "") } else { text.to_owned() };
    let is_id = digits.len() == 32
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && digits.bytes().any(|byte| byte != b'0');
    is_id.then(|| digits.to_ascii_lowercase())
}

/// The bytes of a text in JSON, without its quotes. A message that a client can make too large for the queue by writing
/// control characters would have to be parked, and could never leave.
fn json_length(text: &str) -> u64 {
    let bytes = text.chars().map(|letter| match letter {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => 6,
        _ => letter.len_utf8() as u64,
    });
    bytes.sum()
}

pub(crate) struct DraftSource<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) bucket: &'a Bucket,
    pub(crate) budget: &'a Budget,
    pub(crate) inline: u64,
    /// Bytes of annotations, as they are in JSON.
    pub(crate) annotations: u64,
}

#[cfg(test)]
mod tests {
    use epitaph_crash_model::{Message, MessageKind};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_clients_id_is_32_digits_however_it_was_written() {
        let id = "9ec79c33ec9942ab8353589fcb2e04dc";
        for text in [id, &id.to_uppercase(), "9EC79C33-ec99-42ab-8353-589fcb2e04dc", &format!(" {id}\n")] {
            assert_eq!(client_id(text).as_deref(), Some(id), "{text}");
        }
        for text in ["", "9ec7", &id[1..], &format!("{id}0"), &"0".repeat(32), &"g".repeat(32)] {
            assert_eq!(client_id(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_of_a_client_panics(text: String) {
            let _ = client_id(&text);
        }

        #[test]
        fn the_length_in_json_is_that_of_what_is_written(text: String) {
            prop_assert_eq!(json_length(&text), written_length(&text));
        }
    }

    /// The bytes of a text in a message, without its quotes.
    fn written_length(text: &str) -> u64 {
        let (id, time) = (String::new(), epitaph_crash_model::Timestamp::from_millis(0));
        let message = Message::new(MessageKind::Report, ProjectId::FIRST, id, time, &text).unwrap();
        message.data.get().len() as u64 - 2
    }

    #[test]
    fn every_character_of_the_first_plane_has_its_length_in_json() {
        for letter in (0..=0xffff).filter_map(char::from_u32) {
            let text = letter.to_string();
            assert_eq!(json_length(&text), written_length(&text), "{letter:?}");
        }
    }
}
