//! Whatever a text is, reading it ends soon, and gives little.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]

use std::fs;

use epitaph_stack_text::{
    EXCEPTIONS, FRAMES, Format, LONGEST_MESSAGE, LONGEST_NAME, LONGEST_TEXT, Trace, parse, type_and_message,
};
use proptest::prelude::*;

/// The length of a long text, in bytes.
const LENGTH: usize = LONGEST_TEXT / 4;

const FORMATS: [Format; 5] =
    [Format::CSharp, Format::Gdscript, Format::JavaScript, Format::Java, Format::Python];

/// What traces are made of, so that random texts come near to being some.
const PIECES: [&str; 73] = [
    "\n",
    "\n",
    "\n  ",
    "\n\tat ",
    "at ",
    "   at ",
    " ---> ",
    "--- End of inner exception stack trace ---",
    "Rethrow as ",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    "{",
    "}",
    "@",
    ":",
    ".",
    "/",
    "\\",
    "+",
    "*",
    "`",
    "'",
    "\"",
    ", ",
    " ",
    "=",
    "|",
    "$",
    "System.Exception: x",
    "NullReferenceException",
    "Foo.Bar",
    "Foo:Bar()",
    "<>c__DisplayClass0_0.<A>b__0",
    " in ",
    "(at Assets/X.cs:12)",
    "[0x00012] in <0a>:0",
    ":line 12",
    "(wrapper ",
    "0x00007ff6 (Unity) ",
    "SCRIPT ERROR: ",
    "ERROR: ",
    "at: f (res://x.gd:1)",
    "At: res://x.gd:1",
    "[0] ",
    "<Stack Trace>",
    "Frame 0 - res://x.gd:1 in function 'f'",
    "{function:f, line:1, source:res://x.gd}",
    "https://x/a.js:1:2",
    "wasm-function[1]:0x2",
    "eval at f (a.js:1:2), ",
    "[native code]",
    "[cause]: ",
    "\n... 1 lines matching cause stack trace ...\n",
    "async ",
    "Caused by: ",
    "Suppressed: ",
    "(X.java:12)",
    "(Native Method)",
    "... 12 more",
    "\"main\" tid=1",
    "Traceback (most recent call last):",
    "File \"x.py\", line 1, in f",
    "ValueError: x",
    "  | ",
    "+-+---- 1 ----",
    "During handling of the above exception, another exception occurred:",
    "Current thread 0x1 (most recent call first):",
    "E/Unity( 1): ",
    "한글é𝄞\u{0}\u{85}",
];

fn near_trace() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned),
        1 => "[ -~]{0,12}",
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn is_bounded(trace: &Trace) -> Result<(), TestCaseError> {
    prop_assert!(trace.exceptions.len() <= EXCEPTIONS);
    let is_name = |name: &Option<String>| {
        name.as_ref().is_none_or(|name| !name.is_empty() && name.len() <= 2 * LONGEST_NAME)
    };
    for exception in &trace.exceptions {
        prop_assert!(exception.frames.len() <= FRAMES);
        prop_assert!(exception.message.as_ref().is_none_or(|message| message.len() <= LONGEST_MESSAGE + 1));
        prop_assert!(is_name(&exception.kind));
        for frame in &exception.frames {
            let names = [&frame.function, &frame.module, &frame.file, &frame.source];
            prop_assert!(names.into_iter().all(is_name), "{:?}", frame);
            prop_assert!(frame.line != Some(0) && frame.column != Some(0));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_text_makes_it_panic_and_what_it_gives_is_bounded(text in near_trace()) {
        is_bounded(&parse(&text, None))?;
        for format in FORMATS {
            is_bounded(&parse(&text, Some(format)))?;
        }
        let _ = type_and_message(&text);
    }

    #[test]
    fn a_trace_that_was_cut_anywhere_is_read_as_far_as_it_goes(cut in 0.0..1.0_f64, index in 0_usize..70) {
        let texts = corpus();
        let text = &texts[index % texts.len()];
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of the length")]
        let end = text.floor_char_boundary((text.len() as f64 * cut) as usize);
        is_bounded(&parse(&text[..end], None))?;
        is_bounded(&parse(&text[end..], None))?;
    }
}

fn corpus() -> Vec<String> {
    let mut texts = Vec::new();
    for folder in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "txt") {
                texts.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    texts
}

/// A reader whose time grows with the square of the text would take a day over all of these.
#[test]
fn a_long_text_of_one_piece_is_read_in_linear_time() {
    let pairs = PIECES.iter().map(|piece| (*piece).to_owned());
    let openings =
        ["at Foo.Bar(", "at f (", "at A.<", "at A[", "A ---> A: ", "f@", "Caused by: A: ", "ERROR: f: "];
    for piece in pairs.chain(openings.map(str::to_owned)) {
        let text = piece.repeat(LENGTH / piece.len());
        assert!(parse(&text, None).exceptions.len() <= EXCEPTIONS);
        let text = format!("  at A.B({text}");
        assert!(parse(&text, None).exceptions.len() <= EXCEPTIONS);
    }
}

#[test]
fn deep_recursion_keeps_the_innermost_calls() {
    let java = format!(
        "java.lang.StackOverflowError\n\tat a.B.inner(B.java:1)\n{}",
        "\tat a.B.c(B.java:2)\n".repeat(9000)
    );
    let frames = &parse(&java, None).exceptions[0].frames;
    assert_eq!((frames.len(), frames[0].function.as_deref()), (FRAMES, Some("a.B.inner")));

    let outer = "  File \"x.py\", line 2, in outer\n".repeat(9000);
    let python = format!(
        "Traceback (most recent call last):\n{outer}  File \"x.py\", line 1, in inner\nRecursionError\n"
    );
    let frames = &parse(&python, None).exceptions[0].frames;
    assert_eq!((frames.len(), frames[0].function.as_deref()), (FRAMES, Some("inner")));
}

#[test]
fn a_text_without_frames_may_still_name_an_exception() {
    let trace = parse("NullReferenceException: Object reference not set", None);
    assert_eq!((trace.format, trace.exceptions.len()), (None, 1));
    assert_eq!(trace.exceptions[0].kind.as_deref(), Some("NullReferenceException"));
    assert_eq!(parse("The level could not be loaded.", None), Trace::default());
    assert_eq!(parse("", Some(Format::Python)), Trace::default());
}

#[test]
fn what_prints_nothing_is_neither_a_type_nor_a_message() {
    for text in [
        "ERROR\u{1}\n\u{2}\n at: f (res://x.gd:1)",
        "SCRIPT ERROR: \u{1}\n\u{2}\n\u{3}",
        "Traceback (most recent call last):\n\u{1}\u{2}",
    ] {
        for format in FORMATS.map(Some).into_iter().chain([None]) {
            for exception in parse(text, format).exceptions {
                assert!(exception.kind.is_none_or(|kind| !kind.is_empty()), "{text:?}");
                assert!(exception.message.is_none_or(|message| !message.trim().is_empty()), "{text:?}");
            }
        }
    }
}

#[test]
fn a_format_is_known_by_the_names_that_people_give_it() {
    for (name, format) in [
        ("Unity", Format::CSharp),
        ("kotlin", Format::Java),
        ("godot", Format::Gdscript),
        (" JS ", Format::JavaScript),
    ] {
        assert_eq!(name.parse(), Ok(format));
    }
    for format in FORMATS {
        assert_eq!(format.as_str().parse(), Ok(format));
    }
    assert!("cobol".parse::<Format>().is_err());
}
