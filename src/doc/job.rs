//! A job: everything that determines a result.

mod blend;
mod masked;

use std::fmt::Display;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::perceive::MapKind;
use super::picture::MAX_SIDE;
use super::prompt::{self, CompiledPrompt, Intent, MAX_INPUTS, MAX_JOINT, PromptError, TAGS};
use super::{ControlKind, Level, Picture, Plane, Purpose, Role};

pub use blend::BlendSpec;
pub use masked::{MaskedMode, MaskedSpec};
pub(in crate::doc) use masked::{modifies, wish};

/// The current version of [`JobSpec`]'s JSON.
pub const JOB_VERSION: u32 = 1;

/// Everything that determines a result, apart from the pictures' pixels, which are named by hash.
/// The window and the command line both build it; it is written whole into every output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// [`JOB_VERSION`] when written.
    pub version: u32,
    /// The model's name, `unireal-nano` for the one that ships with the program.
    pub model: String,
    /// BLAKE3 of the model's weight files, in hexadecimal; empty until the model is known.
    #[serde(default)]
    pub model_hash: String,
    /// The input pictures in IMG order, without the regions' masks, which follow them.
    pub inputs: Vec<JobInput>,
    /// The regions, each with its mask; their IMG numbers follow the inputs'.
    pub regions: Vec<JobRegion>,
    /// The base text, with IMGn and RESn words.
    pub prompt: String,
    /// Context tags; `None` derives them.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    /// How many independent outputs (1 to 8), each from its own noise.
    pub outputs: u32,
    /// How many pictures each output consists of (RES1 … RESn, 1 to 4).
    #[serde(default = "one")]
    pub joint: u32,
    /// Seed of the first output's noise; output i uses seed + i.
    pub seed: u64,
    /// Denoising steps.
    pub steps: u32,
    /// Guidance by the text; 1 is none.
    pub guidance_text: f32,
    /// Guidance by the reference pictures; 1 is none.
    pub guidance_image: f32,
    /// The solver.
    pub solver: Solver,
    /// Width and height of a new picture in pixels, for jobs without a canvas.
    #[serde(default)]
    pub size: Option<[u32; 2]>,
    /// The part of the canvas the model works on: x, y, width, height in canvas pixels; `None` chooses it.
    #[serde(default)]
    pub crop: Option<[u32; 4]>,
    /// Whether outputs after the first differ in what no picture tells for sure: how bright an object is, and how strong its
    /// shadow. A finished output's own recipe says what it has, and no more of this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub vary: bool,
    /// How the result is joined to the canvas.
    #[serde(default)]
    pub blend: BlendSpec,
    /// How what is masked is worked on, for models that leave the choice.
    #[serde(default, skip_serializing_if = "MaskedSpec::is_default")]
    pub masked: MaskedSpec,
}

fn one() -> u32 {
    1
}

/// One input picture of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobInput {
    /// What the picture is for.
    pub role: Role,
    /// The kind of control; `None` unless the role is control.
    #[serde(default)]
    pub kind: Option<ControlKind>,
    /// BLAKE3 of width, height (u32 little endian) and RGBA bytes, in hexadecimal.
    pub hash: String,
    /// Where the picture came from, if it was a file.
    #[serde(default)]
    pub source: Option<String>,
}

/// One region of a job: where to work, how strictly, and what to place there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRegion {
    /// How strictly the mask is meant.
    pub level: Level,
    /// Position in [`JobSpec::inputs`] of the asset that is placed here; `None` edits by words.
    #[serde(default)]
    pub asset: Option<usize>,
    /// BLAKE3 of the mask's width, height and values, in hexadecimal.
    pub hash: String,
    /// The mask itself as a base64 PNG, so that an output can be rerun from its file alone.
    #[serde(default)]
    pub mask_png: String,
}

/// The solver of the sampling equation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Solver {
    /// One evaluation a step.
    #[default]
    Euler,
    /// Two evaluations a step, second order.
    Heun,
}

/// A rectangle on a canvas: x, y, width, height.
pub type CropBox = [u32; 4];

/// The model that a job is for.
#[derive(Clone, Copy, Debug)]
pub struct ModelChoice<'a> {
    /// Its name.
    pub name: &'a str,
    /// BLAKE3 of its weights, in hexadecimal; empty if not known yet.
    pub hash: &'a str,
    /// The steps it takes when the artist has not chosen.
    pub default_steps: u32,
    /// The guidance by the text it takes when the artist has not chosen.
    pub default_guidance: f32,
}

