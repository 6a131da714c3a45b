//! Measures Epitaph and prints tables in Markdown.

mod cold_start;
mod lambda_cold_start;
mod process;
mod statistics;

use std::{error::Error, process::ExitCode};

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
    /// From the start of each function on AWS Lambda to its first event and its first answer, beside a bare one.
    LambdaColdStart(lambda_cold_start::Arguments),
}

fn main() -> ExitCode {
    let Arguments { bench } = Arguments::parse();
    let table: Result<String, Box<dyn Error>> = match bench {
        Bench::ColdStart(arguments) => cold_start::run(&arguments).map_err(Into::into),
        Bench::LambdaColdStart(arguments) => lambda_cold_start::run(&arguments).map_err(Into::into),
    };
    match table {
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let mut cause = Some(&*error);
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
