//! The `inlay data` commands.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::caption::caption;
use super::plan::{Planner, generator};
use crate::world::pack::{Pack, Split};

/// Make training samples from an asset pack.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Print the captions of a stream's samples, one a line, without rendering anything.
    Captions(CaptionsArgs),
}

/// Arguments of `inlay data captions`.
#[derive(Debug, Args)]
pub struct CaptionsArgs {
    /// The asset pack's folder
    #[arg(long, value_name = "DIR")]
    pub pack: PathBuf,
    /// How many captions
    #[arg(long, default_value_t = 1000)]
    pub count: u64,
    /// Seed of the stream
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Which part of the pack
    #[arg(long, value_enum, default_value = "train")]
    pub split: Split,
}

/// Runs one of the commands.
pub fn run(command: DataCommand) -> anyhow::Result<()> {
    match command {
        DataCommand::Captions(args) => quiet(captions(&args)),
    }
}

fn captions(args: &CaptionsArgs) -> anyhow::Result<()> {
    let pack = Pack::open(&args.pack, args.split)?;
    let planner = Planner::new(&pack)?;
    let mut out = BufWriter::new(io::stdout().lock());
    for index in 0..args.count {
        let plan = planner.plan(&pack, args.seed, index, 0);
        let text = caption(&pack, &plan, &mut generator(args.seed, index, 1)).text();
        writeln!(out, "{text}")?;
    }
    out.flush()?;
    Ok(())
}

/// A reader that has had enough closes the pipe: that is no failure.
fn quiet(result: anyhow::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error)
            if error
                .downcast_ref::<io::Error>()
                .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) =>
        {
            Ok(())
        }
        other => other,
    }
}
