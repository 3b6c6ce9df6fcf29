//! The `inlay eval` command.

use std::io::{ErrorKind, Write, stdout};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::baseline::{Baselines, baselines};
use super::case::{Case, Settings, TASKS, task_named};
use super::ceiling::ceiling;
use super::folder;
use super::report::{CaseFigures, Group, groups, table};
use super::sheet::{Row, sheet};
use super::suite;
use super::untagged::Untagged;
use crate::data::plan::Task;
use crate::data::sample::Maker;
use crate::doc::Picture;
use crate::doc::job::{BlendSpec, Solver};
use crate::io::console::{self, Misuse};
use crate::io::{picture, save};
use crate::model::{self, DeviceKind, Source};
use crate::pipeline::event::JobEvent;
use crate::pipeline::generator::{Cancel, Generator};
use crate::pipeline::unireal::UniRealGenerator;
use crate::pipeline::{RunOptions, run_with};
use crate::world::pack::{Pack, PackError, Split};

/// A stream is given up when it has gone on this many samples for each case that is wanted.
pub(super) const PATIENCE: u64 = 1000;

const NOTHING: &str = "nothing to judge: give --cases DIR, or --generated N with --pack DIR";

/// Compare a model with pasting and seamless pasting, on cases whose true picture is known
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// The model's folder; "embedded" is the model inside the program
    #[arg(long, value_name = "DIR", default_value = "embedded")]
    pub model: String,
    /// Judge the cases of this folder
    #[arg(long, value_name = "DIR", conflicts_with = "generated")]
    pub cases: Option<PathBuf>,
    /// Judge this many generated cases
    #[arg(long, value_name = "N", requires = "pack")]
    pub generated: Option<usize>,
    /// The asset pack that cases are generated from
    #[arg(long, value_name = "DIR")]
    pub pack: Option<PathBuf>,
    /// Which part of the pack
    #[arg(long, value_enum, default_value = "heldout")]
    pub split: Split,
    /// Which part of the pack what is around the objects is of: panoramas and their light, photographs, tiles [default:
    /// that of --split]. Few are held out: "train" tells new objects in surroundings that were trained on
    #[arg(long, value_enum, value_name = "SPLIT")]
    pub backgrounds: Option<Split>,
    /// Judge every task and write report.md, report.json and sheets into this folder; --generated is then the number
    /// of cases of each task
    #[arg(long, value_name = "DIR", conflicts_with_all = ["sheet", "json", "ceiling", "own_placement", "whole_assets"])]
    pub suite: Option<PathBuf>,
    /// With --suite: leave out the time of a step
    #[arg(long, requires = "suite")]
    pub no_cost: bool,
    /// Only this task: insert_reference, insert_words, remove or move; with --suite also outpaint, frame2frame,
    /// customise, control, identity_pair, text_to_image, segment, depth or edges
    #[arg(long, value_name = "TASK")]
    pub task: Option<String>,
    /// Seed of the generated cases, and of the noise
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = console::whole)]
    pub seed: u64,
    /// Side of generated pictures in pixels: a multiple of 16 from 32 to 512
    #[arg(long, default_value_t = 128, allow_negative_numbers = true, value_parser = console::side)]
    pub size: usize,
    /// Denoising steps [default: the model's]
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub steps: Option<u32>,
    /// Guidance by the text; 1 is none
    #[arg(long, value_name = "G", default_value_t = 1.0, allow_negative_numbers = true, value_parser = console::guidance)]
    pub guidance_text: f32,
    /// Guidance by the reference pictures; 1 is none
    #[arg(long, value_name = "G", default_value_t = 1.0, allow_negative_numbers = true, value_parser = console::guidance)]
    pub guidance_image: f32,
    /// The solver
    #[arg(long, default_value = "euler", value_parser = ["euler", "heun"])]
    pub solver: String,
    /// Width of the soft edge, as a share of the region's √area
    #[arg(long, default_value_t = BlendSpec::default().feather, allow_negative_numbers = true, value_parser = console::share)]
    pub feather: f32,
    /// Don't match the result's colours to the canvas
    #[arg(long)]
    pub no_colour_match: bool,
    /// Leave out the detail that canvas and objects lend the result
    #[arg(long)]
    pub no_detail: bool,
    /// How much of the shadow and the reflection falls beyond the region, 0 to 1
    #[arg(long, value_name = "SHARE", value_parser = console::share, allow_negative_numbers = true, default_value_t = 1.0)]
    pub cast: f32,
    /// How strongly the light that was found changes the ground, 0 to 3
    #[arg(long, value_name = "STRENGTH", value_parser = console::strength, allow_negative_numbers = true, default_value_t = 1.0)]
    pub shadow: f32,
    /// Give the model a case's own collage, in which the object mostly stands as in the true picture, rather than let
    /// the program make one of the mask
    #[arg(long)]
    pub own_placement: bool,
    /// Give the model assets as they are, not cut out
    #[arg(long)]
    pub whole_assets: bool,
    /// Let the model work on the whole canvas, not on a crop around the region
    #[arg(long)]
    pub whole: bool,
    /// Ask without context tags, for models that were trained without
    #[arg(long)]
    pub no_context: bool,
    /// Add what the autoencoder and the joining alone would make of the true picture
    #[arg(long)]
    pub ceiling: bool,
    /// Where to compute: auto, cpu, cuda or metal
    #[arg(long, default_value = "auto")]
    pub device: DeviceKind,
    /// Write a picture of the first cases to this PNG: canvas, asset, mask, naive, Poisson, model, target
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(console::png))]
    pub sheet: Option<PathBuf>,
    /// How many cases the sheet shows
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub sheet_rows: usize,
    /// Keep the cases as folders
    #[arg(long, value_name = "DIR")]
    pub write_cases: Option<PathBuf>,
    /// Keep the results as PNGs, named as their cases
    #[arg(long, value_name = "DIR", conflicts_with = "suite")]
    pub write_results: Option<PathBuf>,
    /// Print JSON, with the figures of every case, instead of the table
    #[arg(long)]
    pub json: bool,
}

