//! What a client sent, as a collector hands it on.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{CrashId, ProjectId, RuleOutcome, Timestamp};

/// The version of [`Report`]'s JSON that this code writes.
pub const REPORT_VERSION: u32 = 1;

/// A report: what one client sent in one request, unprocessed. It is the data of a message of kind `report`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// [`REPORT_VERSION`] of the writer.
    pub version: u32,
    /// The id that the client was answered with.
    pub id: CrashId,
    /// The game.
    pub project: ProjectId,
    /// When the collector accepted it, by the collector's clock.
    pub received_at: Timestamp,
    /// How it was sent.
    pub protocol: Protocol,
    /// The client's own id for it (Sentry's `event_id`): 32 hexadecimal digits, in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The client's name for itself (`User-Agent`), if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The names and values that the client sent beside its files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The files that it sent.
    pub payloads: Vec<Payload>,
    /// What of it could not be kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// How many reports it stands for: 1, or more where an operator's rule sampled.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u32,
    /// The rule by which it was sampled, and got its weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled_by: Option<String>,
    /// What rules kept away at its collector since the message before. It rides along, and is about other reports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<RuleOutcome>,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_one(weight: &u32) -> bool {
    *weight == 1
}

/// How a report was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// `multipart/form-data`, as Crashpad and Breakpad send it.
    Multipart,
    /// `multipart/form-data` to `/submit`, as Mozilla's Socorro takes it.
    Socorro,
    /// The bare minidump as the body.
    RawMinidump,
    /// A Sentry envelope.
    Envelope,
    /// A Sentry event, posted alone to `store`.
    Store,
    /// The body that Unreal's CrashReportClient posts.
    Unreal,
    /// Our own JSON report.
    Report,
}

/// One file of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// What it is for.
    pub role: Role,
    /// The file name that the client gave, or the field's name.
    pub name: String,
    /// The content type that the client gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Bytes, not compressed.
    pub size: u64,
    /// Where the bytes are.
    #[serde(flatten)]
    pub content: Content,
}

/// What a payload is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The minidump to unwind.
    Minidump,
    /// A Sentry event, as JSON.
    Event,
    /// A Sentry event, as MessagePack (`__sentry-event`).
    EventMsgpack,
    /// Breadcrumbs, as MessagePack (`__sentry-breadcrumb1` and `2`).
    BreadcrumbsMsgpack,
    /// Our own report, as JSON.
    Report,
    /// Unreal's `CrashContext.runtime-xml`.
    UnrealContext,
    /// What a player wrote about a crash, as Sentry's JSON.
    Feedback,
    /// Anything else that came along: a log, a screenshot.
    Attachment,
}

/// The bytes of a payload, or where they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Small: the bytes themselves (base64 in JSON).
    #[serde(serialize_with = "write_base64", deserialize_with = "read_base64")]
    Inline(Vec<u8>),
    /// Large: an object in the bucket (the "claim check" pattern).
    Stored {
        /// Its key.
        key: String,
        /// How it is packed there.
        encoding: Encoding,
    },
}

/// How an object's bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As they are.
    Identity,
    /// Zstandard.
    Zstd,
}

/// One thing that could not be kept of a report, in words that a crash page can show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The file or field concerned, if it was a certain one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why.
    pub reason: NoteReason,
}

/// Why something of a report was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteReason {
    /// The file was larger than one file may be.
    FileTooLarge,
    /// There were more files than a report may have.
    TooManyFiles,
    /// An annotation was longer, or one more, than is kept.
    AnnotationTooLarge,
    /// The request grew over its limit after the minidump was whole.
    RequestTooLarge,
    /// The request broke off, or was malformed, after the minidump was whole.
    RequestBrokeOff,
    /// A second minidump: one is unwound, this one is kept as an attachment.
    SecondMinidump,
    /// What it says could not be read, such as an event that is not JSON; the file itself is kept.
    NotReadable,
}

fn write_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4 + 2);
    text.push('"');
    STANDARD.encode_string(bytes, &mut text);
    text.push('"');
    // Base64 has nothing to escape, and looking for it takes longer than all the rest.
    RawValue::from_string(text).map_err(serde::ser::Error::custom)?.serialize(serializer)
}

fn read_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn report(bytes: Vec<u8>, annotation: String) -> Report {
        let id = CrashId::new();
        let payload = |content| Payload {
            role: Role::Minidump,
            name: "upload_file_minidump".into(),
            content_type: None,
            size: 7,
            content,
        };
        let stored = Content::Stored { key: "payloads/1".into(), encoding: Encoding::Identity };
        Report {
            version: REPORT_VERSION,
            id,
            project: ProjectId::FIRST,
            received_at: id.accepted_at(),
            protocol: Protocol::Multipart,
            client_id: None,
            client: Some("Crashpad/1.0".into()),
            annotations: [("prod".to_owned(), annotation)].into(),
            payloads: vec![payload(Content::Inline(bytes)), payload(stored)],
            notes: vec![Note { name: Some("log".into()), reason: NoteReason::FileTooLarge }],
            weight: 1,
            sampled_by: None,
            outcomes: Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn a_report_reads_back_from_its_json(bytes: Vec<u8>, annotation: String) {
            let report = report(bytes, annotation);
            let json = serde_json::to_vec(&report)?;
            prop_assert_eq!(serde_json::from_slice::<Report>(&json)?, report);
        }
    }

    #[test]
    fn a_report_of_version_1_reads_as_it_was_first_written() {
        let json = r#"{"version":1,"id":"019a9d5c-8a00-7000-8000-000000000001","project":1,
            "received_at":"2025-11-19T16:00:00.000Z","protocol":"raw-minidump",
            "payloads":[{"role":"minidump","name":"dump","size":4,"inline":"TURNUA=="}]}"#;
        let report: Report = serde_json::from_str(json).unwrap();
        assert_eq!(report.weight, 1);
        assert_eq!(report.payloads[0].content, Content::Inline(b"MDMP".to_vec()));
    }
}
