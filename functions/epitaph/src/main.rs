//! Epitaph: everything in one process, and the command line.

mod cli;
mod dead;
mod key;
mod project;
mod rules;
mod secrets;
mod send;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else: the child that parses hostile dumps needs none of the rest.
    let command = std::env::args_os().nth(1);
    if command.is_some_and(|command| command == epitaph_process::parser::COMMAND) {
        return epitaph_process::parser::worker_main();
    }
    cli::run()
}
