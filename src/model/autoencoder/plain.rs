//! The autoencoder in candle's operations.

use candle_core::Tensor;
use candle_nn::ops::{pixel_shuffle, pixel_unshuffle};

use crate::model::config::{AutoencoderConfig, DecoderConfig};
use crate::model::error::{Result, check_cancel};
use crate::model::weights::Reader;

/// A convolution of stride 1 that keeps the size.
pub(in crate::model) struct Conv {
    weight: Tensor,
    bias: Tensor,
    padding: usize,
}

impl Conv {
    /// The layer of that name.
    pub fn load(reader: &Reader, name: &str) -> Result<Self> {
        let r = reader.below(name);
        let weight = r.get("weight")?;
        let out = weight.dim(0)?;
        let padding = weight.dim(2)? / 2;
        Ok(Self {
            weight,
            bias: r.get("bias")?.reshape((1, out, 1, 1))?,
            padding,
        })
    }

    /// `[N, C, H, W]` to as many rows and columns.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = x.conv2d(&self.weight, self.padding, 1, 1, 1)?;
        Ok(y.broadcast_add(&self.bias)?)
    }
}

/// x + conv2(relu(conv1(x))).
pub(in crate::model) struct ResBlock {
    conv1: Conv,
    conv2: Conv,
}

impl ResBlock {
    /// The blocks below that name.
    pub fn load_all(reader: &Reader, name: &str, count: usize) -> Result<Vec<Self>> {
        (0..count)
            .map(|i| {
                let r = reader.below(name).below(i);
                Ok(Self {
                    conv1: Conv::load(&r, "conv1")?,
                    conv2: Conv::load(&r, "conv2")?,
                })
            })
            .collect()
    }

    /// `[N, C, H, W]` to the same shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.conv2.forward(&self.conv1.forward(x)?.relu()?)?;
        Ok((x + y)?)
    }
}

/// Encoder and decoder.
pub(super) struct Autoencoder {
    encoder: Encoder,
    decoder: Decoder,
}

struct Encoder {
    stem: Conv,
    stage1: Vec<ResBlock>,
    down: Conv,
    stage2: Vec<ResBlock>,
    head: Conv,
}

/// The decoder alone.
pub(super) struct Decoder {
    stem: Conv,
    stage2: Vec<ResBlock>,
    up1: Conv,
    stage1: Vec<ResBlock>,
    up2: Conv,
    stage0: Vec<ResBlock>,
    head: Conv,
}

impl Autoencoder {
    /// From checked tensors.
    pub fn new(config: &AutoencoderConfig, r: &Reader) -> Result<Self> {
        let (e, ec) = (r.below("encoder"), &config.encoder);
        Ok(Self {
            encoder: Encoder {
                stem: Conv::load(&e, "stem")?,
                stage1: ResBlock::load_all(&e, "stage1", ec.n1)?,
                down: Conv::load(&e, "down")?,
                stage2: ResBlock::load_all(&e, "stage2", ec.n2)?,
                head: Conv::load(&e, "head")?,
            },
            decoder: Decoder::new(&config.decoder, &r.below("decoder"))?,
        })
    }

    /// `[N, 3, H, W]` RGB in 0..1 → `[N, C, H/8, W/8]`.
    pub fn encode(&self, rgb: &Tensor, cancel: &dyn Fn() -> bool) -> Result<Tensor> {
        let e = &self.encoder;
        let x = rgb.affine(2.0, -1.0)?;
        let mut x = e.stem.forward(&pixel_unshuffle(&x, 4)?)?;
        for block in &e.stage1 {
            check_cancel(cancel)?;
            x = block.forward(&x)?;
        }
        x = e.down.forward(&pixel_unshuffle(&x, 2)?)?;
        for block in &e.stage2 {
            check_cancel(cancel)?;
            x = block.forward(&x)?;
        }
        e.head.forward(&x.relu()?)
    }

    /// `[N, C, h, w]` → `[N, 3, 8h, 8w]` RGB, not yet clamped to 0..1.
    pub fn decode(&self, z: &Tensor, cancel: &dyn Fn() -> bool) -> Result<Tensor> {
        self.decoder.decode(z, cancel)
    }
}

impl Decoder {
    /// From checked tensors.
    pub fn new(config: &DecoderConfig, r: &Reader) -> Result<Self> {
        Ok(Self {
            stem: Conv::load(r, "stem")?,
            stage2: ResBlock::load_all(r, "stage2", config.n2)?,
            up1: Conv::load(r, "up1")?,
            stage1: ResBlock::load_all(r, "stage1", config.n1)?,
            up2: Conv::load(r, "up2")?,
            stage0: ResBlock::load_all(r, "stage0", config.n0)?,
            head: Conv::load(r, "head")?,
        })
    }

    /// `[N, C, h, w]` → `[N, 3, 8h, 8w]` RGB, not yet clamped to 0..1.
    pub fn decode(&self, z: &Tensor, cancel: &dyn Fn() -> bool) -> Result<Tensor> {
        let d = self;
        // Beyond ±3 latents are outliers: bend them, so that one bad value does not colour a whole patch.
        let x = ((z / 3.0)?.tanh()? * 3.0)?;
        let mut x = d.stem.forward(&x)?;
        for block in &d.stage2 {
            check_cancel(cancel)?;
            x = block.forward(&x)?;
        }
        x = pixel_shuffle(&d.up1.forward(&x)?, 2)?;
        for block in &d.stage1 {
            check_cancel(cancel)?;
            x = block.forward(&x)?;
        }
        x = pixel_shuffle(&d.up2.forward(&x)?, 2)?;
        for block in &d.stage0 {
            check_cancel(cancel)?;
            x = block.forward(&x)?;
        }
        let y = pixel_shuffle(&d.head.forward(&x.relu()?)?, 2)?;
        Ok(y.affine(0.5, 0.5)?)
    }
}
