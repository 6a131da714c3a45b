//! An event as a broker posts it.

use std::collections::{BTreeMap, btree_map::Entry};

use bytes::Bytes;
use epitaph_crash_model::{MESSAGE_SPEC_VERSION, Message, MessageKind};
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use serde_json::value::RawValue;

use super::{header, structured};

/// More attributes than this has no event of ours, whatever brokers add.
pub(super) const MOST_ATTRIBUTES: usize = 64;
/// The longest name of an attribute. The specification asks for 20 at most, and does not insist.
const LONGEST_NAME: usize = 64;
/// The longest value of an attribute, in bytes.
const LONGEST_VALUE: usize = 8 << 10;
/// How much of a foreign value an error shows.
const SHOWN: usize = 60;

/// Why a request is not taken as an event.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// It holds several events.
    #[error("a batch of events, expected one event at a time")]
    Batch,
    /// Its content type names a form that is not read here.
    #[error("the content type is {0:?}, expected application/cloudevents+json or that of the data")]
    ContentType(String),
    /// It has neither the headers nor the content type of an event.
    #[error(
        "no CloudEvent: expected the header ce-specversion, or content type application/cloudevents+json"
    )]
    NoEvent,
    /// An attribute is missing, comes twice, or has a value that is not allowed.
    #[error("the attribute {name} {what}")]
    Attribute {
        /// Which.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// It is in a version of CloudEvents that is not read here.
    #[error("a CloudEvent of version {0:?}, expected {MESSAGE_SPEC_VERSION}")]
    Version(String),
    /// Its JSON form cannot be read.
    #[error("the event's JSON cannot be read: {0}")]
    Json(#[source] serde_json::Error),
    /// Its data cannot be read.
    #[error("the event cannot be read: {0}")]
    Data(&'static str),
    /// It asks for nothing that is known here.
    #[error("an event of type {0:?}, which is none of Epitaph's")]
    Foreign(String),
    /// The body is larger than is read.
    #[error("the event has more than {0} bytes")]
    TooLarge(usize),
    /// The body did not come to its end, or not in time.
    #[error("the event did not come to its end")]
    Unfinished,
}

impl EventError {
    /// What the broker is answered. Only what may be well the next time is redelivered.
    pub fn status(&self) -> StatusCode {
        match self {
            EventError::Batch | EventError::ContentType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            EventError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            EventError::Unfinished => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// One CloudEvent. Whatever its mode was, its attributes are texts, and its data is as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    attributes: BTreeMap<String, String>,
    data: Bytes,
}

impl Event {
    /// Reads an event from a request's header and whole body.
    ///
    /// # Errors
    /// [`EventError`], but for [`EventError::Foreign`].
    pub fn read(headers: &HeaderMap, body: Bytes) -> Result<Self, EventError> {
        let content_type = single(headers, CONTENT_TYPE.as_str())?;
        let media_type = content_type.as_deref().map(media_type).unwrap_or_default();
        let event = match media_type.strip_prefix("application/cloudevents") {
            Some("+json") => {
                let content_type = content_type.unwrap_or_default();
                if !is_utf8(&content_type) {
                    return Err(EventError::ContentType(shown(&content_type)));
                }
                let structured = structured::read(&body)?;
                Self { attributes: structured.attributes, data: structured.data }
            }
            Some(form) if form.starts_with("-batch") => return Err(EventError::Batch),
            Some(_) => return Err(EventError::ContentType(shown(&media_type))),
            None => Self { attributes: binary(headers, content_type)?, data: body },
        };
        event.check()?;
        Ok(event)
    }

    fn check(&self) -> Result<(), EventError> {
        let version = self.required("specversion")?;
        if version != MESSAGE_SPEC_VERSION {
            return Err(EventError::Version(shown(version)));
        }
        ["id", "source", "type"].into_iter().try_for_each(|name| self.required(name).map(drop))
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    fn required(&self, name: &'static str) -> Result<&str, EventError> {
        let value = self.attribute(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| wrong(name, "is missing"))
    }

    /// What it asks for.
    ///
    /// # Errors
    /// [`EventError::Foreign`].
    pub fn kind(&self) -> Result<MessageKind, EventError> {
        let kind = self.required("type")?;
        let known = MessageKind::ALL.into_iter().find(|known| known.as_str() == kind);
        known.ok_or_else(|| EventError::Foreign(shown(kind)))
    }

    /// The message that it is. Whether it is of this installation is told by its signature, which may be missing.
    ///
    /// # Errors
    /// [`EventError::Foreign`], or when it lacks what every message has.
    pub fn message(&self) -> Result<Message, EventError> {
        let kind = self.kind()?;
        let content_type = self.attribute("datacontenttype").unwrap_or("application/json");
        if media_type(content_type) != "application/json" || !is_utf8(content_type) {
            return Err(EventError::Data("its data is not application/json"));
        }
        let time = self.required("time")?.parse();
        // Kept as it is written: the signature is of these very letters.
        let data: Box<RawValue> = serde_json::from_slice(&self.data).map_err(EventError::Json)?;
        Ok(Message {
            specversion: MESSAGE_SPEC_VERSION.to_owned(),
            id: self.required("id")?.to_owned(),
            source: self.required("source")?.to_owned(),
            kind,
            time: time.map_err(|_| wrong("time", "is no time"))?,
            datacontenttype: "application/json".to_owned(),
            epitaphmac: self.attribute("epitaphmac").unwrap_or_default().to_owned(),
            data,
        })
    }
}

/// The attributes in binary mode: each a header, but for the type of the data.
fn binary(headers: &HeaderMap, content_type: Option<String>) -> Result<BTreeMap<String, String>, EventError> {
    let mut attributes = BTreeMap::new();
    for (header_name, value) in headers {
        let Some(name) = header_name.as_str().strip_prefix(header::PREFIX) else { continue };
        let value = header::decode(value).ok_or_else(|| wrong(name, "is no text"))?;
        add(&mut attributes, name.to_owned(), value)?;
    }
    if !attributes.contains_key("specversion") {
        return Err(EventError::NoEvent);
    }
    if let Some(content_type) = content_type {
        add(&mut attributes, "datacontenttype".to_owned(), content_type)?;
    }
    Ok(attributes)
}

/// Adds an attribute that is within bounds and not there yet.
pub(super) fn add(
    attributes: &mut BTreeMap<String, String>,
    name: String,
    value: String,
) -> Result<(), EventError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let full = attributes.len() >= MOST_ATTRIBUTES;
    let what = if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(plain) {
        "has a name that is not one to 64 small letters and digits"
    } else if value.len() > LONGEST_VALUE {
        "is too long"
    } else if value.contains(|letter: char| letter.is_control()) {
        "has a control character"
    } else if full {
        "is one too many"
    } else {
        match attributes.entry(name) {
            Entry::Vacant(free) => {
                free.insert(value);
                return Ok(());
            }
            Entry::Occupied(taken) => return Err(wrong(taken.key(), "comes twice")),
        }
    };
    Err(wrong(&name, what))
}

pub(super) fn wrong(name: &str, what: &'static str) -> EventError {
    EventError::Attribute { name: shown(name), what }
}

/// A header that may come once.
fn single(headers: &HeaderMap, name: &str) -> Result<Option<String>, EventError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(wrong(name, "comes twice"));
    }
    value.to_str().map(|value| Some(value.to_owned())).map_err(|_| wrong(name, "is no text"))
}

/// A content type without its parameters.
fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_utf8(content_type: &str) -> bool {
    content_type.split(';').skip(1).all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let utf8 =
            ["utf-8", "utf8"].iter().any(|known| value.trim().trim_matches('"').eq_ignore_ascii_case(known));
        utf8 || !name.trim().eq_ignore_ascii_case("charset")
    })
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
