//! Looking around in JSON.

use serde_json::{Map, Value};

/// All texts in a value, at any depth. Of objects the values, not the names.
pub fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// All objects in a value, at any depth, itself included.
pub fn objects(value: &Value) -> Vec<&Map<String, Value>> {
    match value {
        Value::Array(items) => items.iter().flat_map(objects).collect(),
        Value::Object(fields) => {
            let mut all = vec![fields];
            all.extend(fields.values().flat_map(objects));
            all
        }
        _ => Vec::new(),
    }
}
