//! x·Wᵀ with the weight kept as it is stored: dense, scaled fp8 or in GGML blocks.
//!
//! Quantised weights are spread out where they are used and multiplied as floats. candle's own quantised products
//! would round the activations as well, which shows in pictures.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::archive::{Raw, plain_type};
use super::header::Element;
use super::memory::MemoryOf;
use crate::model::error::{ModelError, Result};

/// Where and in which type to compute.
#[derive(Clone, Debug)]
pub struct Compute {
    /// The device.
    pub device: Device,
    /// The type of activations. Weights are kept as stored on the processor and cast once elsewhere.
    pub dtype: DType,
    /// Matrices that are stored in more than 8 bits are rounded to Q8_0 when they are loaded (8.5 bits a weight).
    pub rounded: bool,
}

impl Compute {
    /// In f32 on the processor.
    pub fn on_processor() -> Self {
        Self {
            device: Device::Cpu,
            dtype: DType::F32,
            rounded: false,
        }
    }

    /// What makes other pictures of the same weights on this device, each behind a comma: that they are rounded, and a
    /// type that is not the usual one there. Empty for weights that are used as they are.
    pub(super) fn in_words(&self) -> String {
        let mut words = String::new();
        if self.rounded {
            words.push_str(", rounded to 8 bits");
        }
        if self.dtype != MemoryOf::of(&self.device).usual_type() {
            words.push_str(&format!(", in {:?}", self.dtype).to_lowercase());
        }
        words
    }
}

/// Bits of a weight in Q8_0: 32 of 8 bits share a scale of 16.
pub(super) const ROUNDED_BITS: f64 = 8.5;

/// Whether rows of so many weights can be stored in blocks of 32.
pub(super) fn is_roundable(inputs: usize) -> bool {
    inputs.is_multiple_of(GgmlDType::Q8_0.block_size())
}

/// A matrix on the processor in Q8_0 on a device.
fn rounded(dense: &Tensor, device: &Device) -> Result<QTensor> {
    let blocks = QTensor::quantize(&dense.to_dtype(DType::F32)?, GgmlDType::Q8_0)?;
    if device.is_cpu() {
        return Ok(blocks);
    }
    let storage = QStorage::from_data(blocks.data()?, device, GgmlDType::Q8_0)?;
    Ok(QTensor::new(storage, dense.dims2()?)?)
}

#[derive(Clone)]
enum Store {
    Dense(Tensor),
    /// fp8 E4M3 codes and their scales: one for all or one a row.
    Fp8(Arc<Vec<u8>>, Arc<Vec<f32>>),
    Blocks(Arc<QTensor>),
}

/// A matrix `[outputs, inputs]` without bias.
#[derive(Clone)]
pub(super) struct Linear {
    store: Store,
    outputs: usize,
    inputs: usize,
}

impl Linear {
    /// From a checked matrix.
    pub fn new(raw: Raw, compute: &Compute) -> Result<Self> {
        let [outputs, inputs] = raw.shape[..] else {
            return Err(ModelError::Input(format!(
                "a matrix was expected and the file has a tensor of shape {:?}",
                raw.shape
            )));
        };
        let device = &compute.device;
        let store = match raw.element {
            Element::Ggml(code) => {
                let dtype = ggml_type(code).ok_or_else(|| {
                    ModelError::Format("this GGUF type cannot be loaded: get Q8_0 or Q4_K".into())
                })?;
                let storage = QStorage::from_data(Cow::Borrowed(&raw.bytes), device, dtype)?;
                Store::Blocks(Arc::new(QTensor::new(storage, (outputs, inputs))?))
            }
            Element::F8E4M3 => {
                let scale = raw.scale.unwrap_or_else(|| vec![1.0]);
                if device.is_cpu() {
                    Store::Fp8(Arc::new(raw.bytes), Arc::new(scale))
                } else if compute.rounded && is_roundable(inputs) {
                    let dense = from_fp8(&raw.bytes, &scale, outputs, inputs)?;
                    Store::Blocks(Arc::new(rounded(&dense, device)?))
                } else {
                    let dense = from_fp8(&raw.bytes, &scale, outputs, inputs)?;
                    Store::Dense(dense.to_dtype(compute.dtype)?.to_device(device)?)
                }
            }
            element => {
                let dtype = plain_type(element).ok_or_else(|| {
                    ModelError::Format("a weight is stored as integers: get the bf16 file".into())
                })?;
                let shape = (outputs, inputs);
                let mut dense =
                    Tensor::from_raw_buffer(&raw.bytes, dtype, &[outputs, inputs], &Device::Cpu)?;
                if let Some(scale) = raw.scale {
                    let rows = scale.len();
                    let scale = Tensor::from_vec(scale, (rows, 1), &Device::Cpu)?;
                    dense = dense
                        .to_dtype(DType::F32)?
                        .broadcast_mul(&scale)?
                        .reshape(shape)?;
                }
                if compute.rounded && is_roundable(inputs) {
                    Store::Blocks(Arc::new(rounded(&dense, device)?))
                } else if device.is_cpu() {
                    Store::Dense(dense)
                } else {
                    Store::Dense(dense.to_dtype(compute.dtype)?.to_device(device)?)
                }
            }
        };
        Ok(Self {
            store,
            outputs,
            inputs,
        })
    }

