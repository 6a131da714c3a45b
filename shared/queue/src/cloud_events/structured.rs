//! Events whose attributes are in a JSON object beside the data (CloudEvents JSON format 1.0.2).

use std::{collections::BTreeMap, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::event::{self, EventError};

/// The members of the object: attributes in their text form, and the data's bytes.
pub(super) struct Structured {
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) data: Bytes,
}

pub(super) fn read(body: &[u8]) -> Result<Structured, EventError> {
    let Members(members) = serde_json::from_slice(body).map_err(EventError::Json)?;
    let (mut attributes, mut data) = (BTreeMap::new(), None);
    for (name, value) in members {
        let of_data = match name.as_str() {
            "data" => Bytes::copy_from_slice(value.get().as_bytes()),
            "data_base64" => {
                let text: String = serde_json::from_str(value.get()).map_err(EventError::Json)?;
                let bytes = STANDARD.decode(text);
                bytes.map_err(|_| EventError::Data("its data_base64 is not base64"))?.into()
            }
            _ => {
                if let Some(text) = text(value.get()).map_err(|what| event::wrong(&name, what))? {
                    event::add(&mut attributes, name, text)?;
                }
                continue;
            }
        };
        if data.replace(of_data).is_some() {
            return Err(EventError::Data("it has both data and data_base64"));
        }
    }
    Ok(Structured { attributes, data: data.unwrap_or_default() })
}

/// An attribute's value as text: strings, booleans and whole numbers are; what is null is not there.
fn text(json: &str) -> Result<Option<String>, &'static str> {
    let whole_number = || json.strip_prefix('-').unwrap_or(json).bytes().all(|byte| byte.is_ascii_digit());
    match json {
        "null" => Ok(None),
        "true" | "false" => Ok(Some(json.to_owned())),
        _ if json.starts_with('"') => serde_json::from_str(json).map(Some).map_err(|_| "is no text"),
        _ if whole_number() => Ok(Some(json.to_owned())),
        _ => Err("is neither a text nor a whole number nor a boolean"),
    }
}

/// The members as they come, none of them twice.
struct Members(BTreeMap<String, Box<RawValue>>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if members.len() > event::MOST_ATTRIBUTES {
                        return Err(A::Error::custom("too many members"));
                    }
                    let value = map.next_value()?;
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member comes twice"));
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}
