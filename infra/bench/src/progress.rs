//! What is going on, while it goes on: a bar for a person who watches, lines for a log.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressStyle};

/// So many steps, and which one it is.
pub(crate) struct Progress {
    bar: ProgressBar,
    watched: bool,
}

impl Progress {
    pub(crate) fn new(steps: u64) -> Self {
        let style = ProgressStyle::with_template("{bar:40} {pos} of {len}, {eta} left: {msg}");
        let bar = ProgressBar::new(steps);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, watched: io::stderr().is_terminal() }
    }

    /// Says what the next step is.
    pub(crate) fn says(&self, what: impl Into<String>) {
        let what = what.into();
        if !self.watched {
            let (position, length) = (self.bar.position() + 1, self.bar.length().unwrap_or_default());
            eprintln!("[{position}/{length}] {what}");
        }
        self.bar.set_message(what);
    }

    /// A step is done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
