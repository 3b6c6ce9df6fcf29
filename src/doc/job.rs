//! A job: everything that determines a result.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ControlKind, Level, Picture, Plane, Role};

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
    /// How the result is joined to the canvas.
    #[serde(default)]
    pub blend: BlendSpec,
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

/// How a generated region is joined to the canvas.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlendSpec {
    /// Width of the soft edge, as a share of the region's √area.
    pub feather: f32,
    /// Whether the generated crop's colours are matched to the canvas around the region.
    pub colour_match: bool,
}

impl Default for BlendSpec {
    fn default() -> Self {
        Self {
            feather: 0.06,
            colour_match: true,
        }
    }
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
