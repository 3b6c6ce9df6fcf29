//! Running a job from the command line: model, progress, results, cancelling.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::args::RunArgs;
use super::error::CliError;
use super::models;
use super::output::{self, Progress};
use super::plan::{self, Target};
use crate::doc::{Job, JobSpec, Picture, Role};
use crate::engine::{Loader, ModelLoader};
use crate::io::metadata::Recipe;
use crate::io::{metadata, names, save};
use crate::pipeline::event::{JobEvent, OutputPicture, Preview};
use crate::pipeline::generator::{Cancel, Family, Generator, GeneratorInfo};
use crate::pipeline::{self, PipelineError, RunOptions, used_otherwise};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    outputs: Vec<SavedOutput>,
    /// The exact text that the model was given, if it is told in words of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<String>,
    warnings: Vec<String>,
    seconds: f64,
    job: JobSpec,
}

/// One result in what `--json` prints.
#[derive(Debug, Serialize)]
struct SavedOutput {
    #[serde(serialize_with = "names::shown")]
    file: PathBuf,
    output: u32,
    joint: u32,
    seed: u64,
    width: u32,
    height: u32,
}

/// A job and what running it from the command line needs besides.
pub struct Run<'a> {
    /// The job; steps of 0 and a missing size are filled in from the model.
    pub job: Job,
    /// The name that results in a folder begin with.
    pub document: String,
    /// Files that no result may replace.
    pub protected: Vec<PathBuf>,
    /// Said before the job begins.
    pub warnings: Vec<String>,
    /// The job is one for models that make maps, and no other will do.
    pub maps: bool,
    /// The options.
    pub args: &'a RunArgs,
}

/// Where results go, found to be writable before minutes are spent.
///
/// # Errors
/// A usage error for a name that is no picture's; a failure for a place that can't be written.
pub fn prepared_target(args: &RunArgs) -> Result<Target, CliError> {
    let target = plan::target(&args.out, args.out.is_dir())?;
    match &target {
        Target::File(file) => {
            // A device takes what it is given; everything else needs a folder to stand in.
            if std::fs::metadata(file).map_or(true, |metadata| metadata.is_file()) {
                let folder = file
                    .parent()
                    .filter(|folder| !folder.as_os_str().is_empty());
                save::check_folder(folder.unwrap_or(Path::new(".")))?;
            }
        }
        Target::Folder(folder) => {
            save::make_folder(folder)?;
            save::check_folder(folder)?;
        }
    }
    if let Some(previews) = &args.previews {
        save::make_folder(previews)?;
        save::check_folder(previews)?;
    }
    Ok(target)
}

/// Loads the model, runs the job, writes each result as soon as it is there.
///
/// # Errors
/// One sentence; what was written stays.
pub fn run(run: Run<'_>, target: &Target) -> Result<(), CliError> {
    let Run {
        mut job,
        document,
        protected,
        warnings,
        maps,
        args,
    } = run;
    let started = Instant::now();
    let mut progress = Progress::new();
    for warning in &warnings {
        progress.warning(warning);
    }
    let count = job.spec.outputs * job.spec.joint;
    refuse_to_replace(target, count, &protected)?;
    let interrupt = Interrupt::watch()?;
    progress.message("loading the model");
    let mut generator = load_generator(args, &interrupt.cancel)?;
    if maps && generator.info().family != Family::UniReal {
        return Err(CliError::Failure(format!(
            "{} paints pictures and makes no maps: leave --model out, or give a unireal model",
            generator.info().name
        )));
    }
    let mut warnings = warnings;
    complete(&mut job.spec, generator.info(), &mut |warning| {
        progress.warning(&warning);
        warnings.push(warning);
    });
    job.validate()?;
    // Masks that the recipe can't hold would make the result impossible to repeat, but not worthless.
    let spec = job
        .recipe(|mask| Ok::<_, std::convert::Infallible>(crate::io::mask::to_text(mask)))
        .unwrap_or_else(|never| match never {});
    let mut results = Results {
        target,
        document: &document,
        when: jiff::Zoned::now().datetime(),
        spec: &spec,
        count,
        saved: Vec::new(),
    };
    let options = RunOptions {
        previews: args.previews.is_some(),
        focus: None,
    };
    let (mut failure, mut sent) = (None, None);
    let mut on_event = |event| {
        match event {
            JobEvent::Warning(text) => {
                progress.warning(&text);
                warnings.push(text);
            }
            JobEvent::Preparing => progress.message("reading the pictures and the prompt"),
            JobEvent::Sent(text) => sent = Some(text),
            JobEvent::Step {
                step, steps, eta, ..
            } => progress.step(step, steps, eta),
            JobEvent::Preview(preview) => {
                let written = args
                    .previews
                    .as_deref()
                    .map(|dir| write_preview(dir, &preview));
                if let Some(Err(error)) = written {
                    progress.warning(&error.to_string());
                }
            }
            JobEvent::Output(output) => match results.save(&output) {
                Ok(line) => progress.saved(&line),
                // Nothing that follows could be kept either.
                Err(error) => {
                    failure.get_or_insert(error);
                    interrupt.cancel.cancel();
                }
            },
        }
    };
    let outcome = pipeline::run_with(
        &job,
        generator.as_mut(),
        &interrupt.cancel,
        options,
        &mut on_event,
    );
    progress.finish();
    if let Some(error) = failure {
        return Err(error);
    }
    match outcome {
        Ok(()) => {}
        Err(PipelineError::Cancelled) => {
            return Err(CliError::Failure(format!(
                "cancelled, {} of {count} results are saved",
                results.saved.len()
            )));
        }
        Err(error) => return Err(CliError::failure(error)),
    }
    if args.json {
        output::json(&Summary {
            outputs: results.saved,
            sent,
            warnings,
            seconds: started.elapsed().as_secs_f64(),
            job: spec,
        })?;
    }
    Ok(())
}

