//! Sentry's events, as JSON and as MessagePack, and breadcrumbs as MessagePack.
//!
//! Clients of many ages and languages write them: whatever has another type than it should is as if it were not there,
//! and only what is no object at all cannot be read. The fields are those of
//! <https://develop.sentry.dev/sdk/data-model/event-payloads/>.

mod about;
mod breadcrumbs;
mod ending;
mod feedback;
mod images;
pub(crate) mod msgpack;
#[cfg(test)]
mod properties;
mod stack;
#[cfg(test)]
mod tests;
pub(crate) mod value;

use epitaph_crash_model::Crash;
use serde_json::Value;

pub(crate) use self::{
    about::{apply_agent, processor},
    ending::of_exception,
    feedback::{apply_feedback, feedback},
};
use crate::parsed::Unreadable;

/// What crashes of an event that cannot be read fall together under.
const MALFORMED: &str = "malformed event";

/// Adds what an event knows to a crash.
///
/// # Errors
/// When it is not a JSON object.
pub(crate) fn apply(crash: &mut Crash, json: &[u8]) -> Result<(), Unreadable> {
    let event = value::read(json)
        .map_err(|error| Unreadable::new(MALFORMED, format!("the event is not JSON: {error}")))?;
    apply_value(crash, &event)
}

/// Adds what an event in MessagePack knows to a crash.
///
/// # Errors
/// When it is not a map in MessagePack.
pub(crate) fn apply_msgpack(crash: &mut Crash, bytes: &[u8]) -> Result<(), Unreadable> {
    let event = msgpack::one(bytes)
        .map_err(|fault| Unreadable::new(MALFORMED, format!("the event is not MessagePack: {fault}")))?;
    apply_value(crash, &event)
}

/// Adds breadcrumbs, one map in MessagePack after the other.
///
/// # Errors
/// When not even the first is whole.
pub(crate) fn apply_breadcrumbs(crash: &mut Crash, bytes: &[u8]) -> Result<(), Unreadable> {
    let told = msgpack::all(bytes).map_err(|fault| {
        Unreadable::new("malformed breadcrumbs", format!("the breadcrumbs are not MessagePack: {fault}"))
    })?;
    // Some clients write a list of them.
    let lists =
        told.iter().flat_map(|value| value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice));
    breadcrumbs::apply(crash, lists);
    Ok(())
}

fn apply_value(crash: &mut Crash, event: &Value) -> Result<(), Unreadable> {
    if !event.is_object() {
        return Err(Unreadable::new(MALFORMED, "the event is no object"));
    }
    let has_dump = !crash.threads.is_empty();
    let id = value::field(event, "event_id").and_then(Value::as_str);
    crash.client_id = crash.client_id.take().or_else(|| hex_id(id?));
    if crash.occurred_at.is_none() {
        crash.occurred_at = value::field(event, "timestamp").and_then(value::time);
    }
    stack::apply(crash, event);
    about::apply(crash, event);
    ending::apply(crash, event, has_dump);
    breadcrumbs::apply(crash, value::list(value::field(event, "breadcrumbs")).iter());
    Ok(())
}

/// 32 hexadecimal digits in lower case, however the client writes them.
fn hex_id(told: &str) -> Option<String> {
    let id: String = told.chars().filter(|next| *next != '-').take(33).collect();
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| id.to_lowercase())
}
