//! The `inlay data` commands.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, Subcommand};

use super::sample::Maker;
use super::task::Weights;
use super::tokens;
use super::video::frames::films;
use super::video::samples::{Words, samples};
use super::video::shard::Shards;
use crate::io::console::{self, Misuse};
use crate::io::{SaveError, save};
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
    #[arg(long, default_value_t = 128, allow_negative_numbers = true, value_parser = console::side)]
    pub size: usize,
    /// Seed of the stream
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = console::whole)]
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
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(console::png))]
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
    #[arg(long, default_value_t = 128, allow_negative_numbers = true, value_parser = console::side)]
    pub size: usize,
    /// Frames taken of a second of film
    #[arg(long, default_value_t = 4.0, allow_negative_numbers = true, value_parser = console::rate)]
    pub rate: f32,
    /// What moves, such as "red car"
    #[arg(long, value_name = "WORDS")]
    pub object: Option<String>,
    /// What happens from frame to frame, as an instruction
    #[arg(long, value_name = "TEXT")]
    pub caption: Option<String>,
    /// Seed of what is left to chance
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = console::whole)]
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
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = console::whole)]
    pub seed: u64,
    /// Which part of the pack
    #[arg(long, value_enum, default_value = "train")]
    pub split: Split,
    /// How often each task comes up, as for a stream
    #[arg(long, value_name = "LIST|FILE")]
    pub tasks: Option<String>,
}

/// Runs one of the commands.
///
/// # Errors
/// A pack, film, tokenizer or task weights that can't be used, samples that can't be made, a file that can't be
/// written. A closed pipe is no error.
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
    let weights = weights(source.tasks.as_deref())?;
    let pack = Pack::open(&source.pack, source.split)?;
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
    Weights::parse(given).map_err(|error| Misuse(format!("{error:#}")).into())
}

fn stream(args: &StreamArgs) -> anyhow::Result<()> {
    let maker = maker(&args.source, Some(&args.tokenizer))?;
    let (count, workers) = (args.count, args.source.workers);
    match &args.out {
        Some(path) => into_file(path, |mut out| {
            super::stream::write(&maker, count, workers, &mut out)
        }),
        None => super::stream::write(
            &maker,
            count,
            workers,
            &mut BufWriter::new(io::stdout().lock()),
        ),
    }
}

/// Writes a file whose content is made meanwhile. It takes its place when it is whole; a device, such as /dev/stdout,
/// gets the bytes as they come.
///
/// # Errors
/// What `content` says, or [`SaveError`] where a write failed; then a file that was there is as it was.
pub fn into_file(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut failure = None;
    let saved = save::replace_with(path, |out| {
        content(out).map_err(|error| match error.downcast::<io::Error>() {
            // Only a failed write is a bare error of the system; others come with what was being done.
            Ok(error) => error,
            Err(error) => {
                failure = Some(error);
                io::Error::other("the content could not be made")
            }
        })
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(saved?),
    }
}

fn sheet(args: &SheetArgs) -> anyhow::Result<()> {
    save::check_file(&args.out)?;
    let maker = maker(&args.source, None)?;
    let mut records = Vec::new();
    super::stream::each(&maker, args.count, args.source.workers, |record| {
        console::line(&format!("{:3}  {}", record.id, record.text));
        records.push(record);
        Ok(())
    })?;
    let sheet = super::sheet::sheet(&records, args.source.size);
    Ok(crate::io::picture::write_png(&args.out, &sheet)?)
}

fn captions(args: &CaptionsArgs) -> anyhow::Result<()> {
    let weights = weights(args.tasks.as_deref())?;
    let pack = Pack::open(&args.pack, args.split)?;
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
        console::line(&format!(
            "{}: {} samples of {} frames",
            film.name,
            records.len(),
            film.frames.len()
        ));
    }
    let count = shards.finish()?;
    console::line(&format!("{count} samples in {}", args.out.display()));
    Ok(())
}

/// A reader that has had enough closes the pipe: that is no failure.
fn quiet(result: anyhow::Result<()>) -> anyhow::Result<()> {
    let closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    match result {
        Err(error)
            if error.downcast_ref().is_some_and(closed)
                || matches!(error.downcast_ref(), Some(SaveError::NoReader(_))) =>
        {
            Ok(())
        }
        other => other,
    }
}
