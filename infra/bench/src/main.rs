//! Measures Epitaph and prints tables in Markdown.

mod cold_start;
mod statistics;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "epitaph-bench", about = "Measures Epitaph and prints tables in Markdown")]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// From the start of a function to its first durable answer, beside a bare hyper server.
    ColdStart(cold_start::Arguments),
}

fn main() -> ExitCode {
    let Arguments { bench } = Arguments::parse();
    let table = match bench {
        Bench::ColdStart(arguments) => cold_start::run(&arguments),
    };
    match table {
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
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