impl EvalArgs {
    /// The part of a pack that cases are made of.
    pub(super) fn open(&self, pack: &Path) -> Result<Pack, PackError> {
        Pack::open_parts(pack, self.split, self.backgrounds.unwrap_or(self.split))
    }
}

#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    model_hash: &'a str,
    settings: Settings,
    groups: &'a [Group],
    cases: &'a [CaseFigures],
}

/// Runs the command.
///
/// # Errors
/// Cases, pack or model that can't be read, and files that can't be written.
pub fn run(args: &EvalArgs) -> anyhow::Result<()> {
    let task = args.task.as_deref().map(task_named).transpose();
    let task = task.map_err(|error| Misuse(error.to_string()))?;
    if args.cases.is_none() && args.generated.is_none() {
        return Err(Misuse(NOTHING.into()).into());
    }
    if let Some(dir) = &args.suite {
        let (mut generator, source) = load(args)?;
        let settings = settings(args, &generator);
        return suite::run(args, task, dir, &source, &mut generator, &settings);
    }
    if let Some(task) = task.filter(|task| !TASKS.contains(task)) {
        let usual = TASKS.map(|task| task.name()).join(", ");
        let name = task.name();
        let sentence = format!("{name} is judged with --suite DIR only: add it, or use {usual}");
        return Err(Misuse(sentence).into());
    }
    // Judging takes minutes: whatever can't be written is told before.
    for dir in [&args.write_cases, &args.write_results]
        .into_iter()
        .flatten()
    {
        save::make_folder(dir)?;
        save::check_folder(dir)?;
    }
    if let Some(path) = &args.sheet {
        save::check_file(path)?;
    }
    let cases = cases(args, task)?;
    if let Some(dir) = &args.write_cases {
        for case in &cases {
            folder::write(dir, case)?;
        }
    }
    let (mut generator, _) = load(args)?;
    let settings = settings(args, &generator);
    let bar = progress("judging", cases.len());
    let mut figures = Vec::with_capacity(cases.len());
    let mut shown: Vec<(usize, Baselines, Arc<Picture>)> = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let pasted = baselines(case);
        let told = if args.own_placement {
            case.clone()
        } else {
            case.told()
        };
        let result = generate(&told, &settings, &mut generator)
            .with_context(|| format!("case {} failed", case.name))?;
        if let Some(dir) = &args.write_results {
            folder::write_result(dir, &case.name, &result)?;
        }
        let best = match args.ceiling {
            true => Some(ceiling(case, &settings, &mut generator)?),
            false => None,
        };
        figures.push(CaseFigures::new(case, &pasted, &result, best.as_deref()));
        if args.sheet.is_some() && shown.len() < args.sheet_rows {
            shown.push((at, pasted, result));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if let Some(path) = &args.sheet {
        write_sheet(path, &cases, &shown)?;
    }
    let groups = groups(&figures);
    let text = if args.json {
        let report = Report {
            model: &generator.info().name,
            model_hash: &generator.info().hash,
            settings,
            groups: &groups,
            cases: &figures,
        };
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        table(&groups)
    };
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that has had enough closes the pipe: that is no failure.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// How the options ask the model.
fn settings(args: &EvalArgs, generator: &UniRealGenerator) -> Settings {
    Settings {
        seed: args.seed,
        steps: args.steps.unwrap_or(generator.info().default_steps),
        guidance_text: args.guidance_text,
        guidance_image: args.guidance_image,
        solver: if args.solver == "heun" {
            Solver::Heun
        } else {
            Solver::Euler
        },
        blend: BlendSpec {
            feather: args.feather,
            colour_match: !args.no_colour_match,
            keep_detail: !args.no_detail,
            cast: args.cast,
            shadow: args.shadow,
            ..BlendSpec::default()
        },
        cut_out: !args.whole_assets,
        whole: args.whole,
        context: !args.no_context,
    }
}

/// A bar on stderr; nothing where that is no terminal.
pub(super) fn progress(what: &'static str, length: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {eta} left") {
        bar.set_style(style);
    }
    bar.with_message(what)
}

fn cases(args: &EvalArgs, task: Option<Task>) -> anyhow::Result<Vec<Case>> {
    let cases = match (&args.cases, args.generated, &args.pack) {
        (Some(dir), _, _) => {
            let mut cases = folder::read_all(dir)?;
            let wanted = |is: Task| task.map_or(TASKS.contains(&is), |task| is == task);
            cases.retain(|case| wanted(case.task));
            cases
        }
        (None, Some(count), Some(pack)) => generated(args, pack, count, task)?,
        _ => return Err(Misuse(NOTHING.into()).into()),
    };
    ensure!(!cases.is_empty(), "there are no cases of this kind");
    Ok(cases)
}

/// The first cases of the stream: nothing is picked but the task.
fn generated(
    args: &EvalArgs,
    pack: &Path,
    count: usize,
    task: Option<Task>,
) -> anyhow::Result<Vec<Case>> {
    let maker = Maker::new(args.open(pack)?, None, args.size, args.seed)?;
    let wanted = |is: Task| TASKS.contains(&is) && task.is_none_or(|task| is == task);
    let bar = progress("making cases", count);
    let mut cases = Vec::with_capacity(count);
    let mut index = 0;
    while cases.len() < count {
        ensure!(
            index < PATIENCE * count as u64,
            "the pack gives too few cases of this task: ask for fewer or for another task"
        );
        // Planning is quick and drawing is not.
        if wanted(maker.planned(index)) {
            let record = maker.record(index)?;
            // Only a sample that could not be made as planned is of another task.
            if TASKS
                .iter()
                .any(|&is| is as u16 == record.task && wanted(is))
            {
                cases.push(Case::from_record(&record, args.size)?);
                bar.inc(1);
            }
        }
        index += 1;
    }
    bar.finish_and_clear();
    Ok(cases)
}

fn load(args: &EvalArgs) -> anyhow::Result<(UniRealGenerator, Source)> {
    let device = model::open_device(args.device)?;
    let (name, source) = if args.model == "embedded" {
        let source = model::embedded().map_err(|why| anyhow::anyhow!("{why} (--model DIR)"))?;
        (model::EMBEDDED_NAME.to_owned(), source)
    } else {
        let folder = PathBuf::from(&args.model);
        let name = folder.file_name().map_or_else(
            || "model".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        );
        (name, Source::Folder(folder))
    };
    let bar = progress("loading the model", model::FILES.len());
    let generator = UniRealGenerator::load(&name, &source, &device, &mut |_, _| bar.tick())?;
    bar.finish_and_clear();
    Ok((generator, source))
}

/// What the model makes of a case.
pub(super) fn generate(
    case: &Case,
    settings: &Settings,
    generator: &mut dyn Generator,
) -> anyhow::Result<Arc<Picture>> {
    let pictures = generate_joint(case, settings, generator)?;
    let first = pictures.into_iter().next();
    first.context("the model made no picture")
}

/// The joint pictures that the model makes of a case, in RES order.
pub(super) fn generate_joint(
    case: &Case,
    settings: &Settings,
    generator: &mut dyn Generator,
) -> anyhow::Result<Vec<Arc<Picture>>> {
    let mut pictures = Vec::new();
    let mut untagged;
    let generator: &mut dyn Generator = match settings.context {
        true => generator,
        false => {
            untagged = Untagged(generator);
            &mut untagged
        }
    };
    run_with(
        &case.job(settings),
        generator,
        &Cancel::default(),
        RunOptions {
            previews: false,
            focus: None,
        },
        &mut |event| {
            if let JobEvent::Output(output) = event {
                pictures.push((output.joint, output.picture));
            }
        },
    )?;
    pictures.sort_by_key(|(joint, _)| *joint);
    Ok(pictures.into_iter().map(|(_, picture)| picture).collect())
}

fn write_sheet(
    path: &Path,
    cases: &[Case],
    shown: &[(usize, Baselines, Arc<Picture>)],
) -> anyhow::Result<()> {
    let rows: Vec<Row> = shown
        .iter()
        .map(|(at, pasted, model)| Row {
            case: &cases[*at],
            naive: &pasted.naive,
            poisson: pasted.poisson.as_ref(),
            model,
        })
        .collect();
    Ok(picture::write_png(path, &sheet(&rows))?)
}
