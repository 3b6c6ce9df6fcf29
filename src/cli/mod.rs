//! The command line: parses, calls the library, prints; exit codes 0 done, 1 failure, 2 usage.
//!
//! Parsing has two stages: clap reads words ([`args`]), [`plan`] turns them into a checked job without touching
//! a file. What fails before a file is opened is a usage error; everything later is a failure. What was asked for goes
//! to stdout as JSON or a table, all messages to stderr, both through [`output`] alone.

pub mod args;
mod bench;
mod cut;
mod editor;
mod error;
mod generate;
mod inspect;
mod mask;
mod models;
mod output;
mod perceive;
pub mod plan;
mod previews;
mod rerun;
mod run;
mod target;

use std::process::ExitCode;

use clap::Parser;

use args::{BenchArgs, BenchCommand, Cli, Command, Data};
use error::CliError;

/// Runs the program and gives its exit code.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(output::report_panic));
    init_log();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for and go to stdout; a closed pipe there is nobody's fault.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(2)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    // The hook has spoken already when this catches something.
    let result = std::panic::catch_unwind(|| dispatch(cli));
    match result {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            output::report(&error);
            error.exit_code()
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn dispatch(cli: Cli) -> Result<(), CliError> {
    match cli.command {
        None => editor::run(cli.files),
        Some(Command::Generate(args)) => generate::run(&args),
        Some(Command::Perceive(args)) => perceive::run(&args),
        Some(Command::Inspect(args)) => inspect::run(&args),
        Some(Command::Rerun(args)) => rerun::run(&args),
        Some(Command::Mask(args)) => mask::run(&args),
        Some(Command::Cut(args)) => cut::run(&args),
        Some(Command::Bench(BenchArgs {
            command: Some(BenchCommand::World(args)),
            ..
        })) => crate::world::command::bench(&args).map_err(CliError::from),
        Some(Command::Bench(BenchArgs {
            command: Some(BenchCommand::Flux2(args)),
            ..
        })) => bench::run_flux2(&args),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Models(command)) => models::run(command),
        Some(Command::World(command)) => {
            crate::world::command::run(&command).map_err(CliError::from)
        }
        Some(Command::Eval(args)) => crate::eval::command::run(&args).map_err(CliError::from),
        Some(Command::Data(Data::Made(command))) => {
            crate::data::command::run(command).map_err(CliError::from)
        }
        Some(Command::Data(Data::Collages(args))) => {
            crate::eval::collages::run(&args).map_err(CliError::from)
        }
    }
}

/// Log lines only for those who ask for them by INLAY_LOG (a filter such as `debug` or `inlay=trace`).
fn init_log() {
    use std::io::IsTerminal;
    if std::env::var_os("INLAY_LOG").is_none() {
        return;
    }
    let filter = tracing_subscriber::EnvFilter::from_env("INLAY_LOG");
    // A second initialisation, as in a test, changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
}
