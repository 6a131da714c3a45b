//! Takes what is private out of a crash, before it is signed, counted and shown.
//!
//! Five rules, all on unless a project says otherwise ([`ScrubRules`]): e-mail addresses become `[email]`, IP addresses
//! `[ip]`, the names of home directories `[user]`, ids and names of players and of their machines `[user]`, too, and
//! secrets (what a name calls one, bearer and web tokens, passwords and keys in addresses, card numbers) `[secret]`. What names a crash stays as it is: functions, modules, types, versions.
//!
//! Every rule reads a text from its beginning to its end, and copies it only where it replaces something. A text
//! that was scrubbed stays as it is when it is scrubbed again.

mod crash;
mod edits;
mod email;
mod home;
mod identity;
mod ip;
mod lines;
mod named;
mod names;
mod secret;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use crate::{crash::scrub, lines::LineScrubber};

/// What is taken out. By default, all of it; also where a document says nothing of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "an object with email, ip, home, secret and user, each true or false"
)]
pub struct ScrubRules {
    /// E-mail addresses.
    pub email: bool,
    /// IP addresses, but those of the machine itself.
    pub ip: bool,
    /// Names of home directories, in paths.
    pub home: bool,
    /// Passwords, tokens, keys, cookies, session ids, card numbers.
    pub secret: bool,
    /// Ids and names of players, of their accounts and of their machines. They are hashed before, so that users can be
    /// counted.
    pub user: bool,
}

impl ScrubRules {
    /// Nothing is taken out.
    pub const NONE: Self = Self { email: false, ip: false, home: false, secret: false, user: false };
}

impl Default for ScrubRules {
    fn default() -> Self {
        Self { email: true, ip: true, home: true, secret: true, user: true }
    }
}

/// How often the rules go over a text at most.
const ROUNDS: usize = 4;

/// One rule's work on a text.
type Scrubber = fn(&str) -> Cow<'_, str>;

/// A text without what is private.
pub fn scrub_text<'a>(text: &'a str, rules: &ScrubRules) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    // Secrets first: what is part of one is not looked at again. Home directories before addresses, because a directory
    // may have an address as its name.
    let scrubbers: [(bool, Scrubber); 6] = [
        (rules.secret, secret::scrub_named),
        (rules.secret, secret::scrub_formed),
        (rules.user, identity::scrub),
        (rules.home, home::scrub),
        (rules.email, email::scrub),
        (rules.ip, ip::scrub),
    ];
    // What stands beside something replaced may look otherwise than before.
    for _ in 0..ROUNDS {
        let mut changed = false;
        for (_, scrub) in scrubbers.into_iter().filter(|(on, _)| *on) {
            if let Cow::Owned(scrubbed) = scrub(&text) {
                text = Cow::Owned(scrubbed);
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    text
}

/// The value of a name, without what is private. A secret's name makes a secret of all of it, and a version's name a
/// version of what would be an IP address.
pub fn scrub_value<'a>(name: &str, value: &'a str, rules: &ScrubRules) -> Cow<'a, str> {
    if rules.secret && !value.trim().is_empty() && names::is_secret(name) {
        return Cow::Borrowed(secret::MARK);
    }
    if rules.user && names::is_identity(name) && identity::tells(value) {
        return Cow::Borrowed(identity::MARK);
    }
    scrub_text(value, &ScrubRules { ip: rules.ip && !names::is_version(name), ..*rules })
}

/// A path without the name of its owner.
pub fn scrub_path<'a>(path: &'a str, rules: &ScrubRules) -> Cow<'a, str> {
    scrub_text(path, &ScrubRules { home: rules.home, ..ScrubRules::NONE })
}
