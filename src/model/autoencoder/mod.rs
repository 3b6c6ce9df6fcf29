//! The autoencoder: pictures to latents of one eighth the size and back.
//!
//! Convolutions without any normalisation, so a part of a picture gives the same latents as the whole but for
//! its margins.

pub(in crate::model) mod fused;
pub(in crate::model) mod plain;
mod preview;

pub use preview::{PREVIEW_CHANNELS, PreviewDecoder};

use candle_core::Tensor;

use super::config::AutoencoderConfig;
use super::error::{ModelError, Result};
use super::ops::Kernels;
use super::weights::{AUTOENCODER_FILE, Reader, Tensors};

/// Encoder and decoder.
pub struct Autoencoder {
    form: Form,
    channels: usize,
}

/// Pixels to a cell of the latent, along a side.
const CELL: usize = 8;

enum Form {
    Plain(Box<plain::Autoencoder>),
    Fused(Box<fused::Autoencoder>),
}

impl Autoencoder {
    /// From checked tensors.
    pub(crate) fn new(
        config: &AutoencoderConfig,
        tensors: &Tensors,
        kernels: Kernels,
    ) -> Result<Self> {
        let r = Reader::new(tensors, AUTOENCODER_FILE, kernels);
        let form = match kernels {
            Kernels::Plain => Form::Plain(Box::new(plain::Autoencoder::new(config, &r)?)),
            Kernels::Fused => Form::Fused(Box::new(fused::Autoencoder::new(config, &r)?)),
        };
        Ok(Self {
            form,
            channels: config.latent_channels,
        })
    }

    /// `[N, 3, H, W]` RGB in 0..1 → `[N, C, H/8, W/8]`; H and W are multiples of 8.
    ///
    /// # Errors
    /// [`ModelError::Input`] for other shapes; if the device fails, or `cancel` says so.
    pub fn encode(&self, rgb: &Tensor, cancel: &dyn Fn() -> bool) -> Result<Tensor> {
        let (_, channels, height, width) = rgb.dims4()?;
        if channels != 3 || !height.is_multiple_of(CELL) || !width.is_multiple_of(CELL) {
            return Err(ModelError::Input(format!(
                "a picture of {width} × {height} pixels and {channels} channels can't be encoded: three channels and \
                 sides that are multiples of {CELL} can"
            )));
        }
        match &self.form {
            Form::Plain(a) => a.encode(rgb, cancel),
            Form::Fused(a) => a.encode(rgb, cancel),
        }
    }

    /// `[N, C, h, w]` → `[N, 3, 8h, 8w]` RGB, not yet clamped to 0..1.
    ///
    /// # Errors
    /// [`ModelError::Input`] for another number of channels; if the device fails, or `cancel` says so.
    pub fn decode(&self, z: &Tensor, cancel: &dyn Fn() -> bool) -> Result<Tensor> {
        let (_, channels, _, _) = z.dims4()?;
        if channels != self.channels {
            return Err(ModelError::Input(format!(
                "the latent has {channels} channels and the autoencoder {}",
                self.channels
            )));
        }
        match &self.form {
            Form::Plain(a) => a.decode(z, cancel),
            Form::Fused(a) => a.decode(z, cancel),
        }
    }
}
