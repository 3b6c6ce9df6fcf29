//! Convolutions of stride 1 over zero-padded planes in the order row, column, channel.
//!
//! In that order the 3·C values that one kernel row covers are adjacent, so a 3 × 3 convolution is three
//! products summed in registers, each with rows of `a` that overlap; nothing is copied.

use super::gemm::Packed;
use super::simd::{Shared, for_each, isa};
use super::tile::{self, MR, NR, Out, Part};

/// A plane with a border of one zero pixel: `[rows + 2][cols + 2][channels]`.
#[derive(Clone, Debug)]
pub(crate) struct Plane {
    pub rows: usize,
    pub cols: usize,
    pub channels: usize,
    values: Vec<f32>,
}

impl Plane {
    /// All zero.
    pub fn new(rows: usize, cols: usize, channels: usize) -> Self {
        Self {
            rows,
            cols,
            channels,
            values: vec![0.0; (rows + 2) * (cols + 2) * channels],
        }
    }

    /// Position of the first channel of a pixel; −1 is the border.
    #[inline]
    fn at(&self, row: usize, col: usize) -> usize {
        ((row + 1) * (self.cols + 2) + col + 1) * self.channels
    }

    /// The channels of a pixel, to write.
    pub fn pixel_mut(&mut self, row: usize, col: usize) -> &mut [f32] {
        let at = self.at(row, col);
        &mut self.values[at..at + self.channels]
    }

    /// Adds a plane of the same size.
    pub fn add(&mut self, other: &Plane) {
        for (v, add) in self.values.iter_mut().zip(&other.values) {
            *v += add;
        }
    }

    /// Cuts off what is negative.
    pub fn relu(&mut self) {
        for v in &mut self.values {
            *v = v.max(0.0);
        }
    }
}

/// How a kernel reads its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// 3 × 3 pixels around the output.
    Around,
    /// The pixel itself.
    Point,
    /// The 2 × 2 pixels that a pixel unshuffle folds into one.
    Fold,
}

/// A convolution's weights for one plane.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    reach: Reach,
    channels: usize,
    weights: Vec<Packed>,
    bias: Vec<f32>,
}

impl Kernel {
    /// 3 × 3; weights `[out, in, 3, 3]`.
    pub fn around(weights: &[f32], bias: &[f32], channels: usize) -> Self {
        let rows = (0..3).map(|ky| {
            Packed::new(bias.len(), 3 * channels, |o, i| {
                let (kx, c) = (i / channels, i % channels);
                weights[((o * channels + c) * 3 + ky) * 3 + kx]
            })
        });
        Self {
            reach: Reach::Around,
            channels,
            weights: rows.collect(),
            bias: bias.to_vec(),
        }
    }

    /// 1 × 1 after a pixel unshuffle by 2; weights `[out, 4·in, 1, 1]`.
    pub fn fold(weights: &[f32], bias: &[f32], channels: usize) -> Self {
        let rows = (0..2).map(|dy| {
            Packed::new(bias.len(), 2 * channels, |o, i| {
                let (dx, c) = (i / channels, i % channels);
                weights[o * 4 * channels + c * 4 + dy * 2 + dx]
            })
        });
        Self {
            reach: Reach::Fold,
            channels,
            weights: rows.collect(),
            bias: bias.to_vec(),
        }
    }

    /// 1 × 1 before a pixel shuffle by 2, as two kernels: the upper and the lower row of each 2 × 2 block, with
    /// the two pixels of that row adjacent; weights `[4·out, in, 1, 1]`.
    pub fn unfold(weights: &[f32], bias: &[f32], channels: usize) -> [Self; 2] {
        let out = bias.len() / 4;
        [0, 1].map(|dy| {
            // Output (dx, c) of row dy was channel c·4 + dy·2 + dx.
            let source = |o: usize| o % out * 4 + dy * 2 + o / out;
            Self {
                reach: Reach::Point,
                channels,
                weights: vec![Packed::new(2 * out, channels, |o, i| {
                    weights[source(o) * channels + i]
                })],
                bias: (0..2 * out).map(|o| bias[source(o)]).collect(),
            }
        })
    }

