//! The command line: parses, calls the library, prints; exit codes 0 done, 1 failure, 2 usage.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "inlay", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Make training samples from an asset pack
    #[command(subcommand)]
    Data(crate::data::command::DataCommand),
}

/// Runs the program and gives its exit code.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Some(Command::Data(command)) => crate::data::command::run(command),
        None => Ok(()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
