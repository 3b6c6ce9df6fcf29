//! The operations that the networks are written in. Each has a plain form made of candle's own operations.

use candle_core::{D, Tensor};

use super::config::RMS_EPS;
use super::error::Result;
use super::rope::Rope;
use super::weights::Reader;

/// x·Wᵀ (+ b).
#[derive(Clone)]
pub(crate) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// With a bias.
    pub fn load(reader: &Reader, name: &str) -> Result<Self> {
        let r = reader.below(name);
        Ok(Self {
            weight: r.get("weight")?,
            bias: Some(r.get("bias")?),
        })
    }

    /// Without bias.
    pub fn load_matrix(reader: &Reader, name: &str) -> Result<Self> {
        Ok(Self {
            weight: reader.below(name).get("weight")?,
            bias: None,
        })
    }

    /// `[…, in]` → `[…, out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (out, inputs) = self.weight.dims2()?;
        let mut shape = x.dims().to_vec();
        let rows: usize = shape.iter().rev().skip(1).product();
        if let Some(last) = shape.last_mut() {
            *last = out;
        }
        let y = x.reshape((rows, inputs))?.matmul(&self.weight.t()?)?;
        let y = match &self.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        };
        Ok(y.reshape(shape)?)
    }

    /// residual + gate · (x·Wᵀ): how a block adds its two parts.
    pub fn forward_gated(&self, x: &Tensor, gate: &Tensor, residual: &Tensor) -> Result<Tensor> {
        Ok((self.forward(x)?.broadcast_mul(gate)? + residual)?)
    }
}

/// x / √(mean(x²) + ε) over the last axis.
pub(crate) fn rms(x: &Tensor) -> Result<Tensor> {
    let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + f64::from(RMS_EPS))?
        .sqrt()?
        .recip()?;
    Ok(x.broadcast_mul(&scale)?)
}

/// rms(x)·(1 + scale) + shift.
pub(crate) fn modulate(x: &Tensor, shift: &Tensor, scale: &Tensor) -> Result<Tensor> {
    Ok(rms(x)?
        .broadcast_mul(&(scale + 1.0)?)?
        .broadcast_add(shift)?)
}

/// silu(gate(x)) · up(x).
pub(crate) fn swiglu(x: &Tensor, gate: &Linear, up: &Linear) -> Result<Tensor> {
    Ok((gate.forward(x)?.silu()? * up.forward(x)?)?)
}

/// Queries, keys and values by head, `[B, heads, tokens, D]`.
pub(crate) struct Heads {
    /// Normalised, not rotated.
    pub q: Tensor,
    /// Normalised, not rotated.
    pub k: Tensor,
    /// As projected.
    pub v: Tensor,
}

/// Splits `[B, tokens, 3·width]` into heads and normalises queries and keys.
pub(crate) fn split_heads(
    qkv: &Tensor,
    heads: usize,
    q_norm: &Tensor,
    k_norm: &Tensor,
) -> Result<Heads> {
    let (batch, tokens, triple) = qkv.dims3()?;
    let dim = triple / 3 / heads;
    let x = qkv
        .reshape((batch, tokens, 3, heads, dim))?
        .permute((2, 0, 3, 1, 4))?;
    let part = |i: usize| -> Result<Tensor> { Ok(x.get(i)?.contiguous()?) };
    Ok(Heads {
        q: rms(&part(0)?)?.broadcast_mul(q_norm)?,
        k: rms(&part(1)?)?.broadcast_mul(k_norm)?,
        v: part(2)?,
    })
}

/// Rotates `[…, tokens, D]` by a table of `[tokens, D/2]`.
pub(crate) fn rotate(x: &Tensor, rope: &Rope) -> Result<Tensor> {
    let mut pairs = x.dims().to_vec();
    if let Some(last) = pairs.last_mut() {
        *last /= 2;
    }
    pairs.push(2);
    let x2 = x.reshape(pairs)?;
    let last = x2.rank() - 1;
    let a = x2.narrow(last, 0, 1)?.squeeze(last)?;
    let b = x2.narrow(last, 1, 1)?.squeeze(last)?;
    let turned_a = (a.broadcast_mul(&rope.cos)? - b.broadcast_mul(&rope.sin)?)?;
    let turned_b = (a.broadcast_mul(&rope.sin)? + b.broadcast_mul(&rope.cos)?)?;
    Ok(Tensor::stack(&[turned_a, turned_b], last)?.reshape(x.shape())?)
}

/// softmax(q·kᵀ/√D)·v; q `[B, heads, n, D]`, k and v `[B or 1, heads, m, D]` in parts that are joined along m.
/// Returns `[B, n, heads·D]`.
pub(crate) fn attention(q: &Tensor, keys: &[&Tensor], values: &[&Tensor]) -> Result<Tensor> {
    let (batch, heads, tokens, dim) = q.dims4()?;
    let join = |parts: &[&Tensor]| -> Result<Tensor> {
        let parts = parts
            .iter()
            .map(|p| {
                Ok(p.broadcast_as((batch, heads, p.dim(2)?, dim))?
                    .contiguous()?)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&parts, 2)?)
    };
    let (k, v) = (join(keys)?, join(values)?);
    let scores = (q.contiguous()?.matmul(&k.t()?)? * (dim as f64).powf(-0.5))?;
    let weights = candle_nn::ops::softmax(&scores, D::Minus1)?;
    let out = weights.matmul(&v)?;
    Ok(out.transpose(1, 2)?.reshape((batch, tokens, heads * dim))?)
}
