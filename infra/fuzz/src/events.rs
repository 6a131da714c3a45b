//! What tells of a crash besides a minidump, as `process` reads it: events, breadcrumbs, contexts, reports, feedback.

use epitaph_crash_model::Role;

use crate::crash::{empty, told_by};

/// How deep `process` reads MessagePack.
const DEEPEST_MSGPACK: usize = 64;

/// Sentry's events and what players write, in JSON: any bytes are a crash within bounds, or a reason; and an event in
/// MessagePack says the same as in JSON.
pub fn event(data: &[u8]) {
    told_by(Role::Feedback, data);
    let Some(crash) = told_by(Role::Event, data) else { return };
    let Ok(event) = serde_json::from_slice::<serde_json::Value>(data) else { return };
    if depth(&event) > DEEPEST_MSGPACK {
        return;
    }
    let packed = rmp_serde::to_vec(&event).expect("JSON can be written as MessagePack");
    let mut same = empty();
    let read = epitaph_process::sources::add(&mut same, Role::EventMsgpack, &packed);
    assert_eq!((same, read), (crash, Ok(())), "in MessagePack");
}

fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or_default(),
        serde_json::Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        _ => 1,
    }
}

/// Events and breadcrumbs in MessagePack.
pub fn msgpack(data: &[u8]) {
    told_by(Role::EventMsgpack, data);
    told_by(Role::BreadcrumbsMsgpack, data);
}

/// Unreal's `CrashContext.runtime-xml`.
pub fn context(data: &[u8]) {
    told_by(Role::UnrealContext, data);
}

/// Our own report in JSON: what the collector takes, `process` reads, and with the same id.
pub fn report(data: &[u8]) {
    let told = told_by(Role::Report, data);
    match epitaph_report::shape::check(data) {
        Ok(id) => {
            assert!(told.is_some(), "the collector took it: {}", String::from_utf8_lossy(data));
            assert!(id.is_none_or(|id| id.len() <= 36));
        }
        Err(fault) => {
            let said = fault.to_string();
            assert!((1..4_000).contains(&said.len()), "a fault that a person can read: {said}");
        }
    }
}