    /// Of random values of a usual size, in the type that is computed in: for measuring.
    pub fn random(outputs: usize, inputs: usize, compute: &Compute) -> Result<Self> {
        let deviation = (1.0 / inputs as f64).sqrt();
        let weight = Tensor::randn(0f32, 1f32, (outputs, inputs), &compute.device)?
            .affine(deviation, 0.0)?
            .to_dtype(compute.dtype)?;
        Ok(Self {
            store: Store::Dense(weight),
            outputs,
            inputs,
        })
    }

    /// Rows.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Weights in it.
    pub fn parameters(&self) -> u64 {
        (self.outputs * self.inputs) as u64
    }

    /// Bytes that the weight takes.
    pub fn bytes(&self) -> u64 {
        match &self.store {
            Store::Dense(t) => (t.elem_count() * t.dtype().size_in_bytes()) as u64,
            Store::Fp8(codes, scale) => (codes.len() + 4 * scale.len()) as u64,
            Store::Blocks(q) => q.storage_size_in_bytes() as u64,
        }
    }

    /// The weight `[outputs, inputs]` in a type.
    pub fn weight(&self, dtype: DType) -> Result<Tensor> {
        Ok(match &self.store {
            Store::Dense(weight) => weight.to_dtype(dtype)?,
            Store::Fp8(codes, scale) => {
                from_fp8(codes, scale, self.outputs, self.inputs)?.to_dtype(dtype)?
            }
            Store::Blocks(q) => q.dequantize(&q.device())?.to_dtype(dtype)?,
        })
    }

    /// Rows of the weight by their numbers, in f32.
    pub fn rows(&self, numbers: &Tensor) -> Result<Tensor> {
        Ok(match &self.store {
            Store::Dense(weight) => weight.index_select(numbers, 0)?.to_dtype(DType::F32)?,
            Store::Blocks(q) => q.embedding(numbers)?.to_dtype(DType::F32)?,
            Store::Fp8(codes, scale) => {
                let numbers = numbers.to_vec1::<u32>()?;
                let (mut chosen, mut scales) = (Vec::new(), Vec::new());
                for row in numbers.iter().map(|n| *n as usize) {
                    let Some(codes) = codes.get(row * self.inputs..(row + 1) * self.inputs) else {
                        return Err(ModelError::Input(format!(
                            "row {row} of a matrix of {} rows was asked for",
                            self.outputs
                        )));
                    };
                    chosen.extend_from_slice(codes);
                    scales.extend(scale.get(row).or(scale.first()));
                }
                from_fp8(&chosen, &scales, numbers.len(), self.inputs)?
            }
        })
    }

    /// `[…, inputs]` → `[…, outputs]`, in x's type.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut shape = x.dims().to_vec();
        let rows: usize = shape.iter().rev().skip(1).product();
        if let Some(last) = shape.last_mut() {
            *last = self.outputs;
        }
        let weight = self.weight(x.dtype())?;
        let y = x.reshape((rows, self.inputs))?.matmul(&weight.t()?)?;
        Ok(y.reshape(shape)?)
    }
}

/// The type of candle for a GGML type's number.
fn ggml_type(code: u32) -> Option<GgmlDType> {
    Some(match code {
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        15 => GgmlDType::Q8K,
        _ => return None,
    })
}

/// The 256 values of fp8 E4M3 (Micikevicius et al. 2022, table 1): bias 7, no infinities, all ones is not a number.
fn fp8_values() -> [f32; 256] {
    std::array::from_fn(|code| {
        let sign = if code & 0x80 != 0 { -1.0 } else { 1.0 };
        let (exponent, mantissa) = ((code >> 3) & 15, (code & 7) as f32);
        let size = match exponent {
            0 => mantissa / 8.0 * (-6f32).exp2(),
            15 if code & 7 == 7 => f32::NAN,
            e => (1.0 + mantissa / 8.0) * (e as f32 - 7.0).exp2(),
        };
        sign * size
    })
}