/// What only the model knows.
fn complete(spec: &mut JobSpec, info: &GeneratorInfo, warn: &mut dyn FnMut(String)) {
    if spec.steps == 0 {
        spec.steps = info.default_steps;
    }
    if spec.guidance_text.is_nan() {
        spec.guidance_text = info.default_guidance;
    }
    let has_canvas = spec.inputs.iter().any(|input| input.role == Role::Canvas);
    if spec.size.is_none() && !has_canvas {
        spec.size = Some([info.resolution; 2]);
    }
    if let Some(how) = used_otherwise(&spec.model_hash, &info.hash) {
        warn(format!("the recipe was made with {how}"));
    } else if !spec.model_hash.is_empty() && spec.model_hash != info.hash {
        warn(format!(
            "the recipe was made with other weights of the model “{}”, the result will differ",
            spec.model
        ));
    }
    spec.model = info.name.clone();
    spec.model_hash = info.hash.clone();
}

fn load_generator(args: &RunArgs, cancel: &Cancel) -> Result<Box<dyn Generator>, CliError> {
    let source = models::source_with(args.model.as_deref(), args.vae.as_deref())?;
    let loader = ModelLoader::new(plan::device(&args.device)?);
    let mut loader = loader.computing_in(plan::dtype(&args.dtype)?);
    loader
        .load(&source, cancel, &mut |_, _| {})
        .map(|loaded| loaded.generator)
        .map_err(CliError::Failure)
}

/// No result may take the place of a picture it is made from.
fn refuse_to_replace(target: &Target, count: u32, protected: &[PathBuf]) -> Result<(), CliError> {
    let Target::File(file) = target else {
        return Ok(());
    };
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    for n in 1..=count {
        let result = file_of(file, n, count);
        let taken = real(&result).is_some_and(|result| {
            protected
                .iter()
                .any(|path| real(path).as_ref() == Some(&result))
        });
        if taken {
            return Err(CliError::Usage(format!(
                "the result would replace a picture it is made from, choose another --out: {}",
                result.display()
            )));
        }
    }
    Ok(())
}

/// The file of the n-th of `count` results.
fn file_of(file: &Path, n: u32, count: u32) -> PathBuf {
    if count == 1 {
        file.to_path_buf()
    } else {
        names::numbered(file, n)
    }
}

struct Results<'a> {
    target: &'a Target,
    document: &'a str,
    when: jiff::civil::DateTime,
    spec: &'a JobSpec,
    count: u32,
    saved: Vec<SavedOutput>,
}

impl Results<'_> {
    /// Writes a result and gives the line that says so.
    fn save(&mut self, output: &OutputPicture) -> Result<String, CliError> {
        let recipe = Recipe::new(self.spec.clone(), output.index, output.joint, output.seed);
        let picture = &output.picture;
        let n = output.index * self.spec.joint + output.joint + 1;
        let (file, word) = match self.target {
            Target::File(file) => {
                let file = file_of(file, n, self.count);
                let word = if file.is_file() { "replaced" } else { "saved" };
                metadata::write(&file, picture, Some(&recipe))?;
                (file, word)
            }
            Target::Folder(folder) => {
                let name = names::result_name(self.document, self.when, output.seed, n);
                let bytes = metadata::encode_png(picture, Some(&recipe))
                    .map_err(|error| crate::io::SaveError::Encode(error, folder.join(&name)))?;
                (names::save_new(folder, &name, &bytes)?, "saved")
            }
        };
        let line = format!("{word} {}", file.display());
        self.saved.push(SavedOutput {
            file,
            output: output.index,
            joint: output.joint,
            seed: output.seed,
            width: picture.width(),
            height: picture.height(),
        });
        Ok(line)
    }
}

