//! A report in the making.

use epitaph_bucket::{Bucket, Key};
use epitaph_crash_model::{
    Content, CrashId, Note, NoteReason, ProjectId, Protocol, REPORT_VERSION, Report, Role,
};
use epitaph_host::Limits;

use crate::{
    budget::{Budget, Share},
    file::{FileError, FileHead, FileWriter, Room},
};

/// A report that grows while its request is read. Its id exists from the beginning: objects are named after it.
pub struct Draft {
    report: Report,
    limits: Limits,
    bucket: Bucket,
    budget: Budget,
    /// Bytes of payload that may still travel inside the message.
    inline_left: u64,
    files: usize,
    annotation_bytes: u64,
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
        };
        Self {
            report,
            limits: from.limits.clone(),
            bucket: from.bucket.clone(),
            budget: from.budget.clone(),
            inline_left: from.inline,
            files: 0,
            annotation_bytes: 0,
            shares: Vec::new(),
        }
    }

    /// The report as it is now.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Whether its minidump is whole.
    pub fn has_minidump(&self) -> bool {
        self.report.payloads.iter().any(|payload| payload.role == Role::Minidump)
    }

    /// The longest value that an annotation may have, in bytes.
    pub fn longest_annotation(&self) -> usize {
        usize::try_from(self.limits.annotation_value).unwrap_or(usize::MAX)
    }

    /// Adds an annotation. The first of a name stays; one that is too large, or one too many, is noted instead.
    pub fn annotate(&mut self, name: String, value: String) {
        if self.report.annotations.contains_key(&name) {
            return;
        }
        let bytes = (name.len() + value.len()) as u64;
        let fits = name.len() as u64 <= self.limits.annotation_name
            && value.len() as u64 <= self.limits.annotation_value
            && self.annotation_bytes + bytes <= self.limits.annotation_total
            && self.report.annotations.len() < self.limits.annotations;
        if fits {
            self.annotation_bytes += bytes;
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

    /// Begins a file; `None`, and a note, if there are too many.
    pub fn begin_file(&mut self, head: FileHead) -> Option<FileWriter> {
        if self.files >= self.limits.files {
            self.note(Some(head.name), NoteReason::TooManyFiles);
            return None;
        }
        let room = Room {
            key: Key::payload(self.report.project, self.report.id, self.files),
            bucket: self.bucket.clone(),
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
        for payload in &self.report.payloads {
            if let Content::Stored { key, .. } = &payload.content
                && let Ok(key) = key.parse::<Key>()
            {
                let _ = self.bucket.delete(&key).await;
            }
        }
    }
}

pub(crate) struct DraftSource<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) bucket: &'a Bucket,
    pub(crate) budget: &'a Budget,
    pub(crate) inline: u64,
}
