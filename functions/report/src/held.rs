//! The JSON of a report, whole in memory until its shape is checked.

use std::time::Duration;

use bytes::Bytes;
use epitaph_crash_model::Role;
use epitaph_ingest::{
    Cause, Refusal,
    budget::Share,
    draft::Draft,
    file::{FileError, FileHead},
};

use crate::shape;

/// The name of the report among its files, and of its part in a form.
pub(crate) const NAME: &str = "report";
/// How long a report waits for memory that others hold.
const PATIENCE: Duration = Duration::from_secs(2);
/// Memory is asked for in steps of this many bytes; most reports need one.
const STEP: usize = 32 << 10;

/// JSON that is being received.
pub(crate) struct Held {
    bytes: Vec<u8>,
    limit: u64,
    /// The memory, from the budget that all requests share.
    shares: Vec<Share>,
    granted: usize,
}

impl Held {
    /// Nothing yet, and at most `limit` bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self { bytes: Vec::new(), limit, shares: Vec::new(), granted: 0 }
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`Cause::TooLarge`], and [`Cause::Busy`] where others hold the memory.
    pub(crate) async fn write(&mut self, draft: &Draft, piece: &[u8]) -> Result<(), Refusal> {
        let length = self.bytes.len() + piece.len();
        if length as u64 > self.limit {
            let limit = self.limit;
            return Err(Refusal::new(
                Cause::TooLarge,
                format!(
                    "the report is larger than {limit} bytes (unpacked): send less, or raise EPITAPH_LIMIT_EVENT"
                ),
            ));
        }
        if length > self.granted {
            // As much again as there is: a large report takes few steps.
            let step = (length - self.granted).max(STEP).max(self.granted);
            let share = draft.budget().wait_for(step as u64, PATIENCE).await;
            let busy = || Refusal::new(Cause::Busy, "too many reports are being read: try again later");
            self.shares.push(share.ok_or_else(busy)?);
            self.granted += step;
            self.bytes.reserve_exact(self.granted - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// The JSON is whole: checks its shape, and adds it to the report.
    ///
    /// # Errors
    /// [`Cause::Malformed`] with the field that is wrong, [`Cause::Unavailable`].
    pub(crate) async fn keep(mut self, draft: &mut Draft) -> Result<(), Refusal> {
        repair(&mut self.bytes);
        let id = shape::check(&self.bytes).map_err(|fault| {
            Refusal::new(Cause::Malformed, format!("the report cannot be taken: {fault}"))
        })?;
        if let Some(id) = id {
            draft.set_client_id(&id);
        }
        let head = FileHead {
            role: Role::Report,
            name: format!("{NAME}.json"),
            content_type: Some("application/json".to_owned()),
        };
        let Some(mut file) = draft.begin_file(head) else {
            return Err(Refusal::new(Cause::TooLarge, "the report came after more files than it may have"));
        };
        if let Err(error) = file.write(Bytes::from(self.bytes)).await {
            file.abort().await;
            return Err(refusal(error));
        }
        draft.add_file(file).await.map_err(refusal)
    }
}

pub(crate) fn refusal(error: FileError) -> Refusal {
    match error {
        FileError::Refused(refusal) => refusal,
        FileError::TooLarge => Refusal::new(
            Cause::TooLarge,
            "the report is larger than a file may be: send less, or raise EPITAPH_LIMIT_FILE",
        ),
    }
}

/// Makes JSON of what clients send that cut a text inside a character: JavaScript writes half a pair as an escape, and
/// engines in C++ send half a character's bytes.
fn repair(bytes: &mut Vec<u8>) {
    if std::str::from_utf8(bytes).is_err() {
        *bytes = String::from_utf8_lossy(bytes).into_owned().into_bytes();
    }
    if let Some(rest) = bytes.strip_prefix("\u{feff}".as_bytes()) {
        *bytes = rest.to_vec();
    }
    let mut at = 0;
    while at < bytes.len() {
        at += match (bytes[at], half_at(bytes, at)) {
            (b'\\', None) => 2,
            (b'\\', Some(Half::High)) if half_at(bytes, at + 6) == Some(Half::Low) => 12,
            (b'\\', Some(_)) => {
                bytes[at..at + 6].copy_from_slice(b"\\ufffd");
                6
            }
            _ => 1,
        };
    }
}

#[derive(PartialEq)]
enum Half {
    High,
    Low,
}

/// Half of a pair that is written as an escape.
fn half_at(bytes: &[u8], at: usize) -> Option<Half> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    match u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()? {
        0xd800..=0xdbff => Some(Half::High),
        0xdc00..=0xdfff => Some(Half::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn repaired(bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        repair(&mut bytes);
        bytes
    }

    #[test]
    fn half_a_character_becomes_a_replacement_and_whole_ones_stay() {
        assert_eq!(repaired(br#""\ud83d""#), br#""\ufffd""#);
        assert_eq!(repaired(br#""\ud83d\ude00 \\ud83d \ude00""#), br#""\ud83d\ude00 \\ud83d \ufffd""#);
        assert_eq!(repaired(b"\"a\xff\""), "\"a\u{fffd}\"".as_bytes());
        assert_eq!(repaired(b"\xef\xbb\xbf{}"), b"{}");
    }

    proptest! {
        #[test]
        fn every_text_that_is_whole_stays_as_it_is(text: String) {
            let json = serde_json::to_string(&text)?;
            prop_assert_eq!(repaired(json.as_bytes()), json.into_bytes());
        }

        #[test]
        fn whatever_escapes_there_are_it_is_json_afterwards(units in prop::collection::vec(any::<u16>(), 0..12)) {
            let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let text: String = serde_json::from_slice(&repaired(format!("\"{escapes}\"").as_bytes()))?;
            prop_assert_eq!(text, String::from_utf16_lossy(&units));
        }
    }
}
