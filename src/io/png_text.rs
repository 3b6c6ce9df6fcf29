//! Text chunks of PNG files (W3C PNG 3rd edition, 11.3.3): reading without decoding the picture.

use super::header::{Format, png_chunks};

/// The most bytes a compressed text may grow to.
const MAX_TEXT: u64 = 64 << 20;

/// All texts of a PNG file as keyword and text, in the order of the file. Chunks that can't be read are left
/// out, as is everything after the point where a cut file ends.
pub fn read(bytes: &[u8]) -> Vec<(String, String)> {
    if Format::of(bytes) != Some(Format::Png) {
        return Vec::new();
    }
    png_chunks(bytes)
        .filter_map(|(kind, data)| match &kind {
            b"tEXt" => plain(data),
            b"zTXt" => compressed(data),
            b"iTXt" => international(data),
            _ => None,
        })
        .collect()
}

fn plain(data: &[u8]) -> Option<(String, String)> {
    let (keyword, text) = split(data)?;
    Some((latin_1(keyword), latin_1(text)))
}

fn compressed(data: &[u8]) -> Option<(String, String)> {
    let (keyword, rest) = split(data)?;
    let (&method, stream) = rest.split_first()?;
    (method == 0).then(|| Some((latin_1(keyword), latin_1(&inflate(stream)?))))?
}

fn international(data: &[u8]) -> Option<(String, String)> {
    let (keyword, rest) = split(data)?;
    let (&is_compressed, rest) = rest.split_first()?;
    let (&method, rest) = rest.split_first()?;
    let (_language, rest) = split(rest)?;
    let (_translated, text) = split(rest)?;
    let text = match (is_compressed, method) {
        (0, _) => String::from_utf8(text.to_vec()).ok()?,
        (1, 0) => String::from_utf8(inflate(text)?).ok()?,
        _ => return None,
    };
    Some((latin_1(keyword), text))
}

/// What stands before and after the first zero byte.
fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let zero = data.iter().position(|&byte| byte == 0)?;
    Some((&data[..zero], &data[zero + 1..]))
}

fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

fn inflate(stream: &[u8]) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut text = Vec::new();
    flate2::read::ZlibDecoder::new(stream)
        .take(MAX_TEXT + 1)
        .read_to_end(&mut text)
        .ok()?;
    (text.len() as u64 <= MAX_TEXT).then_some(text)
}