/// A job ready to run: the specification and the pixels it names.
#[derive(Clone, Debug)]
pub struct Job {
    /// What to do.
    pub spec: JobSpec,
    /// The pictures of [`JobSpec::inputs`], in the same order.
    pub pictures: Vec<Arc<Picture>>,
    /// The masks of [`JobSpec::regions`], in the same order, each of the canvas's size.
    pub masks: Vec<Arc<Plane>>,
}

/// Independent outputs of one job at most.
pub const MAX_OUTPUTS: u32 = 8;
/// Denoising steps at most.
pub const MAX_STEPS: u32 = 1000;
/// Guidance scale at most.
pub const MAX_GUIDANCE: f32 = 50.0;

/// Why a job cannot run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum JobError {
    /// The recipe's version is above [`JOB_VERSION`].
    #[error(
        "this recipe was made by a newer version of Inlay (its format is {0}, this program reads up to {JOB_VERSION}): update Inlay"
    )]
    Newer(u64),
    /// More inputs than there are IMG numbers.
    #[error(
        "a job takes {MAX_INPUTS} inputs at most, masks included, and this one has {0}: remove a picture or a mask"
    )]
    TooManyInputs(usize),
    /// More than one canvas.
    #[error("IMG{0} and IMG{1} are both the canvas: make one of them an object")]
    TwoCanvases(usize, usize),
    /// A control without a kind.
    #[error(
        "IMG{0} is a control of no kind: say whether it is a mask, edges, depth, a scribble or a placement"
    )]
    ControlWithoutKind(usize),
    /// A kind on a picture that is no control.
    #[error("IMG{0} has a kind of control but is no control: change its role or drop the kind")]
    KindWithoutControl(usize),
    /// A region in a job without a canvas.
    #[error("a mask needs a canvas to lie on: add a canvas or remove the mask")]
    RegionWithoutCanvas,
    /// A region places a picture that is not there or no asset.
    #[error("mask {0} places a picture that is no object: choose one of the objects, or none")]
    NotAnAsset(usize),
    /// A region selects nothing.
    #[error("mask {0} is empty: paint where the object goes, or remove the mask")]
    EmptyMask(usize),
    /// There is neither a picture nor a word.
    #[error("there is nothing to make: add a picture or write what to make")]
    Nothing,
    /// A number is out of its range.
    #[error("{name} is {value}: use {low} to {high}")]
    OutOfRange {
        /// What the number sets.
        name: &'static str,
        /// The number, as it is written: a single-precision number made a double has digits that nobody gave.
        value: String,
        /// Least value.
        low: String,
        /// Greatest value.
        high: String,
    },
    /// The crop is empty or reaches beyond the canvas.
    #[error(
        "the context rectangle does not lie inside the canvas: draw it again or let it be chosen"
    )]
    Crop,
    /// The pixels do not belong to the specification.
    #[error(
        "the recipe names {expected} {what} and {found} were given: give them in the recipe's order"
    )]
    Count {
        /// Pictures or masks.
        what: &'static str,
        /// How many the specification names.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A mask of another size than the canvas.
    #[error(
        "mask {index} is {}×{} pixels and the canvas {}×{}: make them the same size", .mask[0], .mask[1], .canvas[0], .canvas[1]
    )]
    MaskSize {
        /// Which mask, from 1.
        index: usize,
        /// Its width and height.
        mask: [u32; 2],
        /// The canvas's.
        canvas: [u32; 2],
    },
    /// The prompt has a word without a picture.
    #[error(transparent)]
    Prompt(#[from] PromptError),
}

impl JobSpec {
    /// The purposes in IMG order: the inputs', then a mask for each region.
    ///
    /// # Errors
    /// A control without a kind, or a kind without a control.
    pub fn purposes(&self) -> Result<Vec<Purpose>, JobError> {
        let mut purposes = Vec::with_capacity(self.inputs.len() + self.regions.len());
        for (i, input) in self.inputs.iter().enumerate() {
            purposes.push(Purpose::from_parts(input.role, input.kind).ok_or(
                if input.kind.is_none() {
                    JobError::ControlWithoutKind(i + 1)
                } else {
                    JobError::KindWithoutControl(i + 1)
                },
            )?);
        }
        purposes.extend(
            self.regions
                .iter()
                .map(|_| Purpose::Control(ControlKind::Mask)),
        );
        Ok(purposes)
    }

