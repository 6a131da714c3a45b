//! Annotations in one part, as Socorro's newer clients send them: a JSON object of strings, in a field named `extra`.

use std::fmt;

use epitaph_ingest::draft::Draft;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::{Deserializer, value::RawValue};

/// Annotates a report with everything in a JSON object. What is no string is kept as its JSON.
///
/// # Errors
/// When it is no object; what came before the fault is kept.
pub(crate) fn annotate(draft: &mut Draft, json: &[u8]) -> Result<(), serde_json::Error> {
    let mut json = Deserializer::from_slice(json);
    json.deserialize_map(Annotations(draft))?;
    json.end()
}

struct Annotations<'a>(&'a mut Draft);

impl<'de> Visitor<'de> for Annotations<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            let value = serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned());
            self.0.annotate(name, value);
        }
        Ok(())
    }
}
