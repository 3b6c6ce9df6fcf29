//! FLUX.2 [klein] as a [`Generator`].

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::generator::{
    Branch, Cancel, Family, Generator, GeneratorError, GeneratorInfo, InputImage, Inputs,
};
use super::prepare::key;
use crate::doc::job::MaskedMode;
use crate::doc::prompt::MAX_INPUTS;
use crate::doc::retold::{Asked, references, sent};
use crate::doc::{ControlKind, Purpose, Role};
use crate::model::flux2::{
    CELL, Klein, KleinRequest, KleinStats, Reference, Residency, TOKEN_PIXELS, mu,
};
use crate::model::{PREVIEW_CHANNELS, PreviewDecoder};

/// References at most: beyond four the model mixes them up.
pub const MAX_REFERENCES: usize = 4;
/// The greatest ratio of a reference's sides.
pub(super) const GREATEST_RATIO: u32 = 8;
/// The grey that stands for what is to be filled in.
const GREY: f32 = 0.5;
/// Steps of the distilled model and of the base.
const STEPS: [u32; 2] = [4, 28];
/// Guidance by the text of the distilled model, which has none, and of the base.
const GUIDANCE: [f32; 2] = [1.0, 4.0];

/// A loaded FLUX.2 [klein], ready for the pipeline. Latents are the normalised ones, 8 pixels to a cell.
pub struct Flux2Generator {
    model: Klein,
    info: GeneratorInfo,
    sent: Option<String>,
    /// For quick looks; loaded for the first.
    preview: Option<PreviewDecoder>,
}

impl Flux2Generator {
    /// Wraps a loaded model; `name` is what job specifications call it. `resolution` is the side of a square picture
    /// of the area to work at, 1024 for the real model.
    pub fn new(name: &str, model: Klein, resolution: u32) -> Self {
        let guided = !model.distilled();
        let info = GeneratorInfo {
            name: name.into(),
            hash: model.hash().into(),
            resolution,
            multiple: TOKEN_PIXELS as u32,
            downscale: CELL as u32,
            latent_channels: model.channels(),
            latent_rgb: model.latent_rgb().to_vec(),
            max_inputs: MAX_INPUTS,
            max_joint: 1,
            default_steps: STEPS[usize::from(guided)],
            default_guidance: GUIDANCE[usize::from(guided)],
            shift: 1.0,
            grain: 0.0,
            family: Family::Flux2 { guided },
            lights: false,
        };
        Self {
            model,
            info,
            sent: None,
            preview: None,
        }
    }

    /// What was done and saved so far.
    pub fn stats(&self) -> KleinStats {
        self.model.stats()
    }
}

/// The canvas with what is to be filled in made grey, as softly as the mask is.
fn greyed(image: &InputImage, editable: &[f32]) -> Arc<[f32]> {
    let pixels = image.values.chunks_exact(3).zip(editable);
    pixels
        .flat_map(|(rgb, m)| [0, 1, 2].map(|c| rgb[c] + (GREY - rgb[c]) * m))
        .collect()
}

fn purpose(image: &InputImage) -> Purpose {
    match (image.role, image.kind) {
        (Role::Canvas, _) => Purpose::Canvas,
        (Role::Asset, _) => Purpose::Asset,
        // A control without a kind would be taken for a collage.
        (Role::Control, kind) => Purpose::Control(kind.unwrap_or(ControlKind::Placement)),
    }
}

impl Generator for Flux2Generator {
    fn info(&self) -> &GeneratorInfo {
        &self.info
    }

    fn device(&self) -> &Device {
        self.model.device()
    }

    fn shift(&self, width: u32, height: u32, steps: usize) -> f64 {
        let side = |pixels: u32| pixels as usize / TOKEN_PIXELS;
        mu(side(width) * side(height), steps).exp()
    }

