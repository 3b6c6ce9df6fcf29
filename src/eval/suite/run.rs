//! `inlay eval --suite`: makes the cases, judges them, writes the report.

use std::fmt::Write;
use std::path::Path;

use anyhow::{bail, ensure};
use serde::Serialize;

use super::super::case::{ALL_TASKS, Case, Settings};
use super::super::command::{EvalArgs, PATIENCE, progress};
use super::super::folder;
use super::super::sheet::grid;
use super::table::{Entry, Table};
use super::tasks::{Section, Strip};
use super::{insertion, tasks};
use crate::data::plan::{Task, Weights};
use crate::data::sample::Maker;
use crate::doc::Picture;
use crate::io::save;
use crate::model::Source;
use crate::model::bench::{self, BenchOptions, BenchReport};
use crate::pipeline::generator::{Generator, GeneratorInfo};
use crate::world::pack::Split;

/// Rows of a sheet: the first cases as they come.
const SHOWN: usize = 24;
/// For so many masked insertions there is one without a mask.
const MASKED_TO_UNMASKED: usize = 4;

#[derive(Serialize)]
struct Part {
    task: &'static str,
    command: String,
    cases: usize,
    tables: Vec<Table>,
    sheets: Vec<String>,
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Cost {
    command: String,
    figures: BenchReport,
}

#[derive(Serialize)]
struct Report<'a> {
    command: String,
    model: &'a str,
    model_hash: &'a str,
    settings: Settings,
    parts: &'a [Part],
    cost: Option<&'a Cost>,
}

/// Judges all tasks (or one) and writes `report.json`, `report.md` and a sheet for each task into `dir`.
///
/// # Errors
/// Cases, pack or model that can't be read, and files that can't be written.
pub fn run(
    args: &EvalArgs,
    task: Option<Task>,
    dir: &Path,
    source: &Source,
    generator: &mut dyn Generator,
    settings: &Settings,
) -> anyhow::Result<()> {
    save::make_folder(dir)?;
    save::check_folder(dir)?;
    let given = match &args.cases {
        Some(cases) => Some(folder::read_all(cases)?),
        None => None,
    };
    let mut parts = Vec::new();
    for is in ALL_TASKS
        .into_iter()
        .filter(|is| task.is_none_or(|task| task == *is))
    {
        let cases = match &given {
            Some(given) => given
                .iter()
                .filter(|case| case.task == is)
                .cloned()
                .collect(),
            None => generated(args, is)?,
        };
        if cases.is_empty() {
            continue;
        }
        if let Some(dir) = &args.write_cases {
            for case in &cases {
                let mut case = case.clone();
                case.name = format!("{}-{}", is.name(), case.name);
                folder::write(dir, &case)?;
            }
        }
        let bar = progress(is.name(), cases.len());
        let tick = || bar.inc(1);
        let section = match is {
            Task::InsertReference => {
                insertion::section(&cases, given.is_none(), settings, generator, &tick)?
            }
            _ => tasks::section(is, &cases, settings, generator, &tick)?,
        };
        bar.finish_and_clear();
        parts.push(part(args, is, cases.len(), section, dir)?);
    }
    ensure!(!parts.is_empty(), "there are no cases of this kind");
    let cost = match task.is_none() && !args.no_cost {
        true => Some(cost(args, source, generator)?),
        false => None,
    };
    let report = Report {
        command: command(args, task),
        model: &generator.info().name,
        model_hash: &generator.info().hash,
        settings: *settings,
        parts: &parts,
        cost: cost.as_ref(),
    };
    let json = serde_json::to_string_pretty(&report)? + "\n";
    save::replace(&dir.join("report.json"), json.as_bytes())?;
    let text = markdown(&report, generator.info());
    save::replace(&dir.join("report.md"), text.as_bytes())?;
    Ok(())
}

