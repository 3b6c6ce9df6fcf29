//! Convolutions in bands of rows, so that their unfolded inputs never take more than a bounded amount of memory; and
//! the group norm before them.

use candle_core::{D, Tensor};

use crate::model::error::Result;

/// Values of the unfolded input that are held at a time (a 3×3 convolution holds nine for each input value).
const BAND: usize = 64 << 20;
/// Bytes that a band takes at most, in f32: unfolded, and half as much again for its copies and its result.
pub(super) const BAND_BYTES: u64 = 4 * BAND as u64 * 3 / 2;
/// ε of the group norms.
const EPS: f64 = 1e-6;

/// A convolution with an odd square kernel that keeps the size.
pub(super) struct Conv {
    weight: Tensor,
    bias: Tensor,
    kernel: usize,
}

impl Conv {
    /// Weight `[out, in, k, k]` and bias `[out]`.
    pub fn new(weight: Tensor, bias: Tensor) -> Result<Self> {
        let (out, _, kernel, _) = weight.dims4()?;
        Ok(Self {
            bias: bias.reshape((1, out, 1, 1))?,
            weight,
            kernel,
        })
    }

    /// `[B, in, H, W]` → `[B, out, H, W]`, zeros around.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_in_bands(x, BAND)
    }

    fn forward_in_bands(&self, x: &Tensor, band: usize) -> Result<Tensor> {
        let (batch, inputs, height, width) = x.dims4()?;
        let pad = self.kernel / 2;
        let line = batch * inputs * width * self.kernel * self.kernel;
        let rows = (band / line.max(1)).clamp(1, height);
        if rows == height {
            return Ok(x
                .conv2d(&self.weight, pad, 1, 1, 1)?
                .broadcast_add(&self.bias)?);
        }
        let out = self.result(x, height, width)?;
        for from in (0..height).step_by(rows) {
            let to = (from + rows).min(height);
            let (above, below) = (from.min(pad), (height - to).min(pad));
            let part = x
                .narrow(2, from - above, to + below - (from - above))?
                .pad_with_zeros(2, pad - above, pad - below)?
                .pad_with_zeros(3, pad, pad)?;
            let part = part.conv2d(&self.weight, 0, 1, 1, 1)?;
            out.slice_set(&part.broadcast_add(&self.bias)?.contiguous()?, 2, from)?;
        }
        Ok(out)
    }

    /// Room for a result, which bands are written into: joining them afterwards would hold it twice.
    fn result(&self, x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
        let shape = (x.dim(0)?, self.weight.dim(0)?, height, width);
        Ok(Tensor::zeros(shape, x.dtype(), x.device())?)
    }

    /// `[B, in, H, W]` → `[B, out, H/2, W/2]`: one zero right and below, then every second place.
    pub fn forward_halving(&self, x: &Tensor) -> Result<Tensor> {
        self.halving_in_bands(x, BAND)
    }

    fn halving_in_bands(&self, x: &Tensor, band: usize) -> Result<Tensor> {
        let (batch, inputs, height, width) = x.dims4()?;
        let x = x.pad_with_zeros(2, 0, 1)?.pad_with_zeros(3, 0, 1)?;
        let line = batch * inputs * (width / 2) * self.kernel * self.kernel;
        let (rows, half) = ((band / line.max(1)).clamp(1, height / 2), height / 2);
        let out = self.result(&x, half, width / 2)?;
        for from in (0..half).step_by(rows) {
            let count = rows.min(half - from);
            let part = x.narrow(2, 2 * from, 2 * count + 1)?.contiguous()?;
            let part = part.conv2d(&self.weight, 0, 2, 1, 1)?;
            out.slice_set(&part.broadcast_add(&self.bias)?.contiguous()?, 2, from)?;
        }
        Ok(out)
    }
}

/// Normalises groups of channels (Wu and He 2018).
pub(super) struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: usize,
}

impl GroupNorm {
    /// Weight and bias, a value for each channel.
    pub fn new(weight: Tensor, bias: Tensor, groups: usize) -> Result<Self> {
        let channels = weight.dim(0)?;
        Ok(Self {
            weight: weight.reshape((1, channels, 1, 1))?,
            bias: bias.reshape((1, channels, 1, 1))?,
            groups,
        })
    }

