//! The two-dimensional rotary position embedding.
//!
//! A head's first half turns with the row, its second half with the column; inside each half the pairs
//! (2i, 2i + 1) turn by position · θ^(−i / (D/4)), i < D/4 (Su et al., RoFormer, along two axes).

use candle_core::{Device, Tensor};

use super::config::ROPE_THETA;
use super::error::Result;

/// A token's row and column, in tokens of the output frame.
pub type Position = [f32; 2];

/// Rows and columns of a picture's tokens.
pub type Grid = (usize, usize);

/// The positions of a picture in its own frame: token (i, j) is at (i, j).
pub fn own_positions((rows, cols): Grid) -> Vec<Position> {
    (0..rows)
        .flat_map(|i| (0..cols).map(move |j| [i as f32, j as f32]))
        .collect()
}

/// The positions of a picture of grid `grid` that covers `area` (top, left, bottom, right as shares) of a
/// frame: token centres go to the centres of as many equal parts.
pub fn placed_positions(grid: Grid, area: [f32; 4], frame: Grid) -> Vec<Position> {
    let (rows, cols) = grid;
    let [top, left, bottom, right] = area;
    let along = |i: usize, n: usize, low: f32, high: f32, length: usize| {
        (low + (i as f32 + 0.5) / n as f32 * (high - low)) * length as f32 - 0.5
    };
    (0..rows)
        .flat_map(|i| {
            let y = along(i, rows, top, bottom, frame.0);
            (0..cols).map(move |j| [y, along(j, cols, left, right, frame.1)])
        })
        .collect()
}

/// The positions at which output tokens see a picture: where it is placed, or stretched over the frame.
pub fn cross_positions(grid: Grid, placed: Option<[f32; 4]>, frame: Grid) -> Vec<Position> {
    match placed {
        None if grid == frame => own_positions(grid),
        None => placed_positions(grid, [0.0, 0.0, 1.0, 1.0], frame),
        Some(area) => placed_positions(grid, area, frame),
    }
}

/// Cosines and sines for a row of tokens.
#[derive(Clone, Debug)]
pub struct Rope {
    /// `[tokens, D / 2]`.
    pub cos: Tensor,
    /// `[tokens, D / 2]`.
    pub sin: Tensor,
}

impl Rope {
    /// The table for heads of width `head_dim`. The angles are taken in f64, the values kept in f32.
    ///
    /// # Errors
    /// What candle says, if there is no memory on the device.
    pub fn new(positions: &[Position], head_dim: usize, device: &Device) -> Result<Self> {
        let quarter = head_dim / 4;
        let frequencies: Vec<f64> = (0..quarter)
            .map(|i| ROPE_THETA.powf(-(i as f64) / quarter as f64))
            .collect();
        let mut cos = Vec::with_capacity(positions.len() * 2 * quarter);
        let mut sin = Vec::with_capacity(positions.len() * 2 * quarter);
        for position in positions {
            for coordinate in position {
                for frequency in &frequencies {
                    let (s, c) = (f64::from(*coordinate) * frequency).sin_cos();
                    cos.push(c as f32);
                    sin.push(s as f32);
                }
            }
        }
        let shape = (positions.len(), 2 * quarter);
        Ok(Self {
            cos: Tensor::from_vec(cos, shape, device)?,
            sin: Tensor::from_vec(sin, shape, device)?,
        })
    }

    /// The same tokens `times` times over, as joint outputs share a frame.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn repeat(&self, times: usize) -> Result<Self> {
        Ok(Self {
            cos: self.cos.repeat((times, 1))?,
            sin: self.sin.repeat((times, 1))?,
        })
    }

    /// One table after the other.
    ///
    /// # Errors
    /// What candle says, if there are no tables, their widths differ, or there is no memory on the device.
    pub fn concatenate(tables: &[&Rope]) -> Result<Self> {
        let cos: Vec<_> = tables.iter().map(|t| &t.cos).collect();
        let sin: Vec<_> = tables.iter().map(|t| &t.sin).collect();
        Ok(Self {
            cos: Tensor::cat(&cos, 0)?,
            sin: Tensor::cat(&sin, 0)?,
        })
    }

    /// A table that turns nothing, for text.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn identity(tokens: usize, head_dim: usize, device: &Device) -> Result<Self> {
        Self::new(&vec![[0.0, 0.0]; tokens], head_dim, device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_frame_is_its_own_grid() {
        let own = own_positions((3, 5));
        let placed = placed_positions((3, 5), [0.0, 0.0, 1.0, 1.0], (3, 5));
        for (a, b) in own.iter().zip(&placed) {
            assert!((a[0] - b[0]).abs() < 1e-6 && (a[1] - b[1]).abs() < 1e-6);
        }
        assert_eq!(own[7], [1.0, 2.0]);
    }

    #[test]
    fn a_placed_picture_fills_its_area() {
        // Two by two tokens over the middle half of an 8 × 8 frame: rows 2 … 6, centres 3 and 5, less a half.
        let at = placed_positions((2, 2), [0.25, 0.25, 0.75, 0.75], (8, 8));
        assert_eq!(at, [[2.5, 2.5], [2.5, 4.5], [4.5, 2.5], [4.5, 4.5]]);
    }

    #[test]
    fn angles_follow_rows_then_columns() {
        let rope = Rope::new(&[[2.0, 3.0]], 8, &Device::Cpu).unwrap();
        let cos: Vec<f32> = rope.cos.flatten_all().unwrap().to_vec1().unwrap();
        let expected = [2.0f64, 0.2, 3.0, 0.3].map(|a| a.cos() as f32);
        assert_eq!(cos, expected);
    }
}
