//! The autoencoder in the processor's own kernels: planes in the order row, column, channel.

use candle_core::{Device, Tensor};

use crate::model::config::{AutoencoderConfig, DecoderConfig};
use crate::model::error::{Result, check_cancel};
use crate::model::kernels::conv::{Kernel, Plane, unfold};
use crate::model::kernels::gemm::filled;
use crate::model::ops::fused_values;
use crate::model::weights::Reader;

/// x + conv2(relu(conv1(x))).
pub(in crate::model) struct ResBlock {
    conv1: Kernel,
    conv2: Kernel,
}

/// Weights, bias and input channels of a layer.
pub(in crate::model) fn read(r: &Reader, name: &str) -> Result<(Vec<f32>, Vec<f32>, usize)> {
    let r = r.below(name);
    let weight = r.get("weight")?;
    Ok((
        fused_values(&weight)?,
        fused_values(&r.get("bias")?)?,
        weight.dim(1)?,
    ))
}

/// A 3 × 3 layer.
pub(in crate::model) fn around(r: &Reader, name: &str) -> Result<Kernel> {
    let (weights, bias, channels) = read(r, name)?;
    Ok(Kernel::around(&weights, &bias, channels))
}

impl ResBlock {
    /// The blocks below that name.
    pub fn load_all(r: &Reader, name: &str, count: usize) -> Result<Vec<Self>> {
        (0..count)
            .map(|i| {
                let r = r.below(name).below(i);
                Ok(Self {
                    conv1: around(&r, "conv1")?,
                    conv2: around(&r, "conv2")?,
                })
            })
            .collect()
    }
}

/// Runs a stage's blocks; `relu` is applied to its end.
pub(in crate::model) fn stage(
    blocks: &[ResBlock],
    x: &mut Plane,
    relu: bool,
    cancel: &dyn Fn() -> bool,
) -> Result<()> {
    let mut hidden = Plane::new(x.rows, x.cols, x.channels);
    for (i, block) in blocks.iter().enumerate() {
        check_cancel(cancel)?;
        block.conv1.write_to(x, &mut hidden, true);
        block
            .conv2
            .add_to(&hidden, x, relu && i + 1 == blocks.len());
    }
    if relu && blocks.is_empty() {
        x.relu();
    }
    Ok(())
}

/// Encoder and decoder.
pub(super) struct Autoencoder {
    encoder: Encoder,
    decoder: Decoder,
}

struct Encoder {
    stem: Kernel,
    stage1: Vec<ResBlock>,
    down: Kernel,
    stage2: Vec<ResBlock>,
    head: Kernel,
}

/// The decoder alone.
pub(super) struct Decoder {
    stem: Kernel,
    stage2: Vec<ResBlock>,
    up1: [Kernel; 2],
    stage1: Vec<ResBlock>,
    up2: [Kernel; 2],
    stage0: Vec<ResBlock>,
    head: Kernel,
}

impl Autoencoder {
    /// From checked tensors.
    pub fn new(config: &AutoencoderConfig, r: &Reader) -> Result<Self> {
        let (e, ec) = (r.below("encoder"), &config.encoder);
        let (down, down_bias, folded) = read(&e, "down")?;
        Ok(Self {
            encoder: Encoder {
                stem: around(&e, "stem")?,
                stage1: ResBlock::load_all(&e, "stage1", ec.n1)?,
                down: Kernel::fold(&down, &down_bias, folded / 4),
                stage2: ResBlock::load_all(&e, "stage2", ec.n2)?,
                head: around(&e, "head")?,
            },
            decoder: Decoder::new(&config.decoder, &r.below("decoder"))?,
        })
    }

    /// `[N, 3, H, W]` RGB in 0..1 → `[N, C, H/8, W/8]`.
    pub fn encode(&self, rgb: &Tensor, cancel: &dyn Fn() -> bool) -> Result<Tensor> {
        let (pictures, _, h, w) = rgb.dims4()?;
        let e = &self.encoder;
        let mut latents = Vec::with_capacity(pictures);
        for i in 0..pictures {
            let values = fused_values(&rgb.get(i)?)?;
            let mut x = e.stem.to_plane(&unshuffled(&values, h, w), false);
            stage(&e.stage1, &mut x, false, cancel)?;
            let mut x = e.down.to_plane(&x, false);
            stage(&e.stage2, &mut x, true, cancel)?;
            let (rows, cols, channels) = (x.rows, x.cols, e.head.outputs());
            // SAFETY: the kernel gives every channel of every pixel once.
            let latent = unsafe {
                filled(channels * rows * cols, |out| {
                    e.head.apply(&x, |row, col, first, values| {
                        for (c, v) in values.iter().enumerate() {
                            out.slice(((first + c) * rows + row) * cols + col, 1)[0] = *v;
                        }
                    });
                })
            };
            latents.push(Tensor::from_vec(
                latent,
                (1, channels, rows, cols),
                &Device::Cpu,
            )?);
        }
        Ok(Tensor::cat(&latents, 0)?)
    }

    /// `[N, C, h, w]` → `[N, 3, 8h, 8w]` RGB, not yet clamped to 0..1.
    pub fn decode(&self, z: &Tensor, cancel: &dyn Fn() -> bool) -> Result<Tensor> {
        self.decoder.decode(z, cancel)
    }
}

