//! Epitaph: everything in one process, and the command line.

mod cli;
mod dead;
mod demo;
mod key;
mod project;
mod query;
mod rules;
mod secrets;
mod send;
mod serve;
mod symbols;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: the children that read hostile files need none of the rest.
    if let Some(ended) = epitaph_process::child_main() {
        return ended;
    }
    cli::run()
}
