//! The crashes of a search as CSV, from the server to standard output, with progress on standard error.

use std::io::{self, Write as _};

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Response;

use crate::cli::Failure;

/// Says how many crashes follow.
const CRASHES: &str = "epitaph-crashes";

/// Counts lines as they come, piece by piece; a line's end in quotes is part of a cell.
#[derive(Debug, Default)]
struct Lines {
    ended: u64,
    in_quotes: bool,
}

impl Lines {
    fn read(&mut self, piece: &[u8]) {
        for byte in piece {
            match byte {
                b'"' => self.in_quotes = !self.in_quotes,
                b'\n' if !self.in_quotes => self.ended += 1,
                _ => {}
            }
        }
    }

    /// How many there are below the columns' names.
    fn crashes(&self) -> u64 {
        self.ended.saturating_sub(1)
    }
}

pub(crate) async fn run(mut answer: Response) -> Result<(), Failure> {
    let expected = answer.headers().get(CRASHES).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let bar = ProgressBar::new(expected.unwrap_or_default())
        .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} crashes {elapsed}")?);
    let (mut out, mut lines) = (io::stdout().lock(), Lines::default());
    while let Some(piece) = answer.chunk().await? {
        out.write_all(&piece)?;
        lines.read(&piece);
        bar.set_position(lines.crashes());
    }
    out.flush()?;
    bar.finish_and_clear();
    match expected {
        Some(expected) if lines.crashes() < expected => Err(format!(
            "the export broke off after {} of {expected} crashes; ask again, or for a shorter time",
            lines.crashes()
        )
        .into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_however_they_are_cut() {
        let text = b"id,text\r\n1,\"two\r\nlines \"\"quoted\"\"\"\r\n2,x\r\n";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            text.chunks(size).for_each(|piece| lines.read(piece));
            assert_eq!(lines.crashes(), 2, "{size}");
        }
    }
}
