//! What CrashReportClient knows of a crash: `CrashContext.runtime-xml`, of Unreal Engine 4 and 5.
//!
//! Its elements are those that `FGenericCrashContext` writes. All are texts, most may be missing, and each version of
//! the engine adds some: what has no place of its own on a crash is kept under its own name.

mod about;
mod ending;
mod stack;
#[cfg(test)]
mod tests;
mod xml;

use epitaph_crash_model::Crash;

use self::xml::Context;
use crate::{event, parsed::Unreadable};

/// What crashes of a context that cannot be read fall together under.
const MALFORMED: &str = "malformed Unreal context";

/// Names of an event in the game's own data, as Sentry's documentation has them.
const EVENTS: [&str; 2] = ["__sentry", "sentry"];

/// Adds what a context knows to a crash.
///
/// # Errors
/// When nothing in it is what a context says.
pub(crate) fn apply(crash: &mut Crash, bytes: &[u8]) -> Result<(), Unreadable> {
    let mut context = Context::read(bytes);
    if context.is_empty() {
        let message = "the context holds nothing that Unreal writes into one";
        return Err(Unreadable::new(MALFORMED, message));
    }
    stack::apply(crash, &context);
    // What the game says itself comes before what the engine says of every game.
    for name in EVENTS {
        if let Some(event) = context.game.remove(name) {
            let _ = event::apply(crash, event.as_bytes());
        }
    }
    ending::apply(crash, &context);
    about::apply(crash, &context);
    Ok(())
}
