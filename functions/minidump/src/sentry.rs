//! The event that Sentry's native clients send beside a minidump, in fields of the form.
//!
//! | field                                    | what it holds                                          |
//! | ---------------------------------------- | ------------------------------------------------------ |
//! | `sentry[user][id]`                       | one value of the event                                 |
//! | `sentry`                                 | the event, as JSON                                     |
//! | `sentry__1`, `sentry__2`, ...            | the event in pieces, since Crashpad's values are short |
//! | `sentry___initialScope`, and `...__1`    | what Electron's client knew at its start, likewise     |
//!
//! Whatever of these is there becomes one event; of two that say the same, the one higher in this table counts.

use std::collections::BTreeMap;

use bytes::Bytes;
use epitaph_crash_model::{NoteReason, Role};
use epitaph_ingest::{
    Refusal,
    budget::Share,
    draft::Draft,
    file::{FileError, FileHead},
};
use serde_json::{Map, Value};

/// How deep names may lie inside each other in `sentry[a][b]`.
const DEEPEST: usize = 8;
/// What a byte of JSON takes in memory while events are put together, at the most.
const EXPANSION: u64 = 24;
/// The name of the event as a file.
const NAME: &str = "sentry";

/// A field of the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field {
    /// One value, by the names on the way to it.
    Value(Vec<String>),
    /// A piece of JSON.
    Piece(Document, u32),
}

/// The JSON documents that an event is made of, the one that counts more first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Document {
    Whole,
    Chunked,
    Initial,
}

impl Field {
    /// What a field's name makes it; `None` if it is none of the event.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("sentry")?;
        if rest.is_empty() {
            return Some(Self::Piece(Document::Whole, 0));
        }
        if let Some(rest) = rest.strip_prefix("___initialScope") {
            let number = if rest.is_empty() { Some(0) } else { rest.strip_prefix("__")?.parse().ok() };
            return Some(Self::Piece(Document::Initial, number?));
        }
        if let Some(number) = rest.strip_prefix("__") {
            return Some(Self::Piece(Document::Chunked, number.parse().ok()?));
        }
        let names = rest.strip_prefix('[')?.strip_suffix(']')?;
        let names: Vec<String> = names.split("][").map(str::to_owned).collect();
        let fit = names.len() <= DEEPEST && names.iter().all(|name| !name.is_empty());
        fit.then_some(Self::Value(names))
    }
}

/// The fields of one form, bounded by the limit of an event and by the memory that all requests share.
#[derive(Default)]
pub(crate) struct Fields {
    values: Vec<(Vec<String>, String)>,
    documents: BTreeMap<Document, BTreeMap<u32, Vec<u8>>>,
    bytes: u64,
    share: Option<Share>,
}

impl Fields {
    /// Whether there is room for so many bytes more; if so, they are counted.
    pub(crate) fn reserve(&mut self, draft: &Draft, largest: u64, bytes: usize) -> bool {
        let total = self.bytes + bytes as u64;
        if total > largest {
            return false;
        }
        if self.share.is_none() {
            self.share = draft.budget().share();
        }
        let fits = self.share.as_mut().is_some_and(|share| share.grow_to(total));
        if fits {
            self.bytes = total;
        }
        fits
    }

    /// Adds a field whose bytes were reserved. The first of a name stays.
    pub(crate) fn add(&mut self, field: Field, value: Vec<u8>) {
        match field {
            Field::Value(names) => self.values.push((names, String::from_utf8_lossy(&value).into_owned())),
            Field::Piece(document, number) => {
                self.documents.entry(document).or_default().entry(number).or_insert(value);
            }
        }
    }

    /// Adds the event to the report, if there is one. JSON that cannot be read is left for `process` to say so.
    pub(crate) async fn finish(mut self, draft: &mut Draft) -> Result<(), Refusal> {
        for event in self.events() {
            let head = FileHead {
                role: Role::Event,
                name: NAME.to_owned(),
                content_type: Some("application/json".to_owned()),
            };
            let Some(mut file) = draft.begin_file(head) else { break };
            let kept = match file.write(Bytes::from(event)).await {
                Ok(()) => draft.add_file(file).await,
                Err(error) => Err(error),
            };
            match kept {
                Ok(()) => {}
                Err(FileError::TooLarge) => draft.note(Some(NAME.to_owned()), NoteReason::FileTooLarge),
                Err(FileError::Refused(refusal)) => return Err(refusal),
            }
        }
        Ok(())
    }

