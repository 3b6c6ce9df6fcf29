//! Pictures from files of any kind an artist has.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::codecs::{bmp, gif, jpeg, png, tiff, webp};
use image::{DynamicImage, ImageDecoder, ImageError, Limits};

use super::colour::to_srgb;
use super::error::{PictureError, SaveError};
use super::header::{self, Format};
use super::save;
use crate::doc::Picture;
use crate::doc::picture::MAX_SIDE;

/// The longest file that is read, in bytes.
pub const MAX_FILE: u64 = 1 << 30;

/// The most memory a decoder may take for one picture, in bytes: 16384 × 16384 pixels of four channels
/// at 16 bits.
pub const MAX_DECODED: u64 = 2 << 30;

/// A picture and what was left out in reading it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Upright, 8 bits a channel.
    pub picture: Picture,
    /// Sentences for the artist; the picture is usable all the same.
    pub warnings: Vec<String>,
}

/// Reads a picture; the content decides the format, not the name.
///
/// # Errors
/// [`PictureError`], a sentence with the path last.
pub fn load(path: &Path) -> Result<Loaded, PictureError> {
    decode(&read_file(path)?, path)
}

/// Reads a picture from memory; `path` is only for messages.
///
/// # Errors
/// [`PictureError`], a sentence with the path last.
pub fn decode(bytes: &[u8], path: &Path) -> Result<Loaded, PictureError> {
    let (image, warnings) = decode_image(bytes, path)?;
    let rgba = image.into_rgba8();
    let (width, height) = rgba.dimensions();
    let picture = Picture::from_rgba(width, height, rgba.into_raw())
        .ok_or_else(|| PictureError::TooLarge(width, height, path.into()))?;
    Ok(Loaded { picture, warnings })
}

/// Writes a picture that is drawn for looking at, such as a contact sheet, as PNG; see [`save::replace`].
///
/// # Errors
/// [`SaveError`], a sentence with the path last.
pub fn write_png(path: &Path, picture: &image::RgbImage) -> Result<(), SaveError> {
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .map_err(|error| SaveError::Encode(sentence(&error.to_string()), path.into()))?;
    save::replace(path, &bytes.into_inner())
}

/// The bytes of a file of at most [`MAX_FILE`].
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, PictureError> {
    let from_read = |error| PictureError::from_read(&error, path);
    let file = File::open(path).map_err(from_read)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(from_read)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(PictureError::TooMuchMemory(path.into()));
    }
    Ok(bytes)
}

/// Decodes to whatever channels the file has, upright.
pub(super) fn decode_image(
    bytes: &[u8],
    path: &Path,
) -> Result<(DynamicImage, Vec<String>), PictureError> {
    let format = Format::of(bytes).ok_or_else(|| PictureError::NotAPicture(path.into()))?;
    if let Some((width, height)) = header::size(bytes, format) {
        check_size(width, height, path)?;
    }
    if !header::is_whole(bytes, format) {
        return Err(PictureError::Truncated(path.into()));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED);
    let reader = Cursor::new(bytes);
    let from_image = |error| from_image(error, path);
    let image = match format {
        Format::Png => upright(
            png::PngDecoder::with_limits(reader, limits.clone()).map_err(from_image)?,
            limits,
            path,
        ),
        Format::Jpeg => upright(
            jpeg::JpegDecoder::new(reader).map_err(from_image)?,
            limits,
            path,
        ),
        Format::WebP => upright(
            webp::WebPDecoder::new(reader).map_err(from_image)?,
            limits,
            path,
        ),
        Format::Bmp => upright(
            bmp::BmpDecoder::new(reader).map_err(from_image)?,
            limits,
            path,
        ),
        Format::Tiff => upright(
            tiff::TiffDecoder::new(reader).map_err(from_image)?,
            limits,
            path,
        ),
        Format::Gif => upright(
            gif::GifDecoder::new(reader).map_err(from_image)?,
            limits,
            path,
        ),
    }?;
    let mut warnings = Vec::new();
    let (image, profile) = image;
    let (image, error) = match profile {
        None => (image, None),
        Some(profile) => to_srgb(image, &profile),
    };
    if let Some(error) = error {
        tracing::debug!("{error}");
        warnings.push(format!(
            "the picture's colour profile can't be read, its colours are taken for sRGB: {}",
            path.display()
        ));
    }
    if header::is_animated(bytes, format) {
        warnings.push(format!(
            "the picture is animated, only its first frame is used: {}",
            path.display()
        ));
    }
    Ok((image, warnings))
}

fn check_size(width: u32, height: u32, path: &Path) -> Result<(), PictureError> {
    if width == 0 || height == 0 {
        Err(PictureError::Empty(width, height, path.into()))
    } else if width > MAX_SIDE || height > MAX_SIDE {
        Err(PictureError::TooLarge(width, height, path.into()))
    } else {
        Ok(())
    }
}

/// The decoded picture with its ICC profile.
fn upright(
    mut decoder: impl ImageDecoder,
    mut limits: Limits,
    path: &Path,
) -> Result<(DynamicImage, Option<Vec<u8>>), PictureError> {
    let (width, height) = decoder.dimensions();
    check_size(width, height, path)?;
    // A picture whose rotation can't be read is shown as it is stored.
    let orientation = decoder.orientation();
    let profile = decoder.icc_profile().ok().flatten();
    limits
        .reserve(decoder.total_bytes())
        .and_then(|()| decoder.set_limits(limits))
        .and_then(|()| DynamicImage::from_decoder(decoder))
        .map(|mut image| {
            if let Ok(orientation) = orientation {
                image.apply_orientation(orientation);
            }
            (image, profile)
        })
        .map_err(|error| from_image(error, path))
}

fn from_image(error: ImageError, path: &Path) -> PictureError {
    // The decoders name early ends in their own words, some only in the text.
    let text = sentence(&error.to_string());
    let lower = text.to_lowercase();
    let ended = [
        "unexpected eof",
        "unexpected end",
        "end of file",
        "fill whole buffer",
        "exhausted",
    ]
    .iter()
    .any(|words| lower.contains(words));
    match &error {
        _ if ended => PictureError::Truncated(path.into()),
        ImageError::Limits(_) => PictureError::TooMuchMemory(path.into()),
        ImageError::Unsupported(_) => PictureError::Unsupported(text, path.into()),
        ImageError::IoError(error) => PictureError::from_read(error, path),
        _ => PictureError::Damaged(text, path.into()),
    }
}

/// What a decoder says, on one line: neither where in its own terms ("Format error decoding Png: …"), nor the state
/// that it was in ("… while decoding ChunkType { … } chunk."), nor its closing stop.
fn sentence(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    let what = match text.split_once(": ") {
        Some((place, what)) if place.starts_with("Format error") => what,
        _ => &text,
    };
    let end = [" while decoding ", " { "]
        .iter()
        .filter_map(|state| what.find(state))
        .min();
    let said = what[..end.unwrap_or(what.len())].trim_end_matches(['.', ':', ',']);
    said.to_string()
}
