//! What a weight file holds, read from its header alone: safetensors and GGUF.
//!
//! Nothing is trusted: counts, sizes and offsets are checked against the file's length before anything is allocated.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::model::error::{ModelError, Result};

/// The largest header that is read, in bytes: real ones have a few hundred kilobytes, GGUF files with their
/// tokenizer some megabytes.
const MAX_HEADER: u64 = 64 << 20;
/// The most tensors a file may hold.
const MAX_TENSORS: u64 = 65_536;

/// The most elements a tensor may have; the largest real ones have some thousand million.
const MAX_ELEMENTS: u64 = 1 << 40;

/// How a file keeps its tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// The safetensors format.
    Safetensors,
    /// The GGUF format of llama.cpp.
    Gguf,
}

/// How a tensor's elements are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// 32-bit floats.
    F32,
    /// 16-bit floats (IEEE).
    F16,
    /// 16-bit floats (bfloat).
    Bf16,
    /// 8-bit floats with 4 bits of exponent and 3 of mantissa, without infinities.
    F8E4M3,
    /// Blocks of a GGML type, by its number.
    Ggml(u32),
    /// Anything that is no weight: integers, packed values.
    Other,
}

impl Element {
    /// Elements and bytes of a block.
    pub(super) fn block(self) -> Option<(usize, usize)> {
        Some(match self {
            Element::F32 => (1, 4),
            Element::F16 | Element::Bf16 => (1, 2),
            Element::F8E4M3 => (1, 1),
            Element::Ggml(2) => (32, 18),
            Element::Ggml(3) => (32, 20),
            Element::Ggml(6) => (32, 22),
            Element::Ggml(7) => (32, 24),
            Element::Ggml(8) => (32, 34),
            Element::Ggml(10) => (256, 84),
            Element::Ggml(11) => (256, 110),
            Element::Ggml(12) => (256, 144),
            Element::Ggml(13) => (256, 176),
            Element::Ggml(14) => (256, 210),
            Element::Ggml(15) => (256, 292),
            Element::Ggml(_) | Element::Other => return None,
        })
    }

    /// The name that people know it by.
    pub fn name(self) -> &'static str {
        match self {
            Element::F32 => "F32",
            Element::F16 => "F16",
            Element::Bf16 => "BF16",
            Element::F8E4M3 => "fp8 E4M3",
            Element::Ggml(2) => "Q4_0",
            Element::Ggml(3) => "Q4_1",
            Element::Ggml(6) => "Q5_0",
            Element::Ggml(7) => "Q5_1",
            Element::Ggml(8) => "Q8_0",
            Element::Ggml(10) => "Q2_K",
            Element::Ggml(11) => "Q3_K",
            Element::Ggml(12) => "Q4_K",
            Element::Ggml(13) => "Q5_K",
            Element::Ggml(14) => "Q6_K",
            Element::Ggml(15) => "Q8_K",
            Element::Ggml(16..=23 | 29) => "IQ",
            Element::Ggml(34 | 35) => "TQ",
            Element::Ggml(39) => "MXFP4",
            Element::Ggml(_) => "an unknown GGML type",
            Element::Other => "integers",
        }
    }
}

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Rows first.
    pub shape: Vec<usize>,
    /// How its elements are stored.
    pub element: Element,
    /// The type's name in the file.
    pub stored: String,
    /// Where its bytes begin in the file.
    pub offset: u64,
    /// How many bytes it has.
    pub bytes: u64,
}

/// A file's header.
#[derive(Clone, Debug)]
pub struct Header {
    /// The file.
    pub path: PathBuf,
    /// Its format.
    pub container: Container,
    /// Its tensors by name.
    pub entries: BTreeMap<String, Entry>,
}

impl Header {
    /// Reads the header of a file.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or is of a kind that is never loaded (pickles run code).
    pub fn read(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(|e| unreadable(path, &e.to_string()))?;
        let length = file
            .metadata()
            .map_err(|e| unreadable(path, &e.to_string()))?
            .len();
        let mut start = [0u8; 9];
        let got = read_some(&mut file, &mut start).map_err(|e| unreadable(path, &e.to_string()))?;
        let start = &start[..got];
        if start.starts_with(b"GGUF") {
            return gguf(path, file, length);
        }
        // A safetensors file begins with its header's length, which may look like a pickle's first bytes, and the
        // header with a brace.
        let header = start.get(8) == Some(&b'{');
        let pickle = start.first() == Some(&0x80) && start.get(1) <= Some(&5) && !header;
        if start.starts_with(b"PK\x03\x04") || pickle {
            return Err(ModelError::Format(format!(
                "{} is a pickle file, which can run any code when it is opened: get the model as .safetensors or .gguf",
                name_of(path)
            )));
        }
        safetensors(path, file, length)
    }

