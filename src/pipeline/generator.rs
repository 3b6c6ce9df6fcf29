//! What the pipeline asks of a model family.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use candle_core::Tensor;

use super::light::{Light, LightInput};
use crate::doc::job::MaskedMode;
use crate::doc::retold::AskedRegion;
use crate::doc::{ControlKind, Level, Role};

/// How a family wants its pictures, masks and words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Assets in squares, masks as pictures, guidance by text and by pictures.
    UniReal,
    /// Assets as they are, masks as soft tokens; guidance by text if the model was not distilled.
    Flux2 {
        /// Whether guidance is of use.
        guided: bool,
    },
}

impl Family {
    /// Whether guidance by the text is of use.
    pub fn takes_text_guidance(self) -> bool {
        !matches!(self, Family::Flux2 { guided: false })
    }

    /// Whether guidance by pictures is.
    pub fn takes_image_guidance(self) -> bool {
        self == Family::UniReal
    }
}

/// What a generator is, as far as the pipeline and the window need to know.
#[derive(Clone, Debug)]
pub struct GeneratorInfo {
    /// The model's name, as in [`crate::doc::JobSpec::model`].
    pub name: String,
    /// BLAKE3 of the weight files, hexadecimal; behind a comma how they are used, if not as they are.
    pub hash: String,
    /// The side, in pixels, of a square picture of the area the model was trained at.
    pub resolution: u32,
    /// Picture sides must be multiples of this, in pixels.
    pub multiple: u32,
    /// Pixels per latent cell along a side.
    pub downscale: u32,
    /// Latent channels.
    pub latent_channels: usize,
    /// rgb (0..1) = M · [z; 1]: three rows of `latent_channels + 1`.
    pub latent_rgb: Vec<[f32; 3]>,
    /// How many input pictures at most.
    pub max_inputs: usize,
    /// How many joint outputs at most.
    pub max_joint: usize,
    /// Steps to use when the artist has not chosen.
    pub default_steps: u32,
    /// Guidance by the text to use when the artist has not chosen; 1 is none.
    pub default_guidance: f32,
    /// Schedule shift s in t' = s·t / (1 + (s − 1)·t).
    pub shift: f64,
    /// Standard deviation, in RGB 0..1, of the noise that sampling leaves in the model's pictures: structure weaker
    /// than this is smoothed where nothing explains it. 0 for models that leave none.
    pub grain: f64,
    /// How it wants its pictures, masks and words.
    pub family: Family,
    /// Whether [`Generator::light`] lights collages.
    pub lights: bool,
}

/// One input picture, at the size the model is to see it.
#[derive(Clone, Debug)]
pub struct InputImage {
    /// Hash of all that is encoded; equal keys may share cached work.
    pub key: u64,
    /// What it is for.
    pub role: Role,
    /// The kind of control, for controls.
    pub kind: Option<ControlKind>,
    /// The mask's level, for masks.
    pub level: Option<Level>,
    /// Object area / mask area, if known, for masks.
    pub fit: Option<f32>,
    /// Width in pixels, a multiple of [`GeneratorInfo::multiple`].
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Masks: `height · width` values 0..1. Others: `height · width · 3` RGB values 0..1, interleaved.
    pub values: Vec<f32>,
    /// For an asset that a region places: the mask's bounds in the output frame, as shares 0..1:
    /// top, left, bottom, right.
    pub placed: Option<[f32; 4]>,
}

/// Everything a generator needs before the first step.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The exact text, for models that know IMG words and context tags.
    pub text: String,
    /// The artist's words alone, with their IMG words.
    pub base: String,
    /// The context tags.
    pub tags: Vec<String>,
    /// The artist set the context tags.
    pub tags_set: bool,
    /// The pictures in IMG order.
    pub images: Vec<InputImage>,
    /// Output width in pixels.
    pub width: u32,
    /// Output height in pixels.
    pub height: u32,
    /// Joint pictures per output (RES1 … RESn).
    pub joint: usize,
    /// The output is a map of the canvas ([`crate::doc::JobSpec::is_map`]).
    pub map: bool,
    /// How what is masked is worked on.
    pub mode: MaskedMode,
    /// The masked places, in words.
    pub regions: Vec<AskedRegion>,
    /// What may change in the output, `height · width` values 0..1; `None` if everything may.
    pub editable: Option<Vec<f32>>,
}

/// Which conditions a velocity is asked under (see `sampler` for how they are mixed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Branch {
    /// Text and pictures.
    Full,
    /// No text.
    NoText,
    /// No text, no assets, no placement; canvas, masks and other controls stay.
    NoReferences,
}

/// Asks a running job to stop; shared with whoever may cancel it.
#[derive(Debug, Default)]
pub struct Cancel(AtomicBool);

