//! What a running job tells.

use std::sync::Arc;

pub use super::join::Joining;

use crate::doc::job::BlendSpec;
use crate::doc::{Picture, Plane};

/// A rectangle in canvas pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CropRect {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl CropRect {
    /// For left, top, right and bottom whether a canvas of this size goes on beyond it.
    pub(super) fn open_in(&self, (width, height): (u32, u32)) -> [bool; 4] {
        [
            self.x > 0,
            self.y > 0,
            self.x + self.width < width,
            self.y + self.height < height,
        ]
    }
}

/// Clean-image estimates of the running outputs, before decoding.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Steps done.
    pub step: u32,
    /// Latent channels, rows and columns of each estimate.
    pub shape: [usize; 3],
    /// For each picture of the job, joint ones of an output together: `channels · rows · columns` values, or `None`
    /// if it has not started.
    pub outputs: Vec<Option<Arc<Vec<f32>>>>,
    /// The picture that is looked at, shown better than by `latent_rgb`, for models that can.
    pub look: Option<Look>,
    /// Where the estimates lie on the canvas (the whole picture for a job without canvas).
    pub crop: CropRect,
    /// The soft mask through which the result will be joined, of the crop's size; `None` for a new picture.
    pub alpha: Option<Arc<Plane>>,
    /// rgb = M · [z; 1]: `channels + 1` columns.
    pub latent_rgb: Arc<Vec<[f32; 3]>>,
}

/// A quick look at one estimate.
#[derive(Clone, Debug)]
pub struct Look {
    /// Which of [`Preview::outputs`].
    pub of: usize,
    /// Height and width in pixels.
    pub size: [usize; 2],
    /// RGB in 0..1: three planes of `height · width` values.
    pub rgb: Arc<Vec<f32>>,
}

/// A finished output.
#[derive(Clone, Debug)]
pub struct OutputPicture {
    /// Which output, from 0.
    pub index: u32,
    /// Which joint picture, from 0 (RES1).
    pub joint: u32,
    /// The seed that made it.
    pub seed: u64,
    /// The whole picture, canvas included.
    pub picture: Arc<Picture>,
    /// How it is joined to the canvas.
    pub blend: BlendSpec,
    /// What joins it to the canvas in another way; `None` if it covers the canvas or there is none.
    pub joining: Option<Arc<Joining>>,
}

/// What a running job tells, in order.
#[derive(Clone, Debug)]
pub enum JobEvent {
    /// Something the artist should know; the job goes on.
    Warning(String),
    /// The inputs are being encoded.
    Preparing,
    /// The exact text that the model is given, for models that are told in words of their own.
    Sent(String),
    /// A denoising step of the current batch is done.
    Step {
        /// Steps done, over all batches.
        step: u32,
        /// Steps in all.
        steps: u32,
        /// Seconds since the job began.
        elapsed: f64,
        /// Seconds left, from the mean time of the steps so far.
        eta: f64,
    },
    /// New estimates.
    Preview(Preview),
    /// An output is finished.
    Output(OutputPicture),
}
