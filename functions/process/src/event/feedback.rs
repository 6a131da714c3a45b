//! What a player wrote about a crash: as an item of its own (`user_report`), or as an event (`feedback`).

use epitaph_crash_model::Crash;
use serde_json::Value;

use super::{hex_id, value};
use crate::{bounds, parsed::Unreadable};

/// What a player wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// The client's id of the crash that it is about.
    pub(crate) about: Option<String>,
    /// What the player is called.
    pub(crate) name: Option<String>,
    /// What the player wrote.
    pub(crate) comments: String,
}

/// Reads feedback.
///
/// # Errors
/// When it is not JSON, or holds no text.
pub(crate) fn feedback(json: &[u8]) -> Result<Said, Unreadable> {
    let malformed = |why: String| Unreadable::new("malformed feedback", why);
    let told = value::read(json).map_err(|error| malformed(format!("the feedback is not JSON: {error}")))?;
    let context = value::field(&told, "contexts").and_then(|contexts| value::field(contexts, "feedback"));
    let (fields, about, comments) = match context {
        Some(context) => (context, "associated_event_id", "message"),
        None => (&told, "event_id", "comments"),
    };
    let comments = value::text(fields, comments)
        .ok_or_else(|| malformed("the feedback holds no text of the player's".to_owned()))?;
    // Where a form has only one field for both, the name is an e-mail address.
    let name = value::name(fields, "name").filter(|name| !name.contains('@'));
    Ok(Said { about: value::field(fields, about).and_then(Value::as_str).and_then(hex_id), name, comments })
}

/// Adds what a player wrote to the crash that it came with.
///
/// # Errors
/// As [`feedback`].
pub(crate) fn apply_feedback(crash: &mut Crash, json: &[u8]) -> Result<(), Unreadable> {
    let said = feedback(json)?;
    crash.comment = crash.comment.take().or_else(|| bounds::text(&said.comments));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_of_feedback_say_the_same() {
        let id = "0123456789ABCDEF0123456789abcdef";
        let report = json!({"event_id": id, "name": "Ann", "email": "ann@example.com", "comments": "It froze.\r\nTwice."});
        let event = json!({"event_id": "f".repeat(32), "contexts": {"feedback": {
            "associated_event_id": "01234567-89ab-cdef-0123-456789abcdef", "name": "Ann",
            "contact_email": "ann@example.com", "message": "It froze.\nTwice."}}});
        let expected = Said {
            about: Some(id.to_lowercase()),
            name: Some("Ann".into()),
            comments: "It froze.\nTwice.".into(),
        };
        for form in [report, event] {
            assert_eq!(feedback(form.to_string().as_bytes()), Ok(expected.clone()));
        }
    }

    #[test]
    fn feedback_that_says_nothing_is_none_and_a_name_is_no_address() {
        for nothing in ["{}", r#"{"comments":" "}"#, "[]", "7", "{", r#"{"contexts":{"feedback":[]}}"#] {
            assert!(feedback(nothing.as_bytes()).is_err(), "{nothing}");
        }
        let said = feedback(br#"{"event_id":"7","name":"ann@example.com","comments":"x"}"#).unwrap();
        assert_eq!((said.about, said.name), (None, None));
    }
}
