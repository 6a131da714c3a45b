//! What was seen, for people.

use super::{Arguments, Beside, Memory, NAME, Seen};
use crate::{
    place::Place,
    statistics::{Sorted, mib},
};

/// How many times as fast as the others it should be, and how many times as small.
const AIM: f64 = 10.0;
/// What the server may hold while it converts however large a file.
const MOST_CONVERTING: u64 = 4 << 30;

pub(super) fn section(arguments: &Arguments, place: &Place, all: &[Seen]) -> String {
    let mut text = format!(
        "## From dump to lines\n\nA program's file goes to `epitaph serve` as a build machine sends it, and is converted. Its dump is \
         posted as Crashpad does, until the crash can be read through the API with its functions and lines: cold, after a restart, \
         with no symbol on the server's disk but in its bucket, which is a folder; and warm, {} times. Beside it \
         `minidump-stackwalk` reads the same dump {} times with the text that `dump_syms` made of the same file. What both read \
         is in the system's page cache. Memory is the most that a process and those it started held together, looked at every 10 ms: \
         private, and with the pages of mapped files. On {}.\n",
        arguments.rounds,
        arguments.walks,
        place.machine.told(),
    );
    all.iter().for_each(|seen| text.push_str(&program(seen)));
    let missed = missed(all);
    text.push_str("\n### Aims\n\n");
    if all.iter().any(|seen| seen.beside.is_none()) {
        text.push_str(
            "Nothing was measured beside it: that takes `dump_syms` and `minidump-stackwalk` on the path (`cargo install dump_syms minidump-stackwalk`). ",
        );
    }
    text.push_str(if missed.is_empty() { "All are met.\n" } else { "Some are missed.\n\n" });
    missed.iter().for_each(|missed| text.push_str(&format!("- Missed: {missed}\n")));
    text
}

/// The section as a document of its own.
pub(super) fn document(section: &str) -> String {
    format!(
        "# Symbols\n\nWritten by `cargo run --release -p epitaph-bench -- symbols --bins target/release`, with a `--program` and the \
         `--dump` of its crash.\n\n{section}"
    )
}

fn program(seen: &Seen) -> String {
    let mut text = format!(
        "\n### {}, {:.0} MiB\n\nSent and converted in {:.1} s. Of the {:.1} MiB dump {} frames of the crashing thread \
         have a function and a line{}.\n\n\
         | what | time | memory, private | memory, all | times the time of warm |\n| --- | ---: | ---: | ---: | ---: |\n",
        seen.program,
        mib(seen.bytes),
        seen.converting,
        mib(seen.dump_bytes),
        seen.named,
        seen.beside
            .as_ref()
            .map(|beside| format!("; of {} by `minidump-stackwalk`", beside.named))
            .unwrap_or_default(),
    );
    let warm = warm(seen);
    let row = |what: &str, millis: f64, memory: Memory| {
        let time = if millis.is_nan() { "–".to_owned() } else { format!("{millis:.1} ms") };
        let times = if millis.is_nan() { "–".to_owned() } else { format!("{:.1}", millis / warm) };
        format!(
            "| {what} | {time} | {:.1} MiB | {:.1} MiB | {times} |\n",
            mib(memory.private),
            mib(memory.resident)
        )
    };
    text.push_str(&row("upload and conversion", seen.converting * 1000.0, seen.memory_converting));
    text.push_str(&row("at rest", f64::NAN, seen.memory_at_rest));
    text.push_str(&row("cold", seen.cold, seen.memory_cold));
    text.push_str(&row("warm, median", warm, seen.memory_warm));
    text.push_str(&row("warm, most", Sorted::new(seen.warm.iter().copied()).most(), seen.memory_warm));
    if let Some(beside) = &seen.beside {
        text.push_str(&row("`minidump-stackwalk`, median", walk(beside), beside.memory));
        let (time, private, all) = ratios(seen, beside);
        text.push_str(&format!(
            "\n`dump_syms` took {:.1} s for {:.0} MiB of text. Warm is {time:.1} times as fast as `minidump-stackwalk`, in a memory \
             {private:.1} times as small ({all:.1} times with mapped files).\n",
            beside.text_seconds,
            mib(beside.text_bytes),
        ));
    }
    text
}

fn warm(seen: &Seen) -> f64 {
    Sorted::new(seen.warm.iter().copied()).median()
}

fn walk(beside: &Beside) -> f64 {
    Sorted::new(beside.walks.iter().copied()).median()
}

/// What the others took over what is taken here when it is warm: of time, private memory, and all memory.
fn ratios(seen: &Seen, beside: &Beside) -> (f64, f64, f64) {
    let memory = |of: fn(Memory) -> u64| mib(of(beside.memory)) / mib(of(seen.memory_warm));
    (walk(beside) / warm(seen), memory(|memory| memory.private), memory(|memory| memory.resident))
}

/// The aims that were missed.
pub(super) fn missed(all: &[Seen]) -> Vec<String> {
    let mut missed = Vec::new();
    for seen in all {
        let mut miss = |what: String| missed.push(format!("{NAME} of {}: {what}", seen.program));
        if seen.memory_converting.private > MOST_CONVERTING {
            let most = mib(seen.memory_converting.private);
            miss(format!("{most:.0} MiB were held while it was converted; the aim is 4096"));
        }
        let Some(beside) = &seen.beside else { continue };
        let (time, private, _) = ratios(seen, beside);
        if time < AIM {
            miss(format!("warm is {time:.1} times as fast; the aim is {AIM}"));
        }
        if private < AIM {
            miss(format!("its memory is {private:.1} times as small; the aim is {AIM}"));
        }
        if seen.named < beside.named {
            miss(format!("{} frames have a line, of {} by others", seen.named, beside.named));
        }
    }
    missed
}
