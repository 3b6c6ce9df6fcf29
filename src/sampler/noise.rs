//! Starting noise from a seed.

use candle_core::{Device, Result, Tensor};
use rand::SeedableRng;
use rand::distr::Distribution;
use rand_chacha::ChaCha12Rng;
use rand_distr::StandardNormal;

/// `len` standard normal values. They are drawn in f32 on the CPU, so they are the same on every device;
/// each joint picture has its own stream of the seed's generator.
pub fn noise(seed: u64, joint: usize, len: usize) -> Vec<f32> {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    rng.set_stream(joint as u64);
    StandardNormal.sample_iter(&mut rng).take(len).collect()
}

/// Noise for one output per seed, each of `joint` pictures of `shape` = channels, rows, columns:
/// `[seeds · joint, channels, rows, columns]`, joint pictures next to each other. An output's values depend on
/// its own seed alone, not on its place in the batch.
///
/// # Errors
/// What candle says, if there is no memory on the device.
pub fn batch_noise(
    seeds: &[u64],
    joint: usize,
    shape: [usize; 3],
    device: &Device,
) -> Result<Tensor> {
    let [channels, rows, columns] = shape;
    let len = channels * rows * columns;
    let mut values = Vec::with_capacity(seeds.len() * joint * len);
    for &seed in seeds {
        for picture in 0..joint {
            values.extend(noise(seed, picture, len));
        }
    }
    Tensor::from_vec(
        values,
        (seeds.len() * joint, channels, rows, columns),
        device,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_its_values() {
        assert_eq!(noise(7, 0, 64), noise(7, 0, 64));
        assert_eq!(noise(7, 0, 64)[..16], noise(7, 0, 16));
        assert_ne!(noise(7, 0, 64), noise(8, 0, 64));
        assert_ne!(noise(7, 0, 64), noise(7, 1, 64));
    }

    #[test]
    fn values_are_standard_normal() {
        let values = noise(1, 0, 100_000);
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = values
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / n;
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
    }

    #[test]
    fn a_batch_holds_what_single_runs_hold() {
        let shape = [3, 2, 5];
        let batch = batch_noise(&[11, 12], 2, shape, &Device::Cpu).unwrap();
        assert_eq!(batch.dims(), [4, 3, 2, 5]);
        let flat = batch.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (k, (seed, joint)) in [(11, 0), (11, 1), (12, 0), (12, 1)].into_iter().enumerate() {
            assert_eq!(flat[k * 30..(k + 1) * 30], noise(seed, joint, 30));
        }
    }
}