    fn prepare(&mut self, inputs: &Inputs, cancel: &Cancel) -> Result<(), GeneratorError> {
        let pictures: Vec<Purpose> = inputs.images.iter().map(purpose).collect();
        let asked = Asked {
            pictures: &pictures,
            base: &inputs.base,
            tags: &inputs.tags,
            tags_set: inputs.tags_set,
            mode: inputs.mode,
            masked: inputs.editable.is_some(),
            regions: inputs.regions.clone(),
        };
        let order = references(&asked);
        if order.len() > MAX_REFERENCES {
            return Err(GeneratorError::Input(format!(
                "the loaded model takes {MAX_REFERENCES} pictures at most besides masks and this job has {}: remove some",
                order.len()
            )));
        }
        // Assets are made square where they are longer; canvas and maps have the shape of what is generated, which is
        // rounded to tokens.
        let too_long = |image: &&InputImage| {
            let (short, long) = (
                image.width.min(image.height) + TOKEN_PIXELS as u32 / 2,
                image.width.max(image.height),
            );
            image.role != Role::Asset && long > GREATEST_RATIO * short
        };
        let pictures = order.iter().filter_map(|&at| inputs.images.get(at));
        if let Some(image) = pictures.clone().find(too_long) {
            return Err(GeneratorError::Input(format!(
                "the loaded model takes pictures of which one side is at most {GREATEST_RATIO} times the other, and what it is to see has {} × {} pixels: choose a part of the canvas that is nearer to a square",
                image.width, image.height
            )));
        }
        let references = pictures
            .map(|image| {
                let (key, values) = match (&inputs.editable, image.role) {
                    (Some(editable), Role::Canvas) if inputs.mode == MaskedMode::Context => {
                        let values = greyed(image, editable);
                        (key(&values, image.width, image.height), values)
                    }
                    _ => (image.key, Arc::from(image.values.as_slice())),
                };
                Reference {
                    key,
                    width: image.width,
                    height: image.height,
                    values,
                }
            })
            .collect();
        let request = KleinRequest {
            text: sent(&asked),
            references,
            width: inputs.width,
            height: inputs.height,
        };
        self.sent = Some(request.text.clone());
        let guided = self.info.family == Family::Flux2 { guided: true };
        Ok(self
            .model
            .prepare(&request, guided, &|| cancel.is_cancelled())?)
    }

    fn sent_text(&self) -> Option<&str> {
        self.sent.as_deref()
    }

    fn take_warnings(&mut self) -> Vec<String> {
        self.model.take_warnings()
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
        let with_text = match branch {
            Branch::Full => true,
            Branch::NoText => false,
            Branch::NoReferences => {
                return Err(GeneratorError::Input(
                    "this model has no guidance by pictures: set it to 1".into(),
                ));
            }
        };
        Ok(self
            .model
            .velocity(z, t, with_text, &|| cancel.is_cancelled())?)
    }

    fn decode(&mut self, z: &Tensor, cancel: &Cancel) -> Result<Tensor, GeneratorError> {
        Ok(self.model.decode(z, &|| cancel.is_cancelled())?)
    }

    fn quick_look(
        &mut self,
        z: &Tensor,
        cancel: &Cancel,
    ) -> Result<Option<Tensor>, GeneratorError> {
        if self.model.channels() != PREVIEW_CHANNELS {
            return Ok(None);
        }
        let decoder = match self.preview.take() {
            Some(decoder) => decoder,
            None => PreviewDecoder::embedded(self.model.device())?,
        };
        let rgb = decoder.decode(z, &|| cancel.is_cancelled());
        self.preview = Some(decoder);
        Ok(Some(rgb?))
    }

    fn decodes_last(&self) -> bool {
        self.model.residency() == Residency::InTurn
    }

    fn batch_limit(&self, _: u32, _: u32) -> usize {
        // Thousands of tokens keep any device busy. One at a time takes less memory, and an output's bits do not
        // depend on what else the job makes.
        1
    }
}
