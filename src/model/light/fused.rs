//! The light model in the processor's own kernels: planes in the order row, column, channel.

use candle_core::{Device, Tensor};

use super::{CHANNELS, LightMaps, maps};
use crate::model::autoencoder::fused::{ResBlock, around, read, stage};
use crate::model::config::LightConfig;
use crate::model::error::Result;
use crate::model::kernels::conv::{Kernel, Plane, unfold};
use crate::model::kernels::gemm::filled;
use crate::model::ops::fused_values;
use crate::model::weights::Reader;

/// Its layers.
pub(super) struct Net {
    stem: Kernel,
    stages: [Vec<ResBlock>; 4],
    downs: [Kernel; 3],
    all: Linear,
    ups: [[Kernel; 2]; 3],
    backs: [Vec<ResBlock>; 3],
    grid: Kernel,
    head: Kernel,
}

/// A 1 × 1 convolution for a single pixel.
struct Linear {
    weights: Vec<f32>,
    bias: Vec<f32>,
    channels: usize,
}

impl Net {
    /// From checked tensors.
    pub fn new(config: &LightConfig, r: &Reader) -> Result<Self> {
        let c = config;
        let down = |name: &str| -> Result<Kernel> {
            let (weights, bias, folded) = read(r, name)?;
            Ok(Kernel::fold(&weights, &bias, folded / 4))
        };
        let up = |name: &str| -> Result<[Kernel; 2]> {
            let (weights, bias, channels) = read(r, name)?;
            Ok(Kernel::unfold(&weights, &bias, channels))
        };
        let (weights, bias, channels) = read(r, "all")?;
        Ok(Self {
            stem: around(r, "stem")?,
            stages: [
                ResBlock::load_all(r, "stage0", c.n0)?,
                ResBlock::load_all(r, "stage1", c.n1)?,
                ResBlock::load_all(r, "stage2", c.n2)?,
                ResBlock::load_all(r, "stage3", c.n3)?,
            ],
            downs: [down("down1")?, down("down2")?, down("down3")?],
            all: Linear {
                weights,
                bias,
                channels,
            },
            ups: [up("up0")?, up("up1")?, up("up2")?],
            backs: [
                ResBlock::load_all(r, "back0", c.n0)?,
                ResBlock::load_all(r, "back1", c.n1)?,
                ResBlock::load_all(r, "back2", c.n2)?,
            ],
            grid: around(r, "grid")?,
            head: around(r, "head")?,
        })
    }

    /// `[8, H, W]` to light.
    pub fn light(&self, input: &Tensor, cancel: &dyn Fn() -> bool) -> Result<LightMaps> {
        let (_, height, width) = input.dims3()?;
        let seen = looked_at(&fused_values(input)?, height, width);
        let mut x = self.stem.to_plane(&seen, false);
        stage(&self.stages[0], &mut x, false, cancel)?;
        let mut passed = Vec::with_capacity(3);
        for (at, down) in self.downs.iter().enumerate() {
            let mut smaller = down.to_plane(&x, false);
            if at + 1 == self.downs.len() {
                self.all.add_of_mean(&mut smaller);
            }
            stage(&self.stages[at + 1], &mut smaller, false, cancel)?;
            passed.push(std::mem::replace(&mut x, smaller));
        }
        let mut grid = Vec::new();
        for (at, mut same) in passed.into_iter().enumerate().rev() {
            same.add(&unfold(&self.ups[at], &x));
            stage(&self.backs[at], &mut same, at == 0, cancel)?;
            if at == 2 {
                let mut seen = same.clone();
                seen.relu();
                grid = channels_first(&self.grid, &seen);
            }
            x = same;
        }
        let (rows, cols) = (2 * x.rows, 2 * x.cols);
        // SAFETY: the kernel gives every channel of every pixel once: 12 values for 2 × 2 pixels of 3.
        let ground = unsafe {
            filled(3 * rows * cols, |out| {
                self.head.apply(&x, |row, col, first, values| {
                    for (o, v) in values.iter().enumerate() {
                        let (c, dy, dx) = ((first + o) / 4, o / 2 % 2, o % 2);
                        let at = (c * rows + 2 * row + dy) * cols + 2 * col + dx;
                        out.slice(at, 1)[0] = *v;
                    }
                });
            })
        };
        maps(
            &Tensor::from_vec(grid, (6, height / 8, width / 8), &Device::Cpu)?,
            &Tensor::from_vec(ground, (3, rows, cols), &Device::Cpu)?,
        )
    }
}

impl Linear {
    /// Adds what it makes of the mean over all pixels to each.
    fn add_of_mean(&self, x: &mut Plane) {
        let mut mean = vec![0.0; self.channels];
        let count = (x.rows * x.cols) as f32;
        for row in 0..x.rows {
            for col in 0..x.cols {
                for (sum, v) in mean.iter_mut().zip(x.pixel_mut(row, col)) {
                    *sum += *v / count;
                }
            }
        }
        let rows = self.weights.chunks_exact(self.channels);
        let added: Vec<f32> = rows
            .zip(&self.bias)
            .map(|(w, b)| b + w.iter().zip(&mean).map(|(w, m)| w * m).sum::<f32>())
            .collect();
        for row in 0..x.rows {
            for col in 0..x.cols {
                for (v, add) in x.pixel_mut(row, col).iter_mut().zip(&added) {
                    *v += add;
                }
            }
        }
    }
}

/// A layer's output as `[channels, rows, columns]`.
fn channels_first(kernel: &Kernel, x: &Plane) -> Vec<f32> {
    let (rows, cols) = (x.rows, x.cols);
    // SAFETY: the kernel gives every channel of every pixel once.
    unsafe {
        filled(kernel.outputs() * rows * cols, |out| {
            kernel.apply(x, |row, col, first, values| {
                for (c, v) in values.iter().enumerate() {
                    out.slice(((first + c) * rows + row) * cols + col, 1)[0] = *v;
                }
            });
        })
    }
}

/// 2·x − 1 with 2 × 2 pixels folded into one, and where the pixel is, from −1 to 1 down and across; `values` are
/// `[8, h, w]`.
fn looked_at(values: &[f32], h: usize, w: usize) -> Plane {
    let (rows, cols) = (h / 2, w / 2);
    let along = |at: usize, count: usize| (at as f32 + 0.5) * 2.0 / count as f32 - 1.0;
    let mut plane = Plane::new(rows, cols, 4 * CHANNELS + 2);
    for row in 0..rows {
        for col in 0..cols {
            let pixel = plane.pixel_mut(row, col);
            let (folded, place) = pixel.split_at_mut(4 * CHANNELS);
            for (o, to) in folded.iter_mut().enumerate() {
                let (c, dy, dx) = (o / 4, o / 2 % 2, o % 2);
                *to = 2.0 * values[(c * h + 2 * row + dy) * w + 2 * col + dx] - 1.0;
            }
            place.copy_from_slice(&[along(row, rows), along(col, cols)]);
        }
    }
    plane
}
