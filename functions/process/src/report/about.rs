//! Whom it happened to, on what, in which build, and what else the game says of itself.

use std::collections::BTreeMap;

use epitaph_crash_model::{Breadcrumb, Crash, User};
use serde_json::Value;

use crate::{
    bounds,
    event::{apply_agent, processor, value},
};

/// The longest release, build or environment, in characters: they are labels, and every fact holds them.
const LONGEST_LABEL: usize = 200;

/// Names that one breadcrumb's data may have.
const DATA: usize = 30;

/// Fields that are annotations of their own.
const ANNOTATIONS: [&str; 3] = ["map", "session", "foreground"];

pub(super) fn apply(crash: &mut Crash, report: &Value) {
    let label =
        |name: &str| value::name(report, name).map(|label| label.chars().take(LONGEST_LABEL).collect());
    crash.release = crash.release.take().or_else(|| label("release"));
    crash.build = crash.build.take().or_else(|| label("build"));
    crash.environment = crash.environment.take().or_else(|| label("environment"));
    let told_at = value::field(report, "occurred_at").and_then(value::time);
    crash.occurred_at = crash.occurred_at.or(told_at);
    crash.uptime_seconds = crash.uptime_seconds.or_else(|| seconds(value::field(report, "uptime_seconds")?));
    if crash.user.is_none() {
        crash.user = user(report);
    }
    if let Some(tags) = value::object(report, "tags") {
        value::flatten(&mut crash.tags, tags);
    }
    for name in ANNOTATIONS {
        if let Some(said) = value::text(report, name) {
            bounds::add(&mut crash.annotations, name, &said);
        }
    }
    if let Some(annotations) = value::object(report, "annotations") {
        value::flatten(&mut crash.annotations, annotations);
    }
    system(crash, report);
    breadcrumbs(crash, report);
}

/// What it ran on, as far as nothing else has told.
fn system(crash: &mut Crash, report: &Value) {
    // A version without its system would be another system's.
    if crash.system.os.is_none() {
        crash.system.os = value::name(report, "platform");
        crash.system.os_version =
            crash.system.os_version.take().or_else(|| value::name(report, "os_version"));
    }
    // A page in a browser posts it with the browser's own name.
    if let Some(agent) = crash.client.clone() {
        apply_agent(crash, &agent);
    }
    if crash.system.arch.is_none() {
        crash.system.arch = value::name(report, "arch").map(|arch| processor(&arch).to_owned());
    }
    for (field, context, name) in
        [("device", "device", "model"), ("gpu", "gpu", "name"), ("engine", "engine", "name")]
    {
        let Some(said) = value::name(report, field) else { continue };
        if crash.contexts.len() < bounds::CONTEXTS || crash.contexts.contains_key(context) {
            bounds::add(crash.contexts.entry(context.to_owned()).or_default(), name, &said);
        }
    }
}

fn user(report: &Value) -> Option<User> {
    let told = value::field(report, "user")?;
    let user = User { id: value::name(told, "id"), name: value::name(told, "name") };
    (user.id.is_some() || user.name.is_some()).then_some(user)
}

/// Whole seconds of a number, or of a number as text.
fn seconds(told: &Value) -> Option<u64> {
    let number = told.as_f64().or_else(|| told.as_str()?.trim().parse().ok())?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number that is bounded here"
    )]
    (0.0..1e15).contains(&number).then_some(number as u64)
}

/// Adds the newest breadcrumbs, oldest first.
fn breadcrumbs(crash: &mut Crash, report: &Value) {
    let told = value::field(report, "breadcrumbs").and_then(Value::as_array);
    let told = told.into_iter().flatten().filter(|breadcrumb| breadcrumb.is_object());
    crash.breadcrumbs.extend(told.map(breadcrumb));
    // A stable sort: those of one moment, or of none, stay in the client's order.
    crash.breadcrumbs.sort_by_key(|breadcrumb| breadcrumb.time);
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
    Breadcrumb {
        time: value::field(told, "time").and_then(value::time),
        category: value::name(told, "category"),
        level: value::name(told, "level"),
        message: value::text(told, "message"),
        data,
    }
}
