//! The `inlay world` commands, and how fast scenes are made.

use std::io::{ErrorKind, Write, stdout};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, Subcommand};
use rayon::prelude::*;

use super::casting::{Casting, generator};
use super::clip::{Change, clip};
use super::frame::{Frame, Renderer};
use super::pack::{Pack, Split};
use super::stage::Stage;
use crate::io::{console, names, picture, save};

/// Look at the scenes that samples are made of.
#[derive(Debug, Subcommand)]
pub enum WorldCommand {
    /// Draw scenes as contact sheets: a video in each row, and what is known of its first frame.
    Render(RenderArgs),
}

/// Arguments of `inlay world render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// The asset pack's folder
    #[arg(long, value_name = "DIR")]
    pub pack: PathBuf,
    /// Which part of the pack
    #[arg(long, value_enum, default_value = "train")]
    pub split: Split,
    /// Seed of the scenes
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = console::whole)]
    pub seed: u64,
    /// How many scenes
    #[arg(long, default_value_t = 8)]
    pub count: u64,
    /// Side of the frames in pixels: a multiple of 16 from 32 to 512
    #[arg(long, default_value_t = 128, allow_negative_numbers = true, value_parser = console::side)]
    pub size: usize,
    /// The PNG to write; with more than 12 scenes the sheets are numbered
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(console::png))]
    pub out: PathBuf,
}

/// Arguments of `inlay bench world`.
#[derive(Debug, Args)]
pub struct WorldBenchArgs {
    /// The asset pack's folder
    #[arg(long, value_name = "DIR")]
    pub pack: PathBuf,
    /// Side of the frames in pixels
    #[arg(long, default_value_t = 128, allow_negative_numbers = true, value_parser = console::side)]
    pub size: usize,
    /// How many scenes
    #[arg(long, default_value_t = 40)]
    pub count: u64,
    /// Seed of the scenes
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = console::whole)]
    pub seed: u64,
}

/// A rendered video: frames, and what changed in each against the first.
pub struct Video {
    /// Words for the scene.
    pub title: String,
    /// The frames.
    pub frames: Vec<Frame>,
    /// What changed, and to which actor; `None` for the first.
    pub changes: Vec<Option<(usize, Change)>>,
}

/// Video `index` of the stream of `seed`: 4 to 6 frames.
pub fn video(pack: &Pack, casting: &Casting, seed: u64, index: u64, size: usize) -> Option<Video> {
    use rand::Rng;
    for attempt in 0..50 {
        let rng = &mut generator(seed, index, attempt);
        let wish = casting.wish(pack, rng);
        let Some(stage) = Stage::new(pack, &wish, size, rng) else {
            continue;
        };
        let count = rng.random_range(4..=6);
        let shots = clip(&stage, count, rng);
        if shots.len() < 4 {
            continue;
        }
        let mut renderer = Renderer::new(&stage);
        let frames: Option<Vec<Frame>> =
            shots.iter().map(|(shot, _)| renderer.frame(shot)).collect();
        let Some(frames) = frames else { continue };
        let names: Vec<&str> = stage
            .first
            .actors
            .iter()
            .map(|a| pack.objects[a.object].name.as_str())
            .collect();
        return Some(Video {
            title: format!("{} on {:?}", names.join(", "), stage.backdrop),
            frames,
            changes: shots.into_iter().map(|(_, change)| change).collect(),
        });
    }
    None
}

/// Runs one of the commands.
///
/// # Errors
/// A pack that can't be used, or a sheet that can't be written.
pub fn run(command: &WorldCommand) -> anyhow::Result<()> {
    match command {
        WorldCommand::Render(args) => render(args),
    }
}

fn open(dir: &Path, split: Split) -> anyhow::Result<(Pack, Casting)> {
    let pack = Pack::open(dir, split)?;
    let casting = Casting::new(&pack)?;
    Ok((pack, casting))
}

const ROWS: usize = 12;