impl Decoder {
    /// From checked tensors.
    pub fn new(config: &DecoderConfig, r: &Reader) -> Result<Self> {
        let up = |name: &str| -> Result<[Kernel; 2]> {
            let (weights, bias, channels) = read(r, name)?;
            Ok(Kernel::unfold(&weights, &bias, channels))
        };
        Ok(Self {
            stem: around(r, "stem")?,
            stage2: ResBlock::load_all(r, "stage2", config.n2)?,
            up1: up("up1")?,
            stage1: ResBlock::load_all(r, "stage1", config.n1)?,
            up2: up("up2")?,
            stage0: ResBlock::load_all(r, "stage0", config.n0)?,
            head: around(r, "head")?,
        })
    }

    /// `[N, C, h, w]` → `[N, 3, 8h, 8w]` RGB, not yet clamped to 0..1.
    pub fn decode(&self, z: &Tensor, cancel: &dyn Fn() -> bool) -> Result<Tensor> {
        let (pictures, channels, h, w) = z.dims4()?;
        let d = self;
        let mut decoded = Vec::with_capacity(pictures);
        for i in 0..pictures {
            let values = fused_values(&z.get(i)?)?;
            let mut x = Plane::new(h, w, channels);
            for row in 0..h {
                for col in 0..w {
                    for (c, to) in x.pixel_mut(row, col).iter_mut().enumerate() {
                        *to = 3.0 * (values[(c * h + row) * w + col] / 3.0).tanh();
                    }
                }
            }
            let mut x = d.stem.to_plane(&x, false);
            stage(&d.stage2, &mut x, false, cancel)?;
            let mut x = unfold(&d.up1, &x);
            stage(&d.stage1, &mut x, false, cancel)?;
            let mut x = unfold(&d.up2, &x);
            stage(&d.stage0, &mut x, true, cancel)?;
            let (rows, cols) = (2 * x.rows, 2 * x.cols);
            // SAFETY: the kernel gives every channel of every pixel once: 12 values for 2 × 2 pixels of 3.
            let rgb = unsafe {
                filled(3 * rows * cols, |out| {
                    d.head.apply(&x, |row, col, first, values| {
                        for (o, v) in values.iter().enumerate() {
                            let (c, dy, dx) = ((first + o) / 4, o / 2 % 2, o % 2);
                            let at = (c * rows + 2 * row + dy) * cols + 2 * col + dx;
                            out.slice(at, 1)[0] = 0.5 * *v + 0.5;
                        }
                    });
                })
            };
            decoded.push(Tensor::from_vec(rgb, (1, 3, rows, cols), &Device::Cpu)?);
        }
        Ok(Tensor::cat(&decoded, 0)?)
    }
}

/// 2·rgb − 1 with 4 × 4 pixels folded into one of 48 channels; `rgb` is `[3, h, w]`.
fn unshuffled(rgb: &[f32], h: usize, w: usize) -> Plane {
    let mut plane = Plane::new(h / 4, w / 4, 48);
    for row in 0..h / 4 {
        for col in 0..w / 4 {
            for (o, to) in plane.pixel_mut(row, col).iter_mut().enumerate() {
                let (c, dy, dx) = (o / 16, o / 4 % 4, o % 4);
                *to = 2.0 * rgb[(c * h + 4 * row + dy) * w + 4 * col + dx] - 1.0;
            }
        }
    }
    plane
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::model::autoencoder::plain;
    use crate::model::config::{AutoencoderConfig, DecoderConfig, EncoderConfig};
    use crate::model::ops::Kernels;
    use crate::model::preset::preset;
    use crate::model::spec;

    #[test]
    fn fused_equals_plain() {
        let mut config = preset("nano-s").unwrap().config();
        // Odd widths, a stage without blocks, and the default.
        let odd = AutoencoderConfig {
            encoder: EncoderConfig {
                c1: 7,
                n1: 1,
                c2: 18,
                n2: 0,
            },
            decoder: DecoderConfig {
                c2: 21,
                n2: 1,
                c1: 9,
                n1: 0,
                c0: 5,
                n0: 0,
            },
            ..AutoencoderConfig::default()
        };
        for (parts, h, w) in [(odd, 48, 32), (AutoencoderConfig::default(), 32, 112)] {
            config.autoencoder = parts;
            let tensors: HashMap<_, _> = spec::autoencoder(&config)
                .into_iter()
                .map(|s| {
                    let fan: usize = s.shape.iter().skip(1).product();
                    let t = Tensor::randn(0f32, (fan as f32).powf(-0.5), s.shape, &Device::Cpu);
                    (s.name, t.unwrap())
                })
                .collect();
            let r = Reader::new(&tensors, "test", Kernels::Fused);
            let fused = Autoencoder::new(&config.autoencoder, &r).unwrap();
            let plain = plain::Autoencoder::new(&config.autoencoder, &r).unwrap();
            let rgb = Tensor::rand(0f32, 1f32, (2, 3, h, w), &Device::Cpu).unwrap();
            let go = || false;
            let (a, b) = (
                fused.encode(&rgb, &go).unwrap(),
                plain.encode(&rgb, &go).unwrap(),
            );
            close(&a, &b);
            close(
                &fused.decode(&b, &go).unwrap(),
                &plain.decode(&b, &go).unwrap(),
            );
        }
    }

    #[track_caller]
    fn close(a: &Tensor, b: &Tensor) {
        assert_eq!(a.dims(), b.dims());
        let scale = b
            .abs()
            .unwrap()
            .max_all()
            .unwrap()
            .to_scalar::<f32>()
            .unwrap();
        let worst = (a - b)
            .unwrap()
            .abs()
            .unwrap()
            .max_all()
            .unwrap()
            .to_scalar::<f32>()
            .unwrap();
        assert!(worst <= 1e-5 * scale, "{worst} of {scale}");
    }
}
