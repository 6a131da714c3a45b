//! The headers of an envelope and of its items.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// File names longer than this say nothing that a person would read.
const LONGEST_NAME: usize = 512;

/// What the header of an envelope says. A field of another type than expected counts as missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EnvelopeHead {
    /// The client's id of the event inside.
    #[serde(deserialize_with = "text")]
    pub event_id: Option<String>,
    /// The DSN that the client was given.
    #[serde(deserialize_with = "text")]
    pub dsn: Option<String>,
}

/// What the header of an item says. A field of another type than expected counts as missing, but for those without
/// which the item cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ItemHead {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The bytes of its payload. Without it, the payload ends with its line.
    #[serde(default)]
    pub length: Option<u64>,
    /// The file's name without its directories.
    #[serde(default, deserialize_with = "file_name")]
    pub filename: Option<String>,
    /// The content type.
    #[serde(default, deserialize_with = "text")]
    pub content_type: Option<String>,
    /// What sort of attachment it is.
    #[serde(default, deserialize_with = "text")]
    pub attachment_type: Option<String>,
}

impl EnvelopeHead {
    /// Reads a line; `None` if it is no JSON object.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        object(line)
    }
}

impl ItemHead {
    /// Reads a line; `None` if it is no JSON object, or does not say what is needed.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        object(line)
    }
}

fn object<T: for<'de> Deserialize<'de>>(line: &[u8]) -> Option<T> {
    // Windows' clients write file names in code pages.
    let line = String::from_utf8_lossy(line);
    // An array would be taken for a struct's fields in their order.
    line.trim_start().starts_with('{').then(|| serde_json::from_str(&line).ok())?
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(shortened(text)),
        _ => None,
    })
}

fn file_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let path = text(deserializer)?;
    let name = path.map(|path| path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned());
    Ok(name.filter(|name| !name.is_empty()))
}

fn shortened(mut text: String) -> String {
    while text.len() > LONGEST_NAME {
        text.pop();
    }
    text
}
