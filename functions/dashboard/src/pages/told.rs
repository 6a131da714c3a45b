//! What a client tells of a crash in its own words: exceptions, breadcrumbs, tags, contexts. Each is shown up to a bound;
//! the API has everything.

use std::collections::BTreeMap;

use epitaph_crash_model::{Breadcrumb, Crash, Exception, Frame};

use super::stack;
use crate::{
    shown::{clock, full_time, line, passage},
    texts::Texts,
};

const MOST_EXCEPTIONS: usize = 20;
const MOST_BREADCRUMBS: usize = 100;
const MOST_DATA: usize = 20;
const MOST_CONTEXTS: usize = 50;
const MOST_PAIRS: usize = 500;
const LONGEST_VALUE: usize = 2_000;
/// A breadcrumb is one of many.
const LONGEST_CRUMB: usize = 500;

/// A name and its value.
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) cut: bool,
}

/// An exception on a page.
pub(crate) struct ExceptionView {
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) mechanism: Option<String>,
    pub(crate) handled: Option<bool>,
    /// Its table of frames, as HTML; empty where the crashing thread shows the same ones.
    pub(crate) frames: String,
}

/// A breadcrumb on a page.
pub(crate) struct CrumbView {
    pub(crate) time: String,
    pub(crate) full_time: String,
    pub(crate) category: String,
    pub(crate) level: String,
    /// How grave it is: a class of the style sheet.
    pub(crate) class: &'static str,
    pub(crate) message: String,
    pub(crate) data: Vec<Pair>,
}

/// What is known about one subject.
pub(crate) struct ContextView {
    pub(crate) subject: String,
    pub(crate) pairs: Vec<Pair>,
}

pub(crate) fn pairs(map: &BTreeMap<String, String>) -> Vec<Pair> {
    map.iter().take(MOST_PAIRS).map(|pair| view(pair, LONGEST_VALUE)).collect()
}

fn view((name, value): (&String, &String), longest: usize) -> Pair {
    let (value, cut) = passage(value, longest);
    Pair { name: line(name), value, cut }
}

pub(crate) fn exceptions(crash: &Crash, t: &'static Texts) -> Result<Vec<ExceptionView>, askama::Error> {
    let thread = crash.crashing_thread.and_then(|index| crash.threads.get(index));
    let shown = thread.map(|thread| thread.frames.as_slice()).unwrap_or_default();
    let view = |exception: &Exception| {
        Ok(ExceptionView {
            kind: exception.kind.as_deref().map(line).unwrap_or_default(),
            message: exception
                .message
                .as_deref()
                .map(|text| passage(text, LONGEST_VALUE).0)
                .unwrap_or_default(),
            mechanism: exception.mechanism.as_deref().map(line),
            handled: exception.handled,
            frames: match exception.frames.as_slice() {
                frames if frames.is_empty() || is_shown(frames, shown) => String::new(),
                frames => stack::of_exception(frames, t)?,
            },
        })
    };
    crash.exceptions.iter().take(MOST_EXCEPTIONS).map(view).collect()
}

/// Whether the crashing thread shows these frames: an exception that ended a thread has that thread's.
fn is_shown(frames: &[Frame], shown: &[Frame]) -> bool {
    let place = |frame: &Frame| (frame.function.clone(), frame.module.clone(), frame.line);
    frames.len() <= shown.len()
        && frames.iter().zip(shown).take(20).all(|(one, other)| place(one) == place(other))
}

/// The newest breadcrumbs, oldest of them first, and how many older ones there are.
pub(crate) fn breadcrumbs(crash: &Crash) -> (Vec<CrumbView>, usize) {
    let older = crash.breadcrumbs.len().saturating_sub(MOST_BREADCRUMBS);
    (crash.breadcrumbs.iter().skip(older).map(crumb).collect(), older)
}

fn crumb(crumb: &Breadcrumb) -> CrumbView {
    let level = crumb.level.as_deref().map(line).unwrap_or_default();
    CrumbView {
        time: crumb.time.map(|time| clock(time, true)).unwrap_or_default(),
        full_time: crumb.time.map(full_time).unwrap_or_default(),
        category: crumb.category.as_deref().map(line).unwrap_or_default(),
        class: match level.to_lowercase().as_str() {
            "fatal" | "critical" | "error" | "exception" => "error",
            "warning" | "warn" => "warning",
            "debug" | "trace" | "verbose" => "debug",
            _ => "info",
        },
        level,
        message: crumb.message.as_deref().map(|text| passage(text, LONGEST_CRUMB).0).unwrap_or_default(),
        data: crumb.data.iter().take(MOST_DATA).map(|pair| view(pair, LONGEST_CRUMB)).collect(),
    }
}

pub(crate) fn contexts(crash: &Crash) -> Vec<ContextView> {
    let mut left = MOST_PAIRS;
    let view = |(subject, map): (&String, &BTreeMap<String, String>)| {
        let pairs: Vec<Pair> = map.iter().take(left).map(|pair| view(pair, LONGEST_VALUE)).collect();
        left -= pairs.len();
        ContextView { subject: line(subject), pairs }
    };
    crash.contexts.iter().take(MOST_CONTEXTS).map(view).filter(|context| !context.pairs.is_empty()).collect()
}
