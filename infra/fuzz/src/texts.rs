//! Texts: stack traces, names of functions, what is private.

use epitaph_crash_model::{Address, Exception, Frame, Kind};
use epitaph_scrub::{LineScrubber, ScrubRules, scrub_text};
use epitaph_signature::{LONGEST_TEXT, Unsigned, sign};
use epitaph_stack_text::{
    EXCEPTIONS, FRAMES, Format, LONGEST_MESSAGE, LONGEST_NAME, Trace, parse, type_and_message,
};

use crate::pieces::Pieces;

/// In every format, and in the one that the text itself tells, a trace is bounded, and the same each time.
pub fn stack_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let guessed = parse(&text, None);
    assert_eq!(guessed, parse(&text, None));
    is_bounded(&guessed);
    for format in [Format::CSharp, Format::Gdscript, Format::JavaScript, Format::Java, Format::Python] {
        let claimed = parse(&text, Some(format));
        is_bounded(&claimed);
        let frames = |trace: &Trace| trace.exceptions.iter().any(|exception| !exception.frames.is_empty());
        assert_eq!(frames(&claimed), frames(&guessed), "a claim that is wrong costs no frames, {format:?}");
        assert_eq!(format.as_str().parse(), Ok(format));
    }
    if let Some((kind, message)) = type_and_message(&text) {
        assert!(!kind.is_empty() && kind.len() <= LONGEST_NAME);
        assert!(message.is_none_or(|message| message.len() <= LONGEST_MESSAGE));
    }
}

fn is_bounded(trace: &Trace) {
    assert!(trace.exceptions.len() <= EXCEPTIONS);
    for exception in &trace.exceptions {
        let Exception { kind, message, frames, .. } = exception;
        assert!(kind.is_some() || message.is_some() || !frames.is_empty(), "an exception says something");
        assert!(frames.len() <= FRAMES);
        assert!(message.as_ref().is_none_or(|message| message.len() <= LONGEST_MESSAGE + 1));
        is_name(kind.as_ref());
        for Frame { module, function, file, source, line, column, .. } in frames {
            [module, function, file, source].into_iter().for_each(|name| is_name(name.as_ref()));
            assert!(*line != Some(0) && *column != Some(0));
        }
    }
}

fn is_name(name: Option<&String>) {
    // A name may be put together of two.
    assert!(name.is_none_or(|name| !name.is_empty() && name.len() <= 2 * LONGEST_NAME), "{name:?}");
}

/// Every line is a frame's function: whatever the names are, the crash has a signature, and it depends neither on where
/// the process was loaded nor on chance.
pub fn signature(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let frame = |(index, line): (usize, &str), base: u64| {
        let (module, function) =
            line.split_once('\t').map_or((None, line), |(module, rest)| (Some(module), rest));
        Frame {
            module: module.map(str::to_owned),
            function: (!function.is_empty()).then(|| function.to_owned()),
            address: Address(base.wrapping_add(index as u64)),
            offset: module.map(|_| Address(index as u64)),
            ..Frame::default()
        }
    };
    let frames = |base: u64| -> Vec<Frame> {
        text.lines().take(200).enumerate().map(|line| frame(line, base)).collect()
    };
    let first = text.lines().next().unwrap_or_default();
    let exception =
        [Exception { kind: Some(first.to_owned()), message: Some(text.to_string()), ..Exception::default() }];
    for exceptions in [&[][..], &exception[..]] {
        for fingerprint in [&[][..], &[first.to_owned(), "{{ default }}".to_owned()]] {
            let sign = |base| {
                sign(&Unsigned {
                    frames: &frames(base),
                    kind: Kind::Crash,
                    reason: Some(first),
                    exceptions,
                    message: Some(&text),
                    fingerprint,
                })
            };
            let signature = sign(0x1000);
            assert_eq!(signature, sign(0x7fff_0000_0000), "loaded elsewhere");
            let length = signature.text.chars().count();
            assert!((1..=LONGEST_TEXT).contains(&length), "{length}: {}", signature.text);
        }
    }
}

/// What is private goes; a log comes out the same however it comes in.
///
/// The first byte cuts the input into pieces.
pub fn scrub(data: &[u8]) {
    let (pieces, log) = Pieces::of(data);
    let rules = ScrubRules::default();
    let streamed = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut scrubber = LineScrubber::new(rules, Vec::new());
        for piece in pieces {
            scrubber.push(piece).expect("memory takes all that is written");
        }
        scrubber.finish().expect("memory takes all that is written").0
    };
    let whole = streamed(&mut [log].into_iter());
    assert_eq!(whole, streamed(&mut pieces.cut(log)), "in pieces");
    // The longest mark is eight letters, for what has three at least.
    assert!(whole.len() <= 3 * log.len() + 16, "{} of {}", whole.len(), log.len());
    let text = String::from_utf8_lossy(log);
    let _ = scrub_text(&text, &rules);
}
