//! Attention whose scores are never held all at once.

use candle_core::{D, DType, Device, Tensor};

use crate::model::error::Result;

/// Scores held at a time, in elements of f32: on the processor as many as its caches bear, elsewhere enough to keep the
/// device busy.
const CPU_SCORES: usize = 4 << 20;
const GPU_SCORES: usize = 64 << 20;

/// Bytes that scores take at most: themselves and their softmax in f32, and that in the type of the values. Kernels
/// that devices have of their own hold none.
pub(super) fn scores_bytes(on_processor: bool, dtype: DType) -> u64 {
    let flash = cfg!(feature = "flash-attn") && dtype == DType::BF16;
    if !on_processor && (flash || candle_core::utils::metal_is_available()) {
        return 0;
    }
    let cast = match dtype {
        DType::F32 => 0,
        other => other.size_in_bytes(),
    };
    let elements = if on_processor { CPU_SCORES } else { GPU_SCORES };
    (elements * (2 * DType::F32.size_in_bytes() + cast)) as u64
}

/// softmax(q·kᵀ/√D + bias)·v. `q` is `[B, H, N, D]`, `k` and `v` are `[B, H, M, D]`; `bias`, if given, is `[N, M]` in
/// f32.
///
/// Scores and softmax are f32 whatever the type: at the size that scores have here, half precision is off by percents
/// of a weight. (The kernels that devices have of their own do the same.)
pub(super) fn attend(q: &Tensor, k: &Tensor, v: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (batch, heads, tokens, dim) = q.dims4()?;
    let keys = k.dim(2)?;
    let scale = (dim as f64).powf(-0.5);
    if q.device().is_metal() && bias.is_none() && [64, 96, 128].contains(&dim) {
        return Ok(candle_nn::ops::sdpa(
            q,
            k,
            v,
            None,
            false,
            scale as f32,
            1.0,
        )?);
    }
    // Cards that compute in bfloat16 are those the kernels are made for.
    #[cfg(feature = "flash-attn")]
    if q.device().is_cuda() && q.dtype() == DType::BF16 && bias.is_none() {
        let [q, k, v] = [q.transpose(1, 2)?, k.transpose(1, 2)?, v.transpose(1, 2)?];
        let y = candle_flash_attn::flash_attn(&q, &k, &v, scale as f32, false)?;
        return Ok(y.transpose(1, 2)?);
    }
    let rows = rows_at_once(q.device(), batch * heads, keys, tokens);
    let q = (q.contiguous()?.to_dtype(DType::F32)? * scale)?;
    let keys_t = k.contiguous()?.to_dtype(DType::F32)?.t()?;
    let v = v.contiguous()?;
    let mut parts = Vec::with_capacity(tokens.div_ceil(rows));
    for from in (0..tokens).step_by(rows) {
        let count = rows.min(tokens - from);
        let part = q.narrow(2, from, count)?.contiguous()?;
        let mut scores = part.matmul(&keys_t)?;
        if let Some(bias) = bias {
            scores = scores.broadcast_add(&bias.narrow(0, from, count)?)?;
        }
        let weights = candle_nn::ops::softmax_last_dim(&scores)?;
        drop(scores);
        parts.push(weights.to_dtype(v.dtype())?.matmul(&v)?);
    }
    Ok(match parts.len() {
        1 => parts.swap_remove(0),
        _ => Tensor::cat(&parts, 2)?,
    })
}

/// Query rows whose scores are computed together.
fn rows_at_once(device: &Device, planes: usize, keys: usize, tokens: usize) -> usize {
    let limit = if device.is_cpu() {
        CPU_SCORES
    } else {
        GPU_SCORES
    };
    (limit / (planes * keys).max(1)).clamp(1, tokens.max(1))
}

/// x·rsqrt(mean(x²) + ε)·w over the last axis, in f32.
pub(super) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    let dtype = x.dtype();
    let x = x.to_dtype(DType::F32)?;
    let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
    let x = x.broadcast_mul(&(mean + eps)?.sqrt()?.recip()?)?;
    Ok(x.broadcast_mul(weight)?.to_dtype(dtype)?)
}

/// `[B, N, H·D]` → `[B, H, N, D]`.
pub(super) fn split_heads(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, tokens, width) = x.dims3()?;
    Ok(x.reshape((batch, tokens, heads, width / heads))?
        .transpose(1, 2)?
        .contiguous()?)
}

