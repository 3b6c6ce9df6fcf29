//! The light model in candle's operations.

use candle_core::{DType, Tensor};
use candle_nn::ops::{pixel_shuffle, pixel_unshuffle};

use super::{CHANNELS, LightMaps, maps};
use crate::model::autoencoder::plain::{Conv, ResBlock};
use crate::model::config::LightConfig;
use crate::model::error::{Result, check_cancel};
use crate::model::weights::Reader;

/// Its layers.
pub(super) struct Net {
    stem: Conv,
    stages: [Vec<ResBlock>; 4],
    downs: [Conv; 3],
    all: Conv,
    ups: [Conv; 3],
    backs: [Vec<ResBlock>; 3],
    grid: Conv,
    head: Conv,
}

impl Net {
    /// From checked tensors.
    pub fn new(config: &LightConfig, r: &Reader) -> Result<Self> {
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

    /// `[8, H, W]` to light.
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
        maps(&grid, &ground)
    }
}
