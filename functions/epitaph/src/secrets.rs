//! `epitaph secrets`

use epitaph_host::{Secrets, Settings};

use crate::cli::{Failure, Function};

/// Prints what a function must be given, as lines of `NAME=VALUE`.
pub(crate) fn run(settings: &Settings, function: Function) -> Result<(), Failure> {
    let Secrets { ingest, message, root } = settings.load_secrets()?;
    match function {
        Function::Collector
        | Function::Envelope
        | Function::Maintain
        | Function::Minidump
        | Function::Report
        | Function::Unreal => {
            println!("EPITAPH_INGEST_SECRET={}", ingest.to_hex());
            println!("EPITAPH_MESSAGE_SECRET={}", message.to_hex());
        }
        Function::Process | Function::Dashboard | Function::Symbols => {
            let root = root.ok_or(
                "only derived secrets are set, and this function needs the root; expected EPITAPH_SECRET",
            )?;
            println!("EPITAPH_SECRET={}", root.reveal());
            if function != Function::Process {
                println!("EPITAPH_TOKEN={}", settings.load_token()?.reveal());
            }
        }
    }
    Ok(())
}
