//! `inlay bench`: how fast a model is on this machine.

use std::path::Path;

use serde::Serialize;

use super::args::{BenchArgs, Flux2BenchArgs};
use super::error::CliError;
use super::output::{self, Progress};
use crate::engine::ModelSource;
use crate::engine::latency::{self, Latency};
use crate::model::bench::{self, BenchOptions, BenchReport};
use crate::model::flux2::{self, bench::Flux2BenchOptions};
use crate::model::{self, Source};

/// Jobs that are cancelled.
const CANCELLED: usize = 24;

/// All figures.
#[derive(Serialize)]
struct Figures {
    #[serde(flatten)]
    model: BenchReport,
    cancelling: Latency,
}

/// Measures; prints JSON if asked for, else a table.
pub fn run(args: &BenchArgs) -> Result<(), CliError> {
    let kind = args.device.parse().map_err(CliError::usage)?;
    let device = model::open_device(kind)?;
    let model = super::models::source(args.model.as_deref())?;
    let source = match &model {
        source if source.path().is_some_and(is_other_file) => {
            return Err(CliError::usage(
                "this is no model: name a model folder with --model",
            ));
        }
        source if source.path().is_some_and(flux2::is_flux2) => {
            return Err(CliError::usage(
                "this is a FLUX.2 model, its steps are measured by `inlay bench flux2`",
            ));
        }
        ModelSource::Folder(folder) | ModelSource::WithVae { model: folder, .. } => {
            Source::Folder(folder.clone())
        }
        ModelSource::Embedded => {
            model::embedded().map_err(|why| CliError::Failure(format!("{why} (--model DIR)")))?
        }
    };
    let mut options = BenchOptions::for_device(&device);
    if !args.inputs.is_empty() {
        options.inputs = args.inputs.iter().map(|&n| usize::from(n)).collect();
    }
    if let Some(repeats) = args.repeats {
        options.repeats = repeats as usize;
    }
    let progress = Progress::new();
    let report = bench::run(&source, &device, &options, &mut |what| {
        progress.message(what);
    });
    let report = report?;
    progress.message("cancelling jobs");
    let repeats = args.repeats.map_or(CANCELLED, |n| n as usize);
    let cancelling = latency::measure(model, kind, repeats).map_err(CliError::Failure)?;
    progress.finish();
    let figures = Figures {
        model: report,
        cancelling,
    };
    if args.json {
        return output::json(&figures);
    }
    output::table(&table(&figures.model, &figures.cancelling))
}

/// A file that does not even look like weights.
fn is_other_file(path: &Path) -> bool {
    let weights = ["safetensors", "gguf"];
    let is =
        |extension: &std::ffi::OsStr| weights.iter().any(|w| extension.eq_ignore_ascii_case(w));
    path.is_file() && !path.extension().is_some_and(is)
}

/// Measures a step of FLUX.2; prints JSON if asked for, else a line.
pub fn run_flux2(args: &Flux2BenchArgs) -> Result<(), CliError> {
    let device = model::open_device(args.device.parse().map_err(CliError::usage)?)?;
    if !args.size.is_multiple_of(16) {
        return Err(CliError::Usage(format!(
            "--size {} is no multiple of 16",
            args.size
        )));
    }
    let blocks = match args.blocks.as_deref() {
        None => None,
        Some(&[double, single]) => Some([usize::from(double), usize::from(single)]),
        Some(_) => {
            return Err(CliError::usage(
                "--blocks takes two numbers, double and single blocks, such as 5,20",
            ));
        }
    };
    let options = Flux2BenchOptions {
        size: args.size as usize,
        references: args.references as usize,
        outputs: args.outputs as usize,
        blocks,
        repeats: args.repeats as usize,
        dtype: args.dtype.parse().map_err(CliError::usage)?,
    };
    let progress = Progress::new();
    let report = flux2::bench::run(&device, &options, &mut |what| progress.message(what))?;
    progress.finish();
    if args.json {
        return output::json(&report);
    }
    output::table(&[format!(
        "{:.2} s a step of {} tokens and {:.2} billion weights on {} in {}: {:.0} GFLOP/s, {:.0} % of a matrix product's {:.0}",
        report.step_s,
        report.tokens,
        report.parameters as f64 / 1e9,
        report.device,
        report.dtype,
        report.step_gflops,
        report.share * 100.0,
        report.matmul_gflops
    )])
}

/// The report for reading.
fn table(report: &BenchReport, cancelling: &Latency) -> Vec<String> {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let mut lines = vec![
        format!(
            "{} of {} parameters at {}×{} on {} ({}, {} threads), matrix products at {:.0} GFLOP/s",
            report.preset,
            report.parameters,
            report.size[0],
            report.size[1],
            report.device,
            report.instructions,
            report.threads,
            report.matmul_gflops
        ),
        "inputs  cached ms  share  uncached ms  share  full ms".to_string(),
    ];
    lines.extend(report.steps.iter().map(|step| {
        format!(
            "{:>6}  {:>9.1}  {:>5}  {:>11.1}  {:>5}  {:>7.1}",
            step.inputs,
            step.cached_ms,
            percent(step.cached_share),
            step.uncached_ms,
            percent(step.uncached_share),
            step.full_ms
        )
    }));
    lines.push(format!(
        "encode {:.1} ms, decode {:.1} ms ({} of peak)",
        report.encode_ms,
        report.decode_ms,
        percent(report.decode_share)
    ));
    lines.push(format!(
        "cancelling a job of {:.0} ms: {:.1} ms, {:.1} ms at most ({} jobs)",
        cancelling.job_ms, cancelling.cancel_ms, cancelling.longest_cancel_ms, cancelling.cancelled
    ));
    if let Some(bytes) = report.peak_memory_bytes {
        lines.push(format!("peak memory {} MiB", bytes >> 20));
    }
    lines
}
