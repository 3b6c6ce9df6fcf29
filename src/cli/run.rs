//! Running a job from the command line: model, progress, results, cancelling.

use std::path::PathBuf;
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
use super::previews::Previews;
use super::target::Target;
use crate::doc::job::BlendSpec;
use crate::doc::{Job, JobSpec, Role};
use crate::engine::{Loader, ModelLoader};
use crate::io::metadata::Recipe;
use crate::io::{metadata, names, save};
use crate::model::FloatType;
use crate::pipeline::event::{JobEvent, OutputPicture};
use crate::pipeline::generator::{Cancel, Family, Generator, GeneratorInfo};
use crate::pipeline::{self, PipelineError, RunOptions};

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
    /// How it is joined: outputs vary.
    blend: BlendSpec,
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
    /// Only this one of the joint pictures is kept, for a recipe of one.
    pub only: Option<u32>,
    /// Said before the job begins.
    pub warnings: Vec<String>,
    /// The job is one for models that make maps, and no other will do.
    pub maps: bool,
    /// The options.
    pub args: &'a RunArgs,
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
        only,
        mut warnings,
        maps,
        args,
    } = run;
    let started = Instant::now();
    let mut progress = Progress::new();
    let count = job.spec.outputs * only.map_or(job.spec.joint, |_| 1);
    target.refuse_to_replace(count, &protected)?;
    target.prepare(args, count)?;
    let when = jiff::Zoned::now().datetime();
    if let Target::Folder(folder) = target {
        // The last name is the longest; not every file system takes 255 bytes.
        let seed = job.spec.seed.saturating_add(u64::from(job.spec.outputs));
        let last = names::result_name(&document, when, seed, job.spec.outputs * job.spec.joint);
        save::check_name(&folder.join(last))?;
    }
    if target.is_jpeg() {
        warnings.push(
            "a JPEG holds no recipe, so it can't be made again by `inlay rerun`: let --out end in .png to keep it"
                .to_owned(),
        );
    }
    for warning in &warnings {
        progress.warning(warning);
    }
    let interrupt = Interrupt::watch()?;
    progress.message("loading the model");
    let mut generator = load_generator(args, &interrupt.cancel)?;
    if maps && generator.info().family != Family::UniReal {
        return Err(CliError::Failure(format!(
            "{} paints pictures and makes no maps: leave --model out, or give a unireal model",
            generator.info().name
        )));
    }
    let info = generator.info().clone();
    if args.dtype()? != FloatType::Auto && info.family == Family::UniReal {
        let warning = format!("{} does not know --dtype: it changes nothing", info.name);
        progress.warning(&warning);
        warnings.push(warning);
    }
    complete(&mut job.spec, &info);
    job.validate()?;
    // Masks that the recipe can't hold would make the result impossible to repeat, but not worthless.
    let mut spec = job
        .recipe(|mask| Ok::<_, std::convert::Infallible>(crate::io::mask::to_text(mask)))
        .unwrap_or_else(|never| match never {});
    // Only in the recipe: by what the job says the pipeline tells that it was made with another model.
    spec.model = info.name;
    spec.model_hash = info.hash;
    let mut results = Results {
        target,
        document: &document,
        when,
        spec: &spec,
        count,
        only,
        saved: Vec::new(),
    };
    let options = RunOptions {
        previews: args.previews.is_some(),
        focus: None,
    };
    let mut previews = args.previews.as_deref().map(Previews::new);
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
                let written = previews.as_mut().map(|previews| previews.write(&preview));
                if let Some(Err(error)) = written {
                    progress.warning(&error.to_string());
                }
            }
            JobEvent::Output(output) if only.is_some_and(|only| only != output.joint) => {}
            JobEvent::Output(output) => match results.keep(&output) {
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
fn complete(spec: &mut JobSpec, info: &GeneratorInfo) {
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
}

fn load_generator(args: &RunArgs, cancel: &Cancel) -> Result<Box<dyn Generator>, CliError> {
    let source = models::source_with(args.model.as_deref(), args.vae.as_deref())?;
    let mut loader = ModelLoader::new(args.device()?).computing_in(args.dtype()?);
    loader
        .load(&source, cancel, &mut |_, _| {})
        .map(|loaded| loaded.generator)
        .map_err(CliError::Failure)
}

struct Results<'a> {
    target: &'a Target,
    document: &'a str,
    when: jiff::civil::DateTime,
    spec: &'a JobSpec,
    count: u32,
    only: Option<u32>,
    saved: Vec<SavedOutput>,
}

impl Results<'_> {
    /// Writes a result and gives the line that says so.
    fn keep(&mut self, output: &OutputPicture) -> Result<String, CliError> {
        // Of this picture: how it is joined itself.
        let spec = JobSpec {
            vary: false,
            blend: output.blend,
            ..self.spec.clone()
        };
        let recipe = Recipe::new(spec, output.index, output.joint, output.seed);
        let picture = &output.picture;
        let n = output.index * self.spec.joint + output.joint + 1;
        let nth = self.only.map_or(n, |_| output.index + 1);
        let (file, word) = match (self.target, self.target.file(nth, self.count)) {
            (_, Some(file)) => {
                let word = if file.is_file() { "replaced" } else { "saved" };
                metadata::write(&file, picture, Some(&recipe))?;
                (file, word)
            }
            (Target::File(folder) | Target::Folder(folder), None) => {
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
            blend: output.blend,
            width: picture.width(),
            height: picture.height(),
        });
        Ok(line)
    }
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
