//! The operations made of candle's own.

use candle_core::{D, Tensor};

use super::{Attendable, Heads};
use crate::model::config::RMS_EPS;
use crate::model::error::Result;
use crate::model::rope::Rope;

pub(super) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (out, inputs) = weight.dims2()?;
    let mut shape = x.dims().to_vec();
    let rows: usize = shape.iter().rev().skip(1).product();
    if let Some(last) = shape.last_mut() {
        *last = out;
    }
    let y = x.reshape((rows, inputs))?.matmul(&weight.t()?)?;
    let y = match bias {
        Some(bias) => y.broadcast_add(bias)?,
        None => y,
    };
    Ok(y.reshape(shape)?)
}

pub(super) fn linear_gated(
    x: &Tensor,
    weight: &Tensor,
    gate: &Tensor,
    residual: &Tensor,
) -> Result<Tensor> {
    Ok((linear(x, weight, None)?.broadcast_mul(gate)? + residual)?)
}

pub(super) fn swiglu(x: &Tensor, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    Ok((linear(x, gate, None)?.silu()? * linear(x, up, None)?)?)
}

/// x / √(mean(x²) + ε) over the last axis.
fn rms(x: &Tensor) -> Result<Tensor> {
    let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
    let scale = (mean + f64::from(RMS_EPS))?.sqrt()?.recip()?;
    Ok(x.broadcast_mul(&scale)?)
}

pub(super) fn modulate(x: &Tensor, shift: &Tensor, scale: &Tensor) -> Result<Tensor> {
    Ok(rms(x)?
        .broadcast_mul(&(scale + 1.0)?)?
        .broadcast_add(shift)?)
}

pub(super) fn split_heads(
    qkv: &Tensor,
    heads: usize,
    (q_norm, k_norm): (&Tensor, &Tensor),
    rope: Option<&Rope>,
    keep_raw: bool,
) -> Result<Heads> {
    let (batch, tokens, triple) = qkv.dims3()?;
    let dim = triple / 3 / heads;
    let x = qkv
        .reshape((batch, tokens, 3, heads, dim))?
        .permute((2, 0, 3, 1, 4))?;
    let part = |i: usize| -> Result<Tensor> { Ok(x.get(i)?.contiguous()?) };
    let turn = |x: &Tensor| rope.map_or_else(|| Ok(x.clone()), |rope| rotate(x, rope));
    let q = rms(&part(0)?)?.broadcast_mul(q_norm)?;
    let k = rms(&part(1)?)?.broadcast_mul(k_norm)?;
    Ok(Heads {
        queries: (turn(&q)? * (dim as f64).powf(-0.5))?,
        own: Attendable {
            keys: turn(&k)?,
            values: part(2)?,
            tokens,
        },
        raw_keys: keep_raw.then_some(k),
    })
}

/// Rotates `[…, tokens, D]` by a table of `[tokens, D/2]`.
pub(super) fn rotate(x: &Tensor, rope: &Rope) -> Result<Tensor> {
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

pub(super) fn join(parts: &[(&Tensor, &Tensor, Option<&Rope>)]) -> Result<Attendable> {
    let mut keys = Vec::with_capacity(parts.len());
    for (key, _, rope) in parts {
        keys.push(match rope {
            Some(rope) => rotate(key, rope)?,
            None => (*key).clone(),
        });
    }
    let values: Vec<_> = parts.iter().map(|(_, values, _)| *values).collect();
    let values = Tensor::cat(&values, 2)?;
    Ok(Attendable {
        keys: Tensor::cat(&keys, 2)?,
        tokens: values.dim(2)?,
        values,
    })
}

pub(super) fn attend(queries: &Tensor, sources: &[&Attendable]) -> Result<Tensor> {
    let (batch, heads, tokens, dim) = queries.dims4()?;
    let gather = |pick: fn(&Attendable) -> &Tensor| -> Result<Tensor> {
        let parts = sources
            .iter()
            .map(|s| {
                Ok(pick(s)
                    .broadcast_as((batch, heads, s.tokens, dim))?
                    .contiguous()?)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&parts, 2)?)
    };
    let (keys, values) = (gather(|s| &s.keys)?, gather(|s| &s.values)?);
    let scores = queries.contiguous()?.matmul(&keys.t()?)?;
    let weights = candle_nn::ops::softmax(&scores, D::Minus1)?;
    let out = weights.matmul(&values)?;
    Ok(out.transpose(1, 2)?.reshape((batch, tokens, heads * dim))?)
}
