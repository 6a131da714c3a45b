//! A report after processing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Address, CrashId, Kind, ProjectId, SignatureId, Timestamp,
    report::{Encoding, Note, Protocol, Role},
};

/// The version of [`Crash`]'s JSON that this code writes.
pub const CRASH_VERSION: u32 = 1;

/// A crash: a report after `process`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// [`CRASH_VERSION`] of the writer.
    pub version: u32,
    /// The id that the client was answered with.
    pub id: CrashId,
    /// The game.
    pub project: ProjectId,
    /// What sort of end it was.
    pub kind: Kind,
    /// How the report was sent.
    pub protocol: Protocol,
    /// The client's own id for it (Sentry's `event_id`): 32 hexadecimal digits, in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The client's name for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// When the collector accepted it.
    pub received_at: Timestamp,
    /// When it happened, by the client's clock, as the payload says it; not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Timestamp>,
    /// The version string that the build reports.
    pub release: Option<String>,
    /// The build within the release (`dist`, a changelist).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// Such as live, beta, qa.
    pub environment: Option<String>,
    /// The operating system's or engine's word for the end, such as `SIGSEGV / SEGV_MAPERR`.
    pub reason: Option<String>,
    /// The address that the reason is about.
    pub address: Option<Address>,
    /// A failed assertion's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion: Option<String>,
    /// What the program said about it, apart from any exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The exceptions, the one that ended it first, each cause after what it caused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
    /// What happened before, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breadcrumbs: Vec<Breadcrumb>,
    /// Whom it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// Names and values that the game chose for searching.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// What is known of device, engine, graphics and the like: by subject, then by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contexts: BTreeMap<String, BTreeMap<String, String>>,
    /// Names that the client itself groups by, in place of the frames.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fingerprint: Vec<String>,
    /// What the player wrote about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Why the payload could not be read; then there are no threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// The name that groups it.
    pub signature: Signature,
    /// The index into `threads` of the one that ended the process.
    pub crashing_thread: Option<usize>,
    /// All threads, as the payload lists them.
    pub threads: Vec<Thread>,
    /// All modules, by base address.
    pub modules: Vec<Module>,
    /// What it ran on.
    pub system: System,
    /// How long the process had run, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_seconds: Option<u64>,
    /// The names and values that the client sent, and those inside the payload.
    pub annotations: BTreeMap<String, String>,
    /// The files of the report and where they are kept.
    pub payloads: Vec<StoredPayload>,
    /// What of the report could not be kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// How many reports it stands for.
    pub weight: u32,
}

impl Crash {
    /// A crash of which no more is known than that it was reported: what a processor fills in.
    pub fn new(id: CrashId, project: ProjectId, protocol: Protocol, signature: Signature) -> Self {
        Self {
            version: CRASH_VERSION,
            id,
            project,
            kind: Kind::default(),
            protocol,
            client_id: None,
            client: None,
            received_at: id.accepted_at(),
            occurred_at: None,
            release: None,
            build: None,
            environment: None,
            reason: None,
            address: None,
            assertion: None,
            message: None,
            exceptions: Vec::new(),
            breadcrumbs: Vec::new(),
            user: None,
            tags: BTreeMap::new(),
            contexts: BTreeMap::new(),
            fingerprint: Vec::new(),
            comment: None,
            unreadable: None,
            signature,
            crashing_thread: None,
            threads: Vec::new(),
            modules: Vec::new(),
            system: System::default(),
            uptime_seconds: None,
            annotations: BTreeMap::new(),
            payloads: Vec::new(),
            notes: Vec::new(),
            weight: 1,
        }
    }
}

/// One thread of a crashed process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// The operating system's number for it.
    pub id: u64,
    /// Its name, if the payload tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// From the innermost call outwards.
    pub frames: Vec<Frame>,
    /// The registers at the innermost frame, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub registers: BTreeMap<String, Address>,
    /// Why there are no frames, or fewer than there might be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
}

/// One call on a thread's stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The file name of the module it lies in.
    pub module: Option<String>,
    /// The debug id of that module, as Breakpad writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug_id: Option<String>,
    /// The function, demangled.
    pub function: Option<String>,
    /// The source file, as the debug file names it.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// The column in it, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The text of the line, if the client sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether the client takes it for the game's own code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_app: Option<bool>,
    /// The instruction.
    pub address: Address,
    /// The instruction, counted from the module's base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<Address>,
    /// How the unwinder came to it.
    pub trust: Trust,
    /// Whether the compiler inlined it into the next frame outwards.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inline: bool,
}

/// An exception, or an error of a language that has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// Its type, such as `NullReferenceException`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What it says.
    pub message: Option<String>,
    /// What caught it, such as `onerror`, `ANR`, `signalhandler`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<String>,
    /// Whether the program handled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled: Option<bool>,
    /// From the innermost call outwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame>,
}

/// Something that happened before a crash.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breadcrumb {
    /// When, by the client's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// Such as `navigation`, `http`, `ui.click`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Such as `info`, `warning`, `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// What happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// More about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
}

/// Whom a crash happened to. E-mail addresses and IP addresses are not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The game's own id for the player or the installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name that the player goes by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// How the unwinder came to a frame, best first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// From the registers of the thread itself.
    Context,
    /// From call frame information of the module.
    Cfi,
    /// From a chain of frame pointers.
    FramePointer,
    /// Found by scanning the stack, with call frame information to confirm it.
    CfiScan,
    /// Found by scanning the stack for what looks like a return address.
    Scan,
    /// Given by the client as it is.
    #[default]
    Given,
}

/// One module (executable or library) of a crashed process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Its file name.
    pub name: String,
    /// The whole path that it was loaded from.
    pub code_file: String,
    /// Its version string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where it was loaded.
    pub base: Address,
    /// Bytes of address space.
    pub size: u64,
    /// The file that its symbols are in.
    pub debug_file: Option<String>,
    /// The identifier of its symbols, as Breakpad writes it.
    pub debug_id: Option<String>,
    /// The identifier of its code.
    pub code_id: Option<String>,
}

/// What a crashed process ran on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// Such as Windows, Linux, macOS, Android, iOS.
    pub os: Option<String>,
    /// Its version and build.
    pub os_version: Option<String>,
    /// Such as x86, amd64, arm64.
    pub arch: Option<String>,
    /// The processor's name.
    pub cpu: Option<String>,
    /// The number of logical processors.
    pub cpu_count: Option<u32>,
}

/// A file of a report, kept in the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPayload {
    /// What it is for.
    pub role: Role,
    /// The file name that the client gave, or the field's name.
    pub name: String,
    /// The content type that the client gave; a claim, not a fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Bytes, not compressed.
    pub size: u64,
    /// Its object in the bucket.
    pub key: String,
    /// How it is packed there.
    pub encoding: Encoding,
}

/// The deterministic, explained name that a crash gets from its frames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Names it within its project.
    pub id: SignatureId,
    /// The version of the rules that made it.
    pub rules: u32,
    /// The name, as people read it.
    pub text: String,
    /// How it came about, frame by frame.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<SignatureStep>,
}

/// What the signature's rules did with one frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureStep {
    /// The index into the crashing thread's frames.
    pub frame: usize,
    /// What became of it.
    pub decision: StepDecision,
    /// The rule that decided, in words.
    pub because: String,
}

/// What became of a frame in a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepDecision {
    /// It is part of the name.
    Used,
    /// It says nothing about the cause, and is left out.
    Skipped,
}
