//! What others take: `dump_syms` makes Breakpad's text of a program, and `minidump-stackwalk` reads it for each dump.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use serde::Serialize;
use serde_json::Value;

use super::family::{Memory, Watch};
use crate::error::BenchError;

/// The programs, where this machine has both.
pub(super) struct Others {
    dump_syms: PathBuf,
    stackwalk: PathBuf,
}

/// What they took.
#[derive(Debug, Serialize)]
pub(super) struct Beside {
    /// To make the text of the program.
    pub(super) text_seconds: f64,
    pub(super) text_bytes: u64,
    /// From the dump to frames, each time in milliseconds.
    pub(super) walks: Vec<f64>,
    pub(super) memory: Memory,
    /// Frames of the crashing thread that have a function and a line.
    pub(super) named: usize,
}

impl Others {
    pub(super) fn find() -> Option<Self> {
        Some(Self { dump_syms: on_path("dump_syms")?, stackwalk: on_path("minidump-stackwalk")? })
    }

    pub(super) fn measure(
        &self,
        program: &Path,
        dump: &Path,
        rounds: usize,
        folder: &Path,
    ) -> Result<Beside, BenchError> {
        let symbols = folder.join("symbols");
        let begun = Instant::now();
        let text = self.text(program, &symbols)?;
        let text_seconds = begun.elapsed().as_secs_f64();
        let text_bytes = text.metadata().map_err(BenchError::of_file(&text))?.len();
        let (mut walks, mut memory, mut named) = (Vec::new(), Memory::default(), 0);
        for _ in 0..rounds {
            let (took, most, frames) = self.walk(&symbols, dump, folder)?;
            walks.push(took);
            memory.private = memory.private.max(most.private);
            memory.resident = memory.resident.max(most.resident);
            named = frames;
        }
        Ok(Beside { text_seconds, text_bytes, walks, memory, named })
    }

    /// Makes the text, and puts it where it is looked for: `{name}/{id}/{name}.sym`.
    fn text(&self, program: &Path, symbols: &Path) -> Result<PathBuf, BenchError> {
        fs::create_dir_all(symbols).map_err(BenchError::of_file(symbols))?;
        let made = symbols.join("made");
        let file = fs::File::create(&made).map_err(BenchError::of_file(&made))?;
        let mut command = Command::new(&self.dump_syms);
        let status = command.arg(program).stdout(file).stderr(Stdio::null()).status();
        let status = status.map_err(BenchError::of_file(&self.dump_syms))?;
        if !status.success() {
            return Err(BenchError::Unusable(format!("dump_syms {} ended with {status}", program.display())));
        }
        let file = fs::File::open(&made).map_err(BenchError::of_file(&made))?;
        let mut first = String::new();
        BufReader::new(file).read_line(&mut first).map_err(BenchError::of_file(&made))?;
        let words: Vec<&str> = first.trim_end().splitn(5, ' ').collect();
        let ["MODULE", _, _, id, name] = words[..] else {
            return Err(BenchError::Unusable(format!(
                "dump_syms wrote {first:?}, which is no MODULE record"
            )));
        };
        let place = symbols.join(name).join(id);
        fs::create_dir_all(&place).map_err(BenchError::of_file(&place))?;
        let place = place.join(name).with_added_extension("sym");
        fs::rename(&made, &place).map_err(BenchError::of_file(&place))?;
        Ok(place)
    }

    /// Milliseconds, memory, and how many frames of the crashing thread were named.
    fn walk(&self, symbols: &Path, dump: &Path, folder: &Path) -> Result<(f64, Memory, usize), BenchError> {
        let told = folder.join("told.json");
        let file = fs::File::create(&told).map_err(BenchError::of_file(&told))?;
        let begun = Instant::now();
        let mut command = Command::new(&self.stackwalk);
        command.arg("--json").arg("--symbols-path").arg(symbols).arg(dump).stdout(file).stderr(Stdio::null());
        let mut walking = command.spawn().map_err(BenchError::of_file(&self.stackwalk))?;
        let watch = Watch::begin(walking.id());
        let status = walking.wait().map_err(BenchError::of_file(&self.stackwalk))?;
        let took = begun.elapsed().as_secs_f64() * 1000.0;
        let memory = watch.end().map_err(BenchError::Own)?;
        if !status.success() {
            return Err(BenchError::Unusable(format!(
                "minidump-stackwalk {} ended with {status}",
                dump.display()
            )));
        }
        let told = fs::read(&told).map_err(BenchError::of_file(&told))?;
        let told: Value = serde_json::from_slice(&told).unwrap_or_default();
        Ok((took, memory, named(&told["crashing_thread"]["frames"])))
    }
}

/// How many frames have a function and a line, inlined ones left out.
pub(super) fn named(frames: &Value) -> usize {
    let frames = frames.as_array().map(Vec::as_slice).unwrap_or_default();
    let named = |frame: &&Value| {
        frame["function"].is_string() && frame["line"].is_u64() && frame["inline"] != Value::Bool(true)
    };
    frames.iter().filter(named).count()
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|place| place.is_file())
}
