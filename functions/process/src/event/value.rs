//! Reading JSON of which nothing may be expected: what has another type than it should is as if it were not there.

use std::{borrow::Cow, collections::BTreeMap};

use epitaph_crash_model::{Address, Timestamp};
use serde_json::{Map, Value};

use crate::bounds;

/// How deep maps within a context, or within extra data, are told name by name; deeper ones are told as JSON.
const FLAT_DEPTH: usize = 4;

/// Reads JSON, also where a client cut a text inside a character, as JavaScript's do: it becomes a replacement character.
/// A number that is larger than any floating-point number becomes `null`.
///
/// # Errors
/// When it is not JSON, or is nested deeper than anything that a client sends (128).
pub(crate) fn read(json: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(json).or_else(|error| {
        let text = String::from_utf8_lossy(json);
        let repaired = without_huge_numbers(&without_lone_surrogates(&text)).into_owned();
        if repaired.as_bytes() == json { Err(error) } else { serde_json::from_str(&repaired) }
    })
}

/// Replaces numbers such as `1e999`: JSON's grammar allows them, and its readers refuse all of the text for one.
fn without_huge_numbers(json: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut done = 0;
    let mut at = 0;
    let bytes = json.as_bytes();
    let mut in_text = false;
    while let Some(next) = bytes.get(at) {
        match next {
            b'"' => in_text = !in_text,
            b'\\' if in_text => at += 1,
            b'-' | b'0'..=b'9' if !in_text => {
                let is_of_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                let length = bytes[at..].iter().take_while(|byte| is_of_number(byte)).count();
                let number = json.get(at..at + length).and_then(|number| number.parse::<f64>().ok());
                if number.is_some_and(f64::is_infinite) {
                    out.push_str(json.get(done..at).unwrap_or_default());
                    out.push_str("null");
                    done = at + length;
                }
                at += length - 1;
            }
            _ => {}
        }
        at += 1;
    }
    if done == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(json.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

/// Replaces `\ud83d` and its like where the other half is missing: JSON's grammar allows it, Unicode does not.
fn without_lone_surrogates(json: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut done = 0;
    let mut at = 0;
    let bytes = json.as_bytes();
    while let Some(next) = bytes.get(at) {
        if *next != b'\\' {
            at += 1;
            continue;
        }
        match (surrogate_at(bytes, at), surrogate_at(bytes, at + 6)) {
            (None, _) => at += 2,
            (Some(Half::High), Some(Half::Low)) => at += 12,
            (Some(_), _) => {
                out.push_str(json.get(done..at).unwrap_or_default());
                out.push_str("\\ufffd");
                at += 6;
                done = at;
            }
        }
    }
    if done == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(json.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

#[derive(PartialEq)]
enum Half {
    High,
    Low,
}

/// The half of a pair that is written here as an escape.
fn surrogate_at(bytes: &[u8], at: usize) -> Option<Half> {
    let escape = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let unit = u16::from_str_radix(std::str::from_utf8(escape).ok()?, 16).ok()?;
    match unit {
        0xd800..=0xdbff => Some(Half::High),
        0xdc00..=0xdfff => Some(Half::Low),
        _ => None,
    }
}

/// A field of an object.
pub(crate) fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|value| !value.is_null())
}

/// A field that is an object.
pub(crate) fn object<'a>(value: &'a Value, name: &str) -> Option<&'a Map<String, Value>> {
    field(value, name)?.as_object()
}

/// A list that clients write as `[…]` or as `{"values": […]}`; one object alone is a list of it. Empty if it is none.
pub(crate) fn list(value: Option<&Value>) -> &[Value] {
    let Some(value) = value else { return &[] };
    match value {
        Value::Array(values) => values,
        Value::Object(fields) => match fields.get("values") {
            Some(Value::Array(values)) => values,
            _ => std::slice::from_ref(value),
        },
        _ => &[],
    }
}

/// A scalar as text.
pub(crate) fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(truth) => Some(Cow::Owned(truth.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A scalar field as a name; see [`bounds::name`].
pub(crate) fn name(value: &Value, field_name: &str) -> Option<String> {
    bounds::name(&scalar(field(value, field_name)?)?)
}

/// A scalar field as a text; see [`bounds::text`].
pub(crate) fn text(value: &Value, field_name: &str) -> Option<String> {
    bounds::text(&scalar(field(value, field_name)?)?)
}

/// A field that is true or false.
pub(crate) fn truth(value: &Value, field_name: &str) -> Option<bool> {
    match field(value, field_name)? {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A number from 0, also as decimal text.
pub(crate) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A number from 1 that fits a line or a column.
pub(crate) fn position(value: &Value, field_name: &str) -> Option<u32> {
    let number = u32::try_from(number(field(value, field_name)?)?).ok()?;
    (number > 0).then_some(number)
}

/// An address: `"0x7f…"`, or a number.
pub(crate) fn address(value: &Value, field_name: &str) -> Option<Address> {
    match field(value, field_name)? {
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| text.parse().ok().map(Address))
        }
        Value::Number(number) => number.as_u64().map(Address),
        _ => None,
    }
}

/// A time: seconds since 1970, or RFC 3339, which without a zone is UTC.
pub(crate) fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => from_seconds(number.as_f64()?),
        Value::String(text) => {
            let text = text.trim();
            let zoned = || format!("{text}Z").parse().ok();
            text.parse().ok().or_else(zoned).or_else(|| from_seconds(text.parse().ok()?))
        }
        _ => None,
    }
}

