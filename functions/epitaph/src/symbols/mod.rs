//! `epitaph symbols`

mod check;
mod find;
mod server;
mod upload;

use std::process::ExitCode;

use crate::cli::{Failure, SymbolsCommand};

pub(crate) fn run(command: &SymbolsCommand) -> Result<ExitCode, Failure> {
    match command {
        SymbolsCommand::Upload(arguments) => upload::run(arguments),
        SymbolsCommand::Check(arguments) => check::run(arguments),
    }
}
