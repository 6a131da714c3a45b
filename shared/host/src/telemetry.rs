//! Logs: one line per event on stderr, JSON unless a person is watching.
//!
//! The lines are written here rather than by `tracing-subscriber`'s formatters, so that text which came from a client
//! is harmless on a terminal, and what the spans around an event say stands beside what the event says.

use std::{
    fmt::{self, Write as _},
    io::{self, IsTerminal as _, Write as _},
};

use epitaph_crash_model::Timestamp;
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::Context,
    layer::SubscriberExt as _,
    registry::{LookupSpan, Scope},
};

/// Sends this process's events at `level` and above to stderr, and its panics with them. Does nothing if a
/// subscriber is already set.
pub fn start(level: LevelFilter) {
    let style = if io::stderr().is_terminal() { Style::Text } else { Style::Json };
    let subscriber = tracing_subscriber::registry().with(level).with(Lines { style });
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "panic: {}", panic.payload_as_str().unwrap_or("no text"));
        }));
    }
}

/// An error and everything that caused it, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[derive(Clone, Copy)]
enum Style {
    Text,
    Json,
}

struct Lines {
    style: Style,
}

/// The fields of an event or a span, by name.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if tells_all(event.metadata()) {
            return;
        }
        // What the spans around it say comes first; the event's own word replaces theirs.
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(own) = span.extensions().get::<Fields>() {
                fields.0.extend(own.0.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
        }
        event.record(&mut fields);
        let metadata = event.metadata();
        let line = line(self.style, Timestamp::now(), *metadata.level(), metadata.target(), fields.0);
        // One write a line, so that lines of several threads do not mix. There is nowhere to report a failure.
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

/// Whether an event is one of a library's that shows a request as a whole, with its keys: what Lambda hands over.
fn tells_all(metadata: &Metadata<'_>) -> bool {
    *metadata.level() == Level::TRACE && metadata.target().starts_with("lambda_runtime")
}

fn line(style: Style, time: Timestamp, level: Level, target: &str, mut fields: Map<String, Value>) -> String {
    let message = fields.remove("message").unwrap_or(Value::Null);
    let message = message.as_str().unwrap_or_default();
    let mut line = String::with_capacity(160);
    // Writing to a string does not fail.
    let _ = match style {
        Style::Json => {
            // By hand, for an order that a person can read; `Value` escapes the texts.
            let level = level.as_str().to_ascii_lowercase();
            let (message, target) = (Value::from(message), Value::from(target));
            let _ =
                write!(line, r#"{{"time":"{time}","level":"{level}","message":{message},"target":{target}"#);
            if !fields.is_empty() {
                let _ = write!(line, r#","fields":{}"#, Value::Object(fields));
            }
            writeln!(line, "}}")
        }
        Style::Text => {
            let clock = time.to_string();
            let clock = clock.get(11..23).unwrap_or(&clock);
            let _ = write!(line, "{clock} {level:5} {}", visible(message));
            for (name, value) in &fields {
                let _ = match value {
                    Value::String(text) if !text.contains([' ', '"', '=']) => {
                        write!(line, " {name}={}", visible(text))
                    }
                    value => write!(line, " {name}={}", visible(&value.to_string())),
                };
            }
            writeln!(line)
        }
    };
    line
}

/// Text from a client must not move a terminal's cursor or begin a line of its own.
fn visible(text: &str) -> String {
    text.chars()
        .flat_map(|letter| {
            let hidden = letter.is_control();
            let escaped = hidden.then(|| letter.escape_default()).into_iter().flatten();
            escaped.chain((!hidden).then_some(letter))
        })
        .collect()
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.0.insert(field.name().into(), chain(value).into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn fields(pairs: &[(&str, Value)]) -> Map<String, Value> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn a_json_line_is_one_object_whatever_the_text_holds() {
        let fields = fields(&[("message", "two\nlines \"quoted\"".into()), ("bytes", 7.into())]);
        let line = line(Style::Json, Timestamp::from_millis(0), Level::WARN, "host", fields);
        assert_eq!(line.lines().count(), 1);
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["time"], "1970-01-01T00:00:00.000Z");
        assert_eq!(object["level"], "warn");
        assert_eq!(object["message"], "two\nlines \"quoted\"");
        assert_eq!(object["fields"]["bytes"], 7);
    }

    #[test]
    fn a_text_line_shows_control_characters_instead_of_obeying_them() {
        let fields = fields(&[("message", "a\u{1b}[2Jb".into()), ("name", "c\nd".into()), ("n", 1.into())]);
        let line = line(Style::Text, Timestamp::from_millis(1), Level::INFO, "host", fields);
        assert_eq!(line, "00:00:00.001 INFO  a\\u{1b}[2Jb n=1 name=c\\nd\n");
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let error = epitaph_secrets::SecretError::TooShort(3);
        let outer = crate::SecretFileError::Secret { path: "/data/secret".into(), source: error.clone() };
        assert_eq!(chain(&outer), format!("/data/secret holds no secret: {error}"));
    }

    struct Kept(Arc<Mutex<Vec<Map<String, Value>>>>);

    impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let mut fields = Fields::default();
            event.record(&mut fields);
            self.0.lock().unwrap().push(fields.0);
        }
    }

    #[test]
    fn the_fields_of_an_event_keep_their_types() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::registry().with(Kept(Arc::clone(&kept)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(text = "a", count = 2_u64, good = true, shown = %"b", "hello");
        });
        let kept = kept.lock().unwrap();
        let expected = fields(&[
            ("message", "hello".into()),
            ("text", "a".into()),
            ("count", 2.into()),
            ("good", true.into()),
            ("shown", "b".into()),
        ]);
        assert_eq!(kept[0], expected);
    }
}
