//! The light model: from a collage to the light on its objects and on the ground they stand on. A U-net of the
//! autoencoder's blocks; `training/light.py` is the same network.

use candle_core::{DType, Tensor};
use candle_nn::ops::{pixel_shuffle, pixel_unshuffle};

use super::autoencoder::plain::{Conv, ResBlock};
use super::config::LightConfig;
use super::error::{Result, check_cancel};
use super::weights::{LIGHT_FILE, Reader, Tensors};

/// Channels of what it looks at: canvas, collage, cover, masks.
const CHANNELS: usize = 8;
/// Pixels per cell of the coarse grid along a side.
pub const LIGHT_CELL: usize = 8;
/// No factor is beyond e to the power of this, either way.
const GAINS: f32 = 3.0;

/// What the model gives, `[3, rows, columns]` each.
#[derive(Clone, Debug)]
pub struct LightMaps {
    /// Factors for the objects' colours, a cell of [`LIGHT_CELL`] pixels each.
    pub objects: Tensor,
    /// What is added to the ground's colours, by the same cells.
    pub mirrored: Tensor,
    /// Factors for the ground's colours, a pixel each.
    pub ground: Tensor,
}

/// A loaded light model.
pub struct LightModel {
    stem: Conv,
    stages: [Vec<ResBlock>; 4],
    downs: [Conv; 3],
    all: Conv,
    ups: [Conv; 3],
    backs: [Vec<ResBlock>; 3],
    grid: Conv,
    head: Conv,
}

impl LightModel {
    /// From checked tensors.
    pub(crate) fn new(config: &LightConfig, tensors: &Tensors) -> Result<Self> {
        let r = &Reader::new(tensors, LIGHT_FILE, super::ops::Kernels::Plain);
        let c = config;
        Ok(Self {
            stem: Conv::load(r, "stem")?,
            stages: [
                ResBlock::load_all(r, "stage0", c.n0)?,
                ResBlock::load_all(r, "stage1", c.n1)?,
                ResBlock::load_all(r, "stage2", c.n2)?,
                ResBlock::load_all(r, "stage3", c.n3)?,
            ],
            downs: [
                Conv::load(r, "down1")?,
                Conv::load(r, "down2")?,
                Conv::load(r, "down3")?,
            ],
            all: Conv::load(r, "all")?,
            ups: [
                Conv::load(r, "up0")?,
                Conv::load(r, "up1")?,
                Conv::load(r, "up2")?,
            ],
            backs: [
                ResBlock::load_all(r, "back0", c.n0)?,
                ResBlock::load_all(r, "back1", c.n1)?,
                ResBlock::load_all(r, "back2", c.n2)?,
            ],
            grid: Conv::load(r, "grid")?,
            head: Conv::load(r, "head")?,
        })
    }

    /// Canvas (3), collage (3), its objects' cover and the masks, `[8, H, W]` in 0..1, to light. H and W are multiples
    /// of 16.
    pub fn light(&self, input: &Tensor, cancel: &dyn Fn() -> bool) -> Result<LightMaps> {
        let (channels, height, width) = input.dims3()?;
        debug_assert_eq!(channels, CHANNELS);
        let run = |blocks: &[ResBlock], mut x: Tensor| -> Result<Tensor> {
            for block in blocks {
                check_cancel(cancel)?;
                x = block.forward(&x)?;
            }
            Ok(x)
        };
        let x = pixel_unshuffle(&input.affine(2.0, -1.0)?.unsqueeze(0)?, 2)?;
        let (rows, columns) = (height / 2, width / 2);
        let along = |count: usize| -> Result<Tensor> {
            let at = Tensor::arange(0u32, count as u32, input.device())?.to_dtype(DType::F32)?;
            Ok(at.affine(2.0 / count as f64, 1.0 / count as f64 - 1.0)?)
        };
        let down = along(rows)?.reshape((1, 1, rows, 1))?;
        let down = down.broadcast_as((1, 1, rows, columns))?;
        let across = along(columns)?.reshape((1, 1, 1, columns))?;
        let across = across.broadcast_as((1, 1, rows, columns))?;
        let x = Tensor::cat(&[&x, &down, &across], 1)?;
        let mut x = run(&self.stages[0], self.stem.forward(&x)?)?;
        let mut passed = Vec::with_capacity(3);
        for (at, conv) in self.downs.iter().enumerate() {
            let mut smaller = conv.forward(&pixel_unshuffle(&x, 2)?)?;
            passed.push(x);
            if at + 1 == self.downs.len() {
                let mean = smaller.mean_keepdim((2, 3))?;
                smaller = smaller.broadcast_add(&self.all.forward(&mean)?)?;
            }
            x = run(&self.stages[at + 1], smaller)?;
        }
        let mut grid = None;
        for (at, passed) in passed.iter().enumerate().rev() {
            let larger = pixel_shuffle(&self.ups[at].forward(&x)?, 2)?;
            x = run(&self.backs[at], (passed + larger)?)?;
            if at == 2 {
                grid = Some(self.grid.forward(&x.relu()?)?.squeeze(0)?);
            }
        }
        let ground = pixel_shuffle(&self.head.forward(&x.relu()?)?, 2)?.squeeze(0)?;
        let grid = match grid {
            Some(grid) => grid,
            None => ground.zeros_like()?,
        };
        let factor = |x: &Tensor| x.clamp(-GAINS, GAINS)?.exp();
        Ok(LightMaps {
            objects: factor(&grid.narrow(0, 0, 3)?)?,
            mirrored: grid.narrow(0, 3, 3)?,
            ground: factor(&ground)?,
        })
    }
}
