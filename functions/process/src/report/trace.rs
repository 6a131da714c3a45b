//! Exceptions, threads and frames of a report.

use epitaph_crash_model::{Crash, Exception, Frame, Thread};
use epitaph_stack_text::{Format, Trace};
use serde_json::Value;

use super::in_app;
use crate::{bounds, event::value};

/// What a crash page says of a stack of which nothing was understood.
const NOT_UNDERSTOOD: &str = "the text of the stack has no frames in a format that is known; it is kept as it came in the annotation `stack`";

/// Adds exceptions and threads. Where threads are known already, a minidump told them, and they stay.
pub(super) fn apply(crash: &mut Crash, report: &Value) {
    let format = value::name(report, "stack_format").and_then(|format| format.parse().ok());
    let mut reader = Reader { format, budget: bounds::ALL_FRAMES };
    let mut exceptions = reader.exceptions(report);
    name(&mut exceptions, report);
    let thrown = exceptions.iter().find(|exception| !exception.frames.is_empty());
    let thrown = thrown.map(|exception| exception.frames.clone());
    // What has no type is a message with a stack.
    if let [Exception { kind: None, message, mechanism: None, .. }] = exceptions.as_mut_slice() {
        crash.message = crash.message.take().or_else(|| message.take());
        exceptions.clear();
    }
    if crash.exceptions.is_empty() {
        crash.exceptions = exceptions;
    }
    if crash.threads.is_empty() {
        (crash.threads, crash.crashing_thread) = reader.threads(report, thrown);
        not_understood(crash, report);
    }
}

/// Gives the first exception the type and the message that the report names beside its stack. Engines such as Unity
/// hand them over as one text, `NullReferenceException: Object reference not set`.
fn name(exceptions: &mut Vec<Exception>, report: &Value) {
    if !list(report, "exceptions").is_empty() {
        return;
    }
    let (mut kind, mut message) = (value::name(report, "type"), value::text(report, "message"));
    if kind.is_none()
        && exceptions.first().is_none_or(|first| first.kind.is_none())
        && let Some((told, rest)) = message.as_deref().and_then(epitaph_stack_text::type_and_message)
    {
        (kind, message) = (bounds::name(&told), rest.as_deref().and_then(bounds::text));
    }
    if exceptions.is_empty() && (kind.is_some() || message.is_some()) {
        exceptions.push(Exception::default());
    }
    if let Some(first) = exceptions.first_mut() {
        // Where only the text names the type, its message is the one that belongs to it.
        let is_named_by_text = kind.is_none() && first.kind.is_some();
        let told = first.message.take();
        first.message = if is_named_by_text { told.or(message) } else { message.or(told) };
        first.kind = kind.or_else(|| first.kind.take());
        first.mechanism = first.mechanism.take().or_else(|| value::name(report, "mechanism"));
        first.handled = first.handled.or_else(|| value::truth(report, "handled"));
    }
}

/// Says so, and keeps the text in sight, where a stack's text gave no frames.
fn not_understood(crash: &mut Crash, report: &Value) {
    let Some(stack) = value::text(report, "stack") else { return };
    let has_frames = crash.threads.iter().any(|thread| !thread.frames.is_empty())
        || crash.exceptions.iter().any(|exception| !exception.frames.is_empty());
    if has_frames {
        return;
    }
    bounds::add(&mut crash.annotations, "stack", &stack);
    if crash.threads.is_empty() {
        crash.threads = vec![Thread { incomplete: Some(NOT_UNDERSTOOD.to_owned()), ..Thread::default() }];
        crash.crashing_thread = Some(0);
    }
}

