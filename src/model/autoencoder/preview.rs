//! The small decoder inside the program that shows what FLUX.2 is at: its latents as pictures, good enough to judge an
//! estimate by and far quicker than the model's own decoder.

use candle_core::{Device, Tensor};
use serde::Deserialize;

use super::{fused, plain};
use crate::model::config::DecoderConfig;
use crate::model::error::{ModelError, Result};
use crate::model::ops::Kernels;
use crate::model::spec;
use crate::model::weights::{CONFIG_FILE, Reader, Source, tensors};

/// Channels of the latents it decodes: FLUX.2's, normalised, 8 pixels to a cell.
pub const PREVIEW_CHANNELS: usize = 32;
/// Its weights' file name.
const WEIGHTS_FILE: &str = "decoder.safetensors";

static FILES: &[(&str, &[u8])] = &[
    (
        CONFIG_FILE,
        include_bytes!("../../../assets/models/flux2-preview/config.json"),
    ),
    (
        WEIGHTS_FILE,
        include_bytes!("../../../assets/models/flux2-preview/decoder.safetensors"),
    ),
];

/// Decodes FLUX.2's normalised latents approximately.
pub struct PreviewDecoder(Form);

enum Form {
    Plain(Box<plain::Decoder>),
    Fused(Box<fused::Decoder>),
}

/// config.json.
#[derive(Deserialize)]
struct About {
    latent_channels: usize,
    decoder: DecoderConfig,
}

impl PreviewDecoder {
    /// The decoder inside the program, on `device`.
    ///
    /// # Errors
    /// If the device has no room for it.
    pub fn embedded(device: &Device) -> Result<Self> {
        Self::load(device, Kernels::for_device(device))
    }

    /// As [`PreviewDecoder::embedded`], with operations of a certain form.
    ///
    /// # Errors
    /// As [`PreviewDecoder::embedded`].
    pub fn load(device: &Device, kernels: Kernels) -> Result<Self> {
        let source = Source::Embedded(FILES);
        let about: About = serde_json::from_slice(&source.read(CONFIG_FILE)?)
            .map_err(|e| ModelError::Config(e.to_string()))?;
        let wanted = spec::decoder(&about.decoder, about.latent_channels);
        let tensors = tensors(WEIGHTS_FILE, &source.read(WEIGHTS_FILE)?, &wanted, device)?;
        let r = Reader::new(&tensors, WEIGHTS_FILE, kernels);
        Ok(Self(match kernels {
            Kernels::Plain => Form::Plain(Box::new(plain::Decoder::new(&about.decoder, &r)?)),
            Kernels::Fused => Form::Fused(Box::new(fused::Decoder::new(&about.decoder, &r)?)),
        }))
    }

    /// `[N, 32, h, w]` → `[N, 3, 8h, 8w]` RGB in 0..1.
    ///
    /// # Errors
    /// If the device fails, or `cancel` says so.
    pub fn decode(&self, z: &Tensor, cancel: &dyn Fn() -> bool) -> Result<Tensor> {
        let rgb = match &self.0 {
            Form::Plain(decoder) => decoder.decode(z, cancel)?,
            Form::Fused(decoder) => decoder.decode(z, cancel)?,
        };
        Ok(rgb.clamp(0f32, 1f32)?)
    }
}
