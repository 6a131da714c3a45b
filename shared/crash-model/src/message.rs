//! What travels between functions: a CloudEvent.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{ProjectId, Timestamp};

/// The version of CloudEvents that messages are written in.
pub const MESSAGE_SPEC_VERSION: &str = "1.0";

/// What a message asks for. As a CloudEvent's `type` it is the word in kebab-case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageKind {
    /// Process the report in `data`.
    Report,
    /// Convert the debug file that `data` tells of, an [`UploadedFile`](crate::UploadedFile).
    DebugFile,
    /// Ask the project's symbol sources for the debug file that `data` names, a [`WantedSymbols`](crate::WantedSymbols).
    WantedSymbols,
    /// Name crashes of the project again whose symbols came late: those in `data`, some
    /// [`LateCrashes`](crate::LateCrashes), or all that wait where it is null.
    LateSymbols,
}

impl MessageKind {
    /// All of them.
    pub const ALL: [MessageKind; 4] =
        [MessageKind::Report, MessageKind::DebugFile, MessageKind::WantedSymbols, MessageKind::LateSymbols];

    /// The CloudEvent's `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            MessageKind::Report => "report",
            MessageKind::DebugFile => "debug-file",
            MessageKind::WantedSymbols => "wanted-symbols",
            MessageKind::LateSymbols => "late-symbols",
        }
    }
}

/// Work handed from one function to another: one CloudEvent, in its JSON form wherever the carrier takes text.
///
/// Duplicates share `source` and `id`. The `data` is kept as the text that was signed, so that no reader's idea of
/// number formats or key order can break the signature.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message {
    /// [`MESSAGE_SPEC_VERSION`].
    pub specversion: String,
    /// The id of what it is about: for a report the crash id, for a debug file its digest, for wanted symbols
    /// `symbols-{debug id}`.
    pub id: String,
    /// Who it is about: `/projects/{project}`.
    pub source: String,
    /// What it asks for.
    #[serde(rename = "type")]
    pub kind: MessageKind,
    /// When the work was accepted; a message that is too old is never acted on blindly.
    pub time: Timestamp,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// HMAC-SHA256 over the other attributes and the data, in hexadecimal, under the `message` secret.
    pub epitaphmac: String,
    /// The document that `kind` calls for.
    pub data: Box<RawValue>,
}

impl Message {
    /// A message that is not signed yet. Its data holds only characters that every carrier takes.
    ///
    /// # Errors
    /// When `data` has no JSON form.
    pub fn new<T: Serialize>(
        kind: MessageKind,
        project: ProjectId,
        id: String,
        time: Timestamp,
        data: &T,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            specversion: MESSAGE_SPEC_VERSION.to_owned(),
            id,
            source: format!("/projects/{project}"),
            kind,
            time,
            datacontenttype: "application/json".to_owned(),
            epitaphmac: String::new(),
            data: carried_by_all(serde_json::value::to_raw_value(data)?)?,
        })
    }

    /// The project in `source`; `None` if it names none.
    pub fn project(&self) -> Option<ProjectId> {
        self.source.strip_prefix("/projects/")?.parse().ok()
    }

    /// The document in `data`.
    ///
    /// # Errors
    /// When it is not a `T`.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.data.get())
    }

    /// The parts that the signature covers, in order. Each is preceded by its length when it is signed, so that no two
    /// messages give the same bytes.
    pub fn signed_parts(&self) -> [String; 5] {
        [
            self.specversion.clone(),
            self.id.clone(),
            self.source.clone(),
            self.kind.as_str().to_owned(),
            self.time.to_string(),
        ]
    }
}

/// The two characters that JSON may hold as they are and XML may not, and with it SQS. The others, the controls, JSON
/// escapes anyway.
const NOT_IN_XML: [char; 2] = ['\u{fffe}', '\u{ffff}'];

/// The same document without characters that some carrier refuses. This must happen before it is signed.
fn carried_by_all(data: Box<RawValue>) -> Result<Box<RawValue>, serde_json::Error> {
    // Both end three bytes that begin alike, and nearly no other text has that first byte.
    let bytes = data.get().as_bytes();
    let is_one = |at: usize| matches!(bytes.get(at + 1..at + 3), Some([0xbf, 0xbe | 0xbf]));
    if !memchr::memchr_iter(0xef, bytes).any(is_one) {
        return Ok(data);
    }
    // Outside of its strings JSON has only ASCII, so wherever one of them is, it may be escaped.
    RawValue::from_string(data.get().replace(NOT_IN_XML[0], "\\ufffe").replace(NOT_IN_XML[1], "\\uffff"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_its_data_to_the_letter() {
        let json = r#"{"specversion":"1.0","id":"a","source":"/projects/7","type":"report","time":"2026-01-31T23:59:59.999Z","datacontenttype":"application/json","epitaphmac":"00","data":{"b":1.0,  "a":1e2}}"#;
        let message: Message = serde_json::from_str(json).unwrap();
        assert_eq!(message.data.get(), r#"{"b":1.0,  "a":1e2}"#);
        assert_eq!(message.project().map(ProjectId::get), Some(7));
        assert_eq!(serde_json::to_string(&message).unwrap(), json);
    }

    #[test]
    fn a_kind_is_one_word_wherever_it_is_written() {
        for kind in MessageKind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("{:?}", kind.as_str()));
        }
    }

    #[test]
    fn characters_that_a_carrier_refuses_are_escaped_and_come_back() {
        let all: String = (0..=0x1_ffff).filter_map(char::from_u32).collect();
        let id = "a".to_owned();
        let message =
            Message::new(MessageKind::Report, ProjectId::FIRST, id, Timestamp::from_millis(0), &all).unwrap();
        let written = serde_json::to_string(&message).unwrap();
        // What SQS takes, as its documentation has it.
        let taken =
            |letter: char| matches!(letter, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..);
        assert_eq!(written.chars().find(|letter| !taken(*letter)), None);
        let read: Message = serde_json::from_str(&written).unwrap();
        assert_eq!(read.data.get(), message.data.get());
        assert_eq!(read.read::<String>().unwrap(), all);
    }
}