/// Side of a latent cell in a written preview, in pixels.
const PREVIEW_SCALE: u32 = 8;

/// Writes the estimates of one step as `step-001-1.png`, one file for each output that has begun.
fn write_preview(folder: &Path, preview: &Preview) -> Result<(), CliError> {
    for (n, latent) in (1..).zip(&preview.outputs) {
        if let Some(picture) = latent
            .as_ref()
            .and_then(|latent| preview_picture(latent, preview.shape, &preview.latent_rgb))
        {
            let file = folder.join(format!("step-{:03}-{n}.png", preview.step));
            metadata::write(&file, &picture, None)?;
        }
    }
    Ok(())
}

/// rgb = M · [z; 1] at every cell, enlarged; `None` if the sizes do not fit together.
fn preview_picture(latent: &[f32], shape: [usize; 3], matrix: &[[f32; 3]]) -> Option<Picture> {
    let [channels, rows, columns] = shape;
    let cells = rows * columns;
    if latent.len() != channels * cells || matrix.len() != channels + 1 {
        return None;
    }
    let mut rgba = Vec::with_capacity(cells * 4);
    let (weights, bias) = (&matrix[..channels], matrix[channels]);
    for cell in 0..cells {
        let mut rgb = bias;
        for (c, row) in weights.iter().enumerate() {
            let value = latent[c * cells + cell];
            for (sum, weight) in rgb.iter_mut().zip(row) {
                *sum += weight * value;
            }
        }
        rgba.extend(rgb.map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8));
        rgba.push(255);
    }
    let (width, height) = (columns as u32, rows as u32);
    let small = image::RgbaImage::from_raw(width, height, rgba)?;
    let (width, height) = (width * PREVIEW_SCALE, height * PREVIEW_SCALE);
    let filter = image::imageops::FilterType::Triangle;
    let large = image::imageops::resize(&small, width, height, filter);
    Picture::from_rgba(width, height, large.into_raw())
}

/// How often the watcher looks whether Ctrl+C was pressed.
const WATCH: Duration = Duration::from_millis(50);

/// Turns Ctrl+C (and a request to end) into a cancelled job; a second one ends the program at once.
pub(super) struct Interrupt {
    /// Set as soon as it was asked for.
    pub cancel: Arc<Cancel>,
    over: Arc<AtomicBool>,
    watcher: Option<JoinHandle<()>>,
}

impl Interrupt {
    /// Begins to watch.
    ///
    /// # Errors
    /// If the system does not let signals be watched.
    pub fn watch() -> Result<Self, CliError> {
        let failed =
            |error: std::io::Error| CliError::Failure(format!("signals can't be watched: {error}"));
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&asked))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&asked)))
                .map_err(failed)?;
        }
        let cancel = Arc::new(Cancel::default());
        let over = Arc::new(AtomicBool::new(false));
        let watched = (Arc::clone(&cancel), Arc::clone(&over));
        let watcher = std::thread::Builder::new()
            .name("interrupt".into())
            .spawn(move || {
                let (cancel, over) = watched;
                while !over.load(Ordering::Relaxed) {
                    if asked.load(Ordering::Relaxed) {
                        cancel.cancel();
                        return;
                    }
                    std::thread::park_timeout(WATCH);
                }
            })
            .map_err(failed)?;
        Ok(Self {
            cancel,
            over,
            watcher: Some(watcher),
        })
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(watcher) = self.watcher.take() {
            watcher.thread().unpark();
            // It can only have ended; a panic in it has been reported.
            let _ = watcher.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_the_matrix_applied_to_every_cell() {
        // Two channels, one row of two cells.
        let matrix = [[1.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.2]];
        let latent = [1.0, 0.0, 0.0, 2.0];
        let picture = preview_picture(&latent, [2, 1, 2], &matrix).expect("a picture");
        assert_eq!((picture.width(), picture.height()), (16, 8));
        assert_eq!(picture.pixel(0, 0), [255, 0, 51, 255]);
        assert_eq!(picture.pixel(15, 7), [0, 255, 51, 255]);
        assert!(preview_picture(&latent, [3, 1, 2], &matrix).is_none());
    }

    #[test]
    fn several_results_are_numbered_and_never_replace_their_inputs() {
        let folder = tempfile::tempdir().expect("a folder");
        let input = folder.path().join("a-2.png");
        std::fs::write(&input, b"x").expect("written");
        let target = Target::File(folder.path().join("a.png"));
        let protected = vec![input];
        assert!(refuse_to_replace(&target, 1, &protected).is_ok());
        assert!(matches!(
            refuse_to_replace(&target, 2, &protected),
            Err(CliError::Usage(_))
        ));
    }
}
