//! Annotations in one part, as Socorro's newer clients send them: a JSON object of strings, in a field named `extra`.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::{Deserializer, value::RawValue};

/// Gives every name and value in a JSON object to `annotate`, in their order. What is no string is told as its JSON.
///
/// # Errors
/// When it is no object; what came before the fault was given.
pub fn read(json: &[u8], annotate: impl FnMut(String, String)) -> Result<(), serde_json::Error> {
    let mut json = Deserializer::from_slice(json);
    json.deserialize_map(Annotations(annotate))?;
    json.end()
}

struct Annotations<F>(F);

impl<'de, F: FnMut(String, String)> Visitor<'de> for Annotations<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            let value = serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned());
            (self.0)(name, value);
        }
        Ok(())
    }
}