    /// One event of all fields. Where there is only one document, it is left as it came; where several cannot be put
    /// together, each is an event.
    fn events(&mut self) -> Vec<Vec<u8>> {
        let documents = std::mem::take(&mut self.documents).into_values();
        let documents: Vec<Vec<u8>> =
            documents.map(|pieces| pieces.into_values().flatten().collect()).collect();
        if self.values.is_empty() && documents.len() <= 1 {
            return documents;
        }
        let mut event = Map::new();
        for (names, value) in self.values.drain(..) {
            set(&mut event, &names, value);
        }
        let mut unread = Vec::new();
        let room = self.share.as_mut().is_some_and(|share| share.grow_to(self.bytes * EXPANSION));
        for document in documents {
            match if room { serde_json::from_slice(&document).ok() } else { None } {
                Some(more) => merge(&mut event, more),
                None => unread.push(document),
            }
        }
        let mut events = Vec::new();
        if !event.is_empty() {
            events.extend(serde_json::to_vec(&event));
        }
        events.extend(unread);
        events
    }
}

/// Sets the value at the end of a way of names, unless something stands there.
fn set(object: &mut Map<String, Value>, names: &[String], value: String) {
    match names {
        [] => {}
        [name] => {
            object.entry(name.as_str()).or_insert(Value::String(value));
        }
        [name, inner @ ..] => {
            let entry = object.entry(name.as_str()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(object) = entry {
                set(object, inner, value);
            }
        }
    }
}

/// Adds what an object does not say yet.
fn merge(object: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        match (object.get_mut(&name), value) {
            (None, value) => {
                object.insert(name, value);
            }
            (Some(Value::Object(known)), Value::Object(more)) => merge(known, more),
            (Some(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn events(fields: &[(&str, &str)]) -> Vec<Value> {
        let mut all = Fields::default();
        for (name, value) in fields {
            all.add(Field::of(name).unwrap(), value.as_bytes().to_vec());
        }
        all.share = epitaph_ingest::budget::Budget::new(1 << 20).share();
        all.bytes = 1000;
        let text = |event: Vec<u8>| Value::String(String::from_utf8(event).unwrap());
        all.events()
            .into_iter()
            .map(|event| serde_json::from_slice(&event).unwrap_or_else(|_| text(event)))
            .collect()
    }

    #[test]
    fn a_field_is_known_by_its_name() {
        let names = |names: &[&str]| Some(Field::Value(names.iter().map(|&name| name.to_owned()).collect()));
        assert_eq!(Field::of("sentry"), Some(Field::Piece(Document::Whole, 0)));
        assert_eq!(Field::of("sentry__12"), Some(Field::Piece(Document::Chunked, 12)));
        assert_eq!(Field::of("sentry___initialScope"), Some(Field::Piece(Document::Initial, 0)));
        assert_eq!(Field::of("sentry___initialScope__2"), Some(Field::Piece(Document::Initial, 2)));
        assert_eq!(Field::of("sentry[release]"), names(&["release"]));
        assert_eq!(Field::of("sentry[user][id]"), names(&["user", "id"]));
        let deep = format!("sentry{}", "[a]".repeat(DEEPEST + 1));
        for other in
            ["sentry_key", "sentryfoo", "sentry[", "sentry[]", "sentry[a]b", "sentry__x", "prod", &deep]
        {
            assert_eq!(Field::of(other), None, "{other}");
        }
    }

    #[test]
    fn one_document_is_left_as_it_came() {
        assert_eq!(events(&[]), Vec::<Value>::new());
        assert_eq!(events(&[("sentry", r#"{"a":1}"#)]), [json!({"a": 1})]);
        assert_eq!(events(&[("sentry", "no JSON")]), [json!("no JSON")]);
        assert_eq!(
            events(&[("sentry__2", "1}"), ("sentry__10", ""), ("sentry__1", r#"{"a":"#)]),
            [json!({"a": 1})]
        );
    }

    #[test]
    fn several_become_one_and_what_counts_more_stays() {
        let told = events(&[
            ("sentry___initialScope", r#"{"release":"3","dist":"3","tags":{"c":"3"}}"#),
            ("sentry", r#"{"release":"2","tags":{"a":"2","b":"2"}}"#),
            ("sentry[tags][a]", "1"),
            ("sentry[release][odd]", "passed over, as it comes second"),
        ]);
        let expected = json!({"release": {"odd": "passed over, as it comes second"}, "dist": "3",
            "tags": {"a": "1", "b": "2", "c": "3"}});
        assert_eq!(told, [expected]);
        let told = events(&[("sentry[release]", "1"), ("sentry[release]", "2"), ("sentry", "[]")]);
        assert_eq!(told, [json!({"release": "1"}), json!([])]);
    }
}
