//! Reading tensors out of weight files, one at a time and checked.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};

use super::detect::{Detected, Part, detect};
use super::header::{Element, Entry, Header, damaged, unreadable};
use super::linear::{Compute, Linear, from_fp8};
use crate::model::error::{ModelError, Result};

/// A tensor's bytes as they are in the file.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub shape: Vec<usize>,
    pub element: Element,
    pub bytes: Vec<u8>,
    /// What stored values are multiplied with: one for all or one for each row.
    pub scale: Option<Vec<f32>>,
}

impl Raw {
    /// Rows of a matrix; 1 for vectors.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Matrices with equal columns, one above the other. Blocks of quantised types never cross rows, so their bytes
    /// can be joined like all others.
    pub fn stacked(parts: Vec<Raw>) -> Option<Raw> {
        let first = parts.first()?;
        let (element, columns) = (first.element, first.shape.get(1).copied()?);
        let fits = |r: &Raw| r.element == element && r.shape.len() == 2 && r.shape[1] == columns;
        if !parts.iter().all(fits) {
            return None;
        }
        let rows = parts.iter().map(Raw::rows).sum();
        let scale = parts.iter().any(|r| r.scale.is_some()).then(|| {
            let each = |r: &Raw| match &r.scale {
                Some(scale) if scale.len() == r.rows() => scale.clone(),
                Some(scale) => vec![scale.first().copied().unwrap_or(1.0); r.rows()],
                None => vec![1.0; r.rows()],
            };
            parts.iter().flat_map(each).collect()
        });
        Some(Raw {
            shape: vec![rows, columns],
            element,
            scale,
            bytes: parts.into_iter().flat_map(|r| r.bytes).collect(),
        })
    }

    /// The lower half of the rows before the upper half.
    pub fn halves_swapped(mut self) -> Raw {
        let half = self.bytes.len() / 2;
        self.bytes.rotate_left(half);
        if let Some(scale) = &mut self.scale
            && scale.len() > 1
        {
            let half = scale.len() / 2;
            scale.rotate_left(half);
        }
        self
    }

    /// Whether a float is infinite or not a number.
    fn has_bad_value(&self) -> bool {
        let halves = |mask: u16| {
            let (pairs, _) = self.bytes.as_chunks::<2>();
            pairs.iter().any(|b| u16::from_le_bytes(*b) & mask == mask)
        };
        match self.element {
            Element::F32 => {
                let (words, _) = self.bytes.as_chunks::<4>();
                words
                    .iter()
                    .any(|b| u32::from_le_bytes(*b) & 0x7f80_0000 == 0x7f80_0000)
            }
            Element::F16 => halves(0x7c00),
            Element::Bf16 => halves(0x7f80),
            Element::F8E4M3 => self.bytes.iter().any(|b| b & 0x7f == 0x7f),
            Element::Ggml(_) | Element::Other => false,
        }
    }
}

/// One part of a model: its files, opened, and what they hold.
pub(super) struct Archive {
    headers: Vec<Header>,
    files: Vec<File>,
    /// Which file has a tensor.
    places: HashMap<String, usize>,
    pub detected: Detected,
}

