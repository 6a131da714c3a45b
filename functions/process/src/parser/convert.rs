//! From the unwinder's types to ours.

use std::collections::BTreeMap;

use epitaph_crash_model::{Address, Frame, Module, Thread, Trust};
use minidump::{MinidumpModule, Module as _};
use minidump_processor::ProcessState;
use minidump_unwind::{CallStack, CallStackInfo, FrameTrust, StackFrame};

use super::bounds;

/// The threads that are told, and the index of the crashing one among them.
pub(super) fn threads(state: &ProcessState, crashing: Option<usize>) -> (Vec<Thread>, Option<usize>) {
    let mut chosen: Vec<usize> = (0..state.threads.len().min(bounds::THREADS)).collect();
    if let (Some(crashing), Some(last)) =
        (crashing.filter(|index| *index >= bounds::THREADS), chosen.last_mut())
    {
        *last = crashing;
    }
    let crashing_position = chosen.iter().position(|index| Some(*index) == crashing);

    let mut budget = bounds::ALL_FRAMES - bounds::CRASHING_FRAMES;
    let threads = chosen.iter().filter_map(|index| Some((*index, state.threads.get(*index)?)));
    let threads = threads.map(|(index, stack)| {
        let limit = if Some(index) == crashing {
            bounds::CRASHING_FRAMES
        } else {
            let limit = bounds::OTHER_FRAMES.min(budget);
            budget -= limit.min(stack.frames.len());
            limit
        };
        thread(stack, limit)
    });
    (threads.collect(), crashing_position)
}

fn thread(stack: &CallStack, limit: usize) -> Thread {
    let told: Vec<usize> = bounds::told(stack.frames.len(), limit).collect();
    let left_out = stack.frames.len() - told.len();
    let registers = stack.frames.first().map(registers).unwrap_or_default();
    Thread {
        id: u64::from(stack.thread_id),
        name: stack.thread_name.as_deref().and_then(bounds::line_or_none),
        frames: told.iter().filter_map(|index| stack.frames.get(*index)).flat_map(frames).collect(),
        registers,
        incomplete: match stack.info {
            CallStackInfo::Ok if left_out > 0 => Some(format!(
                "{left_out} of {} frames are left out before the outermost ones",
                stack.frames.len()
            )),
            CallStackInfo::Ok => None,
            CallStackInfo::MissingContext => {
                Some("the minidump holds no registers of this thread".to_owned())
            }
            CallStackInfo::MissingMemory => Some("the minidump holds no stack of this thread".to_owned()),
            CallStackInfo::UnsupportedCpu => Some("stacks of this processor cannot be unwound".to_owned()),
            CallStackInfo::DumpThreadSkipped => Some("this thread wrote the minidump".to_owned()),
        },
    }
}

fn registers(innermost: &StackFrame) -> BTreeMap<String, Address> {
    innermost.context.valid_registers().map(|(name, value)| (name.to_owned(), Address(value))).collect()
}

/// A frame of the unwinder: the functions that were inlined there, innermost first, and the function itself.
fn frames(frame: &StackFrame) -> Vec<Frame> {
    let own = Frame {
        function: frame.function_name.as_deref().and_then(bounds::line_or_none),
        file: frame.source_file_name.as_deref().and_then(bounds::line_or_none),
        line: frame.source_line.filter(|line| *line > 0),
        ..place(frame)
    };
    let inlined = frame.inlines.iter().map(|inlined| Frame {
        function: bounds::line_or_none(&inlined.function_name),
        file: inlined.source_file_name.as_deref().and_then(bounds::line_or_none),
        line: inlined.source_line.filter(|line| *line > 0),
        inline: true,
        ..place(frame)
    });
    inlined.chain([own]).collect()
}

fn place(frame: &StackFrame) -> Frame {
    let address = Address(frame.instruction);
    let trust = match frame.trust {
        FrameTrust::Context => Trust::Context,
        FrameTrust::CallFrameInfo => Trust::Cfi,
        FrameTrust::FramePointer => Trust::FramePointer,
        FrameTrust::CfiScan => Trust::CfiScan,
        FrameTrust::Scan | FrameTrust::None => Trust::Scan,
        FrameTrust::PreWalked => Trust::Given,
    };
    if let Some(module) = &frame.module {
        return Frame {
            module: bounds::line_or_none(file_name(&module.code_file())),
            debug_id: debug_id(module),
            address,
            offset: frame.instruction.checked_sub(module.base_address()).map(Address),
            trust,
            ..Frame::default()
        };
    }
    // Code of a library that was unloaded before: the classic end of a plug-in's callback.
    let unloaded = frame.unloaded_modules.first_key_value();
    Frame {
        module: unloaded.and_then(|(name, _)| bounds::line_or_none(file_name(name))),
        address,
        offset: unloaded.and_then(|(_, offsets)| offsets.first()).map(|offset| Address(*offset)),
        trust,
        ..Frame::default()
    }
}

pub(super) fn module(module: &MinidumpModule) -> Module {
    let code_file = module.code_file();
    Module {
        name: bounds::line(file_name(&code_file)),
        code_file: bounds::line(&code_file),
        // Crashpad writes zeros for a module without one.
        version: module
            .version()
            .as_deref()
            .filter(|version| *version != "0.0.0.0")
            .and_then(bounds::line_or_none),
        base: Address(module.base_address()),
        size: module.size(),
        debug_file: module.debug_file().as_deref().and_then(bounds::line_or_none),
        debug_id: debug_id(module),
        code_id: module.code_identifier().map(|id| id.to_string()).as_deref().and_then(bounds::line_or_none),
    }
}

fn debug_id(module: &MinidumpModule) -> Option<String> {
    module.debug_identifier().filter(|id| !id.is_nil()).map(|id| id.breakpad().to_string())
}

/// The last part of a path of whatever system: the dump is rarely read where it was written.
fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}
