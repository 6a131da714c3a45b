//! Whom it happened to, on what, in which build, and what else the game says of itself.

use std::collections::BTreeMap;

use epitaph_crash_model::{Crash, System, User};
use serde_json::Value;

use super::value;
use crate::{agent, bounds};

/// The longest release, build or environment, in characters: they are labels, and every fact holds them.
const LONGEST_LABEL: usize = 200;

/// Contexts that are about the client's own work, or that have a place of their own on a crash.
const NOT_CONTEXTS: [&str; 4] = ["trace", "profile", "replay", "feedback"];

/// Names in a device's context that name its owner: people call it "Ann's phone".
const OWNERS: [&str; 2] = ["name", "device_unique_identifier"];

pub(super) fn apply(crash: &mut Crash, event: &Value) {
    let label =
        |name: &str| value::name(event, name).map(|label| label.chars().take(LONGEST_LABEL).collect());
    crash.release = crash.release.take().or_else(|| label("release"));
    crash.build = crash.build.take().or_else(|| label("dist"));
    crash.environment = crash.environment.take().or_else(|| label("environment"));
    crash.message = crash.message.take().or_else(|| message(event));
    if crash.fingerprint.is_empty() {
        crash.fingerprint = fingerprint(event);
    }
    if let Some(user) = user(event).filter(|_| crash.user.is_none()) {
        crash.user = Some(user);
    }
    tags(&mut crash.tags, event);
    contexts(crash, event);
    for name in ["level", "logger", "transaction", "server_name"] {
        if let Some(value) = value::name(event, name) {
            bounds::add(&mut crash.annotations, name, &value);
        }
    }
    if let Some(extra) = value::object(event, "extra") {
        value::flatten(&mut crash.annotations, extra);
    }
    system(crash, event);
}

/// The formatted message, else the pattern that it was to be made from. A message may be a text or an object.
fn message(event: &Value) -> Option<String> {
    let of = |name: &str| match value::field(event, name)? {
        told @ Value::Object(_) => value::text(told, "formatted").or_else(|| value::text(told, "message")),
        told => bounds::text(told.as_str()?),
    };
    of("logentry").or_else(|| of("message"))
}

/// The client's own grouping; none, if it only asks for ours.
fn fingerprint(event: &Value) -> Vec<String> {
    const MOST: usize = 20;
    let told = value::field(event, "fingerprint").and_then(Value::as_array);
    let parts = told.into_iter().flatten().filter_map(value::scalar).filter_map(|part| bounds::name(&part));
    let parts: Vec<String> = parts.take(MOST).collect();
    if parts.iter().all(|part| epitaph_signature::is_default(part)) { Vec::new() } else { parts }
}

/// Neither the e-mail address nor the IP address.
fn user(event: &Value) -> Option<User> {
    let told = value::field(event, "user")?;
    let user = User {
        id: value::name(told, "id"),
        name: value::name(told, "username").or_else(|| value::name(told, "name")),
    };
    (user.id.is_some() || user.name.is_some()).then_some(user)
}

/// Tags are an object, a list of pairs, or a list of objects with `key` and `value`.
fn tags(tags: &mut BTreeMap<String, String>, event: &Value) {
    match value::field(event, "tags") {
        Some(Value::Object(fields)) => value::flatten(tags, fields),
        Some(Value::Array(pairs)) => {
            for pair in pairs.iter().take(bounds::ENTRIES) {
                let (key, value) = match pair.as_array().map(Vec::as_slice) {
                    Some([key, value]) => (Some(key), Some(value)),
                    _ => (pair.get("key"), pair.get("value")),
                };
                if let (Some(key), Some(value)) = (key.and_then(value::scalar), value.and_then(value::scalar))
                {
                    bounds::add(tags, &key, &value);
                }
            }
        }
        _ => {}
    }
}

fn contexts(crash: &mut Crash, event: &Value) {
    for (name, context) in value::object(event, "contexts").into_iter().flatten() {
        let Some(fields) = context.as_object().filter(|_| !NOT_CONTEXTS.contains(&name.as_str())) else {
            continue;
        };
        let known = OWNERS.iter().filter(|_| name == "device");
        let mut fields = fields.clone();
        for owner in known {
            fields.remove(*owner);
        }
        // What says again what it is about.
        if fields.get("type").and_then(Value::as_str) == Some(name) {
            fields.remove("type");
        }
        add_context(crash, name, &fields);
    }
    if let Some(sdk) = value::object(event, "sdk") {
        let client = Value::Object(sdk.clone());
        let mut told = serde_json::Map::new();
        let parts = ["name", "version"].map(|name| value::name(&client, name));
        for (name, part) in ["name", "version"].into_iter().zip(&parts) {
            if let Some(part) = part {
                told.insert(name.to_owned(), Value::from(part.as_str()));
            }
        }
        if let Some(platform) = value::name(event, "platform") {
            told.insert("platform".to_owned(), Value::from(platform));
        }
        add_context(crash, "sdk", &told);
        // The request tells only of the client's HTTP library, or of the browser that it is in.
        if let [Some(name), Some(version)] = &parts {
            crash.client = bounds::name(&format!("{name}/{version}"));
        }
    }
    // Of a page in a browser; what else is in a request is the player's.
    if let Some(request) = value::field(event, "request") {
        let agent = value::field(request, "headers").and_then(|headers| value::name(headers, "User-Agent"));
        let told = [
            ("url", value::name(request, "url")),
            ("method", value::name(request, "method")),
            ("user_agent", agent),
        ];
        let told = told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))));
        add_context(crash, "request", &told.collect());
    }
}

