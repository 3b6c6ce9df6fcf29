//! The `inlay data` commands.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};

use super::caption::caption;
use super::plan::{Planner, generator};
use super::sample::Maker;
use crate::world::pack::{Pack, Split};

/// Make training samples from an asset pack.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Print the captions of a stream's samples, one a line, without rendering anything.
    Captions(CaptionsArgs),
    /// Write samples as records, to standard output or a file.
    Stream(StreamArgs),
    /// Draw a contact sheet of samples: inputs, output, object, changed pixels.
    Sheet(SheetArgs),
}

/// Where samples come from.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// The asset pack's folder
    #[arg(long, value_name = "DIR")]
    pub pack: PathBuf,
    /// Side of the pictures in pixels: a multiple of 16 from 32 to 512
    #[arg(long, default_value_t = 128)]
    pub size: usize,
    /// Seed of the stream
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Which part of the pack
    #[arg(long, value_enum, default_value = "train")]
    pub split: Split,
    /// Threads that render
    #[arg(long, default_value_t = 1)]
    pub workers: usize,
}

/// Arguments of `inlay data stream`.
#[derive(Debug, Args)]
pub struct StreamArgs {
    /// Where samples come from
    #[command(flatten)]
    pub source: SourceArgs,
    /// The tokenizer.json that turns captions into tokens
    #[arg(long, value_name = "FILE")]
    pub tokenizer: PathBuf,
    /// How many samples
    #[arg(long, default_value_t = 1000)]
    pub count: u64,
    /// The file to write, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Arguments of `inlay data sheet`.
#[derive(Debug, Args)]
pub struct SheetArgs {
    /// Where samples come from
    #[command(flatten)]
    pub source: SourceArgs,
    /// How many samples
    #[arg(long, default_value_t = 8)]
    pub count: u64,
    /// The PNG to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
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
        DataCommand::Stream(args) => quiet(stream(&args)),
        DataCommand::Sheet(args) => sheet(&args),
    }
}

fn maker(source: &SourceArgs, tokenizer: Option<&Path>) -> anyhow::Result<Maker> {
    let pack = Pack::open(&source.pack, source.split)?;
    Maker::new(pack, tokenizer, source.size, source.seed)
}

fn stream(args: &StreamArgs) -> anyhow::Result<()> {
    let maker = maker(&args.source, Some(&args.tokenizer))?;
    let (count, workers) = (args.count, args.source.workers);
    match &args.out {
        Some(path) => {
            let file = File::create(path)
                .with_context(|| format!("{} can't be written", path.display()))?;
            super::stream::write(&maker, count, workers, &mut BufWriter::new(file))
        }
        None => super::stream::write(
            &maker,
            count,
            workers,
            &mut BufWriter::new(io::stdout().lock()),
        ),
    }
}

fn sheet(args: &SheetArgs) -> anyhow::Result<()> {
    let maker = maker(&args.source, None)?;
    let mut records = Vec::new();
    super::stream::each(&maker, args.count, args.source.workers, |record| {
        eprintln!("{:3}  {}", record.id, record.text);
        records.push(record);
        Ok(())
    })?;
    super::sheet::sheet(&records, args.source.size)
        .save(&args.out)
        .with_context(|| format!("{} can't be written", args.out.display()))
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
