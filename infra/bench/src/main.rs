//! Measures Epitaph: prints tables in Markdown, draws plots, keeps what it measured.

mod all;
mod backlog;
mod bins;
mod build;
mod client;
mod cold_start;
mod command;
mod cost;
mod drain;
mod error;
mod facts;
mod load;
mod machine;
mod payload;
mod place;
mod plot;
mod process;
mod progress;
mod record;
mod results;
mod server;
mod soak;
mod stand_in;
mod statistics;
mod stats;
mod surge;
mod symbols;

use std::{error::Error, process::ExitCode};

fn main() -> ExitCode {
    match command::run() {
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let mut cause: Option<&dyn Error> = Some(&error);
            let mut told = Vec::new();
            while let Some(error) = cause {
                told.push(error.to_string());
                cause = error.source();
            }
            eprintln!("epitaph-bench: {}", told.join(": "));
            ExitCode::FAILURE
        }
    }
}
