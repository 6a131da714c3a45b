//! DataFusion, in a Python of its own, over the same files with as many threads.

use std::{
    io::{self, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use serde::Deserialize;
use serde_json::json;

use super::{Times, questions::Asked, segments::Made};
use crate::error::BenchError;

const SCRIPT: &str = include_str!("datafusion.py");

#[derive(Deserialize)]
struct Told {
    name: String,
    seconds: Vec<f64>,
    /// Of the processor, on average.
    cpu_seconds: f64,
    error: Option<String>,
}

/// Adds what it took to the times of each question. Gives what it could not answer.
pub(super) fn ask(
    python: &Path,
    made: &Made,
    asked: &[Asked],
    times: usize,
    to: &mut [Times],
) -> Result<Vec<String>, BenchError> {
    let questions: Vec<_> =
        asked.iter().map(|asked| json!({ "name": asked.name, "sql": asked.sql })).collect();
    let partitions = std::thread::available_parallelism().map_or(1, usize::from);
    let input = json!({
        "directory": made.files(),
        "partitions": partitions,
        "times": times,
        "questions": questions,
    });
    let failed = BenchError::of_file(python);
    let output = run(python, input.to_string().as_bytes()).map_err(failed)?;
    let mut missing = Vec::new();
    for line in output.split(|byte| *byte == b'\n') {
        let Ok(told) = serde_json::from_slice::<Told>(line) else { continue };
        if let Some(error) = told.error {
            missing.push(format!("DataFusion cannot answer \"{}\": {error}", told.name));
        } else if let Some(times) = to.iter_mut().find(|times| times.name == told.name) {
            times.datafusion = told.seconds.iter().map(|seconds| seconds * 1000.0).collect();
            times.datafusion_cpu = told.cpu_seconds * 1000.0;
        }
    }
    Ok(missing)
}

fn run(python: &Path, input: &[u8]) -> io::Result<Vec<u8>> {
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input)?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(io::Error::other("it failed; what it said is above"))
    }
}
