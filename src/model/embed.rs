//! From pictures and text to tokens.

use candle_core::Tensor;

use super::config::{PATCH, TOKEN, TransformerConfig};
use super::error::{ModelError, Result};
use super::ops::Linear;
use super::rope::Grid;
use super::text::FIRST_PICTURE;
use super::weights::Reader;
use crate::doc::{ControlKind, Level, Role};

/// What a picture holds, as the transformer takes it.
#[derive(Clone, Debug)]
pub enum Content {
    /// `[1, C, h, w]`.
    Latent(Tensor),
    /// `[H, W]`, 0..1.
    Mask(Tensor),
}

/// An input picture, ready for the transformer.
#[derive(Clone, Debug)]
pub struct ImageInput {
    /// What it is for.
    pub role: Role,
    /// The kind, for controls.
    pub kind: Option<ControlKind>,
    /// Its number, from 0 for IMG1.
    pub index: usize,
    /// What it holds.
    pub content: Content,
    /// The level, for masks.
    pub level: Option<Level>,
    /// Object area / mask area, if known, for masks.
    pub fit: Option<f32>,
    /// Where an asset is placed: top, left, bottom, right as shares of the frame.
    pub placed: Option<[f32; 4]>,
}

impl ImageInput {
    /// Rows and columns of its tokens.
    ///
    /// # Errors
    /// What candle says of a latent of fewer than four axes or a mask of fewer than two.
    pub fn grid(&self) -> Result<Grid> {
        Ok(match &self.content {
            Content::Latent(z) => (z.dim(2)? / PATCH, z.dim(3)? / PATCH),
            Content::Mask(m) => (m.dim(0)? / TOKEN, m.dim(1)? / TOKEN),
        })
    }

    /// Whether each of its tokens lies on the output token at the same place.
    ///
    /// # Errors
    /// As [`Self::grid`].
    pub fn is_aligned(&self, frame: Grid) -> Result<bool> {
        Ok(self.role != Role::Asset && self.grid()? == frame)
    }

    /// Its values by token: `[tokens, values]`.
    fn patches(&self) -> Result<Tensor> {
        match &self.content {
            Content::Latent(z) => Ok(patchify(z)?.squeeze(0)?),
            Content::Mask(m) => mask_patches(m),
        }
    }
}

/// `[N, C, h, w]` → `[N, (h/2)(w/2), 4C]`, values in the order channel, row, column.
pub(crate) fn patchify(z: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = z.dims4()?;
    let (rows, cols) = (h / PATCH, w / PATCH);
    let x = z.reshape(&[n, c, rows, PATCH, cols, PATCH][..])?;
    Ok(x.permute(vec![0, 2, 4, 1, 3, 5])?
        .reshape((n, rows * cols, c * PATCH * PATCH))?)
}

/// Inverse of [`patchify`].
pub(crate) fn unpatchify(x: &Tensor, (rows, cols): Grid) -> Result<Tensor> {
    let (n, _, values) = x.dims3()?;
    let c = values / (PATCH * PATCH);
    let x = x.reshape(&[n, rows, cols, c, PATCH, PATCH][..])?;
    Ok(x.permute(vec![0, 3, 1, 4, 2, 5])?
        .reshape((n, c, rows * PATCH, cols * PATCH))?)
}

/// `[H, W]` → `[(H/16)(W/16), 256]`, each patch row-major.
pub(crate) fn mask_patches(mask: &Tensor) -> Result<Tensor> {
    let (h, w) = mask.dims2()?;
    let (rows, cols) = (h / TOKEN, w / TOKEN);
    Ok(mask
        .reshape((rows, TOKEN, cols, TOKEN))?
        .permute((0, 2, 1, 3))?
        .reshape((rows * cols, TOKEN * TOKEN))?)
}

/// The layers before the first block.
pub(crate) struct Embedding {
    text_proj: Linear,
    index: Tensor,
    role: Tensor,
    control: Tensor,
    level: Tensor,
    patch_in: Linear,
    mask_in: Linear,
    fit_in: Linear,
    fit_null: Tensor,
    noise_in: Linear,
    align_canvas: Linear,
    align_control: Vec<Linear>,
    max_inputs: usize,
}

/// The names of the control kinds in the weights, in [`ControlKind::ALL`]'s order.
const CONTROL_NAMES: [&str; 5] = ["mask", "edge", "depth", "scribble", "placement"];