fn from_seconds(seconds: f64) -> Option<Timestamp> {
    let millis = (seconds * 1000.0).round();
    // Beyond the year 9999 it is not seconds.
    if !(0.0..253_402_300_800_000.0).contains(&millis) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number that was just bounded")]
    Some(Timestamp::from_millis(millis as i64))
}

/// Adds what an object holds to a map of a crash: scalars under their names, maps within it under `outer.inner`, lists
/// as JSON.
pub(crate) fn flatten(map: &mut BTreeMap<String, String>, fields: &Map<String, Value>) {
    flatten_under(map, "", fields, FLAT_DEPTH);
}

fn flatten_under(
    map: &mut BTreeMap<String, String>,
    prefix: &str,
    fields: &Map<String, Value>,
    depth: usize,
) {
    for (key, value) in fields {
        if map.len() >= bounds::ENTRIES {
            return;
        }
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        // A name that is cut would be another one's.
        if key.chars().count() > bounds::NAME {
            continue;
        }
        match value {
            Value::Null => {}
            Value::Object(inner) if depth > 0 => flatten_under(map, &key, inner, depth - 1),
            Value::Object(_) | Value::Array(_) => bounds::add(map, &key, &value.to_string()),
            scalar_value => {
                if let Some(text) = scalar(scalar_value) {
                    bounds::add(map, &key, &text);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_that_was_cut_inside_a_character_does_not_cost_the_event() {
        assert_eq!(read(br#"{"a":"\ud83d"}"#).unwrap(), json!({"a": "\u{fffd}"}));
        assert_eq!(
            read(br#"["\ud83d\ude00","\ude00\\ud83d","\\\ud83dx"]"#).unwrap(),
            json!(["😀", "\u{fffd}\\ud83d", "\\\u{fffd}x"])
        );
        assert_eq!(read(b"[\"a\xffb\"]").unwrap(), json!(["a\u{fffd}b"]));
        assert!(read(b"{\"a\":").is_err());
        assert!(read("[".repeat(1_000).as_bytes()).is_err());
    }

    #[test]
    fn a_number_that_no_reader_holds_does_not_cost_the_event() {
        assert_eq!(
            read(br#"{"a":1e999,"b":[-1e400,2],"c":"\"1e999","d":"\ud83d"}"#).unwrap(),
            json!({"a": null, "b": [null, 2], "c": "\"1e999", "d": "\u{fffd}"})
        );
        assert_eq!(read(format!("[{}]", "9".repeat(400)).as_bytes()).unwrap(), json!([null]));
        assert!(read(b"[1e999").is_err());
    }

    #[test]
    fn times_are_read_as_clients_write_them() {
        let millis = |value: Value| time(&value).map(Timestamp::as_millis);
        assert_eq!(millis(json!(1_768_435_200.5)), Some(1_768_435_200_500));
        assert_eq!(millis(json!("1768435200.5")), Some(1_768_435_200_500));
        assert_eq!(millis(json!("2026-01-15T00:00:00.500Z")), Some(1_768_435_200_500));
        assert_eq!(millis(json!("2026-01-15T01:00:00.5+01:00")), Some(1_768_435_200_500));
        assert_eq!(millis(json!("2026-01-15T00:00:00.500000")), Some(1_768_435_200_500));
        for nonsense in [json!(-1), json!(1e300), json!("NaN"), json!("soon"), json!([1])] {
            assert_eq!(millis(nonsense.clone()), None, "{nonsense}");
        }
    }

    #[test]
    fn maps_are_told_name_by_name_and_lists_as_they_are() {
        let value = json!({"a": {"b": 1, "c": {"d": true}}, "e": [1, {"f": 2}], "g": null, "h": "x"});
        let mut map = BTreeMap::new();
        flatten(&mut map, value.as_object().unwrap());
        let expected = [("a.b", "1"), ("a.c.d", "true"), ("e", r#"[1,{"f":2}]"#), ("h", "x")];
        assert!(map.iter().map(|(key, value)| (key.as_str(), value.as_str())).eq(expected), "{map:?}");
    }

    proptest! {
        #[test]
        fn what_is_repaired_is_whatever_it_was_before(text: String) {
            let json = serde_json::to_string(&text)?;
            prop_assert_eq!(without_lone_surrogates(&json), json.as_str());
        }

        #[test]
        fn any_escapes_can_be_repaired(units in prop::collection::vec(any::<u16>(), 0..12)) {
            let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let expected = String::from_utf16_lossy(&units);
            prop_assert_eq!(read(format!("\"{escapes}\"").as_bytes())?, json!(expected));
        }
    }
}