fn render(args: &RenderArgs) -> anyhow::Result<()> {
    // Sheets of as many scenes as are asked for, though some may not come about.
    let sheets = (args.count as usize).div_ceil(ROWS).max(1);
    save::check_file(&sheet_file(&args.out, sheets, sheets))?;
    let (pack, casting) = open(&args.pack, args.split)?;
    let videos: Vec<Option<Video>> = (0..args.count)
        .into_par_iter()
        .map(|i| video(&pack, &casting, args.seed, i, args.size))
        .collect();
    for (i, video) in videos.iter().enumerate() {
        match video {
            Some(video) => {
                console::line(&format!("{i:3}  {}  {:?}", video.title, video.changes));
            }
            None => console::line(&format!("{i:3}  could not be made")),
        }
    }
    let videos: Vec<Video> = videos.into_iter().flatten().collect();
    let sheets = videos.len().div_ceil(ROWS);
    for (k, rows) in videos.chunks(ROWS).enumerate() {
        let path = sheet_file(&args.out, k + 1, sheets);
        picture::write_png(&path, &sheet(rows, args.size))?;
    }
    Ok(())
}

/// The file of the n-th of `count` sheets.
fn sheet_file(out: &Path, n: usize, count: usize) -> PathBuf {
    match count {
        0 | 1 => out.to_path_buf(),
        _ => names::numbered(out, n as u32),
    }
}

/// Rows of frames, then ids, depth and effect of the first.
fn sheet(videos: &[Video], size: usize) -> image::RgbImage {
    const COLUMNS: usize = 9;
    let gap = 4;
    let mut sheet = image::RgbImage::from_pixel(
        (COLUMNS * (size + gap) + gap) as u32,
        (videos.len() * (size + gap) + gap) as u32,
        image::Rgb([40, 40, 44]),
    );
    for (row, video) in videos.iter().enumerate() {
        let top = gap + row * (size + gap);
        let mut put = |column: usize, pixel: &dyn Fn(usize) -> [u8; 3]| {
            let left = gap + column * (size + gap);
            for i in 0..size * size {
                let (x, y) = (left + i % size, top + i / size);
                sheet.put_pixel(x as u32, y as u32, image::Rgb(pixel(i)));
            }
        };
        for (column, frame) in video.frames.iter().enumerate() {
            put(column, &|i| frame.rgb[i]);
        }
        let Some(frame) = video.frames.first() else {
            continue;
        };
        const TINTS: [[u8; 3]; 5] = [
            [0, 0, 0],
            [230, 90, 80],
            [90, 200, 110],
            [90, 130, 240],
            [230, 200, 80],
        ];
        put(6, &|i| TINTS[usize::from(frame.ids[i]).min(4)]);
        let depth = super::depth::nearness(&frame.depth);
        put(7, &|i| [depth[i]; 3]);
        put(8, &|i| {
            frame.effect[i].map(|e| (128 + i32::from(e)).clamp(0, 255) as u8)
        });
    }
    sheet
}

/// Measures how many frames a core renders in a second.
///
/// # Errors
/// A pack that can't be used, or standard output that can't be written to. A closed pipe is no error.
pub fn bench(args: &WorldBenchArgs) -> anyhow::Result<()> {
    let (pack, casting) = open(&args.pack, Split::Train)?;
    let made =
        |i: u64| video(&pack, &casting, args.seed, i, args.size).map_or(0, |v| v.frames.len());
    // The first round decodes the files.
    for i in 0..args.count {
        made(i);
    }
    let start = Instant::now();
    let frames: usize = (0..args.count).map(made).sum();
    let seconds = start.elapsed().as_secs_f64();
    let told = writeln!(
        stdout().lock(),
        "{:.1} frames/s on one core: {frames} frames of {} scenes at {}×{} in {seconds:.1} s",
        frames as f64 / seconds,
        args.count,
        args.size,
        args.size
    );
    match told {
        // A reader that has had enough closes the pipe: that is no failure.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
