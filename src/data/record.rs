//! The record format that trainers read: a header with every field's place, then records of one length.

use serde_json::json;

use super::caption::TEXT_BYTES;

/// Inputs a record has room for.
pub const MAX_INPUTS: usize = 4;
/// Outputs a record has room for.
pub const MAX_OUTPUTS: usize = 2;
/// Tokens a record has room for.
pub const MAX_TOKENS: usize = 64;
/// The first bytes of a stream.
pub const MAGIC: &[u8; 8] = b"INLAYDS1";
/// [`Input::kind`] and [`Input::level`] of inputs that have none.
pub const NONE: u8 = 255;

/// Kind of an output that is a picture.
pub const PICTURE: u8 = 0;
/// Kind of an output that is a mask, white on black.
pub const MASK: u8 = 1;
/// Kind of an output that is a depth map: near is bright.
pub const DEPTH: u8 = 2;
/// Kind of an output that shows edges, bright on dark.
pub const EDGES: u8 = 3;

/// One input picture of a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// [`crate::doc::Role::index`].
    pub role: u8,
    /// [`crate::doc::ControlKind::index`], or [`NONE`].
    pub kind: u8,
    /// [`crate::doc::Level::index`] of masks, or [`NONE`].
    pub level: u8,
    /// Object area over mask area; NaN if not told.
    pub fit: f32,
    /// y0, x0, y1, x1 in 0..1 of the output's frame; NaN for the full frame.
    pub placed: [f32; 4],
    /// RGB bytes, row by row.
    pub picture: Vec<[u8; 3]>,
}

/// One sample as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Position in the stream.
    pub id: u64,
    /// Seed of its rendering.
    pub seed: u64,
    /// [`super::plan::Task`] as a number.
    pub task: u16,
    /// Bit 0: a still scene, of which the canvas shows what does not change; bit 1: held out.
    pub flags: u16,
    /// Inputs in IMG order.
    pub inputs: Vec<Input>,
    /// Kinds ([`PICTURE`], [`MASK`], [`DEPTH`], [`EDGES`]) and pictures, in RES order.
    pub outputs: Vec<(u8, Vec<[u8; 3]>)>,
    /// Token ids with the end token.
    pub tokens: Vec<u16>,
    /// The text the tokens stand for.
    pub text: String,
    /// The visible part of the object.
    pub object: Vec<u8>,
    /// 255 where the output differs from the canvas.
    pub changed: Vec<u8>,
    /// Where in the asset picture the object is. For judging only: it is not written.
    pub asset_object: Option<Vec<u8>>,
    /// The same of further asset pictures.
    pub more_objects: Vec<Vec<u8>>,
}

struct Field {
    name: &'static str,
    dtype: &'static str,
    shape: Vec<usize>,
    bytes: usize,
}

fn fields(size: usize) -> Vec<Field> {
    let field = |name, dtype: &'static str, shape: &[usize]| Field {
        name,
        dtype,
        shape: shape.to_vec(),
        bytes: shape.iter().product::<usize>()
            * match dtype {
                "u8" => 1,
                "u16" => 2,
                "u64" => 8,
                _ => 4,
            },
    };
    vec![
        field("id", "u64", &[]),
        field("seed", "u64", &[]),
        field("task", "u16", &[]),
        field("flags", "u16", &[]),
        field("n_inputs", "u8", &[]),
        field("n_outputs", "u8", &[]),
        field("n_tokens", "u16", &[]),
        field("input_role", "u8", &[MAX_INPUTS]),
        field("input_kind", "u8", &[MAX_INPUTS]),
        field("input_level", "u8", &[MAX_INPUTS]),
        field("output_kind", "u8", &[MAX_OUTPUTS]),
        field("reserved", "u8", &[2]),
        field("input_fit", "f32", &[MAX_INPUTS]),
        field("input_placed", "f32", &[MAX_INPUTS, 4]),
        field("tokens", "u16", &[MAX_TOKENS]),
        field("text", "u8", &[TEXT_BYTES]),
        field("inputs", "u8", &[MAX_INPUTS, size, size, 3]),
        field("outputs", "u8", &[MAX_OUTPUTS, size, size, 3]),
        field("object", "u8", &[size, size]),
        field("changed", "u8", &[size, size]),
    ]
}