fn add_context(crash: &mut Crash, name: &str, fields: &serde_json::Map<String, Value>) {
    let Some(name) = bounds::name(name) else { return };
    if crash.contexts.len() >= bounds::CONTEXTS && !crash.contexts.contains_key(&name) {
        return;
    }
    let mut told = crash.contexts.remove(&name).unwrap_or_default();
    value::flatten(&mut told, fields);
    if !told.is_empty() {
        crash.contexts.insert(name, told);
    }
}

/// What it ran on, and for how long, as far as a minidump has not told.
fn system(crash: &mut Crash, event: &Value) {
    let contexts = value::field(event, "contexts").unwrap_or(&Value::Null);
    let context = |name: &str| value::field(contexts, name).unwrap_or(&Value::Null);
    let (os, device) = (context("os"), context("device"));
    let System { os: name, os_version, arch, cpu, cpu_count } = &mut crash.system;
    let fill = |field: &mut Option<String>, told: Option<String>| {
        *field = field.take().or(told);
    };
    let raw = value::name(os, "raw_description");
    if name.is_none() {
        let version = [value::name(os, "version"), value::name(os, "build")];
        let version: Vec<String> = version.into_iter().flatten().collect();
        fill(os_version, (!version.is_empty()).then(|| version.join(" ")));
    }
    fill(name, value::name(os, "name").or(raw));
    let first = value::field(device, "archs").and_then(Value::as_array).and_then(|archs| archs.first());
    let told = value::name(device, "arch").or_else(|| bounds::name(first?.as_str()?));
    fill(arch, told.map(|arch| processor(&arch).to_owned()));
    fill(cpu, value::name(device, "cpu_description"));
    let count = value::field(device, "processor_count").and_then(value::number);
    *cpu_count = cpu_count.or_else(|| u32::try_from(count?).ok()).filter(|count| *count > 0);
    of_browser(crash, event, contexts);
    runtime(&mut crash.tags, contexts);
    let started = value::field(context("app"), "app_start_time").and_then(value::time);
    if let (Some(started), Some(ended), None) = (started, crash.occurred_at, crash.uptime_seconds) {
        let millis = ended.as_millis() - started.as_millis();
        crash.uptime_seconds = u64::try_from(millis).ok().map(|millis| millis / 1000);
    }
}

/// A page in a browser knows its system only by what the browser calls itself.
fn of_browser(crash: &mut Crash, event: &Value, contexts: &Value) {
    // Elsewhere a request may be a player's, who runs another system.
    let is_page = value::name(event, "platform").as_deref() == Some("javascript")
        && value::field(contexts, "runtime").is_none();
    let request = value::field(event, "request").filter(|_| is_page);
    let headers = request.and_then(|request| value::field(request, "headers"));
    if let Some(agent) = headers.and_then(|headers| value::name(headers, "User-Agent")) {
        apply_agent(crash, &agent);
    }
}

/// Adds what a browser's name for itself tells, as far as nothing else has told.
pub(crate) fn apply_agent(crash: &mut Crash, agent: &str) {
    let Some(agent) = agent::read(agent) else { return };
    if crash.system.os.is_none() {
        crash.system.os = agent.os.map(str::to_owned);
        crash.system.os_version = crash.system.os_version.take().or(agent.os_version);
    }
    if let Some(browser) = agent.browser {
        bounds::add(&mut crash.tags, "runtime", &browser);
    }
}

/// What runs the game's code, and its version: `CPython 3.12.3`.
fn runtime(tags: &mut BTreeMap<String, String>, contexts: &Value) {
    let told = ["runtime", "browser"].iter().find_map(|name| value::field(contexts, name));
    let Some(name) = told.and_then(|told| value::name(told, "name")) else { return };
    let version = told.and_then(|told| value::name(told, "version"));
    let version = version.filter(|version| !name.ends_with(version.as_str()));
    bounds::add(
        tags,
        "runtime",
        version.map_or(name.clone(), |version| format!("{name} {version}")).as_str(),
    );
}

/// A processor as minidumps name it.
pub(crate) fn processor(told: &str) -> &str {
    match told.to_lowercase().as_str() {
        "x86_64" | "x64" | "amd64" => "amd64",
        "arm64" | "aarch64" | "arm64-v8a" | "arm64e" | "arm64_v8a" => "arm64",
        "x86" | "i386" | "i686" => "x86",
        "arm" | "armv7" | "armeabi-v7a" | "armv7l" | "armv7s" => "arm",
        _ => told,
    }
}