/// Codes times their scale, in f32 on the processor.
pub(super) fn from_fp8(codes: &[u8], scale: &[f32], rows: usize, columns: usize) -> Result<Tensor> {
    let values = fp8_values();
    let mut out = vec![0f32; rows * columns];
    out.par_chunks_mut(columns.max(1))
        .zip(codes.par_chunks(columns.max(1)))
        .enumerate()
        .for_each(|(row, (to, from))| {
            let scale = scale.get(row).or(scale.first()).copied().unwrap_or(1.0);
            for (to, &code) in to.iter_mut().zip(from) {
                *to = values[usize::from(code)] * scale;
            }
        });
    Ok(Tensor::from_vec(out, (rows, columns), &Device::Cpu)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fp8_has_the_published_values() {
        let values = fp8_values();
        assert_eq!(values[0], 0.0);
        assert_eq!(values[0x01], 1.0 / 512.0);
        assert_eq!(values[0x07], 7.0 / 512.0);
        assert_eq!(values[0x08], 1.0 / 64.0);
        assert_eq!(values[0x38], 1.0);
        assert_eq!(values[0x7e], 448.0);
        assert_eq!(values[0xfe], -448.0);
        assert!(values[0x7f].is_nan() && values[0xff].is_nan());
    }

    #[test]
    fn a_scale_counts_for_its_row_or_for_all() {
        let codes = [0x38, 0x40, 0xb8, 0x30];
        let each = from_fp8(&codes, &[2.0, 10.0], 2, 2).unwrap();
        assert_eq!(each.to_vec2::<f32>().unwrap(), [[2.0, 4.0], [-10.0, 5.0]]);
        let all = from_fp8(&codes, &[3.0], 2, 2).unwrap();
        assert_eq!(all.to_vec2::<f32>().unwrap(), [[3.0, 6.0], [-3.0, 1.5]]);
    }

    #[test]
    fn chosen_rows_of_fp8_have_their_own_scales() {
        let matrix = |scale: &[f32]| {
            let raw = Raw {
                shape: vec![3, 2],
                element: Element::F8E4M3,
                bytes: vec![0x38, 0x40, 0xb8, 0x30, 0x40, 0x40],
                scale: Some(scale.to_vec()),
            };
            Linear::new(raw, &Compute::on_processor()).unwrap()
        };
        let numbers = Tensor::new(&[2u32, 0, 2], &Device::Cpu).unwrap();
        let rows = |scale: &[f32]| matrix(scale).rows(&numbers).unwrap().to_vec2::<f32>();
        let each = rows(&[1.0, 2.0, 10.0]).unwrap();
        assert_eq!(each, [[20.0, 20.0], [1.0, 2.0], [20.0, 20.0]]);
        let all = rows(&[3.0]).unwrap();
        assert_eq!(all, [[6.0, 6.0], [3.0, 6.0], [6.0, 6.0]]);
        let beyond = Tensor::new(&[3u32], &Device::Cpu).unwrap();
        assert_eq!(
            matrix(&[3.0]).rows(&beyond).unwrap_err().to_string(),
            "row 3 of a matrix of 3 rows was asked for"
        );
    }

    #[test]
    fn every_plain_type_multiplies_alike() {
        let values = [0.5f32, -1.0, 2.0, 4.0, 0.25, -8.0];
        let store = |element, bytes: Vec<u8>| {
            let raw = Raw {
                shape: vec![2, 3],
                element,
                bytes,
                scale: None,
            };
            Linear::new(raw, &Compute::on_processor()).unwrap()
        };
        let x = Tensor::new(&[[[1f32, 2.0, 3.0]], [[-1.0, 0.5, 0.0]]], &Device::Cpu).unwrap();
        for linear in [
            store(
                Element::F32,
                values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
            store(
                Element::F16,
                values
                    .iter()
                    .flat_map(|v| half::f16::from_f32(*v).to_le_bytes())
                    .collect(),
            ),
            store(
                Element::Bf16,
                values
                    .iter()
                    .flat_map(|v| half::bf16::from_f32(*v).to_le_bytes())
                    .collect(),
            ),
        ] {
            let y = linear.forward(&x).unwrap();
            assert_eq!(y.dims(), [2, 1, 2]);
            let y = y.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(y, [4.5, -19.5, -1.0, -3.875]);
        }
    }
}
