//! Frames of a crash: from a module and an offset in it to functions, files and lines.

use std::collections::BTreeSet;

use epitaph_crash_model::{Address, Frame, Trust};
use symbolic_common::DebugId;

use crate::{Location, Provider};

/// The most inlined frames that one call adds, so that hostile symbols do not make a crash larger than can be kept.
const ADDED: usize = 10_000;
/// Characters of a name or a path.
const TEXT: usize = 500;

/// The modules that frames lie in, which are those whose symbols are wanted.
pub fn debug_ids<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> BTreeSet<DebugId> {
    frames.into_iter().filter_map(|frame| id_of(frame).map(|(id, _)| id)).collect()
}

/// Fills in functions, files and lines of the frames of one stack, from the innermost call outwards, and inserts those
/// that were inlined. Frames of which nothing is known stay as they are, names that a client gave included. Calling it
/// again, with the same symbols or better ones, is fine.
///
/// The unwinder's frames ([`Trust`] other than `Given`) have the address of the call. A client gives return addresses,
/// which may lie behind the call in another line or even another function; only the innermost one is where it was.
///
/// Gives the number of frames that got a name.
pub fn symbolicate_frames(provider: &Provider, frames: &mut Vec<Frame>) -> usize {
    let mut named = 0;
    let mut done = Vec::with_capacity(frames.len());
    let mut added = 0;
    // Inlined frames wait for the one that they are inlined into, which has the same place.
    let mut waiting: Vec<Frame> = Vec::new();
    let mut is_innermost = true;
    for frame in frames.drain(..) {
        if waiting.last().is_some_and(|inlined| place(inlined) != place(&frame)) {
            done.append(&mut waiting);
        }
        if frame.inline {
            waiting.push(frame);
            continue;
        }
        let is_call = frame.trust == Trust::Given && !is_innermost;
        is_innermost = false;
        let found = id_of(&frame).and_then(|(id, offset)| {
            let symbols = provider.get(id)?;
            Some(symbols.lookup(offset.saturating_sub(u64::from(is_call))))
        });
        let found = found.unwrap_or_default();
        match found.split_last() {
            None => {
                done.append(&mut waiting);
                done.push(frame);
            }
            Some((outermost, inlined)) => {
                waiting.clear();
                named += 1;
                let room = inlined.len().min(ADDED.saturating_sub(added));
                added += room;
                // The innermost ones say what happened.
                done.extend(inlined.iter().take(room).map(|location| filled(frame.clone(), location)));
                done.push(filled(frame, outermost));
            }
        }
    }
    done.append(&mut waiting);
    *frames = done;
    named
}

fn filled(mut frame: Frame, location: &Location<'_>) -> Frame {
    let text = |text: &str| -> String { text.chars().take(TEXT).collect() };
    frame.inline = location.inline;
    if !location.function.is_empty() {
        frame.function = Some(text(location.function));
    } else if location.inline {
        frame.function = None;
    }
    // What a client says of the line is about the name that it says.
    frame.file = location.file.as_deref().map(text);
    frame.line = location.line;
    frame.column = None;
    frame.source = None;
    frame
}

fn place(frame: &Frame) -> (Option<&str>, Option<Address>, Address) {
    (frame.debug_id.as_deref(), frame.offset, frame.address)
}

fn id_of(frame: &Frame) -> Option<(DebugId, u64)> {
    let id = frame.debug_id.as_deref()?;
    let id = DebugId::from_breakpad(id).ok().or_else(|| id.parse().ok())?;
    Some((id, frame.offset?.0))
}
