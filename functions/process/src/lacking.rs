//! Which symbols a crash lacks, and what stands for it until they come.

use std::collections::BTreeMap;

use epitaph_catalog::{HeldSymbols, MissingModule};
use epitaph_crash_model::{Crash, Frame, SignatureId, Trust};
use epitaph_signature::DEEPEST;

use crate::assemble::{crashing_frames, unsigned};

/// The frames that a signature may be made of, as they are now: a client's, before symbols rename them.
pub(crate) fn first_frames(crash: &Crash) -> Vec<Frame> {
    let mut read = 0;
    let mut frames = Vec::new();
    for frame in crashing_frames(crash) {
        if read == DEEPEST {
            break;
        }
        read += usize::from(!frame.inline);
        frames.push(frame.clone());
    }
    frames
}

/// What stands for a crash whose first frames were these.
pub(crate) fn raw(crash: &Crash, first: &[Frame]) -> SignatureId {
    epitaph_signature::raw(&unsigned(crash, first))
}

/// The modules of these frames whose symbols are not as good as they get, by what is held of them.
pub(crate) fn modules(crash: &Crash, first: &[Frame], held: &[HeldSymbols]) -> Vec<MissingModule> {
    let complete = |frame: &Frame, id: &str| {
        let held = held.iter().find(|held| held.debug_id == id);
        held.is_some_and(|held| held.lines && (held.unwind || frame.trust == Trust::Given))
    };
    let mut lacking = BTreeMap::new();
    for frame in first {
        if let Some(id) = frame.debug_id.as_deref().filter(|id| is_identity(id) && !complete(frame, id)) {
            lacking.entry(id).or_insert(frame);
        }
    }
    let name = |id: &str, frame: &Frame| {
        let module = crash.modules.iter().find(|module| module.debug_id.as_deref() == Some(id));
        let debug_file = module.and_then(|module| module.debug_file.as_deref()).map(file_name);
        debug_file.or(frame.module.as_deref()).unwrap_or_default().to_owned()
    };
    let module =
        |(id, frame): (&str, &Frame)| MissingModule { debug_id: id.to_owned(), name: name(id, frame) };
    lacking.into_iter().map(module).collect()
}

/// Linkers that were told to make no id leave zeros, which no debug file has.
fn is_identity(id: &str) -> bool {
    id.bytes().any(|digit| digit != b'0')
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use epitaph_crash_model::{CrashId, ProjectId, Protocol, Thread};

    use super::*;

    fn frame(id: &str, trust: Trust) -> Frame {
        Frame { debug_id: Some(id.into()), module: Some("game".into()), trust, ..Frame::default() }
    }

    fn held(lines: bool, unwind: bool) -> Vec<HeldSymbols> {
        vec![HeldSymbols { debug_id: "A1".into(), lines, unwind, arrival: 1 }]
    }

    #[test]
    fn a_module_lacks_symbols_until_it_has_all_that_its_frames_want() {
        let signature = epitaph_signature::unreadable("");
        let crash = Crash::new(CrashId::new(), ProjectId::FIRST, Protocol::Multipart, signature);
        let lacks = |trust, held: &[HeldSymbols]| !modules(&crash, &[frame("A1", trust)], held).is_empty();
        for trust in [Trust::Given, Trust::Context, Trust::Scan] {
            assert!(
                lacks(trust, &[]) && lacks(trust, &held(false, true)) && !lacks(trust, &held(true, true))
            );
        }
        // Nobody unwinds what a client gave.
        assert!(lacks(Trust::Context, &held(true, false)) && !lacks(Trust::Given, &held(true, false)));
        assert!(modules(&crash, &[frame("000", Trust::Context), Frame::default()], &[]).is_empty());
    }

    #[test]
    fn frames_beyond_those_that_are_read_do_not_count_and_inlined_ones_take_no_place() {
        let signature = epitaph_signature::unreadable("");
        let mut crash = Crash::new(CrashId::new(), ProjectId::FIRST, Protocol::Multipart, signature);
        let inlined = Frame { inline: true, ..frame("A1", Trust::Cfi) };
        let mut frames = vec![inlined];
        frames.extend((0..DEEPEST).map(|_| frame("A1", Trust::Cfi)));
        frames.push(frame("B2", Trust::Cfi));
        crash.threads = vec![Thread { frames, ..Thread::default() }];
        assert!(first_frames(&crash).is_empty(), "no thread ended the process");
        crash.crashing_thread = Some(0);
        assert_eq!(first_frames(&crash).len(), DEEPEST + 1);
        let lacking = modules(&crash, &first_frames(&crash), &[]);
        assert_eq!(lacking, [MissingModule { debug_id: "A1".into(), name: "game".into() }]);
    }
}
