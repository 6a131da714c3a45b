//! Exceptions, threads and their frames.

use epitaph_crash_model::{Address, Crash, Exception, Frame, Module, Thread, Trust};
use serde_json::Value;

use super::{
    images::{Images, file_name},
    value,
};
use crate::bounds;

/// Adds exceptions, threads and modules. Where threads are known already, a minidump told them, and they stay.
pub(super) fn apply(crash: &mut Crash, event: &Value) {
    let images = Images::of(event);
    let mut frames = Frames { images: &images, budget: bounds::ALL_FRAMES };
    let told = value::list(value::field(event, "exception"));
    if crash.exceptions.is_empty() {
        crash.exceptions = exceptions(told, &mut frames);
    }
    if crash.threads.is_empty() {
        // The exception's own thread, where the client names it: the last one told is the one that ended it.
        let thrown_on =
            told.iter().rev().find_map(|exception| value::number(value::field(exception, "thread_id")?));
        let thrown = crash.exceptions.iter().find(|exception| !exception.frames.is_empty());
        let thrown = thrown.map(|exception| exception.frames.clone());
        let told = value::list(value::field(event, "threads"));
        (crash.threads, crash.crashing_thread) = threads(told, thrown, thrown_on, &mut frames);
        // Events of old, and those of a bare message, have one stack.
        if let Some(stack) = value::field(event, "stacktrace").filter(|_| crash.threads.is_empty()) {
            let frames = frames.of(stack);
            if !frames.is_empty() {
                crash.threads = vec![Thread { frames, ..Thread::default() }];
                crash.crashing_thread = Some(0);
            }
        }
    }
    if crash.modules.is_empty() {
        crash.modules = images.modules().to_vec();
    }
}

/// The exceptions, the one that ended it first. Clients list the cause first.
fn exceptions(told: &[Value], frames: &mut Frames<'_>) -> Vec<Exception> {
    let exceptions = told.iter().rev().filter(|exception| exception.is_object()).take(bounds::EXCEPTIONS);
    exceptions
        .map(|exception| {
            let mechanism = value::field(exception, "mechanism");
            Exception {
                kind: value::name(exception, "type"),
                message: value::text(exception, "value"),
                mechanism: mechanism.and_then(|mechanism| value::name(mechanism, "type")),
                handled: mechanism.and_then(|mechanism| value::truth(mechanism, "handled")),
                frames: stack_of(exception).map(|stack| frames.of(stack)).unwrap_or_default(),
            }
        })
        .collect()
}

/// The stack trace of an exception or a thread. Some clients symbolicate, and send what they had before beside it.
fn stack_of(value: &Value) -> Option<&Value> {
    value::field(value, "stacktrace").or_else(|| value::field(value, "raw_stacktrace"))
}

/// The threads, and the index of the one that ended it. That one has the frames of the exception, if there is one:
/// they tell where it was thrown, and a thread's own often only where it was caught.
fn threads(
    told: &[Value],
    thrown: Option<Vec<Frame>>,
    thrown_on: Option<u64>,
    frames: &mut Frames<'_>,
) -> (Vec<Thread>, Option<usize>) {
    let told: Vec<&Value> = told.iter().filter(|thread| thread.is_object()).take(bounds::THREADS).collect();
    let is = |name: &'static str| move |thread: &&Value| value::truth(thread, name) == Some(true);
    let id = |thread: &Value| value::field(thread, "id").and_then(value::number);
    let crashing = told
        .iter()
        .position(is("crashed"))
        .or_else(|| told.iter().position(|thread| thrown_on.is_some() && id(thread) == thrown_on))
        .or_else(|| told.iter().position(is("current")))
        .or_else(|| (thrown.is_none() && told.len() == 1).then_some(0));
    let mut threads: Vec<Thread> = Vec::with_capacity(told.len() + 1);
    for thread in &told {
        let stack = stack_of(thread);
        let name = value::name(thread, "name");
        threads.push(Thread {
            id: id(thread).unwrap_or_default(),
            name,
            frames: stack.map(|stack| frames.of(stack)).unwrap_or_default(),
            registers: stack.map(registers).unwrap_or_default(),
            incomplete: None,
        });
    }
    match (crashing, thrown) {
        (Some(index), Some(thrown)) => {
            if let Some(thread) = threads.get_mut(index) {
                thread.frames = thrown;
            }
            (threads, Some(index))
        }
        (None, Some(thrown)) => {
            let own = Thread { id: thrown_on.unwrap_or_default(), frames: thrown, ..Thread::default() };
            threads.insert(0, own);
            (threads, Some(0))
        }
        (crashing, None) => (threads, crashing),
    }
}

