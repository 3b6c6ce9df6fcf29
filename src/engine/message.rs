//! What goes to the worker and what comes back.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::doc::Job;
use crate::pipeline::event::{OutputPicture, Preview};

/// Names a job for its lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// Where weights come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelSource {
    /// The model inside the program.
    Embedded,
    /// A folder with config.json and safetensors files, a diffusers folder of FLUX.2 [klein], or the file of its
    /// transformer.
    Folder(PathBuf),
    /// A FLUX.2 [klein] with another autoencoder than its own, such as the small decoder.
    WithVae {
        /// As in [`ModelSource::Folder`].
        model: PathBuf,
        /// The autoencoder's file, or a folder with nothing else.
        vae: PathBuf,
    },
}

impl ModelSource {
    /// Where the model is, unless it is the one inside the program.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Embedded => None,
            Self::Folder(path) | Self::WithVae { model: path, .. } => Some(path),
        }
    }
}

/// What the worker can be asked. Cancelling is not here: it must not wait in a queue (see `Engine::cancel`).
#[derive(Debug)]
pub enum Request {
    /// Load a model; frees the one before.
    Load(ModelSource),
    /// Run a job.
    Generate(JobId, Box<Job>),
}

/// What the window needs to know of the loaded model.
#[derive(Clone, Debug)]
pub struct ModelSummary {
    /// The model's name.
    pub name: String,
    /// BLAKE3 of its weights.
    pub hash: String,
    /// The device in words: "CPU, 2 threads".
    pub device: String,
    /// Parameters in all.
    pub parameters: u64,
    /// The side of a square picture of the area it was trained at, in pixels.
    pub resolution: u32,
    /// The sides of what it makes are multiples of this many pixels.
    pub multiple: u32,
    /// Steps to use when the artist has not chosen.
    pub default_steps: u32,
    /// Guidance by the text to use when the artist has not chosen.
    pub default_guidance: f32,
    /// Input pictures at most.
    pub max_inputs: usize,
    /// Guidance by the text is of use.
    pub takes_text_guidance: bool,
    /// Guidance by pictures is.
    pub takes_image_guidance: bool,
    /// It is told in words of its own ([`crate::doc::retold`]) instead of the exact text of the prompt.
    pub retold: bool,
}

/// What the worker tells. Previews are not here: they go through the latest-only slot.
#[derive(Clone, Debug)]
pub enum Event {
    /// A model is being loaded: share done 0..1 and what is being read.
    Loading(f32, String),
    /// The model is ready.
    Loaded(ModelSummary),
    /// The model could not be loaded; the one before, if any, is gone.
    LoadFailed(String),
    /// The job began.
    Started(JobId),
    /// Something the artist should know.
    Warning(JobId, String),
    /// The exact text that the model was given, for models that are told in words of their own.
    Sent(JobId, String),
    /// Steps done, steps in all, seconds elapsed, seconds left.
    Progress(JobId, u32, u32, f64, f64),
    /// An output is finished.
    Output(JobId, OutputPicture),
    /// All outputs are finished.
    Done(JobId),
    /// The job was cancelled.
    Cancelled(JobId),
    /// The job failed; the sentence says why and what to do.
    Failed(JobId, String),
}

/// The latest previews of a job.
#[derive(Clone, Debug)]
pub struct JobPreview {
    /// The job.
    pub job: JobId,
    /// Its estimates.
    pub preview: Preview,
}
