//! The `inlay data` commands.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};

use super::sample::Maker;
use super::task::Weights;
use super::tokens;
use super::video::frames::films;
use super::video::samples::{Words, samples};
use super::video::shard::Shards;
use crate::world::pack::{Pack, Split, splits};

/// What `inlay data` makes without the pipeline.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Print the captions of a stream's samples, one a line, without rendering anything.
    Captions(CaptionsArgs),
    /// Write samples as records, to standard output or a file.
    Stream(StreamArgs),
    /// Make samples from real video, as WebDataset shards with an index.
    Video(VideoArgs),
    /// Print every asset id of a pack and the part it is of, train or heldout, tab-separated, one a line.
    Split(SplitArgs),
    /// Draw a contact sheet of samples: inputs, output, object, changed pixels.
    Sheet(SheetArgs),
}

/// Where samples come from.
#[derive(Clone, Debug, Args)]
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
    /// How often each task comes up: task=weight,task=weight, or a JSON file of {"task": weight}; insertion with
    /// reference is half if left out
    #[arg(long, value_name = "LIST|FILE")]
    pub tasks: Option<String>,
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

/// Arguments of `inlay data split`.
#[derive(Debug, Args)]
pub struct SplitArgs {
    /// The asset pack's folder
    #[arg(long, value_name = "DIR")]
    pub pack: PathBuf,
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

/// Arguments of `inlay data video`.
#[derive(Debug, Args)]
pub struct VideoArgs {
    /// A film, a folder of frames, or a folder of films
    #[arg(value_name = "FILE|DIR")]
    pub source: PathBuf,
    /// The folder for the shards
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The tokenizer.json that turns captions into tokens
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,
    /// Side of the pictures in pixels: a multiple of 16 from 32 to 512
    #[arg(long, default_value_t = 128)]
    pub size: usize,
    /// Frames taken of a second of film
    #[arg(long, default_value_t = 4.0)]
    pub rate: f32,
    /// What moves, such as "red car"
    #[arg(long, value_name = "WORDS")]
    pub object: Option<String>,
    /// What happens from frame to frame, as an instruction
    #[arg(long, value_name = "TEXT")]
    pub caption: Option<String>,
    /// Seed of what is left to chance
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Samples in a shard
    #[arg(long, default_value_t = 1000)]
    pub shard: usize,
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
    /// How often each task comes up, as for a stream
    #[arg(long, value_name = "LIST|FILE")]
    pub tasks: Option<String>,
}

/// Runs one of the commands.
pub fn run(command: DataCommand) -> anyhow::Result<()> {
    match command {
        DataCommand::Captions(args) => quiet(captions(&args)),
        DataCommand::Stream(args) => quiet(stream(&args)),
        DataCommand::Split(args) => quiet(split(&args)),
        DataCommand::Sheet(args) => sheet(&args),
        DataCommand::Video(args) => video(&args),
    }
}

/// The maker of these samples.
///
/// # Errors
/// A pack or tokenizer that can't be read, or task weights that can't be understood.
pub fn maker(source: &SourceArgs, tokenizer: Option<&Path>) -> anyhow::Result<Maker> {
    let pack = Pack::open(&source.pack, source.split)?;
    let weights = weights(source.tasks.as_deref())?;
    Maker::weighted(pack, tokenizer, source.size, source.seed, weights)
}

/// Task weights from a list or a JSON file.
fn weights(given: Option<&str>) -> anyhow::Result<Weights> {
    let Some(given) = given else {
        return Ok(Weights::default());
    };
    if given.ends_with(".json") {
        let text = std::fs::read_to_string(given)
            .with_context(|| format!("{given} can't be read; name a JSON file of task weights"))?;
        return Weights::parse(&text);
    }
    Weights::parse(given)
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
    let weights = weights(args.tasks.as_deref())?;
    // Captions speak of what is filmed; for that small pictures will do.
    let maker = Maker::weighted(pack, None, 32, args.seed, weights)?;
    let mut out = BufWriter::new(io::stdout().lock());
    for index in 0..args.count {
        if let Some((_, caption)) = maker.caption(index) {
            writeln!(out, "{}", caption.text())?;
        }
    }
    out.flush()?;
    Ok(())
}

fn split(args: &SplitArgs) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for (id, split) in splits(&args.pack)? {
        let part = match split {
            Split::Train => "train",
            Split::Heldout => "heldout",
        };
        writeln!(out, "{id}\t{part}")?;
    }
    out.flush()?;
    Ok(())
}

fn video(args: &VideoArgs) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.size.is_multiple_of(16) && (32..=512).contains(&args.size),
        "the size must be a multiple of 16 from 32 to 512"
    );
    anyhow::ensure!(
        args.rate.is_finite() && args.rate > 0.0,
        "the rate must be above 0 frames a second"
    );
    let tokenizer = args.tokenizer.as_deref().map(tokens::open).transpose()?;
    let words = Words {
        object: args.object.clone(),
        caption: args.caption.clone(),
    };
    // Read first: where that fails no folder is left behind.
    let films = films(&args.source, args.size, args.rate)?;
    let mut shards = Shards::create(&args.out, "video", args.size, args.shard)?;
    for (at, film) in films.iter().enumerate() {
        let mut records = samples(film, &words, args.seed + at as u64);
        for record in &mut records {
            record.tokens = tokens::tokens(tokenizer.as_ref(), &record.text)?;
            shards.add(&format!("{at:04}-{:06}", record.id), record)?;
        }
        eprintln!(
            "{}: {} samples of {} frames",
            film.name,
            records.len(),
            film.frames.len()
        );
    }
    let count = shards.finish()?;
    eprintln!("{count} samples in {}", args.out.display());
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