    /// The exact text, tags and pictures that the model gets.
    ///
    /// # Errors
    /// A word without its picture, or an input without a purpose.
    pub fn compile(&self) -> Result<CompiledPrompt, JobError> {
        let purposes = self.purposes()?;
        Ok(prompt::compile(
            &self.prompt,
            &purposes,
            self.joint as usize,
            self.tags.as_deref(),
        )?)
    }

    /// How regions come about: as chosen; else words alone edit, and so do words that move or change what is masked,
    /// which the model has to see. All other regions are filled with their surroundings in view but without what is
    /// there, so that the old does not bleed into the new.
    pub fn masked_mode(&self) -> MaskedMode {
        self.masked.mode_for(!self.regions.is_empty(), self.wish())
    }

    fn wish(&self) -> Intent {
        wish(&self.prompt, self.regions.iter().map(|r| r.asset.is_some()))
    }

    /// How much may change: as chosen; else everything, but where words modify exactly what is selected, a quarter of
    /// the way is kept, and with it the shape.
    pub fn strength(&self) -> f64 {
        let placed = self.regions.iter().any(|r| r.asset.is_some());
        let levels = self.regions.iter().map(|r| r.level);
        let some = !self.regions.is_empty();
        self.masked
            .strength_for(some && modifies(self.wish(), placed, levels))
    }

    /// Whether a map of the whole canvas is asked for rather than a picture (UniReal's perception tasks): the output is
    /// grey, and nothing of the canvas is laid over it.
    pub fn is_map(&self) -> bool {
        let perception = |tags: Vec<String>| tags.iter().any(|tag| tag == TAGS[5]);
        self.canvas().is_some()
            && self.regions.is_empty()
            && self.crop.is_none()
            && self
                .compile()
                .is_ok_and(|compiled| perception(compiled.tags))
    }

    /// The map that a picture of an output is, counted from 0 among the joint ones; `None` for pictures.
    ///
    /// Of joint ones only masks are known, and only where the same sentence speaks of both: an edge may be a table's.
    pub fn map(&self, joint: u32) -> Option<MapKind> {
        if joint == 0 {
            return self
                .is_map()
                .then(|| MapKind::asked(&self.prompt))
                .flatten();
        }
        let word = format!("res{}", joint + 1);
        let mut sentences = self.prompt.split(['.', ';', '!', '\n']);
        let named = |text: &&str| {
            let lower = text.to_lowercase();
            let mut words = lower.split(|c: char| !c.is_alphanumeric());
            words.any(|w| w == word)
        };
        let asked = sentences.find(named).and_then(MapKind::asked);
        asked.filter(|kind| *kind == MapKind::Segment)
    }

    /// Position of the canvas in [`JobSpec::inputs`].
    pub fn canvas(&self) -> Option<usize> {
        self.inputs
            .iter()
            .position(|input| input.role == Role::Canvas)
    }

    /// Checks all that can be checked without the pictures.
    ///
    /// # Errors
    /// The first thing that is wrong, as a sentence that says what to do.
    pub fn validate(&self) -> Result<(), JobError> {
        if self.version > JOB_VERSION {
            return Err(JobError::Newer(u64::from(self.version)));
        }
        let purposes = self.purposes()?;
        if purposes.len() > MAX_INPUTS {
            return Err(JobError::TooManyInputs(purposes.len()));
        }
        let mut canvases = (1..).zip(&purposes).filter(|(_, p)| **p == Purpose::Canvas);
        if let (Some((a, _)), Some((b, _))) = (canvases.next(), canvases.next()) {
            return Err(JobError::TwoCanvases(a, b));
        }
        if !self.regions.is_empty() && self.canvas().is_none() {
            return Err(JobError::RegionWithoutCanvas);
        }
        for (i, region) in self.regions.iter().enumerate() {
            let is_asset = |at: usize| purposes.get(at) == Some(&Purpose::Asset);
            if region.asset.is_some_and(|at| !is_asset(at)) {
                return Err(JobError::NotAnAsset(i + 1));
            }
        }
        if self.inputs.is_empty() && self.prompt.trim().is_empty() {
            return Err(JobError::Nothing);
        }
        self.validate_numbers()?;
        self.compile()?;
        Ok(())
    }

