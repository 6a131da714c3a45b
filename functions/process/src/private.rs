//! What is private in the files that clients' SDKs write, value by value: a name within an object says more than a line
//! does.

use std::borrow::Cow;

use epitaph_crash_model::{Payload, Role};
use epitaph_scrub::{ScrubRules, scrub_value};
use serde_json::{Map, Value};

use crate::event::{msgpack, value};

/// What stands in a player's place.
const PLAYER: &str = "[user]";

/// Objects of which every value is about the player.
const PLAYERS: [&str; 1] = ["user"];

/// Names, and those with the object that they are in, whose values name a player's machine.
const MACHINES: [&str; 2] = ["server_name", "device.name"];

/// How a file holds its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    /// One value after the other.
    Msgpack,
}

impl Form {
    /// The form of a payload, by what it is for; `None` for what no SDK writes as values.
    pub(crate) fn of(payload: &Payload) -> Option<Self> {
        match payload.role {
            Role::Event | Role::Report | Role::Feedback => Some(Self::Json),
            Role::EventMsgpack | Role::BreadcrumbsMsgpack => Some(Self::Msgpack),
            Role::Minidump | Role::UnrealContext | Role::Attachment => None,
        }
    }

    /// A file without what is private; `None` if there is nothing private in it.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn scrub(self, bytes: &[u8], rules: &ScrubRules) -> Result<Option<Vec<u8>>, String> {
        let mut values = match self {
            Self::Json => vec![value::read(bytes).map_err(|error| error.to_string())?],
            Self::Msgpack => msgpack::all(bytes).map_err(|fault| fault.to_string())?,
        };
        let mut scrubber = Scrubber { rules, changed: false };
        for value in &mut values {
            scrubber.value("", value);
        }
        Ok(scrubber.changed.then(|| match self {
            Self::Json => values.iter().flat_map(|value| value.to_string().into_bytes()).collect(),
            Self::Msgpack => values.iter().fold(Vec::new(), |mut bytes, value| {
                msgpack::write(value, &mut bytes);
                bytes
            }),
        }))
    }
}

struct Scrubber<'a> {
    rules: &'a ScrubRules,
    changed: bool,
}

impl Scrubber<'_> {
    /// A value of a name, which is told with the object's that it is in: `user.id`.
    fn value(&mut self, name: &str, value: &mut Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Object(fields) => self.fields(name, fields),
            Value::Array(values) => self.list(name, values),
            Value::String(text) => {
                if let Some(scrubbed) = self.scrubbed(name, text) {
                    *text = scrubbed;
                }
            }
            Value::Number(number) => {
                if let Some(scrubbed) = self.scrubbed(name, &number.to_string()) {
                    *value = Value::String(scrubbed);
                }
            }
        }
    }

    fn scrubbed(&mut self, name: &str, text: &str) -> Option<String> {
        let of_player = name.split_once('.').is_some_and(|(outer, _)| PLAYERS.contains(&outer));
        let names_player = of_player || MACHINES.contains(&name);
        let scrubbed = if self.rules.user && names_player && !text.trim().is_empty() {
            Cow::Borrowed(PLAYER)
        } else {
            scrub_value(name, text, self.rules)
        };
        let changed = *scrubbed != *text;
        self.changed |= changed;
        changed.then(|| scrubbed.into_owned())
    }

    fn fields(&mut self, outer: &str, fields: &mut Map<String, Value>) {
        // A pair of a list: its key names its value.
        let key = fields.get("key").and_then(Value::as_str).filter(|_| fields.contains_key("value"));
        let key = key.map(str::to_owned);
        for (name, value) in fields.iter_mut() {
            match &key {
                Some(key) if name == "value" => self.value(key, value),
                _ => self.value(&within(outer, name), value),
            }
        }
    }

    fn list(&mut self, name: &str, values: &mut [Value]) {
        match values {
            [Value::String(key), value @ Value::String(_)] if !key.is_empty() => {
                let key = key.clone();
                self.value(&key, value);
                if let [first, _] = values {
                    self.value(name, first);
                }
            }
            values => values.iter_mut().for_each(|value| self.value(name, value)),
        }
    }
}