impl Archive {
    /// Opens the files of a part.
    pub fn open(paths: &[PathBuf], part: Part) -> Result<Self> {
        let mut headers = Vec::with_capacity(paths.len());
        let mut files = Vec::with_capacity(paths.len());
        let mut places = HashMap::new();
        for (at, path) in paths.iter().enumerate() {
            let header = Header::read(path)?;
            files.push(File::open(path).map_err(|e| unreadable(path, &e.to_string()))?);
            places.extend(header.entries.keys().map(|name| (name.clone(), at)));
            headers.push(header);
        }
        let mut all = headers
            .first()
            .cloned()
            .ok_or_else(|| ModelError::Format(format!("{} has no file", part.words())))?;
        for header in &headers[1..] {
            all.entries
                .extend(header.entries.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
        let detected = detect(&all)?
            .filter(|detected| detected.part == part)
            .ok_or_else(|| {
                ModelError::Format(format!(
                    "{} is not {} of a FLUX.2 [klein]: choose another file",
                    all.name(),
                    part.words()
                ))
            })?;
        Ok(Self {
            headers,
            files,
            places,
            detected,
        })
    }

    fn find(&self, name: &str) -> Option<(usize, &Entry)> {
        let full = format!("{}{name}", self.detected.prefix);
        let at = *self.places.get(&full)?;
        Some((at, self.headers[at].entries.get(&full)?))
    }

    /// Whether a tensor is there. Names are without the prefix.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// A tensor's shape.
    pub fn shape(&self, name: &str) -> Result<Vec<usize>> {
        match self.find(name) {
            Some((_, entry)) => Ok(entry.shape.clone()),
            None => Err(self.missing(name)),
        }
    }

    /// How many blocks there are: the first `n` for which no tensor is called `name(n)`.
    pub fn count(&self, name: impl Fn(usize) -> String) -> usize {
        (0..4096).take_while(|&n| self.has(&name(n))).count()
    }

    fn missing(&self, name: &str) -> ModelError {
        match self.headers.first() {
            Some(header) => damaged(&header.path, format!("it lacks {name}")),
            None => ModelError::Format(format!("the model lacks {name}")),
        }
    }

    /// An error that says what is wrong with a tensor.
    pub fn wrong(&self, name: &str, reason: &str) -> ModelError {
        let at = self.find(name).map_or(0, |(at, _)| at);
        match self.headers.get(at) {
            Some(header) => damaged(&header.path, format!("{name}: {reason}")),
            None => ModelError::Format(format!("{name}: {reason}")),
        }
    }

    fn bytes(&mut self, name: &str) -> Result<(Vec<usize>, Element, Vec<u8>)> {
        let Some((at, entry)) = self.find(name) else {
            return Err(self.missing(name));
        };
        let (offset, count) = (entry.offset, entry.bytes);
        let (shape, element) = (entry.shape.clone(), entry.element);
        let mut bytes = vec![0u8; count as usize];
        self.files[at]
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.files[at].read_exact(&mut bytes))
            .map_err(|e| unreadable(&self.headers[at].path, &e.to_string()))?;
        Ok((shape, element, bytes))
    }

    /// A tensor as it is stored, with its scale.
    pub fn raw(&mut self, name: &str) -> Result<Raw> {
        let (shape, element, bytes) = self.bytes(name)?;
        let mut raw = Raw {
            shape,
            element,
            bytes,
            scale: None,
        };
        if raw.has_bad_value() {
            return Err(self.wrong(name, "it holds values that are not finite"));
        }
        if let Some(base) = name.strip_suffix("weight") {
            for scale in ["weight_scale", "scale_weight"] {
                let scale = format!("{base}{scale}");
                if self.has(&scale) {
                    raw.scale = Some(self.scale(&scale, raw.rows())?);
                }
            }
        }
        Ok(raw)
    }

    fn scale(&mut self, name: &str, rows: usize) -> Result<Vec<f32>> {
        let values = self.floats(name)?.flatten_all()?.to_vec1::<f32>()?;
        if values.len() != 1 && values.len() != rows {
            return Err(self.wrong(name, "there must be one scale, or one for each row"));
        }
        Ok(values)
    }

    /// A tensor in f32 on the processor, times its scale if it has one.
    pub fn floats(&mut self, name: &str) -> Result<Tensor> {
        let raw = self.raw(name)?;
        let rows = raw.rows();
        let columns = raw.shape.iter().skip(1).product();
        let scale = raw.scale.unwrap_or_else(|| vec![1.0]);
        // Files that were cast as a whole have norms in fp8 too.
        if raw.element == Element::F8E4M3 {
            return Ok(from_fp8(&raw.bytes, &scale, rows, columns)?.reshape(raw.shape)?);
        }
        let dtype = plain_type(raw.element)
            .ok_or_else(|| self.wrong(name, "it must be stored in F32, F16, BF16 or fp8"))?;
        let tensor = Tensor::from_raw_buffer(&raw.bytes, dtype, &[rows, columns], &Device::Cpu)?;
        let scale = Tensor::from_vec(scale.clone(), (scale.len(), 1), &Device::Cpu)?;
        let tensor = tensor.to_dtype(DType::F32)?.broadcast_mul(&scale)?;
        Ok(tensor.reshape(raw.shape)?)
    }

    /// A vector of `length` in f32 on the device.
    pub fn vector(&mut self, name: &str, length: usize, device: &Device) -> Result<Tensor> {
        let tensor = self.floats(name)?;
        if tensor.dims() != [length] {
            let reason = format!("it has shape {:?}, expected [{length}]", tensor.dims());
            return Err(self.wrong(name, &reason));
        }
        Ok(tensor.to_device(device)?)
    }

    /// A matrix of `outputs` rows and `inputs` columns.
    pub fn linear(
        &mut self,
        name: &str,
        outputs: usize,
        inputs: usize,
        compute: &Compute,
    ) -> Result<Linear> {
        let raw = self.raw(name)?;
        self.matrix(name, raw, outputs, inputs, compute)
    }

    /// Several matrices, one above the other.
    pub fn stacked(
        &mut self,
        names: &[String],
        outputs: usize,
        inputs: usize,
        compute: &Compute,
    ) -> Result<Linear> {
        let parts = names
            .iter()
            .map(|name| self.raw(name))
            .collect::<Result<Vec<_>>>()?;
        let name = names.first().map_or("", String::as_str);
        let raw = Raw::stacked(parts)
            .ok_or_else(|| self.wrong(name, "it does not fit the matrices beside it"))?;
        self.matrix(name, raw, outputs, inputs, compute)
    }

    /// Checks a matrix and puts it on the device.
    pub fn matrix(
        &self,
        name: &str,
        mut raw: Raw,
        outputs: usize,
        inputs: usize,
        compute: &Compute,
    ) -> Result<Linear> {
        // 1×1 convolutions are matrices.
        while raw.shape.len() > 2 && raw.shape.last() == Some(&1) {
            raw.shape.pop();
        }
        if raw.shape != [outputs, inputs] {
            let reason = format!(
                "it has shape {:?}, expected [{outputs}, {inputs}]",
                raw.shape
            );
            return Err(self.wrong(name, &reason));
        }
        Linear::new(raw, compute)
    }
}

/// The candle type of plain floats.
pub(super) fn plain_type(element: Element) -> Option<DType> {
    match element {
        Element::F32 => Some(DType::F32),
        Element::F16 => Some(DType::F16),
        Element::Bf16 => Some(DType::BF16),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(rows: usize, values: &[u8], scale: Option<Vec<f32>>) -> Raw {
        Raw {
            shape: vec![rows, values.len() / rows],
            element: Element::F8E4M3,
            bytes: values.to_vec(),
            scale,
        }
    }

    #[test]
    fn stacking_keeps_each_rows_scale() {
        let a = raw(2, &[1, 2, 3, 4], Some(vec![0.5]));
        let b = raw(1, &[5, 6], Some(vec![2.0]));
        let c = raw(1, &[7, 8], None);
        let all = Raw::stacked(vec![a, b, c]).unwrap();
        assert_eq!(all.shape, [4, 2]);
        assert_eq!(all.bytes, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(all.scale, Some(vec![0.5, 0.5, 2.0, 1.0]));
        let wide = raw(1, &[1, 2, 3], None);
        assert!(Raw::stacked(vec![raw(1, &[5, 6], None), wide]).is_none());
    }

    #[test]
    fn swapping_halves_moves_rows_and_their_scales() {
        let swapped = raw(2, &[1, 2, 3, 4], Some(vec![0.5, 2.0])).halves_swapped();
        assert_eq!(swapped.bytes, [3, 4, 1, 2]);
        assert_eq!(swapped.scale, Some(vec![2.0, 0.5]));
        let one = raw(2, &[1, 2, 3, 4], Some(vec![0.5])).halves_swapped();
        assert_eq!(one.scale, Some(vec![0.5]));
    }

    #[test]
    fn values_that_are_not_finite_are_seen_in_every_type() {
        let with = |element, bytes: &[u8]| Raw {
            shape: vec![1],
            element,
            bytes: bytes.to_vec(),
            scale: None,
        };
        assert!(with(Element::F32, &f32::NAN.to_le_bytes()).has_bad_value());
        assert!(with(Element::F32, &f32::NEG_INFINITY.to_le_bytes()).has_bad_value());
        assert!(!with(Element::F32, &f32::MAX.to_le_bytes()).has_bad_value());
        assert!(with(Element::F16, &half::f16::INFINITY.to_le_bytes()).has_bad_value());
        assert!(!with(Element::F16, &half::f16::MAX.to_le_bytes()).has_bad_value());
        assert!(with(Element::Bf16, &half::bf16::NAN.to_le_bytes()).has_bad_value());
        assert!(!with(Element::Bf16, &half::bf16::MAX.to_le_bytes()).has_bad_value());
        assert!(with(Element::F8E4M3, &[0xff]).has_bad_value());
        assert!(!with(Element::F8E4M3, &[0xfe]).has_bad_value());
    }
}
