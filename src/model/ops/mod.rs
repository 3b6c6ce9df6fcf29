//! The operations that the networks are written in, each in two forms: fused for the processor and plain,
//! made of candle's own operations, for the other devices. Tests hold the two together.

mod fused;
mod plain;

use candle_core::{Device, Tensor};

pub(in crate::model) use fused::values as fused_values;

use super::error::Result;
use super::kernels::gemm::{Packed, PackedSwiglu};
use super::rope::Rope;
use super::weights::Reader;

/// Which form of the operations to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// The processor's own.
    Fused,
    /// candle's operations.
    Plain,
}

impl Kernels {
    /// The best form on a device.
    pub fn for_device(device: &Device) -> Self {
        if device.is_cpu() {
            Kernels::Fused
        } else {
            Kernels::Plain
        }
    }
}

/// x·Wᵀ (+ b).
#[derive(Clone)]
pub(crate) enum Linear {
    /// Weight `[out, in]` and bias.
    Plain(Tensor, Option<Tensor>),
    /// The same, rearranged.
    Fused(Packed, Option<Vec<f32>>),
}

impl Linear {
    /// With a bias.
    pub fn load(reader: &Reader, name: &str) -> Result<Self> {
        let r = reader.below(name);
        Self::new(reader.kernels(), r.get("weight")?, Some(r.get("bias")?))
    }

    /// Without bias.
    pub fn load_matrix(reader: &Reader, name: &str) -> Result<Self> {
        Self::new(reader.kernels(), reader.below(name).get("weight")?, None)
    }

    fn new(kernels: Kernels, weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        Ok(match kernels {
            Kernels::Plain => Linear::Plain(weight, bias),
            Kernels::Fused => {
                let bias = bias.map(|b| fused::values(&b)).transpose()?;
                let (out, inputs) = weight.dims2()?;
                Linear::Fused(
                    Packed::from_rows(&fused::values(&weight)?, out, inputs),
                    bias,
                )
            }
        })
    }

    /// `[…, in]` → `[…, out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Linear::Plain(weight, bias) => plain::linear(x, weight, bias.as_ref()),
            Linear::Fused(weight, bias) => fused::linear(x, weight, bias.as_deref()),
        }
    }

    /// residual + gate · (x·Wᵀ): how a block adds its two parts.
    pub fn forward_gated(&self, x: &Tensor, gate: &Tensor, residual: &Tensor) -> Result<Tensor> {
        match self {
            Linear::Plain(weight, _) => plain::linear_gated(x, weight, gate, residual),
            Linear::Fused(weight, _) => fused::linear_gated(x, weight, gate, residual),
        }
    }
}

/// silu(gate(x)) · up(x).
#[derive(Clone)]
pub(crate) enum Swiglu {
    /// Both weights, `[hidden, in]`.
    Plain(Tensor, Tensor),
    /// Both in one.
    Fused(PackedSwiglu),
}

impl Swiglu {
    /// The weights `gate` and `up`.
    pub fn load(reader: &Reader) -> Result<Self> {
        let gate = reader.below("gate").get("weight")?;
        let up = reader.below("up").get("weight")?;
        Ok(match reader.kernels() {
            Kernels::Plain => Swiglu::Plain(gate, up),
            Kernels::Fused => {
                let (hidden, inputs) = gate.dims2()?;
                let (gate, up) = (fused::values(&gate)?, fused::values(&up)?);
                Swiglu::Fused(PackedSwiglu::new(&gate, &up, hidden, inputs))
            }
        })
    }

    /// `[…, in]` → `[…, hidden]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Swiglu::Plain(gate, up) => plain::swiglu(x, gate, up),
            Swiglu::Fused(weights) => fused::swiglu(x, weights),
        }
    }
}

/// rms(x)·(1 + scale) + shift over the last axis.
pub(crate) fn modulate(
    kernels: Kernels,
    x: &Tensor,
    shift: &Tensor,
    scale: &Tensor,
) -> Result<Tensor> {
    match kernels {
        Kernels::Plain => plain::modulate(x, shift, scale),
        Kernels::Fused => fused::modulate(x, shift, scale),
    }
}

/// Keys and values that queries can attend to. The layout of the keys is the kernels' own.
#[derive(Clone, Debug)]
pub(crate) struct Attendable {
    keys: Tensor,
    values: Tensor,
    tokens: usize,
}

/// What attention needs of some tokens.
pub(crate) struct Heads {
    /// Queries `[B, heads, tokens, D]`, normalised, rotated, divided by √D.
    pub queries: Tensor,
    /// Keys, normalised and rotated, and values.
    pub own: Attendable,
    /// Keys `[B, heads, tokens, D]`, normalised, not rotated, if asked for.
    pub raw_keys: Option<Tensor>,
}

impl Heads {
    /// The values `[B, heads, tokens, D]`.
    pub fn values(&self) -> &Tensor {
        &self.own.values
    }
}

/// How tokens are split into heads.
pub(crate) struct HeadSplit {
    kernels: Kernels,
    heads: usize,
    q_norm: Tensor,
    k_norm: Tensor,
}

impl HeadSplit {
    /// The weights `q_norm` and `k_norm` of a block.
    pub fn load(reader: &Reader, heads: usize) -> Result<Self> {
        let q_norm = reader.below("q_norm").get("weight")?;
        let dim = q_norm.dim(0)?;
        Ok(Self {
            kernels: attention_kernels(reader.kernels(), dim),
            heads,
            k_norm: reader.below("k_norm").get("weight")?,
            q_norm,
        })
    }

    /// Splits `[B, tokens, 3·width]`, rows of q | k | v, each head-major.
    pub fn forward(&self, qkv: &Tensor, rope: Option<&Rope>, keep_raw: bool) -> Result<Heads> {
        match self.kernels {
            Kernels::Plain => plain::split_heads(
                qkv,
                self.heads,
                (&self.q_norm, &self.k_norm),
                rope,
                keep_raw,
            ),
            Kernels::Fused => fused::split_heads(
                qkv,
                self.heads,
                (&self.q_norm, &self.k_norm),
                rope,
                keep_raw,
            ),
        }
    }

    /// Joins keys (`[1, heads, tokens, D]`, not yet rotated) and values of several origins.
    pub fn join(&self, parts: &[(&Tensor, &Tensor, Option<&Rope>)]) -> Result<Attendable> {
        match self.kernels {
            Kernels::Plain => plain::join(parts),
            Kernels::Fused => fused::join(parts),
        }
    }

    /// softmax(q·kᵀ)·v over all sources; those of batch 1 serve every member. Returns `[B, tokens, width]`.
    pub fn attend(&self, queries: &Tensor, sources: &[&Attendable]) -> Result<Tensor> {
        match self.kernels {
            Kernels::Plain => plain::attend(queries, sources),
            Kernels::Fused => fused::attend(queries, sources),
        }
    }
}

/// The fused attention works in columns of 16.
fn attention_kernels(kernels: Kernels, dim: usize) -> Kernels {
    match kernels {
        Kernels::Fused if dim.is_multiple_of(16) && dim <= super::kernels::norm::MAX_DIM => {
            Kernels::Fused
        }
        _ => Kernels::Plain,
    }
}

#[cfg(test)]
mod tests;
