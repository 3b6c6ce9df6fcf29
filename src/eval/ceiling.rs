//! What the best transformer could reach: the true picture's latents in place of the model's, joined to the canvas
//! like any result. What is lost here is lost by the autoencoder, the region and the blend.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::case::{Case, Settings};
use crate::doc::{Picture, Role};
use crate::pipeline::generator::{
    Branch, Cancel, Generator, GeneratorError, GeneratorInfo, Inputs,
};

/// A generator that knows the answer.
struct Oracle<'a> {
    inner: &'a mut dyn Generator,
    /// The true picture as the model would see it: RGB, width, height.
    truth: Option<(Vec<f32>, u32, u32)>,
    /// Its latents.
    latents: Option<Tensor>,
    /// The first of two runs, on the true picture, only takes it down.
    learns: bool,
}

impl Generator for Oracle<'_> {
    fn info(&self) -> &GeneratorInfo {
        self.inner.info()
    }

    fn device(&self) -> &Device {
        self.inner.device()
    }

    fn prepare(&mut self, inputs: &Inputs, cancel: &Cancel) -> Result<(), GeneratorError> {
        if self.learns {
            let canvas = inputs.images.iter().find(|i| i.role == Role::Canvas);
            self.truth = canvas.map(|i| (i.values.clone(), i.width, i.height));
            return Err(GeneratorError::Cancelled);
        }
        if let Some((rgb, width, height)) = &self.truth {
            self.latents = Some(self.inner.encode(rgb, *width, *height, cancel)?);
        }
        Ok(())
    }

    fn encode(
        &mut self,
        rgb: &[f32],
        width: u32,
        height: u32,
        cancel: &Cancel,
    ) -> Result<Tensor, GeneratorError> {
        self.inner.encode(rgb, width, height, cancel)
    }

    fn velocity(
        &mut self,
        z: &Tensor,
        t: f64,
        _: Branch,
        _: &Cancel,
    ) -> Result<Tensor, GeneratorError> {
        match &self.latents {
            Some(latents) => Ok((z.broadcast_sub(latents)? / t)?),
            None => Ok(z.zeros_like()?),
        }
    }

    fn decode(&mut self, z: &Tensor, cancel: &Cancel) -> Result<Tensor, GeneratorError> {
        self.inner.decode(z, cancel)
    }

    fn batch_limit(&self, width: u32, height: u32) -> usize {
        self.inner.batch_limit(width, height)
    }
}

/// The best result that the autoencoder and the joining allow for a case.
///
/// # Errors
/// As for the model itself.
pub fn ceiling(
    case: &Case,
    settings: &Settings,
    inner: &mut dyn Generator,
) -> anyhow::Result<Arc<Picture>> {
    let settings = Settings {
        steps: 1,
        guidance_text: 1.0,
        guidance_image: 1.0,
        ..*settings
    };
    let mut oracle = Oracle {
        inner,
        truth: None,
        latents: None,
        learns: true,
    };
    let mut truth = case.clone();
    truth.canvas = Arc::clone(&case.target);
    // Ends as cancelled as soon as the picture is taken down.
    let _ = super::command::generate(&truth, &settings, &mut oracle);
    oracle.learns = false;
    super::command::generate(case, &settings, &mut oracle)
}