    /// Output channels.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Hands each pixel's values (32 channels at most at a time, bias included) to
    /// `finish(row, col, first channel, values)`.
    pub fn apply(&self, x: &Plane, finish: impl Fn(usize, usize, usize, &[f32]) + Sync) {
        assert_eq!(x.channels, self.channels);
        let (rows, cols) = match self.reach {
            Reach::Fold => (x.rows / 2, x.cols / 2),
            _ => (x.rows, x.cols),
        };
        if rows * cols == 0 {
            return;
        }
        let line = (x.cols + 2) * x.channels;
        let (lda, inner) = match self.reach {
            Reach::Around => (x.channels, 3 * x.channels),
            Reach::Point => (x.channels, x.channels),
            Reach::Fold => (2 * x.channels, 2 * x.channels),
        };
        let isa = isa();
        let panels = self.weights[0].panels();
        // Tasks of a few hundred pixels: one panel of weights is read once for all of them.
        let blocks = (rows * cols).div_ceil(256).min(rows);
        let work = rows * cols * inner * self.weights.len() * self.outputs();
        for_each(blocks * panels, work > 1 << 18, |task| {
            let (first, height) = tile::split(rows, task / panels, blocks);
            let panel = task % panels;
            let tiles = cols.div_ceil(MR);
            let mut out = Out::new();
            let (_, halves, real) = self.weights[0].panel(panel);
            let bias = &self.bias[panel * NR..panel * NR + real];
            for row in first..first + height {
                for t in 0..tiles {
                    let (col, width) = tile::split(cols, t, tiles);
                    let start = match self.reach {
                        Reach::Around => row * line + col * x.channels,
                        Reach::Point => x.at(row, col),
                        Reach::Fold => x.at(2 * row, 2 * col),
                    };
                    let mut parts = [const {
                        Part {
                            a: std::ptr::null(),
                            b: std::ptr::null(),
                            k: 0,
                        }
                    }; 3];
                    for (i, (part, weights)) in parts.iter_mut().zip(&self.weights).enumerate() {
                        *part = Part {
                            a: x.values[start + i * line..][..(width - 1) * lda + inner].as_ptr(),
                            b: weights.panel(panel).0.as_ptr(),
                            k: inner,
                        };
                    }
                    let parts = &parts[..self.weights.len()];
                    // SAFETY: the slice above holds all rows of `a`; a panel holds `inner` rows of 16·halves.
                    unsafe {
                        tile::multiply(isa, width, halves, parts, lda, 16 * halves, &mut out)
                    };
                    for (i, values) in out.0.iter_mut().enumerate().take(width) {
                        let values = &mut values[..real];
                        for (v, b) in values.iter_mut().zip(bias) {
                            *v += b;
                        }
                        finish(row, col + i, panel * NR, values);
                    }
                }
            }
        });
    }

    /// Into a new plane; `relu` cuts off what is negative.
    pub fn to_plane(&self, x: &Plane, relu: bool) -> Plane {
        let (rows, cols) = match self.reach {
            Reach::Fold => (x.rows / 2, x.cols / 2),
            _ => (x.rows, x.cols),
        };
        let mut y = Plane::new(rows, cols, self.outputs());
        self.write_to(x, &mut y, relu);
        y
    }

    /// Into a plane of the same size and of this kernel's channels.
    pub fn write_to(&self, x: &Plane, y: &mut Plane, relu: bool) {
        assert_eq!(y.channels, self.outputs());
        let out = Shared(y.values.as_mut_ptr());
        let y = &*y;
        self.apply(x, |row, col, channel, values| {
            // SAFETY: `apply` hands over each pixel's channels once; `at` is inside the plane.
            let to = unsafe { out.slice(y.at(row, col) + channel, values.len()) };
            for (to, v) in to.iter_mut().zip(values) {
                *to = if relu && *v < 0.0 { 0.0 } else { *v };
            }
        });
    }

    /// Adds to a plane; `relu` cuts off what is negative afterwards.
    pub fn add_to(&self, x: &Plane, y: &mut Plane, relu: bool) {
        assert!(y.channels == self.outputs() && (y.rows, y.cols) == (x.rows, x.cols));
        let out = Shared(y.values.as_mut_ptr());
        let y = &*y;
        self.apply(x, |row, col, channel, values| {
            // SAFETY: as in `write_to`.
            let to = unsafe { out.slice(y.at(row, col) + channel, values.len()) };
            for (to, v) in to.iter_mut().zip(values) {
                let sum = *to + *v;
                *to = if relu && sum < 0.0 { 0.0 } else { sum };
            }
        });
    }
}

/// Applies both rows of an [`Kernel::unfold`]: a plane of twice the size.
pub(crate) fn unfold(kernels: &[Kernel; 2], x: &Plane) -> Plane {
    let channels = kernels[0].outputs() / 2;
    let mut y = Plane::new(2 * x.rows, 2 * x.cols, channels);
    let out = Shared(y.values.as_mut_ptr());
    let y_ref = &y;
    for (dy, kernel) in kernels.iter().enumerate() {
        kernel.apply(x, |row, col, first, values| {
            // SAFETY: as in `write_to`; the two pixels of a row are adjacent in memory.
            let to = unsafe { out.slice(y_ref.at(2 * row + dy, 2 * col) + first, values.len()) };
            to.copy_from_slice(values);
        });
    }
    y
}