/// The name of a field with its object's own; all that lies deeper in a player's object is the player's.
fn within(outer: &str, name: &str) -> String {
    let last = match outer.split_once('.') {
        Some((first, _)) if PLAYERS.contains(&first) => first,
        _ => outer.rsplit('.').next().unwrap_or_default(),
    };
    if last.is_empty() { name.to_owned() } else { format!("{last}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scrubbed(value: &Value) -> Value {
        let bytes = Form::Json.scrub(value.to_string().as_bytes(), &ScrubRules::default()).unwrap();
        bytes.map_or_else(|| value.clone(), |bytes| serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn what_names_a_player_goes_and_what_names_a_crash_stays() {
        let sent = json!({
            "user": {"id": 4711, "username": "Ann", "ip_address": "203.0.113.7", "geo": {"city": "Seoul"}},
            "server_name": "anns-laptop", "platform": "python", "release": "1.2.3.4",
            "contexts": {"device": {"name": "Ann's phone", "model": "Pixel 9", "device_unique_identifier": "8f3a"},
                "os": {"name": "Android", "version": "15"}},
            "tags": [["user_id", "ann-7"], ["map", "e1m1"], {"key": "steam_id", "value": "76561198012345678"}],
            "extra": {"sys.argv": ["game.py", "https://0123456789abcdef0123456789abcdef@crashes.example.com/1"]},
            "exception": {"values": [{"type": "KeyError", "stacktrace": {"frames": [
                {"function": "play", "lineno": 7, "vars": {"password": "'hunter2'", "user_index": 3}}]}}]},
        });
        let kept = scrubbed(&sent);
        let expected = json!({
            "user": {"id": "[user]", "username": "[user]", "ip_address": "[user]", "geo": {"city": "[user]"}},
            "server_name": "[user]", "platform": "python", "release": "1.2.3.4",
            "contexts": {"device": {"name": "[user]", "model": "Pixel 9", "device_unique_identifier": "[user]"},
                "os": {"name": "Android", "version": "15"}},
            "tags": [["user_id", "[user]"], ["map", "e1m1"], {"key": "steam_id", "value": "[user]"}],
            "extra": {"sys.argv": ["game.py", "https://[secret]@crashes.example.com/1"]},
            "exception": {"values": [{"type": "KeyError", "stacktrace": {"frames": [
                {"function": "play", "lineno": 7, "vars": {"password": "[secret]", "user_index": 3}}]}}]},
        });
        assert_eq!(kept, expected);
        assert_eq!(scrubbed(&kept), kept);
    }

    #[test]
    fn messagepack_is_rewritten_as_messagepack_and_only_where_something_is_private() {
        let rules = ScrubRules::default();
        let packed = |values: &[Value]| -> Vec<u8> {
            values.iter().flat_map(|value| rmp_serde::to_vec(value).unwrap()).collect()
        };
        let sent = packed(&[json!({"user": {"id": "ann"}, "n": 1.5}), json!({"message": "ann@example.com"})]);
        let kept = Form::Msgpack.scrub(&sent, &rules).unwrap().unwrap();
        let expected = [json!({"user": {"id": "[user]"}, "n": 1.5}), json!({"message": "[email]"})];
        assert_eq!(msgpack::all(&kept).unwrap(), expected);
        assert_eq!(Form::Msgpack.scrub(&packed(&expected), &rules), Ok(None));
        assert!(Form::Msgpack.scrub(&[0xc1], &rules).is_err() && Form::Json.scrub(b"{", &rules).is_err());
    }

    #[test]
    fn a_project_that_wants_to_know_its_players_is_told() {
        let sent = br#"{"user":{"id":"player-7","email":"ann@example.com"},"server_name":"shard-3"}"#;
        let rules = ScrubRules { user: false, ..ScrubRules::default() };
        let kept = Form::Json.scrub(sent, &rules).unwrap().unwrap();
        let kept: Value = serde_json::from_slice(&kept).unwrap();
        assert_eq!(kept, json!({"user": {"id": "player-7", "email": "[email]"}, "server_name": "shard-3"}));
    }
}
