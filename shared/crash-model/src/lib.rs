//! The words of Epitaph as types: what a client sent (a [`Report`]), what it became (a [`Crash`]), what statistics
//! count of it (a [`Fact`]), and what travels between functions (a [`Message`]).
//!
//! Plain data with a JSON form. Nothing here reads, writes or decides. Every document that is stored or queued carries
//! its `version`; a reader accepts every version up to its own, and fields are only ever added.

mod crash;
mod debug_file;
mod fact;
mod id;
mod kind;
mod late;
mod message;
mod number;
mod outcome;
mod report;
mod time;

pub use crash::{
    Breadcrumb, CRASH_VERSION, Crash, Exception, Frame, Module, Signature, SignatureStep, StepDecision,
    StoredPayload, System, Thread, Trust, User,
};
pub use debug_file::{UPLOADED_FILE_VERSION, UploadedFile, WANTED_SYMBOLS_VERSION, WantedSymbols};
pub use fact::Fact;
pub use id::{CrashId, IssueNumber, ParseIdError, ProjectId, SignatureId};
pub use kind::Kind;
pub use late::{LateCrash, LateCrashes};
pub use message::{MESSAGE_SPEC_VERSION, Message, MessageKind};
pub use number::Address;
pub use outcome::{RuleOutcome, RuleVerdict};
pub use report::{Content, Encoding, Note, NoteReason, Payload, Protocol, REPORT_VERSION, Report, Role};
pub use time::{Day, ParseTimeError, Timestamp};