/// `[B, H, N, D]` → `[B, N, H·D]`.
pub(super) fn join_heads(x: &Tensor) -> Result<Tensor> {
    let (batch, heads, tokens, dim) = x.dims4()?;
    Ok(x.transpose(1, 2)?.reshape((batch, tokens, heads * dim))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values without pattern.
    fn values(shape: &[usize], step: f32) -> Tensor {
        let count: usize = shape.iter().product();
        let data: Vec<f32> = (0..count).map(|i| (i as f32 * step).sin() * 1.5).collect();
        Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
    }

    fn whole(q: &Tensor, k: &Tensor, v: &Tensor) -> Vec<f32> {
        let scale = (q.dim(3).unwrap() as f64).powf(-0.5);
        let scores = (q.matmul(&k.t().unwrap()).unwrap() * scale).unwrap();
        let weights = candle_nn::ops::softmax(&scores, D::Minus1).unwrap();
        let out = weights.matmul(v).unwrap();
        out.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn long_sequences_are_computed_in_parts_that_equal_the_whole() {
        // 2 · 2 · 1400 keys leave room for 748 of 1400 rows.
        let (q, k, v) = (
            values(&[2, 2, 1400, 4], 0.37),
            values(&[2, 2, 1400, 4], 0.73),
            values(&[2, 2, 1400, 4], 0.11),
        );
        assert_eq!(rows_at_once(&Device::Cpu, 4, 1400, 1400), 748);
        let parts = attend(&q, &k, &v, None).unwrap();
        let parts: Vec<f32> = parts.flatten_all().unwrap().to_vec1().unwrap();
        for (a, b) in parts.iter().zip(whole(&q, &k, &v)) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }

    #[test]
    fn half_precision_rounds_the_result_alone() {
        // Scores near 180 whose differences decide: bfloat16 has steps of 1 there.
        let large = |step: f32| (values(&[1, 2, 40, 64], step) * 4.0).unwrap();
        for dtype in [DType::BF16, DType::F16] {
            let [q, k, v] =
                [large(0.37), large(0.37), large(0.11)].map(|x| x.to_dtype(dtype).unwrap());
            let found = attend(&q, &k, &v, None).unwrap();
            assert_eq!(found.dtype(), dtype);
            let found = found.to_dtype(DType::F32).unwrap().flatten_all().unwrap();
            let [q, k, v] = [q, k, v].map(|x| x.to_dtype(DType::F32).unwrap());
            let expected = whole(&q, &k, &v);
            // The weights and the result are rounded, to 8 or 11 bits.
            let step = if dtype == DType::BF16 {
                2f32.powi(-8)
            } else {
                2f32.powi(-11)
            };
            for (a, b) in found.to_vec1::<f32>().unwrap().iter().zip(expected) {
                assert!((a - b).abs() < 3.0 * 6.0 * step, "{dtype:?}: {a} {b}");
            }
        }
    }

    #[test]
    fn scores_stay_within_their_limit_at_the_real_size() {
        // 24 heads, 512 + 3·4096 tokens: the whole would have 3.9 billion.
        let tokens = 512 + 3 * 4096;
        let rows = rows_at_once(&Device::Cpu, 24, tokens, tokens);
        assert!(rows >= 1 && rows * 24 * tokens <= CPU_SCORES);
        assert_eq!(rows_at_once(&Device::Cpu, 24, 1 << 30, 5), 1);
    }

    #[test]
    fn a_bias_of_minus_infinity_hides_a_key() {
        let (q, k, v) = (
            values(&[1, 1, 2, 4], 0.3),
            values(&[1, 1, 3, 4], 0.7),
            values(&[1, 1, 3, 4], 0.9),
        );
        let hide = f32::NEG_INFINITY;
        let bias = Tensor::new(&[[0f32, 0.0, hide], [0.0, 0.0, hide]], &Device::Cpu).unwrap();
        let hidden = attend(&q, &k, &v, Some(&bias)).unwrap();
        let short = attend(
            &q,
            &k.narrow(2, 0, 2).unwrap(),
            &v.narrow(2, 0, 2).unwrap(),
            None,
        )
        .unwrap();
        assert_eq!(
            hidden.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            short.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        );
    }
}
