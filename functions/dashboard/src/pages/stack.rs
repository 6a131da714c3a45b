//! The threads of a crash. What is shown is bounded, whatever a stack overflow or a hostile payload brings; the API
//! has everything.

use std::collections::HashSet;

use askama::Template;
use epitaph_crash_model::{Crash, Frame, StepDecision, Thread, Trust};

use crate::{
    shown::line,
    texts::{Explained, Texts},
};

/// How many frames of a thread are shown: those at its innermost end, and those at its outermost.
#[derive(Clone, Copy)]
struct Ends {
    inner: usize,
    outer: usize,
}

/// An endless recursion shows in the first frames; who began it shows in the last ones.
const OF_CRASHING: Ends = Ends { inner: 200, outer: 40 };
const OF_OTHERS: Ends = Ends { inner: 48, outer: 8 };
const MOST_THREADS: usize = 256;
const MOST_FRAMES: usize = 5_000;
const MOST_REGISTERS: usize = 128;

/// A thread on a page.
pub(crate) struct ThreadView {
    pub(crate) label: String,
    /// Where it was, in a line.
    pub(crate) top: String,
    /// Why there are fewer frames than there might be.
    pub(crate) incomplete: Option<String>,
    /// Its table of frames, as HTML.
    pub(crate) frames: String,
}

/// The threads of a crash: the one that ended the process, and the others.
#[derive(Default)]
pub(crate) struct Threads {
    pub(crate) crashing: Option<ThreadView>,
    pub(crate) others: Vec<ThreadView>,
    pub(crate) left_out: usize,
}

#[derive(Template)]
#[template(path = "frames.html")]
struct FramesView {
    t: &'static Texts,
    rows: Vec<Row>,
    registers: Vec<(String, String)>,
    open: bool,
}

enum Row {
    Frame(Box<FrameView>),
    Gap(String),
    /// Frames that are not the game's own, behind a line that opens them.
    Fold(String, Vec<FrameView>),
}

struct FrameView {
    index: usize,
    module: Option<String>,
    function: String,
    source: Option<String>,
    path: String,
    offset: String,
    address: String,
    inline: bool,
    trust: &'static str,
    trust_explained: &'static str,
    weak: bool,
    used: bool,
    /// The line of code, as the client sent it.
    code: Option<String>,
    in_app: Option<bool>,
}

impl Threads {
    pub(crate) fn new(crash: &Crash, t: &'static Texts) -> Result<Self, askama::Error> {
        let used: HashSet<usize> = crash
            .signature
            .steps
            .iter()
            .filter(|step| step.decision == StepDecision::Used)
            .map(|step| step.frame)
            .collect();
        let mut threads = Self::default();
        let mut left = MOST_FRAMES;
        if let Some(index) = crash.crashing_thread
            && let Some(thread) = crash.threads.get(index)
        {
            threads.crashing = Some(view(index, thread, OF_CRASHING, &used, true, t)?);
        }
        for (index, thread) in crash.threads.iter().enumerate() {
            if crash.crashing_thread == Some(index) {
                continue;
            }
            let shown = thread.frames.len().min(OF_OTHERS.inner + OF_OTHERS.outer);
            if threads.others.len() >= MOST_THREADS || shown > left {
                threads.left_out += 1;
                continue;
            }
            left -= shown;
            threads.others.push(view(index, thread, OF_OTHERS, &HashSet::new(), false, t)?);
        }
        Ok(threads)
    }
}

fn view(
    index: usize,
    thread: &Thread,
    ends: Ends,
    used: &HashSet<usize>,
    crashing: bool,
    t: &'static Texts,
) -> Result<ThreadView, askama::Error> {
    let count = thread.frames.len();
    let frame = |index: usize| {
        Row::Frame(Box::new(FrameView::new(index, &thread.frames[index], used.contains(&index), t)))
    };
    let rows: Vec<Row> = if count <= ends.inner + ends.outer {
        (0..count).map(frame).collect()
    } else {
        let gap = Row::Gap((t.frames_left_out)(count - ends.inner - ends.outer));
        (0..ends.inner).map(frame).chain([gap]).chain((count - ends.outer..count).map(frame)).collect()
    };
    let rows = folded(rows, t);
    let mut registers: Vec<_> = thread.registers.iter().take(MOST_REGISTERS).collect();
    registers.sort_by_key(|(name, _)| reading_order(name));
    let registers =
        registers.into_iter().map(|(name, value)| (line(name), format!("{:#018x}", value.0))).collect();
    let frames = FramesView { t, rows, registers, open: crashing };
    Ok(ThreadView {
        label: (t.thread)(index, thread.id, thread.name.as_deref().map(line).as_deref()),
        top: match thread.frames.first() {
            Some(frame) => format!("{} · {}", name(frame), (t.frames)(count)),
            None => t.no_frames.to_owned(),
        },
        incomplete: thread.incomplete.as_deref().map(line),
        frames: if count == 0 && thread.registers.is_empty() { String::new() } else { frames.render()? },
    })
}

