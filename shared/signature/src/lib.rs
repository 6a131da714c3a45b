//! The name that a crash gets from its frames: the same for the same cause, and explained frame by frame.
//!
//! [`sign`] goes over the frames of the thread that ended the process, from the innermost call outwards. It leaves out
//! what every crash of its sort has on top (abort, panic, assertion and allocation machinery: the tables in `rules`),
//! and takes the names of the first [`FRAMES`] that remain. Names are freed of what differs between two builds of the
//! same code (`name`). It reads nothing but its input, and keeps no absolute address: the same crash in a process that
//! was loaded elsewhere has the same signature.
//!
//! A crash of a language with exceptions has the exception's type before its frames, and of these only the game's own
//! where the client tells which they are; one without telling frames is named by what it says. A client's own
//! fingerprint goes before all of that.
//!
//! No more than the first [`DEEPEST`] frames are read, inlined ones included. So a crash whose symbols are not all here
//! can be told apart from others by where its first frames lie ([`raw`]): crashes that are alike in that get the same
//! signature once the symbols come, whatever the symbols say, as long as their stacks are unwound alike.
//!
//! The rules have a version. A change that could give one crash another signature is a new version, because a
//! signature that is stored once must mean the same for ever.

mod exception;
mod name;
mod raw;
mod rules;

use epitaph_crash_model::{Exception, Frame, Kind, Signature, SignatureId, SignatureStep, StepDecision};
use sha2::{Digest, Sha256};

pub use crate::raw::{raw, raw_as};
use crate::rules::{Effect, Rule};

/// The version of the rules, stored in every signature.
pub const RULES: u32 = 2;

/// How many frames make a signature, at most.
pub const FRAMES: usize = 3;

/// The longest text of a signature, in characters.
pub const LONGEST_TEXT: usize = 300;

/// How many frames are read, at most. What a crash's own frames are called by, such as `abort`, is never deeper.
pub const DEEPEST: usize = 32;

/// The name of a frame that lies in no module.
const UNKNOWN: &str = "unknown";

/// A crash as far as its signature depends on it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unsigned<'a> {
    /// The frames of the thread that ended the process, from the innermost call outwards.
    pub frames: &'a [Frame],
    /// What sort of end it was; it names the crash where there is nothing better.
    pub kind: Kind,
    /// The system's word for the end; it names the crash where no frame does.
    pub reason: Option<&'a str>,
    /// The exceptions, the one that ended it first.
    pub exceptions: &'a [Exception],
    /// What the program said, apart from any exception; it names the crash where no frame and no exception does.
    pub message: Option<&'a str>,
    /// Names that the client groups by. Where one of them is `{{ default }}`, what would name the crash without them
    /// takes its place.
    pub fingerprint: &'a [String],
}

/// Signs a crash. The same input gives the same signature; every input gives one.
pub fn sign(crash: &Unsigned<'_>) -> Signature {
    let (names, steps) = by_rules(crash);
    if crash.fingerprint.iter().all(|part| is_default(part)) {
        return signature(&names, steps);
    }
    let parts = crash.fingerprint.iter().flat_map(|part| match is_default(part) {
        true => names.clone(),
        false => vec![part.trim().to_owned()],
    });
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return signature(&names, steps);
    }
    let asks_for_ours = crash.fingerprint.iter().any(|part| is_default(part));
    let steps = if asks_for_ours { steps } else { Vec::new() };
    // A client's names may be those of functions; what hashes them must not be what hashes frames.
    identified(&["\u{1}fingerprint"], &parts, steps)
}

/// Whether a part of a client's fingerprint asks for the name that a crash has without it.
pub fn is_default(part: &str) -> bool {
    let inner = part.trim().strip_prefix("{{").and_then(|part| part.strip_suffix("}}"));
    inner.is_some_and(|inner| inner.trim() == "default")
}

/// The names of a crash that has no fingerprint, and what became of its frames.
fn by_rules(crash: &Unsigned<'_>) -> (Vec<String>, Vec<SignatureStep>) {
    let naming = exception::naming(crash.exceptions);
    let managed = naming.is_some();
    let frames = crash.frames.get(..DEEPEST).unwrap_or(crash.frames);
    let own = frames.iter().any(|frame| frame.in_app == Some(true));
    let (mut names, mut steps) = choose(frames, Choice { managed, own });
    // The game's own frames may all be machinery, or only where it begins: then all frames count.
    if own && !exception::tell(&names) {
        (names, steps) = choose(frames, Choice { managed, own: false });
    }
    let telling = names.iter().any(|name| name != UNKNOWN);
    if let Some((exception, kind)) = naming {
        let said = exception.message.as_deref().filter(|_| !telling).and_then(exception::shape);
        let rest = if telling { names } else { said.into_iter().collect() };
        return ([kind].into_iter().chain(rest).collect(), steps);
    }
    if telling {
        return (names, steps);
    }
    // Nothing but wild addresses says nothing of the cause; crashes of every cause would fall together.
    let reason = crash.reason.map(str::trim).filter(|reason| !reason.is_empty()).map(str::to_owned);
    let name = crash.message.and_then(exception::shape).or(reason);
    (vec![name.unwrap_or_else(|| crash.kind.as_str().to_owned())], steps)
}

