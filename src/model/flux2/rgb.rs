//! Colours straight from a latent, for previews: the linear map that fits best what the autoencoder itself does.

use candle_core::Tensor;

use super::vae::{CELL, Vae, unfolded};
use crate::model::error::Result;

/// Side of the pictures that the map is fitted on, in pixels.
const SIDE: usize = 192;
/// Keeps the equations solvable where channels say the same.
const RIDGE: f64 = 1e-3;

/// Smooth colours with slow waves of many directions in 0..1, interleaved RGB.
fn waves(seed: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(SIDE * SIDE * 3);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (u, v) = (x as f32 / SIDE as f32, y as f32 / SIDE as f32);
            for c in 0..3 {
                let turn = (1 + c + 3 * seed) as f32 * 2.4;
                let (a, b) = (turn.cos(), turn.sin());
                let slow = (9.0 * (a * u + b * v) + turn).sin();
                let fast = (31.0 * (b * u - a * v) + 2.0 * turn).sin();
                out.push(0.5 + 0.35 * slow + 0.12 * fast);
            }
        }
    }
    out
}

/// rgb (0..1) = M · [z; 1] of normalised latents: `channels + 1` columns, by least squares over the cells of pictures
/// that the autoencoder encodes.
pub(super) fn fit(vae: &Vae, cancel: &dyn Fn() -> bool) -> Result<Vec<[f32; 3]>> {
    let channels = vae.config().channels;
    let n = channels + 1;
    let (mut left, mut right) = (vec![0f64; n * n], vec![[0f64; 3]; n]);
    for seed in 0..2 {
        let rgb = waves(seed);
        let x = Tensor::from_slice(&rgb, (1, SIDE, SIDE, 3), vae.device())?;
        let x = x.permute((0, 3, 1, 2))?.contiguous()?;
        let z = unfolded(&vae.encode(&x.affine(2.0, -1.0)?, cancel)?)?;
        let cells = SIDE / CELL * (SIDE / CELL);
        let z: Vec<f32> = z.flatten_all()?.to_vec1()?;
        let means: Vec<f32> = x.avg_pool2d(CELL)?.flatten_all()?.to_vec1()?;
        let mut row = vec![1f64; n];
        for cell in 0..cells {
            for (c, value) in row.iter_mut().take(channels).enumerate() {
                *value = f64::from(z[c * cells + cell]);
            }
            for i in 0..n {
                for j in 0..n {
                    left[i * n + j] += row[i] * row[j];
                }
                for (c, sum) in right[i].iter_mut().enumerate() {
                    *sum += row[i] * f64::from(means[c * cells + cell]);
                }
            }
        }
    }
    for i in 0..channels {
        left[i * n + i] += RIDGE * left[n * n - 1];
    }
    Ok(solve(left, right))
}

/// Gauss's elimination with pivots; `left` is n × n.
fn solve(mut left: Vec<f64>, mut right: Vec<[f64; 3]>) -> Vec<[f32; 3]> {
    let n = right.len();
    for column in 0..n {
        let size = |row: usize, left: &[f64]| left[row * n + column].abs();
        let pivot = (column..n)
            .max_by(|&a, &b| size(a, &left).total_cmp(&size(b, &left)))
            .unwrap_or(column);
        if size(pivot, &left) < 1e-12 {
            continue;
        }
        for j in 0..n {
            left.swap(column * n + j, pivot * n + j);
        }
        right.swap(column, pivot);
        for row in 0..n {
            if row == column {
                continue;
            }
            let factor = left[row * n + column] / left[column * n + column];
            for j in column..n {
                left[row * n + j] -= factor * left[column * n + j];
            }
            let from = right[column];
            for (to, from) in right[row].iter_mut().zip(from) {
                *to -= factor * from;
            }
        }
    }
    (0..n)
        .map(|i| {
            let pivot = left[i * n + i];
            right[i].map(|v| {
                if pivot.abs() < 1e-12 {
                    0.0
                } else {
                    (v / pivot) as f32
                }
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_solved_in_any_order() {
        // y + 1 = 3, 2x + y = 8 in three right sides.
        let left = vec![0.0, 1.0, 2.0, 1.0];
        let right = vec![[2.0, 4.0, 0.0], [8.0, 10.0, 1.0]];
        assert_eq!(solve(left, right), [[3.0, 3.0, 0.5], [2.0, 4.0, 0.0]]);
    }

    #[test]
    fn the_map_is_nearer_than_any_single_colour() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/flux2/single");
        let path = std::path::Path::new(folder).join("vae.safetensors");
        let compute = super::super::Compute::on_processor();
        let vae = Vae::load(&[path], &compute).unwrap();
        let map = fit(&vae, &|| false).unwrap();
        assert_eq!(map.len(), 5);
        let rgb = Tensor::from_vec(waves(0), (1, SIDE, SIDE, 3), vae.device()).unwrap();
        let x = rgb.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
        let z = vae
            .encode(&x.affine(2.0, -1.0).unwrap(), &|| false)
            .unwrap();
        let values = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let z = values(unfolded(&z).unwrap());
        let truth = values(x.avg_pool2d(CELL).unwrap());
        let cells = truth.len() / 3;
        let (mut with, mut without) = (0.0, 0.0);
        for c in 0..3 {
            let truth = &truth[c * cells..][..cells];
            let mean = truth.iter().sum::<f32>() / cells as f32;
            for (cell, truth) in truth.iter().enumerate() {
                let shown: f32 = (0..4).map(|k| map[k][c] * z[k * cells + cell]).sum();
                with += (shown + map[4][c] - truth).powi(2);
                without += (mean - truth).powi(2);
            }
        }
        assert!(with < 0.9 * without, "{with} {without}");
    }
}