/// Bytes of one record.
pub fn record_bytes(size: usize) -> usize {
    fields(size).iter().map(|f| f.bytes).sum()
}

/// Where a field starts in a record, and how many bytes it takes.
pub fn place(size: usize, name: &str) -> Option<(usize, usize)> {
    let mut offset = 0;
    for field in fields(size) {
        if field.name == name {
            return Some((offset, field.bytes));
        }
        offset += field.bytes;
    }
    None
}

/// The stream's first bytes: [`MAGIC`], the header's length, the header.
pub fn header(size: usize) -> Vec<u8> {
    let mut offset = 0;
    let fields: Vec<_> = fields(size)
        .iter()
        .map(|f| {
            let value =
                json!({"name": f.name, "offset": offset, "dtype": f.dtype, "shape": f.shape});
            offset += f.bytes;
            value
        })
        .collect();
    let text = json!({
        "version": 1,
        "size": size,
        "max_inputs": MAX_INPUTS,
        "max_outputs": MAX_OUTPUTS,
        "max_tokens": MAX_TOKENS,
        "text_bytes": TEXT_BYTES,
        "record_bytes": offset,
        "fields": fields,
    })
    .to_string();
    let mut bytes = MAGIC.to_vec();
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

impl Record {
    /// The record's bytes for pictures of `size`. Inputs, outputs, tokens and text beyond the format's room are cut.
    pub fn to_bytes(&self, size: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(record_bytes(size));
        let inputs = &self.inputs[..self.inputs.len().min(MAX_INPUTS)];
        let outputs = &self.outputs[..self.outputs.len().min(MAX_OUTPUTS)];
        let tokens = &self.tokens[..self.tokens.len().min(MAX_TOKENS)];
        bytes.extend(self.id.to_le_bytes());
        bytes.extend(self.seed.to_le_bytes());
        bytes.extend(self.task.to_le_bytes());
        bytes.extend(self.flags.to_le_bytes());
        bytes.push(inputs.len() as u8);
        bytes.push(outputs.len() as u8);
        bytes.extend((tokens.len() as u16).to_le_bytes());
        let input = |i: usize, of: &dyn Fn(&Input) -> u8| inputs.get(i).map_or(NONE, of);
        bytes.extend((0..MAX_INPUTS).map(|i| input(i, &|x| x.role)));
        bytes.extend((0..MAX_INPUTS).map(|i| input(i, &|x| x.kind)));
        bytes.extend((0..MAX_INPUTS).map(|i| input(i, &|x| x.level)));
        bytes.extend((0..MAX_OUTPUTS).map(|i| outputs.get(i).map_or(NONE, |o| o.0)));
        bytes.extend([0; 2]);
        for i in 0..MAX_INPUTS {
            bytes.extend(inputs.get(i).map_or(f32::NAN, |x| x.fit).to_le_bytes());
        }
        for i in 0..MAX_INPUTS {
            for value in inputs.get(i).map_or([f32::NAN; 4], |x| x.placed) {
                bytes.extend(value.to_le_bytes());
            }
        }
        for i in 0..MAX_TOKENS {
            bytes.extend(tokens.get(i).copied().unwrap_or(0).to_le_bytes());
        }
        let text = &self.text.as_bytes()[..self.text.len().min(TEXT_BYTES)];
        bytes.extend(text);
        bytes.resize(bytes.len() + TEXT_BYTES - text.len(), 0);
        let frame = size * size;
        for i in 0..MAX_INPUTS {
            push_picture(
                &mut bytes,
                inputs.get(i).map(|x| x.picture.as_slice()),
                frame,
            );
        }
        for i in 0..MAX_OUTPUTS {
            push_picture(&mut bytes, outputs.get(i).map(|o| o.1.as_slice()), frame);
        }
        for plane in [&self.object, &self.changed] {
            bytes.extend((0..frame).map(|i| plane.get(i).copied().unwrap_or(0)));
        }
        bytes
    }
}

fn push_picture(bytes: &mut Vec<u8>, picture: Option<&[[u8; 3]]>, frame: usize) {
    match picture {
        Some(picture) if picture.len() == frame => bytes.extend(picture.as_flattened()),
        _ => bytes.resize(bytes.len() + frame * 3, 0),
    }
}
