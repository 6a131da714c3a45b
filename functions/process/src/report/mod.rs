//! Our own JSON report. `functions/report/README.md` documents it; the collector has checked its shape.
//!
//! Stack traces come as frames, or as the engine's own text ([`trace`]). What the client says of a frame wins over what
//! its text tells; [`in_app`] guesses what neither says.

mod about;
mod in_app;
mod trace;

use epitaph_crash_model::{Crash, Kind};
use serde_json::Value;

use crate::{
    event::{of_exception, value},
    parsed::Unreadable,
};

/// Adds what a report knows to a crash.
///
/// # Errors
/// When it is not a JSON object.
pub(crate) fn apply(crash: &mut Crash, json: &[u8]) -> Result<(), Unreadable> {
    let malformed = |message: String| Unreadable::new("malformed report", message);
    let report = value::read(json).map_err(|error| malformed(format!("the report is not JSON: {error}")))?;
    if !report.is_object() {
        return Err(malformed("the report is no object".to_owned()));
    }
    let has_dump = !crash.threads.is_empty();
    about::apply(crash, &report);
    trace::apply(crash, &report);
    ending(crash, &report, has_dump);
    Ok(())
}

/// What sort of end it was: the client's own word, else what the exception tells, else a crash. `has_dump` says that a
/// minidump told: it was then more than an error.
fn ending(crash: &mut Crash, report: &Value, has_dump: bool) {
    let said = value::name(report, "kind").and_then(|word| word.to_lowercase().parse().ok());
    let told = said.or_else(|| {
        let told = crash.exceptions.first().and_then(of_exception);
        let handled = || (value::truth(report, "handled") == Some(true)).then_some(Kind::Error);
        told.or_else(handled).filter(|told| !(has_dump && *told == Kind::Error))
    });
    let is_open = crash.kind == Kind::Crash && !crash.annotations.contains_key("kind");
    if let Some(told) = told.filter(|_| is_open) {
        crash.kind = told;
    }
    let first = crash.exceptions.first();
    if matches!(crash.kind, Kind::Assert | Kind::Ensure) && crash.assertion.is_none() {
        crash.assertion = first.and_then(|first| first.message.clone()).or_else(|| crash.message.clone());
    }
    if crash.reason.is_none() {
        crash.reason = first.and_then(|first| first.kind.clone());
    }
}

#[cfg(test)]
mod tests;