/// A list; what is none is an empty one.
fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value::field(value, field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

struct Reader {
    /// How texts are written, if the client says so.
    format: Option<Format>,
    /// How many more frames are told.
    budget: usize,
}

impl Reader {
    /// The exceptions, the one that ended it first.
    fn exceptions(&mut self, report: &Value) -> Vec<Exception> {
        let told = list(report, "exceptions");
        if !told.is_empty() {
            let told = told.iter().filter(|exception| exception.is_object()).take(bounds::EXCEPTIONS);
            return told.map(|exception| self.exception(exception)).collect();
        }
        let mut exceptions = self.text(report).exceptions;
        let frames = self.frames(report);
        if !frames.is_empty() {
            // Frames say better what the text says of the same stack.
            match exceptions.first_mut() {
                Some(first) => first.frames = frames,
                None => exceptions.push(Exception { frames, ..Exception::default() }),
            }
        }
        exceptions
    }

    fn exception(&mut self, told: &Value) -> Exception {
        let text = self.text(told).exceptions.into_iter().next().unwrap_or_default();
        let frames = self.frames(told);
        Exception {
            kind: value::name(told, "type").or(text.kind),
            message: value::text(told, "message").or(text.message),
            mechanism: value::name(told, "mechanism").or(text.mechanism),
            handled: value::truth(told, "handled"),
            frames: if frames.is_empty() { text.frames } else { frames },
        }
    }

    /// The threads, and the index of the one that ended it, which has the frames of the exception, if there is one.
    fn threads(&mut self, report: &Value, thrown: Option<Vec<Frame>>) -> (Vec<Thread>, Option<usize>) {
        let told = list(report, "threads").iter().filter(|thread| thread.is_object()).take(bounds::THREADS);
        let told: Vec<&Value> = told.collect();
        let crashed = told.iter().position(|thread| value::truth(thread, "crashed") == Some(true));
        let mut threads: Vec<Thread> = told.into_iter().map(|thread| self.thread(thread)).collect();
        match (crashed, thrown) {
            (Some(index), Some(thrown)) => {
                if let Some(thread) = threads.get_mut(index) {
                    thread.frames = thrown;
                }
                (threads, Some(index))
            }
            (None, Some(thrown)) => {
                threads.insert(0, Thread { frames: thrown, ..Thread::default() });
                (threads, Some(0))
            }
            // Of a game that hangs, the first thread is the one that runs its loop.
            (crashed, None) => {
                let first = (!threads.is_empty()).then_some(0);
                (threads, crashed.or(first))
            }
        }
    }

    fn thread(&mut self, told: &Value) -> Thread {
        let mut frames = self.frames(told);
        if frames.is_empty() {
            frames = self.text(told).exceptions.into_iter().next().unwrap_or_default().frames;
        }
        Thread {
            id: value::field(told, "id").and_then(value::number).unwrap_or_default(),
            name: value::name(told, "name"),
            frames,
            ..Thread::default()
        }
    }

    /// What the text of a stack says.
    fn text(&mut self, told: &Value) -> Trace {
        let text = value::field(told, "stack").and_then(value::scalar);
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Trace::default() };
        let mut trace = epitaph_stack_text::parse(&text, self.format);
        for exception in &mut trace.exceptions {
            exception.kind = exception.kind.as_deref().and_then(bounds::name);
            exception.message = exception.message.as_deref().and_then(bounds::text);
            exception.frames.truncate(self.budget);
            self.budget -= exception.frames.len();
            exception.frames.iter_mut().for_each(finish);
        }
        trace
    }

    /// The frames that a client names one by one, from the innermost call outwards.
    fn frames(&mut self, told: &Value) -> Vec<Frame> {
        let limit = self.budget.min(bounds::FRAMES);
        let told = list(told, "frames").iter().filter(|frame| frame.is_object()).take(limit);
        let frames: Vec<Frame> = told.map(frame).collect();
        self.budget -= frames.len();
        frames
    }
}

fn frame(told: &Value) -> Frame {
    let mut frame = Frame {
        module: value::name(told, "module"),
        function: value::name(told, "function"),
        file: value::name(told, "file"),
        line: value::position(told, "line"),
        column: value::position(told, "column"),
        source: value::name(told, "source"),
        in_app: value::truth(told, "in_app"),
        ..Frame::default()
    };
    finish(&mut frame);
    frame
}

/// Bounds the names of a frame, and guesses whether it is the game's own where nobody says so.
fn finish(frame: &mut Frame) {
    for name in [&mut frame.module, &mut frame.function, &mut frame.file, &mut frame.source] {
        *name = name.as_deref().and_then(bounds::name);
    }
    frame.in_app = frame.in_app.or_else(|| in_app::guess(frame));
}
