//! The operations as the processor's own kernels: tensors are opened here and closed again.

use std::ops::Deref;

use candle_core::{CpuStorage, Device, Storage, Tensor};

use super::{Attendable, Heads};
use crate::model::config::RMS_EPS;
use crate::model::error::Result;
use crate::model::kernels::attention::{self, Shape, Source};
use crate::model::kernels::gemm::{self, Packed, PackedSwiglu};
use crate::model::kernels::norm::{self, KeyPart, Split, Turn, panel_len};
use crate::model::kernels::tile::NR;
use crate::model::rope::Rope;

/// A contiguous f32 tensor of the processor, open for reading.
pub(in crate::model) struct Open<'a> {
    storage: Box<dyn Deref<Target = Storage> + 'a>,
    start: usize,
    len: usize,
}

/// Opens a tensor, which must be contiguous.
pub(in crate::model) fn open(tensor: &Tensor) -> Result<Open<'_>> {
    let (storage, layout) = tensor.storage_and_layout();
    let Some((start, end)) = layout.contiguous_offsets() else {
        return Err(
            candle_core::Error::RequiresContiguous { op: "fused kernel" }
                .bt()
                .into(),
        );
    };
    match &*storage {
        Storage::Cpu(CpuStorage::F32(_)) => Ok(Open {
            storage: Box::new(storage),
            start,
            len: end - start,
        }),
        _ => Err(
            candle_core::Error::Msg("fused kernels need f32 tensors of the processor".into())
                .into(),
        ),
    }
}

impl Open<'_> {
    /// The values.
    pub fn values(&self) -> &[f32] {
        match &**self.storage {
            Storage::Cpu(CpuStorage::F32(values)) => &values[self.start..self.start + self.len],
            _ => &[],
        }
    }
}

/// A copy of a tensor's values.
pub(in crate::model) fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.flatten_all()?.to_vec1()?)
}

fn tensor(values: Vec<f32>, shape: impl Into<candle_core::Shape>) -> Result<Tensor> {
    Ok(Tensor::from_vec(values, shape.into(), &Device::Cpu)?)
}

/// The shape of `x` with another last axis, and the number of rows.
fn rows_of(x: &Tensor, inputs: usize, outputs: usize) -> Result<(usize, Vec<usize>)> {
    let mut shape = x.dims().to_vec();
    let last = shape.pop().unwrap_or(0);
    if last != inputs {
        let text = format!("a layer of {inputs} inputs was given {last} values");
        return Err(candle_core::Error::Msg(text).into());
    }
    let rows = shape.iter().product();
    shape.push(outputs);
    Ok((rows, shape))
}

pub(super) fn linear(x: &Tensor, weights: &Packed, bias: Option<&[f32]>) -> Result<Tensor> {
    let (rows, shape) = rows_of(x, weights.inputs, weights.outputs)?;
    let x = x.contiguous()?;
    let y = gemm::linear(rows, open(&x)?.values(), weights, bias);
    tensor(y, shape)
}

pub(super) fn linear_gated(
    x: &Tensor,
    weights: &Packed,
    gate: &Tensor,
    residual: &Tensor,
) -> Result<Tensor> {
    let (rows, shape) = rows_of(x, weights.inputs, weights.outputs)?;
    let (x, gate, residual) = (open(x)?, open(gate)?, open(residual)?);
    let y = gemm::linear_gated(rows, x.values(), weights, gate.values(), residual.values());
    tensor(y, shape)
}

pub(super) fn swiglu(x: &Tensor, weights: &PackedSwiglu) -> Result<Tensor> {
    let (rows, shape) = rows_of(x, weights.inputs(), weights.hidden())?;
    let y = weights.apply(rows, open(x)?.values());
    tensor(y, shape)
}

pub(super) fn modulate(x: &Tensor, shift: &Tensor, scale: &Tensor) -> Result<Tensor> {
    let (shift, scale) = (open(shift)?, open(scale)?);
    let y = norm::modulate(open(x)?.values(), shift.values(), scale.values(), RMS_EPS);
    tensor(y, x.shape())
}

/// An opened table.
struct OpenRope<'a>(Open<'a>, Open<'a>);

impl<'a> OpenRope<'a> {
    fn new(rope: &'a Rope) -> Result<Self> {
        Ok(Self(open(&rope.cos)?, open(&rope.sin)?))
    }

    fn turn(&self) -> Turn<'_> {
        Turn {
            cos: self.0.values(),
            sin: self.1.values(),
        }
    }
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
    let rope = rope.map(OpenRope::new).transpose()?;
    let (q_norm, k_norm) = (open(q_norm)?, open(k_norm)?);
    let split = Split {
        batch,
        tokens,
        heads,
        dim,
        q_norm: q_norm.values(),
        k_norm: k_norm.values(),
        eps: RMS_EPS,
        turn: rope.as_ref().map(OpenRope::turn),
    };
    let found = norm::split_heads(open(qkv)?.values(), split, keep_raw);
    let shape = (batch, heads, tokens, dim);
    let raw_keys = keep_raw
        .then(|| tensor(found.raw_keys, shape))
        .transpose()?;
    Ok(Heads {
        queries: tensor(found.queries, shape)?,
        own: Attendable {
            keys: tensor(found.keys, (batch, heads, tokens.div_ceil(NR), dim, NR))?,
            values: tensor(found.values, shape)?,
            tokens,
        },
        raw_keys,
    })
}

pub(super) fn join(parts: &[(&Tensor, &Tensor, Option<&Rope>)]) -> Result<Attendable> {
    let values: Vec<_> = parts.iter().map(|(_, values, _)| *values).collect();
    let values = Tensor::cat(&values, 2)?.contiguous()?;
    let (_, heads, tokens, dim) = values.dims4()?;
    let mut opened = Vec::with_capacity(parts.len());
    for (keys, _, rope) in parts {
        opened.push((
            open(keys)?,
            rope.map(OpenRope::new).transpose()?,
            keys.dim(2)?,
        ));
    }
    let parts: Vec<_> = opened
        .iter()
        .map(|(keys, rope, tokens)| KeyPart {
            keys: keys.values(),
            tokens: *tokens,
            turn: rope.as_ref().map(OpenRope::turn),
        })
        .collect();
    let keys = norm::join_keys(&parts, heads, dim);
    debug_assert_eq!(keys.len(), heads * panel_len(tokens, dim));
    Ok(Attendable {
        keys: tensor(keys, (1, heads, tokens.div_ceil(NR), dim, NR))?,
        values,
        tokens,
    })
}

pub(super) fn attend(queries: &Tensor, sources: &[&Attendable]) -> Result<Tensor> {
    let (batch, heads, tokens, dim) = queries.dims4()?;
    let mut opened = Vec::with_capacity(sources.len());
    for s in sources {
        opened.push((
            open(&s.keys)?,
            open(&s.values)?,
            s.tokens,
            s.values.dim(0)? == 1,
        ));
    }
    let sources: Vec<_> = opened
        .iter()
        .map(|(keys, values, tokens, shared)| Source {
            keys: keys.values(),
            values: values.values(),
            tokens: *tokens,
            shared: *shared,
        })
        .collect();
    let shape = Shape {
        batch,
        heads,
        tokens,
        dim,
    };
    let out = attention::attend(open(queries)?.values(), shape, &sources);
    tensor(out, (batch, tokens, heads * dim))
}