/// The frames of an exception as a table, in HTML.
pub(crate) fn of_exception(frames: &[Frame], t: &'static Texts) -> Result<String, askama::Error> {
    let thread = Thread { frames: frames.to_vec(), ..Thread::default() };
    Ok(view(0, &thread, OF_OTHERS, &HashSet::new(), false, t)?.frames)
}

/// Folds several frames in a row that are not the game's own, where the client tells which are.
fn folded(rows: Vec<Row>, t: &Texts) -> Vec<Row> {
    const FEWEST: usize = 3;
    let told = rows.iter().any(|row| matches!(row, Row::Frame(frame) if frame.in_app == Some(true)));
    if !told {
        return rows;
    }
    let mut shown = Vec::with_capacity(rows.len());
    let mut run = Vec::new();
    let close = |run: &mut Vec<FrameView>, shown: &mut Vec<Row>| {
        let frames = std::mem::take(run);
        if frames.len() < FEWEST {
            shown.extend(frames.into_iter().map(|frame| Row::Frame(Box::new(frame))));
        } else {
            shown.push(Row::Fold((t.foreign_frames)(frames.len()), frames));
        }
    };
    for row in rows {
        match row {
            Row::Frame(frame) if frame.in_app != Some(true) && !frame.used => run.push(*frame),
            other => {
                close(&mut run, &mut shown);
                shown.push(other);
            }
        }
    }
    close(&mut run, &mut shown);
    shown
}

/// Where code runs and where its stack is come first; `r9` comes before `r10`.
fn reading_order(register: &str) -> (usize, &str, u32) {
    const FIRST: [&str; 10] = ["rip", "eip", "pc", "rsp", "esp", "sp", "rbp", "ebp", "fp", "lr"];
    let rank = FIRST.iter().position(|&first| first == register).unwrap_or(FIRST.len());
    let letters = register.trim_end_matches(|letter: char| letter.is_ascii_digit());
    (rank, letters, register[letters.len()..].parse().unwrap_or_default())
}

/// What a frame is called in a line: `module!function`, or as much of it as is known.
pub(crate) fn name(frame: &Frame) -> String {
    match (&frame.module, &frame.function) {
        (Some(module), Some(function)) => line(&format!("{module}!{function}")),
        (None, Some(function)) => line(function),
        (Some(module), None) => line(&format!("{module}!{}", place(frame))),
        (None, None) => frame.address.to_string(),
    }
}

/// Where a frame without a function lies.
fn place(frame: &Frame) -> String {
    frame.offset.map_or_else(|| frame.address.to_string(), |offset| format!("+{offset}"))
}

impl FrameView {
    fn new(index: usize, frame: &Frame, used: bool, t: &Texts) -> Self {
        let Explained { word, meaning } = (t.trusted)(frame.trust);
        let source = frame.file.as_deref().map(|file| {
            let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
            frame.line.map_or_else(|| line(name), |number| format!("{}:{number}", line(name)))
        });
        Self {
            index,
            module: frame.module.as_deref().map(line),
            function: match (&frame.function, &frame.module) {
                (Some(function), _) => line(function),
                (None, Some(_)) => place(frame),
                (None, None) => frame.address.to_string(),
            },
            source,
            path: frame.file.as_deref().map(line).unwrap_or_default(),
            offset: frame.offset.map(|offset| format!("+{offset}")).unwrap_or_default(),
            address: frame.address.to_string(),
            inline: frame.inline,
            trust: word,
            trust_explained: meaning,
            weak: matches!(frame.trust, Trust::Scan),
            used,
            code: frame.source.as_deref().map(|code| line(code.trim())).filter(|code| !code.is_empty()),
            in_app: frame.in_app,
        }
    }
}