impl Embedding {
    pub fn load(r: &Reader, config: &TransformerConfig) -> Result<Self> {
        let table = |name: &str| r.below(name).get("weight");
        let align = r.below("align");
        Ok(Self {
            text_proj: Linear::load(r, "text_proj")?,
            index: table("index_embedding")?,
            role: table("role_embedding")?,
            control: table("control_embedding")?,
            level: table("level_embedding")?,
            patch_in: Linear::load(r, "patch_in")?,
            mask_in: Linear::load(r, "mask_in")?,
            fit_in: Linear::load(r, "fit_in")?,
            fit_null: r.get("fit_null")?,
            noise_in: Linear::load(r, "noise_in")?,
            align_canvas: Linear::load(&align, "canvas")?,
            align_control: CONTROL_NAMES
                .iter()
                .map(|name| Linear::load(&align, name))
                .collect::<Result<_>>()?,
            max_inputs: config.max_inputs,
        })
    }

    /// Encoder states `[n, d_model]` and their ids → `[n, width]`: words that name a picture also get that
    /// picture's index embedding.
    pub fn text_tokens(&self, encoded: &Tensor, ids: &[u32]) -> Result<Tensor> {
        let rows = self.index.dim(0)? as u32;
        let names = |id: &u32| (FIRST_PICTURE..FIRST_PICTURE + rows).contains(id);
        let index: Vec<u32> = ids
            .iter()
            .map(|id| if names(id) { id - FIRST_PICTURE } else { 0 })
            .collect();
        let named: Vec<f32> = ids
            .iter()
            .map(|id| f32::from(u8::from(names(id))))
            .collect();
        let device = encoded.device();
        let named = Tensor::from_vec(named, (ids.len(), 1), device)?;
        let added = self.index.index_select(&Tensor::new(index, device)?, 0)?;
        Ok((self.text_proj.forward(encoded)? + added.broadcast_mul(&named)?)?)
    }

    /// A picture's tokens, `[tokens, width]`.
    pub fn image_tokens(&self, image: &ImageInput) -> Result<Tensor> {
        if image.index >= self.max_inputs {
            return Err(ModelError::Input(format!(
                "there is no IMG{} for this model, which takes {} pictures: use fewer",
                image.index + 1,
                self.max_inputs
            )));
        }
        let mut constant = (self.index.get(image.index)? + self.role.get(image.role.index())?)?;
        if let Some(kind) = image.kind {
            constant = (constant + self.control.get(kind.index())?)?;
        }
        let patches = image.patches()?;
        let x = match &image.content {
            Content::Latent(_) => self.patch_in.forward(&patches)?,
            Content::Mask(_) => {
                let Some(level) = image.level else {
                    return Err(ModelError::Input(
                        "a mask has no level: choose exact, outline, blob or box".into(),
                    ));
                };
                constant = (constant + self.level.get(level.index())?)?;
                let fit = match image.fit {
                    Some(ratio) => {
                        let ratio = Tensor::from_vec(vec![ratio], (1, 1), patches.device())?;
                        self.fit_in.forward(&ratio)?.squeeze(0)?
                    }
                    None => self.fit_null.clone(),
                };
                constant = (constant + fit)?;
                self.mask_in.forward(&patches)?
            }
        };
        Ok(x.broadcast_add(&constant)?)
    }

    /// What joint output tokens have besides their noise: `[joint, tokens, width]`: index embedding and the sums
    /// of all aligned pictures.
    pub fn output_constant(
        &self,
        images: &[&ImageInput],
        frame: Grid,
        joint: usize,
    ) -> Result<Tensor> {
        let index = self.index.narrow(0, self.max_inputs, joint)?.unsqueeze(1)?;
        let mut sum: Option<Tensor> = None;
        for image in images {
            if !image.is_aligned(frame)? {
                continue;
            }
            let layer = match image.kind {
                Some(kind) if image.role == Role::Control => &self.align_control[kind.index()],
                _ => &self.align_canvas,
            };
            let part = layer.forward(&image.patches()?)?;
            sum = Some(match sum {
                Some(sum) => (sum + part)?,
                None => part,
            });
        }
        let tokens = frame.0 * frame.1;
        let width = index.dim(2)?;
        let index = index.broadcast_as((joint, tokens, width))?;
        Ok(match sum {
            Some(sum) => index.broadcast_add(&sum)?,
            None => index.contiguous()?,
        })
    }

    /// Noisy latents `[N·joint, C, h, w]` → output tokens `[N, joint·tokens, width]`.
    pub fn output_tokens(&self, z: &Tensor, constant: &Tensor) -> Result<Tensor> {
        let (joint, tokens, width) = constant.dims3()?;
        let x = self.noise_in.forward(&patchify(z)?)?;
        let batch = x.dim(0)? / joint;
        let x = x
            .reshape((batch, joint, tokens, width))?
            .broadcast_add(constant)?;
        Ok(x.reshape((batch, joint * tokens, width))?)
    }
}
