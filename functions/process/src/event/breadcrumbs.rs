//! What happened before.

use std::collections::BTreeMap;

use epitaph_crash_model::{Breadcrumb, Crash};
use serde_json::Value;

use super::value;
use crate::bounds;

/// Names that one breadcrumb's data may have.
const DATA: usize = 30;

/// Adds breadcrumbs to those that are there: by time, each once, the newest.
pub(super) fn apply<'a>(crash: &mut Crash, told: impl Iterator<Item = &'a Value>) {
    crash.breadcrumbs.extend(told.filter(|breadcrumb| breadcrumb.is_object()).map(breadcrumb));
    // A stable sort: those of one moment, or of none, stay in the client's order.
    crash.breadcrumbs.sort_by_key(|breadcrumb| breadcrumb.time);
    crash.breadcrumbs.dedup();
    let surplus = crash.breadcrumbs.len().saturating_sub(bounds::BREADCRUMBS);
    crash.breadcrumbs.drain(..surplus);
}

fn breadcrumb(told: &Value) -> Breadcrumb {
    let mut data = BTreeMap::new();
    if let Some(fields) = value::object(told, "data") {
        value::flatten(&mut data, fields);
        while data.len() > DATA {
            data.pop_last();
        }
    }
    let kind = value::name(told, "type").filter(|kind| kind != "default");
    Breadcrumb {
        time: value::field(told, "timestamp").and_then(value::time),
        category: value::name(told, "category").or(kind),
        level: value::name(told, "level"),
        message: value::text(told, "message"),
        data,
    }
}
