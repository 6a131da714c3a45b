//! From the queue to a crash.
//!
//! [`Processor::handle`] takes a message, parses its report in an isolated child ([`parse`], [`parser`]), puts the
//! crash together, gives the frames of events their functions and lines ([`symbolicator`]) and signs it, writes the crash's document to the bucket, and then records it in the catalog, exactly
//! once. A debug file that was uploaded is converted in a child as well ([`converter`]). A dump that cannot be read becomes an unreadable crash; a message that cannot be handled is dead; and when an
//! engine is down, the message waits.

mod agent;
mod assemble;
pub mod bounds;
pub mod converter;
mod debug_file;
mod event;
mod isolation;
mod kind;
mod lacking;
#[cfg(feature = "lambda")]
mod lambda;
mod late;
mod parsed;
pub mod parser;
mod payloads;
mod private;
mod processor;
mod pull;
#[cfg(any(feature = "embedded", feature = "sqs"))]
mod queue;
mod report;
mod rules;
pub mod sources;
pub mod steps;
#[cfg(feature = "knative")]
mod subscriber;
mod symbol_sources;
pub mod symbolicator;
mod symbols;
mod texts;
mod unreal;

#[cfg(feature = "lambda")]
pub use crate::lambda::Batches;
#[cfg(any(feature = "embedded", feature = "sqs"))]
pub use crate::queue::{Queue, open_queue};
#[cfg(feature = "knative")]
pub use crate::subscriber::{SubscriberSettings, subscriber};
pub use crate::{
    converter::ConverterSettings,
    debug_file::SymbolSettings,
    isolation::{ParserError, ParserSettings, parse},
    parsed::{Parsed, Unreadable, Verdict},
    processor::{Processor, ProcessorSettings},
    pull::{OpenError, Puller},
    symbol_sources::SymbolSourceSettings,
};

/// What this process is to do if it was started as a child that reads a hostile file; `None` if it was not.
pub fn child_main() -> Option<std::process::ExitCode> {
    let command = std::env::args_os().nth(1)?;
    if command == parser::COMMAND {
        Some(parser::worker_main())
    } else if command == converter::COMMAND {
        Some(converter::worker_main())
    } else if command == symbolicator::COMMAND {
        Some(symbolicator::worker_main())
    } else {
        None
    }
}
