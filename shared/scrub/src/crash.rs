//! Where in a crash people's words and names stand.

use std::{borrow::Cow, collections::BTreeMap};

use epitaph_crash_model::{Breadcrumb, Crash, Exception, Frame};

use crate::{
    ScrubRules,
    identity::{MARK, tells},
    scrub_path, scrub_text, scrub_value,
};

/// Annotations that name the player or the installation, beside those that every text may have: Crashpad's and
/// Chromium's. Sentry's clients call the machine `server_name`: a player's is called after the player.
const USERS: [&str; 3] = ["guid", "client_id", "server_name"];

/// Takes what is private out of a crash. It is to be done before the crash is signed, and after its user is hashed: all
/// whose id is an e-mail address would be the same user afterwards.
pub fn scrub(crash: &mut Crash, rules: &ScrubRules) {
    for text in
        [&mut crash.client, &mut crash.reason, &mut crash.assertion, &mut crash.message, &mut crash.comment]
    {
        optional(text, rules);
    }
    for exception in &mut crash.exceptions {
        of_exception(exception, rules);
    }
    for breadcrumb in &mut crash.breadcrumbs {
        of_breadcrumb(breadcrumb, rules);
    }
    if rules.user {
        crash.user = None;
        for name in USERS {
            if let Some(user) = crash.annotations.get_mut(name).filter(|user| tells(user)) {
                MARK.clone_into(user);
            }
        }
    }
    if let Some(user) = &mut crash.user {
        optional(&mut user.id, rules);
        optional(&mut user.name, rules);
    }
    values(&mut crash.annotations, rules);
    values(&mut crash.tags, rules);
    crash.contexts.values_mut().for_each(|context| values(context, rules));
    for part in &mut crash.fingerprint {
        apply(part, |text| scrub_text(text, rules));
    }
    for frame in crash.threads.iter_mut().flat_map(|thread| &mut thread.frames) {
        of_frame(frame, rules);
    }
    for module in &mut crash.modules {
        apply(&mut module.name, |path| scrub_path(path, rules));
        apply(&mut module.code_file, |path| scrub_path(path, rules));
        if let Some(file) = &mut module.debug_file {
            apply(file, |path| scrub_path(path, rules));
        }
    }
    for payload in &mut crash.payloads {
        apply(&mut payload.name, |name| scrub_text(name, rules));
    }
    for note in &mut crash.notes {
        optional(&mut note.name, rules);
    }
}

fn of_exception(exception: &mut Exception, rules: &ScrubRules) {
    optional(&mut exception.message, rules);
    exception.frames.iter_mut().for_each(|frame| of_frame(frame, rules));
}

fn of_breadcrumb(breadcrumb: &mut Breadcrumb, rules: &ScrubRules) {
    optional(&mut breadcrumb.category, rules);
    optional(&mut breadcrumb.message, rules);
    values(&mut breadcrumb.data, rules);
}

/// The function stays: it names the crash, and comes from a program, not from a person.
fn of_frame(frame: &mut Frame, rules: &ScrubRules) {
    for path in [&mut frame.module, &mut frame.file].into_iter().flatten() {
        apply(path, |path| scrub_path(path, rules));
    }
    optional(&mut frame.source, rules);
}

fn optional(text: &mut Option<String>, rules: &ScrubRules) {
    if let Some(text) = text {
        apply(text, |text| scrub_text(text, rules));
    }
}

fn values(map: &mut BTreeMap<String, String>, rules: &ScrubRules) {
    for (name, value) in map {
        apply(value, |value| scrub_value(name, value, rules));
    }
}

fn apply(text: &mut String, scrub: impl FnOnce(&str) -> Cow<'_, str>) {
    let scrubbed = scrub(text);
    if *scrubbed != **text {
        let scrubbed = scrubbed.into_owned();
        *text = scrubbed;
    }
}
