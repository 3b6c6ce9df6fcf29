//! The thread's loop.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::loader::{Loaded, Loader};
use super::message::{Event, JobId, JobPreview, ModelSource, ModelSummary};
use super::queue::{Shared, Task};
use crate::doc::Job;
use crate::pipeline::event::JobEvent;
use crate::pipeline::generator::{Cancel, Family};
use crate::pipeline::{PipelineError, RunOptions, run_with};

/// Owns the model; lives on its thread.
pub(super) struct Worker {
    shared: Arc<Shared>,
    loader: Box<dyn Loader>,
    wake: Box<dyn Fn() + Send>,
    model: Option<Loaded>,
    /// Where the model came from.
    source: Option<ModelSource>,
    /// Why there is no model.
    why_none: Option<String>,
}

impl Worker {
    pub fn new(shared: Arc<Shared>, loader: Box<dyn Loader>, wake: Box<dyn Fn() + Send>) -> Self {
        Self {
            shared,
            loader,
            wake,
            model: None,
            source: None,
            why_none: None,
        }
    }

    pub fn run(mut self) {
        loop {
            match self.shared.next() {
                Task::Load(source, cancel) => {
                    let event = match self.load(source, &cancel) {
                        Ok(summary) => Event::Loaded(summary),
                        Err(reason) => Event::LoadFailed(reason),
                    };
                    self.finish(event);
                }
                Task::Generate(id, job, cancel) => {
                    let event = self.generate(id, &job, &cancel);
                    self.finish(event);
                }
                Task::Wake => (self.wake)(),
                Task::End => return,
            }
        }
    }

    fn tell(&self, event: Event) {
        self.shared.tell(event);
        (self.wake)();
    }

    fn finish(&self, event: Event) {
        self.shared.finish(event);
        (self.wake)();
    }

    fn load(&mut self, source: ModelSource, cancel: &Cancel) -> Result<ModelSummary, String> {
        // The old one first: two may not fit into memory.
        self.unload();
        let (shared, wake) = (&self.shared, &self.wake);
        let loader = &mut self.loader;
        let loaded = catch_unwind(AssertUnwindSafe(|| {
            loader.load(&source, cancel, &mut |share, what| {
                shared.tell(Event::Loading(share, what.into()));
                wake();
            })
        }))
        .unwrap_or_else(|payload| {
            Err(format!(
                "the model could not be loaded because of a fault in the program ({}): please report it",
                words_of(&*payload)
            ))
        });
        self.source = Some(source);
        match loaded {
            Ok(loaded) => {
                let summary = summary_of(&loaded);
                self.model = Some(loaded);
                self.why_none = None;
                Ok(summary)
            }
            Err(reason) => {
                let reason = match cancel.is_cancelled() {
                    true => "Loading was cancelled: choose a model".to_owned(),
                    false => sentence(&reason),
                };
                self.why_none = Some(reason.clone());
                Err(reason)
            }
        }
    }

    fn unload(&mut self) {
        if let Some(model) = self.model.take() {
            // After a panic even giving it back may panic.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(model)));
        }
    }

    /// Runs a job; returns its last event.
    fn generate(&mut self, id: JobId, job: &Job, cancel: &Cancel) -> Event {
        if self.model.is_none()
            && self.why_none.is_none()
            && let Some(source) = self.source.clone()
        {
            // The model was given up after a panic.
            match self.load(source, cancel) {
                Ok(summary) => self.tell(Event::Loaded(summary)),
                Err(reason) => return Event::Failed(id, reason),
            }
        }
        let Some(model) = &mut self.model else {
            return Event::Failed(
                id,
                self.why_none.clone().unwrap_or_else(|| {
                    "No model is loaded: choose a model, then generate again".into()
                }),
            );
        };
        let (shared, wake) = (&self.shared, &self.wake);
        shared.tell(Event::Started(id));
        wake();
        let mut forward = |event: JobEvent| {
            match event {
                JobEvent::Preparing => return,
                JobEvent::Sent(text) => shared.tell(Event::Sent(id, text)),
                JobEvent::Warning(text) => shared.tell(Event::Warning(id, text)),
                JobEvent::Step {
                    step,
                    steps,
                    elapsed,
                    eta,
                } => shared.tell(Event::Progress(id, step, steps, elapsed, eta)),
                JobEvent::Preview(preview) => shared.show(JobPreview { job: id, preview }),
                JobEvent::Output(output) => shared.tell(Event::Output(id, output)),
            }
            wake();
        };
        let generator = model.generator.as_mut();
        let result = catch_unwind(AssertUnwindSafe(|| {
            let options = RunOptions {
                previews: true,
                focus: Some(&shared.focus),
            };
            run_with(job, generator, cancel, options, &mut forward)
        }));
        match result {
            Ok(Ok(())) => Event::Done(id),
            Ok(Err(PipelineError::Cancelled)) => Event::Cancelled(id),
            Ok(Err(error)) => Event::Failed(id, sentence(&error.to_string())),
            Err(payload) => {
                // Whatever was half done must not reach the next job: it gets the model anew.
                self.unload();
                Event::Failed(
                    id,
                    format!(
                        "This job ended because of a fault in the program ({}): other jobs go on; please report it",
                        words_of(&*payload)
                    ),
                )
            }
        }
    }
}

fn summary_of(loaded: &Loaded) -> ModelSummary {
    let info = loaded.generator.info();
    ModelSummary {
        name: info.name.clone(),
        hash: info.hash.clone(),
        device: loaded.device.clone(),
        parameters: loaded.parameters,
        resolution: info.resolution,
        multiple: info.multiple,
        default_steps: info.default_steps,
        default_guidance: info.default_guidance,
        max_inputs: info.max_inputs,
        takes_text_guidance: info.family.takes_text_guidance(),
        takes_image_guidance: info.family.takes_image_guidance(),
        retold: matches!(info.family, Family::Flux2 { .. }),
    }
}

/// What a panic said.
fn words_of(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it gave no reason")
}

/// With a capital: errors begin small, so that they can follow a colon.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
