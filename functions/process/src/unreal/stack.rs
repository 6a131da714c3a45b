//! Threads, their calls, and modules, where no minidump told them.

use epitaph_crash_model::{Address, Crash, Frame, Module, Thread, Trust};

use super::xml::{Context, Texts, is_true, said};
use crate::bounds;

/// What Unreal writes for a base or an offset that it does not know.
const UNKNOWN: u64 = 0xffff_ffff;

/// Adds threads and modules. Where threads are known already, a minidump told them, and they stay.
pub(super) fn apply(crash: &mut Crash, context: &Context) {
    let portable = context.runtime("PCallStack").map(portable).unwrap_or_default();
    let named: Vec<Frame> = context.runtime("CallStack").map(named).unwrap_or_default();
    let frames = joined(portable, named);
    if crash.modules.is_empty() {
        crash.modules = modules(context.runtime("Modules").unwrap_or_default(), &frames);
    }
    if crash.threads.is_empty() {
        (crash.threads, crash.crashing_thread) = threads(&context.threads);
        if let Some(thread) = crash.crashing_thread.and_then(|index| crash.threads.get_mut(index)) {
            // The engine knows the names of the calls of this one thread.
            if is_better(&frames, &thread.frames) {
                thread.frames = frames;
            }
        } else if !frames.is_empty() {
            let id = number(&context.runtime, "CrashingThreadId");
            crash.threads.insert(0, Thread { id, frames, ..Thread::default() });
            crash.crashing_thread = Some(0);
        }
    }
}

/// Whether frames say more than those that are known: more of them have names, or there are none yet.
fn is_better(frames: &[Frame], known: &[Frame]) -> bool {
    let names = |frames: &[Frame]| frames.iter().filter(|frame| frame.function.is_some()).count();
    known.is_empty() || names(frames) > names(known)
}

/// The threads, and the index of the one that ended it.
fn threads(told: &[Texts]) -> (Vec<Thread>, Option<usize>) {
    let mut budget = bounds::ALL_FRAMES;
    let threads: Vec<Thread> = told
        .iter()
        .take(bounds::THREADS)
        .map(|thread| {
            let stack = said(thread, "CallStack").unwrap_or_default();
            let mut frames = portable(stack);
            if frames.is_empty() {
                frames = named(stack);
            }
            frames.truncate(budget);
            budget -= frames.len();
            Thread {
                id: number(thread, "ThreadID"),
                name: said(thread, "ThreadName").and_then(bounds::name),
                frames,
                ..Thread::default()
            }
        })
        .collect();
    let crashed =
        told.iter().take(threads.len()).position(|thread| said(thread, "IsCrashed").is_some_and(is_true));
    (threads, crashed)
}

fn number(texts: &Texts, name: &str) -> u64 {
    said(texts, name).and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// `Module 0x00007ff6a0000000 + 1a2b3c`, one behind the other, the innermost first. Module names may contain blanks, or
/// be missing.
fn portable(text: &str) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut module: Vec<&str> = Vec::new();
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let base = word.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let Some(base) = base.filter(|_| words.peek() == Some(&"+")) else {
            module.push(word);
            continue;
        };
        words.next();
        let offset = words.next().map(|digits| digits.trim_start_matches("0x"));
        let offset = offset.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let known = base != UNKNOWN && offset.is_some_and(|offset| offset != UNKNOWN);
        let offset = offset.filter(|_| known);
        let name = std::mem::take(&mut module).join(" ");
        frames.push(Frame {
            module: bounds::name(&name),
            address: Address(offset.map_or(0, |offset| base.saturating_add(offset))),
            offset: offset.map(Address),
            trust: Trust::Given,
            ..Frame::default()
        });
        if frames.len() == bounds::FRAMES {
            break;
        }
    }
    // A stack of which nothing is known is none.
    if frames.iter().all(|frame| frame.module.is_none() && frame.offset.is_none()) {
        Vec::new()
    } else {
        frames
    }
}

/// Calls by name, one a line, the innermost first.
fn named(text: &str) -> Vec<Frame> {
    text.lines().filter_map(call).take(bounds::FRAMES).collect()
}