/// The signature of a crash whose payload could not be read. All of one class fall together.
///
/// `class` is a short fixed text such as `not a minidump`, without anything of the single crash.
pub fn unreadable(class: &str) -> Signature {
    signature(&[format!("unreadable: {class}")], Vec::new())
}

/// How names are chosen from frames.
#[derive(Clone, Copy)]
struct Choice {
    /// Frames may be those of a managed language, which have no address.
    managed: bool,
    /// Only the game's own frames are used.
    own: bool,
}

impl Choice {
    fn name(self, frame: &Frame) -> String {
        if self.managed { exception::frame_name(frame) } else { name::of(frame) }
    }
}

/// The names that are used, and what became of every frame that was looked at.
fn choose(frames: &[Frame], choice: Choice) -> (Vec<String>, Vec<SignatureStep>) {
    let named: Vec<String> = frames.iter().map(|frame| choice.name(frame)).collect();
    let cause = named.iter().enumerate().take_while(|(_, name)| !ends(name)).filter_map(explains).last();

    let mut names: Vec<String> = Vec::new();
    let mut steps = Vec::new();
    for (index, (frame, name)) in frames.iter().zip(&named).enumerate() {
        let mut step = |decision, because| steps.push(SignatureStep { frame: index, decision, because });
        if let Some((outer, rule)) = cause.filter(|&(outer, _)| index < outer) {
            step(StepDecision::Skipped, format!("called by frame {outer}: {}", rule.because));
            continue;
        }
        let rule = frame.function.as_ref().and_then(|_| rules::matching(name));
        if let Some(rule) = rule {
            step(StepDecision::Skipped, rule.because.to_owned());
            if rule.effect == Effect::End {
                break;
            }
        } else if choice.own && frame.in_app != Some(true) {
            step(StepDecision::Skipped, "not the game's own code, as the client tells".to_owned());
        } else if choice.managed && name == UNKNOWN && frame.address.0 == 0 {
            step(StepDecision::Skipped, "it has no name".to_owned());
        } else if name == UNKNOWN && names.last().is_some_and(|last| last == UNKNOWN) {
            step(
                StepDecision::Skipped,
                "one more frame in no module says no more than the one before".to_owned(),
            );
        } else {
            step(StepDecision::Used, used_because(frame, name));
            names.push(name.clone());
            if names.len() == FRAMES {
                break;
            }
        }
    }
    (names, steps)
}

/// Whether a thread's own code begins inside this frame.
fn ends(name: &str) -> bool {
    rules::matching(name).is_some_and(|rule| rule.effect == Effect::End)
}

/// The frame's index and rule, if everything inside the frame is its doing.
fn explains((index, name): (usize, &String)) -> Option<(usize, &'static Rule)> {
    rules::matching(name).filter(|rule| rule.effect == Effect::SkipWithInner).map(|rule| (index, rule))
}

fn used_because(frame: &Frame, name: &str) -> String {
    if name == UNKNOWN {
        "lies in no module: a jump to a wild address, or code made at run time".to_owned()
    } else if frame.function.is_some() {
        "names the code that ran".to_owned()
    } else {
        "no function is known here; the place in the module stands for it".to_owned()
    }
}

fn signature(names: &[String], steps: Vec<SignatureStep>) -> Signature {
    identified(&[], names, steps)
}

/// A signature whose id is made of `before` and its names.
fn identified(before: &[&str], names: &[String], steps: Vec<SignatureStep>) -> Signature {
    let hashed: Vec<&str> = before.iter().copied().chain(names.iter().map(String::as_str)).collect();
    let mut hash = Sha256::new();
    hash.update(format!("{RULES}\0"));
    hash.update(hashed.join("\0"));
    let digest: [u8; 32] = hash.finalize().into();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    Signature { id: SignatureId::from_bytes(id), rules: RULES, text: bounded(&names.join(" | ")), steps }
}

/// The text, cut at [`LONGEST_TEXT`] characters; a cut text ends in an ellipsis.
fn bounded(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        None => text.to_owned(),
        Some(_) => text.chars().take(LONGEST_TEXT - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests;