fn part(
    args: &EvalArgs,
    task: Task,
    cases: usize,
    section: Section,
    dir: &Path,
) -> anyhow::Result<Part> {
    let mut sheets = Vec::new();
    for (name, strips) in &section.sheets {
        if !strips.is_empty() {
            let name = format!("{name}.png");
            save::replace(&dir.join(&name), &drawn(strips)?)?;
            sheets.push(name);
        }
    }
    Ok(Part {
        task: task.name(),
        command: command(args, Some(task)),
        cases,
        tables: section.tables,
        sheets,
        entries: section.entries,
    })
}

fn drawn(strips: &[Strip]) -> anyhow::Result<Vec<u8>> {
    let strips = &strips[..strips.len().min(SHOWN)];
    // What no row has takes no room.
    let used = |column: &usize| {
        strips
            .iter()
            .any(|s| matches!(s.get(*column), Some(Some(_))))
    };
    let columns = strips.iter().map(Vec::len).max().unwrap_or(0);
    let columns: Vec<usize> = (0..columns).filter(used).collect();
    let field = |strip: &'_ Strip, at: usize| strip.get(at).cloned().flatten();
    let rows: Vec<Strip> = strips
        .iter()
        .map(|strip| columns.iter().map(|&at| field(strip, at)).collect())
        .collect();
    let rows: Vec<Vec<Option<&Picture>>> = rows
        .iter()
        .map(|strip| strip.iter().map(Option::as_deref).collect())
        .collect();
    let rows: Vec<&[Option<&Picture>]> = rows.iter().map(Vec::as_slice).collect();
    let mut bytes = std::io::Cursor::new(Vec::new());
    grid(&rows).write_to(&mut bytes, image::ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

/// The first samples of a task in a stream of that task alone: nothing is picked but, for insertion, how many come
/// without a mask. New pictures come without masks: where there is no canvas, an artist has none.
fn generated(args: &EvalArgs, task: Task) -> anyhow::Result<Vec<Case>> {
    let (Some(count), Some(pack)) = (args.generated, &args.pack) else {
        bail!("nothing to judge: give --cases DIR, or --generated N with --pack DIR");
    };
    let pack = args.open(pack)?;
    let weights = Weights::parse(task.name())?;
    let maker = Maker::weighted(pack, None, args.size, args.seed, weights)?;
    let mut open = match task {
        Task::InsertReference => [Some(count), Some(count.div_ceil(MASKED_TO_UNMASKED))],
        Task::Customise => [Some(0), Some(count)],
        _ => [None, None],
    };
    let mut left = match open {
        [Some(masked), Some(unmasked)] => masked + unmasked,
        _ => count,
    };
    let bar = progress("making cases", left);
    let mut cases = Vec::with_capacity(left);
    let mut index = 0;
    while left > 0 {
        ensure!(
            index < PATIENCE * count as u64,
            "the pack gives too few cases of {}: ask for fewer or for another task",
            task.name()
        );
        let kind = |masked: bool| usize::from(!masked);
        // Planning is quick and drawing is not.
        let planned = kind(maker.plan(index).level.is_some());
        if open[planned] != Some(0) {
            let record = maker.record(index)?;
            // A sample that could not be made as planned may be of another kind.
            if record.task == task as u16 {
                let case = Case::from_record(&record, args.size)?;
                let room = &mut open[kind(case.mask.is_some())];
                if *room != Some(0) {
                    *room = room.map(|room| room - 1);
                    left -= 1;
                    cases.push(case);
                    bar.inc(1);
                }
            }
        }
        index += 1;
    }
    bar.finish_and_clear();
    Ok(cases)
}

/// Numbers of inputs that a step is timed with.
const INPUTS: [usize; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

fn cost(args: &EvalArgs, source: &Source, generator: &mut dyn Generator) -> anyhow::Result<Cost> {
    let device = generator.device().clone();
    let mut options = BenchOptions::for_device(&device);
    options.inputs = INPUTS.to_vec();
    let bar = progress("timing a step", INPUTS.len());
    let figures = bench::run(source, &device, &options, &mut |_| bar.tick())?;
    bar.finish_and_clear();
    let mut command = format!(
        "inlay bench --inputs {} --json",
        INPUTS.map(|n| n.to_string()).join(",")
    );
    if args.model != "embedded" {
        let _ = write!(command, " --model {}", args.model);
    }
    Ok(Cost { command, figures })
}

/// The command that repeats this, or one task of it.
fn command(args: &EvalArgs, task: Option<Task>) -> String {
    let mut text = "inlay eval --suite DIR".to_owned();
    let mut add = |name: &str, value: &dyn std::fmt::Display| {
        let _ = write!(text, " --{name} {value}");
    };
    if let Some(task) = task {
        add("task", &task.name());
    }
    if args.model != "embedded" {
        add("model", &args.model);
    }
    match (&args.cases, args.generated, &args.pack) {
        (Some(cases), _, _) => add("cases", &cases.display()),
        (None, Some(count), Some(pack)) => {
            add("generated", &count);
            add("pack", &pack.display());
            add("size", &args.size);
            if args.split == Split::Train {
                add("split", &"train");
            }
            match args.backgrounds.filter(|around| *around != args.split) {
                Some(Split::Train) => add("backgrounds", &"train"),
                Some(Split::Heldout) => add("backgrounds", &"heldout"),
                None => {}
            }
        }
        _ => {}
    }
    add("seed", &args.seed);
    if let Some(steps) = args.steps {
        add("steps", &steps);
    }
    if args.guidance_text != 1.0 {
        add("guidance-text", &args.guidance_text);
    }
    if args.guidance_image != 1.0 {
        add("guidance-image", &args.guidance_image);
    }
    if args.solver != "euler" {
        add("solver", &args.solver);
    }
    if args.feather != crate::doc::job::BlendSpec::default().feather {
        add("feather", &args.feather);
    }
    if args.cast != crate::doc::job::BlendSpec::default().cast {
        add("cast", &args.cast);
    }
    if args.shadow != crate::doc::job::BlendSpec::default().shadow {
        add("shadow", &args.shadow);
    }
    for (set, name) in [
        (args.no_colour_match, " --no-colour-match"),
        (args.no_detail, " --no-detail"),
        (args.whole, " --whole"),
        (args.no_context, " --no-context"),
    ] {
        if set {
            text += name;
        }
    }
    text
}

fn markdown(report: &Report<'_>, info: &GeneratorInfo) -> String {
    let mut text = format!(
        "# {} at {} px\n\nWeights {}. All of it: `{}`\n\nThe cases are the first of the stream, the sheets the first \
         {SHOWN} of them; nothing is picked. Intervals are of the mean over cases, by bootstrap. PSNR in dB; errors \
         are of 1.\n",
        report.model, info.resolution, report.model_hash, report.command
    );
    for part in report.parts {
        for table in &part.tables {
            let _ = write!(
                text,
                "\n## {}\n\n`{}`\n\n{}",
                table.title,
                part.command,
                table.markdown()
            );
        }
        for sheet in &part.sheets {
            let _ = write!(text, "\n![{sheet}]({sheet})\n");
        }
    }
    if let Some(Cost { command, figures }) = report.cost {
        let _ = write!(
            text,
            "\n## Time of a step by number of inputs\n\n`{command}`\n\n{} of {} parameters at {}×{} on {} ({}, {} \
             threads), milliseconds; cached: keys and values of text and inputs at hand, as a job's steps run; \
             recomputed: the same attention, all of it anew; full: every token attends to every token.\n\n\
             | inputs | cached | of one input | recomputed | full | of one input |\n|---|---|---|---|---|---|\n",
            figures.preset,
            figures.parameters,
            figures.size[0],
            figures.size[1],
            figures.device,
            figures.instructions,
            figures.threads
        );
        if let Some(one) = figures.steps.first() {
            for step in &figures.steps {
                let _ = writeln!(
                    text,
                    "| {} | {:.1} | {:.2} | {:.1} | {:.1} | {:.2} |",
                    step.inputs,
                    step.cached_ms,
                    step.cached_ms / one.cached_ms,
                    step.uncached_ms,
                    step.full_ms,
                    step.full_ms / one.full_ms
                );
            }
        }
    }
    text
}
