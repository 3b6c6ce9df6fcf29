//! `inlay bench`: how fast a model is on this machine.

use super::args::BenchArgs;
use super::error::CliError;
use super::output::{self, Progress};
use super::plan;
use crate::model::bench::{self, BenchOptions, BenchReport};
use crate::model::{self, Source};

/// Measures; JSON to stdout if asked for, else a table to stderr.
pub fn run(args: &BenchArgs) -> Result<(), CliError> {
    let device = model::open_device(plan::device(&args.device)?)?;
    let source = match &args.model {
        Some(folder) => Source::Folder(folder.clone()),
        None => {
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
    progress.finish();
    let report = report?;
    if args.json {
        return output::json(&report);
    }
    for line in table(&report) {
        progress.saved(&line);
    }
    Ok(())
}

/// The report for reading.
fn table(report: &BenchReport) -> Vec<String> {
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
    if let Some(bytes) = report.peak_memory_bytes {
        lines.push(format!("peak memory {} MiB", bytes >> 20));
    }
    lines
}
