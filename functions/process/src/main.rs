//! The function `process` on its own: queue to crash.

use std::process::ExitCode;

fn main() -> ExitCode {
    let command = std::env::args_os().nth(1);
    if command.is_some_and(|command| command == epitaph_process::parser::COMMAND) {
        return epitaph_process::parser::worker_main();
    }
    // The host joins here.
    eprintln!("process: expected the command {}", epitaph_process::parser::COMMAND);
    ExitCode::from(64)
}