    /// Checks the numbers alone.
    pub(super) fn validate_numbers(&self) -> Result<(), JobError> {
        in_range("the number of outputs", self.outputs, 1, MAX_OUTPUTS)?;
        in_range(
            "the number of joint pictures",
            self.joint,
            1,
            MAX_JOINT as u32,
        )?;
        in_range("the number of steps", self.steps, 1, MAX_STEPS)?;
        in_range("text guidance", self.guidance_text, 0.0, MAX_GUIDANCE)?;
        in_range("image guidance", self.guidance_image, 0.0, MAX_GUIDANCE)?;
        in_range("the feather", self.blend.feather, 0.0, 1.0)?;
        in_range("the growth of what is joined", self.blend.grow, -1.0, 1.0)?;
        in_range("the relighting", self.blend.relight, 0.0, 1.0)?;
        let (least, most) = BlendSpec::BRIGHTNESS.into_inner();
        in_range("the brightness", self.blend.brightness, least, most)?;
        in_range("the shadow", self.blend.shadow, 0.0, BlendSpec::MOST_SHADOW)?;
        in_range("the shadow beyond the region", self.blend.cast, 0.0, 1.0)?;
        if let Some(strength) = self.masked.strength {
            in_range("the strength", strength, 0.05, 1.0)?;
        }
        if let Some([width, height]) = self.size {
            in_range("the width", width, 16, MAX_SIDE)?;
            in_range("the height", height, 16, MAX_SIDE)?;
        }
        if self.crop.is_some_and(|[_, _, w, h]| w == 0 || h == 0) {
            return Err(JobError::Crop);
        }
        Ok(())
    }
}

fn in_range<T: PartialOrd + Display>(
    name: &'static str,
    value: T,
    low: T,
    high: T,
) -> Result<(), JobError> {
    // Written so that NaN is out of range.
    if value >= low && value <= high {
        return Ok(());
    }
    Err(JobError::OutOfRange {
        name,
        value: value.to_string(),
        low: low.to_string(),
        high: high.to_string(),
    })
}

/// Checks that a crop (x, y, width, height) lies inside a canvas (width, height) and is not empty.
pub(super) fn check_crop(crop: [u32; 4], canvas: [u32; 2]) -> Result<(), JobError> {
    let inside = |at: u32, length: u32, side: u32| {
        length > 0 && at.checked_add(length).is_some_and(|end| end <= side)
    };
    let [x, y, width, height] = crop;
    if inside(x, width, canvas[0]) && inside(y, height, canvas[1]) {
        return Ok(());
    }
    Err(JobError::Crop)
}

impl Job {
    /// Checks the specification and that the pixels belong to it.
    ///
    /// # Errors
    /// The first thing that is wrong, as a sentence that says what to do.
    pub fn validate(&self) -> Result<(), JobError> {
        self.spec.validate()?;
        let counts = [
            ("pictures", self.spec.inputs.len(), self.pictures.len()),
            ("masks", self.spec.regions.len(), self.masks.len()),
        ];
        for (what, expected, found) in counts {
            if expected != found {
                return Err(JobError::Count {
                    what,
                    expected,
                    found,
                });
            }
        }
        let Some(canvas) = self.spec.canvas().and_then(|at| self.pictures.get(at)) else {
            return Ok(());
        };
        let canvas = [canvas.width(), canvas.height()];
        for (i, mask) in self.masks.iter().enumerate() {
            let size = [mask.width(), mask.height()];
            if size != canvas {
                return Err(JobError::MaskSize {
                    index: i + 1,
                    mask: size,
                    canvas,
                });
            }
            if mask.bounds().is_none() {
                return Err(JobError::EmptyMask(i + 1));
            }
        }
        if let Some(crop) = self.spec.crop {
            check_crop(crop, canvas)?;
        }
        Ok(())
    }

    /// The specification to be written into an output: with every mask inside it, as the base64 PNG that
    /// `encode` makes (`doc` knows no file formats).
    ///
    /// # Errors
    /// The first error of `encode`.
    pub fn recipe<E>(
        &self,
        mut encode: impl FnMut(&Plane) -> Result<String, E>,
    ) -> Result<JobSpec, E> {
        let mut spec = self.spec.clone();
        for (region, mask) in spec.regions.iter_mut().zip(&self.masks) {
            region.mask_png = encode(mask)?;
        }
        Ok(spec)
    }
}

/// BLAKE3 of width, height (u32 little endian) and RGBA bytes, in hexadecimal: [`JobInput::hash`].
pub fn hash_picture(picture: &Picture) -> String {
    hash(picture.width(), picture.height(), picture.pixels())
}

/// BLAKE3 of width, height (u32 little endian) and values, in hexadecimal: [`JobRegion::hash`].
pub fn hash_mask(mask: &Plane) -> String {
    hash(mask.width(), mask.height(), mask.values())
}

fn hash(width: u32, height: u32, bytes: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&width.to_le_bytes());
    hasher.update(&height.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
pub(crate) mod tests;