fn registers(stack: &Value) -> std::collections::BTreeMap<String, Address> {
    let Some(registers) = value::object(stack, "registers") else { return Default::default() };
    let stack_registers = Value::Object(registers.clone());
    let names = registers.keys().filter(|name| name.len() <= 16).take(128);
    names.filter_map(|name| Some((name.clone(), value::address(&stack_registers, name)?))).collect()
}

/// What turns frames into ours, and counts them.
struct Frames<'a> {
    images: &'a Images,
    /// How many more are told.
    budget: usize,
}

impl Frames<'_> {
    /// The frames of a stack trace, from the innermost call outwards. Clients list the outermost first.
    fn of(&mut self, stack: &Value) -> Vec<Frame> {
        let told = value::field(stack, "frames").and_then(Value::as_array);
        let Some(told) = told else { return Vec::new() };
        let limit = bounds::FRAMES.min(self.budget);
        let told = told.iter().rev().filter(|frame| frame.is_object()).take(limit);
        let frames: Vec<Frame> = told.map(|frame| self.frame(frame)).collect();
        self.budget -= frames.len();
        frames
    }

    fn frame(&self, frame: &Value) -> Frame {
        let function = value::name(frame, "function").or_else(|| value::name(frame, "raw_function"));
        let function =
            function.filter(|function| !matches!(function.as_str(), "?" | "<unknown>" | "<redacted>"));
        let named = value::name(frame, "module");
        let place = self.place(frame);
        // Where the code lies in a file of its own, that file is the module, and what the language calls a module is part
        // of the function's name.
        let (module, function) = match (place.module, named, function) {
            (Some(file), Some(class), Some(function)) => (Some(file), Some(qualified(&class, function))),
            (file, named, function) => (named.filter(|_| file.is_none()).or(file), function),
        };
        Frame {
            module,
            function,
            debug_id: place.debug_id,
            address: place.address,
            offset: place.offset,
            file: value::name(frame, "filename").or_else(|| value::name(frame, "abs_path")),
            line: value::position(frame, "lineno"),
            column: value::position(frame, "colno"),
            source: value::field(frame, "context_line").and_then(Value::as_str).and_then(bounds::name),
            in_app: value::truth(frame, "in_app"),
            trust: Trust::Given,
            inline: false,
        }
    }

    /// Where a native frame lies.
    fn place(&self, frame: &Value) -> Place {
        let package = value::name(frame, "package");
        // .NET's is a whole name: `Game, Version=1.0.0.0, Culture=neutral, PublicKeyToken=null`.
        let package =
            package.as_deref().map(|package| file_name(package.split(", ").next().unwrap_or(package)));
        let package = package.and_then(bounds::name);
        let Some(instruction) = value::address(frame, "instruction_addr").filter(|address| address.0 != 0)
        else {
            let native =
                matches!(value::field(frame, "platform").and_then(Value::as_str), Some("native" | "cocoa"));
            return Place { module: package.filter(|_| native), ..Place::default() };
        };
        // `rel:3` counts from the start of image 3, whether or not it has an address.
        let mode = value::field(frame, "addr_mode").and_then(Value::as_str);
        if let Some(relative) = mode.and_then(|mode| mode.strip_prefix("rel")) {
            let index = relative.strip_prefix(':').and_then(|index| index.parse().ok());
            let image = index.and_then(|index| self.images.listed(index));
            let address = image.map(|image| image.base.0).filter(|base| *base != 0);
            return Place {
                debug_id: image.and_then(|image| image.debug_id.clone()),
                address: Address(address.map_or(0, |base| base.saturating_add(instruction.0))),
                offset: Some(instruction),
                // A managed frame keeps its class for a module.
                module: image_name(image).filter(|_| value::field(frame, "module").is_none()),
            };
        }
        let base = value::address(frame, "image_addr");
        let image = self.images.at(instruction, base);
        let base = image.map(|image| image.base).or(base.filter(|base| base.0 != 0));
        Place {
            module: image_name(image).or(package),
            debug_id: image.and_then(|image| image.debug_id.clone()),
            address: instruction,
            offset: base.and_then(|base| instruction.0.checked_sub(base.0)).map(Address),
        }
    }
}

#[derive(Default)]
struct Place {
    module: Option<String>,
    debug_id: Option<String>,
    address: Address,
    offset: Option<Address>,
}

fn image_name(image: Option<&Module>) -> Option<String> {
    image.map(|image| image.name.clone()).filter(|name| !name.is_empty())
}

fn qualified(class: &str, function: String) -> String {
    if function.contains(class) { function } else { format!("{class}.{function}") }
}