    /// The file's name, for messages.
    pub fn name(&self) -> String {
        name_of(&self.path)
    }

    /// A tensor's entry.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }
}

pub(super) fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

pub(super) fn unreadable(path: &Path, reason: &str) -> ModelError {
    ModelError::File {
        file: name_of(path),
        reason: reason.to_owned(),
    }
}

pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> ModelError {
    ModelError::Damaged {
        file: name_of(path),
        reason: reason.into(),
    }
}

fn read_some(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// How many elements a tensor of this shape has, if there can be as many: sums of them never overflow.
fn count_of(shape: &[usize]) -> Option<u64> {
    let product = |n: u64, d: &usize| n.checked_mul(*d as u64);
    let count = shape.iter().try_fold(1, product)?;
    (count <= MAX_ELEMENTS).then_some(count)
}

/// Size in bytes of a tensor, if its shape fits its type.
fn size_of(element: Element, shape: &[usize]) -> Option<u64> {
    let (block, bytes) = element.block()?;
    let count = count_of(shape)?;
    let last = shape.last().copied().unwrap_or(1);
    (last.is_multiple_of(block)).then_some(())?;
    (count / block as u64).checked_mul(bytes as u64)
}

fn safetensors(path: &Path, mut file: File, length: u64) -> Result<Header> {
    let broken = |reason: &str| damaged(path, reason);
    let mut size = [0u8; 8];
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.read_exact(&mut size))
        .map_err(|_| broken("it is too short"))?;
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER || size.saturating_add(8) > length {
        return Err(broken("it is neither safetensors nor GGUF, or incomplete"));
    }
    let mut json = vec![0u8; size as usize];
    file.read_exact(&mut json)
        .map_err(|e| unreadable(path, &e.to_string()))?;
    let json: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&json).map_err(|_| broken("its header is not JSON"))?;
    let data = length - 8 - size;
    let mut entries = BTreeMap::new();
    for (name, value) in json {
        if name == "__metadata__" {
            continue;
        }
        let entry = safetensors_entry(&value, 8 + size, data)
            .map_err(|reason| broken(&format!("{name}: {reason}")))?;
        entries.insert(name, entry);
    }
    Ok(Header {
        path: path.to_owned(),
        container: Container::Safetensors,
        entries,
    })
}

fn safetensors_entry(
    value: &serde_json::Value,
    start: u64,
    data: u64,
) -> std::result::Result<Entry, String> {
    let bad = || "its entry in the header makes no sense".to_owned();
    let numbers = |key: &str| -> Option<Vec<u64>> {
        let list = value.get(key)?.as_array()?;
        list.iter().map(serde_json::Value::as_u64).collect()
    };
    let stored = value
        .get("dtype")
        .and_then(|v| v.as_str())
        .ok_or_else(bad)?;
    let shape: Vec<usize> = numbers("shape")
        .ok_or_else(bad)?
        .into_iter()
        .map(|d| d as usize)
        .collect();
    let [from, to] = numbers("data_offsets").ok_or_else(bad)?[..] else {
        return Err(bad());
    };
    count_of(&shape).ok_or_else(bad)?;
    if from > to || to > data {
        return Err("its data lie outside of the file".into());
    }
    let element = match stored {
        "F32" => Element::F32,
        "F16" => Element::F16,
        "BF16" => Element::Bf16,
        "F8_E4M3" => Element::F8E4M3,
        _ => Element::Other,
    };
    if element != Element::Other && size_of(element, &shape) != Some(to - from) {
        return Err("its size does not fit its shape".into());
    }
    Ok(Entry {
        shape,
        element,
        stored: stored.to_owned(),
        offset: start + from,
        bytes: to - from,
    })
}

/// Reads little-endian values and counts what was read.
struct Cursor<'a> {
    path: &'a Path,
    reader: BufReader<File>,
    at: u64,
}