    /// `[B, C, H, W]` of the same shape, with SiLU behind it if asked for.
    ///
    /// Holds three pictures of x's size, x among them: means and variances are taken of one group at a time, and
    /// become a scale and a shift for each channel.
    pub fn forward(&self, x: &Tensor, silu: bool) -> Result<Tensor> {
        let (batch, channels, height, width) = x.dims4()?;
        let each = channels / self.groups;
        let groups = x.reshape((batch, self.groups, each * height * width))?;
        let (mut means, mut variances) = (Vec::new(), Vec::new());
        for n in 0..self.groups {
            let group = groups.narrow(1, n, 1)?;
            let mean = group.mean_keepdim(D::Minus1)?;
            let squares = group.broadcast_sub(&mean)?.sqr()?;
            variances.push(squares.mean_keepdim(D::Minus1)?);
            means.push(mean);
        }
        // `[B, groups, 1]` as a value for each channel.
        let spread = |values: &Tensor| -> Result<Tensor> {
            let values = values.broadcast_as((batch, self.groups, each))?;
            Ok(values.reshape((batch, channels, 1, 1))?)
        };
        let deviation = (Tensor::cat(&variances, 1)? + EPS)?.sqrt()?;
        let scale = spread(&deviation.recip()?)?.broadcast_mul(&self.weight)?;
        let mean = spread(&Tensor::cat(&means, 1)?)?;
        let shift = self.bias.broadcast_sub(&(mean * &scale)?)?;
        let y = x.broadcast_mul(&scale)?.broadcast_add(&shift)?;
        Ok(if silu { y.silu()? } else { y })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn values(shape: &[usize], step: f32) -> Tensor {
        let count: usize = shape.iter().product();
        let data: Vec<f32> = (0..count).map(|i| (i as f32 * step).sin()).collect();
        Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
    }

    fn near(a: &Tensor, b: &Tensor) {
        assert_eq!(a.dims(), b.dims());
        let a: Vec<f32> = a.flatten_all().unwrap().to_vec1().unwrap();
        let b: Vec<f32> = b.flatten_all().unwrap().to_vec1().unwrap();
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }

    #[test]
    fn bands_equal_the_whole() {
        for kernel in [1, 3] {
            let conv = Conv::new(values(&[5, 3, kernel, kernel], 0.7), values(&[5], 0.3)).unwrap();
            let x = values(&[2, 3, 12, 8], 0.13);
            let whole = conv.forward(&x).unwrap();
            assert_eq!(whole.dims(), [2, 5, 12, 8]);
            let line = 2 * 3 * 8 * kernel * kernel;
            for rows in [1, 2, 5, 11] {
                near(&conv.forward_in_bands(&x, rows * line).unwrap(), &whole);
            }
        }
    }

    #[test]
    fn halving_looks_right_and_down() {
        let mut corner = vec![0f32; 9];
        corner[8] = 1.0;
        let weight = Tensor::from_vec(corner, (1, 1, 3, 3), &Device::Cpu).unwrap();
        let bias = Tensor::zeros(1, candle_core::DType::F32, &Device::Cpu).unwrap();
        let conv = Conv::new(weight, bias).unwrap();
        let x: Vec<f32> = (0..16).map(|v| v as f32).collect();
        let x = Tensor::from_vec(x, (1, 1, 4, 4), &Device::Cpu).unwrap();
        let y = conv.forward_halving(&x).unwrap();
        let y: Vec<f32> = y.flatten_all().unwrap().to_vec1().unwrap();
        // The value two to the right and two below; outside there are zeros.
        assert_eq!(y, [10.0, 0.0, 0.0, 0.0]);
        let conv = Conv::new(values(&[4, 3, 3, 3], 0.7), values(&[4], 0.3)).unwrap();
        let x = values(&[1, 3, 12, 8], 0.21);
        let whole = conv.forward_halving(&x).unwrap();
        assert_eq!(whole.dims(), [1, 4, 6, 4]);
        for rows in [1, 2, 5] {
            near(
                &conv.halving_in_bands(&x, rows * 3 * 4 * 9).unwrap(),
                &whole,
            );
        }
    }

    #[test]
    fn channels_are_scaled_and_shifted_behind_their_groups_norm() {
        let (weight, bias) = (values(&[6], 0.4), values(&[6], 1.3));
        let norm = GroupNorm::new(weight.clone(), bias.clone(), 3).unwrap();
        // Far from zero, so that means count.
        let x = (values(&[2, 6, 4, 5], 0.9) + 3.0).unwrap();
        let flat = |t: &Tensor| -> Vec<f32> { t.flatten_all().unwrap().to_vec1().unwrap() };
        let (all, w, b) = (flat(&x), flat(&weight), flat(&bias));
        let mut expected = Vec::new();
        for group in all.chunks_exact(2 * 20) {
            let first = expected.len() / 20 % 6;
            let mean = group.iter().map(|v| f64::from(*v)).sum::<f64>() / 40.0;
            let squares = group.iter().map(|v| (f64::from(*v) - mean).powi(2));
            let deviation = (squares.sum::<f64>() / 40.0 + EPS).sqrt();
            for (i, value) in group.iter().enumerate() {
                let c = first + i / 20;
                let y = (f64::from(*value) - mean) / deviation;
                expected.push((y * f64::from(w[c]) + f64::from(b[c])) as f32);
            }
        }
        let expected = Tensor::from_vec(expected, (2, 6, 4, 5), &Device::Cpu).unwrap();
        near(&norm.forward(&x, false).unwrap(), &expected);
        near(&norm.forward(&x, true).unwrap(), &expected.silu().unwrap());
    }

    #[test]
    fn groups_have_mean_zero_and_deviation_one() {
        let norm = GroupNorm::new(
            Tensor::ones(4, candle_core::DType::F32, &Device::Cpu).unwrap(),
            Tensor::zeros(4, candle_core::DType::F32, &Device::Cpu).unwrap(),
            2,
        )
        .unwrap();
        let y = norm.forward(&values(&[1, 4, 6, 5], 0.9), false).unwrap();
        for group in y.reshape((2, 60)).unwrap().to_vec2::<f32>().unwrap() {
            let mean = group.iter().sum::<f32>() / 60.0;
            let variance = group.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 60.0;
            assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-4);
        }
    }
}