/// One call by name, in any of the forms that Unreal writes:
///
/// - `Game!UWorld::Tick() [D:\Game\World.cpp:123]` on Windows and Linux, perhaps with an address before it,
/// - `Game!UnknownFunction []` or `kernel32` where there are no symbols,
/// - `UWorld::Tick(float) Address = 0x1090a0132 [/game/World.cpp, line 12] [in Game]` on Apple's systems.
fn call(line: &str) -> Option<Frame> {
    let mut line = line.trim();
    let mut frame = Frame { trust: Trust::Given, ..Frame::default() };
    if let Some(rest) = line.strip_prefix("[Inline Function] ") {
        (line, frame.inline) = (rest, true);
    }
    if let Some((function, rest)) = line.split_once(" Address = ") {
        let (address, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        frame.address = address.parse().unwrap_or_default();
        let (place, module) = rest.rsplit_once("[in ").unwrap_or((rest, ""));
        frame.module = bounds::name(module.trim_end().trim_end_matches(']'));
        (frame.file, frame.line) = file_and_line(place);
        frame.function = function_name(function);
        return Some(frame);
    }
    if let Some((address, rest)) = line.split_once(' ')
        && let Ok(address) = address.parse()
    {
        (frame.address, line) = (address, rest.trim_start());
    }
    if let Some((before, place)) = line.strip_suffix(']').and_then(|line| line.rsplit_once('[')) {
        (frame.file, frame.line) = file_and_line(place);
        line = before.trim_end();
    }
    let module = line.split_once('!').filter(|(module, _)| !module.contains("::") && !module.contains('('));
    match module {
        Some((module, function)) => {
            frame.module = bounds::name(module);
            frame.function = function_name(function);
        }
        // A name alone is a module's.
        None if line.contains("::") || line.contains('(') => frame.function = function_name(line),
        None => frame.module = bounds::name(line),
    }
    (frame.module.is_some() || frame.function.is_some() || frame.address.0 != 0).then_some(frame)
}

fn function_name(text: &str) -> Option<String> {
    let unknown = ["UnknownFunction", "Unknown()", "Unknown"].contains(&text.trim());
    if unknown { None } else { bounds::name(text) }
}

/// `file:12` or `file, line 12`, with or without brackets.
fn file_and_line(place: &str) -> (Option<String>, Option<u32>) {
    let place = place.trim().trim_start_matches(['[', '(']).trim_end_matches([']', ')']);
    if place.is_empty() || place.starts_with("UnknownFile") || place == "filename not found" {
        return (None, None);
    }
    let parts = place.rsplit_once(", line ").or_else(|| place.rsplit_once(':'));
    match parts.map(|(file, line)| (file, line.trim().parse::<u32>())) {
        Some((file, Ok(line))) => (bounds::name(file), Some(line).filter(|line| *line > 0)),
        _ => (bounds::name(place), None),
    }
}

/// One stack of two: the one has places, the other names. They are of the same calls if they are as many; otherwise the
/// one with names tells more.
fn joined(portable: Vec<Frame>, named: Vec<Frame>) -> Vec<Frame> {
    if portable.len() == named.len() {
        return named
            .into_iter()
            .zip(portable)
            .map(|(named, place)| Frame {
                module: place.module.or(named.module),
                offset: place.offset,
                // Apple's systems cut the base in places, not the address beside a name.
                address: if named.address.0 == 0 { place.address } else { named.address },
                ..named
            })
            .collect();
    }
    if is_better(&named, &portable) { named } else { portable }
}

/// The modules, by their paths or names; where a call lies in one, its base is known.
fn modules(paths: &str, frames: &[Frame]) -> Vec<Module> {
    let paths = paths.lines().filter_map(bounds::name).take(bounds::MODULES);
    let mut modules: Vec<Module> = paths
        .map(|path| {
            let name = path.rsplit(['/', '\\']).next().unwrap_or(&path).to_owned();
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            let of = |frame: &&Frame| {
                frame.module.as_deref().is_some_and(|module| module == name || module == stem)
            };
            let base = frames.iter().find(of).and_then(|frame| frame.address.0.checked_sub(frame.offset?.0));
            Module { base: Address(base.unwrap_or_default()), name, code_file: path, ..Module::default() }
        })
        .collect();
    modules.sort_by_key(|module| module.base);
    modules
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(line: &str) -> (Option<String>, Option<String>, Option<String>, Option<u32>, u64) {
        let frame = call(line).unwrap_or_default();
        (frame.module, frame.function, frame.file, frame.line, frame.address.0)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_call_is_read_in_every_form_that_unreal_writes() {
        for (line, expected) in [
            (
                r"MyGame!__scrt_common_main_seh() [f:\dd\vctools\startup\exe_common.inl:288]",
                (
                    some("MyGame"),
                    some("__scrt_common_main_seh()"),
                    some(r"f:\dd\vctools\startup\exe_common.inl"),
                    Some(288),
                    0,
                ),
            ),
            (
                "0x00007ff7a1b2c3d4 MyGame.exe!UWorld::Tick(float) []",
                (some("MyGame.exe"), some("UWorld::Tick(float)"), None, None, 0x7ff7_a1b2_c3d4),
            ),
            (
                "libMyGame.so!FVector::operator!=(FVector const&) [/build/Vector.h:12]",
                (
                    some("libMyGame.so"),
                    some("FVector::operator!=(FVector const&)"),
                    some("/build/Vector.h"),
                    Some(12),
                    0,
                ),
            ),
            (
                "FVector::operator!=(FVector const&)",
                (None, some("FVector::operator!=(FVector const&)"), None, None, 0),
            ),
            ("My Game!UnknownFunction []", (some("My Game"), None, None, None, 0)),
            ("kernel32", (some("kernel32"), None, None, None, 0)),
            (
                "AActor::Destroy(bool, bool) Address = 0x10bc3b85b (filename not found) [in YetAnotherMac]",
                (some("YetAnotherMac"), some("AActor::Destroy(bool, bool)"), None, None, 0x1_0bc3_b85b),
            ),
            (
                "-[UE4AppDelegate run:] Address = 0x108b6fd8e [/src/Mac.cpp, line 7] [in YetAnotherMac]",
                (
                    some("YetAnotherMac"),
                    some("-[UE4AppDelegate run:]"),
                    some("/src/Mac.cpp"),
                    Some(7),
                    0x1_08b6_fd8e,
                ),
            ),
            (
                "Unknown() Address = 0x7fff36d4a234 (filename not found) [in Foundation]",
                (some("Foundation"), None, None, None, 0x7fff_36d4_a234),
            ),
        ] {
            assert_eq!(told(line), expected, "{line}");
        }
        assert!(call("  ").is_none());
        assert!(call("[Inline Function] Game!A::B() [a.cpp:1]").unwrap_or_default().inline);
    }

    #[test]
    fn places_are_read_whether_or_not_they_stand_on_lines_of_their_own() {
        let text = "\nMy Game-Win64  0x00007ff6a0000000 + 1a2b\nntdll 0x00000000ffffffff + ffffffff 0x0000000000000000 + 10";
        let frames = portable(text);
        let told: Vec<_> = frames
            .iter()
            .map(|frame| (frame.module.as_deref(), frame.offset.map(|offset| offset.0), frame.address.0))
            .collect();
        let expected = [
            (Some("My Game-Win64"), Some(0x1a2b), 0x7ff6_a000_1a2b),
            (Some("ntdll"), None, 0),
            (None, Some(0x10), 0x10),
        ];
        assert_eq!(told, expected);
        assert!(portable("0x00000000ffffffff + ffffffff 0x00000000ffffffff + ffffffff").is_empty());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[ -~\n]{0,200}", words in prop::collection::vec("0x[0-9a-f]{1,17}|\\+|[0-9a-f]{1,17}|!|\\[|]| Address = |::", 0..30)) {
            let _ = (portable(&text), named(&text));
            let text = words.join(" ");
            let _ = (portable(&text), named(&text), modules(&text, &portable(&text)));
        }
    }
}
