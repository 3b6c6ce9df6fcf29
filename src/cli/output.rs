//! All that the command line writes: what was asked for, as JSON or a table, to stdout, everything else to stderr.

use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::error::CliError;
use crate::io::console::line;

/// Prints a value as indented JSON.
///
/// # Errors
/// A closed pipe, or a failed write.
pub fn json(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| CliError::failure(format!("the result is no JSON: {error}")))?;
    print(&text)
}

/// Prints a table, or a line that is the answer.
///
/// # Errors
/// As of [`json`].
pub fn table(lines: &[String]) -> Result<(), CliError> {
    print(&lines.join("\n"))
}

fn print(text: &str) -> Result<(), CliError> {
    let mut out = stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => CliError::ClosedPipe,
            _ => CliError::failure(format!(
                "the result can't be printed: {}",
                crate::io::error::plain(&error)
            )),
        })
}

/// Prints why a command failed.
pub fn report(error: &CliError) {
    if !matches!(error, CliError::ClosedPipe) {
        line(&format!("error: {}", one_line(&error.to_string())));
    }
}

/// Prints that the program itself failed, in one sentence, without a backtrace.
pub fn report_panic(info: &std::panic::PanicHookInfo<'_>) {
    let what = info.payload();
    let what = what
        .downcast_ref::<&str>()
        .map(|text| (*text).to_string())
        .or_else(|| what.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no reason given".to_string());
    let place = info
        .location()
        .map(|at| format!(" at {}:{}", at.file(), at.line()))
        .unwrap_or_default();
    line(&format!(
        "error: Inlay made a mistake{place} ({}), please report it",
        one_line(&what)
    ));
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a running job says on stderr: a bar on a terminal, plain lines elsewhere.
pub struct Progress {
    bar: Option<ProgressBar>,
    next_line: u32,
}

impl Progress {
    /// For a job that begins.
    pub fn new() -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(ProgressStyle::default_spinner());
            bar
        });
        Self { bar, next_line: 1 }
    }

    /// What is being done.
    pub fn message(&self, text: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(text.to_string());
                bar.tick();
            }
            None => line(text),
        }
    }

    /// A denoising step is done; `eta` in seconds.
    pub fn step(&mut self, step: u32, steps: u32, eta: f64) {
        let left = indicatif::HumanDuration(Duration::from_secs_f64(eta.clamp(0.0, 1e6)));
        match &self.bar {
            Some(bar) => {
                if bar.length() != Some(u64::from(steps)) {
                    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
                    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                    bar.set_length(u64::from(steps));
                }
                bar.set_message(format!("{left} left"));
                bar.set_position(u64::from(step));
            }
            // About ten lines a job are enough for a log.
            None if step >= self.next_line || step == steps => {
                line(&format!("step {step} of {steps}, {left} left"));
                self.next_line = step + steps.div_ceil(10);
            }
            None => {}
        }
    }

    /// So much of a file's or a model's bytes are done; `text` says the same in words.
    pub fn bytes(&mut self, share: f32, text: &str) {
        const PARTS: u64 = 1000;
        let done = (f64::from(share) * PARTS as f64) as u64;
        match &self.bar {
            Some(bar) => {
                if bar.length() != Some(PARTS) {
                    let style = ProgressStyle::with_template("{bar:30} {wide_msg}");
                    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                    bar.set_length(PARTS);
                }
                bar.set_message(text.to_string());
                bar.set_position(done);
            }
            // About ten lines are enough for a log.
            None if done >= u64::from(self.next_line) => {
                line(text);
                self.next_line = (done + PARTS / 10) as u32;
            }
            None => {}
        }
    }

    /// Something the user should know; the job goes on.
    pub fn warning(&self, text: &str) {
        let text = format!("warning: {}", one_line(text));
        match &self.bar {
            Some(bar) => bar.suspend(|| line(&text)),
            None => line(&text),
        }
    }

    /// A file was written.
    pub fn saved(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| line(text)),
            None => line(text),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