impl Cursor<'_> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut buffer = [0u8; N];
        self.fill(&mut buffer)?;
        Ok(buffer)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.at += buffer.len() as u64;
        if self.at > MAX_HEADER {
            return Err(damaged(self.path, "its header is too large"));
        }
        self.reader
            .read_exact(buffer)
            .map_err(|_| damaged(self.path, "its header is incomplete"))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn text(&mut self) -> Result<String> {
        let length = self.u64()?;
        if length > MAX_HEADER {
            return Err(damaged(self.path, "its header is too large"));
        }
        let mut buffer = vec![0u8; length as usize];
        self.fill(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer).into_owned())
    }

    /// A metadata value; only whole numbers are kept.
    fn value(&mut self, kind: u32) -> Result<Option<u64>> {
        Ok(match kind {
            0 | 1 | 7 => Some(u64::from(self.bytes::<1>()?[0])),
            2 | 3 => Some(u64::from(u16::from_le_bytes(self.bytes()?))),
            4 | 5 => Some(u64::from(self.u32()?)),
            6 => {
                self.u32()?;
                None
            }
            8 => {
                self.text()?;
                None
            }
            9 => {
                let (kind, count) = (self.u32()?, self.u64()?);
                if kind == 9 {
                    return Err(damaged(self.path, "its header nests lists"));
                }
                for _ in 0..count {
                    self.value(kind)?;
                }
                None
            }
            10 | 11 => Some(self.u64()?),
            12 => {
                self.u64()?;
                None
            }
            _ => return Err(damaged(self.path, "its header has an unknown type")),
        })
    }
}

fn gguf(path: &Path, mut file: File, length: u64) -> Result<Header> {
    file.seek(SeekFrom::Start(4))
        .map_err(|e| unreadable(path, &e.to_string()))?;
    let mut cursor = Cursor {
        path,
        reader: BufReader::new(file),
        at: 4,
    };
    let version = cursor.u32()?;
    if !(2..=3).contains(&version) {
        return Err(ModelError::Format(format!(
            "{} is GGUF version {version}: get a file of version 2 or 3",
            name_of(path)
        )));
    }
    let (tensors, values) = (cursor.u64()?, cursor.u64()?);
    if tensors > MAX_TENSORS || values > MAX_TENSORS {
        return Err(damaged(path, "its header names too many tensors"));
    }
    let mut alignment = 32;
    for _ in 0..values {
        let name = cursor.text()?;
        let kind = cursor.u32()?;
        let value = cursor.value(kind)?;
        if let ("general.alignment", Some(value)) = (name.as_str(), value) {
            alignment = value;
        }
    }
    if !alignment.is_power_of_two() || alignment > 1 << 20 {
        return Err(damaged(path, "its alignment makes no sense"));
    }
    let mut found = Vec::with_capacity(tensors as usize);
    for _ in 0..tensors {
        let name = cursor.text()?;
        let dimensions = cursor.u32()?;
        if dimensions > 8 {
            return Err(damaged(path, format!("{name} has too many dimensions")));
        }
        let mut shape = Vec::with_capacity(dimensions as usize);
        for _ in 0..dimensions {
            shape.push(cursor.u64()? as usize);
        }
        // GGML counts the fastest dimension first.
        shape.reverse();
        let (kind, offset) = (cursor.u32()?, cursor.u64()?);
        found.push((name, shape, kind, offset));
    }
    let start = cursor.at.div_ceil(alignment) * alignment;
    let mut entries = BTreeMap::new();
    for (name, shape, kind, offset) in found {
        let element = match kind {
            0 => Element::F32,
            1 => Element::F16,
            30 => Element::Bf16,
            other => Element::Ggml(other),
        };
        let offset = start.saturating_add(offset);
        let bytes = match (element.block(), size_of(element, &shape)) {
            (Some(_), Some(bytes)) => bytes,
            (Some(_), None) | (None, None) if count_of(&shape).is_none() => {
                return Err(damaged(path, format!("{name}: its shape makes no sense")));
            }
            (Some(_), None) => {
                return Err(damaged(
                    path,
                    format!("{name}: its shape does not fit its type"),
                ));
            }
            // Of a type that is refused later, in words of its own.
            (None, _) => 0,
        };
        if offset.saturating_add(bytes) > length {
            return Err(damaged(
                path,
                format!("{name}: its data lie outside of the file"),
            ));
        }
        entries.insert(
            name,
            Entry {
                shape,
                element,
                stored: element.name().to_owned(),
                offset,
                bytes,
            },
        );
    }
    Ok(Header {
        path: path.to_owned(),
        container: Container::Gguf,
        entries,
    })
}