impl Cancel {
    /// Asks to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether stopping was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Which picture of a running job is looked at; shared with whoever shows it.
#[derive(Debug)]
pub struct Focus(AtomicUsize);

impl Default for Focus {
    fn default() -> Self {
        Self(AtomicUsize::new(usize::MAX))
    }
}

impl Focus {
    /// This picture is looked at, in the order of [`super::event::Preview::outputs`]; with `None` no one.
    pub fn set(&self, picture: Option<usize>) {
        self.0
            .store(picture.unwrap_or(usize::MAX), Ordering::Relaxed);
    }

    /// The picture that is looked at.
    pub fn get(&self) -> Option<usize> {
        Some(self.0.load(Ordering::Relaxed)).filter(|at| *at != usize::MAX)
    }
}

/// Why a generator could not go on.
#[derive(Debug, thiserror::Error)]
pub enum GeneratorError {
    /// The job was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The device or a tensor operation failed.
    #[error("the model could not compute this: {0}")]
    Tensor(#[from] candle_core::Error),
    /// The inputs do not fit the model.
    #[error("{0}")]
    Input(String),
}

/// A model family that turns inputs and noise into pictures. Latents are `[N·R, C, h, w]` tensors on the
/// generator's device (N outputs, each of R joint pictures, R fastest) and f32.
pub trait Generator {
    /// What it is.
    fn info(&self) -> &GeneratorInfo;
    /// The device its latents live on.
    fn device(&self) -> &candle_core::Device;
    /// Encodes the text and the pictures: all that stays the same over the steps. Work whose inputs did not
    /// change since the last call is reused.
    ///
    /// # Errors
    /// [`GeneratorError::Input`] for inputs that do not fit the model, or if a part of it can't be loaded;
    /// [`GeneratorError::Tensor`] if the device fails; [`GeneratorError::Cancelled`] soon after `cancel` is set.
    fn prepare(&mut self, inputs: &Inputs, cancel: &Cancel) -> Result<(), GeneratorError>;
    /// Schedule shift for a picture of this size in so many steps, as [`GeneratorInfo::shift`].
    fn shift(&self, _width: u32, _height: u32, _steps: usize) -> f64 {
        self.info().shift
    }
    /// The text that the model was given by the last call of `prepare`, if it is not [`Inputs::text`].
    fn sent_text(&self) -> Option<&str> {
        None
    }
    /// What the artist should know about the last call of `prepare` (a prompt that was cut, …), once.
    fn take_warnings(&mut self) -> Vec<String> {
        Vec::new()
    }
    /// Light for a collage; `None` from models that know nothing about it ([`GeneratorInfo::lights`]).
    ///
    /// # Errors
    /// As [`Generator::prepare`].
    fn light(
        &mut self,
        _input: &LightInput,
        _cancel: &Cancel,
    ) -> Result<Option<Light>, GeneratorError> {
        Ok(None)
    }
    /// An RGB picture (0..1, interleaved, sides multiples of `multiple`) as a `[1, C, h, w]` latent.
    ///
    /// # Errors
    /// As [`Generator::prepare`]; inputs that do not fit are sides or values of another number than the model takes.
    fn encode(
        &mut self,
        rgb: &[f32],
        width: u32,
        height: u32,
        cancel: &Cancel,
    ) -> Result<Tensor, GeneratorError>;
    /// The velocity dz/dt at time `t` (1 = noise, 0 = picture) under `branch`; same shape as `z`.
    ///
    /// # Errors
    /// As [`Generator::prepare`], and [`GeneratorError::Input`] if nothing was prepared or the model does not know
    /// `branch`.
    fn velocity(
        &mut self,
        z: &Tensor,
        t: f64,
        branch: Branch,
        cancel: &Cancel,
    ) -> Result<Tensor, GeneratorError>;
    /// Latents as RGB pictures: `[N, 3, H, W]`, clamped to 0..1.
    ///
    /// # Errors
    /// As [`Generator::prepare`].
    fn decode(&mut self, z: &Tensor, cancel: &Cancel) -> Result<Tensor, GeneratorError>;
    /// A quick look at an estimate `[1, C, h, w]` that shows more than [`GeneratorInfo::latent_rgb`] does and costs
    /// little against a step: `[1, 3, H, W]` RGB in 0..1. `None` if there is none for this model.
    ///
    /// # Errors
    /// As [`Generator::prepare`].
    fn quick_look(
        &mut self,
        _z: &Tensor,
        _cancel: &Cancel,
    ) -> Result<Option<Tensor>, GeneratorError> {
        Ok(None)
    }
    /// Whether sampling and decoding take each other's memory, so that all outputs are sampled before the first is
    /// decoded: else its parts would be loaded again for every output.
    fn decodes_last(&self) -> bool {
        false
    }
    /// How many outputs fit in one batch at this size.
    fn batch_limit(&self, width: u32, height: u32) -> usize;
}
