//! What the parser tells the process that started it.

use std::collections::BTreeMap;

use epitaph_crash_model::{Address, Module, System, Thread, Timestamp};
use serde::{Deserialize, Serialize};

/// The parser's last word about a dump, as the JSON on its standard output. The same dump gives the same verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The dump was read, wholly or in part.
    Parsed(Box<Parsed>),
    /// The dump cannot be read.
    Unreadable(Unreadable),
}

/// What a dump says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parsed {
    /// The operating system's word for the end; `None` if the dump holds no exception.
    pub reason: Option<String>,
    /// The address that the reason is about.
    pub address: Option<Address>,
    /// A failed assertion's text.
    pub assertion: Option<String>,
    /// The index into `threads` of the one that ended the process. Where the dump names none, because nothing ended
    /// the process (a game that hangs is dumped from outside), it is the first thread, on which games run their loop.
    pub crashing_thread: Option<usize>,
    /// All threads, as the dump lists them.
    pub threads: Vec<Thread>,
    /// All modules, by base address.
    pub modules: Vec<Module>,
    /// What it ran on.
    pub system: System,
    /// How long the process had run, in seconds.
    pub uptime_seconds: Option<u64>,
    /// When the dump was written, by the clock of the machine that wrote it.
    pub occurred_at: Option<Timestamp>,
    /// Crashpad's annotations in the dump, and what else it tells of the system.
    pub annotations: BTreeMap<String, String>,
}

/// Why a dump cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// The sort of fault, in a few fixed words: crashes of one sort fall together.
    pub class: String,
    /// What is wrong, for the crash page.
    pub message: String,
}

impl Unreadable {
    /// Of a sort, with what is wrong.
    pub fn new(class: &str, message: impl Into<String>) -> Self {
        Self { class: class.to_owned(), message: message.into() }
    }
}
