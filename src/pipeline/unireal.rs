//! The model family `unireal` as a [`Generator`].

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::generator::{Branch, Cancel, Family, Generator, GeneratorError, GeneratorInfo, Inputs};
use super::light::{Field, Light, LightInput};
use crate::model::{
    Condition, DOWNSCALE, InputPicture, Kernels, LIGHT_CELL, LoadProgress, ModelError, Request,
    Source, TOKEN, UniReal,
};

/// Output tokens of one batch at most on the processor: beyond that, a batch saves nothing.
const CPU_TOKENS: usize = 2048;
/// The same on other devices, where memory is what bounds it.
const GPU_TOKENS: usize = 16384;

/// A loaded model, ready for the pipeline.
pub struct UniRealGenerator {
    model: UniReal,
    info: GeneratorInfo,
}

impl UniRealGenerator {
    /// Loads a model; `name` is what job specifications call it.
    ///
    /// # Errors
    /// As [`UniReal::load_with`].
    pub fn load(
        name: &str,
        source: &Source,
        device: &Device,
        progress: LoadProgress,
    ) -> Result<Self, ModelError> {
        Ok(Self::new(
            name,
            UniReal::load_with(source, device, Kernels::for_device(device), progress)?,
        ))
    }

    /// Wraps a loaded model.
    pub fn new(name: &str, model: UniReal) -> Self {
        let config = model.config();
        let info = GeneratorInfo {
            name: name.into(),
            hash: model.hash().into(),
            resolution: config.resolution,
            multiple: TOKEN as u32,
            downscale: DOWNSCALE as u32,
            latent_channels: config.autoencoder.latent_channels,
            latent_rgb: config.latent_rgb_columns(),
            max_inputs: config.transformer.max_inputs,
            max_joint: config.transformer.max_outputs,
            default_steps: config.schedule.steps,
            default_guidance: 1.0,
            shift: config.schedule.shift,
            grain: config.schedule.grain,
            family: Family::UniReal,
            lights: config.light.is_some(),
        };
        Self { model, info }
    }

    /// The model.
    pub fn model(&self) -> &UniReal {
        &self.model
    }
}

impl From<ModelError> for GeneratorError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Cancelled => GeneratorError::Cancelled,
            ModelError::Tensor(e) => GeneratorError::Tensor(e),
            other => GeneratorError::Input(other.to_string()),
        }
    }
}

fn condition(branch: Branch) -> Condition {
    match branch {
        Branch::Full => Condition::Full,
        Branch::NoText => Condition::NoText,
        Branch::NoReferences => Condition::NoReferences,
    }
}

impl Generator for UniRealGenerator {
    fn info(&self) -> &GeneratorInfo {
        &self.info
    }

    fn device(&self) -> &Device {
        self.model.device()
    }

    fn prepare(&mut self, inputs: &Inputs, cancel: &Cancel) -> Result<(), GeneratorError> {
        let images = inputs
            .images
            .iter()
            .map(|image| InputPicture {
                key: image.key,
                role: image.role,
                kind: image.kind,
                level: image.level,
                fit: image.fit,
                width: image.width,
                height: image.height,
                values: Arc::from(image.values.as_slice()),
                placed: image.placed,
            })
            .collect();
        let request = Request {
            text: inputs.text.clone(),
            images,
            width: inputs.width,
            height: inputs.height,
            joint: inputs.joint,
            map: inputs.map,
        };
        Ok(self.model.prepare(&request, &|| cancel.is_cancelled())?)
    }

    fn take_warnings(&mut self) -> Vec<String> {
        self.model.take_warnings()
    }

    fn light(
        &mut self,
        input: &LightInput,
        cancel: &Cancel,
    ) -> Result<Option<Light>, GeneratorError> {
        let Some(model) = self.model.light() else {
            return Ok(None);
        };
        let (width, height) = (input.width as usize, input.height as usize);
        let colours = [&input.canvas, &input.laid];
        let mut planes: Vec<f32> = Vec::with_capacity(8 * width * height);
        for (rgb, c) in colours
            .into_iter()
            .flat_map(|v| (0..3).map(move |c| (v, c)))
        {
            planes.extend(rgb.iter().skip(c).step_by(3));
        }
        planes.extend(&input.cover);
        planes.extend(&input.masked);
        let planes = Tensor::from_vec(planes, (8, height, width), self.model.device())?;
        let maps = model.light_both_ways(&planes, &|| cancel.is_cancelled())?;
        let field = |map: &Tensor, columns: usize| -> Result<Field<3>, GeneratorError> {
            let values = map.permute((1, 2, 0))?.flatten_all()?.to_vec1::<f32>()?;
            Field::new(columns, values.as_chunks::<3>().0.to_vec())
                .ok_or_else(|| GeneratorError::Input("the light has no size".into()))
        };
        Ok(Some(Light {
            objects: field(&maps.objects, width / LIGHT_CELL)?,
            mirrored: field(&maps.mirrored, width / LIGHT_CELL)?,
            ground: field(&maps.ground, width)?,
        }))
    }

    fn encode(
        &mut self,
        rgb: &[f32],
        width: u32,
        height: u32,
        cancel: &Cancel,
    ) -> Result<Tensor, GeneratorError> {
        Ok(self
            .model
            .encode(rgb, width, height, &|| cancel.is_cancelled())?)
    }

    fn velocity(
        &mut self,
        z: &Tensor,
        t: f64,
        branch: Branch,
        cancel: &Cancel,
    ) -> Result<Tensor, GeneratorError> {
        Ok(self
            .model
            .velocity(z, t, condition(branch), &|| cancel.is_cancelled())?)
    }

    fn decode(&mut self, z: &Tensor, cancel: &Cancel) -> Result<Tensor, GeneratorError> {
        Ok(self.model.decode(z, &|| cancel.is_cancelled())?)
    }

    fn batch_limit(&self, width: u32, height: u32) -> usize {
        let tokens = (width as usize / TOKEN) * (height as usize / TOKEN);
        let limit = if self.model.device().is_cpu() {
            CPU_TOKENS
        } else {
            GPU_TOKENS
        };
        (limit / tokens.max(1)).max(1)
    }
}
